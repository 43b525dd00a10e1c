"""The kernel: its random bits, its invariants, and the distributions it must reproduce."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.model.credit import LoanRisks
from montecarlo.model.measures import LossSample, independent_error
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Scenarios, draw
from montecarlo.model.tables import ModelTables
from montecarlo.model.valuation import expected_losses
from montecarlo.portfolio.regions import REGIONS
from montecarlo.simulation import kernel
from montecarlo.simulation.trials import WEIGHT_BITS, Rows
from tests.pools import BASE, STRESSED, drawn_of, one_factor, pool, tables_of

KNOWN = json.loads((Path(__file__).parents[1] / "reference" / "credit_risk_values.json").read_text(encoding="utf-8"))


def some(loans: LoanRisks, chosen: list[int] | npt.NDArray[np.intp]) -> LoanRisks:
    """The loans at these positions, in this order."""
    return LoanRisks(
        **{
            field.name: np.take(getattr(loans, field.name), np.asarray(chosen, dtype=np.intp), axis=-1)
            for field in fields(loans)
        }
    )


def mixed(tables: ModelTables, loans: int, seed: int = 1) -> LoanRisks:
    """Loans of all segments and regions with scattered PDs and losses."""
    random = np.random.default_rng(seed)
    sector = random.integers(0, tables.sectors, loans).astype(np.int16)
    probit = tables.band_probit[random.integers(140, 300, loans)] + tables.shift[:, sector]
    pd = random.integers(0, 2**32, (tables.cases, loans), dtype=np.uint32)
    loss = random.integers(1, 10**8, loans)
    key = random.integers(0, 2**63, loans).astype(np.uint64)
    return LoanRisks(
        key=key,
        lgd_key=key,
        sector=sector,
        region=random.integers(0, len(REGIONS), loans).astype(np.int16),
        factor=sector,
        loading=sector,
        alpha=((probit * tables.scale[sector]) >> 24).astype(np.int32),
        pd=pd,
        certain=random.random(loans) < 0.02,
        impossible=np.zeros(loans, dtype=bool),
        exposure=loss * 2,
        lgd=np.full(loans, 1 << 23, dtype=np.int32),
        loss=loss,
        rounding=np.zeros(loans, dtype=np.int64),
    )


def bruteforce(loans: LoanRisks, tables: ModelTables, drawn: Scenarios, seed: int) -> list[list[int]]:
    """Total losses (C, S) by the definition in the module's docstring, one trial at a time in Python integers."""
    mask = (1 << 64) - 1

    def mix(x: int) -> int:
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
        return x ^ (x >> 31)

    losses = [[0] * len(drawn) for _ in range(tables.cases)]
    for i in range(len(loans)):
        key, sector = int(loans.key[i]), int(loans.sector[i])
        stream = np.random.Philox(key=[seed, key]).random_raw(-(-len(drawn) // 8)).tobytes()
        for s in range(len(drawn)):
            tie = mix((mix((key + seed) & mask) + s * 0x9E3779B97F4A7C15) & mask) >> 40
            drift = int(drawn.factors[sector, s]) * int(tables.loading[sector]) >> 24
            for c in range(tables.cases):
                x = min(max(int(loans.alpha[c, i]) - drift, -8 << 24), (8 << 24) - 1) + (8 << 24)
                low, high = int(tables.phi[x >> 12]), int(tables.phi[(x >> 12) + 1])
                threshold = low + ((high - low) * (x & 4095) >> 12)
                top, bits = threshold >> 24, threshold & 0xFFFFFF
                if loans.certain[i] or stream[s] < top or (stream[s] == top and tie < bits):
                    losses[c][s] += int(loans.loss[i])
    return losses


@pytest.mark.parametrize("scenarios", [1, 7, 32, 333])
def test_every_trial_follows_the_definition(scenarios: int) -> None:
    tables, drawn = drawn_of(load(), scenarios, 5, BASE, STRESSED)
    loans = mixed(tables, 60)
    assert kernel.simulate(loans, tables, drawn, 5).by_segment.sum(axis=1).tolist() == bruteforce(
        loans, tables, drawn, 5
    )


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_split_and_order_gives_the_same_bits(data: st.DataObject) -> None:
    tables, drawn = drawn_of(load(), data.draw(st.integers(1, 300)), 7, BASE, STRESSED)
    loans = mixed(tables, 200)
    whole = kernel.simulate(loans, tables, drawn, 7)
    order = data.draw(st.permutations(range(200)))
    cuts = sorted(data.draw(st.lists(st.integers(0, 200), max_size=5)))
    by_segment, by_region = np.zeros_like(whole.by_segment), np.zeros_like(whole.by_region)
    for part in np.split(np.array(order), cuts):
        simulated = kernel.simulate(some(loans, part), tables, drawn, 7)
        by_segment += simulated.by_segment
        by_region += simulated.by_region
        assert np.array_equal(simulated.frequency, whole.frequency[:, part])
    assert np.array_equal(by_segment, whole.by_segment)
    assert np.array_equal(by_region, whole.by_region)


def test_a_case_does_not_depend_on_the_other_cases() -> None:
    loans = mixed(tables_of(load(), BASE, STRESSED), 100)
    both = kernel.simulate(loans, *drawn_of(load(), 200, 3, BASE, STRESSED), 3)
    second = LoanRisks(**{**vars(loans), "alpha": loans.alpha[1:], "pd": loans.pd[1:]})
    alone = kernel.simulate(second, *drawn_of(load(), 200, 3, STRESSED), 3)
    assert np.array_equal(both.by_segment[1], alone.by_segment[0])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(1, 200))
def test_stress_never_loses_less_than_base(seed: int, scenarios: int) -> None:
    tables, drawn = drawn_of(load(), scenarios, seed, BASE, STRESSED)
    simulated = kernel.simulate(mixed(tables, 80), tables, drawn, seed)
    assert (simulated.by_segment[1] >= simulated.by_segment[0]).all()
    assert (simulated.by_region[1] >= simulated.by_region[0]).all()
    assert (simulated.frequency[1] >= simulated.frequency[0]).all()


def test_losses_scale_with_exposure_and_never_exceed_it() -> None:
    tables, drawn = drawn_of(load(), 100)
    loans = mixed(tables, 100)
    once = kernel.simulate(loans, tables, drawn, 1)
    thrice = kernel.simulate(LoanRisks(**{**vars(loans), "loss": loans.loss * 3}), tables, drawn, 1)
    assert np.array_equal(thrice.by_segment, once.by_segment * 3)
    assert (once.by_segment.sum(axis=1) <= loans.exposure.sum()).all()


def test_certain_and_impossible_defaults() -> None:
    tables, drawn = drawn_of(load(), 50)
    loans = pool(0.5, 2, tables, loss_cents=70)
    extremes = LoanRisks(**{**vars(loans), "certain": np.array([True, False]), "impossible": np.array([False, True])})
    simulated = kernel.simulate(extremes, tables, drawn, 1)
    assert (simulated.by_segment.sum(axis=1) == 70).all()
    assert simulated.frequency[0] / 2**WEIGHT_BITS == pytest.approx([1, 0], abs=1e-9)


def test_no_loan_loses_nothing() -> None:
    tables, drawn = drawn_of(load(), 50)
    simulated = kernel.simulate(some(pool(0.5, 2, tables), []), tables, drawn, 1)
    assert not simulated.by_segment.any()
    assert simulated.frequency.shape == (1, 0)


def test_both_breakdowns_add_up_to_the_same_total() -> None:
    tables, drawn = drawn_of(load(), 300, 42, BASE, STRESSED)
    simulated = kernel.simulate(mixed(tables, 500), tables, drawn, 42)
    assert np.array_equal(simulated.by_segment.sum(axis=1), simulated.by_region.sum(axis=1))


# ---------------------------------------------------------------------------------------------------------------------
# Distributions. Seeds are fixed; bounds are four standard errors, so that a correct kernel fails at 1 in 16,000 seeds.


def test_defaults_without_correlation_are_binomial() -> None:
    tables, drawn = drawn_of(one_factor(0), 20_000)
    defaults = kernel.simulate(pool(0.013, 100, tables, loss_cents=1), tables, drawn, 11).by_segment.sum(axis=1)[0]
    assert defaults.mean() == pytest.approx(1.3, abs=4 * math.sqrt(1.3 * 0.987 / 20_000))
    variance = 100 * 0.013 * 0.987
    assert defaults.var() == pytest.approx(variance, abs=4 * variance * math.sqrt(2 / 20_000) * 1.2)


def test_a_finite_pool_has_the_distribution_of_the_binomial_mixture() -> None:
    known = KNOWN["finite_pool"]
    scenarios = 100_000
    tables, drawn = drawn_of(one_factor(known["rho"]), scenarios, 20)
    defaults = kernel.simulate(pool(known["pd"], known["n"], tables, loss_cents=1), tables, drawn, 20).by_segment.sum(
        axis=1
    )[0]
    for count in (0, 1):
        p = known[f"p{count}"]
        assert (defaults == count).mean() == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / scenarios))
    measures = LossSample(defaults, drawn.weights, independent_error).measures()
    assert measures.var[99.0].value == known["var_99_defaults"]
    assert measures.var[99.9].value == known["var_999_defaults"]
    assert measures.ul.value / 100 == pytest.approx(known["ul"], abs=4 * measures.ul.standard_error / 100)
    assert measures.es[99.9].value / 100 == pytest.approx(
        known["es_999"], abs=4 * measures.es[99.9].standard_error / 100
    )


