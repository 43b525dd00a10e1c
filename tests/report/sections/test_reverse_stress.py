"""Which economy costs the capital available."""

from typing import Any

import pytest

from montecarlo.report.page import render
from tests.report.reading import visible

TITLE = "Reverse stress Which economy"


def section(result: dict[str, Any]) -> str:
    text = visible(render(result, {}))
    return text[text.rindex(TITLE) :] if TITLE in text else ""


def test_each_case_tells_how_far_and_how_rare_the_economy_is(result: dict[str, Any]) -> None:
    text = section(result)
    assert text.startswith("Reverse stress Which economy costs $60.0 million, the capital available, in expectation?")
    assert (
        "expectation? Base (3.63 %): An economy 2.75 standard deviations from the average one costs that much." in text
    )
    assert "Base (3.63 %) 2.75 0.30 % 336 years $6.00M $10.0M" in text
    assert "Stressed (8.00 %) 2.13 1.66 % 60 years $6.00M $10.0M" in text
    assert "Credit card −2.20 −1.70" in text
    assert "Credit card $250M $45.0M × 11.2 $45.0M × 11.2 Auto $750M $15.0M × 7.5" in text
    assert "no error of simulation" in text


def test_what_no_economy_costs_is_said(result: dict[str, Any]) -> None:
    beyond: dict[str, Any] = {"shift": None, "probability": None, "sectors": {}, "segments": {}}
    for case in result["reverse_stress"]["cases"].values():
        case |= beyond
    text = section(result)
    assert "Base (3.63 %) beyond 8 – – at most $900M $6.00M $10.0M" in text
    assert "The sectors' factors there" not in text


def test_an_average_economy_may_cost_it_already(result: dict[str, Any]) -> None:
    result["reverse_stress"]["cases"]["base"] |= {"shift": 0.0, "probability": 0.5}
    text = section(result)
    assert "Base (3.63 %) 0 – every other year" in text
    assert "Sector Stressed (8.00 %)" in text


def test_no_digits_are_claimed_of_what_is_rarer_than_once_in_a_million_years(result: dict[str, Any]) -> None:
    result["reverse_stress"]["cases"]["base"] |= {"shift": 6.83, "probability": 4.2e-12}
    assert "Base (3.63 %) 6.83 below 0.0001 % over 1,000,000 years" in section(result)


@pytest.mark.parametrize("absent", ["capital_available", "reverse_stress"])
def test_there_is_none_without_a_capital(result: dict[str, Any], absent: str) -> None:
    del result[absent]
    assert section(result) == ""


def test_where_it_is_not_known_the_way_to_it_is_told(result: dict[str, Any]) -> None:
    result["reverse_stress"] = None
    text = visible(render(result, {}))
    assert "chunks were simulated before it was asked for: montecarlo reverse-stress reads the loans again" in text
