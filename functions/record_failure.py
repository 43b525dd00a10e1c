"""RecordFailure: find what made a run fail, and record it where the user will look."""

from typing import Any

from montecarlo.host.runtime import data_store, logged
from montecarlo.run import failure


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"request", "execution", "failure": {"Error", "Cause"}} -> {"run", "error", "cause"}, for the execution to fail
    with.
    """
    request = event["request"] if isinstance(event["request"], dict) else {}
    run = request.get("run") or event["execution"]
    return failure.record(data_store(), run, event["failure"])
