"""What the command says: results on standard output, everything else on standard error, so that they can be parted.

Whatever is printed goes through here, since texts may come from files and from buckets: nothing in them steers the
terminal. Imports the standard library only.
"""

import sys
from pathlib import Path


def show(text: str, end: str = "\n") -> None:
    """Print a result."""
    print(printable(text), end=end)


def say(text: str) -> None:
    """Print a line for the user."""
    print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """The text with '?' for every character that could steer a terminal or hide others; line breaks stay."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def shown(path: Path) -> Path:
    """A path as a user would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
