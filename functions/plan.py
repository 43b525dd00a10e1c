"""Plan: check the request, draw the scenarios, deal the portfolio out to groups."""

from datetime import UTC, datetime
from typing import Any

from montecarlo import plan
from montecarlo.request import RunRequest, run_request
from montecarlo.runtime import data_store, defaults, logged, portfolio_store


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"request": the execution's input, "execution": its name} -> {"run", "groups": [{"run", "group",
    "max_concurrency"}]}.
    """
    request = run_request(event["request"], {**defaults(RunRequest), "run": event["execution"]})
    portfolio, source = portfolio_store(request.portfolio)
    made = plan.make(request, data_store(), portfolio, source, datetime.now(UTC).date())
    groups = [
        {"run": made.run, "group": group, "max_concurrency": made.max_concurrency} for group in range(made.groups)
    ]
    return {"run": made.run, "groups": groups}
