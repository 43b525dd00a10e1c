"""The montecarlo command: one module for each group of commands, and what they share beside them.

Nothing under functions/ imports it.
"""


class CommandError(Exception):
    """The command cannot be carried out as given. The message says what is wrong, where, and what to do."""
