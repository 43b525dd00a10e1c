"""What a portfolio does not tell is not made up: lifetimes without a term, and one expected loss for all purposes."""

import io
from typing import Any

import pyarrow.parquet as pq
import pytest

from montecarlo.model.parameters import load
from montecarlo.simulation import kernel
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, simulate

HEADER = "AccountID,PD,EAD,LGD,Rate,LoanAmount,LoanTerm,OriginationDate,Segment,ZipCode"
REQUEST = {"run": "r", "portfolio": "portfolios/p/", "scenarios": 2_000, "as_of": "2026-01-01"}


def run(*rows: str, **request: Any) -> tuple[dict[str, Any], MemoryHost]:
    host = MemoryHost()
    lines = [f"A{number},{row}" for number, row in enumerate(rows)]
    host.s3.objects["portfolios/p/a.csv"] = "\n".join([HEADER, *lines, ""]).encode()
    return simulate(host, **{**REQUEST, **request}), host


BARE = "0.02,1000,0.5,,,,,personal,"
WITH_TERM = "0.02,1000,0.5,6,2000,60,2026-01-01,auto,10001"
IN_DEFAULT = "1,1000,0.5,,,,,auto,"


def test_loans_without_a_term_have_no_lifetime() -> None:
    result, host = run(*[BARE] * 30)
    case = result["cases"]["base"]
    assert case["ecl"]["lifetime"] is None
    assert case["ecl"]["twelve_month"] == pytest.approx(case["el"], abs=0.01)
    assert case["not_applicable"] == {"lifetime_ecl": 30}
    assert case["segments"]["personal"]["lifetime_ecl"] is None
    table = pq.read_table(io.BytesIO(host.s3.objects[keys.segments("r")]))
    assert str(table.schema.field("lifetime_ecl").type) == "double"


def test_some_loans_without_a_term_are_counted_and_left_out() -> None:
    result, host = run(*[BARE] * 3, *[WITH_TERM] * 5, IN_DEFAULT)
    case = result["cases"]["base"]
    assert case["not_applicable"] == {"lifetime_ecl": 3}
    assert case["segments"]["personal"]["lifetime_ecl"] is None
    assert case["segments"]["auto"]["lifetime_ecl"] == case["ecl"]["lifetime"]
    loans = pq.read_table(io.BytesIO(host.s3.objects[keys.chunk_loans("r", 0, 0)]))
    lifetimes = loans["LifetimeECL_base"].to_pylist()
    assert [lifetime is None for lifetime in lifetimes] == [True] * 3 + [False] * 6
    assert lifetimes[-1] == 500.0, "a loan in default is provided for in full"
    assert sum(x for x in lifetimes if x is not None) == pytest.approx(case["ecl"]["lifetime"], abs=0.01)
    assert lifetimes[3] > loans["TwelveMonthECL_base"].to_pylist()[3]


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.6])
def test_el_and_ecl_have_one_lgd(correlation: float) -> None:
    """Whatever ties LGDs to the economy, twelve months without a payment and at no interest are the expected loss."""
    lgd = {name: {"lgd_volatility": 0.5, "lgd_correlation": correlation} for name in load().segments}
    case = run(*[BARE] * 100, parameters={"segments": lgd})[0]["cases"]["base"]
    assert case["ecl"]["twelve_month"] == pytest.approx(case["el"], abs=0.01)
    constant = 100 * 0.02 * 1000 * 0.5
    assert (case["el"] > 1.05 * constant) == (correlation > 0)
    assert case["el_check"]["agrees"]


def test_economic_capital_takes_the_headline() -> None:
    case = run(*[BARE] * 100)[0]["cases"]["base"]
    assert case["el"] == 1_000.0
    assert case["economic_capital"]["99.9"] == pytest.approx(case["var"]["99.9"] - 1_000.0)
    assert case["standard_error"]["el"] == 0
    assert case["el_check"]["simulated"] != case["el"]


def test_a_simulation_that_is_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses that are a tenth too large, as by a wrong kernel."""
    right = kernel.simulate

    def wrong(*arguments: Any) -> Any:
        found = right(*arguments)
        found.by_segment[...] = found.by_segment * 11 // 10
        return found

    monkeypatch.setattr(kernel, "simulate", wrong)
    check = run(*[BARE] * 2_000)[0]["cases"]["base"]["el_check"]
    assert check["agrees"] is False
    assert check["standard_errors_apart"] > 4


def test_one_scenario_tells_no_verdict() -> None:
    check = run(BARE, scenarios=1)[0]["cases"]["base"]["el_check"]
    assert check["agrees"] is check["standard_errors_apart"] is None


@pytest.mark.parametrize("tail_sampling", [True, False])
@pytest.mark.parametrize("certain", [(), ("1,10,0.5,,,,,auto,",)])
def test_too_few_scenarios_to_see_a_default_tell_no_verdict(certain: tuple[str, ...], tail_sampling: bool) -> None:
    """Nothing but what is certain is lost in any scenario, as is to be expected."""
    rare = "0.00001,1000,0.5,,,,,personal,"
    check = run(rare, *certain, scenarios=500, tail_sampling=tail_sampling)[0]["cases"]["base"]["el_check"]
    assert (check["simulated"], check["standard_error"]) == (5.0 * len(certain), 0.0)
    assert check["agrees"] is check["standard_errors_apart"] is None


def test_a_simulation_in_which_nothing_defaults_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = kernel.simulate

    def wrong(*arguments: Any) -> Any:
        found = right(*arguments)
        found.by_segment[...] = 0
        return found

    monkeypatch.setattr(kernel, "simulate", wrong)
    check = run(*[BARE] * 30)[0]["cases"]["base"]["el_check"]
    assert (check["simulated"], check["standard_error"], check["agrees"]) == (0.0, 0.0, False)
