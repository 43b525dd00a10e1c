"""One file of a portfolio that is generated: what PlanParts hands to GeneratePart and WriteManifest."""

from dataclasses import dataclass

from montecarlo.storage import keys


@dataclass(frozen=True)
class Part:
    """One file of a portfolio: loans [first, first + count)."""

    name: str
    part: int
    first: int
    count: int
    seed: int
    format: str
    as_of: str

    @property
    def key(self) -> str:
        """Where the file lies in the bucket."""
        return keys.portfolio_part(self.name, self.part, self.format)