@pytest.mark.parametrize("case", KNOWN["lhp_var_999"], ids=lambda case: f"pd={case['pd']} rho={case['rho']}")
def test_a_large_pool_reaches_vasiceks_limit(case: dict[str, Any]) -> None:
    """5,000 loans differ from the limit by less than 0.4 % of VaR (granularity), added to four standard errors."""
    loans, level = 5_000, case.get("alpha", 0.999)
    tables, drawn = drawn_of(one_factor(case["rho"]), 20_000, 3)
    losses = kernel.simulate(pool(case["pd"], loans, tables, loss_cents=1), tables, drawn, 3).by_segment.sum(axis=1)[0]
    measures = LossSample(losses, drawn.weights, independent_error).measures()
    var = measures.var[level * 100]
    assert var.value / loans == pytest.approx(case["var"], abs=4 * var.standard_error / loans + 0.004 * case["var"])
    for name, es_level in (("es", level * 100), ("es_999", 99.9), ("es_975", 97.5)):
        if name in case:
            es = measures.es[es_level]
            assert es.value / loans == pytest.approx(case[name], abs=4 * es.standard_error / loans + 0.004 * case[name])


def test_two_loans_default_together_as_often_as_the_bivariate_normal_says() -> None:
    known = KNOWN["joint_default"]
    scenarios, pairs = 50_000, 400
    tables, drawn = drawn_of(one_factor(known["rho"]), scenarios, 9)
    defaults = kernel.simulate(pool(known["pd"], pairs, tables, loss_cents=1), tables, drawn, 9).by_segment.sum(axis=1)[
        0
    ]
    together = defaults * (defaults - 1) / (pairs * (pairs - 1))
    assert together.mean() == pytest.approx(known["p"], abs=4 * together.std() / math.sqrt(scenarios))


