"""What a handler needs of its surroundings: environment, logger, stores. The only module that reads the environment."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import fields
from functools import cache, wraps
from typing import Any

from aws_lambda_powertools import Logger

from montecarlo.cost.estimate import Setup
from montecarlo.errors import InvalidInput
from montecarlo.process import peak_memory_mb
from montecarlo.run.plan import Plan, read, read_scenarios
from montecarlo.run.request import RunRequest
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.storage.store import Store

logger = Logger()


@cache
def data_store() -> Store:
    """The stack's own bucket: portfolios and runs."""
    return Store(os.environ["DATA_BUCKET"])


def portfolio_store(source: str) -> tuple[Store, str]:
    """The store and key of a portfolio, given as a key of the data bucket or as s3://bucket/key."""
    own, other = os.environ["DATA_BUCKET"], os.environ.get("PORTFOLIO_BUCKET", "")
    if not source.startswith("s3://"):
        return data_store(), source
    bucket, _, key = source.removeprefix("s3://").partition("/")
    if bucket == own:
        return data_store(), key
    if bucket != other:
        raise InvalidInput(
            f"portfolio {source} lies in bucket {bucket}, which this stack may not read: set its parameter "
            f"PortfolioBucketName to {bucket}."
        )
    return Store(bucket), key


def objects_store(plan: Plan) -> Store:
    """The store that holds the portfolio's objects; an inventory of them may lie in another."""
    return portfolio_store(f"s3://{plan.bucket}/")[0]


def setup(request: RunRequest) -> Setup:
    """How the stack runs what the request asks for, for the estimate of its cost."""
    return Setup(
        memory_mb=int(os.environ.get("SIMULATE_MEMORY", Setup.memory_mb)),
        architecture="arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
        children=os.environ.get("CHILD_EXECUTION_TYPE", Setup.children),
        max_concurrency=request.max_concurrency,
        max_groups=request.max_groups,
        max_group_concurrency=request.max_group_concurrency,
    )


def defaults(kind: type) -> dict[str, Any]:
    """The stack's defaults of a request's fields, from DEFAULT_<NAME>; numbers as numbers."""
    return {field.name: _typed(os.environ.get(f"DEFAULT_{field.name.upper()}", "")) for field in fields(kind)}


def _typed(text: str) -> float | int | str | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None


_scenarios: dict[str, ScenarioFile] = {}


def planned_run(run: str) -> tuple[Plan, ScenarioFile]:
    """The plan of a run and its scenarios. A warm worker keeps the scenarios for its next chunk."""
    plan = read(data_store(), run)
    if plan.scenarios_digest not in _scenarios:
        _scenarios.clear()  # one file at a time: memory is sized for one
        _scenarios[plan.scenarios_digest] = read_scenarios(data_store(), plan)
    return plan, _scenarios[plan.scenarios_digest]


Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


_LOGGED = ("run", "group", "chunk", "name", "part", "execution")


def logged(handler: Handler) -> Handler:
    """Log what a function got, did and took; errors with their stack. Never the loans themselves."""

    @wraps(handler)
    def wrapped(event: dict[str, Any], context: Any) -> dict[str, Any]:
        logger.structure_logs(append=True, request_id=getattr(context, "aws_request_id", None))
        known = {f"event_{name}": event[name] for name in _LOGGED if name in event}
        started = time.perf_counter()
        try:
            result = handler(event, context)
        except Exception as error:
            logger.exception("failed", extra={**known, "error": type(error).__name__})
            raise
        seconds = round(time.perf_counter() - started, 3)
        logger.info("done", extra={**known, "seconds": seconds, "peak_memory_mb": round(peak_memory_mb())})
        return result

    return wrapped
