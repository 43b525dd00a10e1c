"""What a step asks of the place where it runs: `montecarlo.host` offers it, tests have their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from montecarlo import documents
from montecarlo.cost.estimate import Setup
from montecarlo.documents import Damaged
from montecarlo.errors import InvalidInput
from montecarlo.run.plan import Plan
from montecarlo.run.request import RunRequest, check_name, check_run
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.simulation.kernel import Kernel
from montecarlo.storage import keys
from montecarlo.storage.store import Store


@dataclass(frozen=True)
class Execution:
    """An execution of dataproc that is under way: its ARN, its name and its input."""

    arn: str
    name: str
    request: Mapping[str, Any]
    started: datetime


class Fleet(Protocol):
    """The workers of a stack that simulates with workers, and the executions that they work for."""

    @property
    def most(self) -> int:
        """The most workers that there may be."""

    @property
    def processes(self) -> int:
        """Chunks that a worker simulates at once."""

    @property
    def patience_seconds(self) -> float:
        """How long a run may be without a worker at work on it."""

    def executions(self, machine: str) -> Sequence[Execution]:
        """Those of a state machine that are under way; one that began or ended just now may be told wrongly."""

    def execution(self, arn: str) -> Execution | None:
        """The execution, if it is under way."""

    def stop(self, execution: Execution, error: str, cause: str) -> None:
        """End an execution."""

    @property
    def size(self) -> int:
        """How many workers there are to be at present."""

    def resize(self, workers: int) -> None:
        """Have so many workers."""

    def look_again(self, soon: bool) -> None:
        """Have ProvideWorkers called every few minutes, or every hour only."""


class Host(Protocol):
    """Where a step runs."""

    @property
    def store(self) -> Store:
        """The stack's own bucket, which holds portfolios and runs."""

    def find_store(self, place: str) -> tuple[Store, str]:
        """The store and the key of a place, which is a key of the stack's own bucket or s3://bucket/key.

        Raises InvalidInput for a bucket that may not be read.
        """

    def console(self, key: str) -> str:
        """The address at which AWS's console shows an object of the stack's own bucket."""

    def scenarios(self, plan: Plan) -> ScenarioFile:
        """The plan's scenarios. A worker that stays warm keeps them for its next chunk."""

    def defaults(self, kind: type) -> dict[str, Any]:
        """The stack's defaults for the fields of a request, which is a dataclass; None where it has none."""

    def setup(self, request: RunRequest) -> Setup:
        """How the stack runs what the request asks for: what the estimate of its cost needs."""

    @property
    def kernel(self) -> Kernel:
        """What shall simulate."""

    @property
    def cache(self) -> Path | None:
        """A folder of this user's for what can be made again; None where there is none."""

    def today(self) -> date:
        """The reporting date of a portfolio that brings none (UTC)."""

    @property
    def fleet(self) -> Fleet:
        """The stack's workers; only a stack that has workers asks for them."""


Event = dict[str, Any]

Step = Callable[[Event, Host], dict[str, Any]]


def objects_store(plan: Plan, host: Host) -> Store:
    """The store that holds the portfolio's objects; an inventory of them may lie in another."""
    return host.find_store(f"s3://{plan.bucket}/")[0]


def moment(started: str | None) -> datetime | None:
    """When an execution was started, as Step Functions writes it: ISO 8601. Raises InvalidInput for anything else."""
    try:
        return None if started is None else datetime.fromisoformat(started)
    except ValueError:
        raise InvalidInput(f"the event.started must be a time of ISO 8601, not {started!r}.") from None


T = TypeVar("T")

_NAMES = {"run": check_run, "name": check_name}
"""Fields of events from which keys are made, with what they must pass."""


def read_event(kind: type[T], event: Event) -> T:
    """The event as one of `kind`, a dataclass. Raises InvalidInput that names the field that is wrong.

    Every step begins with it, so that no name that could point elsewhere in the bucket comes any further.
    """
    try:
        given = documents.decode(kind, event, "the event")
    except Damaged as error:
        raise InvalidInput(f"{error}.") from None
    for name, check in _NAMES.items():
        if name in vars(given):
            check(name, getattr(given, name))
    for name, least in {"group": 0, "chunk": 0, "part": 0, "wave": keys.TAIL}.items():
        if vars(given).get(name, 0) < least:
            raise InvalidInput(f"the event.{name} must not be negative.")
    return given
