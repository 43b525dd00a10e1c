"""Sums of amounts that cannot overflow, kept as int64 words of 32 bits, the lowest first, and added word by word.

Why nothing wraps: an amount lies from 0 to 2**63 - 1, so each of its words, and of its square's, is below 2**32. A
chunk's sum is carried: its words are below 2**32, but for the highest, which is at most 2**31 a loan. Up to 2**31 such
sums over up to 2**31 loans in all then add up within int64. Two sums are equal where `exact` says so: their carries may
differ.

Imports NumPy only.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Sum = Callable[[Ints, npt.NDArray[np.integer], int], Ints]
"""`total` or `squares`."""

WORD_BITS = 32
WORD = (1 << WORD_BITS) - 1
_BLOCK = 1 << 20  # so many words below 2**32 add up exactly in a double


def total(values: Ints, part: npt.NDArray[np.integer], parts: int) -> Ints:
    """The sum of each part's values, int64 (parts, 2). values: int64 (N,), not negative. part: (N,), index of each."""
    words = np.ascontiguousarray(values, dtype="<i8").view("<u4").reshape(-1, 2)
    return _add_up([words[:, 0], words[:, 1]], part, parts)


def squares(values: Ints, part: npt.NDArray[np.integer], parts: int) -> Ints:
    """The sum of each part's squared values, int64 (parts, 4). values, part: as in `total`."""
    high, low = (word.astype(np.uint64) for word in (values >> WORD_BITS, values & WORD))
    bits, mask = np.uint64(WORD_BITS), np.uint64(WORD)
    lowest = low * low
    middle = 2 * high * low + (lowest >> bits)  # below 2**64
    highest = high * high + (middle >> bits)
    return _add_up([lowest & mask, middle & mask, highest & mask, highest >> bits], part, parts)


def exact(words: Ints) -> npt.NDArray[np.object_]:
    """Words (..., W), of one sum or of many added up, as Python's integers: object (...)."""
    values = words.astype(object)
    result = values[..., -1]
    for word in range(words.shape[-1] - 2, -1, -1):
        result = (result << WORD_BITS) + values[..., word]
    return np.asarray(result, dtype=object)


def _add_up(words: list[npt.NDArray[np.integer]], part: npt.NDArray[np.integer], parts: int) -> Ints:
    """Sums by part, int64 (parts, W), of values whose words, (N,) each, are below 2**32."""
    sums = np.zeros((len(words), parts), dtype=np.int64)
    for start in range(0, part.size, _BLOCK):
        here = slice(start, start + _BLOCK)
        for word, values in enumerate(words):
            sums[word] += np.bincount(part[here], values[here], parts).astype(np.int64)
    for word in range(len(words) - 1):
        sums[word + 1] += sums[word] >> WORD_BITS
        sums[word] &= WORD
    return sums.T.copy()
