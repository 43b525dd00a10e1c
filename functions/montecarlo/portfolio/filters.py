"""Which rows are loans of the portfolio: conditions on their cells.

A mapping states conditions on columns of its files, a run's request on columns of the portfolio. Both are judged here.

Imports the standard library, numpy, pyarrow, our errors and this room's cells, columns, dates and dialect only.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from montecarlo.errors import InvalidInput, checked_text, shown
from montecarlo.portfolio.cells import as_text, dates, numbers
from montecarlo.portfolio.columns import COLUMN, DEFAULT_RATE_TYPE, DEFAULT_SEGMENT
from montecarlo.portfolio.dates import parse_date
from montecarlo.portfolio.dialect import PLAIN, Dialect

Bools = NDArray[np.bool_]
Kind = Literal["text", "number", "date"]

ORDERED: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
LISTED = ("in", "not in")
EQUAL = ("==", "!=", "=")
OPERATORS = (*EQUAL, *ORDERED, *LISTED)

MOST_CONDITIONS = 100

DEFAULTS: Mapping[str, str] = {"Segment": DEFAULT_SEGMENT, "RateType": DEFAULT_RATE_TYPE}
"""What a loan has where a cell of these columns is missing."""

_IN_ANY_CASE = ("Segment", "RateType", "Sector", "Amortisation", "PaymentFrequency")
"""Columns whose texts are names of ours: how they are capitalised does not matter."""


@dataclass(frozen=True)
class Condition:
    """What a cell of a column must be.

    operator: of `OPERATORS`. values: what it is compared with, several for in and not in; none where == or != ask
    whether the cell is missing. kind: what cells are read as. A missing cell is equal to no value and in no list, and
    neither above nor below any.
    """

    column: str
    operator: str
    values: tuple[Any, ...]
    kind: Kind = "text"


Filter = tuple[tuple[Condition, ...], ...]
"""Rows are kept that meet all conditions of any of these."""


@dataclass(frozen=True)
class Cells:
    """The cells of a column (n,), and how they are read."""

    array: pa.Array
    dialect: Dialect = PLAIN
    unit: tuple[str, ...] = ()
    scale: float = 1.0
    format: str | None = None
    language: str | None = None

    def read(self, kind: Kind) -> tuple[NDArray[Any] | pa.Array, Bools]:
        """The cells as values of the kind, and which are there and no such value, (n,) each."""
        given = np.asarray(pc.is_valid(self.array))
        if kind == "text":
            return as_text(self.array), np.zeros(given.size, np.bool_)
        if kind == "date":
            found = dates(self.array, self.format, self.language)
            return found, given & np.isnat(found)
        value = numbers(self.array, self.dialect, self.unit)
        if self.scale != 1:
            with np.errstate(over="ignore"):
                value = value * self.scale
        return value, given & ~np.isfinite(value)


def apply(chosen: Filter, cells: Mapping[str, Cells], rows: int) -> tuple[Bools, dict[tuple[str, Kind], Bools]]:
    """Which of so many rows are kept, (n,), and where it cannot be told, (n,), by column and what its cell is not.

    cells: of every column that the filter names.
    """
    kept, unclear = np.zeros(rows, np.bool_), {}
    for together in chosen:
        meets = np.ones(rows, np.bool_)
        for condition in together:
            met, wrong = _judge(condition, cells[condition.column])
            meets &= met
            if wrong.any():
                unclear[condition.column, condition.kind] = wrong
        kept |= meets
    return kept, unclear


def _judge(condition: Condition, cells: Cells) -> tuple[Bools, Bools]:
    given = np.asarray(pc.is_valid(cells.array))
    if not condition.values:
        return (~given if condition.operator == "==" else given), np.zeros(given.size, np.bool_)
    value, wrong = cells.read(condition.kind)
    if condition.operator in ORDERED:
        with np.errstate(invalid="ignore"):
            return np.asarray(ORDERED[condition.operator](value, condition.values[0])), wrong
    if condition.kind == "text":
        listed = np.asarray(pc.is_in(value, pa.array(condition.values, pa.string()))) & given
    else:
        listed = np.isin(value, np.array(condition.values))
    return listed == (condition.operator in ("==", "in")), wrong


def columns_of(chosen: Iterable[Filter]) -> tuple[str, ...]:
    """The columns that the filters name, each once."""
    named = (condition.column for each in chosen for together in each for condition in together)
    return tuple(dict.fromkeys(named))


# ---------------------------------------------------------------------------------------------------------------------
# The filter of a request


def parse(given: Any) -> Filter:
    """The filter of a request: [[column, operator, value], ...], all of which must hold, or a list of such lists, any
    of which must.

    The form is that of pyarrow's and pandas' filters. Operators are those of `OPERATORS`. A value is a text, a number,
    null with == and != for a cell that is missing, or a list of texts or of numbers with in and not in; of a date
    column, and where texts are compared by order, a text is a date. Raises InvalidInput.
    """
    listed = isinstance(given, list | tuple)
    if not listed or not given or not all(isinstance(each, list | tuple) and each for each in given):
        raise InvalidInput(f"filter must be {_FORM}, not {shown(given)}.")
    nested = all(isinstance(each[0], list | tuple) for each in given)
    alternatives = given if nested else [given]
    if sum(map(len, alternatives)) > MOST_CONDITIONS:
        raise InvalidInput(f"filter has more than {MOST_CONDITIONS} conditions: give a list of values with in instead.")
    return tuple(tuple(_condition(each) for each in together) for together in alternatives)


_FORM = (
    'a list of conditions such as [["ZipCode", "in", ["10001", "94110"]], ["Rate", ">", 9]], all of which must hold, '
    "or a list of such lists, any of which must"
)


def _condition(given: object) -> Condition:
    if not isinstance(given, list | tuple) or len(given) != 3:
        raise InvalidInput(f"filter must be {_FORM}: {shown(given)} is no condition.")
    column, how, value = given
    where = f"filter: {shown(given)}"
    if not checked_text(column, f"{where}: the column"):
        raise InvalidInput(f"{where}: the column must be named.")
    if how not in OPERATORS:
        raise InvalidInput(f"{where}: there is no operator {shown(how)}; take one of {', '.join(OPERATORS)}.")
    how = "==" if how == "=" else how
    if value is None:
        if how not in EQUAL:
            raise InvalidInput(f"{where}: null is compared by == (the cell is missing) and != (it is there) only.")
        return Condition(column, how, ())
    if how in LISTED and not (isinstance(value, list | tuple) and value):
        raise InvalidInput(f"{where}: {how} needs a list of texts or of numbers.")
    values = tuple(value) if how in LISTED else (value,)
    kind = _kind(column, how, values, where)
    if kind == "date":
        values = tuple(np.datetime64(_date(each, where), "D") for each in values)
    if column in _IN_ANY_CASE:
        values = tuple(each.lower() for each in values)
    return Condition(column, how, values, kind)


def _kind(column: str, how: str, values: tuple[Any, ...], where: str) -> Kind:
    """What the values are, if they are all of one kind that the column may be compared with."""
    texts = [isinstance(each, str) for each in values]
    if not all(texts):
        if any(texts) or not all(map(_is_number, values)):
            raise InvalidInput(
                f"{where}: values must be texts, or finite numbers, all of one kind; for missing cells, compare by == "
                "with null."
            )
        if column in COLUMN and COLUMN[column].kind != "number":
            raise InvalidInput(
                f"{where}: {column} is a {COLUMN[column].kind}: write what it is compared with in quotes."
            )
        return "number"
    for each in values:
        checked_text(each, f"{where}: a value")
    if column in COLUMN and COLUMN[column].kind == "number":
        raise InvalidInput(f"{where}: {column} is a number: write what it is compared with without quotes.")
    if how in ORDERED or (column in COLUMN and COLUMN[column].kind == "date"):
        return "date"
    return "text"


def _is_number(value: object) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False


def _date(text: str, where: str) -> Any:
    found = parse_date(text, None)
    if found is None:
        raise InvalidInput(f"{where}: {shown(text)} is no date such as 2026-01-31; texts have no other order.")
    return found


def as_ours(column: str, array: pa.Array) -> pa.Array:
    """The cells of a column of the portfolio as `parse` expects them: our names in small letters, and defaults."""
    if column not in _IN_ANY_CASE:
        return array
    text = pc.utf8_lower(as_text(array))
    return text.fill_null(DEFAULTS[column]) if column in DEFAULTS else text
