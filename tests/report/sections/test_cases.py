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


def test_cases_tell_what_collateral_is_worth_in_them_and_how_likely_they_are(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert "Collateral is worth" not in text
    assert "Expected credit losses are weighed" not in text
    result["cases"]["base"] |= {"probit_shift": {}, "probability": 0.75}
    result["cases"]["stressed"] |= {"collateral_shift": {"auto": -0.25}, "probability": 0.25}
    text = visible(render(result, {}))
    assert "Probability Base 3.63 % none none 75.00 % Stressed 8.00 % – Auto −25 % 25.00 %" in text
    assert "Collateral is worth more or less by the shares below, so that LGDs differ." in text
    assert "Expected credit losses are weighed with the probabilities of the cases, and nothing else is." in text
