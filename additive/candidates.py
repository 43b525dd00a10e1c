"""Loans that are not in a run's portfolio, read as the run reads its own. Imports `montecarlo` only."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.portfolio.files import format_of
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import RawRows, read_rows
from montecarlo.run import duplicates
from montecarlo.run.plan import Plan
from montecarlo.run.tally import Tally
from montecarlo.simulation.trials import mix64
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.store import Store

SHOWN = 3
"""Rows at fault that an error names."""

MOST = 100_000
"""Loans of a file: what is to be simulated as a portfolio is run as one."""

Row = Mapping[str, Any]
"""A loan: its values by the column names that the portfolio's files have. What is left out is not given."""


def from_file(plan: Plan, path: Path, columns: ColumnMapping | None = None, most: int | None = MOST) -> Loans:
    """The loans of a CSV or Parquet file.

    columns: how they are read; as the run reads its own where it is None. most: how many a file may hold. Raises
    InvalidInput, InvalidPortfolio as `from_rows` does.
    """
    columns = columns or _columns(plan)
    return _checked(plan, rows_of(path, columns), columns, str(path), most)


def rows_of(path: Path, columns: ColumnMapping) -> RawRows:
    """The rows of a CSV or Parquet file. Raises InvalidInput, InvalidPortfolio where it cannot be read."""
    kind = format_of(path.name)
    if kind is None:
        raise InvalidInput(f"{path}: the name must end in .csv, .csv.gz or .parquet.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or type(error).__name__}.") from None
    return read_rows(io.BytesIO(data), path.name, kind, columns)


def from_rows(plan: Plan, rows: Sequence[Row], name: str = "the loans") -> Loans:
    """Loans given one by one. name: what errors call them.

    Raises InvalidPortfolio that names column and reason where a loan cannot be used, InvalidInput where a value is of
    a type that no file has.
    """
    if not rows:
        raise InvalidInput(f"{name}: give at least one.")
    names = list(dict.fromkeys(column for row in rows for column in row))
    try:
        table = pa.table({column: pa.array([row.get(column) for row in rows]) for column in names})
        data = to_parquet(table)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{name} cannot be read as a table ({type(error).__name__}): give texts, numbers and dates."
        ) from None
    columns = _columns(plan)
    return _checked(plan, read_rows(io.BytesIO(data), name, "parquet", columns), columns, name, MOST)


def _columns(plan: Plan) -> ColumnMapping:
    """The run's mapping and filter; a candidate need not say what results are broken down by."""
    return plan.columns_with(dimensions=())


def _checked(plan: Plan, raw: RawRows, columns: ColumnMapping, name: str, most: int | None) -> Loans:
    """All loans of the rows, or an error: none is left out in silence."""
    known = tuple(plan.parameters.segments), plan.as_of, tuple(plan.parameters.named_sectors)
    loans, rejects = validate(raw, columns, *known, plan.parameters.staging)
    if rejects:
        told = "; ".join(f"row {reject.row:,}: {reject.reason}" for reject in rejects[:SHOWN])
        more = f"; and {len(rejects) - SHOWN:,} more" if len(rejects) > SHOWN else ""
        raise InvalidPortfolio(
            f"{name}: {len(rejects):,} of its rows cannot be used: {told}{more}. The run's reporting date is "
            f"{plan.as_of.isoformat()}."
        )
    if raw.filtered:
        raise InvalidPortfolio(
            f"{name}: the filter of the run or its mapping leaves out {raw.filtered:,} of its rows: remove them."
        )
    if not len(loans):
        raise InvalidPortfolio(f"{name} holds no loan.")
    if most is not None and len(loans) > most:
        raise InvalidInput(f"{name} holds {len(loans):,} loans, but at most {most:,} are taken: run it as a portfolio.")
    is_sum = not plan.groups  # of runs: its plan does not say whether they name borrowers
    if not is_sum and not plan.by_borrower and loans.obligor_id.null_count < len(loans):
        raise InvalidPortfolio(
            f"{name} has ObligorID, which the portfolio of the run {plan.run} does not have: leave the column out."
        )
    return loans


def known(plan: Plan, loans: Loans, store: Store) -> list[str]:
    """Those AccountIDs of the loans that the run's portfolio has, too: such a loan shares the other's luck.

    Of very many loans the run kept the keys of a slice only (`Plan.count_one_in`), and so no more are found. Raises
    IncompleteRun where the keys that the run kept are damaged.
    """
    key = mix64(loans.key)
    found = np.zeros(len(loans), dtype=np.bool_)
    batches = [(group, duplicates.batches_of(plan, group, store).batches) for group in range(plan.groups)]
    for part, wanted in enumerate(Tally.of(key).split(plan.count_one_in, plan.count_ranges)):
        for group, batch in ((group, batch) for group, many in batches for batch in range(many if len(wanted) else 0)):
            name = duplicates.name_of(plan, group, batch, part)
            tally = duplicates.read_tally(store, keys.group_tally(plan.run, group, batch, part), name)
            found |= tally.find(key) >= 0
    return [account for account, there in zip(loans.account_id.to_pylist(), found.tolist(), strict=True) if there]
