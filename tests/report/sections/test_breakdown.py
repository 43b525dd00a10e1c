"""Losses by segment and region."""

from typing import Any

from montecarlo.report.page import render
from tests.report.reading import visible


def test_regions_stand_in_order_with_their_states(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert text.index("9xxxx AK AP AS CA GU HI MP OR WA") < text.index("Unknown 333")
