"""Expected credit losses, and loans that have none over their lives."""

from typing import Any

from montecarlo.report.page import render
from tests.report.reading import notices, visible


def test_what_is_not_applicable_says_to_how_many_loans(result: dict[str, Any]) -> None:
    for figures in result["cases"].values():
        figures["ecl"]["lifetime"] = None
        figures["not_applicable"] = {"lifetime_ecl": 1}
        figures["segments"]["credit_card"]["lifetime_ecl"] = None
    page = render(result, {})
    assert "Base (3.63 %) 11.2 1.12 % n/a Stressed (8.00 %)" in visible(page)
    assert notices(page) == [
        "Lifetime ECL leaves out one loan that brings only PD and EAD: what remains of their terms is not known."
    ]


def test_segments_without_a_lifetime_are_left_out_of_the_total(result: dict[str, Any]) -> None:
    for figures in result["cases"].values():
        figures["not_applicable"] = {"lifetime_ecl": 10}
        figures["segments"]["auto"] = {"el": 1.0, "twelve_month_ecl": 4e6, "lifetime_ecl": None}
    text = visible(render(result, {}))
    assert "Auto 750.0 4.0 0.53 % 4.0 0.53 % n/a n/a Total 1,000.0 6.2 0.62 % 7.3 0.73 % 7.3 0.73 % 11.0 1.10 %" in text


def told_by_stage(result: dict[str, Any], amount: float | None, **not_applicable: int) -> None:
    for figures in result["cases"].values():
        figures["ecl"]["allowance"] = amount
        figures["not_applicable"] = not_applicable


def test_an_allowance_that_cannot_be_told_says_why_and_what_to_do(result: dict[str, Any]) -> None:
    told_by_stage(result, None, lifetime_ecl=12, allowance=3)
    page = render(result, {})
    assert "Base (3.63 %) 11.2 1.12 % 47.1 4.71 % n/a Stressed" in visible(page)
    assert notices(page)[-1] == (
        "There is no allowance: 3 loans in stage 2 or 3 have no known term, and so no lifetime ECL. Give each a "
        "LoanTerm and an OriginationDate; where no end is agreed, the life that is expected of it."
    )
    told_by_stage(result, None, allowance=1)
    assert "one loan in stage 2 or 3 has no known term" in notices(render(result, {}))[-1]
    told_by_stage(result, 2e7)
    assert notices(render(result, {})) == []


def test_what_the_cases_weigh_is_told_beside_them(result: dict[str, Any]) -> None:
    told_by_stage(result, 2e7)
    result["weighted_ecl"] = {"twelve_month": 1.25e7, "lifetime": 5e7, "allowance": 2.1e7}
    text = visible(render(result, {}))
    assert "Weighed with the probabilities 12.5 1.25 % 50.0 5.00 % 21.0 2.10 %" in text
    assert "Allowance by stage 20.0 20.0 +0.0 %" in text  # in the summary
    result["weighted_ecl"]["allowance"] = None
    assert "12.5 1.25 % 50.0 5.00 % – By segment" in visible(render(result, {}))


def test_what_is_provided_for_each_stage_adds_up(result: dict[str, Any]) -> None:
    told_by_stage(result, 6e6)
    holdings = {"1": {"loans": 3000, "exposure": 9e8}, "2": {"loans": 300, "exposure": 8e7}, "3": {"loans": 33}}
    result["portfolio"]["dimensions"] = {"Stage": {"told": "all", "values": holdings}}
    for figures in result["cases"].values():
        figures["dimensions"] = {
            "Stage": {
                "1": {"el": 1.0, "twelve_month_ecl": 1e6, "lifetime_ecl": 9e6},
                "2": {"el": 1.0, "twelve_month_ecl": 1e6, "lifetime_ecl": 2e6},
                "3": {"el": 1.0, "twelve_month_ecl": 3e6, "lifetime_ecl": 3e6},
            }
        }
    text = visible(render(result, {}))
    assert "1 3,000 900.0 1.0 1.0 2 300 80.0 2.0 2.0 3 33 – 3.0 3.0 All 3,333 1,000.0 6.0 6.0" in text
    told_by_stage(result, None, allowance=1)
    assert "By stage Amounts" not in visible(render(result, {}))


def test_when_loans_default_is_told_and_that_those_in_default_count_in_full(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert "A loan defaults in the middle of a year, on what is owed then. What is in default, by a PD of 1" in text
    for timing, told in {
        "year-end": "at the end of a year, on what was owed at its beginning.",
        "monthly": "at the end of a month, on what was owed at its beginning.",
    }.items():
        result["parameters"]["default_timing"] = timing
        assert f"A loan defaults {told}" in visible(render(result, {}))
