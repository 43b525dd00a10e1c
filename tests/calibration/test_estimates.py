"""Estimates recover what is known, agree with formulas that are not theirs, and refuse what has no finite estimate."""

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from calibration import quality, rates, scorecard
from calibration.calibrate import calibrate
from calibration.history import History
from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model.parameters import load
from tests.calibration.histories import COLUMNS, TRUTH, history, loans, outcomes, truth, write

optimize: Any = import_module("scipy.optimize")
stats: Any = import_module("scipy.stats")

SEEDS = range(12)
NAMES = [*TRUTH["scorecard"], "auto", "personal"]
KNOWN = [*TRUTH["scorecard"].values(), -4.0, -3.2]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> History:
    """6,000 loans; tests draw outcomes for them anew."""
    return history(write(tmp_path_factory.mktemp("history") / "h.csv", outcomes(loans(1, 6_000), 1)))


def by_account(found: History, columns: dict[str, npt.NDArray[Any]], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values in the order of the history, which dates have sorted."""
    place = {account: row for row, account in enumerate(columns["AccountID"].tolist())}
    return values[[place[account] for account in found.loans.account_id.to_pylist()]]


def test_known_coefficients_lie_in_their_intervals_as_often_as_these_say(read: History) -> None:
    """12 histories of 7 parameters: 95 % of 84 intervals, within four standard errors of that share; each
    parameter's mean within four standard errors of the truth.
    """
    pd = by_account(read, columns := loans(1, 6_000), truth(columns))
    held, values = np.zeros((len(SEEDS), 7), bool), np.zeros((len(SEEDS), 7))
    for seed in SEEDS:
        defaulted = np.random.default_rng(seed).random(len(pd)) < pd
        fit = scorecard.fit(read.loans, defaulted, load())
        assert not fit.kept
        found = [*fit.coefficients.values(), fit.intercepts["auto"], fit.intercepts["personal"]]
        values[seed] = [each.value for each in found]
        held[seed] = [
            low <= known <= high for (low, high), known in zip((e.interval for e in found), KNOWN, strict=True)
        ]
        assert [*fit.coefficients] == NAMES[:5]
    assert 0.95 - 4 * math.sqrt(0.95 * 0.05 / 84) <= held.mean() <= 0.95 + 4 * math.sqrt(0.95 * 0.05 / 84)
    error = values.std(axis=0, ddof=1) / math.sqrt(len(SEEDS))
    assert (np.abs(values.mean(axis=0) - KNOWN) < 4 * error + 0.01 * np.abs(KNOWN)).all(), (
        "a maximum is biased by O(1/n)"
    )


def test_the_maximum_and_its_errors_are_those_of_another_formula(read: History) -> None:
    """The log-likelihood maximised by SciPy, and its Hessian written out."""
    y = read.defaulted.astype(float)
    x = np.column_stack(
        [scorecard.features(read.loans, load().scorecard), *(read.loans.segment == place for place in (1, 0))]
    )

    def minus(b: npt.NDArray[np.float64]) -> float:
        return float((np.logaddexp(0, x @ b) - y * (x @ b)).sum())

    def slope(b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(x.T @ (1 / (1 + np.exp(-x @ b)) - y))

    best = optimize.minimize(minus, np.zeros(7), jac=slope, method="BFGS", options={"gtol": 1e-6}).x
    p = 1 / (1 + np.exp(-x @ best))
    errors = np.sqrt(np.diag(np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x)))
    fit = scorecard.fit(read.loans, read.defaulted, load())
    found = [*fit.coefficients.values(), fit.intercepts["auto"], fit.intercepts["personal"]]
    assert [each.value for each in found] == pytest.approx(best, abs=2e-5)
    assert [each.standard_error for each in found] == pytest.approx(errors, rel=1e-4)


def test_the_written_parameters_are_those_that_were_judged_and_a_run_takes_them(read: History) -> None:
    found = calibrate(read, "h.csv", COLUMNS)
    assert load(found.document) == found.parameters
    assert found.parameters.scorecard.rate == pytest.approx(found.fit.coefficients["rate"].value, rel=1e-5)
    assert "estimated from h.csv" in found.document["scorecard"]["rate"]["source"]
    assert found.after is not None
    assert found.before is not None
    assert found.after.loans + found.fit.loans == len(read)
    assert found.after.brier < found.before.brier
    assert found.parameters.segments["mortgage"] == load().segments["mortgage"]
    cut = found.split.split(" up to ")[1][:10]
    assert read.day is not None
    assert found.fit.loans == int((read.day <= np.datetime64(cut)).sum())


def test_what_a_parameter_file_says_otherwise_stays(read: History) -> None:
    given = {"name": "ours", "segments": {"mortgage": {"lgd": 0.33}}, "scorecard": {"reference_rate": 5}}
    found = calibrate(read, "h.csv", COLUMNS, given)
    assert given == {"name": "ours", "segments": {"mortgage": {"lgd": 0.33}}, "scorecard": {"reference_rate": 5}}
    assert found.parameters.segments["mortgage"].lgd == 0.33
    assert found.parameters.scorecard.reference_rate == 5
    assert found.parameters.name == "ours, calibrated"


def changed(tmp_path: Path, count: int = 2_000, **columns: Any) -> History:
    """A history with some columns replaced by constants or functions of all columns."""
    whole = outcomes(loans(3, count), 3)
    for name, value in columns.items():
        whole[name] = value(whole) if callable(value) else np.full(count, value)
    return history(write(tmp_path / "h.csv", whole))


def test_what_is_the_same_for_all_stays_as_it_was_and_counts(tmp_path: Path) -> None:
    found = changed(tmp_path, LoanTerm=36)
    fit = scorecard.fit(found.loans, found.defaulted, load())
    assert "term" not in fit.coefficients
    assert "is the same" in fit.kept["scorecard.term"]
    other = scorecard.fit(found.loans, found.defaulted, load({"scorecard": {"term": 1.0}}))
    assert other.intercepts["auto"].value == pytest.approx(fit.intercepts["auto"].value + (1 - 0.03) * 2, abs=1e-5)


def test_columns_that_say_the_same_are_told(tmp_path: Path) -> None:
    found = changed(tmp_path, Rate=lambda all: (all["LoanTerm"] / 12).round(6))
    fit = scorecard.fit(found.loans, found.defaulted, load())
    assert "follows from the others" in fit.kept["scorecard.term"]
    assert "rate" in fit.coefficients


def test_debt_to_income_below_zero_is_taken_as_zero(tmp_path: Path) -> None:
    def backwards(all: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        wrong = {**TRUTH, "scorecard": {**TRUTH["scorecard"], "debt_to_income": -4.0}}
        return (np.random.default_rng(7).random(len(all["Rate"])) < truth(all, wrong)).astype(int)

    found = changed(tmp_path, 6_000, Outcome=backwards)
    made = calibrate(found, "h.csv", COLUMNS)
    assert made.parameters.scorecard.debt_to_income == 0
    assert "below zero" in made.document["scorecard"]["debt_to_income"]["source"]
    assert "debt_to_income" not in made.fit.coefficients
    assert set(made.fit.at_zero) == {"debt_to_income"}
    assert not made.fit.kept


def test_a_segment_with_one_outcome_stays_as_it_was(tmp_path: Path) -> None:
    found = changed(tmp_path, Outcome=lambda all: all["Outcome"] * (all["Segment"] == "personal"))
    fit = scorecard.fit(found.loans, found.defaulted, load())
    assert "auto" not in fit.intercepts
    assert "none of its" in fit.kept["segments.auto.intercept"]


def in_part(all: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Defaults among some of the loans with a rate of 12 % only."""
    return np.asarray((all["Rate"] == 12) & (np.arange(len(all["Rate"])) % 3 == 0)).astype(int)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"Outcome": 0}, "none of the .* loans to learn from defaulted"),
        ({"Outcome": 1}, "all of the .* loans to learn from defaulted"),
        ({"Outcome": lambda all: (all["Rate"] > 10).astype(int)}, "no finite estimate"),
        ({"Rate": lambda all: np.where(all["LoanTerm"] > 40, 12, 5), "Outcome": in_part}, "no finite estimate"),
        ({"Outcome": lambda all: (all["Segment"] == "auto").astype(int)}, "in no segment"),
    ],
)
def test_outcomes_without_a_finite_estimate_are_refused(tmp_path: Path, columns: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidPortfolio, match=says):
        calibrate(changed(tmp_path, 1_000, **columns), "h.csv", COLUMNS)


