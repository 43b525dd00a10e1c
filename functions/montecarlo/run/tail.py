"""Which scenarios of a run are its tail: what each counts in the loans' contributions to VaR and ES, for a second pass.

The pass lies under a prefix of the run, where the state machine works on it as on a wave of scenarios; this file stands
where a wave has its scenarios. Its plan carries its digest, so that nothing of another tail is taken for its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from montecarlo import arrays
from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun
from montecarlo.model.contributions import weights
from montecarlo.model.measures import LossSample
from montecarlo.run import records, sums
from montecarlo.run.plan import Plan, read_scenarios, read_waves
from montecarlo.run.result import error_of_sum
from montecarlo.storage import keys
from montecarlo.storage.sealed import seal, unseal
from montecarlo.storage.store import NoSuchObject, Store

Ints = npt.NDArray[np.int64]

AMOUNTS_PER_RANGE = 2
"""Numbers that an entry of a tally has, its key among them, where the plan fixed the ranges of keys."""


@dataclass(frozen=True, eq=False)
class Tail:
    """waves: digests of the scenarios of each wave. shares: float64 (C, 2, S), what each scenario of all waves weighs
    in VaR and in ES.
    """

    waves: tuple[str, ...]
    shares: npt.NDArray[np.float64]

    @classmethod
    def of(cls, plans: Sequence[Plan], samples: Sequence[LossSample], level: float) -> Self:
        """The tail of what a run lost in each case. plans: of its waves. level: in percent."""
        shares = np.array([weights(sample, level / 100) for sample in samples])
        return cls(tuple(plan.scenarios_digest for plan in plans), shares)

    @property
    def counted(self) -> npt.NDArray[np.intp]:
        """The scenarios that count in some case, in their order."""
        return np.flatnonzero(self.shares.any(axis=(0, 1)))

    def digest(self) -> str:
        """SHA-256 in hexadecimal: equal if and only if the content is."""
        return arrays.digest(self._arrays()).hex()

    def to_bytes(self) -> bytes:
        """As a sealed file."""
        return seal(self._arrays())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reverse of `to_bytes`. Raises Damaged."""
        found = unseal(data)
        try:
            return cls(tuple(found["waves"].tobytes().decode().split()), found["shares"])
        except (KeyError, UnicodeDecodeError):
            raise Damaged("it holds other arrays than a tail") from None

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        return {"waves": np.frombuffer(" ".join(self.waves).encode(), np.uint8), "shares": self.shares}


def make_plan(first: Plan, tail: Tail) -> Plan:
    """The plan of the pass over the tail of the run whose first wave's plan is given.

    Ranges of keys are as many times narrower as their entries are wider, so that they take no more memory.
    """
    narrower = -(-(1 + 6 * len(first.cases)) // AMOUNTS_PER_RANGE)
    return replace(
        first,
        run=keys.wave(first.run, keys.TAIL),
        wave=keys.TAIL,
        scenarios_digest=tail.digest(),
        count_ranges=first.count_ranges * narrower,
    )


def samples_of(plans: Sequence[Plan], losses: Ints, of_scenarios: npt.NDArray[np.float64]) -> list[LossSample]:
    """What a run lost in each case. losses: int64 (C, S), each loan of a sample for those that it stands for.
    of_scenarios: (S,), the weights of the scenarios of all waves.
    """
    error = error_of_sum(plans[0], len(plans))
    return [LossSample(case, of_scenarios, error) for case in losses]


def find(run: str, store: Store) -> tuple[Plan, Tail]:
    """The plan of the first wave, and the tail, of a run whose waves are added up. Raises IncompleteRun, RunTaken."""
    try:
        found = sums.read(store, run)
    except NoSuchObject as error:
        raise records.incomplete(error) from None
    plans = read_waves(store, run, len(found.scenarios))
    first = plans[0]
    drawn = [read_scenarios(store, plan).scenarios.weights for plan in plans]
    losses = found.total.segments.losses.sum(axis=1) * first.sample
    samples = samples_of(plans, losses, np.concatenate(drawn) / len(plans))
    return first, Tail.of(plans, samples, first.contribution_level)


def read(run: str, store: Store, digest: str | None = None) -> Tail:
    """The tail of a run. digest: the one that it must have. Raises IncompleteRun where it is missing or another."""
    key = keys.scenarios(keys.wave(run, keys.TAIL))
    tail = records.read_binary(store, key, Tail.from_bytes)
    if digest not in (None, tail.digest()):
        raise IncompleteRun(f"{store.url(key)} was changed since the pass was planned; start the run again.")
    return tail
