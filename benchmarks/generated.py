"""Generated loans as the kernel takes them, for the benchmarks."""

import io
from dataclasses import fields
from datetime import date

import numpy as np

from montecarlo.model.cases import Case
from montecarlo.model.credit import LoanRisks, loan_risks
from montecarlo.model.parameters import load
from montecarlo.model.scenarios import Design, Scenarios, draw, mixing
from montecarlo.model.tables import ModelTables, model_tables
from montecarlo.model.tail_shift import LossProfile, find_shift
from montecarlo.portfolio import synthetic
from montecarlo.portfolio.loans import validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import read_rows
from montecarlo.storage.parquet import to_parquet

SEED = 42
AS_OF = date(2026, 1, 1)
CASES = (Case("base", 3.63, {}), Case("stressed", 8.0, {}), Case("severe", 10.0, {}))

_DISTINCT = 20_000


def generated(loans: int, scenarios: int, cases: int, aimed: bool = False) -> tuple[LoanRisks, ModelTables, Scenarios]:
    """`loans` loans of the portfolio that datagen makes by default, and their scenarios in the first `cases` CASES.

    aimed: whether half of the scenarios lie in the tail, as a run's do by default.

    More than 20,000 loans repeat these under other keys, which the kernel cannot tell from loans of their own.
    """
    parameters = load()
    tables = model_tables(parameters, CASES[:cases])
    file = io.BytesIO(to_parquet(synthetic.generate(0, min(loans, _DISTINCT), SEED, AS_OF)))
    rows = read_rows(file, "generated.parquet", "parquet", ColumnMapping())
    valid, rejects = validate(rows, ColumnMapping(), tuple(parameters.segments), AS_OF)
    assert not rejects
    few = loan_risks(valid, parameters, CASES[:cases], tables)
    repeated = {
        field.name: np.take(getattr(few, field.name), np.arange(loans) % len(few), axis=-1) for field in fields(few)
    }
    for name in ("key", "lgd_key"):
        repeated[name] = repeated[name] + np.arange(loans, dtype=np.uint64) // np.uint64(len(few))
    shift = find_shift(LossProfile.of(few), tables, mixing(parameters), SEED) if aimed else None
    return LoanRisks(**repeated), tables, draw(parameters, scenarios, SEED, Design(shift))
