"""What must hold for every portfolio and every parameter set: additivity, scaling, order, extremes."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.model import sums
from montecarlo.model.cases import Case
from montecarlo.model.contributions import contributions
from montecarlo.model.credit import LoanRisks, loan_risks
from montecarlo.model.measures import LossSample, independent_error
from montecarlo.model.parameters import _RANGES, Parameters, Scorecard, Segment, load
from montecarlo.model.scenarios import Scenarios, draw
from montecarlo.model.tables import ModelTables, model_tables
from montecarlo.model.valuation import value
from montecarlo.portfolio.loans import Loans
from montecarlo.run.partial import Counts, Partial
from montecarlo.simulation import kernel
from tests.verification.engine import BASE, STRESSED, loans_of, pool

SEGMENTS = ["personal", "mortgage"]


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def number(name: str) -> st.SearchStrategy[float]:
    """Any value that the parameter may have, its ends among them."""
    low, high = _RANGES[name]
    return st.sampled_from([low, high]) | st.floats(low, high)


def fitting(loan: dict[str, Any]) -> dict[str, Any]:
    """The loan with no more of a balloon than it is large, and without a limit where nothing says what is drawn."""
    balloon = None if loan["Balloon"] is None else loan["Balloon"] * loan["LoanAmount"]
    limit = loan["Limit"] if {loan["Balance"], loan["EAD"]} != {None} else None
    return {**loan, "Balloon": balloon, "Limit": limit}


LOANS = st.lists(
    st.fixed_dictionaries(
        {
            "ZipCode": optional(st.sampled_from(["00501", "60601", "99950", "TX", "?"])),
            "Rate": st.floats(0, 100),
            "Payment": st.floats(0, 1e6),
            "LoanAmount": st.floats(0.01, 1e7),
            "LoanTerm": st.integers(1, 1200),
            "OriginationDate": st.dates(date(1950, 1, 1), date(2026, 1, 1)),
            "GrossIncome": st.floats(0.01, 1e9),
            "Balance": optional(st.floats(0, 1e7)),
            "RateType": optional(st.sampled_from(["fixed", "floating"])),
            "Segment": optional(st.sampled_from(SEGMENTS)),
            "PD": optional(st.sampled_from([0.0, 1.0, 1e-12]) | st.floats(0, 1)),
            "LGD": optional(st.sampled_from([0.0, 1.0]) | st.floats(0, 1)),
            "EAD": optional(st.just(0.0) | st.floats(0, 1e7)),
            "Amortisation": optional(st.sampled_from(["annuity", "linear", "bullet"])),
            "PaymentFrequency": optional(st.sampled_from(["monthly", "quarterly", "semi-annual", "annual"])),
            "InterestOnlyUntil": optional(st.dates(date(1950, 1, 1), date(2100, 1, 1))),
            "Balloon": optional(st.floats(0, 1)),
            "Limit": optional(st.floats(0, 1e7)),
            "CollateralValue": optional(st.floats(0, 1e7)),
        }
    ).map(fitting),
    min_size=1,
    max_size=6,
)

LOAN = {
    "Rate": 7.0,
    "Payment": 300.0,
    "LoanAmount": 12_000.0,
    "LoanTerm": 60,
    "OriginationDate": date(2025, 1, 1),
    "GrossIncome": 50_000.0,
}

SCORECARDS = st.fixed_dictionaries({field.name: number(field.name) for field in fields(Scorecard)})
# Capital's and the provisions' own parameters do not bear on losses; random LGDs have a test of their own, for their
# tables take time.
OTHERS = ("annual_sales", "pd_floor", "lgd_volatility", "lgd_correlation", "pd_by_year", "prepayment")
NUMBERS_OF_SEGMENT = {f.name: number(f.name) for f in fields(Segment) if f.name in _RANGES and f.name not in OTHERS}
SETTINGS = st.fixed_dictionaries(
    {
        "base_fed_rate": number("base_fed_rate"),
        "global_factor_share": number("global_factor_share"),
        "scorecard": SCORECARDS,
        "segments": st.fixed_dictionaries({name: st.fixed_dictionaries(NUMBERS_OF_SEGMENT) for name in SEGMENTS}),
    }
)

SCHEMA = pa.schema(
    {
        "AccountID": pa.string(),
        "ZipCode": pa.string(),
        **dict.fromkeys(("Rate", "Payment", "LoanAmount"), pa.float64()),
        "LoanTerm": pa.int64(),
        "OriginationDate": pa.date32(),
        **dict.fromkeys(("GrossIncome", "Balance"), pa.float64()),
        **dict.fromkeys(("RateType", "Segment"), pa.string()),
        **dict.fromkeys(("PD", "LGD", "EAD"), pa.float64()),
        **dict.fromkeys(("Amortisation", "PaymentFrequency"), pa.string()),
        "InterestOnlyUntil": pa.date32(),
        **dict.fromkeys(("Balloon", "Limit", "CollateralValue"), pa.float64()),
    }
)


def read(rows: Sequence[dict[str, Any]], parameters: Parameters | None = None) -> Loans:
    """Rows as loans, numbered A0, A1 and so on unless they say otherwise."""
    named = [{"AccountID": f"A{index}", **row} for index, row in enumerate(rows)]
    return loans_of(pa.Table.from_pylist(named, schema=SCHEMA), parameters or load())


def losses_of(rows: Sequence[dict[str, Any]], scenarios: int = 50, seed: int = 1) -> npt.NDArray[np.int64]:
    """Losses (C, S) with the default parameters, base and stressed."""
    loans, (tables, drawn) = read(rows), drawn_of(load(), scenarios, seed)
    risks = loan_risks(loans, load(), (BASE, STRESSED), tables)
    return np.asarray(kernel.simulate(risks, tables, drawn, seed).by_segment.sum(axis=1))


def drawn_of(parameters: Parameters, scenarios: int, seed: int) -> tuple[ModelTables, Scenarios]:
    return model_tables(parameters, (BASE, STRESSED)), draw(parameters, scenarios, seed)


def partial_of(loans: Loans, chunk: int, tables: ModelTables, drawn: Scenarios) -> Partial:
    risks: LoanRisks = loan_risks(loans, load(), (BASE, STRESSED), tables)
    counts = Counts(read=len(loans), simulated=len(loans))
    simulation = kernel.simulate(risks, tables, drawn, 1)
    return Partial.of_chunk("plan", (0, chunk), risks, value(loans, risks, tables), simulation, counts, {})


# ---------------------------------------------------------------------------------------------------------------------
# Stress


@settings(max_examples=100)
@given(LOANS, SETTINGS, st.data())
def test_stress_is_never_better_than_base(
    rows: list[dict[str, Any]], overrides: dict[str, Any], data: st.DataObject
) -> None:
    """For any parameters within their ranges, in every scenario, segment and region, for every loan."""
    parameters = load(overrides)
    check_stress(rows, parameters, data.draw(st.floats(parameters.base_fed_rate, _RANGES["base_fed_rate"][1])))


def test_nor_is_the_largest_stress() -> None:
    segments = {name: {"rate_sensitivity": 5, "asset_correlation": 0.9} for name in SEGMENTS}
    check_stress([LOAN], load({"base_fed_rate": -5, "segments": segments}), 30)


def check_stress(rows: Sequence[dict[str, Any]], parameters: Parameters, fed_rate: float) -> None:
    cases = (Case("base", parameters.base_fed_rate, {}), Case("stressed", fed_rate, {}))
    tables, drawn = model_tables(parameters, cases), draw(parameters, 40, 1)
    risks = loan_risks(read(rows, parameters), parameters, cases, tables)
    simulated = kernel.simulate(risks, tables, drawn, 1)
    assert (risks.alpha[1] >= risks.alpha[0]).all()
    assert (risks.pd[1] >= risks.pd[0]).all()
    assert (simulated.by_segment[1] >= simulated.by_segment[0]).all()
    assert (simulated.by_region[1] >= simulated.by_region[0]).all()
    assert (simulated.frequency[1] >= simulated.frequency[0]).all()


@pytest.mark.parametrize(("volatility", "correlation"), [(0.3, 0.0), (0.9, 0.2), (0.5, 0.95)])
def test_nor_is_it_with_random_lgds(volatility: float, correlation: float) -> None:
    """Nor does a loss then exceed the exposure."""
    parameters = load({"segments": {"mortgage": {"lgd_volatility": volatility, "lgd_correlation": correlation}}})
    tables, drawn = drawn_of(parameters, 500, 1)
    loans = loans_of(pool(300, np.linspace(0.01, 0.9, 300), lgd=np.linspace(0, 1, 300), segment="mortgage"), parameters)
    simulated = kernel.simulate(loan_risks(loans, parameters, (BASE, STRESSED), tables), tables, drawn, 1)
    losses = simulated.by_segment.sum(axis=1)
    assert (losses[1] >= losses[0]).all()
    assert (simulated.by_region[1] >= simulated.by_region[0]).all()
    assert (losses <= 300 * 10_000).all()


@settings(max_examples=40)
@given(LOANS, SETTINGS)
def test_a_loss_never_exceeds_the_exposure(rows: list[dict[str, Any]], overrides: dict[str, Any]) -> None:
    parameters = load(overrides)
    tables, drawn = drawn_of(parameters, 40, 1)
    risks = loan_risks(read(rows, parameters), parameters, (BASE, STRESSED), tables)
    simulated = kernel.simulate(risks, tables, drawn, 1)
    exposure = np.bincount(risks.sector, risks.exposure, len(drawn.factors)).astype(np.int64)
    assert (simulated.by_segment >= 0).all()
    assert (simulated.by_segment <= exposure[:, None]).all()
    assert (simulated.by_region.sum(axis=1) <= risks.exposure.sum()).all()
    assert (risks.loss <= risks.exposure).all()


# ---------------------------------------------------------------------------------------------------------------------
# Additivity and scaling


@settings(max_examples=40)
@given(LOANS, st.data())
def test_sub_portfolios_add_up_in_any_order(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Any split into chunks, some of them empty, merged by any tree: the same bytes, and the sums of the whole."""
    (tables, drawn), loans = drawn_of(load(), 30, 1), read(rows)
    place = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(loans), max_size=len(loans))))

    def merged() -> Partial:
        parts = [partial_of(loans.select(place == chunk), chunk, tables, drawn) for chunk in range(5)]
        while len(parts) > 1:
            first = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
            parts[data.draw(st.integers(0, len(parts) - 1))].add(first)
        return parts[0]

    one, another, whole = merged(), merged(), partial_of(loans, 0, tables, drawn)
    assert one.to_bytes() == another.to_bytes()
    assert one.counts == whole.counts
    assert np.array_equal(sums.exact(one.pd_sum), sums.exact(whole.pd_sum))
    for kind in ("segments", "regions"):
        for name, array in vars(getattr(whole, kind)).items():
            found = getattr(getattr(one, kind), name)
            if name not in ("losses", "loans", "without_lifetime"):  # kept in words, which need not carry alike
                found, array = sums.exact(found), sums.exact(array)
            assert np.array_equal(found, array), f"{kind}.{name}"


