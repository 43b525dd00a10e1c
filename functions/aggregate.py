"""Aggregate: check that the run is whole, and publish its loss distribution, measures and report, or ask for more
scenarios.
"""

import platform
from typing import Any

import numpy as np

from montecarlo import layout, results, waves
from montecarlo.runtime import data_store, logged


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"run", "wave"} -> {"run", "wave", "more", "result", "report"}.

    "more": whether another wave of scenarios is wanted, whose number "wave" then is; nothing is published before the
    last.
    """
    run, wave = event["run"], event.get("wave", 0)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    more = results.aggregate(waves.plans(run, wave + 1, data_store()), data_store(), versions)
    places = {"result": layout.result(run), "report": layout.report(run)}
    return {"run": run, "wave": wave + more, "more": more, **places}
