"""The simulation itself: which loans default in which scenario, and what is lost. Integers in, integers out.

Whether loan i defaults in scenario s is a pure function of (seed, loan key, s): byte s of the stream
numpy.random.Philox(key=[seed, key]).random_raw is compared with the top byte of the 32-bit threshold; on a tie, 24
bits of SplitMix64 over (seed, key, s) are compared with the threshold's low 24 bits. So a trial defaults with
probability T / 2**32 exactly as if 32 bits were drawn, at the cost of one byte. The same bits serve all cases: a case
with the higher threshold defaults wherever the lower one does.

Loans are independent of each other, so any split of a portfolio gives the same sums. kernel.c does the same in compiled
code, to the same bits, where `compiled` finds it. Imports NumPy only.

Sources: Salmon et al. 2011 (Philox); Steele, Lea and Flood 2014 (SplitMix64).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from montecarlo.model import normal, severity
from montecarlo.model.credit import Obligors
from montecarlo.model.scenarios import ScenarioTable
from montecarlo.portfolio.regions import REGIONS
from montecarlo.simulation import compiled

WEIGHT_BITS = 40
"""Per-loan default frequencies are sums of scenario weights as integers of 2**-40, so their order does not matter."""

_BATCH_TRIALS = 1 << 19  # loans x scenarios at once: bytes and flags stay in a core's own cache
_CHECKED_LOANS = 8  # simulated by both kernels before the compiled one is trusted with a chunk
_SLACK = 1 << 18  # Q24: how far above its loans' thresholds a screen may lie before a new one pays off

U64 = np.uint64
_LGD_SALT = U64(0xA24BAED4963EE407)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Simulation:
    """Losses in cents, and how often each loan defaulted.

    by_segment: int64 (C, K, S). by_region: int64 (C, R, S). frequency: int64 (C, N), the weight of the scenarios
    in which the loan defaults, in 2**-WEIGHT_BITS. kernel: what computed them, "numpy" or "c", to the same bits.
    """

    by_segment: Ints
    by_region: Ints
    frequency: Ints
    kernel: str


@dataclass(frozen=True, eq=False)
class Trials:
    """What decides the defaults of M loans of one sector in S scenarios and C cases. Q24, see `normal`.

    first_scenario: of the run, a multiple of 32; the number of the first of the S. phi: `normal.table()`. drift: int32
    (S,), loading * Z. key: uint64 (M,). alpha: int32 (C, M); loans come by descending alpha, the highest of each.
    """

    seed: int
    first_scenario: int
    phi: npt.NDArray[np.uint32]
    drift: npt.NDArray[np.int32]
    key: npt.NDArray[np.uint64]
    alpha: npt.NDArray[np.int32]

    @property
    def cases(self) -> int:
        return len(self.alpha)

    @property
    def scenarios(self) -> int:
        return self.drift.size

    def __len__(self) -> int:
        return self.key.size

    def part(self, loans: slice) -> Self:
        return replace(self, key=self.key[loans], alpha=self.alpha[:, loans])


Defaults = tuple[Ints, Ints]
"""Defaults of one case as (position of the loan, scenario counted from the first), each int64 (n,)."""


def simulate(loans: Obligors, table: ScenarioTable, seed: int, kernel: str | None = None) -> Simulation:
    """Simulate every loan in every scenario and case of the table.

    kernel: "numpy" or "c", as in `compiled.choose`; the best there is by default.
    """
    cases, scenarios, sectors = table.cases, table.scenarios, len(table.factors)
    by_segment = np.zeros((cases, sectors, scenarios), dtype=np.int64)
    by_region = np.zeros((cases, len(REGIONS), scenarios), dtype=np.int64)
    frequency = np.zeros((cases, len(loans)), dtype=np.int64)

    for loan in np.flatnonzero(loans.certain):
        loss = _certain_loss(loans, loan, table, seed)
        by_segment[:, loans.sector[loan]] += loss
        by_region[:, loans.region[loan]] += loss
        frequency[:, loan] = _integer_weights(table).sum()

    drawn = np.flatnonzero(~(loans.certain | loans.impossible))
    drawn = drawn[np.argsort(-loans.alpha[:, drawn].max(axis=0), kind="stable")]
    library = _trusted(compiled.choose(kernel), loans, drawn, table, seed)
    for sector in range(sectors):
        members = drawn[loans.sector[drawn] == sector]
        if members.size:
            losses, often = _simulate_sector(loans, members, table, seed, library)
            by_segment[:, sector] += losses.sum(axis=1)
            by_region += losses
            frequency[:, members] = often
    return Simulation(by_segment, by_region, frequency, "c" if library else "numpy")


def peak_memory(loans: int, scenarios: int, cases: int, sectors: int) -> int:
    """Bytes that `simulate` takes at most beside its arguments; `python benchmarks/memory.py` measures them."""
    sums = 8 * cases * (sectors + 3 * len(REGIONS) + 2) * scenarios  # the result, one sector and, at the check, a third
    columns = (24 * cases + 50) * loans
    buffers = (115 + 16 * cases) * max(_BATCH_TRIALS, scenarios)  # a tenth of it, unless most trials are defaults
    return sums + columns + buffers


def mix64(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of 64-bit words whose output bits each depend on all input bits."""
    x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))


