"""Which stage of IFRS 9 a loan is in, by its days past due and by how its PD has risen. Imports numpy only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ALIKE = 1 - 1e-12
"""0.15 is three times 0.05, but less as doubles: what is written with few digits is compared as it is written."""


@dataclass(frozen=True)
class Staging:
    """The rules for loans that do not tell their stage.

    stage_2_days, stage_3_days: days past due from which on a loan is in stage 2, and in stage 3. pd_multiple, pd_rise:
    a PD of so many times the OriginationPD, and by so much above it, puts a loan in stage 2; both must hold.
    """

    stage_2_days: int = 30
    stage_3_days: int = 90
    pd_multiple: float = 3.0
    pd_rise: float = 0.0

    def stages_of(self, numbers: Mapping[str, Floats]) -> NDArray[np.int64]:
        """The stage of each loan by its DaysPastDue, PD and OriginationPD, (n,) each and NaN where not given, (n,)."""
        days, pd, first = numbers["DaysPastDue"], numbers["PD"], numbers["OriginationPD"]
        default = (days >= self.stage_3_days) | (pd == 1)
        risen = np.maximum(self.pd_multiple * first, first + self.pd_rise) * _ALIKE
        return np.where(default, 3, np.where((days >= self.stage_2_days) | (pd >= risen), 2, 1))


STAGING = Staging()
"""What the standard presumes, and how often its PD at origination the EBA's stress tests ask for."""
