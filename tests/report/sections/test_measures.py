"""Every measure of every case, of few and of many."""

from typing import Any

from montecarlo.report.figures import measures_of
from montecarlo.report.page import render
from montecarlo.report.view import ResultView
from tests.report.reading import notices, parsed, visible
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
    for measure in measures_of(ResultView.of(many_cases()).cases):
        assert f"{measure.label} Case {measure.short} Change Base" in text
    assert "in the worst of the 16 other cases, Shock 8 (11.63 %), $22.2 million and $102 million" in text


def test_the_first_case_is_the_reference(result: dict[str, Any]) -> None:
    result["cases"] = {"stressed": result["cases"]["stressed"], "base": result["cases"]["base"]}
    assert "−6.2" in visible(render(result, {}))


def test_the_expected_loss_is_checked_by_the_simulated_one(result: dict[str, Any]) -> None:
    page = render(result, {})
    assert "EL as simulated, a check 12.4 agrees: 0.1 standard errors apart 18.6 agrees" in visible(page)
    assert not notices(page)
    result["cases"]["base"]["el_check"] = {"simulated": 22.4e6, "standard_errors_apart": 10.63, "agrees": False}
    page = render(result, {})
    assert "22.4 differs: 10.6 standard errors apart" in visible(page)
    assert notices(page) == [
        "The simulated EL differs from the one computed loan by loan by more than chance explains, 10.6 standard errors"
        " apart: repeat the run with another seed, and do not use its figures if they differ again."
    ]


def test_without_an_error_there_is_no_verdict(result: dict[str, Any]) -> None:
    result["cases"]["base"]["el_check"] = {"simulated": 1.0, "standard_errors_apart": None, "agrees": None}
    page = render(result, {})
    assert "EL as simulated, a check <0.1 18.6 agrees" in visible(page)
    assert not notices(page)


def test_a_figure_without_an_error_has_no_interval(result: dict[str, Any]) -> None:
    result["cases"]["base"]["interval_95"]["el"] = [12.3456e6, 12.3456e6]
    assert "Expected loss (EL) 12.3 18.5 16.7 to 22.2" in visible(render(result, {}))


def test_many_cases_are_checked_each() -> None:
    assert visible(render(many_cases(), {})).count("agrees: 0.1 standard errors apart") == len(MANY)


def test_many_levels_of_many_cases_have_a_table_for_each_measure() -> None:
    result = many_cases()
    levels = ("90", "99.5", "99.95", "99.97", "99.98", "99.99", "99.995", "99.999")
    for case in result["cases"].values():
        for measure in ("var", "es", "economic_capital"):
            case[measure] |= dict.fromkeys(levels, 1e6)
    page = render(result, {})
    captions = [table.findtext("caption") or "" for table in parsed(page).iter("table")]
    for title in ("Value at risk (VaR)", "Expected shortfall (ES)", "Economic capital"):
        assert [f"{title}, {level}\u00a0%" in captions for level in levels] == [True] * len(levels)
