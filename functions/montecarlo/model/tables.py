"""The model's constants, which follow from the parameters and the cases alone: thresholds, loadings, shifts, look-ups.

The planner computes them once, where floating point is allowed; workers get integers, so that no CPU can disagree.
Imports NumPy and the model only.

The model, per loan of sector k (Vasicek 2002; Gupton, Finger and Bhatia 1997):
    X = sqrt(rho_k) * Z_k + sqrt(1 - rho_k) * eps,
and it defaults where X < Phi^-1(PD), that is, with conditional probability
    p(z) = Phi((Phi^-1(PD) - sqrt(rho_k) * z) / sqrt(1 - rho_k)) = Phi(scale_k * Phi^-1(PD) - loading_k * z).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from montecarlo.model import capital, normal, severity
from montecarlo.model.capital import CapitalTable
from montecarlo.model.cases import Case
from montecarlo.model.parameters import MAX_ASSET_CORRELATION, Parameters, Segment
from montecarlo.model.severity import SeverityTable

Floats = npt.NDArray[np.float64]

BANDS_PER_LOGIT = 16
"""Width of a score band: 1/16 logit, a factor of 1.06 in PD. `pd_of_bands` keeps the expected loss exact to second
order.
"""

LATTICE = 31
"""Asset correlations of single loans are put on so many points, whose roots are equally far apart."""

LATTICE_STEP = math.sqrt(MAX_ASSET_CORRELATION) / (LATTICE - 1)

BASEL_CELL_BITS = 18
"""Basel's correlation is tabulated in cells of 2**-6 in Phi^-1(PD)."""

LOWEST_BAND = -16 * BANDS_PER_LOGIT
HIGHEST_BAND = 8 * BANDS_PER_LOGIT


@dataclass(frozen=True, eq=False)
class ModelTables:
    """The constants of K segments in C cases, in fixed point Q24 (see `normal`).

    phi: uint32, `normal.table()`. band_probit: int32, Phi^-1 of each score band's PD. scale, loading: int64 (K +
    LATTICE,), those of the segments' asset correlations, and of the lattice's. shift: int64 (C, K), added to
    Phi^-1(PD). factor: int64 (K,), the index of each segment's sector among the factors. basel_root: float64 (K, B),
    the root of Basel's asset correlation at B - 1 cells of Phi^-1(PD) over [-LIMIT, LIMIT]; NaN where a segment has its
    own, B = 0 where all have. severity, capital: see there.
    """

    phi: npt.NDArray[np.uint32]
    band_probit: npt.NDArray[np.int32]
    scale: npt.NDArray[np.int64]
    loading: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    factor: npt.NDArray[np.int64]
    basel_root: Floats
    severity: SeverityTable
    capital: CapitalTable

    @property
    def cases(self) -> int:
        """C."""
        return len(self.shift)

    @property
    def sectors(self) -> int:
        """K: one for each segment, in the order of the parameters."""
        return len(self.factor)


def model_tables(parameters: Parameters, cases: Sequence[Case]) -> ModelTables:
    """The constants of these parameters and cases."""
    segments = list(parameters.segments.values())
    lattice = np.square(np.arange(LATTICE) * LATTICE_STEP)
    rho = np.array([*(segment.asset_correlation for segment in segments), *lattice])
    sectors = parameters.sectors
    return ModelTables(
        phi=normal.table(),
        band_probit=_band_probits(),
        scale=normal.to_fixed(1 / np.sqrt(1 - rho)),
        loading=normal.to_fixed(np.sqrt(rho / (1 - rho))),
        shift=normal.to_fixed([[_shift(parameters, case, name) for name in parameters.segments] for case in cases]),
        factor=np.array([sectors.index(segment.sector or name) for name, segment in parameters.segments.items()]),
        basel_root=_basel_roots(segments),
        severity=severity.table([s.lgd_volatility for s in segments], [s.lgd_correlation for s in segments]),
        capital=capital.table(
            [s.exposure_class for s in segments], [s.annual_sales for s in segments], [s.pd_floor for s in segments]
        ),
    )


def _basel_roots(segments: Sequence[Segment]) -> Floats:
    if not any(segment.basel_correlation for segment in segments):
        return np.empty((len(segments), 0))
    edges = [normal.cdf(x) for x in np.arange(-normal.LIMIT, normal.LIMIT + 2.0**-7, 2.0**-6).tolist()]
    none = np.full(len(edges), np.nan)
    return np.array(
        [
            [math.sqrt(capital.correlation(pd, each.exposure_class, each.annual_sales)) for pd in edges]
            if each.basel_correlation
            else none
            for each in segments
        ]
    )


def _shift(parameters: Parameters, case: Case, segment: str) -> float:
    rise = case.fed_rate - parameters.base_fed_rate
    return parameters.segments[segment].rate_sensitivity * rise + case.probit_shift.get(segment, 0.0)


def pd_of_bands() -> Floats:
    """The PD of each score band, lowest first: the logistic function averaged over it, which keeps the mean PD."""
    edges = np.arange(LOWEST_BAND, HIGHEST_BAND + 2) / BANDS_PER_LOGIT
    integral = np.logaddexp(0, edges)  # the antiderivative of the logistic function
    return np.asarray(np.diff(integral) * BANDS_PER_LOGIT)


def _band_probits() -> npt.NDArray[np.int32]:
    inverse = NormalDist().inv_cdf
    return normal.to_fixed([inverse(pd) for pd in pd_of_bands().tolist()]).astype(np.int32)
