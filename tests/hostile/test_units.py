"""Amounts in a unit that cents cannot count are refused, mostly before the run, and what is expected of a loan keeps
fractions of a cent.
"""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model.credit import MAX_ROUNDING, check_unit, loan_risks
from montecarlo.model.parameters import load
from montecarlo.portfolio.mapping import ColumnMapping
from tests.memory_run import MemoryHost, figures, simulate
from tests.pools import BASE, loans, tables_of

PARAMETERS = load()
TABLES = tables_of(PARAMETERS, BASE)
REQUEST = {"run": "small", "portfolio": "portfolios/small/", "scenarios": 500, "chunk_loans": 1_000}


def host_with(ead: float, pd: float = 0.0004, lgd: float = 0.45, count: int = 2_000) -> MemoryHost:
    host = MemoryHost()
    lines = ["AccountID,PD,EAD,LGD,Segment", *(f"A{i},{pd},{ead},{lgd},commercial" for i in range(count)), ""]
    host.s3.objects["portfolios/small/a.csv"] = "\n".join(lines).encode()
    return host


def in_millions(ead: float) -> dict[str, Any]:
    return {"columns": {"EAD": {"from": "EAD", "scale": 1_000_000}}}


@pytest.mark.parametrize("ead", [1.1, 0.011, 1e-6])
def test_amounts_in_millions_are_refused_with_the_way_out(ead: float) -> None:
    host = host_with(ead)
    with pytest.raises(InvalidPortfolio, match=r"expected loss of the first \d,\d+ loans by .*%.*scale"):
        simulate(host, **REQUEST)
    assert not [key for key in host.s3.objects if "chunk-" in key]


def test_with_the_scale_they_are_what_they_are_in_units() -> None:
    scaled = simulate(host_with(1.1), **REQUEST, mapping=in_millions(1.1))
    plain = simulate(host_with(1.1e6), **REQUEST)
    assert figures(scaled) == figures(plain)
    assert scaled["exposure"] == 2_000 * 1.1e6


def test_expected_amounts_below_a_cent_a_loan_add_up() -> None:
    """2,000 loans of 10, each expected to lose 0.18 cents, of which no cent is left if each is rounded."""
    case = simulate(host_with(10.0), **REQUEST)["cases"]["base"]
    assert case["el"] == pytest.approx(2_000 * 10 * 0.0004 * 0.45, abs=0.01)
    assert case["ecl"]["twelve_month"] == pytest.approx(case["el"], abs=0.005)
    large = simulate(host_with(1e6), **REQUEST)["cases"]["base"]
    assert case["capital"] == pytest.approx(large["capital"] / 1e5, abs=0.01)


def test_the_error_of_sampling_loans_does_not_vanish_with_small_amounts() -> None:
    """Equal loans, half of them simulated: a total's relative error is the root of 1 / 2 over the number simulated."""
    result = simulate(host_with(10.0), **REQUEST, sample=2)
    expected = (0.5 / result["loans"]["simulated"]) ** 0.5
    assert result["sampling"]["relative_error"] == pytest.approx(expected, rel=1e-3)


@settings(max_examples=800)
@given(st.floats(1e-4, 1e6), st.floats(1e-4, 1.0), st.floats(1e-6, 1.0), st.integers(1, 3))
def test_rounding_that_matters_is_always_refused(ead: float, lgd: float, pd: float, count: int) -> None:
    some = loans(count=count, ead=ead, lgd=lgd, pd=pd)
    risks = loan_risks(some, PARAMETERS, (BASE,), TABLES)
    exact = ead * lgd * 100
    error = abs(int(risks.loss[0]) - exact) / exact
    assume(abs(error / MAX_ROUNDING - 1) > 1e-3)
    if error > MAX_ROUNDING:
        with pytest.raises(InvalidPortfolio, match="scale"):
            check_unit(risks)
    elif int(risks.expected_loss()[0, 0]) > 1_000:  # less is itself rounded down by more than a thousandth
        check_unit(risks)


def test_nothing_owed_and_no_loans_are_no_question_of_units() -> None:
    for some in (loans(count=0), loans(ead=0.0), loans(lgd=0.0, ead=1.0), loans(pd=0.0, ead=1e-9)):
        check_unit(loan_risks(some, PARAMETERS, (BASE,), TABLES))


def mixed(large: int, small: dict[float, int]) -> MemoryHost:
    """A file of so many loans of 50, which hardly default, before others by what each owes."""
    rows = ["0.0001,50"] * large + [f"0.05,{ead}" for ead, count in small.items() for _ in range(count)]
    host = MemoryHost()
    lines = ["AccountID,PD,EAD,LGD", *(f"A{i},{row},0.45" for i, row in enumerate(rows)), ""]
    host.s3.objects["portfolios/small/a.csv"] = "\n".join(lines).encode()
    return host


# Losses of 0.45 cents are rounded to 0, of 0.9 cents to 1: in the second portfolio ups and downs would cancel.
@pytest.mark.parametrize("small", [{0.01: 10_000}, {0.01: 2_000, 0.02: 9_000}])
@pytest.mark.parametrize("more", [{}, {"sample": 2}, {"target_error": 1e-4, "max_scenarios": 2_000}])
def test_small_amounts_beyond_the_first_rows_are_refused_when_all_are_known(
    small: dict[float, int], more: dict[str, Any]
) -> None:
    host = mixed(5_000, small)
    with pytest.raises(InvalidPortfolio, match=r"expected loss of all \d+,\d+ loans by .*%.*scale"):
        simulate(host, **{**REQUEST, "chunk_loans": 4_000, **more})
    assert "runs/small/result.json" not in host.s3.objects


# ---------------------------------------------------------------------------------------------------------------------
# The currency


def test_the_currency_is_the_mappings() -> None:
    assert simulate(host_with(1e6), **REQUEST)["currency"] == "USD"
    assert simulate(host_with(1e6), **REQUEST, mapping={"currency": "KRW"})["currency"] == "KRW"


@pytest.mark.parametrize("code", ["", "eur", "EURO", "€", None, 5, ["EUR"], "EUR\n"])
def test_what_is_no_code_is_refused(code: Any) -> None:
    with pytest.raises(InvalidInput, match="currency must be an ISO 4217 code"):
        ColumnMapping.parse({"currency": code})
