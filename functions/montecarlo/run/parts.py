"""One file of a portfolio that is generated: what PlanParts hands to GeneratePart and WriteManifest.

The objects carry in their metadata which part of which portfolio they are: so datagen touches no others, and files of
two executions are not taken for one portfolio.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store, StoredObject

HEADS_AT_ONCE = 32

Book = Literal["retail", "commercial"]
"""What is generated: `portfolio.synthetic`'s loans, or `portfolio.commercial`'s."""
BOOKS: tuple[Book, ...] = get_args(Book)


@dataclass(frozen=True)
class Part:
    """One file of a portfolio: loans [first, first + count)."""

    name: str
    part: int
    first: int
    count: int
    seed: int
    format: Literal["parquet", "csv"]
    as_of: str
    book: Book = "retail"

    @property
    def key(self) -> str:
        """Where the file lies in the bucket."""
        return keys.portfolio_part(self.name, self.part, self.format)

    @property
    def metadata(self) -> dict[str, str]:
        """What its object is put with."""
        told = {name: value for name, value in asdict(self).items() if (name, value) != ("book", "retail")}
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        return {"portfolio": self.name, "part": digest}


def is_made_by_datagen(item: StoredObject, name: str) -> bool:
    """Whether an object, as `Store.head` tells of it, was generated for the portfolio of that name."""
    return item.metadata.get("portfolio") == name and "part" in item.metadata


def heads(store: Store, all_keys: Iterable[str]) -> Iterator[StoredObject | None]:
    """What S3 tells of each of many objects, in their order; None for one that is not there."""

    def head(key: str) -> StoredObject | None:
        try:
            return store.head(key)
        except NoSuchObject:
            return None

    with ThreadPoolExecutor(HEADS_AT_ONCE) as pool:
        yield from pool.map(head, all_keys)


def deal(name: str, first: Part, loans: int) -> list[Part]:
    """The parts of a portfolio of so many loans, all as large as the first but the last."""
    starts = range(0, loans, first.count) if first.count > 0 else ()
    return [
        replace(first, name=name, part=number, first=start, count=min(first.count, loans - start))
        for number, start in enumerate(starts)
    ]
