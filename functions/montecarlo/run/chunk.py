"""One chunk of a group: rows of some objects of the portfolio."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from montecarlo.source.objects import Slice


@dataclass(frozen=True)
class Chunk:
    """One item of a group's chunks.json."""

    run: str
    group: int
    number: int
    slices: tuple[Slice, ...]

    def to_json(self) -> dict[str, Any]:
        """The chunk as an entry of chunks.json."""
        slices = [piece.to_json() for piece in self.slices]
        return {"run": self.run, "group": self.group, "chunk": self.number, "slices": slices}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The chunk of such an entry."""
        slices = tuple(Slice.from_json(piece) for piece in value["slices"])
        return cls(value["run"], value["group"], value["chunk"], slices)
