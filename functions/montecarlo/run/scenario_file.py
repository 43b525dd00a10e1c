"""scenarios.npz: the model's constants and the draw of one wave, as the planner writes them and every worker reads
them.
"""

import io
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from montecarlo import arrays
from montecarlo.documents import Damaged
from montecarlo.model.capital import CapitalTable
from montecarlo.model.scenarios import Scenarios
from montecarlo.model.severity import SeverityTable
from montecarlo.model.tables import ModelTables
from montecarlo.storage.sealed import load

_NESTED: dict[str, Any] = {"severity": SeverityTable, "capital": CapitalTable}

# In the order of the file, which the digest keeps to.
_OWN = ("factors", "weights", "phi", "band_probit", "scale", "loading", "shift", "wave", "factor", "basel_root")


@dataclass(frozen=True, eq=False)
class ScenarioFile:
    """What a worker needs beside the loans."""

    tables: ModelTables
    scenarios: Scenarios

    def digest(self) -> str:
        """SHA-256 in hexadecimal over names, types, shapes and values: equal if and only if the content is."""
        return arrays.digest(self._arrays()).hex()

    def to_bytes(self) -> bytes:
        """As a NumPy .npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, **self._arrays())
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reverse of `to_bytes`. Raises Damaged; whether the content is what was written, its digest tells."""
        nested: dict[str, dict[str, Any]] = {name: {} for name in _NESTED}
        own: dict[str, Any] = {}
        try:
            for name, array in load(data).items():
                outer, _, inner = name.rpartition(".")
                (nested[outer] if outer else own)[inner] = array
            drawn = {field.name: own.pop(field.name) for field in fields(Scenarios)}
            look_ups = {name: kind(**nested[name]) for name, kind in _NESTED.items()}
            return cls(ModelTables(**own, **look_ups), Scenarios(**drawn))
        except (KeyError, TypeError):
            raise Damaged("it holds other arrays than scenarios") from None

    def _arrays(self) -> dict[str, Any]:
        own = {**vars(self.scenarios), **vars(self.tables)}
        return {name: own[name] for name in _OWN} | {
            f"{name}.{field.name}": getattr(own[name], field.name)
            for name, kind in _NESTED.items()
            for field in fields(kind)
        }
