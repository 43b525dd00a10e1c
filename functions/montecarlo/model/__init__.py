"""The risk model: pure functions and tables."""
