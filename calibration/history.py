"""A history of loans: what each was like when it was looked at, and whether it defaulted in the time after.

Rows are read as a portfolio's are, by the same mapping and checks. Three more columns are a mapping's dimensions or the
file's own: the outcome, and if wanted a grade and the date on which the loan was looked at.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model.parameters import Parameters
from montecarlo.portfolio.cells import dates
from montecarlo.portfolio.files import format_of
from montecarlo.portfolio.loans import Loans, joined, validate
from montecarlo.portfolio.mapping import ColumnMapping, Origin
from montecarlo.portfolio.rows import RawRows, gather, read_rows

MOST_DATES = 5_000
MOST_GRADES = 200

_YEAR = re.compile(r"[12]\d{3}")


@dataclass(frozen=True)
class Columns:
    """What the history's further columns are called: names of the mapping's dimensions, or of the file's columns."""

    outcome: str = "Outcome"
    grade: str | None = None
    date: str | None = None

    @property
    def names(self) -> list[str]:
        """Those that are read, the outcome first."""
        return [name for name in (self.outcome, self.grade, self.date) if name is not None]


@dataclass(frozen=True, eq=False)
class History:
    """N loans that were looked at. defaulted: bool (N,). grade: text (N,), null where there is none, or None. day:
    (N,), the dates, or None. read, rejected: rows. reasons: how many rows were rejected for each reason, the most
    first.
    """

    loans: Loans
    defaulted: npt.NDArray[np.bool_]
    grade: pa.Array | None
    day: npt.NDArray[np.datetime64] | None
    read: int
    rejected: int
    reasons: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.loans)


def read(
    files: Mapping[str, Path],
    document: Mapping[str, Any] | None,
    columns: Columns,
    parameters: Parameters,
    as_of: date,
) -> History:
    """The history in these files. document: a mapping. as_of: the date of rows that have none of their own.

    Raises InvalidPortfolio where a file cannot be used, no row is left, or an outcome is neither 0 nor 1, and names
    file and row; InvalidInput where two of the columns are the same.
    """
    if len(set(columns.names)) < len(columns.names):
        raise InvalidInput("outcome, grade and date must be different columns.")
    mapping = ColumnMapping.parse(document, columns.names)
    nowhere = Origin(constant="0")  # where a borrower lives says nothing here, and need not be told
    mapping = replace(mapping, origins={**mapping.origins, "ZipCode": nowhere})
    parts = []
    for name, path in files.items():
        kind = format_of(name)
        if kind is None:
            raise InvalidPortfolio(f"{path}: the name must end in .csv, .csv.gz or .parquet.")
        with path.open("rb") as file:
            parts.append(read_rows(file, name, kind, mapping))
    raw = gather(parts)
    total = len(raw.row) + len(raw.rejects)
    if not total:
        raise InvalidPortfolio(f"{', '.join(map(str, files.values()))} has no rows: there is nothing to learn from.")
    place = list(mapping.dimensions).index
    segments, sectors = tuple(parameters.segments), tuple(parameters.named_sectors)
    found, rejects = [], Counter(reject.reason for reject in raw.rejects)
    days = []
    for day, rows in _by_day(raw, mapping, columns, as_of):
        valid, rejected = validate(rows, mapping, segments, day, sectors, parameters.staging)
        found.append(valid)
        days.append(np.full(len(valid), np.datetime64(day, "D")))
        rejects.update(reject.reason for reject in rejected)
    loans = joined(found) if found else None
    if loans is None or not len(loans):
        reason, count = rejects.most_common(1)[0]
        raise InvalidPortfolio(f"none of the {total:,} rows can be used: {reason} in {count:,} of them.")
    grade = loans.dimensions[place(columns.grade)] if columns.grade is not None else None
    if grade is not None and pc.count_distinct(grade).as_py() > MOST_GRADES:
        raise InvalidPortfolio(
            f"{columns.grade} has {pc.count_distinct(grade).as_py():,} values, more than {MOST_GRADES} grades: is it "
            "the right column?"
        )
    return History(
        loans=loans,
        defaulted=_as_numbers(loans.dimensions[place(columns.outcome)]) == 1,
        grade=grade,
        day=np.concatenate(days) if columns.date is not None else None,
        read=total,
        rejected=total - len(loans),
        reasons=dict(rejects.most_common()),
    )


