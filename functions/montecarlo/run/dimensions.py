"""What results are broken down by beside segment and region: values of columns that the user names.

Which values are told apart depends on the portfolio alone, not on how it is cut, and takes bounded memory: of a
dimension's values, those whose hashes come first are added up each by itself, so many as `tracked` allows, and all
others together. What comes first of all values comes first in every part of the portfolio too, so each of those has its
whole sum. Of them the `NAMED` that owe most are published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from montecarlo.model import sums
from montecarlo.model.credit import LoanRisks
from montecarlo.model.valuation import Valuation
from montecarlo.portfolio.loans import hash_ids
from montecarlo.run.breakdown import Breakdown
from montecarlo.simulation.trials import Ints, Rows, mix64

MAX_DIMENSIONS = 8
NAMED = 64
"""Values of a dimension that are published; what is left is "other"."""

TRACKED = MAX_DIMENSIONS * NAMED
"""Values that are told apart, those of all dimensions together."""

LONGEST = 80
"""Characters of a value that is told apart."""

NONE, OTHER = "not given", "other"
"""What loans without a value count as, and those of values that are not told apart."""

IN_THE_FILE = " (in the file)"
"""Stands behind a cell that holds one of these words itself."""


def tracked(dimensions: int) -> int:
    """How many values of each of so many dimensions are told apart: 512 of one, 64 of each of eight."""
    return TRACKED // min(max(dimensions, 1), MAX_DIMENSIONS)  # one more where the mapping names regions


@dataclass(frozen=True, eq=False)
class Labels:
    """The values of a dimension among N loans. part: int32 (N,), index into `parts`. all_told: see `DimensionSums`."""

    values: tuple[str, ...]
    part: npt.NDArray[np.int32]
    all_told: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """The values, and what takes the other loans."""
        return *self.values, NONE, OTHER

    @classmethod
    def of(cls, texts: pa.Array, most: int) -> Self:
        """texts: (N,), null where a loan has none. most: as `tracked` says."""
        encoded = texts.dictionary_encode()
        distinct = encoded.dictionary
        ours = pc.is_in(distinct, pa.array([NONE, OTHER]))
        distinct = pc.if_else(ours, pc.binary_join_element_wise(distinct, IN_THE_FILE, ""), distinct)
        candidates = distinct.filter(pc.less_equal(pc.utf8_length(distinct), LONGEST))
        values = sorted(first(candidates.to_pylist(), hash_ids(candidates), most))
        index = {value: place for place, value in enumerate((*values, NONE, OTHER))}
        part = np.array([*(index.get(text, index[OTHER]) for text in distinct.to_pylist()), index[NONE]], np.int32)
        return cls(tuple(values), part[np.asarray(encoded.indices.fill_null(len(distinct)))], len(candidates) <= most)


def first(values: Sequence[str], hashed: npt.NDArray[np.uint64], most: int) -> list[str]:
    """The values whose hashes come first, so many at most; of equal hashes, by name."""
    if len(values) <= most:
        return list(values)
    order = zip(mix64(hashed).tolist(), values, strict=True)
    return [value for _, value in sorted(order)[:most]]


def labels(dimensions: Sequence[pa.Array]) -> list[Labels]:
    """Of each of the loans' dimensions."""
    return [Labels.of(texts, tracked(len(dimensions))) for texts in dimensions]


def rows(found: Sequence[Labels], loans: int) -> Rows:
    """Where the kernel adds the losses of N loans, a row for each part of each dimension."""
    sizes = [len(each.parts) for each in found]
    starts = np.cumsum([0, *sizes])
    row = [each.part + start for each, start in zip(found, starts[:-1], strict=True)]
    return Rows(np.array(row, dtype=np.int32).reshape(len(found), loans), int(starts[-1]))


@dataclass(eq=False)
class DimensionSums:
    """The sums over the loans of each value of a dimension.

    values: (V,), ascending. sums: of V + 2 parts, as `Labels.parts` has them. all_told: whether no value is in OTHER
    for want of room.
    """

    values: tuple[str, ...]
    all_told: bool
    sums: Breakdown

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that `sums` is of."""
        return *self.values, NONE, OTHER

    def add(self, other: Self, most: int) -> None:
        """Add the sums over other loans. most: as `tracked` says."""
        union = {*self.values, *other.values}
        kept = union
        if len(union) > most:
            ordered = sorted(union)
            kept = set(first(ordered, hash_ids(pa.array(ordered, pa.string())), most))
        values = tuple(sorted(kept))
        ours, theirs = (each.sums.placed(each.places(values), len(values) + 2) for each in (self, other))
        ours.add(theirs)
        self.values, self.sums = values, ours
        self.all_told = self.all_told and other.all_told and len(union) <= most

    def take_out(self, other: Self) -> None:
        """Leave the sums without those over some of the loans; values without a loan are gone then.

        Where not all values were told apart, fewer are left than among the loans that are left alone. Raises ValueError
        where those loans are no part of these.
        """
        theirs = other.sums.placed(other.places(self.values), len(self.values) + 2)
        self.sums.take_out(theirs)
        values = tuple(value for value, loans in zip(self.values, self.sums.loans.tolist(), strict=False) if loans)
        self.values, self.sums = values, self.sums.placed(self.places(values), len(values) + 2)

    def places(self, values: Sequence[str]) -> npt.NDArray[np.intp]:
        """The place of each of our parts among these values' parts."""
        index = {value: place for place, value in enumerate(values)}
        end = len(values)
        return np.array([*(index.get(value, end + 1) for value in self.values), end, end + 1], dtype=np.intp)

    def named(self) -> tuple[tuple[str, ...], Breakdown]:
        """The parts to publish and their sums: the values that owe most, the first of equal ones; NONE and OTHER."""
        owed = sums.exact(self.sums.exposure)[: len(self.values)].tolist()
        largest = sorted(zip(owed, self.values, strict=True), key=lambda one: (-one[0], one[1]))[:NAMED]
        values = tuple(sorted(value for _, value in largest))
        return (*values, NONE, OTHER), self.sums.placed(self.places(values), len(values) + 2)

    @property
    def told(self) -> str:
        """Which values `named` has: "all", the "largest" of all, or the largest of "some"."""
        if not self.all_told:
            return "some"
        return "all" if len(self.values) <= NAMED else "largest"

    def to_json(self) -> dict[str, Any]:
        """All but the sums."""
        return {"values": self.values, "all_told": self.all_told}


def sums_of(found: Sequence[Labels], loans: LoanRisks, valuation: Valuation, by_row: Ints) -> list[DimensionSums]:
    """The sums of each dimension. by_row: int64 (C, R, S), the losses by the rows of `rows`."""
    made, start = [], 0
    for each in found:
        count = len(each.parts)
        losses = by_row[:, start : start + count]
        start += count
        made.append(DimensionSums(each.values, each.all_told, Breakdown.of(each.part, count, loans, valuation, losses)))
    return made