def _simulate_sector(
    loans: Obligors,
    members: npt.NDArray[np.intp],
    table: ScenarioTable,
    seed: int,
    library: compiled.Library | None,
) -> tuple[Ints, Ints]:
    """Losses by region, int64 (C, R, S), and frequencies, int64 (C, M), of M loans of one sector.

    The loans come by descending alpha.
    """
    sector = loans.sector[members[0]]
    drift = (table.factors[sector] * table.loading[sector]) >> normal.FRACTION_BITS
    trials = Trials(
        seed=seed,
        first_scenario=table.first_scenario,
        phi=table.phi,
        drift=drift.astype(np.int32),
        key=loans.key[members],
        alpha=loans.alpha.take(members, axis=1),
    )
    by_region = np.zeros((trials.cases, len(REGIONS), trials.scenarios), dtype=np.int64)
    frequency = np.zeros((trials.cases, members.size), dtype=np.int64)
    weights, region = _integer_weights(table), loans.region[members]
    if table.severity.drawn[sector]:
        find = library.find if library else Finder(trials).find
        for case, position, scenario in _defaults(trials, find):
            loan = members[position]
            loss = _drawn_losses(loans, loan, scenario, table, seed)
            _add(case, position, scenario, loss, region, weights, by_region, frequency)
    else:
        add = library.add_losses if library else add_losses
        add(trials, loans.loss[members], region, weights, by_region, frequency)
    return by_region, frequency


def _certain_loss(loans: Obligors, loan: np.intp, table: ScenarioTable, seed: int) -> Ints:
    """What a loan that always defaults loses in each scenario, int64 (S,)."""
    if not table.severity.drawn[loans.sector[loan]]:
        return np.full(table.scenarios, loans.loss[loan])
    return _drawn_losses(loans, np.full(table.scenarios, loan), np.arange(table.scenarios), table, seed)


def _drawn_losses(loans: Obligors, loan: npt.NDArray[np.intp], scenario: Ints, table: ScenarioTable, seed: int) -> Ints:
    """What n defaults of loans of one sector lose, int64 (n,), each with an LGD drawn for its loan and scenario.

    The cases share the draw, as they share the default's bits.
    """
    sector = int(loans.sector[loan[0]]) if loan.size else 0
    word = _words(loans.key[loan], scenario + table.first_scenario, seed)
    z = table.factors[sector, scenario]
    return severity.losses(table.severity, sector, table.phi, z, word, loans.lgd[loan], loans.exposure[loan])


def _trusted(
    library: compiled.Library | None,
    loans: Obligors,
    drawn: npt.NDArray[np.intp],
    table: ScenarioTable,
    seed: int,
) -> compiled.Library | None:
    """The library, if it gives NumPy's bits for the first loans: no damaged or miscompiled one may make a number."""
    if library is None or not drawn.size:
        return library
    few = drawn[loans.sector[drawn] == loans.sector[drawn[0]]][: min(_CHECKED_LOANS, _batch_loans(table.scenarios))]
    ours, theirs = (_simulate_sector(loans, few, table, seed, each) for each in (None, library))
    return library if all(map(np.array_equal, ours, theirs)) else None


def _integer_weights(table: ScenarioTable) -> Ints:
    return np.asarray(np.rint(table.weights * 2.0**WEIGHT_BITS).astype(np.int64))