def _by_day(raw: RawRows, mapping: ColumnMapping, columns: Columns, as_of: date) -> list[tuple[date, RawRows]]:
    """The rows of each date, the earliest first; all of them where they have none. The outcomes are checked."""
    outcome = f"dimension {columns.outcome}"
    given: list[npt.NDArray[np.datetime64]] = []
    start = 0
    for table in raw.tables:
        wrong = np.flatnonzero(np.isnan(_as_numbers(table[outcome].combine_chunks())))
        if wrong.size:
            row = start + int(wrong[0])
            where = f"{raw.files[raw.file_index[row]]} row {raw.row[row]}"
            raise InvalidPortfolio(
                f"{where}: {columns.outcome} is neither 0 nor 1, as in {wrong.size:,} of {len(table):,} rows. 1 is a "
                f"loan that defaulted, 0 one that did not; translate other texts in the mapping: "
                f'{{"dimensions": {{"{columns.outcome}": {{"from": "...", "values": {{"bad": "1", "good": "0"}}}}}}}}.'
            )
        if columns.date is not None:
            cells, like = _years(table[f"dimension {columns.date}"].combine_chunks()), mapping.origin("OriginationDate")
            read_as = dates(cells)
            if like.format:  # the file's other dates may be written so, and these as well
                read_as = np.where(np.isnat(read_as), dates(cells, like.format, like.language), read_as)
            missing = np.flatnonzero(np.isnat(read_as))
            if missing.size:
                row = start + int(missing[0])
                raise InvalidPortfolio(
                    f"{raw.files[raw.file_index[row]]} row {raw.row[row]}: {columns.date} is not a date (YYYY-MM-DD, "
                    f"MM/DD/YYYY, YYYY, or as the mapping's OriginationDate), as in {missing.size:,} of "
                    f"{len(table):,} rows."
                )
            given.append(read_as.astype("datetime64[D]"))
        start += len(table)
    if columns.date is None:
        return [(as_of, _without_rejects(raw))]
    day = np.concatenate([*given, np.empty(0, "datetime64[D]")])
    distinct = np.unique(day)
    if len(distinct) > MOST_DATES:
        raise InvalidPortfolio(
            f"{columns.date} has {len(distinct):,} different dates, more than {MOST_DATES:,}: give the months or years."
        )
    return [(each.astype(object), _rows(raw, day == each)) for each in distinct]


def _years(cells: pa.Array) -> pa.Array:
    """Dates, of which a year alone is its first day."""
    if pa.types.is_temporal(cells.type):
        return cells
    text = cells.cast(pa.string())
    is_year = pc.match_substring_regex(text, f"^{_YEAR.pattern}$")
    return pc.if_else(is_year.fill_null(False), pc.binary_join_element_wise(text, "01", "01", "-"), text)


def _as_numbers(cells: pa.Array) -> npt.NDArray[np.float64]:
    """Outcomes: 1, 0, or NaN for anything else."""
    if pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.int8())
    text = cells.cast(pa.string())
    one, zero = (pc.is_in(text, pa.array(words)) for words in (["1", "1.0", "true"], ["0", "0.0", "false"]))
    return np.where(np.asarray(one), 1.0, np.where(np.asarray(zero), 0.0, np.nan))


def _without_rejects(raw: RawRows) -> RawRows:
    return RawRows(raw.tables, raw.files, raw.file_index, raw.row)


def _rows(raw: RawRows, chosen: npt.NDArray[np.bool_]) -> RawRows:
    tables, start = [], 0
    for table in raw.tables:
        tables.append(table.filter(pa.array(chosen[start : start + len(table)])))
        start += len(table)
    return RawRows(tuple(tables), raw.files, raw.file_index[chosen], raw.row[chosen])
