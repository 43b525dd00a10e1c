"""Axes and labels."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.report.charts.frame import LETTER, Frame, amount_axis, fitted, place, ticks, width_of
from montecarlo.report.words import Currency
from tests.report.reading import parsed


@given(st.lists(st.floats(0, 900), min_size=1, max_size=4))
def test_labels_neither_overlap_nor_leave_the_chart(centres: list[float]) -> None:
    widths = [110.0] * len(centres)
    placed = place(sorted(centres), widths, 0.0, 900.0)
    assert placed[0] >= 55 - 1e-9
    assert placed[-1] <= 845 + 1e-9
    assert all(right - left >= 110 for left, right in pairwise(placed))


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 2.6e6, ["$0", "$0.5M", "$1.0M", "$1.5M", "$2.0M", "$2.5M"]),
        (0, 1.3e9, ["$0", "$0.2B", "$0.4B", "$0.6B", "$0.8B", "$1.0B", "$1.2B"]),
        (0, 0.01, ["$0", "$0.002", "$0.004", "$0.006", "$0.008", "$0.010"]),
    ],
)
def test_ticks_are_round(low: float, high: float, labels: list[str]) -> None:
    assert Currency("USD").ticks(ticks(low, high)) == labels


@pytest.mark.parametrize("high", [0.05, 300.0, 60e6, 300e9, 1000e12])
def test_the_label_at_the_end_of_the_axis_stays_inside(high: float) -> None:
    axis = parsed(f"<!DOCTYPE html><g>{amount_axis(Frame(0.0, high), 'Loss', Currency('CHF'))}</g>")
    last = max((text for text in axis.iter("text") if text.get("text-anchor") == "middle"), key=lambda text: x_of(text))
    assert x_of(last) == Frame(0.0, high).right
    assert x_of(last) + LETTER * len(last.text or "") / 2 <= 960


def x_of(text: ET.Element) -> float:
    return float(text.get("x", ""))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Stressed (8.00 %)", "Stressed (8.00 %)"),
        ("Rates up, prices down (8 %)", "Rates up, prices down (8 %)"),
        ("SEVERE HOUSING CRISIS OF 2027", "SEVERE HOUSING CRISIS…"),
        ("W" * 80, "W" * 15 + "…"),
        ("利" * 80, "利" * 11 + "…"),
    ],
)
def test_a_label_takes_no_more_than_its_room(text: str, label: str) -> None:
    assert fitted(text, 210.0) == label
    assert width_of(label) <= 210
