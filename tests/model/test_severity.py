"""Random LGDs: the Beta distribution, its link to the factor, and the expected loss."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.model import normal, severity

PHI = normal.table()


@pytest.mark.parametrize("volatility", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("mean", [1 / 64, 0.1, 0.25, 0.45, 0.8, 63 / 64])
def test_cells_have_the_mean_and_deviation_that_were_asked_for(mean: float, volatility: float) -> None:
    cells = severity.beta_cells(mean, volatility)
    assert (np.diff(cells) >= -1e-12).all()
    assert cells.min() >= 0
    assert cells.max() <= 1
    assert cells.mean() == pytest.approx(mean, rel=1e-9)
    assert cells.std() == pytest.approx(volatility * math.sqrt(mean * (1 - mean)), rel=0.01)


def test_cells_of_the_uniform_distribution() -> None:
    """Beta(1, 1): mean 1/2 and concentration 2, so volatility 1 / sqrt(3)."""
    expected = (np.arange(severity.CELLS) + 0.5) / severity.CELLS
    assert severity.beta_cells(0.5, 1 / math.sqrt(3)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("mean", [0.2, 0.45, 0.6543])
def test_draws_have_the_mean_whatever_the_correlation(mean: float, correlation: float) -> None:
    table = severity.table([0.5], [correlation])
    random = np.random.default_rng(1)
    n = 200_000
    z = normal.to_fixed(random.standard_normal(n)).astype(np.int32)
    words = random.integers(0, 2**64, n, dtype=np.uint64)
    lgd = np.full(n, normal.to_fixed(mean), dtype=np.int32)
    losses = severity.losses(table, 0, PHI, z, words, lgd, np.full(n, 10_000_00, dtype=np.int64))
    deviation = 0.5 * math.sqrt(mean * (1 - mean))
    assert losses.mean() / 10_000_00 == pytest.approx(mean, abs=4 * deviation / math.sqrt(n))
    assert losses.std() / 10_000_00 == pytest.approx(deviation, rel=0.02)
    # Spearman's rank correlation of a normal copula, which the marginal distribution leaves alone.
    ranks = [np.argsort(np.argsort(values, kind="stable")) for values in (losses, z)]
    expected = -6 / math.pi * math.asin(math.sqrt(correlation) / 2)
    assert np.asarray(np.corrcoef(ranks))[0, 1] == pytest.approx(expected, abs=0.01)


def test_expected_share_without_correlation_is_pd_times_lgd() -> None:
    table = severity.table([0.4], [0.0])
    pd = np.array([0.0005, 0.01, 0.2])
    rho = 0.15
    scale, loading = 1 / math.sqrt(1 - rho), math.sqrt(rho / (1 - rho))
    alpha = (normal.inverse(PHI, pd) * scale).astype(np.int32)
    lgd = normal.to_fixed([0.2, 0.45, 0.777]).astype(np.int32)
    shares = severity.expected_share(table, 0, PHI, alpha, int(normal.to_fixed(loading)), lgd) / 2**32
    assert shares == pytest.approx(pd * [0.2, 0.45, 0.777], rel=2e-4)


def test_expected_share_with_correlation_agrees_with_simulation() -> None:
    rho, correlation, pd, mean = 0.2, 0.3, 0.02, 0.4
    table = severity.table([0.5], [correlation])
    alpha = normal.inverse(PHI, np.array([pd])) / math.sqrt(1 - rho)
    loading = math.sqrt(rho / (1 - rho))
    lgd = normal.to_fixed([mean]).astype(np.int32)
    fixed = int(normal.to_fixed(loading))
    share = severity.expected_share(table, 0, PHI, alpha.astype(np.int32), fixed, lgd)[0] / 2**32

    random = np.random.default_rng(2)
    z = random.standard_normal(400_000)
    p = normal.threshold(PHI, (alpha - normal.to_fixed(loading * z)).astype(np.int32)) / 2**32
    words = random.integers(0, 2**64, z.size, dtype=np.uint64)
    ones = np.full(z.size, 1 << 20, dtype=np.int64)
    factor = normal.to_fixed(z).astype(np.int32)
    drawn = severity.losses(table, 0, PHI, factor, words, np.repeat(lgd, z.size), ones) / (1 << 20)
    terms = p * drawn
    assert share == pytest.approx(terms.mean(), abs=4 * terms.std() / math.sqrt(z.size))
    assert share > 1.1 * pd * mean, "loans default when recoveries are low"


@given(st.integers(0, 1 << 24), st.integers(0, (1 << 46) - 1))
def test_portion_is_the_rounded_product(share: int, amount: int) -> None:
    found = int(severity.portion(np.array([share]), np.array([amount]))[0])
    assert abs(found * 2**24 - share * amount) <= 2**24
    assert 0 <= found <= amount


@given(st.integers(0, 1 << 24), st.integers(0, 2**64 - 1), st.floats(-6, 6))
def test_no_draw_leaves_zero_to_one(lgd: int, word: int, z: float) -> None:
    table = _TABLE
    loss = severity.losses(
        table,
        0,
        PHI,
        normal.to_fixed([z]).astype(np.int32),
        np.array([word], dtype=np.uint64),
        np.array([lgd], dtype=np.int32),
        np.array([1_000_000], dtype=np.int64),
    )
    assert 0 <= loss[0] <= 1_000_000


_TABLE = severity.table([0.7], [0.2])


def test_severity_is_not_tabulated_where_nothing_is_drawn() -> None:
    assert severity.table([0.0, 0.0], [0.0, 0.0]).quantiles.size == 0
    assert severity.table([0.5, 0.0], [0.1, 0.0]).drawn.tolist() == [True, False]
