"""Intervals of differences cover the truth as often as they say, and are narrower than those of the ends."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from montecarlo.model.contributions import contributions
from montecarlo.model.credit import loan_risks
from montecarlo.model.differences import Pair
from montecarlo.model.measures import Estimate, LossSample, independent_error, stratified_error
from montecarlo.model.parameters import load
from montecarlo.model.scenarios import draw
from montecarlo.model.tables import model_tables
from montecarlo.simulation import kernel
from montecarlo.simulation.trials import Rows
from tests.verification import engine

SCENARIOS, SEEDS = 1_000, 120
LOANS, FEW, MANY = 600, 8, 60
"""The portfolio, and how many of its loans a small and a large change adds."""

Samples = Mapping[str, LossSample]


def sample(losses: Any) -> LossSample:
    return LossSample(losses, np.full(losses.size, 1 / losses.size), independent_error)


@pytest.fixture(scope="module")
def simulated() -> Iterator[list[Samples]]:
    """The losses of the portfolio without the change, with a small one and with a large one: of very many scenarios
    first, then for each seed.
    """
    parameters, generator = load(), np.random.default_rng(5)
    pd = np.clip(generator.lognormal(-3.6, 0.8, LOANS), 0.001, 0.5).tolist()
    pool = engine.pool(LOANS, pd, np.round(generator.lognormal(9, 1, LOANS), 2).tolist(), 0.5)
    with engine.cached_tables():
        tables = model_tables(parameters, (engine.BASE,))
        risks = loan_risks(engine.loans_of(pool, parameters), parameters, (engine.BASE,), tables)
        how = engine.design(risks, parameters, tables, "mixture")
        row = np.zeros((1, LOANS), np.int32)
        row[0, -FEW - MANY : -MANY], row[0, -MANY:] = 1, 2

        def losses(scenarios: int, seed: int) -> Samples:
            drawn = draw(parameters, scenarios, seed, how)
            by_row = kernel.simulate(risks, tables, drawn, seed, rows=Rows(row, 3)).by_row[0]
            error = stratified_error(how.strata(scenarios))
            parts = {"before": by_row[0], "few": by_row[0] + by_row[1], "many": by_row[0] + by_row[2]}
            return {name: LossSample(part, drawn.weights, error) for name, part in parts.items()}

        yield [losses(100_000, 0), *(losses(SCENARIOS, seed) for seed in range(1, SEEDS + 1))]


@pytest.mark.parametrize("change", ["few", "many"])
@pytest.mark.parametrize("measure", ["var 99", "var 99.9", "es 99", "ul"])
def test_an_interval_covers_the_true_difference_as_often_as_it_says(
    simulated: list[Samples], measure: str, change: str
) -> None:
    """95 of 100 shall: that no more than 105 of 120 did would have a chance of 1 in 1,000.

    And they are at most 0.9 times as wide as the measure's own, of a change by 1.5 % of the loans 0.7 times.
    """
    name, _, level = measure.partition(" ")
    share = float(level or 0) / 100

    def value(one: LossSample) -> float:
        if name == "ul":
            return math.sqrt(one.variance(one.mean())[0])
        var = one.quantile(share)
        return var + one.excess(var, share)[0] if name == "es" else var

    truth = value(simulated[0][change]) - value(simulated[0]["before"])
    covered, widths = 0, []
    for samples in simulated[1:]:
        before, after = samples["before"], samples[change]
        pair, apart = Pair(before, after), value(after) - value(before)
        found = pair._ul(apart) if name == "ul" else pair._var(share) if name == "var" else pair._es(share, apart)
        assert found.value == pytest.approx(apart)
        own = before._ul(before.mean()) if name == "ul" else before.var(share) if name == "var" else before._es(share)
        covered += math.isnan(found.standard_error) or found.low <= truth <= found.high
        if not math.isnan(own.standard_error + found.standard_error):
            widths.append(found.standard_error / own.standard_error)
    assert len(widths) > 0.9 * SEEDS
    assert covered > 105
    assert np.median(widths) < (0.7 if change == "few" else 0.9)


def test_a_certain_loss_more_is_a_difference_without_an_error() -> None:
    before = np.sort(np.random.default_rng(1).integers(0, 100_000, 20_000))
    pair = Pair(sample(before), sample(before + 500))
    found = pair.measures(pair.before.measures(), pair.after.measures())
    for estimate in (*found.var.values(), *found.es.values(), *found.economic_capital.values(), found.ul):
        assert estimate.standard_error == pytest.approx(0, abs=1e-6)
    assert {estimate.value for estimate in found.var.values()} == {500}


def test_all_losses_ten_percent_larger_have_a_tenth_of_the_error() -> None:
    before = np.random.default_rng(1).integers(0, 100_000, 20_000) * 10
    pair = Pair(sample(before), sample(before * 11 // 10))
    old = pair.before.measures()
    found = pair.measures(old, pair.after.measures())
    assert found.ul.standard_error == pytest.approx(old.ul.standard_error / 10, rel=1e-3)
    assert found.es[99].standard_error == pytest.approx(old.es[99].standard_error / 10, rel=1e-3)
    assert found.var[99].standard_error == pytest.approx(old.var[99].standard_error / 10, rel=0.3)


def test_nothing_changed_is_no_difference() -> None:
    losses = np.random.default_rng(1).integers(0, 100_000, 20_000)
    pair = Pair(sample(losses), sample(losses.copy()))
    found = pair.measures(pair.before.measures(), pair.after.measures())
    for estimate in (found.el, found.ul, *found.var.values(), *found.es.values()):
        assert (estimate.value, estimate.standard_error) == (0, 0)
    parts = losses[None]
    assert [(each.value, each.standard_error) for each in pair.contributions(parts, parts, 0.99)] == [(0, 0)]


def test_what_loses_elsewhere_only_has_no_known_error_at_var() -> None:
    losses = np.arange(10_000)
    more = losses + (losses < 10)
    assert math.isnan(Pair(sample(losses), sample(more))._var(0.99).standard_error)


def test_too_few_scenarios_cannot_tell() -> None:
    losses = np.random.default_rng(1).integers(0, 100_000, 50)
    pair = Pair(sample(losses), sample(losses + np.arange(50)))
    found = pair.measures(pair.before.measures(), pair.after.measures())
    assert math.isnan(found.var[99.9].standard_error)
    assert math.isnan(found.es[99.9].standard_error)
    assert math.isnan(pair.contributions(losses[None], losses[None], 0.999)[0].standard_error)


def test_contributions_add_up_to_the_difference_of_es() -> None:
    generator = np.random.default_rng(2)
    old = generator.integers(0, 100_000, (3, 2_000))
    new = old + generator.integers(0, 30_000, (3, 2_000))
    before, after = sample(old.sum(axis=0)), sample(new.sum(axis=0))
    found = Pair(before, after).contributions(old, new, 0.99)
    es = after._es(0.99).value - before._es(0.99).value
    assert sum(each.value for each in found) == pytest.approx(es, rel=1e-9)
    single = [contributions(one, parts, 0.99).es for one, parts in ((before, old), (after, new))]
    for each, one, other in zip(found, *single, strict=True):
        assert each.value == pytest.approx(other.value - one.value)
        assert 0 < each.standard_error < math.hypot(one.standard_error, other.standard_error)


def test_many_quantiles_are_the_quantile_of_each_level() -> None:
    losses = np.random.default_rng(3).integers(0, 50, 400)
    weights = np.random.default_rng(4).random(400)
    one = LossSample(losses, weights / weights.sum(), independent_error)
    levels = np.linspace(0, 1, 101)
    assert one.quantiles(levels).tolist() == [one.quantile(level) for level in levels.tolist()]


def test_the_error_of_another_case_s_difference_is_honest() -> None:
    """Two cases under the same scenarios: the error told is that of the difference, over seeds, and far below that of
    either case. Within a fourth, of 100 samples of 5,000 scenarios.
    """
    told: dict[str, list[float]] = {}
    found: dict[str, list[float]] = {}
    for seed in range(100):
        losses = np.random.Generator(np.random.Philox(seed)).gamma(2.0, 1e6, 5_000).astype(np.int64)
        pair = Pair(sample(losses), sample(losses * 3 // 2 + losses.sum() // 50_000))
        change = pair.measures(pair.before.measures(1e6), pair.after.measures(2e6))
        for name, estimate in {"ul": change.ul, "var": change.var[99.0], "es": change.es[97.5]}.items():
            told.setdefault(name, []).append(estimate.standard_error)
            found.setdefault(name, []).append(estimate.value)
        assert change.el == Estimate(1e6, 0.0, 1e6, 1e6)
        assert change.var[99.0].standard_error < pair.after.var(0.99).standard_error
    for name in told:
        assert np.mean(told[name]) == pytest.approx(np.std(found[name]), rel=0.25), name


def test_a_difference_of_what_the_sample_cannot_tell_has_no_error() -> None:
    pair = Pair(sample(np.arange(1, 101)), sample(np.arange(2, 102)))
    change = pair.measures(pair.before.measures(0.0), pair.after.measures(1.0))
    assert change.var[99.9].value == 1
    assert math.isnan(change.var[99.9].standard_error)
    assert math.isnan(change.economic_capital[99.9].standard_error)
    assert math.isnan(change.es[99.9].standard_error)


def test_a_sample_of_the_loans_widens_each_difference() -> None:
    losses = np.random.default_rng(1).integers(0, 100_000, 20_000)
    weights = np.full(losses.size, 1 / losses.size)
    pair = Pair(*(LossSample(each, weights, independent_error, 0.1) for each in (losses, losses + 1_000)))
    change = pair.measures(pair.before.measures(1e6), pair.after.measures(2e6))
    assert change.el.standard_error == 1e5
    assert [estimate.standard_error for estimate in change.var.values()] == pytest.approx([100] * 3)
    assert [estimate.standard_error for estimate in change.economic_capital.values()] == pytest.approx([99_900])
