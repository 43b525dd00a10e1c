"""A step as a Lambda handler: in an environment that lives as long as the function stays warm, and logged."""

import os
import sys
import time
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import Any

from aws_lambda_powertools import Logger

from montecarlo.host.environment import Environment
from montecarlo.process import peak_memory_mb
from montecarlo.steps.protocol import Event, Step

logger = Logger()

environment = Environment()

_TOLD = ("chunks", "loans", "cost_usd")
"""Numbers of what a step returns, or of a run's headline, that are logged: counts and dollars, no losses."""

Handler = Callable[[Event, Any], dict[str, Any]]

_LOGGED = ("run", "group", "chunk", "name", "part", "execution")
"""Fields of events that are logged; the others may hold a bank's data."""


class _WithoutPandas(MetaPathFinder):
    """Says that there is no pandas: a quarter of the time in which a function starts, for nothing.

    PyArrow imports it, where it is installed, with the first array that it makes, and no step uses it.
    """

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)


def handler_of(step: Step) -> Handler:
    """The Lambda handler of a step. It logs what it got, did and took; errors with their stack; never the loans."""
    if "AWS_LAMBDA_RUNTIME_API" in os.environ:
        sys.meta_path.insert(0, _WithoutPandas())

    def handler(event: Event, context: Any) -> dict[str, Any]:
        logger.structure_logs(append=True, request_id=getattr(context, "aws_request_id", None))
        known = {f"event_{name}": event[name] for name in _LOGGED if name in event}
        started = time.perf_counter()
        try:
            result = step(event, environment)
        except Exception as error:
            logger.exception("failed", extra={**known, "error": type(error).__name__})
            raise
        seconds = round(time.perf_counter() - started, 3)
        returned = {**result, **result.get("headline", {})}
        told = {name: returned[name] for name in _TOLD if name in returned}
        logger.info("done", extra={**known, **told, "seconds": seconds, "peak_memory_mb": round(peak_memory_mb())})
        logger.debug("returned", extra={**known, "returned": result})
        return result

    return handler
