"""The kernel's inner loop with NumPy: finds the defaults, and adds up what they lose. Runs everywhere.

Imports NumPy, `normal` and `trials` only.

Source: Salmon et al. 2011 (Philox).
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from montecarlo.model import normal
from montecarlo.simulation.trials import Defaults, Find, Ints, Rows, Trials, tie_bits

BATCH_TRIALS = 1 << 19
"""Loans x scenarios at once: bytes and flags stay in a core's own cache."""

_SLACK = 1 << 18  # Q24: how far above its loans' thresholds a screen may lie before a new one pays off


def add_losses(
    trials: Trials,
    loss: Ints,
    region: npt.NDArray[np.int16],
    weights: Ints,
    by_region: Ints,
    frequency: Ints,
    rows: Rows,
    by_row: Ints,
) -> None:
    """Add each default's loss to its region, rows and scenario, and its scenario's weight to its loan.

    loss: int64 (M,). region: int16 (M,). weights: int64 (S,). by_region: int64 (C, REGIONS, S). frequency: int64 (C,
    M). by_row: int64 (C, R, S).
    """
    for case, position, scenario in defaults(trials, Finder(trials).find):
        add(case, position, scenario, loss.take(position), region, weights, by_region, frequency, rows, by_row)


def defaults(trials: Trials, find: Find) -> Iterator[tuple[int, Ints, Ints]]:
    """(case, position among the loans, scenario) of all defaults, a batch of loans and a case at a time."""
    batch = batch_loans(trials.scenarios)
    for start in range(0, len(trials), batch):
        for case, (position, scenario) in enumerate(find(trials.part(slice(start, start + batch)))):
            yield case, position + start, scenario


def add(
    case: int,
    position: Ints,
    scenario: Ints,
    loss: Ints,
    region: npt.NDArray[np.int16],
    weights: Ints,
    by_region: Ints,
    frequency: Ints,
    rows: Rows,
    by_row: Ints,
) -> None:
    """As `add_losses`, n defaults of one case with their losses: position, scenario, loss int64 (n,)."""
    cell = region.take(position) * np.int64(weights.size) + scenario
    np.add.at(by_region[case].reshape(-1), cell, loss)
    np.add.at(frequency[case], position, weights.take(scenario))
    for row in rows.row:
        np.add.at(by_row[case].reshape(-1), row.take(position) * np.int64(weights.size) + scenario, loss)


def batch_loans(scenarios: int) -> int:
    """How many loans are simulated at once in so many scenarios."""
    return max(1, BATCH_TRIALS // scenarios)


class Finder:
    """Finds the defaults of batches of loans, in buffers that are used again for every batch."""

    def __init__(self, trials: Trials) -> None:
        """`trials` are those of all batches."""
        words = -(-trials.scenarios // 8)
        self._words = np.empty((min(len(trials), batch_loans(trials.scenarios)), words), dtype=np.uint64)
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
        bits = top << np.uint32(24) | tie_bits(trials, position, scenario)
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