def test_three_loans_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(InvalidPortfolio, match=r"no finite estimate|defaulted"):
        calibrate(changed(tmp_path, 3), "h.csv", COLUMNS)


# ---------------------------------------------------------------------------------------------------------------------
# Default rates


@pytest.mark.parametrize(("defaults", "loans_"), [(0, 10), (10, 10), (1, 100), (37, 1_000)])
def test_jeffreys_intervals_are_quantiles_of_the_beta_distribution(defaults: int, loans_: int) -> None:
    """By bisection on the regularised incomplete beta function."""
    low, high = rates.jeffreys(defaults, loans_)
    cdf = import_module("scipy.special").betainc
    assert (low == 0) == (defaults == 0)
    assert (high == 1) == (defaults == loans_)
    if low:
        assert cdf(defaults + 0.5, loans_ - defaults + 0.5, low) == pytest.approx(0.025, abs=1e-9)
    if high < 1:
        assert cdf(defaults + 0.5, loans_ - defaults + 0.5, high) == pytest.approx(0.975, abs=1e-9)
    assert rates.posterior_mean(defaults, loans_) == pytest.approx(
        stats.beta(defaults + 0.5, loans_ - defaults + 0.5).mean()
    )


def vasicek(pd: float, rho: float, years: int, draw: np.random.Generator) -> npt.NDArray[np.float64]:
    """Default rates of large pools in independent years."""
    z = draw.standard_normal(years)
    return np.asarray(stats.norm.cdf((stats.norm.ppf(pd) - math.sqrt(rho) * z) / math.sqrt(1 - rho)))


