"""Obligors for tests of the engine: pools whose distribution is known."""

import numpy as np

from montecarlo.model import normal
from montecarlo.model.credit import Obligors
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Case, ScenarioTable, draw

BASE = Case("base", 3.63, {})
STRESSED = Case("stressed", 8.0, {})


def one_factor(rho: float, lgd: float = 1.0) -> Parameters:
    """Parameters with one common factor only and the same asset correlation for all segments."""
    segments = {name: {"asset_correlation": rho, "lgd": lgd} for name in load().segments}
    return load({"global_factor_share": 1, "segments": segments})


def pool(pd: float, loans: int, table: ScenarioTable, loss_cents: int = 100, first_key: int = 1) -> Obligors:
    """`loans` equal loans of the first segment."""
    probit = normal.inverse(table.phi, np.full(loans, pd)) + table.shift[:, :1]
    no = np.zeros(loans, dtype=bool)
    return Obligors(
        key=np.arange(first_key, first_key + loans, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15),
        sector=np.zeros(loans, dtype=np.int16),
        region=np.arange(loans, dtype=np.int16) % np.int16(11),
        alpha=((probit * table.scale[0]) >> normal.FRACTION_BITS).astype(np.int32),
        pd=normal.threshold(table.phi, probit.astype(np.int32)),
        certain=no,
        impossible=no,
        exposure=np.full(loans, loss_cents, dtype=np.int64),
        lgd=np.full(loans, normal.ONE, dtype=np.int32),
        loss=np.full(loans, loss_cents, dtype=np.int64),
    )


def table_of(parameters: Parameters, scenarios: int, seed: int = 42, *cases: Case) -> ScenarioTable:
    return draw(parameters, cases or (BASE,), scenarios, seed)