def test_vasiceks_formula_gives_the_published_table() -> None:
    """Hull, Risk Management and Financial Institutions, table 11.4: the closed form that the pools above are held
    to.
    """
    known = KNOWN["hull_rmfi_table_11_4_wcdr_999_percent"]
    normal = NormalDist()
    for rho in (0.2, 0.4, 0.6, 0.8):
        for pd, expected in zip(known["pd_percent"], known[f"rho_{rho}"], strict=True):
            x = (normal.inv_cdf(pd / 100) + math.sqrt(rho) * normal.inv_cdf(0.999)) / math.sqrt(1 - rho)
            assert 100 * normal.cdf(x) == pytest.approx(expected, abs=0.051)


# ---------------------------------------------------------------------------------------------------------------------
# Random LGDs, and waves of scenarios


def drawn_lgds(volatility: float = 0.5, correlation: float = 0.2) -> Parameters:
    """Parameters under which every segment draws its LGDs."""
    spread = {"lgd_volatility": volatility, "lgd_correlation": correlation}
    return load({"segments": dict.fromkeys(load().segments, spread)})


def test_drawn_lgds_do_not_depend_on_chunks_cases_or_the_kernel() -> None:
    tables, drawn = drawn_of(drawn_lgds(), 300, 3, BASE, STRESSED)
    loans = mixed(tables, 200)
    whole = kernel.simulate(loans, tables, drawn, 3, "numpy")
    parts = [kernel.simulate(some(loans, part), tables, drawn, 3) for part in np.array_split(np.arange(200)[::-1], 7)]
    assert np.array_equal(sum(part.by_region for part in parts), whole.by_region)
    assert np.array_equal(whole.by_segment.sum(axis=1), whole.by_region.sum(axis=1))
    assert (whole.by_segment[1] >= whole.by_segment[0]).all(), "cases share the draw"
    assert (whole.by_segment.sum(axis=1) <= loans.exposure.sum()).all()


