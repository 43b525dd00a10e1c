"""Parameters of the model estimated from a lender's own history, in the user's own process.

Needs the extra `calibration`. Imports the package `montecarlo`; nothing that runs in AWS imports it.
"""
