"""A first look at the portfolio by the planner: some loans of some files, to aim the scenarios, and to fail early.

A portfolio that no worker could read fails here, in seconds. What is sampled depends on the portfolio's objects alone,
not on how the run is cut.
"""

import io
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

from montecarlo.errors import InvalidPortfolio
from montecarlo.limits import PILOT_OBJECTS
from montecarlo.model.cases import Case
from montecarlo.model.credit import check_unit, loan_risks
from montecarlo.model.parameters import Parameters
from montecarlo.model.tables import ModelTables
from montecarlo.model.tail_shift import LossProfile
from montecarlo.portfolio.csv_rows import first_rows
from montecarlo.portfolio.files import open_rows
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import RawRows, gather, read_rows
from montecarlo.run import dimensions
from montecarlo.source.objects import InputObject
from montecarlo.storage.store import NoSuchObject, Store

ROWS = 1_000
FEW = 100
"""Loans below which those of a filter tell less of where it loses most than all loans do."""

_HEAD_BYTES = 1 << 18
"""Of a CSV: about 2,000 rows."""


@dataclass(frozen=True)
class FirstLook:
    """What the pilot tells of a portfolio. names_borrowers: whether loans have an ObligorID. dimension_parts: how many
    values these loans have, those of all dimensions.
    """

    profile: LossProfile
    names_borrowers: bool
    dimension_parts: int


def look(
    objects: Sequence[InputObject],
    portfolio: Store,
    columns: ColumnMapping,
    parameters: Parameters,
    cases: Sequence[Case],
    tables: ModelTables,
    as_of: date,
) -> FirstLook:
    """What up to 32 files' first 1,000 loans tell.

    tables: of these parameters and cases. Raises InvalidPortfolio if a file cannot be read, and if the amounts of these
    loans are too small to be counted in cents.
    """
    step = max(1, len(objects) // PILOT_OBJECTS)
    chosen = objects[:: -(-len(objects) // PILOT_OBJECTS)] if step > 1 else objects[:PILOT_OBJECTS]

    def read(columns: ColumnMapping) -> Loans:
        with ThreadPoolExecutor(PILOT_OBJECTS) as pool:
            rows = gather(list(pool.map(lambda item: _first_rows(item, portfolio, columns), chosen)))
        known = tuple(parameters.segments), as_of, tuple(parameters.named_sectors)
        return validate(rows, columns, *known, parameters.staging)[0]

    loans = read(columns)
    # A request's filter may keep none of the first rows, though many later.
    wide = read(replace(columns, filters=(), filtered_by={})) if columns.filters else loans
    risks = loan_risks(loans, parameters, cases, tables)
    check_unit(risks)
    named = "ObligorID" in columns.origins or wide.obligor_id.null_count < len(wide)
    parts = sum(len(each.parts) for each in dimensions.labels(loans.dimensions))
    few = columns.filters and len(loans) < FEW
    profile = LossProfile.of(loan_risks(wide, parameters, cases, tables) if few else risks)
    return FirstLook(profile, named, parts)


def _first_rows(item: InputObject, portfolio: Store, columns: ColumnMapping) -> RawRows:
    try:
        if item.format == "parquet":
            file = portfolio.open(item.key, item.size, item.etag)
            rows = open_rows(file, item.key, "parquet").count()
            return read_rows(file, item.key, "parquet", columns, (0, min(ROWS, rows)))
        head = portfolio.get_range(item.key, 0, min(item.size, _HEAD_BYTES), item.etag, item.size)
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} The portfolio's listing names it: start a new run.") from None
    if item.size <= _HEAD_BYTES:
        return read_rows(io.BytesIO(head), item.key, item.format, columns)
    if item.format == "csv.gz":
        head = _inflate(head, item.key)
    return read_rows(io.BytesIO(first_rows(head, ROWS, item.key, columns.dialect)), item.key, "csv", columns)


def _inflate(head: bytes, key: str) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head)
    except zlib.error:
        raise InvalidPortfolio(f"{key} cannot be read: it is not compressed with gzip, or damaged.") from None
