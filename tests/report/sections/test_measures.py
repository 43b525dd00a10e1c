"""Every measure of every case, of few and of many."""

from typing import Any

import pytest

from montecarlo.report.page import render
from tests.report.reading import notices, visible
from tests.report.sample import MANY, many_cases


def test_figures_of_later_versions_are_shown(result: dict[str, Any]) -> None:
    result["cases"]["base"] |= {
        "effective_sample_size": 1234.0,
        "irb": {"capital": 321.5, "by_segment": {"auto": 17.25}},
        "ecl": {"stage_1": 55.125},
        "note": "not a number",
    }
    text = visible(render(result, {}))
    assert "count as 1,234 equally likely ones" in text
    for figure in ("Irb, Capital 321.5 –", "Irb, By segment, Auto 17.25", "Ecl, Stage 1 55.125"):
        assert figure in text


def test_an_interval_without_numbers_is_left_out(result: dict[str, Any]) -> None:
    result["cases"]["base"]["interval_95"]["el"] = [None, None]
    assert "Expected loss (EL) 12.3 18.5 16.7 to 22.2" in visible(render(result, {}))


def test_all_cases_have_their_measures() -> None:
    text = visible(render(many_cases(), {}))
    for index, name in enumerate(MANY):
        words = name.capitalize().replace("_", " ")
        assert f"{words} {3.63 + index:.2f} %" in text
    assert "in the worst of the 16 other cases, Shock 8 (11.63 %), $22.2 million and $102 million" in text


def test_the_first_case_is_the_reference(result: dict[str, Any]) -> None:
    result["cases"] = {"stressed": result["cases"]["stressed"], "base": result["cases"]["base"]}
    assert "−6.2" in visible(render(result, {}))


def test_the_simulated_el_is_checked_by_the_analytic_one(result: dict[str, Any]) -> None:
    page = render(result, {})
    assert "EL, analytic, as a check 12.4 agrees: 0.1 standard errors apart 18.6 agrees" in visible(page)
    assert not notices(page)
    result["cases"]["base"]["analytic_el"] += 10e6
    page = render(result, {})
    assert "22.4 differs: 10.6 standard errors apart" in visible(page)
    assert "The simulated EL lies 10.6 standard errors from the analytic one." in notices(page)[0]


@pytest.mark.parametrize("bounds", [[None, None], [12e6, 12e6]])
def test_without_an_error_there_is_no_verdict(result: dict[str, Any], bounds: list[float | None]) -> None:
    """As where no scenario lost anything: that says nothing against an analytic EL above zero."""
    result["cases"]["base"]["interval_95"]["el"] = bounds
    result["cases"]["base"]["analytic_el"] = 1.0
    page = render(result, {})
    assert "EL, analytic, as a check <0.1 18.6 agrees" in visible(page)
    assert not notices(page)


def test_many_cases_are_checked_each() -> None:
    assert visible(render(many_cases(), {})).count("agrees: 0.1 standard errors apart") == len(MANY)
