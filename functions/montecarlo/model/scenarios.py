"""The scenarios of a run: the sector factors that the planner draws, once, and the weights of the draw.

All floating-point work on scenarios happens here. What the workers get is integers (and weights they only scale), so no
CPU can disagree. Imports NumPy and the model only.

`factors` says how those of the sectors follow from independent ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from montecarlo.model import factors, normal
from montecarlo.model.parameters import Parameters

Floats = npt.NDArray[np.float64]

_FACTOR_LIMIT = 20.0  # keeps loading * z within int32 for every allowed correlation; 20 sigma is never drawn
_FACTOR_STREAM = 2  # highest counter word of the factors' Philox streams; loans' streams have 0


@dataclass(frozen=True, eq=False)
class Scenarios:
    """One wave of S scenarios of F sectors.

    factors: int32 (F, S), sector factors Z in fixed point Q24 (see `normal`). weights: float64 (S,), summing to about
    1. wave: int64 (), as in `draw`.
    """

    factors: npt.NDArray[np.int32]
    weights: Floats
    wave: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """S."""
        return self.weights.size

    @property
    def first(self) -> int:
        """Number of the first scenario, a multiple of 32: where the loans' random bytes go on from the wave before."""
        return int(self.wave) * -(-len(self) // 32) * 32

    def part(self, start: int, stop: int) -> "Scenarios":
        """Those from `start`, a multiple of 32, up to `stop`."""
        part = slice(start, stop)
        return _Part(self.factors[:, part], self.weights[part], self.wave, self.first + start)


@dataclass(frozen=True, eq=False)
class _Part(Scenarios):
    number: int

    @property
    def first(self) -> int:
        return self.number


@dataclass(frozen=True)
class Design:
    """How the scenarios of a run are drawn.

    With a `shift` they are a mixture: half around zero and half around the shift, each half stratified along it,
    weighed by the balance heuristic (Veach and Guibas 1995; Glasserman and Li 2005). The half around zero bounds every
    weight by 2. Without one they are plain Monte Carlo. The shift is in standard deviations of (G, eta_1 .. eta_F).
    """

    shift: tuple[float, ...] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reverse of dataclasses.asdict, through JSON."""
        return cls(tuple(value["shift"]) if value["shift"] else None)

    def strata(self, scenarios: int) -> list[int]:
        """Sizes of the consecutive runs of scenarios that are stratified; none for plain Monte Carlo."""
        return [scenarios // 2, scenarios - scenarios // 2] if self.shift else []


def draw(parameters: Parameters, count: int, seed: int, design: Design | None = None, wave: int = 0) -> Scenarios:
    """One wave of `count` scenarios: `wave` counts them from 0, each has its own random numbers."""
    normals, weights = _draw_factors(len(parameters.sectors) + 1, count, seed, design or Design(), wave)
    drawn = sector_factors(normals, parameters)
    return Scenarios(
        factors=normal.to_fixed(np.clip(drawn, -_FACTOR_LIMIT, _FACTOR_LIMIT)).astype(np.int32),
        weights=weights,
        wave=np.array(wave, dtype=np.int64),
    )


def _draw_factors(count: int, scenarios: int, seed: int, design: Design, wave: int) -> tuple[Floats, Floats]:
    """Independent factors (count, S) and weights (S,)."""
    uniforms = independent_uniforms(count + 1, scenarios, seed, wave)
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


def mixing(parameters: Parameters) -> Floats:
    """(F, F + 1), see `factors.mixing`."""
    return factors.mixing(parameters.sectors, parameters.global_factor_share, parameters.sector_correlations)


def _quantiles(uniforms: Floats) -> Floats:
    inverse = NormalDist().inv_cdf
    return np.array([[inverse(u) for u in row] for row in uniforms.tolist()])


def sector_factors(normals: Floats, parameters: Parameters) -> Floats:
    """Z of shape (F, S) from independent normals of shape (F + 1, S), the first of which is the global factor."""
    global_share = parameters.global_factor_share
    if parameters.sector_correlations:
        return factors.mixed(mixing(parameters), normals)
    return np.asarray(np.sqrt(global_share) * normals[0] + np.sqrt(1 - global_share) * normals[1:])
