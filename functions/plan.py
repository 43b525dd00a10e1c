"""Plan: check the request, draw the scenarios, deal the portfolio out to groups; or plan the next wave of scenarios."""

from datetime import UTC, datetime
from typing import Any

from montecarlo.host.runtime import data_store, defaults, logged, portfolio_store, setup
from montecarlo.run import plan, waves
from montecarlo.run.request import RunRequest, run_request


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"request": the execution's input, "execution": its name, "wave": 0} -> {"run", "wave", "max_groups", "groups"}.

    "groups" is a list of {"run", "group", "max_concurrency"}. With a wave above 0, more scenarios are planned for the
    run.
    """
    request = run_request(event["request"], {**defaults(RunRequest), "run": event["execution"]})
    how, wave = setup(request), event.get("wave", 0)
    if wave:
        made = waves.plan_next(request.run, wave, data_store())
    else:
        made = plan.make(request, data_store(), portfolio_store, datetime.now(UTC).date(), how)
    pace = how.pace(made.groups)
    groups = [{"run": made.run, "group": group, "max_concurrency": pace.chunks_each} for group in range(made.groups)]
    return {"run": request.run, "wave": wave, "max_groups": pace.groups, "groups": groups}
