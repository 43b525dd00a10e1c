"""What a step asks of the place where it runs: `montecarlo.host` offers it, tests have their own."""

from collections.abc import Callable
from datetime import date
from typing import Any, Protocol

from montecarlo.cost.estimate import Setup
from montecarlo.run.plan import Plan
from montecarlo.run.request import RunRequest
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.storage.store import Store


class Host(Protocol):
    """Where a step runs."""

    @property
    def store(self) -> Store:
        """The stack's own bucket, which holds portfolios and runs."""

    def find_store(self, place: str) -> tuple[Store, str]:
        """The store and the key of a place, which is a key of the stack's own bucket or s3://bucket/key.

        Raises InvalidInput for a bucket that may not be read.
        """

    def scenarios(self, plan: Plan) -> ScenarioFile:
        """The plan's scenarios. A worker that stays warm keeps them for its next chunk."""

    def defaults(self, kind: type) -> dict[str, Any]:
        """The stack's defaults for the fields of a request, which is a dataclass; None where it has none."""

    def setup(self, request: RunRequest) -> Setup:
        """How the stack runs what the request asks for: what the estimate of its cost needs."""

    def today(self) -> date:
        """The reporting date of a portfolio that brings none (UTC)."""


Event = dict[str, Any]

Step = Callable[[Event, Host], dict[str, Any]]


def objects_store(plan: Plan, host: Host) -> Store:
    """The store that holds the portfolio's objects; an inventory of them may lie in another."""
    return host.find_store(f"s3://{plan.bucket}/")[0]