@settings(max_examples=30)
@given(LOANS, st.integers(2, 1_000))
def test_losses_scale_with_exposure(rows: list[dict[str, Any]], factor: int) -> None:
    def scaled(by: int) -> list[dict[str, Any]]:
        return [row | {"EAD": by * float(int((row["EAD"] or 0) / 1_000)), "LGD": 0.5} for row in rows]

    assert np.array_equal(losses_of(scaled(factor)), factor * losses_of(scaled(1)))


@settings(max_examples=30)
@given(LOANS)
def test_a_certain_default_adds_its_loss_and_an_impossible_one_nothing(rows: list[dict[str, Any]]) -> None:
    certain = {**rows[0], "AccountID": "certain", "PD": 1.0, "EAD": 123.45, "LGD": 1.0}
    impossible = {**rows[0], "AccountID": "impossible", "PD": 0.0}
    assert np.array_equal(losses_of([*rows, impossible]), losses_of(rows))
    assert np.array_equal(losses_of([*rows, certain]), losses_of(rows) + 12_345)


@settings(max_examples=30)
@given(LOANS, st.integers(0, 2**32))
def test_one_loan_loses_all_or_nothing_of_its_loss(rows: list[dict[str, Any]], seed: int) -> None:
    alone = [{**rows[0], "PD": 0.5, "EAD": 100.0, "LGD": 0.4}]
    losses = losses_of(alone, 20, seed)
    assert set(losses.ravel().tolist()) <= {0, 4_000}
    assert np.array_equal(losses[:, :1], losses_of(alone, 1, seed)), "one scenario is the first of many"


