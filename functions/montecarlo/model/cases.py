"""The economic cases that a portfolio is simulated under. Imports the standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One economic case.

    fed_rate: % a year. probit_shift: by segment, further probits added to Phi^-1(PD) of each of its loans.
    """

    name: str
    fed_rate: float
    probit_shift: Mapping[str, float]
