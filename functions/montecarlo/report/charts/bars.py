"""Bars beside the numbers of a table, and the legend that tells cases apart."""

from collections.abc import Sequence

from montecarlo.report.charts.frame import line
from montecarlo.report.figures import case_label, case_style
from montecarlo.report.markup import Html, tag
from montecarlo.report.view import CaseView


def bars(cases: Sequence[CaseView], values: Sequence[float | None], longest: float) -> Html:
    """A row's bars, one for each case. Hidden from screen readers: the numbers stand beside them."""
    lengths = [160 * value / longest if value is not None and longest > 0 else 0.0 for value in values]
    drawn = (
        tag("rect", x=0, y=1 + 9 * row, width=max(length, 0.0), height=7, class_=f"bar {case_style(case)}")
        for row, (case, length) in enumerate(zip(cases, lengths, strict=True))
    )
    return tag("svg", *drawn, viewBox=f"0 0 160 {9 * len(cases)}", width=160, height=9 * len(cases), aria_hidden="true")


def legend(cases: Sequence[CaseView], sample: str, others: str = "") -> Html:
    """Which colour is which case.

    sample: "curve" or "bar", as the chart draws the cases. others: what the curves in the background are.
    """

    def entry(style: str, name: str) -> Html:
        look = f"{sample} {style}"
        mark = line(0, 6, 26, 6, look) if sample == "curve" else tag("rect", y=1, width=12, height=10, class_=look)
        width = 26 if sample == "curve" else 12
        swatch = tag("svg", mark, viewBox=f"0 0 {width} 12", width=width, height=12, aria_hidden="true")
        return tag("li", swatch, " ", name)

    entries = [entry(case_style(case), case_label(case)) for case in cases]
    return tag("ul", *entries, *([entry("other", others)] if others else []), class_="legend")