def minus_log_density(x: npt.NDArray[np.float64], seen: npt.NDArray[np.float64]) -> float:
    """Of Vasicek's distribution, as his paper writes the density. x: PD and rho."""
    pd, rho = x
    probit = stats.norm.ppf(seen)
    inner = (math.sqrt(1 - rho) * probit - stats.norm.ppf(pd)) ** 2 / (2 * rho)
    return -float((0.5 * math.log((1 - rho) / rho) - inner + probit**2 / 2).sum())


@pytest.mark.parametrize(("pd", "rho"), [(0.01, 0.12), (0.05, 0.04), (0.2, 0.5)])
def test_the_maximum_on_vasiceks_density_is_the_one_that_a_search_finds(pd: float, rho: float) -> None:
    """Nelder and Mead's search on the density, and the observed information by differences of second order."""
    seen = vasicek(pd, rho, 30, np.random.default_rng(3))
    found = rates.correlation(seen.tolist())
    best = optimize.minimize(
        minus_log_density,
        [pd, rho],
        args=(seen,),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4_000},
    ).x
    assert [found.pd, found.rho] == pytest.approx(best, rel=1e-5)
    step = best * 1e-4
    hessian = np.zeros((2, 2))
    for i in (0, 1):
        for j in (0, 1):
            hessian[i, j] = sum(
                a * b * minus_log_density(best + a * step * np.eye(2)[i] + b * step * np.eye(2)[j], seen)
                for a in (-1, 1)
                for b in (-1, 1)
            ) / (4 * step[i] * step[j])
    errors = np.sqrt(np.diag(np.linalg.inv(hessian)))
    assert [found.pd_standard_error, found.standard_error] == pytest.approx(errors, rel=1e-3)


