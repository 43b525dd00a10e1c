"""The scenarios of a run, as the one table of integers that the planner draws and every worker reads.

All floating-point work on scenarios happens here, once, in the planner: factors, weights, correlations, rate shocks.
What the workers get is integers (and weights they only scale), so no CPU can disagree. Imports nothing that touches
AWS.

The model, per loan of sector k (Vasicek 2002; Gupton, Finger and Bhatia 1997):
    X = sqrt(rho_k) * Z_k + sqrt(1 - rho_k) * eps,     Z_k = sqrt(w) * G + sqrt(1 - w) * eta_k,
and it defaults where X < Phi^-1(PD), that is, with conditional probability
    p(z) = Phi((Phi^-1(PD) - sqrt(rho_k) * z) / sqrt(1 - rho_k)) = Phi(scale_k * Phi^-1(PD) - loading_k * z).
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from montecarlo.model import capital, normal, severity
from montecarlo.model.capital import CapitalTable
from montecarlo.model.parameters import Parameters
from montecarlo.model.severity import SeverityTable

Floats = npt.NDArray[np.float64]

BANDS_PER_LOGIT = 16
"""Width of a score band: 1/16 logit, a factor of 1.06 in PD. `pd_of_bands` keeps the expected loss exact to second
order.
"""

LOWEST_BAND = -16 * BANDS_PER_LOGIT
HIGHEST_BAND = 8 * BANDS_PER_LOGIT

_FACTOR_LIMIT = 20.0  # keeps loading * z within int32 for every allowed correlation; 20 sigma is never drawn
_FACTOR_STREAM = 2  # highest counter word of the factors' Philox streams; loans' streams have 0


@dataclass(frozen=True)
class Case:
    """One economic case: a Fed rate in % a year, and further probits added to every loan's Phi^-1(PD), by segment."""

    name: str
    fed_rate: float
    probit_shift: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class ScenarioTable:
    """What a worker needs of the scenarios. K sectors, S scenarios, C cases, fixed point Q24 (see `normal`).

    factors: int32 (K, S), sector factors Z. weights: float64 (S,), summing to about 1. phi: uint32, `normal.table()`.
    band_probit: int32, Phi^-1 of each score band's PD. scale, loading: int64 (K,). shift: int64 (C, K), added to
    Phi^-1(PD). wave: int64 (), as in `draw`. severity, capital: see there.
    """

    factors: npt.NDArray[np.int32]
    weights: Floats
    phi: npt.NDArray[np.uint32]
    band_probit: npt.NDArray[np.int32]
    scale: npt.NDArray[np.int64]
    loading: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    wave: npt.NDArray[np.int64]
    severity: SeverityTable
    capital: CapitalTable

    @property
    def first_scenario(self) -> int:
        """Number of the first scenario, a multiple of 32: where the loans' random bytes go on from the wave before."""
        return int(self.wave) * -(-self.scenarios // 32) * 32

    @property
    def scenarios(self) -> int:
        return self.weights.size

    @property
    def cases(self) -> int:
        return len(self.shift)

    def digest(self) -> str:
        """SHA-256 over names, types, shapes and values: equal if and only if the table is."""
        digest = hashlib.sha256()
        for name, array in self._arrays().items():
            digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """The table as a NumPy .npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, **self._arrays())
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reverse of `to_bytes`."""
        nested: dict[str, dict[str, Any]] = {name: {} for name in _NESTED}
        own: dict[str, Any] = {}
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            for name in file.files:
                outer, _, inner = name.rpartition(".")
                (nested[outer] if outer else own)[inner] = file[name]
        return cls(**own, **{name: kind(**nested[name]) for name, kind in _NESTED.items()})

    def _arrays(self) -> dict[str, Any]:
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _NESTED}
        return own | {
            f"{name}.{field.name}": getattr(getattr(self, name), field.name)
            for name, kind in _NESTED.items()
            for field in fields(kind)
        }


_NESTED: dict[str, Any] = {"severity": SeverityTable, "capital": CapitalTable}


