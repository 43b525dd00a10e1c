"""One chunk of a group: rows of some objects of the portfolio."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from montecarlo.source.objects import Slice


@dataclass(frozen=True)
class Chunk:
    """One item of a group's chunks.json. `plan`: the digest of the plan that it was cut for, if not by hand. `reuse`:
    the (group, chunk) under which the run that the plan reuses has the same slices, if it has.
    """

    run: str
    group: int
    number: int
    slices: tuple[Slice, ...]
    plan: str | None = None
    reuse: tuple[int, int] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of what the chunk reads: its slices, each with its object's ETag.

        Empty where a slice has none, as in an event that was written by hand: PlanGroup gives every slice one.
        """
        if not all(piece.etag for piece in self.slices):
            return ""
        slices = [piece.to_json() for piece in self.slices]
        return hashlib.sha256(json.dumps(slices, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The chunk as an entry of chunks.json."""
        slices = [piece.to_json() for piece in self.slices]
        own = {"run": self.run, "group": self.group, "chunk": self.number, "plan": self.plan}
        return {**own, **({"reuse": self.reuse} if self.reuse else {}), "slices": slices}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Reverse of `to_json`."""
        slices = tuple(Slice.from_json(piece) for piece in value["slices"])
        reuse = tuple(value["reuse"]) if "reuse" in value else None
        return cls(value["run"], value["group"], value["chunk"], slices, value["plan"], reuse)
