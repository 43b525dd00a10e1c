"""How much each key has over many chunks, in bounded memory: sorted (key, amount) pairs that are merged, whole or by
ranges of keys.

Keys are 64-bit words that are spread evenly, such as `simulation.trials.mix64` makes: then equal ranges hold about as
many keys each, and those below 2**64 / k are a fair sample of one in k. Two things may share a key; who must know tells
them apart by what they are. Amounts are counts, or totals such as what a borrower owes in cents; their sums must stay
below 2**63. Imports NumPy and `storage.sealed`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from montecarlo.documents import Damaged
from montecarlo.storage.sealed import seal, unseal

Keys = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tally:
    """key: uint64 (n,), ascending, each once. amount: int64 (n,) or (n, A), what each key has."""

    key: Keys
    amount: Ints

    def __len__(self) -> int:
        return self.key.size

    @classmethod
    def of(cls, key: Keys, amount: Ints | None = None) -> Self:
        """The sums of amounts (n,) or (n, A) by key (n,); without amounts, how often each key occurs."""
        if amount is None:
            unique, count = np.unique(key, return_counts=True)
            return cls(unique, count.astype(np.int64))
        order = np.argsort(key, kind="stable")
        key = key[order]
        first = np.flatnonzero(np.concatenate([np.ones(min(1, key.size), bool), key[1:] != key[:-1]]))
        return cls(key[first], np.add.reduceat(amount[order], first) if key.size else amount)

    @classmethod
    def merge(cls, tallies: Iterable[Self]) -> Self:
        """The sum of the tallies."""
        parts = [tally for tally in tallies if len(tally)]
        keys = [part.key for part in parts] or [np.zeros(0, np.uint64)]
        amounts = [part.amount for part in parts] or [np.zeros(0, np.int64)]
        return cls.of(np.concatenate(keys), np.concatenate(amounts))

    def split(self, one_in: int, ranges: int) -> Iterator[Self]:
        """The keys below 2**64 / one_in in so many equal ranges, one after the other."""
        bounds = [np.uint64(((number << 64) // (one_in * ranges)) - (number > 0)) for number in range(ranges + 1)]
        cuts = [0, *np.searchsorted(self.key, bounds[1:], side="right").tolist()]
        for start, stop in pairwise(cuts):
            yield type(self)(self.key[start:stop], self.amount[start:stop])

    def find(self, key: Keys) -> npt.NDArray[np.intp]:
        """Where each of the keys (m,) is, and -1 for those that are not there, (m,)."""
        place = np.searchsorted(self.key, key)
        there = place < len(self)
        there[there] = self.key[place[there]] == key[there]
        return np.where(there, place, -1)

    def to_bytes(self, name: str) -> bytes:
        """As a sealed file. name: what it is a tally of."""
        most = int(self.amount.max(initial=0))
        narrow = self.amount.astype(np.min_scalar_type(most)) if self.amount.min(initial=0) >= 0 else self.amount
        return seal({"key": self.key, "amount": narrow, "name": np.frombuffer(name.encode(), np.uint8)})

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Self:
        """Reverse of `to_bytes`. Raises Damaged if it is not what was written, or another tally."""
        arrays = unseal(data)
        try:
            if arrays["name"].tobytes() != name.encode():
                raise Damaged("it is the tally of something else")
            return cls(arrays["key"], arrays["amount"].astype(np.int64))
        except KeyError:
            raise Damaged("it is no tally") from None
