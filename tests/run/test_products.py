"""Runs over loans that repay otherwise, and lines: the same bits however they are cut, ordered and stressed."""

import io
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from additive.replay import Replay
from additive.what_if import what_if
from montecarlo.errors import InvalidInput
from montecarlo.model.parameters import TIMINGS, load
from montecarlo.portfolio import synthetic
from montecarlo.storage.parquet import to_parquet
from tests.memory_run import MemoryHost, figures, simulate

AS_OF = date(2026, 1, 1)


def book(loans: int = 300) -> pa.Table:
    """The made-up portfolio with ways to repay of all kinds, and lines."""
    table = synthetic.generate(0, loans, 3, AS_OF)
    amount, balance = table["LoanAmount"].to_pylist(), table["Balance"].to_pylist()

    def every(*values: Any) -> list[Any]:
        return [values[number % len(values)] for number in range(loans)]

    limit = [2 * owed if number % 5 == 0 else None for number, owed in enumerate(balance)]
    more = {
        "Amortisation": every(None, "linear", "bullet", "annuity"),
        "PaymentFrequency": every(None, "quarterly", "annual", "monthly", "semi-annual", None, None),
        "InterestOnlyUntil": pa.array(every(None, None, date(2026, 6, 30)), pa.date32()),
        "Balloon": [whole / 4 if number % 6 == 0 else None for number, whole in enumerate(amount)],
        "Limit": pa.array(limit, pa.float64()),
        "CollateralValue": pa.array([0.9 * owed if number % 3 else None for number, owed in enumerate(balance)]),
    }
    for name, column in more.items():
        table = table.append_column(name, pa.array(column))
    return table


def run(table: pa.Table, **request: Any) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """result.json's figures, and the loans' results by AccountID."""
    host = MemoryHost()
    host.s3.objects["portfolios/own/loans.parquet"] = to_parquet(table)
    result = simulate(host, run="r", portfolio="portfolios/own/", as_of="2026-01-01", scenarios=300, **request)
    keys = [key for key in sorted(host.s3.objects) if key.startswith("runs/r/loans/")]
    loans = pa.concat_tables([pq.read_table(io.BytesIO(host.s3.objects[key])) for key in keys]).sort_by("AccountID")
    return figures(result), {name: loans[name].to_pylist() for name in loans.column_names}


@pytest.fixture(scope="module")
def whole() -> tuple[dict[str, Any], dict[str, list[Any]]]:
    return run(book())


def test_chunks_and_order_change_no_bit(whole: tuple[dict[str, Any], dict[str, list[Any]]]) -> None:
    table = book()
    chunked, loans = run(table, chunk_loans=37, tail_sampling=True)
    assert loans == whole[1]
    assert chunked == whole[0]
    backwards = table.take(pa.array(range(len(table) - 1, -1, -1)))
    assert run(backwards, chunk_loans=101)[1] == whole[1]


def test_another_case_changes_nothing_of_the_first(whole: tuple[dict[str, Any], dict[str, list[Any]]]) -> None:
    cases = {"stressed": {"fed_rate": 8.0}, "lower": {"fed_rate": 1.0}}
    assert run(book(), cases=cases)[0]["cases"]["stressed"] == whole[0]["cases"]["stressed"]


HOUSES: dict[str, Any] = {
    "cases": {"houses": {"collateral_shift": {"mortgage": -0.25, "auto": -0.1}}, "rates": {"fed_rate": 8.0}}
}


