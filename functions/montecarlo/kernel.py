"""The simulation itself: which loans default in which scenario, and what is lost. Integers in, integers out.

Whether loan i defaults in scenario s is a pure function of (seed, loan key, s): byte s of the stream
numpy.random.Philox(key=[seed, key]).random_raw is compared with the top byte of the 32-bit threshold; on a tie, 24
bits of SplitMix64 over (seed, key, s) are compared with the threshold's low 24 bits. So a trial defaults with
probability T / 2**32 exactly as if 32 bits were drawn, at the cost of one byte. The same bits serve all cases: a case
with the higher threshold defaults wherever the lower one does.

Loans are independent of each other, so any split of a portfolio gives the same sums. Imports NumPy only.

Sources: Salmon et al. 2011 (Philox); Steele, Lea and Flood 2014 (SplitMix64).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from montecarlo import normal
from montecarlo.credit import Obligors
from montecarlo.scenarios import ScenarioTable

REGIONS = 11
"""ZIP regions 0 to 9 by first digit, and 10 for unknown."""

WEIGHT_BITS = 40
"""Per-loan default frequencies are sums of scenario weights as integers of 2**-40, so their order does not matter."""

_BATCH_TRIALS = 1 << 18  # loans x scenarios at once: bytes, thresholds and flags stay in a core's own cache
_FLUSH_DEFAULTS = 1 << 21  # defaults collected before they are added up: bounds memory at about 25 MB a case

U64 = np.uint64


@dataclass(frozen=True, eq=False)
class Simulation:
    """Losses in cents, and how often each loan defaulted.

    by_segment: int64 (C, K, S). by_region: int64 (C, REGIONS, S). frequency: int64 (C, N), the weight of the scenarios
    in which the loan defaults, in 2**-WEIGHT_BITS.
    """

    by_segment: npt.NDArray[np.int64]
    by_region: npt.NDArray[np.int64]
    frequency: npt.NDArray[np.int64]


def simulate(loans: Obligors, table: ScenarioTable, seed: int) -> Simulation:
    """Simulate every loan in every scenario and case of the table."""
    cases, scenarios, sectors = table.cases, table.scenarios, len(table.factors)
    totals = Simulation(
        by_segment=np.zeros((cases, sectors, scenarios), dtype=np.int64),
        by_region=np.zeros((cases, REGIONS, scenarios), dtype=np.int64),
        frequency=np.zeros((cases, len(loans)), dtype=np.int64),
    )
    weights = np.rint(table.weights * 2.0**WEIGHT_BITS)

    for loan in np.flatnonzero(loans.certain):
        totals.by_segment[:, loans.sector[loan]] += loans.loss[loan]
        totals.by_region[:, loans.region[loan]] += loans.loss[loan]
        totals.frequency[:, loan] = int(weights.sum())

    drawn = np.flatnonzero(~(loans.certain | loans.impossible))
    # Loans of one threshold come together, so that each row of thresholds is computed about once.
    drawn = drawn[np.lexsort((*loans.alpha[::-1, drawn], loans.sector[drawn]))]
    batch = max(1, _BATCH_TRIALS // scenarios)
    stream = _RandomBytes(seed, scenarios, batch)
    for sector in range(sectors):
        members = drawn[loans.sector[drawn] == sector]
        rows = _ThresholdRows(table, sector)
        defaults = [_Defaults(totals, case, sector) for case in range(cases)]
        for start in range(0, members.size, batch):
            some = members[start : start + batch]
            found = _find_defaults(loans.key[some], loans.alpha[:, some], rows, stream)
            for case, (position, scenario) in enumerate(found):
                totals.frequency[case, some] = np.bincount(position, weights[scenario], minlength=some.size)
                loan = some[position]
                defaults[case].add(loans.region[loan], scenario, loans.loss[loan])
        for collected in defaults:
            collected.flush()
    return totals


def mix64(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of 64-bit words whose output bits each depend on all input bits."""
    x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))


