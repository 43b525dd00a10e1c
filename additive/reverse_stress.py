"""Reverse stress: the nearest economy under which a finished run's loans lose a given amount in expectation.

An economy is a point Y = (G, eta_1 .. eta_F) of the model's independent standard normal factors. Given Y, what the
loans are expected to lose is a sum over sectors, each a function of its own factor only:

    E[L | Y] = sum over sectors k of L_k(Z_k),     Z = mixing @ Y,
    L_k(z) = sum over the sector's loans of Phi(scale * Phi^-1(PD) - loading * z) * E[LGD | z] * exposure.

The functions L_k are tabulated once, over all loans, and the search runs on the tables: it costs the same for ten loans
and for a billion. Sought is the shortest Y with E[L | Y] = goal, its length in standard deviations; a shift at least as
far in its direction has the probability Phi(-length). This is the design point of structural reliability (Hasofer and
Lind 1974): the iteration is theirs, with steps that are taken only where they shorten the shift.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from additive.replay import Replay
from montecarlo.errors import InvalidInput
from montecarlo.model import normal
from montecarlo.model.credit import FRACTION_BITS, LoanRisks, in_case, loan_risks
from montecarlo.model.scenarios import mixing
from montecarlo.model.severity import CELLS, MEANS
from montecarlo.model.tables import ModelTables
from montecarlo.model.valuation import expected_losses
from montecarlo.run.chunk import Chunk
from montecarlo.run.result import money

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCHEMA = 1

FARTHEST = float(normal.LIMIT)
"""Standard deviations to which economies are looked at; Phi(-8) is 6e-16."""

_STEP = 1 / 64
"""Of the tables over a factor. Read by cubics, they miss E[L | Z] by less than 1e-7 of it."""

_BEYOND = 3
"""Points that the tables have beyond either end."""

_CELL = 1 / 256
"""Loans whose Phi^-1(PD) * scale lies in one cell of this width are taken together, at their mean."""

_GRID = np.arange(-FARTHEST / _STEP - _BEYOND, FARTHEST / _STEP + _BEYOND + 1) * _STEP

_CERTAIN = 1e3
_ROUNDS = 200
_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Buckets:
    """B buckets of loans that are alike. keys: int64 (B, 4), segment, factor, loading, and the tabulated mean LGD,
    MEANS + 1 where the LGD does not follow the factor; cell: int64 (B,) of the threshold; loss: float64 (B,), cents
    lost at default, or at stake where the LGD follows the factor; moment: float64 (B,), loss times the threshold.
    """

    keys: Ints
    cell: Ints
    loss: Floats
    moment: Floats

    @classmethod
    def of(cls, risks: LoanRisks, tables: ModelTables, case: int) -> "Buckets":
        """The loans of one case."""
        kept = np.flatnonzero(~risks.impossible)
        segment = risks.sector[kept].astype(np.int64)
        alpha = np.where(risks.certain[kept], _CERTAIN, risks.alpha[case, kept] / normal.ONE)
        keys = np.stack([segment, risks.factor[kept], risks.loading[kept], np.full(kept.size, MEANS + 1)], axis=1)
        amount = in_case(risks.loss, case)[kept].astype(np.float64)
        follows = (tables.severity.drawn & (tables.severity.loading > 0))[segment]
        linked = np.flatnonzero(follows)
        if linked.size:  # a mean between two that are tabulated is shared between them
            share = in_case(risks.lgd, case)[kept[linked]] / normal.ONE * MEANS
            below = np.minimum(share.astype(np.int64), MEANS - 1)
            upper = keys[linked].copy()
            keys[linked, 3], upper[:, 3] = below, below + 1
            at_stake = risks.exposure[kept[linked]].astype(np.float64)
            amount[linked] = at_stake * (1 - (share - below))
            amount = np.concatenate([amount, at_stake * (share - below)])
            keys, alpha = np.concatenate([keys, upper]), np.concatenate([alpha, alpha[linked]])
        return cls(keys, np.floor(alpha / _CELL).astype(np.int64), amount, amount * alpha).merged()

    @classmethod
    def together(cls, parts: Sequence["Buckets"]) -> "Buckets":
        """The buckets of several parts of a portfolio."""
        return cls(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.cell for part in parts]),
            np.concatenate([part.loss for part in parts]),
            np.concatenate([part.moment for part in parts]),
        ).merged()

    def merged(self) -> "Buckets":
        """One bucket for each key and cell; those without a loss are left out."""
        all_keys = np.column_stack([self.keys, self.cell])
        found, inverse = np.unique(all_keys, axis=0, return_inverse=True)
        loss, moment = (
            np.bincount(inverse.reshape(-1), each, minlength=len(found)).astype(np.float64)
            for each in (self.loss, self.moment)
        )
        lose = loss > 0
        return Buckets(found[lose, :4], found[lose, 4], loss[lose], moment[lose])


@dataclass(frozen=True, eq=False)
class Curves:
    """What P parts are expected to lose, given the factor. segment, factor: int64 (P,). loss, slope: float64 (P, G),
    cents and their derivative at the grid's points.
    """

    segment: Ints
    factor: Ints
    loss: Floats
    slope: Floats

    @classmethod
    def of(cls, buckets: Buckets, tables: ModelTables) -> "Curves":
        """Tables over the grid, one for each segment and factor that a loan has."""
        edges = np.linspace(-normal.LIMIT, normal.LIMIT, len(tables.phi))
        phi = tables.phi / 2.0**32
        alpha = buckets.moment / buckets.loss
        loading = tables.loading[buckets.keys[:, 2]] / normal.ONE
        parts, part = np.unique(buckets.keys[:, :2], axis=0, return_inverse=True)
        part = part.reshape(-1)
        linked = np.unique(buckets.keys[buckets.keys[:, 3] <= MEANS, 0])
        shares = {segment: _severity(tables, segment) for segment in linked.tolist()}
        loss = np.zeros((len(parts), _GRID.size))
        for start in range(0, alpha.size, _BLOCK):
            here = slice(start, start + _BLOCK)
            given = np.interp(alpha[here, None] - loading[here, None] * _GRID, edges, phi)
            given *= buckets.loss[here, None]
            for row, (segment, mean) in enumerate(buckets.keys[here][:, [0, 3]].tolist()):
                if mean <= MEANS:
                    given[row] *= shares[segment][mean]
            np.add.at(loss, part[here], given)
        slope = np.zeros_like(loss)
        slope[:, 2:-2] = (loss[:, :-4] - 8 * loss[:, 1:-3] + 8 * loss[:, 3:-1] - loss[:, 4:]) / (12 * _STEP)
        return cls(parts[:, 0], parts[:, 1], loss, slope)

    def at(self, z: Floats) -> tuple[Floats, Floats]:
        """What each part is expected to lose and its derivative, (P, S) each, for sectors' factors (F, S)."""
        place = (z[self.factor] - _GRID[0]) / _STEP
        left = np.clip(place.astype(np.int64), 2, _GRID.size - 4)
        u = place - left
        rows = np.arange(len(self.factor))[:, None]
        low, high = self.loss[rows, left], self.loss[rows, left + 1]
        enter, leave = self.slope[rows, left] * _STEP, self.slope[rows, left + 1] * _STEP
        a, b = 2 * (low - high) + enter + leave, 3 * (high - low) - 2 * enter - leave
        return ((a * u + b) * u + enter) * u + low, ((3 * a * u + 2 * b) * u + enter) / _STEP