def test_shifted_collateral_is_the_same_however_it_is_cut(whole: tuple[dict[str, Any], dict[str, list[Any]]]) -> None:
    result, loans = run(book(), dimensions=["LTV band"], **HOUSES)
    assert run(book(), chunk_loans=37, dimensions=["LTV band"], **HOUSES) == (result, loans)
    assert result["cases"]["base"]["es"] == whole[0]["cases"]["base"]["es"]
    rates = result["cases"]["rates"]
    assert "collateral_shift" not in rates
    assert rates["es"] == whole[0]["cases"]["stressed"]["es"]
    assert result["cases"]["houses"]["collateral_shift"] == {"mortgage": -0.25, "auto": -0.1}
    rows = zip(loans["Segment"], loans["LossAtDefault_base"], loans["LossAtDefault_houses"], strict=True)
    worse = {segment for segment, base, shifted in rows if shifted > base}
    assert worse == {"mortgage", "auto"}
    assert loans["LossAtDefault"] == loans["LossAtDefault_base"] == loans["LossAtDefault_rates"]
    assert sum(loans["ExpectedLoss_houses"]) == pytest.approx(result["cases"]["houses"]["el"], abs=0.02)
    bands = result["portfolio"]["dimensions"]["LTV band"]["values"]
    assert bands["above 100 %"]["loans"] == 200
    assert bands["not given"]["loans"] == 100


def test_an_lgd_of_its_own_beside_collateral_is_told() -> None:
    table = book(40).append_column("LGD", pa.array([0.3] * 40))
    result, loans = run(table, **HOUSES)
    assert loans["LossAtDefault_houses"] == loans["LossAtDefault_base"]
    assert any("bring an LGD and a CollateralValue: 26" in warning for warning in result["input"]["warnings"])


def test_the_profile_counts_them(whole: tuple[dict[str, Any], dict[str, list[Any]]]) -> None:
    found = whole[0]["input"]
    assert (found["lines"], found["balloon"]) == (60, 50)
    assert found["columns"]["Utilisation"]["median"] == pytest.approx(0.5)
    assert "above_limit" not in found


def test_what_is_provided_for_goes_by_stage() -> None:
    """By the columns, and by what each loan's own results say."""
    loans = 60
    table = book(loans)
    given = {
        "PD": [1.0 if number == 1 else 0.04 for number in range(loans)],
        "Stage": ["2" if number == 0 else None for number in range(loans)],
        "DaysPastDue": [{2: 29, 3: 30, 4: 89, 5: 90}.get(number) for number in range(loans)],
        "OriginationPD": [{6: 0.01, 7: 0.02}.get(number) for number in range(loans)],
    }
    for name, column in given.items():
        table = table.append_column(name, pa.array(column))
    result, found = run(table, dimensions=["Stage"])
    stages = result["portfolio"]["dimensions"]["Stage"]["values"]
    assert {name: stage["loans"] for name, stage in stages.items()} == {"1": 54, "2": 4, "3": 2}
    risen, defaulted = {0, 3, 4, 6}, {1, 5}
    place = {account: number for number, account in enumerate(sorted(found["AccountID"]))}
    for case in ("base", "stressed"):
        rows = zip(*(found[name] for name in ("AccountID", f"TwelveMonthECL_{case}", f"LifetimeECL_{case}",
                                              "LossAtDefault")), strict=True)  # fmt: skip
        whole = 0.0
        for account, twelve_month, lifetime, loss in rows:
            number = place[account]
            if number in defaulted:
                assert twelve_month == lifetime == loss
            whole += lifetime if number in risen | defaulted else twelve_month
        assert result["cases"][case]["ecl"]["allowance"] == pytest.approx(whole, abs=0.02)
    assert run(table, dimensions=["Stage"], chunk_loans=7) == (result, found)
    assert result["input"]["stage_2"] == 4
    assert any("in stage 3 with a PD below 1: 1." in warning for warning in result["input"]["warnings"])


