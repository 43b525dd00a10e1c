"""Rows that cannot be simulated, each with the cell that is wrong and why.

Imports pyarrow only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

MAX_VALUE = 80
"""Characters of a cell that a reject keeps."""


@dataclass(frozen=True)
class Reject:
    """A row that cannot be simulated. `row` is the 1-based data row of `file`; `value` is cut at 80 characters."""

    file: str
    row: int
    column: str
    value: str
    reason: str


def rejects_table(rejects: Sequence[Reject]) -> pa.Table:
    """The rejects as a table to be written for whoever corrects the data."""
    types = {"file": pa.string(), "row": pa.int64(), "column": pa.string(), "value": pa.string(), "reason": pa.string()}
    return pa.table({name: pa.array([getattr(r, name) for r in rejects], kind) for name, kind in types.items()})


def place(reject: Reject) -> tuple[str, int]:
    """What rejects are sorted by: file, then row."""
    return reject.file, reject.row
