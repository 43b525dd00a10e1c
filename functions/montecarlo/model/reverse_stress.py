"""Reverse stress: the nearest economy under which a run's loans lose a given amount in expectation.

An economy is a point Y = (G, eta_1 .. eta_F) of the model's independent standard normal factors. Given Y, what the
loans are expected to lose is a sum over sectors, each a function of its own factor only:

    E[L | Y] = sum over sectors k of L_k(Z_k),     Z = mixing @ Y,
    L_k(z) = sum over the sector's loans of Phi(scale * Phi^-1(PD) - loading * z) * E[LGD | z] * exposure.

What of the loans decides the functions L_k is added up over them exactly, in whole cents (`Thresholds`), so that it is
the same however a portfolio is cut. From it they are tabulated once (`Curves`), and the search runs on the tables: it
costs the same for ten loans and for a billion. Sought is the shortest Y with E[L | Y] = goal, its length in standard
deviations; a shift at least as far in its direction has the probability Phi(-length). This is the design point of
structural reliability (Hasofer and Lind 1974): the iteration is theirs, with steps that are taken only where they
shorten the shift.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from montecarlo.model import normal
from montecarlo.model.credit import LoanRisks, in_case
from montecarlo.model.parameters import MAX_ASSET_CORRELATION, Segment
from montecarlo.model.severity import CELLS, MEANS, portion
from montecarlo.model.tables import LATTICE, ModelTables

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FARTHEST = float(normal.LIMIT)
"""Standard deviations to which economies are looked at; Phi(-8) is 6e-16."""

_STEP = 1 / 64
"""Of the tables over a factor. Read by cubics, they miss E[L | Z] by less than 1e-7 of it."""

_BEYOND = 3
"""Points that the tables have beyond either end."""

_GRID = np.arange(-FARTHEST / _STEP - _BEYOND, FARTHEST / _STEP + _BEYOND + 1) * _STEP

_NODE_BITS = 5
"""A loan whose Phi^-1(PD) * scale lies between two of the nodes, 1 / 2**_NODE_BITS apart, counts as a little at each of
the four around it: the weights of the cubic through them. So E[L | Z] is missed by less than 1e-5 of it.
"""

_FIELDS = {"case": 5, "segment": 7, "factor": 7, "loading": 7, "mean": 7, "node": 14}
"""What a key of `Thresholds` holds, and in how many bits each, the first one highest."""

_CENTRE = 1 << 13
_CERTAIN = -_CENTRE
"""The node of loans that default in every economy."""

_FARTHEST_NODE = math.ceil(FARTHEST / math.sqrt(1 - MAX_ASSET_CORRELATION) * 2**_NODE_BITS) + 2
"""The largest Phi^-1(PD) times the largest scale, and what is beyond it of the four nodes around."""

_CONSTANT = MEANS + 1
"""In place of a tabulated mean: the LGD does not follow the factor."""

_ROUNDS = 200


@dataclass(eq=False)
class Thresholds:
    """What loans lose at default, by all that decides when they default.

    key: int64 (B,), ascending, each there once: the case, segment, factor and loading of some loans, the tabulated mean
    of their LGD where it follows the factor, and the node of their threshold, packed. loss: int64 (B,), cents, none of
    them 0; at stake where the LGD follows the factor. Below zero at some nodes, as the weights of a cubic are. Their
    sum is what all loans have in all cases, so that they add up as exposures do.
    """

    key: Ints
    loss: Ints

    @classmethod
    def of(cls, risks: LoanRisks, tables: ModelTables) -> Self:
        """Those of N loans in C cases."""
        risks = risks.select(np.flatnonzero(~risks.impossible))

        made: list[Self] = []
        for case in range(len(risks.alpha)):  # each merged by itself, to take less memory
            key, loss = zip(*_in_case(risks, tables, case), strict=True)
            made.append(cls(np.concatenate(key), np.concatenate(loss)).merged())
        return cls(np.concatenate([each.key for each in made]), np.concatenate([each.loss for each in made]))

    def add(self, other: Self) -> None:
        """Add those of other loans."""
        self._take(other.key, other.loss)

    def take_out(self, other: Self) -> None:
        """Leave these without those of some of the loans."""
        self._take(other.key, -other.loss)

    def _take(self, key: Ints, loss: Ints) -> None:
        both = Thresholds(np.concatenate([self.key, key]), np.concatenate([self.loss, loss])).merged()
        self.key, self.loss = both.key, both.loss

    def merged(self) -> Self:
        """The same with each key once, and none that holds nothing."""
        order = np.argsort(self.key, kind="stable")
        key = self.key[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        loss = np.add.reduceat(self.loss[order], starts) if starts.size else self.loss
        return type(self)(key[starts][loss != 0], loss[loss != 0])

    def fits(self, cases: int, segments: Sequence[Segment], sectors: int, most: Floats) -> bool:
        """Whether these can be of loans in so many cases, in segments of such parameters and in so many sectors.

        most: (K,), cents, that all loans of a segment can lose, whatever of it rounding adds included.
        """
        whole = all(each.dtype == np.int64 and each.ndim == 1 for each in (self.key, self.loss))
        if not whole or self.key.size != self.loss.size or (np.diff(self.key, prepend=-1) <= 0).any():
            return False
        if not self.key.size:
            return True
        found = _unpacked(self.key)
        limits = {"case": cases, "segment": len(segments), "factor": sectors, "loading": len(segments) + LATTICE}
        if not self.loss.all() or any(int(found[name].max()) >= limit for name, limit in limits.items()):
            return False
        follows = np.array([each.lgd_volatility > 0 and each.lgd_correlation > 0 for each in segments])
        follows = follows[found["segment"]]
        means = np.where(follows, found["mean"] <= MEANS, found["mean"] == _CONSTANT)
        nodes = (np.abs(found["node"]) <= _FARTHEST_NODE) | (found["node"] == _CERTAIN)
        group, shape = found["case"] * len(segments) + found["segment"], (cases, len(segments))
        stated = np.bincount(group, np.abs(self.loss.astype(np.float64)), cases * len(segments)).reshape(shape)
        lost = np.bincount(group, self.loss.astype(np.float64), cases * len(segments)).reshape(shape)
        return bool(
            means.all() and nodes.all() and (lost >= 0).all() and (lost <= most).all() and (stated <= 2 * most).all()
        )


def _in_case(risks: LoanRisks, tables: ModelTables, case: int) -> Iterator[tuple[Ints, Ints]]:
    """Keys and losses of the loans in a case, several of a loan."""
    segment, factor, loading = (each.astype(np.int64) for each in (risks.sector, risks.factor, risks.loading))
    follows = (tables.severity.drawn & (tables.severity.loading > 0))[segment]
    constant, linked = np.flatnonzero(~follows), np.flatnonzero(follows)
    shares = [(constant, np.full(constant.size, _CONSTANT), in_case(risks.loss, case)[constant])]
    if linked.size:  # a mean between two that are tabulated is shared between them
        lgd, at_stake = in_case(risks.lgd, case)[linked].astype(np.int64), risks.exposure[linked]
        below = np.minimum(lgd * MEANS >> normal.FRACTION_BITS, MEANS - 1)
        above = portion(lgd * MEANS - (below << normal.FRACTION_BITS), at_stake)
        shares += [(linked, below, at_stake - above), (linked, below + 1, above)]
    shift = normal.FRACTION_BITS - _NODE_BITS
    for rows, mean, amount in shares:
        alpha, certain = risks.alpha[case, rows].astype(np.int64), risks.certain[rows]
        u = (alpha & ((1 << shift) - 1)) / (1 << shift)
        before, after, beyond = (
            np.rint(weight * amount).astype(np.int64)
            for weight in (-u * (u - 1) * (u - 2) / 6, -(u + 1) * u * (u - 2) / 2, (u + 1) * u * (u - 1) / 6)
        )
        for step, part in ((-1, before), (0, amount - before - after - beyond), (1, after), (2, beyond)):
            node = np.where(certain, _CERTAIN, (alpha >> shift) + step)
            key = _packed(case, segment[rows], factor[rows], loading[rows], mean, node)
            yield key, part


def _packed(case: int, segment: Ints, factor: Ints, loading: Ints, mean: Ints, node: Ints) -> Ints:
    """Keys of `Thresholds`."""
    key = np.full(segment.size, case, dtype=np.int64)
    parts = (segment, factor, loading, mean, node + _CENTRE)
    for bits, part in zip(list(_FIELDS.values())[1:], parts, strict=True):
        key = (key << bits) + part
    return key


def _unpacked(key: Ints) -> dict[str, Ints]:
    """What keys hold, by name."""
    found = {}
    for name, bits in reversed(_FIELDS.items()):
        found[name] = key & ((1 << bits) - 1)
        key = key >> bits
    return {**found, "case": found["case"] + (key << _FIELDS["case"]), "node": found["node"] - _CENTRE}


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
    def of(cls, thresholds: Thresholds, tables: ModelTables) -> list[Self]:
        """Of each case, tables over the grid, one for each segment and factor that a loan has."""
        fields = _unpacked(thresholds.key)
        linked = np.flatnonzero(fields["mean"] != _CONSTANT)
        shares = {
            segment: _severity(tables, segment, np.unique(fields["mean"][linked[fields["segment"][linked] == segment]]))
            for segment in np.unique(fields["segment"][linked]).tolist()
        }
        return [cls._in_case(thresholds.loss, fields, tables, shares, case) for case in range(tables.cases)]

    @classmethod
    def _in_case(
        cls, amount: Ints, fields: Mapping[str, Ints], tables: ModelTables, shares: Mapping[int, Floats], case: int
    ) -> Self:
        """shares: by segment, what `_severity` says."""
        here = np.flatnonzero(fields["case"] == case)
        parts, part = np.unique(_columns(fields, here, "segment", "factor"), axis=0, return_inverse=True)
        alike, group = np.unique(_columns(fields, here, "segment", "factor", "loading"), axis=0, return_inverse=True)
        loss = np.zeros((len(parts), _GRID.size))
        for number, (segment, _, loading) in enumerate(alike.tolist()):
            chosen = np.flatnonzero(group.reshape(-1) == number)
            members = here[chosen]
            nodes, place = np.unique(fields["node"][members], return_inverse=True)
            amounts = np.zeros((nodes.size, _CONSTANT + 1))
            amounts[place.reshape(-1), fields["mean"][members]] = amount[members]
            alpha = nodes / 2.0**_NODE_BITS
            given = _phi(tables, alpha[:, None] - tables.loading[loading] / normal.ONE * _GRID)
            given[nodes == _CERTAIN] = 1.0  # the table ends below it
            lost = amounts[:, _CONSTANT, None]
            if segment in shares:
                lost = lost + _product(amounts[:, :_CONSTANT], shares[segment])
            loss[part.reshape(-1)[chosen[0]]] += (given * lost).sum(axis=0)
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


def _columns(fields: Mapping[str, Ints], rows: npt.NDArray[np.intp], *names: str) -> Ints:
    return np.stack([fields[name][rows] for name in names], axis=1)


def _phi(tables: ModelTables, x: Floats) -> Floats:
    """Phi(x) by the run's table."""
    edges = np.linspace(-normal.LIMIT, normal.LIMIT, len(tables.phi))
    return np.interp(x, edges, tables.phi / 2.0**32)