@dataclass(frozen=True)
class Design:
    """How the scenarios of a run are drawn.

    With a `shift` they are a mixture: half around zero and half around the shift, each half stratified along it,
    weighed by the balance heuristic (Veach and Guibas 1995; Glasserman and Li 2005). The half around zero bounds every
    weight by 2. Without one they are plain Monte Carlo. The shift is in standard deviations of (G, eta_1 .. eta_K).
    """

    shift: tuple[float, ...] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reverse of dataclasses.asdict, through JSON."""
        return cls(tuple(value["shift"]) if value["shift"] else None)

    def strata(self, scenarios: int) -> list[int]:
        """Sizes of the consecutive runs of scenarios that are stratified; none for plain Monte Carlo."""
        return [scenarios // 2, scenarios - scenarios // 2] if self.shift else []


def draw(
    parameters: Parameters,
    cases: Sequence[Case],
    scenarios: int,
    seed: int,
    design: Design | None = None,
    wave: int = 0,
) -> ScenarioTable:
    """The table of one wave of scenarios: `wave` counts them from 0, each has its own random numbers."""
    segments = list(parameters.segments.values())
    rho = np.array([segment.asset_correlation for segment in segments])
    normals, weights = _draw_factors(len(segments) + 1, scenarios, seed, design or Design(), wave)
    factors = sector_factors(normals, parameters.global_factor_share)
    return ScenarioTable(
        factors=normal.to_fixed(np.clip(factors, -_FACTOR_LIMIT, _FACTOR_LIMIT)).astype(np.int32),
        weights=weights,
        phi=normal.table(),
        band_probit=_band_probits(),
        scale=normal.to_fixed(1 / np.sqrt(1 - rho)),
        loading=normal.to_fixed(np.sqrt(rho / (1 - rho))),
        shift=normal.to_fixed([[_shift(parameters, case, name) for name in parameters.segments] for case in cases]),
        wave=np.array(wave, dtype=np.int64),
        severity=severity.table([s.lgd_volatility for s in segments], [s.lgd_correlation for s in segments]),
        capital=capital.table(
            [s.exposure_class for s in segments], [s.annual_sales for s in segments], [s.pd_floor for s in segments]
        ),
    )


def _draw_factors(factors: int, scenarios: int, seed: int, design: Design, wave: int) -> tuple[Floats, Floats]:
    """Independent factors (factors, S) and weights (S,)."""
    uniforms = independent_uniforms(factors + 1, scenarios, seed, wave)
    normals = _quantiles(uniforms[:-1])
    if design.shift is None:
        return normals, np.full(scenarios, 1 / scenarios)
    shift = np.array(design.shift)
    length = float(np.sqrt((shift * shift).sum()))
    along = shift / length
    sizes = design.strata(scenarios)
    # The place along the shift: one draw from each stratum of equal probability, in each half.
    within = np.split(uniforms[-1], sizes[:1])
    place = [(np.arange(size) + part) / size for size, part in zip(sizes, within, strict=True)]
    position = _quantiles(np.concatenate(place)[None])[0]
    position[: sizes[0]] += length
    normals += np.outer(along, position - along @ normals)
    share = sizes[0] / scenarios
    shifted_density = np.exp(length * position - length * length / 2)  # relative to the density around zero
    return normals, 1 / (1 - share + share * shifted_density) / scenarios


def independent_uniforms(streams: int, scenarios: int, seed: int, wave: int) -> Floats:
    """Uniforms in (0, 1) of shape (streams, scenarios): each stream of each wave is its own Philox counter range.

    A stream's values do not depend on how many scenarios or streams are drawn.
    """
    words = [
        np.random.Philox(key=[seed, 0], counter=[0, stream, wave, _FACTOR_STREAM]).random_raw(scenarios)
        for stream in range(streams)
    ]
    uniforms = ((np.array(words) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.minimum(uniforms, 1 - 2.0**-53)  # the last would round to 1


def _quantiles(uniforms: Floats) -> Floats:
    inverse = NormalDist().inv_cdf
    return np.array([[inverse(u) for u in row] for row in uniforms.tolist()])


def sector_factors(normals: Floats, global_share: float) -> Floats:
    """Z of shape (K, S) from independent normals of shape (K + 1, S), the first of which is the global factor."""
    return np.asarray(np.sqrt(global_share) * normals[0] + np.sqrt(1 - global_share) * normals[1:])


def _shift(parameters: Parameters, case: Case, segment: str) -> float:
    rise = case.fed_rate - parameters.base_fed_rate
    return parameters.segments[segment].rate_sensitivity * rise + case.probit_shift.get(segment, 0.0)


def pd_of_bands() -> Floats:
    """The PD of each score band: the logistic function averaged over it, which keeps a portfolio's mean PD."""
    edges = np.arange(LOWEST_BAND, HIGHEST_BAND + 2) / BANDS_PER_LOGIT
    integral = np.logaddexp(0, edges)  # the antiderivative of the logistic function
    return np.asarray(np.diff(integral) * BANDS_PER_LOGIT)


def _band_probits() -> npt.NDArray[np.int32]:
    inverse = NormalDist().inv_cdf
    return normal.to_fixed([inverse(pd) for pd in pd_of_bands().tolist()]).astype(np.int32)
