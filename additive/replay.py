"""A finished run's scenarios, held ready to simulate any loans under them: the run's own, or others.

What is simulated here has the bits that the run's workers would give it: it is their code.
"""

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from montecarlo import MODEL_VERSION
from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun, InvalidInput
from montecarlo.portfolio.loans import Loans
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run import groups, records, sums
from montecarlo.run.chunk import Chunk
from montecarlo.run.dimensions import Labels
from montecarlo.run.plan import Plan, find, read, read_scenarios, read_waves
from montecarlo.run.request import check_name
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.run.simulated import ChunkLoans, Simulated, read_loans, simulate_loans
from montecarlo.simulation.kernel import Kernel
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

T = TypeVar("T")
U = TypeVar("U")

CORES = os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class Replay:
    """A finished run with W waves of scenarios, S in all.

    plans, drawn: (W,), of each wave. store: the bucket of the run. portfolio: that of its portfolio's objects. kernel,
    cache: as `montecarlo.simulation.kernel.simulate` takes them.

    It may be used by several threads at once. What costs much is done when it is opened, or on first use.
    """

    plans: tuple[Plan, ...]
    drawn: tuple[ScenarioFile, ...]
    store: Store
    portfolio: Store
    kernel: Kernel = "compiled"
    cache: Path | None = None
    result: dict[str, Any] = field(default_factory=dict)
    """result.json."""

    @classmethod
    def open(
        cls,
        store: Store,
        run: str,
        portfolio: Callable[[str], Store] | None = None,
        kernel: Kernel = "compiled",
        cache: Path | None = None,
    ) -> Self:
        """The run of this name in the store.

        portfolio: makes the store of another bucket, where the portfolio lies in one. Raises InvalidInput where there
        is no such run, it is not finished, or another version of the model made it; IncompleteRun where something of
        it is damaged.
        """
        check_name("run", run)
        result = _result(store, run)
        plans = read_waves(store, run, _waves(store, run, result))
        if plans[0].model != MODEL_VERSION:
            raise InvalidInput(
                f"run {run} was made by version {plans[0].model} of the model, and this is version {MODEL_VERSION}: "
                "other numbers would come out. Start it again under a new name, or use the version that made it."
            )
        bucket = plans[0].bucket
        place = store if bucket == store.bucket else (portfolio or Store)(bucket)
        drawn = tuple(read_scenarios(store, plan) for plan in plans)
        return cls(tuple(plans), drawn, store, place, kernel, cache, result)

    @property
    def run(self) -> str:
        """The run's name."""
        return self.plan.run

    @property
    def plan(self) -> Plan:
        """The first wave's plan, from which the others differ by their scenarios only."""
        return self.plans[0]

    @property
    def is_sum(self) -> bool:
        """Whether it was added up from other runs, so that no loan and no AccountID of its is known."""
        return "combined" in self.result

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """Of the scenarios of all waves, (S,)."""
        return np.concatenate([each.scenarios.weights for each in self.drawn]) / len(self.drawn)

    @cached_property
    def losses(self) -> npt.NDArray[np.int64]:
        """What the run lost in each case and scenario, int64 (C, S), in cents, as losses.parquet has it: of a sample
        of one loan in k, k times the loans' losses. Raises IncompleteRun where the file is missing or of other
        scenarios.
        """
        key = keys.losses(self.run)
        try:
            table = pq.read_table(io.BytesIO(self.store.get(key)))
            losses = np.array([table[f"{case.name}_cents"].to_numpy() for case in self.plan.cases])
            same = losses.dtype == np.int64 and np.array_equal(table["weight"].to_numpy(), self.weights)
        except NoSuchObject as error:
            raise records.incomplete(error) from None
        except (pa.ArrowException, KeyError, ValueError):
            same = False
        if not same:
            raise records.incomplete(Damaged(f"{self.store.url(key)} is damaged: it is not of the run's scenarios."))
        return losses

    def sums(self) -> sums.RunSums:
        """What all its loans add up to. Raises InvalidInput where an earlier version of this project left none,
        IncompleteRun where they are damaged or not of the losses that the run has published.
        """
        try:
            found = sums.read(self.store, self.run, self.plan)
        except NoSuchObject as error:
            raise InvalidInput(
                f"{error} An earlier version of this project made the run {self.run}: run it again."
            ) from None
        self.check(found.total.segments.losses.sum(axis=1), keys.sums(self.run))
        return found

    def check(self, losses: npt.NDArray[np.int64], key: str) -> None:
        """Raise IncompleteRun unless the losses, int64 (C, S) in cents, are those that the run has published.

        key: of what they were made of.
        """
        if not np.array_equal(losses * self.plan.sample, self.losses):
            published = self.store.url(keys.losses(self.run))
            raise records.incomplete(Damaged(f"{self.store.url(key)} and {published} are of different losses."))

    def simulate(self, loans: Loans, labels: Sequence[Labels] | None = None) -> tuple[Simulated, ...]:
        """What the loans lose in each wave of the run's scenarios, (W,).

        labels: to add the losses by; those of the plan's dimensions where they are not given. Raises InvalidPortfolio
        where the loans owe more than can be added up.
        """
        return tuple(
            simulate_loans(plan, drawn, loans, self.kernel, self.cache, labels)
            for plan, drawn in zip(self.plans, self.drawn, strict=True)
        )

    def chunks(self) -> list[Chunk]:
        """All chunks that the run's portfolio was cut into. Raises IncompleteRun where what says so is not whole,
        InvalidInput of a sum of runs, which has none of its own.
        """
        if self.is_sum:
            raise InvalidInput(f"run {self.run} is the sum {self.plan.portfolio} of other runs: no loan is in it.")
        try:
            lines = [
                line
                for group in range(self.plan.groups)
                for line in groups.read_chunks(self.plan, group, self.store)[0]
            ]
            return [Chunk.from_json(json.loads(line)) for line in lines]
        except (NoSuchObject, Damaged) as error:
            raise records.incomplete(error) from None

    def read(self, chunk: Chunk, columns: ColumnMapping | None = None) -> ChunkLoans:
        """The chunk's loans and rejects, as the run had them; by other columns, see `Plan.columns_with`.

        Raises InvalidPortfolio where its objects are not what they were.
        """
        return read_loans(self.plan, chunk.slices, self.portfolio, columns)

    def over(self, do: Callable[[T], U], things: Iterable[T], at_once: int = CORES) -> Iterator[U]:
        """do(thing) for each thing, in order, on several cores: the kernel and the readers let other threads run."""
        return groups.ahead(do, things, at_once)


def _result(store: Store, run: str) -> dict[str, Any]:
    """result.json. Raises InvalidInput where there is none, IncompleteRun where it is damaged."""
    try:
        return store.get_json(keys.result(run), dict)
    except NoSuchObject:
        there = find(store, run) is not None
    except Damaged as error:
        raise records.incomplete(error) from None
    if there:
        raise InvalidInput(f"run {run} is not finished: it has no {store.url(keys.result(run))} yet.")
    raise InvalidInput(f"there is no run {run}: {store.url(keys.plan(run))} does not exist. Check its name.")


def _waves(store: Store, run: str, result: dict[str, Any]) -> int:
    """How many waves of scenarios the result is of."""
    scenarios, of_a_wave = result.get("scenarios"), read(store, run).scenarios
    if not isinstance(scenarios, int) or isinstance(scenarios, bool) or scenarios < 1 or scenarios % of_a_wave:
        raise IncompleteRun(
            f"{store.url(keys.result(run))} is damaged: it is not of so many scenarios as waves of {of_a_wave:,} have."
        )
    return scenarios // of_a_wave