def _severity(tables: ModelTables, segment: int, means: Ints) -> Floats:
    """E[LGD | z] over the grid for each tabulated mean, (MEANS + 1, G); 0 for all but these means."""
    of = tables.severity
    bounds = normal.inverse(tables.phi, np.arange(1, CELLS) / CELLS) / normal.ONE
    loading, residual = of.loading[segment] / normal.ONE, of.residual[segment] / normal.ONE
    below = _phi(tables, (bounds[:, None] + loading * _GRID) / residual)
    ends = np.zeros((1, _GRID.size))
    chance = np.diff(np.concatenate([ends, below, ends + 1]), axis=0)
    share = np.zeros((MEANS + 1, _GRID.size))
    share[means] = _product(of.quantiles[segment, means] / normal.ONE, chance)
    return share


def _product(left: Floats, right: Floats) -> Floats:
    """left @ right, added up in one order: BLAS has another on other CPUs."""
    total = np.zeros((len(left), right.shape[1]))
    for column, row in zip(left.T, right, strict=True):
        if column.any():
            total += column[:, None] * row
    return total


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

    def factors(self, shifts: Floats) -> Floats:
        """Z, (F, S), for shifts (F + 1, S)."""
        return _product(self.mix, shifts)

    def loss(self, shifts: Floats) -> Floats:
        """E[L | Y] in cents, (S,), for shifts (F + 1, S)."""
        return np.asarray(self.curves.at(self.factors(shifts))[0].sum(axis=0))

    def losses(self, shift: Floats) -> Floats:
        """What each part of the curves is expected to lose, (P,), for a shift (F + 1,)."""
        return self.curves.at(self.factors(shift[:, None]))[0][:, 0]

    def gradient(self, shift: Floats) -> Floats:
        """Of E[L | Y] by Y, (F + 1,)."""
        slope = self.curves.at(self.factors(shift[:, None]))[1][:, 0]
        of_factor = np.bincount(self.curves.factor, slope, minlength=len(self.mix))
        return np.asarray((of_factor[:, None] * self.mix).sum(axis=0))

    def starts(self) -> list[Floats]:
        """Directions to begin with: every sector worse, the steepest, and each sector alone."""
        found = [-self.mix[self.held].sum(axis=0), self.gradient(np.zeros(self.mix.shape[1])), *(-self.mix[self.held])]
        return [each / _size(each) for each in found if _size(each) > 0]

    def nearest(self, goal: float) -> Economy | None:
        """The shortest shift in which `goal` cents are lost; None where none up to FARTHEST does."""
        if self.loss(np.zeros((self.mix.shape[1], 1)))[0] >= goal:
            return Economy(np.zeros(self.mix.shape[1]), 0.0)
        found: Economy | None = None
        for start in [*self.starts(), self._worst]:
            length = self._reach(start, goal)
            if length is None:
                continue
            economy = self._shortened(start, length, goal)
            if found is None or economy.length < found.length:
                found = economy
        return found

    def most(self) -> float:
        """The largest E[L | Y] in cents within FARTHEST."""
        return float(self.loss((FARTHEST * self._worst)[:, None])[0])

    @cached_property
    def _worst(self) -> Floats:
        """The direction in which the farthest shift costs most, of those that the starts lead to."""
        best, cost = np.zeros(self.mix.shape[1]), -1.0
        for start in self.starts():
            direction = start
            for _ in range(_ROUNDS):
                here = float(self.loss((FARTHEST * direction)[:, None])[0])
                if here > cost:
                    best, cost = direction, here
                gradient = self.gradient(FARTHEST * direction)
                size = _size(gradient)
                if size == 0 or float((gradient * direction).sum()) > (1 - 1e-12) * size:
                    break
                direction = gradient / size
        return best

    def _reach(self, direction: Floats, goal: float) -> float | None:
        """The length at which E[L | Y] first reaches the goal in a direction; None where it does not."""
        along = self.factors(direction[:, None])

        def reached(lengths: Floats) -> npt.NDArray[np.bool_]:
            return np.asarray(self.curves.at(along * lengths)[0].sum(axis=0) >= goal)

        lengths = np.linspace(0, FARTHEST, 129)
        there = np.flatnonzero(reached(lengths))
        if not there.size:
            return None
        low, high = lengths[there[0] - 1], lengths[there[0]]
        while high - low > 1e-12:
            inner = np.linspace(low, high, 9)
            first = int(np.argmax(reached(inner)[1:])) + 1
            low, high = inner[first - 1], inner[first]
        return float(high)

    def _shortened(self, direction: Floats, length: float, goal: float) -> Economy:
        """From a direction, by turns towards the gradient that shorten the shift, until none does."""
        for _ in range(_ROUNDS):
            gradient = self.gradient(length * direction)
            size = _size(gradient)
            if size == 0:
                break
            towards, part = gradient / size - direction, 1.0
            while part > 1e-4:
                turned = direction + part * towards
                turned = turned / _size(turned)
                shorter = self._reach(turned, goal)
                if shorter is not None and shorter < length - 1e-10:
                    direction, length = turned, shorter
                    break
                part /= 2
            else:
                break
        return Economy(length * direction, length)


def _size(vector: Floats) -> float:
    """Its length."""
    return math.sqrt(float((vector * vector).sum()))