# ---------------------------------------------------------------------------------------------------------------------
# Risk measures of any sample, with any weights

LOSSES = st.lists(st.tuples(st.integers(0, 10**9), st.floats(0.01, 2)), min_size=2, max_size=60)


def sample(values: Sequence[int], weights: Sequence[float]) -> LossSample:
    return LossSample(np.array(values, dtype=np.int64), np.array(weights), independent_error)


@given(LOSSES, st.randoms(use_true_random=False))
def test_the_order_of_scenarios_does_not_matter(pairs: list[tuple[int, float]], shuffler: Any) -> None:
    whole = sum(weight for _, weight in pairs)
    normalised = [(loss, weight / whole) for loss, weight in pairs]
    other = list(normalised)
    shuffler.shuffle(other)
    one, another = (sample(*zip(*some, strict=True)).measures() for some in (normalised, other))
    assert one.el.value == another.el.value
    assert {level: e.value for level, e in one.var.items()} == {level: e.value for level, e in another.var.items()}
    assert one.es[99.0].value == pytest.approx(another.es[99.0].value)


@given(LOSSES)
def test_measures_are_in_their_natural_order(pairs: list[tuple[int, float]]) -> None:
    values = [loss for loss, _ in pairs]
    whole = sum(weight for _, weight in pairs)
    weights = [weight / whole for _, weight in pairs]
    found = sample(values, weights).measures()
    rounding = 1e-9 * max(values) + 1e-9
    assert min(values) - rounding <= found.el.value <= max(values) + rounding
    assert found.var[95.0].value <= found.var[99.0].value <= found.var[99.9].value <= found.worst
    assert found.es[97.5].value <= found.es[99.0].value + rounding
    assert found.es[99.0].value <= found.es[99.9].value + rounding
    assert found.es[99.9].value <= found.worst + rounding * 1_000
    for level, es in found.es.items():
        assert es.value >= sample(values, weights).quantile(level / 100)


