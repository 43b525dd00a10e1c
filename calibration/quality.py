"""How well PDs tell who defaults (discrimination) and how many do (calibration)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.rates import jeffreys

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Loans of similar PDs: their number, mean PD, defaults, and the 95 % interval of the default rate."""

    loans: int
    pd: float
    defaults: int
    interval: tuple[float, float]


@dataclass(frozen=True)
class Quality:
    """What PDs were worth. auc: None where all outcomes are the same. brier_of_mean: of one PD for all, the default
    rate.

    expected: defaults by the PDs. spread: the standard deviation of their number, if the PDs were right and defaults
    independent.
    """

    loans: int
    defaults: int
    expected: float
    spread: float
    auc: float | None
    auc_standard_error: float | None
    brier: float
    brier_of_mean: float
    bins: list[Bin]


def measure(pd: Floats, defaulted: Bools) -> Quality:
    """pd: (N,), of N > 0 loans. Bins hold as equal numbers of loans as equal PDs allow."""
    y = defaulted.astype(np.float64)
    auc, error = area(pd, defaulted)
    edges = np.unique(np.quantile(pd, np.linspace(0, 1, BINS + 1)[1:-1], method="inverted_cdf"))
    of = np.searchsorted(edges, pd, side="left")
    bins = []
    for each in np.unique(of).tolist():
        here = of == each
        loans, defaults = int(here.sum()), int(y[here].sum())
        bins.append(Bin(loans, float(pd[here].mean()), defaults, jeffreys(defaults, loans)))
    return Quality(
        loans=len(pd),
        defaults=int(y.sum()),
        expected=float(pd.sum()),
        spread=math.sqrt(float((pd * (1 - pd)).sum())),
        auc=auc,
        auc_standard_error=error,
        brier=float(np.mean((pd - y) ** 2)),
        brier_of_mean=float(y.mean() * (1 - y.mean())),
        bins=bins,
    )


def area(pd: Floats, defaulted: Bools) -> tuple[float | None, float | None]:
    """The area under the ROC curve, the chance that of two loans the one that defaults has the higher PD, ties half;
    and its standard error by DeLong, DeLong and Clarke-Pearson 1988. None where there is only one outcome.
    """
    ones, zeros = np.sort(pd[defaulted]), np.sort(pd[~defaulted])
    if not ones.size or not zeros.size:
        return None, None

    def below(values: Floats, others: Floats) -> Floats:
        """The share of the others below each value, ties half."""
        left, right = (np.searchsorted(others, values, side=side) for side in ("left", "right"))
        return np.asarray((left + right) / (2 * others.size))

    of_ones, of_zeros = below(ones, zeros), 1 - below(zeros, ones)
    if min(ones.size, zeros.size) < 2:
        return float(of_ones.mean()), None
    variance = of_ones.var(ddof=1) / ones.size + of_zeros.var(ddof=1) / zeros.size
    return float(of_ones.mean()), math.sqrt(float(variance))
