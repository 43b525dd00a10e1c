"""Concentration of a portfolio by the Herfindahl-Hirschman index: the sum of squared shares, 1/n for n equal parts.

The sum of squared exposures in cents outgrows int64, so it is kept exactly as three int64 words of 32 bits each, and
those of chunks are simply added. One AccountID counts as one obligor. Imports NumPy only.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_BITS = 32
_WORD = (1 << _BITS) - 1


def squares(exposure: Ints, part: npt.NDArray[np.integer], parts: int) -> Ints:
    """Sums of squared exposures of each part (segment or region), int64 of shape (parts, 3), lowest word first.

    exposure: int64 (N,), cents, from 0 to 2**60. part: (N,), the index of each loan's part. Results add up exactly,
    word by word, over up to 2**31 chunks of up to 2**31 loans.
    """
    high, low = exposure >> _BITS, exposure & _WORD
    low_squared = low.astype(np.uint64) * low.astype(np.uint64)
    middle = 2 * high * low + (low_squared >> np.uint64(_BITS)).astype(np.int64)
    sums = np.zeros((3, parts), dtype=np.int64)
    np.add.at(sums[0], part, (low_squared & np.uint64(_WORD)).astype(np.int64))
    np.add.at(sums[1], part, middle & _WORD)
    np.add.at(sums[2], part, high * high + (middle >> _BITS))
    for word in (0, 1):
        sums[word + 1] += sums[word] >> _BITS
        sums[word] &= _WORD
    return sums.T.copy()


def exact(squares: Ints) -> list[int]:
    """The sum of squares of each part as a whole number, from one result of `squares` or many added up."""
    return [low + (middle << _BITS) + (high << 2 * _BITS) for low, middle, high in squares.tolist()]


def herfindahl(sum_of_squares: int, total: int) -> float:
    """The index from the sum of squared exposures and the sum of exposures; 0 where nothing is owed.

    Its inverse is the effective number of obligors: that many equal ones would be as concentrated.
    """
    return sum_of_squares / total**2 if total else 0.0


def between(exposures: Sequence[int]) -> float:
    """The index between the parts of a portfolio, segments or regions, from the exposure of each."""
    return herfindahl(sum(exposure**2 for exposure in exposures), sum(exposures))