def _severity(tables: ModelTables, segment: int) -> Floats:
    """E[LGD | z] over the grid for each tabulated mean, (MEANS + 1, G)."""
    of = tables.severity
    edges = np.linspace(-normal.LIMIT, normal.LIMIT, len(tables.phi))
    bounds = normal.inverse(tables.phi, np.arange(1, CELLS) / CELLS) / normal.ONE
    loading, residual = of.loading[segment] / normal.ONE, of.residual[segment] / normal.ONE
    below = np.interp((bounds[:, None] + loading * _GRID) / residual, edges, tables.phi / 2.0**32)
    ends = np.zeros((1, _GRID.size))
    chance = np.diff(np.concatenate([ends, below, ends + 1]), axis=0)
    return np.asarray((of.quantiles[segment] / normal.ONE) @ chance)


@dataclass(frozen=True, eq=False)
class Economy:
    """A shift of the independent factors, (F + 1,), and its length."""

    shift: Floats
    length: float


class Search:
    """Looks for economies in which all parts together lose a given amount."""

    def __init__(self, curves: Curves, mix: Floats) -> None:
        self.curves, self.mix = curves, mix
        self.held = np.zeros(len(mix), np.bool_)
        self.held[curves.factor] = True

    def loss(self, shifts: Floats) -> Floats:
        """E[L | Y] in cents, (S,), for shifts (F + 1, S)."""
        return np.asarray(self.curves.at(self.mix @ shifts)[0].sum(axis=0))

    def gradient(self, shift: Floats) -> Floats:
        """Of E[L | Y] by Y, (F + 1,)."""
        slope = self.curves.at((self.mix @ shift)[:, None])[1][:, 0]
        return np.asarray(np.bincount(self.curves.factor, slope, minlength=len(self.mix)) @ self.mix)

    def starts(self) -> list[Floats]:
        """Directions to begin with: every sector worse, the steepest, and each sector alone."""
        found = [-self.mix[self.held].sum(axis=0), self.gradient(np.zeros(self.mix.shape[1])), *(-self.mix[self.held])]
        return [each / np.linalg.norm(each) for each in found if np.linalg.norm(each) > 0]

    def nearest(self, goal: float) -> Economy | None:
        """The shortest shift in which `goal` cents are lost; None where none up to FARTHEST does."""
        if self.loss(np.zeros((self.mix.shape[1], 1)))[0] >= goal:
            return Economy(np.zeros(self.mix.shape[1]), 0.0)
        found: Economy | None = None
        for start in [*self.starts(), self._worst(FARTHEST)]:
            length = self._reach(start, goal)
            if length is None:
                continue
            economy = self._shortened(start, length, goal)
            if found is None or economy.length < found.length:
                found = economy
        return found

    def most(self) -> float:
        """The largest E[L | Y] in cents within FARTHEST."""
        return float(self.loss((FARTHEST * self._worst(FARTHEST))[:, None])[0])

    def _worst(self, length: float) -> Floats:
        """The direction in which a shift of this length costs most, of those that the starts lead to."""
        best, cost = np.zeros(self.mix.shape[1]), -1.0
        for start in self.starts():
            direction = start
            for _ in range(_ROUNDS):
                here = float(self.loss((length * direction)[:, None])[0])
                if here > cost:
                    best, cost = direction, here
                gradient = self.gradient(length * direction)
                if np.linalg.norm(gradient) == 0 or float(gradient @ direction) > (1 - 1e-12) * np.linalg.norm(
                    gradient
                ):
                    break
                direction = gradient / np.linalg.norm(gradient)
        return best

    def _reach(self, direction: Floats, goal: float) -> float | None:
        """The length at which E[L | Y] first reaches the goal in a direction; None where it does not."""
        lengths = np.linspace(0, FARTHEST, 129)
        there = np.flatnonzero(self.loss(direction[:, None] * lengths) >= goal)
        if not there.size:
            return None
        low, high = lengths[there[0] - 1], lengths[there[0]]
        while high - low > 1e-12:
            inner = np.linspace(low, high, 9)
            first = int(np.argmax(self.loss(direction[:, None] * inner)[1:] >= goal)) + 1
            low, high = inner[first - 1], inner[first]
        return float(high)

    def _shortened(self, direction: Floats, length: float, goal: float) -> Economy:
        """From a direction, by turns towards the gradient that shorten the shift, until none does."""
        for _ in range(_ROUNDS):
            gradient = self.gradient(length * direction)
            size = np.linalg.norm(gradient)
            if size == 0:
                break
            towards, part = gradient / size - direction, 1.0
            while part > 1e-4:
                turned = direction + part * towards
                turned = turned / np.linalg.norm(turned)
                shorter = self._reach(turned, goal)
                if shorter is not None and shorter < length - 1e-10:
                    direction, length = turned, shorter
                    break
                part /= 2
            else:
                break
        return Economy(length * direction, length)