def test_known_correlations_lie_in_their_intervals_as_often_as_these_say() -> None:
    """1,000 series of 25 years: 95 %, less what few years cost such an interval (2 points) and four standard errors."""
    draw = np.random.default_rng(9)
    held = []
    for _ in range(1_000):
        low, high = rates.correlation(vasicek(0.02, 0.1, 25, draw).tolist()).interval
        held.append(low <= 0.1 <= high)
    assert 0.95 - 0.02 - 4 * math.sqrt(0.05 * 0.95 / 1_000) <= np.mean(held) <= 0.98


def test_luck_among_few_loans_is_told() -> None:
    draw = np.random.default_rng(4)
    many = [200] * 25
    seen = [max(draw.binomial(n, 0.05), 1) / n for n in many]
    found = rates.correlation(seen, many)
    assert found.noise is not None
    assert found.noise > 0.5
    assert any("luck among single loans" in doubt for doubt in found.doubts)
    assert rates.correlation(vasicek(0.05, 0.2, 25, draw).tolist(), [1_000_000] * 25).doubts == []


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([], "there are 0 periods"),
        ([0.01, 0.02, 0.03, 0.04], "there are 4 periods, but at least 5"),
        ([0.01, 0.02, 1.2, 0.01, 0.02], "rate 3 must lie between 0 and 1"),
        ([0.01, -0.02, 0.2, 0.01, 0.02], "rate 2 must lie between 0 and 1"),
        ([0.01, 0.02, math.nan, 0.01, 0.02], "rate 3 must lie between 0 and 1"),
        ([0.01, 0.0, 0.2, 0.01, 0.02], "in period 2 no loan defaulted"),
        ([0.01, 0.1, 0.2, 1, 0.02], "in period 4 every loan defaulted"),
        ([0.02] * 10, "the rates are all the same"),
    ],
)
def test_series_that_tell_no_correlation_are_refused(seen: list[float], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        rates.correlation(seen)


# ---------------------------------------------------------------------------------------------------------------------
# Quality


def test_the_area_under_the_curve_counts_pairs() -> None:
    draw = np.random.default_rng(2)
    pd, defaulted = draw.integers(1, 8, 300) / 20, draw.random(300) < 0.3
    ones, zeros = pd[defaulted], pd[~defaulted]
    pairs = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    area, error = quality.area(pd, defaulted)
    assert area == pytest.approx(pairs.mean())
    by_ones, by_zeros = pairs.mean(axis=1), pairs.mean(axis=0)
    delong = by_ones.var(ddof=1) / ones.size + by_zeros.var(ddof=1) / zeros.size
    assert error == pytest.approx(math.sqrt(delong))
    assert quality.area(pd, np.zeros(300, bool)) == (None, None)
    assert quality.area(np.array([0.1, 0.2]), np.array([False, True])) == (1.0, None)
    assert stats.mannwhitneyu(ones, zeros).statistic / pairs.size == pytest.approx(area)


def test_bins_hold_every_loan_once_and_the_same_pds_together() -> None:
    draw = np.random.default_rng(2)
    pd = np.concatenate([np.full(400, 0.01), draw.uniform(0, 0.2, 600)])
    defaulted = draw.random(1_000) < pd
    found = quality.measure(pd, defaulted)
    assert sum(each.loans for each in found.bins) == 1_000
    assert sum(each.defaults for each in found.bins) == found.defaults == defaulted.sum()
    assert [each.pd for each in found.bins] == sorted(each.pd for each in found.bins)
    assert sum(each.loans >= 400 for each in found.bins) == 1
    one = quality.measure(np.array([0.3]), np.array([True]))
    assert one.brier == pytest.approx(0.49)
    assert (one.auc, len(one.bins)) == (None, 1)
