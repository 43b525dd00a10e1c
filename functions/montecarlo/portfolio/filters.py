"""Which rows of a file are loans of the portfolio: conditions on the file's own columns, all of which must hold.

Imports numpy, pyarrow and this room's cells and dialect only.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from montecarlo.portfolio.cells import as_text, numbers
from montecarlo.portfolio.dialect import Dialect

Bools = NDArray[np.bool_]

LISTED = ("in", "not_in")
COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "above": operator.gt,
    "below": operator.lt,
    "at_least": operator.ge,
    "at_most": operator.le,
}


@dataclass(frozen=True)
class Condition:
    """What the cells of a column must be. A missing cell is in no list, and neither above nor below a number."""

    column: str
    tests: Mapping[str, Any]


def apply(conditions: Sequence[Condition], table: pa.Table, dialect: Dialect) -> tuple[Bools, dict[str, Bools]]:
    """Which rows are kept, (n,), and which cannot be told, by the column whose cell is no number there, (n,) each."""
    kept, unclear = np.ones(len(table), np.bool_), {}
    for condition in conditions:
        array = table[condition.column].combine_chunks()
        given = np.asarray(pc.is_valid(array))
        if set(condition.tests) & set(COMPARED):
            value = numbers(array, dialect)
            unclear[condition.column] = given & ~np.isfinite(value)
        for test, wanted in condition.tests.items():
            if test == "missing":
                kept &= given != wanted
            elif test in LISTED:
                listed = np.asarray(pc.is_in(as_text(array), pa.array(wanted, pa.string()))) & given
                kept &= listed == (test == "in")
            else:
                kept &= np.asarray(COMPARED[test](value, wanted))
    return kept, unclear