def find(replay: Replay, loss: float | None = None) -> dict[str, Any]:
    """For each case the nearest economy that costs `loss`, as a JSON object; amounts in currency units.

    loss: the run's `capital_available` where it is not given. Raises InvalidInput where there is no amount, or no case
    in which the loans can lose it; InvalidPortfolio where the portfolio is not what it was.
    """
    plan = replay.plan
    goal = plan.capital_available if loss is None else loss
    if goal is None:
        raise InvalidInput(f"the run {plan.run} has no capital_available: give the amount that is lost with --loss.")
    if not 0 < goal < float("inf"):
        raise InvalidInput(f"the amount that is lost is {goal:g}, but must be above 0.")
    tables = replay.drawn[0].tables
    made = list(replay.over(lambda chunk: _of_chunk(replay, chunk), replay.chunks()))
    exposure, expected = sum(part.exposure for part in made), sum(part.expected for part in made)
    scale, parameters = plan.sample, plan.parameters
    mix = mixing(parameters)
    cases: dict[str, Any] = {}
    for c, case in enumerate(plan.cases):
        search = Search(Curves.of(Buckets.together([part.buckets[c] for part in made]), tables), mix)
        cases[case.name] = {
            "fed_rate": case.fed_rate,
            "el": money(expected[c] * scale / (1 << FRACTION_BITS)) if made else 0.0,
            **_told(replay, search, goal * 100 / scale, exposure),
        }
    if all(found["shift"] is None for found in cases.values()):
        name, most = max(((name, found["most"]) for name, found in cases.items()), key=lambda one: one[1])
        raise InvalidInput(
            f"no economy within {FARTHEST:g} standard deviations costs {goal:,.2f} in expectation: the most that can "
            f"be lost is {most:,.2f}, in the case {name}. Give a smaller amount with --loss."
        )
    return {
        "schema": SCHEMA,
        "run": plan.run,
        "currency": plan.columns.currency,
        "rate_name": parameters.benchmark_rate,
        "loss": goal,
        "is_capital_available": loss is None or loss == plan.capital_available,
        "cases": cases,
    }


