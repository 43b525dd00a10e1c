"""Monte Carlo simulation of loan portfolios: the domain package that every function shares.

Only `storage` knows AWS and only `host` the environment; every other module is plain NumPy and PyArrow and runs
anywhere.
"""

__version__ = "0.1.0"

MODEL_VERSION = "2"
"""Raised whenever the same inputs would give other numbers. A run never mixes two model versions."""
