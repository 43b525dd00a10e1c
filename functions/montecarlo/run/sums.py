"""sums.npz: all that a run adds up to, over all its loans and scenarios, from which its result was made.

Runs under the same scenarios add up by these files alone, with no loan in them: of the input's profile the names of the
largest loans are left out. Never calls AWS but through `storage`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from montecarlo import documents
from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun
from montecarlo.run import plan as plans
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.storage import keys
from montecarlo.storage.sealed import member, seal, unseal
from montecarlo.storage.store import Store

Ints = npt.NDArray[np.int64]

_META = "meta"
_PLANES = "planes."


@dataclass(frozen=True, eq=False)
class RunSums:
    """plan: digest of the run's plan, that of its first wave. scenarios: digest of each wave's. total: of all waves.
    made_of: of a sum of runs, how often each run that was simulated is in it, by the digest of its plan.
    """

    plan: str
    scenarios: tuple[str, ...]
    total: Partial
    made_of: Mapping[str, int] | None = None

    @property
    def runs(self) -> Mapping[str, int]:
        """How often each run that was simulated is in it: itself once, if it is no sum."""
        return {self.plan: 1} if self.made_of is None else self.made_of

    def check(self, plan: Plan) -> None:
        """Raise Damaged unless these can be the sums of a run of which this is the first wave's plan.

        Their seal has no key: whoever makes a file can seal what he likes. What it cannot be is refused here; whether
        it is what the loans lose, only those who have the loans can tell (`additive.verify`).
        """
        if (self.plan, *self.scenarios[:1]) != (plan.digest, plan.scenarios_digest):
            raise Damaged("it is of another run than plan.json")
        made_of = self.runs.values() if isinstance(self.runs, Mapping) else [None]
        scenarios = plan.scenarios * len(self.scenarios)
        fits = self.total.can_be_of(len(plan.cases), plan.parameters, scenarios, len(plan.columns.dimensions))
        if not fits or not all(isinstance(times, int) for times in made_of):
            raise Damaged("it holds what no run adds up to")

    def to_bytes(self) -> bytes:
        """A sealed and compressed NumPy .npz file.

        Of whole numbers the lowest bytes lie together, then the next ones, and so on: those that are zero nearly
        everywhere take no room then.
        """
        meta, arrays = self.total.parts()
        if meta["profile"]:
            meta["profile"] = {**meta["profile"], "largest": []}
        meta = {"plan": self.plan, "scenarios": self.scenarios, "total": {**meta, "chunks": []}}
        if self.made_of is not None:
            meta["made_of"] = dict(self.made_of)
        stored: dict[str, npt.NDArray[Any]] = {_META: np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)}
        for name, array in arrays.items():
            whole = array.dtype == np.int64
            stored[f"{_PLANES}{name}" if whole else name] = _planes(array) if whole else array
        return seal(stored, compress=True)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reverse of `to_bytes`, but for the names of the largest loans. Raises Damaged."""
        stored = unseal(data)
        try:
            meta = json.loads(stored.pop(_META).tobytes())
            arrays = {
                name.removeprefix(_PLANES): _whole(array) if name.startswith(_PLANES) else array
                for name, array in stored.items()
            }
            total = Partial.from_parts(meta["total"], arrays)
            return cls(str(meta["plan"]), tuple(meta["scenarios"]), total, meta.get("made_of"))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Damaged("it holds something else than a run's sums") from None


def read(store: Store, run: str, plan: Plan | None = None) -> RunSums:
    """The sums of a run that is done, which can be those of its plan.

    plan: of its first wave; read from the store where it is not given. Raises NoSuchObject where there are none,
    IncompleteRun if they are damaged or of another plan.
    """
    key = keys.sums(run)
    try:
        found = RunSums.from_bytes(store.get(key))
        found.check(plan or plans.read(store, run))
    except Damaged as error:
        raise IncompleteRun(f"{store.url(key)} is damaged: {error}.") from None
    return found


def waves(store: Store, run: str) -> tuple[str, ...]:
    """The digests of a finished run's scenarios, wave by wave; the sums themselves are not read.

    Raises NoSuchObject where the run has none, IncompleteRun if they are damaged.
    """
    key = keys.sums(run)
    try:
        meta = documents.parse(member(store.open(key), _META).tobytes())
        found = documents.decode(tuple[str, ...], meta.get("scenarios") if isinstance(meta, dict) else None)
        if not found:
            raise Damaged("it is of no scenarios")
        return found
    except Damaged as error:
        raise IncompleteRun(f"{store.url(key)} is damaged: {error}.") from None


def _planes(array: Ints) -> npt.NDArray[np.uint8]:
    """The bytes of each number, uint8 (8, ...), the lowest first."""
    split = np.ascontiguousarray(array, dtype="<i8").reshape(-1).view(np.uint8).reshape(*array.shape, 8)
    return np.ascontiguousarray(np.moveaxis(split, -1, 0))


def _whole(planes: npt.NDArray[np.uint8]) -> Ints:
    """Reverse of `_planes`."""
    split = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    return split.reshape(-1).view("<i8").reshape(split.shape[:-1]).astype(np.int64)
