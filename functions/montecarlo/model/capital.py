"""Regulatory capital by Basel's internal-ratings-based (IRB) approach, to stand beside the simulated economic capital.

    K = LGD * (Phi((Phi^-1(PD) + sqrt(R) * Phi^-1(0.999)) / sqrt(1 - R)) - PD) * (1 + (M - 2.5) * b) / (1 - 1.5 * b)
    RWA = 12.5 * K * EAD

R is the asset correlation of the exposure class; the last factor, with b = (0.11852 - 0.05478 * ln PD)**2 and the
effective maturity M in years, is for corporates only. `risk_weight` says this in doubles, for documents and tests. The
planner tabulates K / LGD (`table`) and workers look it up in integers (`capital`), so that every CPU gives the same
cents.

Left out, because the portfolio does not say: floors under LGD, which depend on collateral (CRE32.16, CRE32.58), the
higher correlation of financial institutions (CRE31.7), the output floor (RBC20), and the scaling factor of 1.06 that
Basel III dropped. LGD is taken for the downturn LGD. Imports NumPy, `normal` and `amortisation` only.

Sources: Basel Framework, CRE31 and CRE32 as in force since 1 January 2023; Vasicek 2002; Gordy 2003.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from montecarlo.model import normal
from montecarlo.portfolio.amortisation import Schedule

Ints = npt.NDArray[np.int64]

CONFIDENCE = 0.999
LOWEST_PD = 0.0001
"""The formula is for PDs above a floor; near 3e-6 a corporate's maturity factor has a pole."""

STANDARD_MATURITY = 2.5
"""Years, where none is known (CRE32.55)."""

MATURITY_UNITS = 24
"""Workers count effective maturity in 1/24 of a year, in which a level repayment schedule's is a whole number."""

LARGEST_LOSS = 10**14
"""Cents that a loan may lose at default: what `portfolio.columns` allows."""

_FRACTION_BITS = 32  # K / LGD as a whole number of 2**-32
_LIMIT = 4  # the table covers Phi^-1(PD) over [-4, 4], PDs from 0.003 % to 99.997 %
_CELL_BITS = 16  # cells of 2**-8 in Phi^-1(PD)
_CELLS = (2 * _LIMIT * normal.ONE) >> _CELL_BITS


class _Correlation(NamedTuple):
    """Falls exponentially from `high` at PD 0 to `low` at PD 1."""

    low: float
    high: float
    decay: float


_CORRELATIONS = {
    "corporate": _Correlation(0.12, 0.24, 50),  # CRE31.5
    "residential_mortgage": _Correlation(0.15, 0.15, 1),  # CRE31.14
    "qualifying_revolving": _Correlation(0.04, 0.04, 1),  # CRE31.15
    "other_retail": _Correlation(0.03, 0.16, 35),  # CRE31.16
}
CLASSES = tuple(_CORRELATIONS)
"""Exposure classes."""


def risk_weight(
    pd: float, lgd: float, exposure_class: str, maturity: float = STANDARD_MATURITY, sales: float | None = None
) -> float:
    """RWA / EAD of a loan with this one-year PD, which the caller has raised to its floor.

    maturity: effective maturity in years, from 1 to 5, and sales: a year's sales of the borrower's group in millions of
    euros, None for a large firm; both matter to corporates only. A loan in default (PD 1) needs no capital, as its LGD
    is the best estimate of what is lost (CRE31.3). Raises ValueError for an unknown class or a PD outside
    [LOWEST_PD, 1].
    """
    if not LOWEST_PD <= pd <= 1:
        raise ValueError(f"PD is {pd:g}, but must lie from {LOWEST_PD:g} to 1: raise it to the regulatory floor first.")
    if pd == 1:
        return 0.0
    level, slope = _per_unit_of_loss(pd, exposure_class, sales)
    return 12.5 * lgd * (level + slope * (maturity - STANDARD_MATURITY))


def correlation(pd: float, exposure_class: str, sales: float | None = None) -> float:
    """The asset correlation R; sales of 5 to 50 million euros lower a corporate's by up to 0.04 (CRE31.8)."""
    if exposure_class not in _CORRELATIONS:
        raise ValueError(f"exposure class {exposure_class!r} is unknown; it must be one of {', '.join(CLASSES)}.")
    low, high, decay = _CORRELATIONS[exposure_class]
    share = math.expm1(-decay * pd) / math.expm1(-decay)
    smallness = 0.0
    if exposure_class == "corporate" and sales is not None:
        smallness = 1 - (min(max(sales, 5.0), 50.0) - 5) / 45
    return low * share + high * (1 - share) - 0.04 * smallness


