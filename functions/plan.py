"""Plan: check the request, draw the scenarios, deal the portfolio out to groups."""

from datetime import UTC, datetime
from typing import Any

from montecarlo import plan
from montecarlo.request import RunRequest, run_request
from montecarlo.runtime import data_store, defaults, logged, portfolio_store, setup


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"request": the execution's input, "execution": its name} -> {"run", "max_groups", "groups": [{"run", "group",
    "max_concurrency"}]}.
    """
    request = run_request(event["request"], {**defaults(RunRequest), "run": event["execution"]})
    how = setup(request)
    made = plan.make(request, data_store(), portfolio_store, datetime.now(UTC).date(), how)
    pace = how.pace(made.groups)
    groups = [{"run": made.run, "group": group, "max_concurrency": pace.chunks_each} for group in range(made.groups)]
    return {"run": made.run, "max_groups": pace.groups, "groups": groups}