def test_one_scenario_has_measures() -> None:
    found = sample([7], [1.0]).measures()
    assert found.var[99.9].value == found.es[99.9].value == found.el.value == 7


@given(LOSSES, LOSSES, st.sampled_from([0.9, 0.975, 0.99]))
def test_expected_shortfall_is_subadditive_and_its_contributions_add_up(
    first: list[tuple[int, float]], second: list[tuple[int, float]], level: float
) -> None:
    count = min(len(first), len(second))
    weights = np.array([weight for _, weight in first[:count]])
    weights = weights / weights.sum()
    parts = np.array([[loss for loss, _ in some[:count]] for some in (first, second)], dtype=np.int64)

    def shortfall(losses: npt.NDArray[np.int64]) -> float:
        of = LossSample(losses, weights, independent_error)
        excess = np.maximum(losses - of.quantile(level), 0)
        return of.quantile(level) + float(weights @ excess) / (1 - level)

    together = shortfall(parts.sum(axis=0))
    assert together <= shortfall(parts[0]) + shortfall(parts[1]) + 1e-6 * together + 1e-6
    found = contributions(LossSample(parts.sum(axis=0), weights, independent_error), parts, level)
    assert sum(part.value for part in found.es) == pytest.approx(together, rel=1e-9, abs=1e-3)
