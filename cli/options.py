"""Options that several commands share, and how numbers are read on the command line. Imports Typer only.

What a number may be is checked with the request that it goes into; here only texts that are no number are refused.
"""

import math
import os
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

LARGEST_EXPONENT = 18


def whole(text: str) -> int:
    """A whole number as users write it: 1000, 1_000_000, 1.5e9. 10.000 may mean ten or ten thousand, and is refused."""
    try:
        number = Decimal(text)
        if number.is_finite() and number.adjusted() > LARGEST_EXPONENT:
            raise typer.BadParameter(f"{text!r} is too large: write a whole number such as 1000, 1_000_000 or 1e9.")
        exponent = number.as_tuple().exponent  # a letter, of what is not finite
        if isinstance(exponent, int) and exponent >= 0:
            return int(number)
    except (InvalidOperation, ValueError):
        pass
    raise typer.BadParameter(f"{text!r} is no whole number such as 1000, 1_000_000 or 1e9.")


def real(text: str) -> float:
    """A number with or without a fraction: 8, 8.25, 1e-3."""
    try:
        number = float(text)
        if math.isfinite(number):
            return number
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is no number such as 8, 0.01 or 1e6.")


def writable(file: Path | None) -> Path | None:
    """A file that a command writes in its end: refused before its work is done in vain."""
    if file is not None:
        if file.is_dir():
            raise typer.BadParameter(f"{file} is a folder: name a file.")
        if not file.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {file.parent}: make it, or name a file elsewhere.")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise typer.BadParameter(f"{file} cannot be written: name a file elsewhere.")
    return file


FIELDS = {"name": "run", "concurrency": "max_concurrency"}
"""Fields of a request that are called otherwise than the options that they are given by."""


def named(message: str, options: dict[str, str]) -> str:
    """A message that begins with a field of a request, with the options that were typed; any other as it is.

    options: by their parameters. Within the message only names with an underscore are no words of its own, and
    those in quotes are what was given.
    """
    typed = {FIELDS.get(parameter, parameter): option for parameter, option in options.items()}
    first, space, rest = message.partition(" ")
    field, colon = first.removesuffix(":"), ":" * first.endswith(":")
    if field not in typed:
        return message
    rest = re.sub(r'(?<![\w."])[a-z]+(_[a-z]+)+(?!\w|\.\w|\[)', lambda found: typed.get(found[0], found[0]), rest)
    return f"{typed[field]}{colon}{space}{rest}"


def spread(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--fed-rate 6 8` written as the parser reads it: `--fed-rate 6 --fed-rate 8`.

    So are those of every option that takes several numbers.
    """
    return list(_spread(arguments))


def _spread(arguments: Sequence[str]) -> Iterator[str]:
    option = ""
    for argument, previous in zip(arguments, ["", *arguments], strict=False):
        if previous not in SEVERAL:
            if option and _is_number(argument):
                yield option
            else:
                option = ""
        if argument in SEVERAL:
            option = argument
        yield argument


def _is_number(text: str) -> bool:
    try:
        real(text)
    except typer.BadParameter:
        return False
    return True


RATE, LEVELS = "--fed-rate", "--levels"
SEVERAL = (RATE, LEVELS)
"""Options that take several numbers."""

Out = Annotated[
    Path, typer.Option("--out", help="folder for the results (default out)", metavar="FOLDER", show_default=False)
]
Run = Annotated[str, typer.Argument(help="the run's name", metavar="RUN")]
Mapping = Annotated[
    Path | None, typer.Option(metavar="FILE", help="JSON file that says where your files keep the columns")
]
Filter = Annotated[
    str | None,
    typer.Option(
        metavar="JSON", help="""only the loans that meet all of these conditions, such as '[["Rate", ">", 9]]'"""
    ),
]
Parameters = Annotated[
    Path | None, typer.Option(metavar="FILE", help="JSON file with model parameters that replace the defaults")
]
Scenarios = Annotated[int | None, typer.Option(parser=whole, metavar="N", help="scenarios (default 10,000)")]
Sample = Annotated[
    int | None, typer.Option(parser=whole, metavar="N", help="simulate one loan in so many (default 1, all)")
]
Contributions = Annotated[
    bool,
    typer.Option("--contributions", help="tell what each loan and each borrower contributes, by a pass over the tail"),
]
MaxDuplicateShare = Annotated[
    float | None,
    typer.Option(
        "--max-duplicate-share",
        parser=real,
        metavar="X",
        help="share of rows with another row's AccountID from which a run fails (default 0.001)",
    ),
]
