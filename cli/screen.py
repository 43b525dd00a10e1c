"""What the command says while it works, beside its results: on standard error, so that results can be redirected."""

import sys


def say(text: str) -> None:
    """A line for the user."""
    print(text, file=sys.stderr, flush=True)
