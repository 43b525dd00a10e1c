"""The draw of the scenarios: its weights, its strata, and its streams of random numbers."""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest

from montecarlo.model import normal
from montecarlo.model.parameters import load
from montecarlo.model.scenarios import Design, Scenarios, draw, independent_uniforms
from tests.pools import one_factor

LENGTH = 3.0
SECTORS = len(load().segments)
ALONG_GLOBAL = Design((-LENGTH, *[0.0] * SECTORS))
ANYWHERE = Design((-2.5, -0.5, *[0.3] * (SECTORS - 1)))


def drawn(scenarios: int, seed: int = 1, design: Design = ALONG_GLOBAL, wave: int = 0) -> Scenarios:
    """Scenarios in which all sectors share one factor, G."""
    return draw(one_factor(0.1), scenarios, seed, design, wave)


def position(scenarios: Scenarios) -> npt.NDArray[np.float64]:
    """Where the scenarios lie along ALONG_GLOBAL."""
    return np.asarray(-scenarios.factors[0] / normal.ONE)


# ---------------------------------------------------------------------------------------------------------------------
# Weights


@pytest.mark.parametrize("scenarios", [1, 2, 3, 100, 101, 1_000])
@pytest.mark.parametrize("design", [ALONG_GLOBAL, ANYWHERE])
def test_no_scenario_weighs_more_than_two_plain_ones(scenarios: int, design: Design) -> None:
    weights = drawn(scenarios, design=design).weights
    assert weights.shape == (scenarios,)
    assert (weights > 0).all()
    assert (weights <= 2 / scenarios).all()


@pytest.mark.parametrize("scenarios", [1, 7, 1_000])
def test_plain_scenarios_weigh_the_same(scenarios: int) -> None:
    assert (drawn(scenarios, design=Design()).weights == 1 / scenarios).all()


@pytest.mark.parametrize("scenarios", [100, 101, 1_000])
def test_weights_add_up_to_one_in_expectation(scenarios: int) -> None:
    sums = np.array([drawn(scenarios, seed).weights.sum() for seed in range(20)])
    assert sums.mean() == pytest.approx(1, abs=4 * sums.std() / math.sqrt(len(sums)))
    assert abs(sums - 1).max() < 1 / scenarios, "strata leave little to chance"


def test_weights_are_the_ratio_of_the_normal_density_to_the_mixture() -> None:
    scenarios = drawn(500)
    around_zero, around_shift = NormalDist(), NormalDist(LENGTH)
    ratio = [
        around_zero.pdf(x) / (around_zero.pdf(x) / 2 + around_shift.pdf(x) / 2) for x in position(scenarios).tolist()
    ]
    assert scenarios.weights * 500 == pytest.approx(ratio, rel=1e-5)


@pytest.mark.parametrize("design", [Design(), ALONG_GLOBAL, ANYWHERE])
def test_weighted_factors_are_standard_normal_and_correlated_as_set(design: Design) -> None:
    share, scenarios = load().global_factor_share, 20_000
    found = draw(load(), scenarios, 5, design)
    z = found.factors / normal.ONE
    effective = 1 / (found.weights**2).sum()
    bound = 4 / math.sqrt(effective)
    assert z @ found.weights == pytest.approx(np.zeros(SECTORS), abs=bound)
    expected = share + (1 - share) * np.eye(SECTORS)
    assert (z * found.weights) @ z.T == pytest.approx(expected, abs=bound * math.sqrt(2))


# ---------------------------------------------------------------------------------------------------------------------
# Strata


@pytest.mark.parametrize("scenarios", [2, 3, 100, 101, 1_000])
def test_each_stratum_along_the_shift_holds_one_scenario(scenarios: int) -> None:
    shifted, central = ALONG_GLOBAL.strata(scenarios)
    assert (shifted, central) == (scenarios // 2, scenarios - scenarios // 2)
    x = position(drawn(scenarios))
    for places, mean, size in ((x[:shifted], LENGTH, shifted), (x[shifted:], 0.0, central)):
        stratum = np.array([NormalDist(mean).cdf(place) for place in places.tolist()]) * size
        rounding = size / normal.ONE
        assert (stratum >= np.arange(size) - rounding).all()
        assert (stratum <= np.arange(size) + 1 + rounding).all()


def test_plain_scenarios_have_no_strata() -> None:
    assert Design().strata(100) == []


def test_a_design_survives_json() -> None:
    assert Design.from_json({"shift": list(ANYWHERE.shift or ())}) == ANYWHERE
    assert Design.from_json({"shift": None}) == Design()


# ---------------------------------------------------------------------------------------------------------------------
# Streams


def test_a_stream_does_not_depend_on_how_much_is_drawn() -> None:
    many = independent_uniforms(5, 1_000, seed=3, wave=2)
    assert np.array_equal(independent_uniforms(2, 10, seed=3, wave=2), many[:2, :10])
    assert ((many > 0) & (many < 1)).all()


def test_streams_waves_and_seeds_are_unrelated() -> None:
    size = 2_000
    uniforms = [independent_uniforms(3, size, seed, wave) for seed in (1, 2) for wave in (0, 1, 1 << 32)]
    pairs = np.asarray(np.corrcoef(np.concatenate(uniforms)))[np.triu_indices(18, 1)]
    assert abs(pairs).max() < 5 / math.sqrt(size)


@pytest.mark.parametrize("design", [Design(), ALONG_GLOBAL])
def test_the_first_plain_scenarios_are_those_of_a_longer_run_and_waves_differ(design: Design) -> None:
    one, same, other = drawn(64, design=design), drawn(64, design=design), drawn(64, design=design, wave=1)
    assert np.array_equal(one.factors, same.factors)
    assert np.array_equal(one.weights, same.weights)
    assert not (one.factors == other.factors).all(axis=0).any()
    assert np.array_equal(drawn(64, design=Design()).factors, drawn(100, design=Design()).factors[:, :64])


@pytest.mark.parametrize(("scenarios", "first"), [(1, 32), (32, 32), (33, 64), (10_000, 10_016)])
def test_a_wave_starts_where_the_loans_random_bytes_go_on(scenarios: int, first: int) -> None:
    waves = [drawn(scenarios, design=Design(), wave=wave).first for wave in range(3)]
    assert waves == [0, first, 2 * first]
