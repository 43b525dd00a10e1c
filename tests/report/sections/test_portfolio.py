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
