"""Loans for tests of the engine: pools whose distribution is known."""

from typing import Any

import numpy as np
import pyarrow as pa

from montecarlo.model import normal
from montecarlo.model.cases import Case
from montecarlo.model.credit import LoanRisks
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Scenarios, draw
from montecarlo.model.tables import ModelTables, model_tables
from montecarlo.portfolio.loans import Loans

BASE = Case("base", 3.63, {})
STRESSED = Case("stressed", 8.0, {})


def one_factor(rho: float, lgd: float = 1.0) -> Parameters:
    """Parameters with one common factor only and the same asset correlation for all segments."""
    segments = {name: {"asset_correlation": rho, "lgd": lgd} for name in load().segments}
    return load({"global_factor_share": 1, "segments": segments})


def loans(count: int = 1, **columns: Any) -> Loans:
    """Equal loans of 10,000 at 12 % over 12 months, three of them paid, but for `columns`."""
    nan = float("nan")
    defaults: dict[str, Any] = {
        "key": 1, "obligor_key": 1,
        "segment": 0, "sector": -1, "asset_correlation": nan,
        "region": 0, "rate": 12.0, "payment": 888.49, "loan_amount": 10_000.0, "balance": nan,
        "income": 60_000.0, "term": 12, "age": 3, "floating": False, "pd": nan, "lgd": nan, "ead": nan,
        "grade": -1,
        "amortisation": 0, "period": 1, "interest_only": 0, "balloon": nan, "limit": nan,
        "collateral": nan, "stage": 1, "effective_rate": nan,
    }  # fmt: skip
    types = {
        "key": np.uint64,
        "obligor_key": np.uint64,
        "segment": np.int16,
        "sector": np.int16,
        "region": np.int8,
        "term": np.int64,
        "age": np.int64,
        "amortisation": np.int8,
        "stage": np.int8,
        "grade": np.int16,
        "period": np.int64,
        "interest_only": np.int64,
    }
    arrays = {
        name: np.full(count, columns.get(name, value), dtype=types.get(name, bool if name == "floating" else float))
        for name, value in defaults.items()
    }
    account_id = pa.array([f"A{i}" for i in range(count)])
    return Loans(account_id=account_id, obligor_id=pa.nulls(count, pa.string()), dimensions=(), **arrays)


def pool(pd: float, loans: int, tables: ModelTables, loss_cents: int = 100, first_key: int = 1) -> LoanRisks:
    """`loans` equal loans of the first segment."""
    probit = normal.inverse(tables.phi, np.full(loans, pd)) + tables.shift[:, :1]
    no = np.zeros(loans, dtype=bool)
    key = np.arange(first_key, first_key + loans, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return LoanRisks(
        key=key,
        lgd_key=key,
        sector=np.zeros(loans, dtype=np.int16),
        region=np.arange(loans, dtype=np.int16) % np.int16(11),
        factor=np.zeros(loans, dtype=np.int16),
        loading=np.zeros(loans, dtype=np.int16),
        alpha=((probit * tables.scale[0]) >> normal.FRACTION_BITS).astype(np.int32),
        pd=normal.threshold(tables.phi, probit.astype(np.int32)),
        certain=no,
        impossible=no,
        exposure=np.full(loans, loss_cents, dtype=np.int64),
        lgd=np.full(loans, normal.ONE, dtype=np.int32),
        loss=np.full(loans, loss_cents, dtype=np.int64),
        rounding=np.zeros(loans, dtype=np.int64),
    )


def tables_of(parameters: Parameters, *cases: Case) -> ModelTables:
    """The constants of these cases, the base case by default."""
    return model_tables(parameters, cases or (BASE,))


def drawn_of(parameters: Parameters, scenarios: int, seed: int = 42, *cases: Case) -> tuple[ModelTables, Scenarios]:
    """The constants, and so many plain scenarios."""
    return tables_of(parameters, *cases), draw(parameters, scenarios, seed)
