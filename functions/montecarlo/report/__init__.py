"""The result for people."""
