"""What one chunk, one group or the whole run adds up to. Partials are added in any order with the same result.

Never calls AWS: it makes and reads bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from montecarlo.errors import IncompleteRun
from montecarlo.model import sums
from montecarlo.model.credit import LoanRisks, check_rounding
from montecarlo.model.parameters import Parameters
from montecarlo.model.reverse_stress import Thresholds
from montecarlo.model.valuation import Valuation
from montecarlo.portfolio.regions import REGIONS
from montecarlo.run.breakdown import Breakdown
from montecarlo.run.dimensions import DimensionSums, Labels, sums_of, tracked
from montecarlo.run.input_profile import InputProfile
from montecarlo.simulation.kernel import Simulation
from montecarlo.storage.sealed import seal, unseal

Ints = npt.NDArray[np.int64]


def memory_of_sums(scenarios: int, waves: int, cases: int, parts: int) -> float:
    """MB that ReduceGroup and Aggregate take at most, with partials of so many parts (segments, regions, values of
    dimensions).

    While groups are added up, eight partials of one wave are there beside the waves that are done; then four times what
    all waves lost, to measure it. As measured by `python benchmarks/memory.py --sums`.
    """
    partial = 8 * cases * parts * scenarios / 1e6
    return _WITHOUT_PARTIALS_MB + partial * max(8 + waves, 4 * waves)


_WITHOUT_PARTIALS_MB = 130

_ROUNDED = 6
"""Cents that the parts which thresholds share a loan's loss out to may miss it by: half a cent each."""


@dataclass
class Counts:
    """Rows of the portfolio and what became of them."""

    read: int = 0
    simulated: int = 0
    rejected: int = 0
    not_sampled: int = 0
    filtered: int = 0
    """Left out by the mapping's filter or the request's."""

    def balanced(self) -> bool:
        """Whether no row was dropped in silence."""
        return self.read == self.simulated + self.rejected + self.not_sampled + self.filtered

    def add(self, other: Self) -> None:
        """Add the rows of others."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(eq=False)
class OfChunks:
    """Some chunks of one plan, whatever is known of them.

    `plan` is the SHA-256 of the plan that they belong to; `chunks` are the (group, chunk) numbers that were added.
    """

    plan: str
    chunks: list[tuple[int, int]]
    counts: Counts

    def take_chunks(self, other: Self) -> None:
        """Count the other's chunks among these. Raises IncompleteRun if they are of another plan, or one is here."""
        if other.plan != self.plan:
            raise IncompleteRun(
                f"chunks {other.chunks[:3]} were made for another plan: start the run again under a new name."
            )
        if twice := set(self.chunks) & set(other.chunks):
            raise IncompleteRun(f"chunk {min(twice)} (group, chunk) was added twice.")
        self.chunks += other.chunks


