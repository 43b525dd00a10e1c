"""What the page says of the simulation's precision."""

from typing import Any

from montecarlo.report.page import render
from tests.report.reading import visible


def test_how_scenarios_were_drawn(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert "Half of the 2,000 scenarios were drawn as they would occur, and half where the portfolio" in text
    assert "count as 1,100 equally likely ones" in text
    assert "At or beyond VaR 99.9 % lie 150 (Base), 150 (Stressed); of as many plain ones, about 2." in text
    assert "VaR 99.9 % is known to ±15 % (Base), ±15 % (Stressed), with 95 % confidence." in text
    result["sampling"]["method"] = "plain"
    assert "The 2,000 scenarios were drawn as they would occur, all alike." in visible(render(result, {}))


def test_effective_scenarios_are_told_at_their_own_level(result: dict[str, Any]) -> None:
    for case in result["cases"].values():
        case["var"]["99.97"] = 2 * case["var"]["99.9"]
    assert "At or beyond VaR 99.9 % lie 150 (Base), 150 (Stressed)" in visible(render(result, {}))
