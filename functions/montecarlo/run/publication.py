"""What a result is published as: the result, the report and the tables beside them; and what is left of a failure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.report.charts.losses import Distribution
from montecarlo.report.failure import render_failure
from montecarlo.report.page import render
from montecarlo.run import tables
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.run.result import losses_table, segments_table
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.store import JSON, Store, to_json

HTML = "text/html; charset=utf-8"


def publish(
    plan: Plan, result: Mapping[str, Any], total: Partial, weights: npt.NDArray[np.float64], store: Store
) -> None:
    """Write all that people and programs read of a run. weights: (S,), of the scenarios of all waves."""
    losses = total.segments.losses.sum(axis=1) * plan.sample
    distributions = {case.name: Distribution(losses[c], weights) for c, case in enumerate(plan.cases)}
    store.put(keys.losses(plan.run), to_parquet(losses_table(plan, losses, weights)))
    segments = segments_table(result)
    store.put(keys.segments(plan.run), to_parquet(segments))
    store.put(keys.losses_table(plan.run), to_parquet(tables.losses(plan, losses, weights)))
    store.put(keys.segments_table(plan.run), to_parquet(tables.segments(segments, result)))
    store.put(keys.report(plan.run), render(result, distributions).encode(), HTML)
    # Last, as its presence says that the run is complete.
    store.put(keys.result(plan.run), to_json(result, indent=1), JSON)


def record_failure(run: str, error: str, cause: str, store: Store) -> dict[str, str]:
    """Write failure.json, and the page that says the same to people; returns what is in it.

    The page has a key of its own: report.html may be there from an execution of this name that succeeded.
    """
    # A text that came out of JSON can hold halves of characters, which no file can.
    error, cause = (text.encode(errors="replace").decode() for text in (error, cause))
    failure = {"run": run, "error": error, "cause": cause}
    store.put_json(keys.failure(run), failure, indent=1)
    store.put(keys.failure_page(run), render_failure(failure).encode(), HTML)
    return failure
