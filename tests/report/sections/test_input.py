"""What went in, and what of it looks wrong."""

from typing import Any

import pytest

from montecarlo.errors import InvalidResult
from montecarlo.report.page import render
from tests.report.reading import notices, visible
from tests.report.sample import HOSTILE


def test_ranges_by_column_and_risk_by_segment(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert "Rate 333 1.25 2.5 7.5 20 23.75" in text
    assert "auto 1.23 % 45.00 %" in text
    assert "Look again" not in text


def test_what_looks_wrong_is_said_first_and_beside_the_figures(result: dict[str, Any]) -> None:
    result["input"]["warnings"] = [f"the median Rate is 0.11 % a year. {HOSTILE}"]
    page = render(result, {})
    assert visible(page).count("the median Rate is 0.11 % a year.") == 2
    assert any("What went in looks doubtful. Look again: the median Rate" in notice for notice in notices(page))


def test_a_result_without_a_profile(result: dict[str, Any]) -> None:
    del result["input"]
    assert "The numbers of the loans by column" not in visible(render(result, {}))


@pytest.mark.parametrize("wrong", [{"warnings": [1]}, {"columns": {"Rate": {"least": "x"}}}, {"segments": []}])
def test_a_damaged_profile_is_refused(result: dict[str, Any], wrong: dict[str, Any]) -> None:
    result["input"] |= wrong
    with pytest.raises(InvalidResult, match="input"):
        render(result, {})