@dataclass(frozen=True, eq=False)
class _Part:
    """A chunk's loans. buckets: of each case. exposure: int64 (K,), cents by segment. expected: int64 (C,)."""

    buckets: list[Buckets]
    exposure: Any
    expected: Any


def _of_chunk(replay: Replay, chunk: Chunk) -> _Part:
    plan, loans = replay.plan, replay.read(chunk).loans
    tables = replay.drawn[0].tables
    risks = loan_risks(loans, plan.parameters, plan.cases, tables)
    exposure = np.zeros(len(plan.parameters.segments), dtype=np.int64)
    np.add.at(exposure, risks.sector, risks.exposure)
    return _Part(
        [Buckets.of(risks, tables, case) for case in range(len(plan.cases))],
        exposure.astype(object),
        expected_losses(risks, tables).astype(object).sum(axis=1),
    )


def _told(replay: Replay, search: Search, goal: float, exposure: Any) -> dict[str, Any]:
    """What is known of a case's nearest economy. goal: cents, of the loans that were simulated."""
    plan = replay.plan
    scale, sectors, segments = plan.sample, plan.parameters.sectors, list(plan.parameters.segments)
    economy = search.nearest(goal)
    nothing = np.zeros((search.mix.shape[1], 1))
    average = search.curves.at(search.mix @ nothing)[0][:, 0]

    def amount(cents: float) -> float | None:
        return money(cents * scale)

    def by_segment(losses: Floats) -> Floats:
        return np.bincount(search.curves.segment, losses, minlength=len(segments)).astype(np.float64)

    shift: dict[str, Any] = {"loss_in_average_economy": amount(average.sum()), "most": amount(search.most())}
    if economy is None:
        return {**shift, "shift": None, "probability": None, "sectors": {}, "segments": {}}
    z = search.mix @ economy.shift
    there = search.curves.at(z[:, None])[0][:, 0]
    return {
        **shift,
        "shift": economy.length,
        "probability": normal.cdf(-economy.length),
        "sectors": {sectors[k]: float(z[k]) + 0.0 for k in np.flatnonzero(search.held)},
        "segments": {
            name: {
                "exposure": amount(int(exposure[k])),
                "loss_in_average_economy": amount(by_segment(average)[k]),
                "loss": amount(by_segment(there)[k]),
            }
            for k, name in enumerate(segments)
            if exposure[k]
        },
    }
