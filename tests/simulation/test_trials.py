"""The random numbers that decide a trial: published ones, and none used twice."""

import json
from pathlib import Path

import numpy as np

from montecarlo.simulation.trials import Trials, lgd_words, mix64, tie_bits

KNOWN = json.loads((Path(__file__).parents[1] / "reference" / "credit_risk_values.json").read_text(encoding="utf-8"))
KEYS = np.arange(1, 101, dtype=np.uint64)
ALL_LOANS, ALL_SCENARIOS = (part.ravel() for part in np.divmod(np.arange(100 * 64), 64))


def trials(first_scenario: int) -> Trials:
    """100 loans in 64 scenarios."""
    return Trials(
        seed=5,
        first_scenario=first_scenario,
        phi=np.zeros(2, dtype=np.uint32),
        drift=np.zeros(64, dtype=np.int32),
        key=KEYS,
        alpha=np.zeros((1, 100), dtype=np.int32),
    )


def test_philox_is_the_published_one() -> None:
    """Random123's known answer for counter 0, which NumPy's generator reaches by wrapping around."""
    words = np.random.Philox(key=0, counter=2**256 - 1).random_raw(4)
    assert [f"{word:016x}" for word in words.tolist()] == KNOWN["philox4x64_10"]["hex"]


def test_mix64_is_the_published_splitmix64() -> None:
    """The first outputs of SplitMix64 seeded with 1234567 (Vigna's reference implementation)."""
    states = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert mix64(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_tie_bits_go_on_from_wave_to_wave() -> None:
    """Those of scenario s of a wave that starts at 32 are those of scenario s + 32 of the first."""
    early = ALL_SCENARIOS < 32
    later = tie_bits(trials(32), ALL_LOANS[early], ALL_SCENARIOS[early])
    first = tie_bits(trials(0), ALL_LOANS[early], ALL_SCENARIOS[early] + 32)
    assert np.array_equal(later, first)
    assert (first < 1 << 24).all()


def test_an_lgd_and_its_default_share_no_bits() -> None:
    words = lgd_words(KEYS[ALL_LOANS], ALL_SCENARIOS, 5)
    ties = tie_bits(trials(0), ALL_LOANS, ALL_SCENARIOS)
    assert len(set(words.tolist())) == words.size
    assert abs(np.corrcoef((words >> np.uint64(40)).astype(float), ties.astype(float))[0, 1]) < 4 / 80
