"""Which cases the charts show, and runs that have nothing to draw."""

from typing import Any

import numpy as np
import pytest

from montecarlo.report.charts.losses import Distribution
from montecarlo.report.page import render
from tests.report.reading import SVG, drawn_numbers, parsed, visible
from tests.report.sample import MANY, many_cases


def test_the_first_and_the_worst_are_compared(distributions: dict[str, Distribution]) -> None:
    page = render(many_cases(), dict.fromkeys(MANY, distributions["base"]))
    assert "Breakdowns compare Base, Shock 7 and Shock 8" in visible(page)
    assert "Other cases (14)" in visible(page)
    classes = [element.get("class", "") for element in parsed(page).iter(f"{SVG}path")]
    assert sum("outline" in name for name in classes) == 6 + len(MANY)
    # Each case and its enlarged tail, and each small chart; in the latter the first case once more.
    assert {name: classes.count(f"curve {name}") for name in ("case0", "case1", "case2", "other")} == {
        **dict.fromkeys(("case0", "case1", "case2"), 1),
        "other": 14 + 16,
    }
    assert max(len(row) for row in parsed(page).iter("tr")) <= 12


def test_no_scenario_and_no_weight(result: dict[str, Any]) -> None:
    empty = Distribution(np.zeros(0, np.int64), np.zeros(0))
    weightless = Distribution(np.array([1, 2]), np.zeros(2))
    assert "Exceedance" not in visible(render(result, {"base": empty, "stressed": weightless}))


def test_losses_after_the_shock_only(result: dict[str, Any]) -> None:
    none = Distribution(np.zeros(4, np.int64), np.full(4, 0.25))
    some = Distribution(np.array([0, 0, 5, 10]), np.full(4, 0.25))
    drawn_numbers(render(result, {"base": none, "stressed": some}))


@pytest.mark.parametrize("scenarios", [1, 2, 50])
def test_zero_losses(result: dict[str, Any], scenarios: int) -> None:
    zero = {"el": 0.0, "ul": 0.0, "var": {"99.9": 0.0}, "worst": 0.0, "segments": {"auto": {"el": 0.0}}}
    result["cases"] = {"base": zero, "stressed": zero}
    none = Distribution(np.zeros(scenarios, np.int64), np.full(scenarios, 1 / scenarios))
    page = render(result, {"base": none, "stressed": none})
    assert "No scenario lost anything" in visible(page)
    assert "Expected loss (EL) 0.00 0.00 –" in visible(page)