def _batch_loans(scenarios: int) -> int:
    return max(1, _BATCH_TRIALS // scenarios)


# ---------------------------------------------------------------------------------------------------------------------
# With NumPy


def add_losses(
    trials: Trials, loss: Ints, region: npt.NDArray[np.int16], weights: Ints, by_region: Ints, frequency: Ints
) -> None:
    """Add each default's loss to its region and scenario, and its scenario's weight to its loan.

    loss: int64 (M,). region: int16 (M,). weights: int64 (S,). by_region: int64 (C, R, S). frequency: int64 (C,
    M).
    """
    for case, position, scenario in _defaults(trials, Finder(trials).find):
        _add(case, position, scenario, loss.take(position), region, weights, by_region, frequency)


def _defaults(trials: Trials, find: Callable[[Trials], list[Defaults]]) -> Iterator[tuple[int, Ints, Ints]]:
    """(case, position among the loans, scenario) of all defaults, a batch of loans and a case at a time."""
    batch = _batch_loans(trials.scenarios)
    for start in range(0, len(trials), batch):
        for case, (position, scenario) in enumerate(find(trials.part(slice(start, start + batch)))):
            yield case, position + start, scenario


def _add(
    case: int,
    position: Ints,
    scenario: Ints,
    loss: Ints,
    region: npt.NDArray[np.int16],
    weights: Ints,
    by_region: Ints,
    frequency: Ints,
) -> None:
    cell = region.take(position) * np.int64(weights.size) + scenario
    np.add.at(by_region[case].reshape(-1), cell, loss)
    np.add.at(frequency[case], position, weights.take(scenario))


class Finder:
    """Finds the defaults of batches of loans, in buffers that are used again for every batch."""

    def __init__(self, trials: Trials) -> None:
        """`trials` are those of all batches."""
        words = -(-trials.scenarios // 8)
        self._words = np.empty((min(len(trials), _batch_loans(trials.scenarios)), words), dtype=np.uint64)
        self._philox = np.random.Philox(key=[trials.seed, 0], counter=trials.first_scenario // 32)
        self._state = self._philox.state
        self._screen = np.empty(0, dtype=np.uint8)
        self._screened: int | None = None

    def find(self, trials: Trials) -> list[Defaults]:
        """The defaults of a batch in each case."""
        random = self._random_bytes(trials.key)
        # Few trials come anywhere near a threshold: one pass over the bytes finds them for all loans and cases.
        near = np.flatnonzero(random[:, : trials.scenarios] <= self._screen_of(trials))
        position = near // trials.scenarios
        scenario = near - position * trials.scenarios
        top = random.reshape(-1).take(position * random.shape[1] + scenario).astype(np.uint32)
        bits = top << np.uint32(24) | _tie_bits(trials, position, scenario)
        drift = trials.drift.take(scenario)
        found = []
        for alpha in trials.alpha:
            default = np.flatnonzero(bits < normal.threshold(trials.phi, alpha.take(position) - drift))
            found.append((position.take(default), scenario.take(default)))
        return found

    def _random_bytes(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
        """Byte streams, uint8 (M, S filled up to a multiple of 8), valid until the next call."""
        key = self._state["state"]["key"]
        words = self._words[: keys.size]
        for row, loan_key in zip(words, keys, strict=True):
            key[1] = loan_key
            self._philox.state = self._state  # a tenth of the time of a new Philox
            row[:] = self._philox.random_raw(row.size)
        return words.view(np.uint8)

    def _screen_of(self, trials: Trials) -> npt.NDArray[np.uint8]:
        """Top bytes that no loan's threshold exceeds in any case, uint8 (S,)."""
        highest = int(trials.alpha[:, 0].max())
        if self._screened is None or not highest <= self._screened <= highest + _SLACK:
            threshold = normal.threshold(trials.phi, np.int32(highest) - trials.drift)
            self._screen, self._screened = (threshold >> np.uint32(24)).astype(np.uint8), highest
        return self._screen


def _words(key: npt.NDArray[np.uint64], number: Ints, seed: int) -> npt.NDArray[np.uint64]:
    """A random word for the LGD of each (loan key, number of the scenario), unrelated to those of its default."""
    state = (mix64(key + U64(seed)) ^ _LGD_SALT) + number.astype(np.uint64) * U64(0x9E3779B97F4A7C15)
    return mix64(state)


def _tie_bits(trials: Trials, position: Ints, scenario: Ints) -> npt.NDArray[np.uint32]:
    """24 random bits for each (loan, scenario): the top of SplitMix64 keyed by both and by the seed."""
    number = scenario.astype(np.uint64) + U64(trials.first_scenario)
    state = mix64(trials.key + U64(trials.seed)).take(position) + number * U64(0x9E3779B97F4A7C15)
    return (mix64(state) >> U64(40)).astype(np.uint32)
