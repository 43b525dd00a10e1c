"""What one chunk, one group or the whole run adds up to. Partials are added in any order with the same result.

Imports nothing that touches AWS.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from montecarlo.errors import IncompleteRun
from montecarlo.model import concentration
from montecarlo.model.credit import LoanRisks
from montecarlo.model.valuation import Valuation
from montecarlo.portfolio.regions import REGIONS
from montecarlo.simulation.kernel import Simulation
from montecarlo.storage.sealed import seal, unseal

Ints = npt.NDArray[np.int64]


@dataclass
class Counts:
    """Rows of the portfolio and what became of them."""

    read: int = 0
    simulated: int = 0
    rejected: int = 0
    not_sampled: int = 0

    def balanced(self) -> bool:
        """Whether no row was dropped in silence."""
        return self.read == self.simulated + self.rejected + self.not_sampled


@dataclass(eq=False)
class Breakdown:
    """Sums over the loans of each of B parts (segments or regions), in C cases and S scenarios. Amounts in cents.

    losses: int64 (C, B, S). loans: int64 (B,). exposure: int64 (B,). squares, expected_squares: int64 (B, 3), squared
    exposures and squared expected losses of the first case as `concentration` keeps them. expected_loss: int64 (C, B),
    2**-16 cents. capital, twelve_month, lifetime: int64 (C, B), see `valuation`.
    """

    losses: Ints
    loans: Ints
    exposure: Ints
    squares: Ints
    expected_squares: Ints
    expected_loss: Ints
    capital: Ints
    twelve_month: Ints
    lifetime: Ints

    @classmethod
    def of(cls, part: npt.NDArray[np.int16], parts: int, loans: LoanRisks, valuation: Valuation, losses: Ints) -> Self:
        """Sums of `loans` by `part`, the index of each loan's part (N,)."""

        def total(values: Ints) -> Ints:
            sums = np.zeros(parts, dtype=np.int64)
            np.add.at(sums, part, values)
            return sums

        def by_case(values: Ints) -> Ints:
            return np.array([total(case) for case in values]).reshape(len(values), parts)

        return cls(
            losses=losses,
            loans=np.bincount(part, minlength=parts).astype(np.int64),
            exposure=total(loans.exposure),
            squares=concentration.squares(loans.exposure, part, parts),
            expected_squares=concentration.squares(valuation.expected_loss[0] >> 16, part, parts),
            expected_loss=by_case(valuation.expected_loss),
            capital=by_case(valuation.capital),
            twelve_month=by_case(valuation.twelve_month),
            lifetime=by_case(valuation.lifetime),
        )

    def add(self, other: Self) -> None:
        """Add the sums over other loans in the same scenarios and cases."""
        for name, array in vars(self).items():
            array += getattr(other, name)


