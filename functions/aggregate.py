"""Aggregate: check that the run is whole, and publish its loss distribution, measures and report, or ask for more
scenarios.
"""

import platform
from typing import Any

import numpy as np

from montecarlo.host.runtime import data_store, logged
from montecarlo.run import result as results
from montecarlo.run import waves
from montecarlo.storage import keys


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"run", "wave"} -> {"run", "wave", "more", "result", "report"}.

    "more": whether another wave of scenarios is wanted, whose number "wave" then is; nothing is published before the
    last.
    """
    run, wave = event["run"], event.get("wave", 0)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    more = results.aggregate(waves.plans(run, wave + 1, data_store()), data_store(), versions)
    places = {"result": keys.result(run), "report": keys.report(run)}
    return {"run": run, "wave": wave + more, "more": more, **places}
