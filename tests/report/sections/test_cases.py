"""What each case assumes, in full."""

from typing import Any

from montecarlo.report.page import render
from tests.report.reading import visible


def test_cases_tell_their_rates_and_shifts(result: dict[str, Any]) -> None:
    result["cases"]["stressed"]["probit_shift"] = {"credit_card": 0.3, "auto": -0.125, "personal": 0.0}
    text = visible(render(result, {}))
    assert "Base 3.63 % – Stressed 8.00 % Credit card +0.30, Auto -0.12" in text
    assert "A shift of +0.30 turns a PD of 1.00 % into one of 2.14 %." in text


def test_without_a_shift_there_is_nothing_to_explain(result: dict[str, Any]) -> None:
    result["cases"]["base"]["probit_shift"] = {}
    text = visible(render(result, {}))
    assert "Base 3.63 % none Stressed 8.00 % –" in text
    assert "A shift of" not in text
