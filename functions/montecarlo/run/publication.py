"""What a result is published as: the result, the report and the tables beside them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.report.charts.losses import Distribution
from montecarlo.report.page import render
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.run.result import losses_table, segments_table
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.store import JSON, Store, to_json


def publish(
    plan: Plan, result: Mapping[str, Any], total: Partial, weights: npt.NDArray[np.float64], store: Store
) -> None:
    """Write all that people and programs read of a run. weights: (S,), of the scenarios of all waves."""
    losses = total.segments.losses.sum(axis=1) * plan.sample
    distributions = {case.name: Distribution(losses[c], weights) for c, case in enumerate(plan.cases)}
    store.put(keys.losses(plan.run), to_parquet(losses_table(plan, losses, weights)))
    store.put(keys.segments(plan.run), to_parquet(segments_table(result)))
    store.put(keys.report(plan.run), render(result, distributions).encode(), "text/html; charset=utf-8")
    # Last, as its presence says that the run is complete.
    store.put(keys.result(plan.run), to_json(result, indent=1), JSON)
