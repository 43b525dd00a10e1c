"""The economic cases that a portfolio is simulated under. Imports the standard library only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Case:
    """One economic case.

    fed_rate: % a year. probit_shift: by segment, further probits added to Phi^-1(PD) of each of its loans.
    collateral_shift: by segment, by which share the collateral of its loans is worth more, or less where negative.
    probability: the case's weight in provisions; None where cases are not weighed.
    """

    name: str
    fed_rate: float
    probit_shift: Mapping[str, float]
    collateral_shift: Mapping[str, float] = field(default_factory=dict)
    probability: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The case as plans have it."""
        return {"name": self.name, **self.assumed()}

    def assumed(self) -> dict[str, Any]:
        """What it assumes, as requests and results have it below its name: without what it does not have."""
        told: dict[str, Any] = {"fed_rate": self.fed_rate, "probit_shift": dict(self.probit_shift)}
        told |= {"collateral_shift": dict(self.collateral_shift)} if self.collateral_shift else {}
        return told | ({} if self.probability is None else {"probability": self.probability})


def unweighted(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The cases without their probabilities, which move no loss: equal where the losses are."""
    return tuple(replace(case, probability=None) for case in cases)
