"""Aggregate: check that the run is whole and publish its loss distribution, measures and report."""

import platform
from typing import Any

import numpy as np

from montecarlo import layout, results
from montecarlo.runtime import data_store, logged, planned_run


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"run"} -> {"run", "result": the key of result.json, "report": the key of report.html}."""
    plan, table = planned_run(event["run"])
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    results.aggregate(plan, table, data_store(), versions)
    return {"run": plan.run, "result": layout.result(plan.run), "report": layout.report(plan.run)}
