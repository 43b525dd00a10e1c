"""One file of a portfolio that is generated: what PlanParts hands to GeneratePart and WriteManifest."""

from dataclasses import dataclass, replace
from typing import Literal

from montecarlo.storage import keys


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

    @property
    def key(self) -> str:
        """Where the file lies in the bucket."""
        return keys.portfolio_part(self.name, self.part, self.format)


def deal(name: str, first: Part, loans: int) -> list[Part]:
    """The parts of a portfolio of so many loans, all as large as the first but the last."""
    starts = range(0, loans, first.count) if first.count > 0 else ()
    return [
        replace(first, name=name, part=number, first=start, count=min(first.count, loans - start))
        for number, start in enumerate(starts)
    ]
