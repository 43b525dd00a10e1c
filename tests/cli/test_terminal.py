"""The result as a table for the terminal."""

import io
import os
import re
import sys
from itertools import pairwise
from typing import Any

import pytest

from cli.history import Run
from cli.screen import is_ascii, show
from cli.tables import of_runs
from cli.terminal import format_table
from montecarlo.report.view import ResultView
from tests.report.sample import HOSTILE, case, full_result, many_cases, named


def table_of(result: dict[str, Any]) -> str:
    return format_table(ResultView.of({"schema": 1, **result}))


def test_text_cannot_steer_a_terminal() -> None:
    table = table_of(named(HOSTILE + "\r\n\x9b2J"))
    assert all(char.isprintable() for char in table.replace("\n", ""))


@pytest.mark.parametrize("empty", [{}, {"cases": {}}, {"cases": {"base": {}}}, {"cases": None, "loans": {}}])
def test_missing_keys(empty: dict[str, Any]) -> None:
    assert table_of(empty)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e30, 1e290])
def test_tiny_and_huge_amounts(scale: float) -> None:
    table = table_of({"exposure": scale, "cases": {"base": case(3.63, scale), "stressed": case(8.0, 2 * scale)}})
    assert max(len(line) for line in table.splitlines()) <= 100


def test_what_a_reader_must_know_is_said() -> None:
    result = full_result()
    result["sampling"] |= {"one_in": 10, "relative_error": 0.01}
    notice = "One loan in 10 was simulated and amounts are scaled up to all loans; that adds ±2 %, which the"
    assert notice in table_of(result)


def test_the_first_case_is_the_reference() -> None:
    result = full_result()
    cases = result["cases"]
    assert "−33.3 %" in table_of(result | {"cases": {"stressed": cases["stressed"], "base": cases["base"]}})


def test_another_currency() -> None:
    table = table_of(full_result() | {"currency": "CHF"})
    assert "Amounts in CHF million; exposure CHF 1.00B." in table
    assert "$" not in table


@pytest.mark.parametrize(
    ("usd", "shown"), [(0.0, "$0.00"), (0.0031, "<$0.01"), (0.0099, "<$0.01"), (1234.5, "$1,234.50")]
)
def test_a_run_that_cost_less_than_a_cent_did_not_cost_nothing(usd: float, shown: str) -> None:
    view = ResultView.of({"schema": 1, "run": "r", "cost": {"usd": usd}, "cases": {"base": {"el": 1.0}}})
    assert shown in of_runs([Run("r", "done", result=view)]).split("\n")[-1].split()


def test_what_a_small_run_loses_is_told_in_its_currency() -> None:
    case = {"el": 2_310.4, "var": {"99.9": 45_823.44}}
    view = ResultView.of({"schema": 1, "run": "r", "currency": "EUR", "cases": {"base": case}})
    assert of_runs([Run("r", "done", result=view)]).split("\n")[-1].split()[-2:] == ["€2.31K", "€45.8K"]


def test_what_is_not_applicable() -> None:
    result = full_result()
    for figures in result["cases"].values():
        figures["ecl"]["lifetime"] = None
        figures["not_applicable"] = {"lifetime_ecl": 3333}
    table = table_of(result)
    assert re.search(r"ECL, lifetime \(stage 2, CECL\) +n/a +n/a +–\n", table)
    assert "Lifetime ECL leaves out 3,333 loans that bring only PD and EAD" in table


def test_an_allowance_and_what_the_cases_weigh() -> None:
    result = full_result() | {"weighted_ecl": {"twelve_month": 1.25e7, "lifetime": None, "allowance": 2.1e7}}
    for figures in result["cases"].values():
        figures["ecl"]["allowance"] = 2e7
    table = table_of(result)
    assert re.search(r"Allowance by stage +20\.0 +20\.0 +\+0\.0 %\n", table)
    assert "ECL weighed with the probabilities of the cases: 12 months $12.5M, allowance $21.0M\n" in f"{table}\n"
    for figures in result["cases"].values():
        figures["ecl"]["allowance"], figures["not_applicable"] = None, {"allowance": 2}
    table = table_of(result)
    assert re.search(r"Allowance by stage +n/a +n/a +–\n", table)
    assert "There is no allowance: 2 loans in stage 2 or 3 have no known term" in table


def test_an_el_that_does_not_agree() -> None:
    result = full_result()
    result["cases"]["stressed"]["el_check"]["agrees"] = False
    table = table_of(result)
    assert re.search(r"\n  as simulated +agrees +differs\n", table)
    assert "The simulated EL differs from the one computed loan by loan" in table


def test_a_change_beyond_measure() -> None:
    table = table_of({"cases": {"base": {"el": 1e-300}, "stressed": {"el": 1e300}}})
    assert max(len(line) for line in table.splitlines()) <= 100


