"""The plan of a run: everything that decides its numbers, written once and read by every worker."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from typing import Any, Self

from montecarlo import MODEL_VERSION, __version__, documents
from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun, InvalidInput, RunTaken
from montecarlo.model.cases import Case
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Design
from montecarlo.portfolio import filters
from montecarlo.portfolio.filters import Filter
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run import records
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.storage import keys
from montecarlo.storage.sealed import seal_document, unseal_document
from montecarlo.storage.store import NoSuchObject, Store

SCHEMA = 1

PUBLISHING_FIELDS = {
    "max_rejected_share",
    "max_duplicate_share",
    "target_error",
    "target_measure",
    "max_scenarios",
    "levels",
    "contribution_level",
    "contributions",
    "tail_fit",
    "reuse",
    "institution",
    "portfolio_name",
    "capital_available",
    "compared",
}
"""Fields of a plan that a resumed run may change: they decide whether and how a result is published, not what a wave
gives.
"""

OF_A_WAVE = {"run", "wave", "scenarios_digest"}
"""Fields in which the plan of a further wave differs from the first's."""


_OPTIONAL = (
    *("filter", "scenarios_from", "pinned", "tail_fit", "reuse"),
    *("institution", "portfolio_name", "capital_available", "compared", "contributions"),
)
"""Fields that a plan without them is written without, so that it keeps its digest."""


@dataclass(frozen=True)
class TailFit:
    """How well another run's scenarios suit this portfolio: the effective sample size of those of one wave beyond its
    99.9 % VaR, of the `pinned` ones and of its `own`, had it drawn some. Estimated from the pilot's loans.
    """

    pinned: int
    own: int


