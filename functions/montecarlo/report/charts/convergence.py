"""How the estimates settled with the number of scenarios. Imports the view and its wording."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from montecarlo.model.measures import Z_95
from montecarlo.report.charts.frame import Frame, line, svg, text_at, ticks
from montecarlo.report.figures import case_label, case_style
from montecarlo.report.markup import Html, joined, tag
from montecarlo.report.view import CaseView
from montecarlo.report.words import count, plus_minus


@dataclass(frozen=True)
class Deviation:
    """What some scenarios estimate of a case, relative to the estimate of all, and half the 95 % interval of that."""

    case: CaseView
    scenarios: float
    value: float
    half: float


PANELS = (("el", "Expected loss (EL)"), ("var_99.9", "VaR 99.9 %"), ("es_99.9", "ES 99.9 %"))


def convergence_chart(cases: Sequence[CaseView]) -> Html | None:
    """Each estimate with its 95 % interval against the number of scenarios, relative to the estimate of all of them.

    None where there is nothing to compare.
    """
    drawn = [(title, points) for name, title in PANELS if (points := deviations(cases, name))]
    sizes = sorted({point.scenarios for _, points in drawn for point in points}, reverse=True)
    if len(sizes) < 2:
        return None
    most = max(abs(point.value) + point.half for _, points in drawn for point in points)
    limit = min(max(1.1 * most, 1e-6), 1.0)
    pad = 0.12 * math.log10(sizes[0] / sizes[-1])
    width, gap = 868.0 / len(drawn), 28.0
    children: list[Html] = []
    for column, (title, points) in enumerate(drawn):
        left = 76 + width * column
        frame = Frame(math.log10(sizes[-1]) - pad, math.log10(sizes[0]) + pad, left, left + width - gap, 32, 232)
        children.append(convergence_panel(frame, title, points, limit, sizes, len(cases)))
        if not column:
            labels = ticks(-limit, limit, 5)
            children += [text_at(left - 8, frame.y(middle(value, limit)) + 4, signed(value), "end") for value in labels]
    finals = (
        f"{case_label(point.case)}: {title} {plus_minus(point.half)}."
        for title, points in drawn
        for point in points
        if point.scenarios == sizes[0]
    )
    return svg(
        "convergence",
        "Convergence",
        "Estimates from fewer scenarios, relative to those from all, with 95 % intervals. From all scenarios: "
        + " ".join(finals),
        276,
        *children,
        text_at(76, 272, "Height: difference from the estimate of all scenarios", "start", "title"),
        text_at(944 - gap, 272, "Scenarios, logarithmic", "end", "title"),
    )


def deviations(cases: Sequence[CaseView], name: str) -> list[Deviation]:
    """Of one measure, by its name in the convergence table: case after case, most scenarios first."""
    found: list[Deviation] = []
    for case in cases:
        final, _ = case.thinned[0].estimates.get(name, (0.0, None)) if case.thinned else (0.0, None)
        for some in case.thinned:
            value, error = some.estimates.get(name, (0.0, None))
            if final and error is not None:
                found.append(Deviation(case, some.scenarios, value / final - 1, Z_95 * abs(error / final)))
    return [point for point in found if math.isfinite(point.value) and math.isfinite(point.half)]


def middle(deviation: float, limit: float) -> float:
    """The height, 0 to 1, of a deviation where 0 lies in the middle; those beyond the limit lie on the edge."""
    return min(max(0.5 + deviation / limit / 2, 0.0), 1.0)


def signed(share: float) -> str:
    """A share in % with its sign: +2 %"""
    return f"{100 * share:+.3g} %".replace("-", "−") if abs(share) > 1e-12 else "0 %"


def convergence_panel(
    frame: Frame, title: str, points: Sequence[Deviation], limit: float, sizes: Sequence[float], cases: int
) -> Html:
    """One measure's estimates, cases side by side. sizes: numbers of scenarios, most first."""
    children = [text_at(frame.left, 16, title, "start", "panel")]
    for value in ticks(-limit, limit, 5):
        y = frame.y(middle(value, limit))
        children.append(line(frame.left, y, frame.right, y, "grid" if abs(value) > 1e-12 else "axis"))
    for index, size in enumerate(sizes):
        x = frame.x(math.log10(size))
        children.append(line(x, frame.bottom, x, frame.bottom + 4, "axis"))
        if index % 2 == 0:  # every label would not fit
            children.append(text_at(x, frame.bottom + 18, count(size), "middle"))
    for point in points:
        x = frame.x(math.log10(point.scenarios)) + 9 * (point.case.index - (cases - 1) / 2)
        low, high = (frame.y(middle(point.value + end, limit)) for end in (-point.half, point.half))
        children += [
            line(x, low, x, high, f"whisker {case_style(point.case)}"),
            tag("circle", cx=x, cy=frame.y(middle(point.value, limit)), r=3.5, class_=f"dot {case_style(point.case)}"),
        ]
    return joined(children)
