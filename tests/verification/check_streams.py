"""Independence of the random bits across loans, scenarios and seeds."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from montecarlo.portfolio.loans import hash_ids
from montecarlo.simulation.trials import mix64
from tests.verification import exact
from tests.verification.check_pools import correlated
from tests.verification.engine import pool, simulate
from tests.verification.figures import Figure, near, p_value, simulated

Bytes = npt.NDArray[np.uint8]
Keys = npt.NDArray[np.uint64]


def streams_of(seed: int, keys: Keys, scenarios: int) -> Bytes:
    """The byte streams of loans by their definition, uint8 (loans, scenarios).

    `test_every_trial_follows_the_definition` of tests/simulation/test_kernel.py holds the kernel to it.
    """
    words = [np.random.Philox(key=[seed, key]).random_raw(-(-scenarios // 8)) for key in keys.tolist()]
    return np.array(words).view(np.uint8)[:, :scenarios]


def byte_streams() -> list[Figure]:
    """The bytes that decide defaults: uniform (chi-square over 256 values), independent of the next scenario, of
    the next loan and of the first loan (chi-square over 256 pairs of high nibbles and over the XOR of bytes, mean
    correlation), for the keys where a weak generator
    would fail: keys that differ in one bit, sequential AccountIDs through `portfolio.hash_ids`, small whole keys,
    neighbouring seeds.
    """
    scenarios = 40_000
    one_bit = np.uint64(0x0123456789ABCDEF) ^ np.append(np.uint64(0), np.uint64(1) << np.arange(64, dtype=np.uint64))
    sequential = hash_ids(pa.array([f"LN-{number:010d}" for number in range(65)]))
    figures = []
    for of, streams in (
        ("keys differing in one bit", streams_of(42, one_bit, scenarios)),
        ("sequential AccountIDs", streams_of(42, sequential, scenarios)),
        ("keys 0 to 64", streams_of(42, np.arange(65, dtype=np.uint64), scenarios)),
        ("seeds 0 to 64", np.vstack([streams_of(seed, sequential[:1], scenarios) for seed in range(65)])),
    ):
        figures.append(p_value(f"{of}: uniform", _uniform(streams.ravel(), 256)))
        nibbles, pairs = streams >> 4, len(streams) // 2
        figures.append(p_value(f"{of}: pairs of scenarios", _pairs(nibbles[:, 0::2], nibbles[:, 1::2])))
        figures.append(p_value(f"{of}: pairs of loans", _pairs(nibbles[: 2 * pairs : 2], nibbles[1 : 2 * pairs : 2])))
        figures.append(p_value(f"{of}: XOR with the first loan", _uniform((streams[1:] ^ streams[0]).ravel(), 256)))
        centred = streams - 127.5
        products = [(a * b).mean() for a, b in pairwise(centred)]
        variance = (256**2 - 1) / 12
        error = 1 / math.sqrt((len(streams) - 1) * scenarios)
        figures.append(simulated(f"{of}: mean correlation of successive loans", np.mean(products) / variance, 0, error))
    return figures


def kernel_bits() -> list[Figure]:
    """The kernel's own bits, through its results alone: 40 loans of PD 1/2 without correlation, loan j losing 2**j
    cents, so that a scenario's loss spells out who defaulted. Each loan against 1/2, all 780 pairs of loans and
    successive scenarios against independence.
    """
    loans, scenarios = 40, 60_000
    run = simulate(pool(loans, 0.5, exposure=2.0 ** np.arange(loans) / 100), correlated(0.0), scenarios, 83)
    bits = ((run.losses[0] >> np.arange(loans)[:, None]) & 1) * 2.0 - 1
    means = bits.mean(axis=1) * math.sqrt(scenarios)
    pairs = (bits @ bits.T / math.sqrt(scenarios))[np.triu_indices(loans, 1)]
    serial = (bits[:, 1:] * bits[:, :-1]).mean(axis=1) * math.sqrt(scenarios - 1)
    together = np.bincount(bits.sum(axis=0).astype(int) // 2 + loans // 2, minlength=loans + 1).astype(np.float64)
    expected = exact.stats.binom.pmf(np.arange(loans + 1), loans, 0.5)
    cell = exact.pooled_cells(expected * scenarios, 10)
    return [
        p_value("loans' frequencies", exact.stats.chi2.sf((means**2).sum(), loans)),
        p_value("pairs of loans", exact.stats.chi2.sf((pairs**2).sum(), pairs.size)),
        p_value("successive scenarios", exact.stats.chi2.sf((serial**2).sum(), loans)),
        p_value(
            "number of defaults is binomial",
            exact.chi_square(np.bincount(cell, together), np.bincount(cell, expected) * scenarios),
        ),
    ]


def account_keys() -> list[Figure]:
    """Keys of AccountIDs, which name the streams: those of 1,000,000 sequential ones are distinct, and once mixed, as
    sampling does, spread evenly over 1,000 residues. At 64 bits, two of n loans share a key, and so their fate, with a
    chance of about n**2 / 2**65: 1 in 37 at a billion loans.
    """
    number = 1_000_000
    keys = hash_ids(pa.array([f"LN-{index:010d}" for index in range(number)]))
    residue = (mix64(keys) % np.uint64(1_000)).astype(np.int64)
    return [
        near("distinct keys of 1,000,000 sequential AccountIDs", np.unique(keys).size, number, 0),
        p_value("mixed keys modulo 1,000", _uniform(residue, 1_000)),
    ]


def _uniform(values: npt.NDArray[Any], cells: int) -> float:
    return exact.chi_square(np.bincount(values, minlength=cells), np.full(cells, values.size / cells))


def _pairs(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    return _uniform(((first << 4) | second).ravel(), 256)