def test_the_rules_of_stages_are_parameters_that_everything_reads_by(tmp_path: Path) -> None:
    """The run, its dimension, and loans that come later."""
    table = book(40).append_column("DaysPastDue", pa.array([20, 70] * 20))
    table = table.append_column("PD", pa.array([0.02] * 40)).append_column(
        "OriginationPD", pa.array([0.01] * 20 + [0.005] * 20)
    )
    host = MemoryHost()
    host.s3.objects["portfolios/own/loans.parquet"] = to_parquet(table)
    host.s3.objects["portfolios/some/loans.parquet"] = to_parquet(table.slice(0, 30))
    rules = {"staging": {"stage_2_days": 60, "stage_3_days": 71, "pd_multiple": 2, "pd_rise": 0.0125}}
    asked: dict[str, Any] = {"as_of": "2026-01-01", "scenarios": 100, "dimensions": ["Stage"], "parameters": rules}

    def stages(result: Mapping[str, Any]) -> dict[str, int]:
        found = result["portfolio"]["dimensions"]["Stage"]["values"]
        return {name: stage["loans"] for name, stage in found.items()}

    some = simulate(host, run="some", portfolio="portfolios/some/", **asked)
    whole = simulate(host, run="own", portfolio="portfolios/own/", **{**asked, "scenarios_from": "some"})
    assert stages(some) == {"1": 10, "2": 20}
    assert stages(whole) == {"1": 10, "2": 30}
    assert whole["parameters"]["staging"] == {**rules["staging"], "pd_multiple": 2.0}
    coming = tmp_path / "coming.parquet"
    coming.write_bytes(to_parquet(table.slice(30)))
    after = what_if(Replay.open(host.store, "some"), [coming]).after
    assert stages(after) == stages(whole)
    assert after["cases"]["base"]["ecl"] == whole["cases"]["base"]["ecl"]


def test_without_a_term_a_loan_in_stage_2_has_no_allowance() -> None:
    """And a file that says nothing of stages has all loans in stage 1."""
    table = pa.table({"AccountID": ["a", "b"], "PD": [0.1, 0.1], "EAD": [5e3, 7e3], "Stage": ["2", "1"]})
    case = run(table, dimensions=["Stage"])[0]["cases"]["base"]
    assert (case["ecl"]["allowance"], case["ecl"]["lifetime"]) == (None, None)
    assert case["not_applicable"] == {"lifetime_ecl": 2, "allowance": 1}
    known = table.set_column(3, "Stage", pa.array(["3", "1"]))
    case = run(known, dimensions=["Stage"])[0]["cases"]["base"]
    assert case["not_applicable"] == {"lifetime_ecl": 1}, "in stage 3 all is provided for, whatever the term"
    assert case["ecl"]["allowance"] > 5e3 * 0.65
    assert run(table)[0]["cases"]["base"]["not_applicable"] == {"lifetime_ecl": 2}
    plain = run(table.drop(["Stage"]), dimensions=["Stage"])[0]["cases"]["base"]["ecl"]
    assert plain["allowance"] == plain["twelve_month"] > 0
    assert "allowance" not in run(table)[0]["cases"]["base"]["ecl"]