@dataclass(eq=False)
class Partial(OfChunks):
    """The sums over some chunks of one plan."""

    segments: Breakdown
    regions: Breakdown
    pd_sum: Ints
    """int64 (C, 2): the exact sum of the loans' PDs as fractions of 2**32, see `sums`."""
    rounding: Ints
    """int64 (C, 2): the exact sum of the loans' `LoanRisks.expected_rounding`."""
    dimensions: list[DimensionSums] = field(default_factory=list)
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    kernels: list[str] = field(default_factory=list)
    """What simulated the chunks, "numpy" or "c": the same bits."""
    seconds: float = 0.0
    """The workers' time, all of a chunk but the writing of its partial."""
    kernel_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    profile: InputProfile | None = None
    """Of the loans, as the first wave of scenarios finds them; further waves would find the same."""
    thresholds: Thresholds | None = None
    """Of the loans of a run with `capital_available`, as the first wave finds them."""
    slices: str = ""
    """`Chunk.digest` of the one chunk that this is of; of no meaning in a sum."""
    reused: int = 0
    """Chunks that were taken over from another run."""

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
        labels: Sequence[Labels] = (),
        profile: InputProfile | None = None,
        thresholds: Thresholds | None = None,
    ) -> Self:
        """The sums over one chunk. chunk: its (group, chunk) numbers. reasons: how many rows were rejected for each.
        labels: of the dimensions whose rows the losses were added to.
        """
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
            dimensions=sums_of(labels, loans, valuation, simulation.by_row),
            rejected_by_reason=reasons,
            kernels=[simulation.kernel],
            profile=profile,
            thresholds=thresholds,
        )

    def add(self, other: Self) -> None:
        """Add `other` to this one. Raises IncompleteRun if it is of another plan or holds a chunk that is here."""
        self.take_chunks(other)
        self.absorb(other, tracked(len(self.dimensions)))

    def absorb(self, other: Self, most: int) -> None:
        """Add the sums over other loans in the same scenarios and cases, whatever plan and chunks they are of.

        most: values of a dimension that are told apart, see `dimensions.tracked`.
        """
        self.counts.add(other.counts)
        self.segments.add(other.segments)
        self.regions.add(other.regions)
        for ours, theirs in zip(self.dimensions, other.dimensions, strict=True):
            ours.add(theirs, most)
        self.pd_sum += other.pd_sum
        self.rounding += other.rounding
        for reason, count in other.rejected_by_reason.items():
            self.rejected_by_reason[reason] = self.rejected_by_reason.get(reason, 0) + count
        if self.profile and other.profile:
            self.profile.add(other.profile)
        else:
            self.profile = None
        if self.thresholds and other.thresholds:
            self.thresholds.add(other.thresholds)
        else:
            self.thresholds = None
        self.kernels = sorted({*self.kernels, *other.kernels})
        self.reused += other.reused
        self.seconds += other.seconds
        self.kernel_seconds += other.kernel_seconds
        self.peak_memory_mb = max(self.peak_memory_mb, other.peak_memory_mb)

    def take_out(self, other: Self) -> None:
        """Leave the sums over these loans without some of them, whose sums `other` has.

        Neither what the loans are like (`profile`) nor how long they took can be told of those that are left. Raises
        ValueError that says what `other` has more of, where it cannot be a part of these.
        """
        counts = other.counts
        if counts.filtered > self.counts.filtered:  # a part that a filter chose: what it left out stays
            counts = replace(counts, read=counts.read - counts.filtered, filtered=0)
        for name, count in asdict(counts).items():
            left = getattr(self.counts, name) - count
            if left < 0:
                raise ValueError(f"more rows {name}")
            setattr(self.counts, name, left)
        self.segments.take_out(other.segments)
        self.regions.take_out(other.regions)
        for ours, theirs in zip(self.dimensions, other.dimensions, strict=True):
            ours.take_out(theirs)
        self.pd_sum = self.pd_sum - other.pd_sum
        self.rounding = self.rounding - other.rounding
        for reason, count in other.rejected_by_reason.items():
            left = self.rejected_by_reason.get(reason, 0) - count
            if left < 0:
                raise ValueError("more rows rejected for a reason")
            self.rejected_by_reason[reason] = left
        self.rejected_by_reason = {reason: count for reason, count in self.rejected_by_reason.items() if count}
        self.kernels = sorted({*self.kernels, *other.kernels})
        self.profile = None
        if self.thresholds and other.thresholds:
            self.thresholds.take_out(other.thresholds)
        else:
            self.thresholds = None

    def append_scenarios(self, other: Self) -> None:
        """Append the scenarios of a later wave over the same loans."""
        for ours, theirs in zip(self._breakdowns().values(), other._breakdowns().values(), strict=True):
            ours.losses = np.concatenate([ours.losses, theirs.losses], axis=2)
        self.kernels = sorted({*self.kernels, *other.kernels})
        self.reused += other.reused
        self.seconds += other.seconds
        self.kernel_seconds += other.kernel_seconds
        self.peak_memory_mb = max(self.peak_memory_mb, other.peak_memory_mb)

    def fits(self, cases: int, sectors: int, scenarios: int) -> bool:
        """Whether these can be sums over so many cases, segments and scenarios: each number is what it must be."""
        counts = asdict(self.counts).values()
        parts = {"segments": sectors, "regions": len(REGIONS)} | {
            f"dimension{number}": len(each.parts) for number, each in enumerate(self.dimensions)
        }
        words = (self.pd_sum, self.rounding)
        return (
            all(isinstance(count, int) and count >= 0 for count in counts)
            and self.counts.balanced()
            and all(each.dtype == np.int64 and each.shape == (cases, 2) for each in words)
            and all(each.fits(cases, parts[name], scenarios) for name, each in self._breakdowns().items())
            and all(int(each.loans.sum()) == self.counts.simulated for each in self._breakdowns().values())
        )

    def can_be_of(self, cases: int, parameters: Parameters, scenarios: int, dimensions: int) -> bool:
        """Whether a file that says these can be of loans in so many cases and scenarios, whatever stands in it."""
        try:
            return (
                self.fits(cases, len(parameters.segments), scenarios)
                and len(self.dimensions) == dimensions
                and self._thresholds_fit(cases, parameters)
            )
        except (AttributeError, TypeError, ValueError, IndexError):
            return False

    def _thresholds_fit(self, cases: int, parameters: Parameters) -> bool:
        """Whether these thresholds, if there are any, can be of loans that owe what these do."""
        if self.thresholds is None:
            return True
        most = sums.exact(self.segments.exposure).astype(np.float64) * (1 + 1e-9) + _ROUNDED * self.segments.loans
        return self.thresholds.fits(cases, list(parameters.segments.values()), len(parameters.sectors), most)

    def _breakdowns(self) -> dict[str, Breakdown]:
        """All sums over parts, by their names in the file."""
        dimensions = {f"dimension{number}": dimension.sums for number, dimension in enumerate(self.dimensions)}
        return {"segments": self.segments, "regions": self.regions, **dimensions}

    def check_unit(self) -> None:
        """Raise InvalidPortfolio where whole cents are too coarse for the loans' losses."""
        expected = sums.exact(self.segments.expected_loss).sum(axis=1)
        check_rounding(expected.tolist(), sums.exact(self.rounding).tolist(), f"all {self.counts.simulated:,}")

    def to_bytes(self) -> bytes:
        """A sealed NumPy .npz file with the arrays, and the rest as JSON under `meta`."""
        meta, arrays = self.parts()
        return seal({"meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8), **arrays})

    def parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What a file of it holds: what is JSON, and the arrays by name."""
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
            **({"reused": self.reused} if self.reused else {}),
            **({"dimensions": [each.to_json() for each in self.dimensions]} if self.dimensions else {}),
            "profile": self.profile.meta() if self.profile else None,
        }
        arrays: dict[str, npt.NDArray[Any]] = {"pd_sum": self.pd_sum, "rounding": self.rounding}
        for kind, breakdown in self._breakdowns().items():
            arrays |= {f"{kind}.{name}": array for name, array in vars(breakdown).items()}
        if self.thresholds:
            arrays |= {f"thresholds.{name}": array for name, array in vars(self.thresholds).items()}
        return meta, arrays | (self.profile.arrays() if self.profile else {})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reverse of `to_bytes`. Raises Damaged if the file is not what was written."""
        arrays = unseal(data)
        return cls.from_parts(json.loads(arrays.pop("meta").tobytes()), arrays)

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Reverse of `parts`. Raises KeyError, TypeError and ValueError where they are something else."""

        def named(kind: str) -> dict[str, npt.NDArray[Any]]:
            return {name.split(".")[1]: array for name, array in arrays.items() if name.startswith(f"{kind}.")}

        def breakdown(kind: str) -> Breakdown:
            return Breakdown(**named(kind))

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
            reused=meta.get("reused", 0),
            segments=breakdown("segments"),
            regions=breakdown("regions"),
            dimensions=[
                DimensionSums(tuple(each["values"]), each["all_told"], breakdown(f"dimension{number}"))
                for number, each in enumerate(meta.get("dimensions", ()))
            ],
            profile=InputProfile.from_parts(meta["profile"], arrays) if meta["profile"] else None,
            thresholds=Thresholds(**thresholds) if (thresholds := named("thresholds")) else None,
        )
