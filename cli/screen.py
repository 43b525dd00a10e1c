"""What the command says: results on standard output, everything else on standard error, so that they can be parted.

Whatever is printed goes through here, since texts may come from files and from buckets: nothing in them steers the
terminal. Imports the standard library only.
"""

import shlex
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TextIO

_quiet = False
_place = ""
_ASCII: dict[str, str | int | None] = {"±": "+/-", "−": "-", "–": "-", "…": "~", "€": "EUR", "£": "GBP"}
"""The signs that results are written with, and what stands for them on a screen that has not all of them."""


def be_quiet(quiet: bool) -> None:
    """Whether to say nothing but what is wrong."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether only results and errors are wanted."""
    return _quiet


def show(text: str, end: str = "\n", hang: int | None = None) -> None:
    """Print a result. hang: that it is prose, and how far its lines are indented where a terminal is too narrow."""
    text = printable(text)
    print(_drawn(text if hang is None else _folded(text, sys.stdout, hang), sys.stdout), end=end)


def say(text: str) -> None:
    """Print a line for the user, unless the command is to be quiet."""
    if not _quiet:
        warn(text)


def warn(text: str) -> None:
    """Print what is wrong."""
    print(_drawn(_folded(printable(text), sys.stderr, 0), sys.stderr), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """The text with '?' for every character that could steer a terminal or hide others; line breaks stay."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def is_ascii(screen: TextIO) -> bool:
    """Whether a screen lacks one of the signs."""
    try:
        "".join(_ASCII).encode(screen.encoding or "ascii")
    except UnicodeEncodeError:
        return True
    return False


def in_ascii(text: str) -> str:
    """The text with words for the signs; a table is written so before its columns are laid out."""
    return text.translate(str.maketrans(_ASCII))


def _folded(text: str, screen: TextIO, hang: int) -> str:
    """Prose with no word broken at the end of a terminal's line; elsewhere as it is."""
    if not screen.isatty():
        return text
    width = shutil.get_terminal_size().columns
    fold = textwrap.TextWrapper(
        width, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ).fill
    return "\n".join(fold(line) if len(line) > width else line for line in text.split("\n"))


def _drawn(text: str, screen: TextIO) -> str:
    return in_ascii(text) if is_ascii(screen) else text


def counted(number: int, thing: str) -> str:
    """1 file, 1,000 files."""
    return f"{number:,} {thing}" + "s" * (number != 1)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Rows below a head, in columns: those in `left` begin at the left, the others end at the right."""
    all_rows = [head, *rows]
    widths = [max(len(row[i]) for row in all_rows) for i in range(len(head))]
    lines = (
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in all_rows
    )
    return "\n".join(line.rstrip() for line in lines)


def work_at(options: str) -> None:
    """Options that every command needs for working where this one does, such as --stack NAME."""
    global _place
    _place = options


def typed(command: str, *arguments: str) -> str:
    """A command as it can be typed here. arguments: each is one, and stands in quotes where a shell needs them."""
    return " ".join(filter(None, [shlex.quote(program()), command, *map(shlex.quote, arguments), _place]))


def program() -> str:
    """What runs this program here: its name where that finds it on the PATH, else where it lies."""
    called, found = Path(sys.argv[0]), shutil.which("montecarlo")
    if called.name != "montecarlo" or (found and Path(found).resolve() == called.resolve()):
        return "montecarlo"
    return str(shown(called.resolve()))


def shown(path: Path) -> Path:
    """A path as a user would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
