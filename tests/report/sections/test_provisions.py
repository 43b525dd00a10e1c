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