@dataclass(eq=False)
class Partial:
    """The sums over some chunks of one plan.

    `plan` is the SHA-256 of the plan that they belong to; `chunks` are the (group, chunk) numbers that were added.
    """

    plan: str
    chunks: list[tuple[int, int]]
    counts: Counts
    segments: Breakdown
    regions: Breakdown
    pd_sum: Ints
    """int64 (C,): the sum of the loans' PDs as fractions of 2**32."""
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    kernels: list[str] = field(default_factory=list)
    """What simulated the chunks, "numpy" or "c": the same bits."""
    seconds: float = 0.0
    """The workers' time, all of a chunk but the writing of its partial."""
    kernel_seconds: float = 0.0
    peak_memory_mb: float = 0.0

    @classmethod
    def of_chunk(
        cls,
        plan: str,
        chunk: tuple[int, int],
        loans: LoanRisks,
        valuation: Valuation,
        simulation: Simulation,
        counts: Counts,
        reasons: dict[str, int],
    ) -> Self:
        """The sums over one chunk. chunk: its (group, chunk) numbers. reasons: how many rows were rejected for each."""
        sectors = simulation.by_segment.shape[1]
        return cls(
            plan=plan,
            chunks=[chunk],
            counts=counts,
            segments=Breakdown.of(loans.sector, sectors, loans, valuation, simulation.by_segment),
            regions=Breakdown.of(loans.region, len(REGIONS), loans, valuation, simulation.by_region),
            pd_sum=np.where(loans.certain, np.int64(1 << 32), loans.pd).sum(axis=1, dtype=np.int64),
            rejected_by_reason=reasons,
            kernels=[simulation.kernel],
        )

    def add(self, other: Self) -> None:
        """Add `other` to this one. Raises IncompleteRun if it is of another plan or holds a chunk that is here."""
        if other.plan != self.plan:
            raise IncompleteRun(
                f"chunks {other.chunks[:3]} were made for another plan: start the run again under a new name."
            )
        if twice := set(self.chunks) & set(other.chunks):
            raise IncompleteRun(f"chunk {min(twice)} (group, chunk) was added twice.")
        self.chunks += other.chunks
        for name, count in asdict(other.counts).items():
            setattr(self.counts, name, getattr(self.counts, name) + count)
        self.segments.add(other.segments)
        self.regions.add(other.regions)
        self.pd_sum += other.pd_sum
        for reason, count in other.rejected_by_reason.items():
            self.rejected_by_reason[reason] = self.rejected_by_reason.get(reason, 0) + count
        self.kernels = sorted({*self.kernels, *other.kernels})
        self.seconds += other.seconds
        self.kernel_seconds += other.kernel_seconds
        self.peak_memory_mb = max(self.peak_memory_mb, other.peak_memory_mb)

    def append_scenarios(self, other: Self) -> None:
        """Append the scenarios of a later wave over the same loans."""
        for kind in ("segments", "regions"):
            ours, theirs = getattr(self, kind), getattr(other, kind)
            ours.losses = np.concatenate([ours.losses, theirs.losses], axis=2)
        self.kernels = sorted({*self.kernels, *other.kernels})
        self.seconds += other.seconds
        self.kernel_seconds += other.kernel_seconds
        self.peak_memory_mb = max(self.peak_memory_mb, other.peak_memory_mb)

    def scale(self, factor: int) -> None:
        """Turn the sums over a sample of one loan in `factor` into estimates for the portfolio. Counts stay as they
        are.
        """
        for breakdown in (self.segments, self.regions):
            for name, array in vars(breakdown).items():
                array *= factor * factor if name in ("squares", "expected_squares") else factor

    def to_bytes(self) -> bytes:
        """A sealed NumPy .npz file with the arrays, and the rest as JSON under `meta`."""
        meta = {
            "plan": self.plan,
            "chunks": sorted(self.chunks),
            "counts": asdict(self.counts),
            "rejected_by_reason": self.rejected_by_reason,
            "kernels": self.kernels,
            "seconds": self.seconds,
            "kernel_seconds": self.kernel_seconds,
            "peak_memory_mb": self.peak_memory_mb,
        }
        arrays: dict[str, Any] = {
            "meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8),
            "pd_sum": self.pd_sum,
        }
        for kind in ("segments", "regions"):
            arrays |= {f"{kind}.{name}": array for name, array in vars(getattr(self, kind)).items()}
        return seal(arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reverse of `to_bytes`. Raises Damaged if the file is not what was written."""
        arrays = unseal(data)
        meta = json.loads(arrays["meta"].tobytes())
        kinds = {
            kind: Breakdown(
                **{name.split(".")[1]: array for name, array in arrays.items() if name.startswith(f"{kind}.")}
            )
            for kind in ("segments", "regions")
        }
        return cls(
            plan=meta["plan"],
            chunks=[(group, chunk) for group, chunk in meta["chunks"]],
            counts=Counts(**meta["counts"]),
            pd_sum=arrays["pd_sum"],
            rejected_by_reason=meta["rejected_by_reason"],
            kernels=meta["kernels"],
            seconds=meta["seconds"],
            kernel_seconds=meta["kernel_seconds"],
            peak_memory_mb=meta["peak_memory_mb"],
            **kinds,
        )
