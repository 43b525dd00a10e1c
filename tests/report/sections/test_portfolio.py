"""Counts of rows and reasons of rejects."""

from typing import Any

from montecarlo.report.page import render
from tests.report.reading import visible


def test_rejects_are_sorted_by_number(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert text.index("GrossIncome must not be negative 5") < text.index("LoanTerm is empty 2")


def test_counts_that_do_not_add_up_are_called_out(result: dict[str, Any]) -> None:
    assert "do not add up" not in visible(render(result, {}))
    result["loans"]["read"] = 3345
    assert "These counts do not add up: they differ by 5." in visible(render(result, {}))


def test_borrowers_are_among_the_concentrations_and_the_largest_are_named(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert "By borrower 0.0008 1,250 3,000" in text
    listed = text[text.rindex("Largest borrowers") :]
    assert "The 10 of 3,000 that owe most. Borrower Loans Exposure Share of the portfolio obligor-0 3 $20.0M" in listed
    assert "obligor-9 12 $11.0M 2.00 %" in listed


def test_borrowers_that_were_not_all_added_up(result: dict[str, Any]) -> None:
    result["portfolio"]["borrowers"] |= {"one_in": 4, "largest": []}
    text = visible(render(result, {}))
    assert "Borrowers: estimated from one in 4." in text
    assert "Largest borrowers" not in text


def test_a_portfolio_that_names_no_borrowers(result: dict[str, Any]) -> None:
    del result["portfolio"]["borrowers"]
    del result["contributions"]
    assert "orrower" not in visible(render(result, {}))
