"""What some loans contribute to a run's VaR and ES, added up exactly, and which of them contribute most.

It is to the pass over the tail what a `Partial` is to a wave of scenarios. Never calls AWS: it makes and reads bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from montecarlo.model import sums
from montecarlo.model.credit import LoanRisks
from montecarlo.run.partial import Counts, OfChunks
from montecarlo.storage.sealed import seal, unseal

Ints = npt.NDArray[np.int64]

TOP = 100
"""Loans, and borrowers, that are named."""


@dataclass(frozen=True, eq=False)
class Largest:
    """N loans that contribute most in one case. amounts: int64 (3, N), to VaR and to ES, and EL, in 2**-FRACTION_BITS
    cents.
    """

    accounts: tuple[str, ...]
    risks: LoanRisks
    amounts: Ints

    @classmethod
    def of(cls, accounts: Sequence[str | None], risks: LoanRisks, amounts: Ints) -> Self:
        """The TOP of these loans by their contribution to ES, the largest first; none that contribute nothing.

        Equal ones come by the loans' keys, so that chunks do not matter.
        """
        order = np.lexsort((amounts[2], amounts[0], risks.exposure, risks.sector, risks.lgd_key, -amounts[1]))[:TOP]
        order = order[amounts[1, order] > 0]
        return cls(tuple(str(accounts[row]) for row in order), _taken(risks, order), amounts[:, order])

    def and_of(self, other: Self) -> Self:
        """The TOP of both."""
        risks = {
            name: np.concatenate([getattr(self.risks, name), getattr(other.risks, name)], axis=-1) for name in _RISKS
        }
        amounts = np.concatenate([self.amounts, other.amounts], axis=1)
        return self.of(self.accounts + other.accounts, LoanRisks(**risks), amounts)

    def __len__(self) -> int:
        return len(self.accounts)


_RISKS = [field.name for field in fields(LoanRisks)]


_OF_CASES = ("lgd", "loss", "rounding")
"""Fields of LoanRisks that may be the same in all cases: what chunks have of them is brought to one shape."""


def _taken(risks: LoanRisks, rows: npt.NDArray[np.intp]) -> LoanRisks:
    """What is known of some of the loans."""
    found, shape = risks.select(rows), (len(risks.alpha), rows.size)
    of_cases = {name: np.broadcast_to(getattr(found, name), shape).copy() for name in _OF_CASES}
    return LoanRisks(**vars(found) | of_cases)


@dataclass(eq=False)
class Weighed(OfChunks):
    """The sums over some chunks of one plan, that of a pass.

    `slices` is as in `Partial`. totals: int64 (C, 3, 2), exact sums (see `sums`) of the loans'
    contributions to VaR and to ES, and of their EL, in 2**-FRACTION_BITS cents. losses: int64 (C, U), cents that the
    loans lose in each of the U scenarios that count. largest: of each case.
    """

    totals: Ints
    losses: Ints
    largest: list[Largest]
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    slices: str = ""

    @classmethod
    def of_chunk(
        cls,
        plan: str,
        chunk: tuple[int, int],
        counts: Counts,
        accounts: Sequence[str | None],
        risks: LoanRisks,
        amounts: Ints,
        losses: Ints,
    ) -> Self:
        """The sums over one chunk. amounts: int64 (C, 3, N), as the loans' `totals`. losses: as in the class."""
        part = np.zeros(len(risks), dtype=np.int64)
        totals = [[sums.total(kind, part, 1)[0] for kind in case] for case in amounts]
        largest = [Largest.of(accounts, risks, case) for case in amounts]
        return cls(plan, [chunk], counts, np.array(totals, dtype=np.int64), losses, largest)

    def add(self, other: Self) -> None:
        """Add `other` to this one. Raises IncompleteRun if it is of another plan or holds a chunk that is here."""
        self.take_chunks(other)
        self.counts.add(other.counts)
        self.totals += other.totals
        self.losses += other.losses
        self.largest = [ours.and_of(theirs) for ours, theirs in zip(self.largest, other.largest, strict=True)]
        self.seconds += other.seconds
        self.peak_memory_mb = max(self.peak_memory_mb, other.peak_memory_mb)

    def to_bytes(self) -> bytes:
        """A sealed NumPy .npz file with the arrays, and the rest as JSON under `meta`."""
        meta = {
            "plan": self.plan,
            "chunks": sorted(self.chunks),
            "counts": asdict(self.counts),
            "accounts": [each.accounts for each in self.largest],
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
            "slices": self.slices,
        }
        arrays: dict[str, npt.NDArray[Any]] = {"totals": self.totals, "losses": self.losses}
        for case, largest in enumerate(self.largest):
            arrays |= {f"largest{case}.{name}": getattr(largest.risks, name) for name in _RISKS}
            arrays[f"largest{case}.amounts"] = largest.amounts
        return seal({"meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8), **arrays})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reverse of `to_bytes`. Raises Damaged if the file is not what was written."""
        arrays = unseal(data)
        meta: Mapping[str, Any] = json.loads(arrays.pop("meta").tobytes())

        def largest(case: int, accounts: Sequence[str]) -> Largest:
            risks = {name: arrays[f"largest{case}.{name}"] for name in _RISKS}
            return Largest(tuple(accounts), LoanRisks(**risks), arrays[f"largest{case}.amounts"])

        return cls(
            plan=meta["plan"],
            chunks=[(group, chunk) for group, chunk in meta["chunks"]],
            counts=Counts(**meta["counts"]),
            totals=arrays["totals"],
            losses=arrays["losses"],
            largest=[largest(case, accounts) for case, accounts in enumerate(meta["accounts"])],
            seconds=meta["seconds"],
            peak_memory_mb=meta["peak_memory_mb"],
            slices=meta["slices"],
        )