@dataclass(frozen=True)
class Plan:
    """A run as it was planned. Equal plans give equal numbers; `digest` names a plan."""

    run: str
    portfolio: str
    bucket: str
    as_of: date
    seed: int
    scenarios: int
    chunk_loans: int
    sample: int
    max_rejected_share: float
    max_duplicate_share: float
    count_one_in: int
    count_ranges: int
    by_borrower: bool
    dimensions: tuple[str, ...]
    mapping: Mapping[str, Any] | None
    parameters: Parameters
    cases: tuple[Case, ...]
    design: Design
    dealt_into: int
    """Groups that `schedule.deal` was asked for, with which it makes the same ones again."""
    group_chunks: tuple[int, ...]
    """About how many chunks each group has: guessed where the rows are not known before they are read."""
    objects_digest: str
    scenarios_digest: str
    target_error: float | None
    target_measure: str
    max_scenarios: int
    levels: tuple[float, ...]
    contribution_level: float
    wave: int = 0
    filter: tuple[Any, ...] = ()
    """As the request has it."""
    scenarios_from: str | None = None
    """The run whose scenarios these are, as it was asked for, if not its own."""
    pinned: tuple[str, ...] = ()
    """Digests of that run's scenarios, wave by wave."""
    tail_fit: TailFit | None = None
    reuse: str | None = None
    """The run whose chunks are taken over where they are the same."""
    institution: str | None = None
    portfolio_name: str | None = None
    capital_available: float | None = None
    """In currency units: what the report holds the tail against."""
    compared: Mapping[str, Any] | None = None
    """The run that the report compares with, and its figures: see `earlier.figures`."""
    contributions: bool = False
    """Whether a pass over the tail tells what each loan contributes."""
    version: str = __version__
    model: str = MODEL_VERSION

    @property
    def groups(self) -> int:
        """How many groups the portfolio was dealt out to."""
        return len(self.group_chunks)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides the plan's numbers."""
        return hashlib.sha256(json.dumps(self.decisive(), sort_keys=True).encode()).hexdigest()

    def decisive(self) -> dict[str, Any]:
        """What decides the plan's numbers, as JSON."""
        return {name: value for name, value in self.to_json().items() if name not in PUBLISHING_FIELDS}

    def to_json(self) -> dict[str, Any]:
        """The plan as plan.json has it."""
        plan = {name: value for name, value in asdict(self).items() if value or name not in _OPTIONAL}
        plan |= {"as_of": self.as_of.isoformat(), "parameters": self.parameters.to_json()}
        return {"schema": SCHEMA, **plan, "cases": [case.to_json() for case in self.cases]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reverse of `to_json`. Raises Damaged."""
        known = {name: item for name, item in value.items() if name != "schema"}
        return documents.decode(cls, {**known, "parameters": load(known.get("parameters"))})

    def to_bytes(self) -> bytes:
        """plan.json."""
        return seal_document(self.to_json())

    @property
    def asks_for_economies(self) -> bool:
        """Whether its chunks add up which economy costs the capital; further waves would say the same again."""
        return self.capital_available is not None and not self.wave

    @property
    def columns(self) -> ColumnMapping:
        """The mapping of columns, parsed."""
        return self.columns_with()

    def columns_with(self, dimensions: Sequence[str] | None = None, further: Sequence[Filter] = ()) -> ColumnMapping:
        """The mapping of columns with other dimensions than the plan's, and filters beside the plan's own."""
        own = [filters.parse(self.filter)] if self.filter else []
        return ColumnMapping.parse(
            self.mapping,
            self.dimensions if dimensions is None else dimensions,
            [*own, *further],
            self.parameters.first_pds,
        )

    def check(self, digest: str | None) -> None:
        """Raise RunTaken unless the digest is this plan's. An event that was written by hand may have none."""
        if digest not in (None, self.digest):
            raise RunTaken(
                f"run {self.run} was planned anew, otherwise, while this execution was at work on it: nothing of it is "
                "published. Start it again under a name of its own."
            )

    def check_version(self) -> None:
        """Raise IncompleteRun unless this code is of the plan's version, as that of a worker's own image may not be."""
        if (self.version, self.model) != (__version__, MODEL_VERSION):
            raise IncompleteRun(
                f"run {self.run} was planned by version {self.version}, model {self.model}, and would be simulated by "
                f"version {__version__}, model {MODEL_VERSION}. Where workers have an image of their own, build it "
                "anew and set WorkerImage; where the stack was updated during the run, start it again under another "
                "name."
            )


def as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it comes back when it is stored and read."""
    back: dict[str, Any] = json.loads(json.dumps(value))
    return back


def differences(there: Mapping[str, Any], here: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Each value of `here` that is another in `there`: its name, then (there, not here)."""
    for name, value in here.items():
        before = there.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            yield from differences(before, {**dict.fromkeys(before), **value}, f"{path}{name}.")
        elif before != value:
            yield f"{path}{name} ({_brief(before)}, not {_brief(value)})"


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def find(store: Store, run: str) -> tuple[dict[str, Any], str] | None:
    """plan.json and its ETag, where there is one. Raises IncompleteRun if it is damaged."""
    key = keys.plan(run)
    try:
        data, etag = store.read(key)
        return unseal_document(data), etag
    except NoSuchObject:
        return None
    except Damaged as error:
        raise IncompleteRun(
            f"{store.url(key)} is damaged: {error}. Choose another name for this run, or delete the object and what "
            "lies beside it."
        ) from None


def read(store: Store, run: str, digest: str | None = None) -> Plan:
    """The plan of a run.

    digest: of the plan that the step was begun for. Raises RunTaken if it is another one's by now, IncompleteRun if
    there is none or it is damaged.
    """
    found = find(store, run)
    if found is None:
        raise IncompleteRun(f"{store.url(keys.plan(run))} does not exist: start the run from its beginning.")
    try:
        plan = Plan.from_json(found[0])
    except (Damaged, InvalidInput) as error:
        raise IncompleteRun(f"{store.url(keys.plan(run))} is of another version of this project: {error}") from None
    plan.check(digest)
    return plan


def read_waves(store: Store, run: str, waves: int, digest: str | None = None) -> list[Plan]:
    """The plans of the run's first so many waves of scenarios, the last of which has the digest."""
    plans = [read(store, keys.wave(run, wave), digest if wave == waves - 1 else None) for wave in range(waves)]
    first, *others = [_without(plan.decisive(), OF_A_WAVE) for plan in plans]
    if any(other != first for other in others):
        raise RunTaken(f"the waves of run {run} are of different plans: start it again under a name of its own.")
    return plans


def _without(values: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def read_scenarios(store: Store, plan: Plan) -> ScenarioFile:
    """The plan's scenarios. Raises IncompleteRun if they are missing, or not those that were planned."""
    key = keys.scenarios(plan.run)
    drawn = records.read_binary(store, key, ScenarioFile.from_bytes)
    if drawn.digest() != plan.scenarios_digest:
        raise IncompleteRun(
            f"{store.url(key)} was changed since the plan was made; start the run again under its name."
        )
    return drawn