def _per_unit_of_loss(pd: float, exposure_class: str, sales: float | None) -> tuple[float, float]:
    """K / LGD at a maturity of 2.5 years, and what each further year adds."""
    probit = NormalDist().inv_cdf
    r = correlation(pd, exposure_class, sales)
    worst_case = normal.cdf((probit(pd) + math.sqrt(r) * probit(CONFIDENCE)) / math.sqrt(1 - r))
    if exposure_class != "corporate":
        return worst_case - pd, 0.0
    b = (0.11852 - 0.05478 * math.log(pd)) ** 2
    level = (worst_case - pd) / (1 - 1.5 * b)
    return level, level * b


@dataclass(frozen=True, eq=False)
class CapitalTable:
    """K / LGD of K segments, to be looked up by Phi^-1(PD) in Q24 (see `normal`).

    level, slope: int64 (K, 2049), at the edges of cells, in 2**-32: at a maturity of 2.5 years, and per 1/24 of a year
    beyond it. floor: int64 (K,), Q24, Phi^-1 of the lowest PD allowed.
    """

    level: Ints
    slope: Ints
    floor: Ints


def table(classes: Sequence[str], sales: Sequence[float | None], pd_floors: Sequence[float]) -> CapitalTable:
    """The planner's table, a row for each segment. Raises ValueError as `risk_weight` does, and for a floor too low."""
    for pd_floor in pd_floors:
        if not LOWEST_PD <= pd_floor < 1:
            raise ValueError(f"the floor under PD is {pd_floor:g}, but must lie from {LOWEST_PD:g} to 1.")
    edges = [normal.cdf(-_LIMIT + cell * 2 * _LIMIT / _CELLS) for cell in range(_CELLS + 1)]
    rows = [[_per_unit_of_loss(pd, *segment) for pd in edges] for segment in zip(classes, sales, strict=True)]
    values = np.array(rows)
    values[:, -1] = 0  # the last edge stands for default, which holds no capital
    level, slope = np.moveaxis(values, 2, 0) * 2.0**_FRACTION_BITS
    floor = normal.to_fixed([NormalDist().inv_cdf(pd) for pd in pd_floors])
    return CapitalTable(np.rint(level).astype(np.int64), np.rint(slope / MATURITY_UNITS).astype(np.int64), floor)


def effective_maturity(term: Ints, age: Ints) -> Ints:
    """M of shape (N,) in 1/MATURITY_UNITS of a year, between one and five years (CRE32.46).

    Level payments fall due after 1, ..., n months, so their mean date is (n + 1) / 24 years away (CRE32.47). Loans
    without a term have the standard 2.5 years. term, age: int64 (N,), months.
    """
    scheduled = np.clip(term - age + 1, MATURITY_UNITS, 5 * MATURITY_UNITS)
    return np.where(term > 0, scheduled, np.int64(STANDARD_MATURITY * MATURITY_UNITS))


def scheduled_maturity(schedule: Schedule, age: Ints) -> Ints:
    """As `effective_maturity`, of loans that repay otherwise: the mean date of their payments, interest included."""
    mean = np.rint(schedule.mean_months(age) * (MATURITY_UNITS / 12)).astype(np.int64)
    mean = np.clip(mean, MATURITY_UNITS, 5 * MATURITY_UNITS)
    return np.where(schedule.term > 0, mean, np.int64(STANDARD_MATURITY * MATURITY_UNITS))


def capital(table: CapitalTable, sector: Ints, probit: Ints, loss: Ints, maturity: Ints) -> Ints:
    """K * EAD of each loan in 2**-16 cents, int64 (N,).

    Integers only, within 0.05 % of the formula for PDs up to 99.9 %.

    sector: index of the segment. probit: Phi^-1(PD) in Q24, before the floor. loss: EAD * LGD in cents, at most
    LARGEST_LOSS. maturity: as from `effective_maturity`.
    """
    low, high = np.int64(-_LIMIT * normal.ONE), np.int64(_LIMIT * normal.ONE)
    offset = np.clip(np.maximum(probit, table.floor[sector]), low, high) - low
    cell = np.minimum(offset >> _CELL_BITS, _CELLS - 1)
    within = offset - (cell << _CELL_BITS)

    def at(edges: Ints) -> Ints:
        left = edges[sector, cell]
        return np.asarray(left + (((edges[sector, cell + 1] - left) * within) >> _CELL_BITS))

    per_loss = at(table.level) + at(table.slope) * (maturity - np.int64(STANDARD_MATURITY * MATURITY_UNITS))
    # loss * per_loss / 2**16 rounded down, in two halves of 16 bits that each fit int64, as per_loss is below 1
    upper, lower = per_loss >> 16, per_loss & 0xFFFF
    return np.asarray(loss * upper + ((loss * lower) >> 16))
