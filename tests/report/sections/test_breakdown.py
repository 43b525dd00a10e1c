"""Losses by segment and region."""

from typing import Any

from montecarlo.report.page import render
from tests.report.reading import visible
from tests.report.sample import HOSTILE


def test_regions_stand_in_order_with_their_states(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert text.index("9xxxx AK AP AS CA GU HI MP OR WA") < text.index("Unknown 333")


def test_contributions_stand_with_their_margins(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert (
        "Segment Exposure Base VaR 99 % Stressed VaR 99 % Base ES 99 % Stressed ES 99 %"
        " Credit card 250.0 10.4 15.6 17.8 ±5 % 26.7 ±5 %"
    ) in text


def test_contributions_at_another_level(result: dict[str, Any]) -> None:
    result["contribution_level"] = 99.9
    del result["portfolio"]["segments"]["credit_card"]
    for case in result["cases"].values():
        case["segments"] = {
            "auto": {"var_99.9_contribution": 1e6, "es_99.9_contribution": 2e6, "interval_95": None},
            "personal": {"var_99.9_contribution": 3e6, "es_99.9_contribution": 6e6, "es_99_contribution": 5e6},
        }
    text = visible(render(result, {}))
    assert "Base ES 99.9 % Stressed ES 99.9 % Auto 750.0 1.0 1.0 2.0 2.0 Personal – 3.0 3.0 6.0 6.0 Total" in text
    assert "ES 99.9 %, Base ES 99.9 %, Stressed Personal – – 75 % 75 % Auto" in text
    assert "ES 99 %, Base" not in text


def test_a_dimension_has_its_own_section_with_capital_and_provisions(result: dict[str, Any]) -> None:
    held = {"AAA": {"loans": 3, "exposure": 8e8}, HOSTILE: {"loans": 4, "exposure": 1e8}, "other": {"loans": 1}}
    result["portfolio"]["dimensions"] = {"Rating": {"told": "largest", "values": held}, "Branch": {}}
    for case in result["cases"].values():
        case["dimensions"] = {
            "Rating": {
                "AAA": {"el": 1e6, "var_99_contribution": 2e6, "es_99_contribution": 3e6, "capital": 4e6},
                HOSTILE: {"el": 2e6, "twelve_month_ecl": 1.5e6},
            }
        }
    page = render(result, {})
    text = visible(page)
    assert "Losses by Rating The values with the largest exposure have a line of their own; other has the rest." in text
    assert "Rating Loans Exposure Base EL Stressed EL EL compared AAA 3 800.0 1.0 0.12 % 1.0 0.12 %" in text
    assert "Capital and provisions" in text
    assert "Losses by Branch" not in text
    assert "<script>alert" not in page
