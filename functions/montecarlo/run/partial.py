"""What one chunk, one group or the whole run adds up to. Partials are added in any order with the same result.

Never calls AWS: it makes and reads bytes.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from montecarlo.errors import IncompleteRun
from montecarlo.model import sums
from montecarlo.model.credit import LoanRisks, check_exposure, check_rounding
from montecarlo.model.valuation import Valuation
from montecarlo.portfolio.regions import REGIONS
from montecarlo.simulation.kernel import Simulation
from montecarlo.storage.sealed import seal, unseal

Ints = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


@dataclass
class Counts:
    """Rows of the portfolio and what became of them."""

    read: int = 0
    simulated: int = 0
    rejected: int = 0
    not_sampled: int = 0
    filtered: int = 0
    """Left out by the mapping's filter."""

    def balanced(self) -> bool:
        """Whether no row was dropped in silence."""
        return self.read == self.simulated + self.rejected + self.not_sampled + self.filtered


@dataclass(eq=False)
class Breakdown:
    """Sums over the loans of each of B parts (segments or regions), in C cases and S scenarios.

    losses: int64 (C, B, S), cents; never above the exposure, which `credit.MAX_EXPOSURE` bounds. loans: int64 (B,).
    without_lifetime: int64 (B,), loans that `lifetime` leaves out. The others are exact sums as `sums` keeps them:
    exposure: (B, 2), cents. squares: (B, 4), of exposures in cents. expected_squares: (B, 4), of the first case's
    expected losses. expected_loss, capital, twelve_month, lifetime: (C, B, 2), in the unit of `valuation`.
    """

    losses: Ints
    loans: Ints
    without_lifetime: Ints
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

        def by_case(values: Ints) -> Ints:
            return np.array([sums.total(case, part, parts) for case in values])

        def count(chosen: npt.NDArray[np.bool_]) -> Ints:
            return np.bincount(part[chosen], minlength=parts).astype(np.int64)

        return cls(
            losses=losses,
            loans=count(np.ones(part.size, dtype=bool)),
            without_lifetime=count(~valuation.has_lifetime),
            exposure=sums.total(loans.exposure, part, parts),
            squares=sums.squares(loans.exposure, part, parts),
            expected_squares=sums.squares(valuation.expected_loss[0], part, parts),
            expected_loss=by_case(valuation.expected_loss),
            capital=by_case(valuation.capital),
            twelve_month=by_case(valuation.twelve_month),
            lifetime=by_case(np.where(valuation.has_lifetime, valuation.lifetime, 0)),
        )

    def add(self, other: Self) -> None:
        """Add the sums over other loans in the same scenarios and cases.

        Raises InvalidPortfolio where losses can no longer be added up exactly.
        """
        check_exposure(_total(self.exposure) + _total(other.exposure))
        for name, array in vars(self).items():
            array += getattr(other, name)

    def totals(self, one_in: int = 1) -> "Totals":
        """The sums over the portfolio, estimated from these over a sample of one loan in so many.

        Raises InvalidPortfolio where losses cannot be added up exactly.
        """
        check_exposure(_total(self.exposure) * one_in)
        exact = {name: sums.exact(array) for name, array in vars(self).items() if name not in _PLAIN}
        return Totals(
            **{name: getattr(self, name) * one_in for name in _PLAIN},
            **{name: values * one_in ** (2 if name in _SQUARED else 1) for name, values in exact.items()},
        )


@dataclass(frozen=True, eq=False)
class Totals:
    """A `Breakdown`'s sums, for results to be made of: exact ones as Python's integers, object (B,) or (C, B)."""

    losses: Ints
    loans: Ints
    without_lifetime: Ints
    exposure: Objects
    squares: Objects
    expected_squares: Objects
    expected_loss: Objects
    capital: Objects
    twelve_month: Objects
    lifetime: Objects


_PLAIN = ("losses", "loans", "without_lifetime")
_SQUARED = ("squares", "expected_squares")


def _total(words: Ints) -> int:
    """The sum of all parts."""
    return int(sums.exact(words).sum())


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
    """int64 (C, 2): the exact sum of the loans' PDs as fractions of 2**32, see `sums`."""
    rounding: Ints
    """int64 (C, 2): the exact sum of the loans' `LoanRisks.expected_rounding`."""
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    kernels: list[str] = field(default_factory=list)
    """What simulated the chunks, "numpy" or "c": the same bits."""
    seconds: float = 0.0
    """The workers' time, all of a chunk but the writing of its partial."""
    kernel_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    slices: str = ""
    """`Chunk.digest` of the one chunk that this is of; of no meaning in a sum."""

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
        pd = np.where(loans.certain, np.int64(1 << 32), loans.pd)

        def by_case(values: Ints) -> Ints:
            return np.array([sums.total(case, np.zeros(len(loans), dtype=np.int64), 1)[0] for case in values])

        return cls(
            plan=plan,
            chunks=[chunk],
            counts=counts,
            segments=Breakdown.of(loans.sector, sectors, loans, valuation, simulation.by_segment),
            regions=Breakdown.of(loans.region, len(REGIONS), loans, valuation, simulation.by_region),
            pd_sum=by_case(pd),
            rounding=by_case(loans.expected_rounding()),
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
        self.rounding += other.rounding
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

    def check_unit(self) -> None:
        """Raise InvalidPortfolio where whole cents are too coarse for the loans' losses."""
        expected = sums.exact(self.segments.expected_loss).sum(axis=1)
        check_rounding(expected.tolist(), sums.exact(self.rounding).tolist(), f"all {self.counts.simulated:,}")

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
            "slices": self.slices,
        }
        arrays: dict[str, Any] = {
            "meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8),
            "pd_sum": self.pd_sum,
            "rounding": self.rounding,
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
            rounding=arrays["rounding"],
            rejected_by_reason=meta["rejected_by_reason"],
            kernels=meta["kernels"],
            seconds=meta["seconds"],
            kernel_seconds=meta["kernel_seconds"],
            peak_memory_mb=meta["peak_memory_mb"],
            slices=meta["slices"],
            **kinds,
        )