def test_drawn_lgds_have_the_expected_loss_that_quadrature_gives() -> None:
    """100 loans in 40,000 scenarios; four standard errors."""
    parameters = drawn_lgds(0.5, 0.3)
    tables, drawn = drawn_of(parameters, 40_000, 5)
    loans = pool(0.02, 100, tables, loss_cents=1_000_000)
    lgds = LoanRisks(**{**vars(loans), "lgd": np.full(100, 1 << 23, dtype=np.int32), "loss": loans.exposure // 2})
    losses = kernel.simulate(lgds, tables, drawn, 5).by_segment.sum(axis=1)[0]
    expected = expected_losses(lgds, tables).sum() / 2**16
    assert losses.mean() == pytest.approx(expected, abs=4 * losses.std() / math.sqrt(40_000))
    assert expected > 1.05 * lgds.expected_loss().sum() / 2**16


def test_a_certain_default_draws_its_lgd_too() -> None:
    tables, drawn = drawn_of(drawn_lgds(0.5, 0.0), 5_000, 5)
    loans = pool(0.02, 1, tables, loss_cents=1_000_000)
    half = {"lgd": np.full(1, 1 << 23, dtype=np.int32), "loss": loans.exposure // 2, "certain": np.array([True])}
    losses = kernel.simulate(LoanRisks(**{**vars(loans), **half}), tables, drawn, 5).by_segment.sum(axis=1)[0]
    assert losses.mean() == pytest.approx(500_000, abs=4 * 250_000 / math.sqrt(5_000))
    assert losses.std() == pytest.approx(250_000, rel=0.05)


def test_waves_continue_each_other() -> None:
    """Two waves share no random byte with each other, and each can be made without the other."""
    first, second = (draw(load(), 320, 7, wave=wave) for wave in (0, 1))
    assert second.first == 320
    assert not np.array_equal(first.factors, second.factors)
    whole = replace(first, factors=np.hstack([first.factors, second.factors]), weights=np.ones(640) / 640)
    tables = tables_of(load())
    loans = mixed(tables, 50)
    together = kernel.simulate(loans, tables, whole, 7).by_segment
    apart = np.concatenate([kernel.simulate(loans, tables, wave, 7).by_segment for wave in (first, second)], axis=2)
    assert np.array_equal(together, apart)


@pytest.mark.parametrize("volatility", [0.0, 0.3])
@pytest.mark.parametrize("which", kernel.KERNELS)
def test_losses_of_a_case_are_its_own(which: kernel.Kernel, volatility: float) -> None:
    """Where LGDs differ between cases, each case loses to the bit what it would with its LGDs in all cases."""
    parameters = load({"segments": {name: {"lgd_volatility": volatility} for name in load().segments}})
    cases = (BASE, STRESSED, replace(STRESSED, name="worse"), replace(STRESSED, name="worst"))
    tables, drawn = drawn_of(parameters, 200, 42, *cases)
    loans = mixed(tables, 300)
    by_case = np.stack([loans.loss, loans.loss, loans.loss + 7, loans.loss // 2])
    lgd = np.stack([loans.lgd, loans.lgd, loans.lgd + 9, loans.lgd // 2]).astype(np.int32)
    rows = Rows(np.arange(300, dtype=np.int32)[None] % np.int32(5), 5)
    weights = np.full((4, 1, 200), 1 / 200)
    shifted = replace(loans, loss=by_case, lgd=lgd, rounding=np.zeros_like(by_case))
    found = kernel.simulate(shifted, tables, drawn, 7, which, rows=rows)
    weighed, lost = kernel.weigh(shifted, tables, drawn, 7, weights, which)
    assert np.array_equal(lost, found.by_segment.sum(axis=1))
    for case in range(4):
        alone = replace(loans, loss=by_case[case], lgd=lgd[case])
        expected = kernel.simulate(alone, tables, drawn, 7, which, rows=rows)
        for name in ("by_segment", "by_region", "by_row", "frequency"):
            assert np.array_equal(getattr(found, name)[case], getattr(expected, name)[case]), name
        assert np.array_equal(weighed[case], kernel.weigh(alone, tables, drawn, 7, weights, which)[0][case])
    assert (found.by_segment[2] != found.by_segment[1]).any()
