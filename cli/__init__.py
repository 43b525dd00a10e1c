"""The montecarlo command."""
