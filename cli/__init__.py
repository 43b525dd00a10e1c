"""The montecarlo command: one module for each group of commands, and what they share beside them.

Nothing under functions/ imports it.
"""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
"""The clone of the repository that the command works from."""


class CommandError(Exception):
    """The command cannot be carried out as given. The message says what is wrong, where, and what to do."""


class RunFailed(Exception):
    """An execution did not succeed. `status` is Step Functions'; `error` and `cause` may be empty."""

    def __init__(self, status: str, error: str, cause: str) -> None:
        super().__init__(f"{status}: {error}: {cause}")
        self.status, self.error, self.cause = status, error, cause

    def in_words(self) -> str:
        """What has happened, for a user."""
        happened = {"ABORTED": "was cancelled", "TIMED_OUT": "took longer than it may"}.get(self.status, "failed")
        return f"The run {happened}" + (f": {self.error}" if self.error else "") + f"\n{self.cause}".rstrip()