def test_the_whole_table() -> None:
    assert table_of(full_result()) == (
        "Run quarter-end: 2,000 scenarios, seed 4711\n"
        "\n"
        "                                   base  stressed    change\n"
        "-----------------------------------------------------------\n"
        "Federal Funds rate               3.63 %    8.00 %  +4.37 pp\n"
        "Mean probability of default      1.23 %    1.85 %  +0.62 pp\n"
        "Expected loss (EL)                 12.3      18.5   +50.0 %\n"
        "  as simulated                   agrees    agrees\n"
        "Unexpected loss (UL)                6.5       9.8   +50.0 %\n"
        "Value at risk (VaR), 95 %          23.5      35.2   +50.0 %\n"
        "Value at risk (VaR), 99 %          34.6      51.9   +50.0 %\n"
        "Value at risk (VaR), 99.9 %        56.8      85.2   +50.0 %\n"
        "  95 % interval                   ±15 %     ±15 %\n"
        "Expected shortfall (ES), 97.5 %    33.3      50.0   +50.0 %\n"
        "Expected shortfall (ES), 99 %      44.4      66.7   +50.0 %\n"
        "Expected shortfall (ES), 99.9 %    66.7     100.0   +50.0 %\n"
        "Economic capital, 99.9 %           44.4      66.7   +50.0 %\n"
        "Worst scenario                     66.7     100.0   +50.0 %\n"
        "Basel IRB capital                  88.1     132.2   +50.0 %\n"
        "ECL, 12 months (stage 1)           11.2      16.9   +50.0 %\n"
        "ECL, lifetime (stage 2, CECL)      47.1      70.7   +50.0 %\n"
        "\n"
        "Amounts in $ million; exposure $1.00B.\n"
        "Loans: 3,340 read = 3,333 simulated + 7 rejected + 0 not sampled\n"
        "Borrowers: 3,000, as concentrated as 1,250 equal borrowers; the largest has 2.00 % of the exposure"
    )


@pytest.mark.parametrize("others", [2, 3, 16])
@pytest.mark.parametrize("name", ["change", "fed", "a_rather_long_name_of_a_case"])
def test_at_most_100_columns(others: int, name: str) -> None:
    names = ["base", *(f"{name}_{index}" for index in range(others))]
    table = table_of({"run": "r" * 300, "cases": {name: case(3.63, 1e3) for name in names}})
    lines = table.splitlines()
    assert max(len(line) for line in lines) <= 100
    assert all(name[:15] in table for name in names)


def test_many_cases_have_a_line_each() -> None:
    names = ["base", "adverse", "severe", *(f"fed_{rate}" for rate in range(4, 17))]
    lines = table_of({"cases": {name: case(3.63, 1.0) for name in names}}).splitlines()
    blocks = sum(line.startswith("base") for line in lines)
    assert blocks <= 3
    assert len(lines) <= 4 + blocks * (len(names) + 3)
    assert sum("56.79 ±15 %" in line for line in lines) == len(names)


@pytest.mark.parametrize("others", [1, 5])
def test_many_levels_leave_no_line_too_long(others: int) -> None:
    names = ["base", *(f"stress_{index}" for index in range(others))]
    cases = {name: case(3.63, 1e3) for name in names}
    levels = ("90", "99.5", "99.95", "99.97", "99.98", "99.99", "99.995", "99.999")
    for figures in cases.values():
        for measure in ("var", "es", "economic_capital"):
            figures[measure] |= dict.fromkeys(levels, 1e6)
    table = table_of({"cases": cases})
    assert max(len(line) for line in table.splitlines()) <= 100
    assert all(f"{level} %" in table for level in levels)


@pytest.mark.parametrize("result", [full_result() | {"currency": "EUR"}, many_cases(), {"cases": {}}])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_screen_without_the_signs(result: dict[str, Any], encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain characters stand in their place, and the columns still end one below the other."""
    for figures in result["cases"].values():
        figures["ul"] = None
    screen = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", screen)
    assert is_ascii(screen)
    view = ResultView.of({"schema": 1, **result})
    show(format_table(view, is_ascii(screen)))
    screen.seek(0)
    lines = screen.read().splitlines()
    assert "".join(lines).isascii()
    assert max(len(line) for line in lines) <= 100
    for ruled, below in pairwise(lines):
        if ruled.startswith("---"):
            assert len(below) == len(ruled)
    if "stressed" in result["cases"]:
        assert re.search(r"\n  95 % interval +\+/-15 % +\+/-15 %\n", "\n".join(lines))
        assert "Amounts in EUR million" in "\n".join(lines)


def test_a_screen_with_the_signs() -> None:
    assert not is_ascii(io.TextIOWrapper(io.BytesIO(), "utf-8"))


def test_prose_breaks_between_words_on_a_terminal_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((24, 40)))
    text = "ok      layer: arn:aws:a-very-long-name cannot be read"
    show(text, hang=8)
    assert capsys.readouterr().out == f"{text}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    show(text, hang=8)
    show(text)
    assert capsys.readouterr().out == (
        "ok      layer:\n        arn:aws:a-very-long-name\n        cannot be read\n" + f"{text}\n"
    )