class _RandomBytes:
    """The byte streams of loans, made in a buffer that is used again for every batch."""

    def __init__(self, seed: int, scenarios: int, batch: int) -> None:
        self.seed = seed
        self.scenarios = scenarios
        self._words = np.empty((batch, -(-scenarios // 8)), dtype=np.uint64)
        self._philox = np.random.Philox(key=[seed, 0])
        self._state = self._philox.state

    def of(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
        """uint8 of shape (len(keys), scenarios), valid until the next call."""
        key = self._state["state"]["key"]
        words = self._words[: keys.size]
        for row, loan_key in zip(words, keys, strict=True):
            key[1] = loan_key
            self._philox.state = self._state  # a tenth of the time of a new Philox
            row[:] = self._philox.random_raw(row.size)
        return words.view(np.uint8)[:, : self.scenarios]


class _ThresholdRows:
    """Rows of thresholds, uint32 (S,), of one sector, by alpha. Keeps the latest, for loans come sorted by alpha."""

    _KEPT = 64

    def __init__(self, table: ScenarioTable, sector: int) -> None:
        self._phi = table.phi
        self._drift = ((table.factors[sector] * table.loading[sector]) >> normal.FRACTION_BITS).astype(np.int32)
        self._rows: dict[int, npt.NDArray[np.uint32]] = {}

    def of(self, alphas: npt.NDArray[np.int32]) -> npt.NDArray[np.uint32]:
        """uint32 of shape (len(alphas), S)."""
        if len(self._rows) > self._KEPT:
            self._rows.clear()
        for alpha in alphas.tolist():
            if alpha not in self._rows:
                self._rows[alpha] = normal.threshold(self._phi, np.int32(alpha) - self._drift)
        return np.stack([self._rows[alpha] for alpha in alphas.tolist()])


Positions = npt.NDArray[np.intp]


def _find_defaults(
    keys: npt.NDArray[np.uint64], alphas: npt.NDArray[np.int32], rows: _ThresholdRows, stream: _RandomBytes
) -> list[tuple[Positions, Positions]]:
    """For each case, the defaults among a batch of loans as (position in the batch, scenario), in that order.

    keys: uint64 (M,). alphas: int32 (C, M).
    """
    random = stream.of(keys)
    thresholds, which = [], []
    for alpha in alphas:
        distinct, inverse = np.unique(alpha, return_inverse=True)
        thresholds.append(rows.of(distinct))
        which.append(inverse)
    tops = [(threshold >> np.uint32(24)).astype(np.uint8) for threshold in thresholds]

    # Few trials come anywhere near a threshold: one pass over the bytes finds them for all cases.
    highest = tops[0][which[0]]
    for top, inverse in zip(tops[1:], which[1:], strict=True):
        np.maximum(highest, top[inverse], out=highest)
    near = np.flatnonzero(random <= highest)
    position = near // stream.scenarios
    scenario = near - position * stream.scenarios
    byte = random[position, scenario]

    found = []
    for threshold, top, inverse in zip(thresholds, tops, which, strict=True):
        row = inverse[position]
        limit = top[row, scenario]
        default = byte < limit
        tie = np.flatnonzero(byte == limit)
        low_bits = threshold[row[tie], scenario[tie]] & np.uint32(0xFFFFFF)
        default[tie] = _tie_bits(stream.seed, keys[position[tie]], scenario[tie]) < low_bits
        found.append((position[default], scenario[default]))
    return found


def _tie_bits(seed: int, keys: npt.NDArray[np.uint64], scenarios: Positions) -> npt.NDArray[np.uint32]:
    """24 random bits for each (loan key, scenario): the top of SplitMix64 keyed by both and by the seed."""
    state = mix64(keys + U64(seed)) + scenarios.astype(np.uint64) * U64(0x9E3779B97F4A7C15)
    return (mix64(state) >> U64(40)).astype(np.uint32)


class _Defaults:
    """Collects one sector's defaults in one case and adds their losses up, a large number at once."""

    def __init__(self, totals: Simulation, case: int, sector: int) -> None:
        self._by_segment = totals.by_segment[case, sector]
        self._by_region = totals.by_region[case]
        self._cells: list[npt.NDArray[np.int64]] = []
        self._losses: list[npt.NDArray[np.int64]] = []
        self._count = 0

    def add(self, region: npt.NDArray[np.int16], scenario: Positions, loss: npt.NDArray[np.int64]) -> None:
        self._cells.append(region * np.int64(self._by_segment.size) + scenario)
        self._losses.append(loss)
        self._count += loss.size
        if self._count >= _FLUSH_DEFAULTS:
            self.flush()

    def flush(self) -> None:
        """Doubles hold these sums of cents exactly: a chunk's losses stay below 2**46 (`credit.MAX_CHUNK_LOSS`)."""
        if not self._count:
            return
        sums = np.bincount(np.concatenate(self._cells), np.concatenate(self._losses), minlength=self._by_region.size)
        losses = sums.astype(np.int64).reshape(self._by_region.shape)
        self._by_region += losses
        self._by_segment += losses.sum(axis=0)
        self._cells, self._losses, self._count = [], [], 0