def test_cases_are_weighed_with_their_probabilities() -> None:
    cases = {"worse": {"fed_rate": 8.0, "probability": 0.3}, "better": {"fed_rate": 2.0, "probability": 0.1}}
    result, loans = run(book(60), cases=cases, dimensions=["Stage"])
    assert [case["probability"] for case in result["cases"].values()] == [0.6, 0.3, 0.1]
    for name in ("twelve_month", "lifetime", "allowance"):
        base, worse, better = (case["ecl"][name] for case in result["cases"].values())
        assert result["weighted_ecl"][name] == pytest.approx(0.6 * base + 0.3 * worse + 0.1 * better, abs=0.01)
    plain, same = run(book(60), cases={name: {"fed_rate": case["fed_rate"]} for name, case in cases.items()},
                      dimensions=["Stage"])  # fmt: skip
    assert same == loans
    assert "weighted_ecl" not in plain
    assert plain["cases"]["worse"]["ecl"] == result["cases"]["worse"]["ecl"]


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ({"a": {"probability": 0.5}, "b": {}}, "give each case a probability, or none"),
        ({"a": {"probability": 0.7}, "b": {"probability": 0.4}}, "are 1.1 in all, but must not be more than 1"),
        ({"a": {"probability": 2}}, "cases.a.probability is 2, but must be a number from 0 to 1"),
        ({"a": {"collateral_shift": {"mortgage": -2}}}, "cases.a.collateral_shift.mortgage is -2"),
        ({"a": {"collateral_shift": {"boats": -1}}}, "cases.a.collateral_shift must be an object of numbers"),
    ],
)
def test_cases_that_cannot_be_are_named(cases: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        run(book(5), cases=cases)


def test_provisions_with_assumptions_are_the_same_however_they_are_cut() -> None:
    own = {"mortgage": {"prepayment": 0.2}, "auto": {"pd_by_year": [1.2, 1.4]}}
    assumed = {"default_timing": "year-end", "segments": own}
    table = book(120).append_column("EffectiveRate", pa.array([None, 9.5] * 60))
    whole = run(table, parameters=assumed)
    assert run(table, parameters=assumed, chunk_loans=23) == whole
    plain = run(book(120))[0]["cases"]["base"]
    assert whole[0]["cases"]["base"]["ecl"] != plain["ecl"]
    assert whole[0]["cases"]["base"]["es"] == plain["es"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("volatility", [0.0, 0.4])
@pytest.mark.parametrize("timing", TIMINGS)
def test_the_ends_of_what_is_allowed_are_simulated(volatility: float, timing: str) -> None:
    """Rates and terms at their ends, collateral of nothing, balloons of all, dates out of time: nothing overflows."""
    columns = ("AccountID", "PD", "EAD", "LoanAmount", "LoanTerm", "Rate", "ZipCode", "OriginationDate", "Balance",
               "Amortisation", "PaymentFrequency", "InterestOnlyUntil", "Balloon", "Limit", "CollateralValue", "Stage",
               "DaysPastDue", "EffectiveRate", "Segment", "RateType", "LGD")  # fmt: skip
    lines = (
        "a,0.1,500,,,,,,,bullet,annual,9999-12-31,,,0,2,,,,,",
        "b,0.1,500,,,,,,,linear,quarterly,,,9,1e12,,45,200,mortgage,floating,",
        "c,0.1,,1e12,1200,100,1,1900-01-01,,annuity,annual,,5,,,,,,mortgage,floating,",
        "d,0.1,,1000,1,0,1,2026-01-01,,linear,annual,2026-01-01,1000,,0,,90,0,commercial,floating,1",
        "e,0.1,,1000,1200,100,1,2026-01-01,,,annual,2126-01-01,,,0,3,,,commercial,floating,",
        "f,0.1,,1000,13,0.0001,1,2025-01-01,,linear,semi-annual,2025-06-01,1,,50,,,0.001,auto,floating,",
        "g,1,,1000,60,5,1,2020-01-01,500,,,,,100,,,,,auto,,",
        "h,0,0,1000,60,5,1,2020-01-01,0,,,,,0,10,,,,auto,,",
    )
    host = MemoryHost()
    host.s3.objects["portfolios/own/loans.csv"] = "\n".join((",".join(columns), *lines, "")).encode()
    extremes = {"prepayment": 0.9, "lgd_volatility": volatility, "lgd_correlation": volatility / 2}
    result = simulate(
        host, run="r", portfolio="portfolios/own/", as_of="2026-01-01", scenarios=100,
        dimensions=["Stage", "LTV band", "Amortisation"],
        parameters={"default_timing": timing, "segments": dict.fromkeys(("mortgage", "auto", "commercial"), extremes)},
        cases={"x": {"collateral_shift": {"mortgage": -1, "auto": 1, "commercial": -0.5}, "probability": 1},
               "y": {"fed_rate": -5, "probability": 0}},
    )  # fmt: skip
    assert result["loans"]["simulated"] == len(lines)
    assert result["weighted_ecl"]["twelve_month"] == result["cases"]["x"]["ecl"]["twelve_month"]
    assert 0 < result["cases"]["x"]["el"] <= result["exposure"]


@pytest.mark.parametrize(
    ("multiples", "message"),
    [(2, "segments.auto.pd_by_year must be a list"), ([1, -1], r"pd_by_year\[1\] must be a number from 0 to 100"),
     ([1.0] * 41, "a list of at most 40 numbers"), (["x"], r"pd_by_year\[0\] must be a number")],
)  # fmt: skip
def test_pds_by_year_that_are_none_are_named(multiples: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load({"segments": {"auto": {"pd_by_year": multiples}}})
