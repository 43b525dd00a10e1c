"""What is simulated: the trials of some loans, and the random numbers that they and their losses are decided by.

A trial is one loan in one scenario. Every kernel takes `Trials` and must give the same bits for them. Imports NumPy
only.

Source: Steele, Lea and Flood 2014 (SplitMix64).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
U64 = np.uint64

WEIGHT_BITS = 40
"""Per-loan default frequencies are sums of scenario weights as integers of 2**-40, so their order does not matter."""

_GOLDEN = U64(0x9E3779B97F4A7C15)
_LGD_SALT = U64(0xA24BAED4963EE407)

Defaults = tuple[Ints, Ints]
"""Defaults of one case as (position of the loan, scenario counted from the first), each int64 (n,)."""


@dataclass(frozen=True, eq=False)
class Trials:
    """What decides the defaults of M loans of one sector in S scenarios and C cases. Q24, see `normal`.

    first_scenario: of the run, a multiple of 32; the number of the first of the S. phi: `normal.table()`. drift: int32
    (S,), loading * Z. key: uint64 (M,), the borrowers'. alpha: int32 (C, M); loans come by descending alpha, the
    highest of each.
    """

    seed: int
    first_scenario: int
    phi: npt.NDArray[np.uint32]
    drift: npt.NDArray[np.int32]
    key: npt.NDArray[np.uint64]
    alpha: npt.NDArray[np.int32]

    @property
    def cases(self) -> int:
        """C."""
        return len(self.alpha)

    @property
    def scenarios(self) -> int:
        """S."""
        return self.drift.size

    def __len__(self) -> int:
        """M."""
        return self.key.size

    def part(self, loans: slice) -> Self:
        """The trials of some of the loans."""
        return replace(self, key=self.key[loans], alpha=self.alpha[:, loans])


@dataclass(frozen=True, eq=False)
class Rows:
    """Where losses are added beside segment and region: in each of D dimensions to one of R rows, those of a dimension
    following those of the one before. row: int32 (D, M), of M loans. count: R.
    """

    row: npt.NDArray[np.int32]
    count: int

    def of(self, loans: npt.NDArray[np.intp]) -> Self:
        """Those of some of the loans."""
        return replace(self, row=self.row.take(loans, axis=1))


Find = Callable[[Trials], list[Defaults]]
"""Finds the defaults of each case, in any order."""


def mix64(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of 64-bit words whose output bits each depend on all input bits."""
    x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))


def tie_bits(trials: Trials, position: Ints, scenario: Ints) -> npt.NDArray[np.uint32]:
    """24 random bits for each (loan, scenario), uint32 (n,): the top of SplitMix64 keyed by both and by the seed."""
    number = scenario.astype(np.uint64) + U64(trials.first_scenario)
    state = mix64(trials.key + U64(trials.seed)).take(position) + number * _GOLDEN
    return (mix64(state) >> U64(40)).astype(np.uint32)


def lgd_words(key: npt.NDArray[np.uint64], number: Ints, seed: int) -> npt.NDArray[np.uint64]:
    """A random word for the LGD of each (loan key, number of the scenario), unrelated to those of its default."""
    state = (mix64(key + U64(seed)) ^ _LGD_SALT) + number.astype(np.uint64) * _GOLDEN
    return mix64(state)
