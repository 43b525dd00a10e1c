"""Every case in a small chart of its own, all on the same axes: readable however many there are."""

from collections.abc import Sequence

import numpy as np

from montecarlo.report.charts.frame import Frame, fitted, line, round_step, svg, text_at, ticks
from montecarlo.report.charts.losses import Curve, Histogram, case_summary, histogram_path
from montecarlo.report.figures import EXPECTED_LOSS, case_label, case_style, tail_measure
from montecarlo.report.markup import Html, joined, tag
from montecarlo.report.words import Currency

ACROSS, WIDTH, HEIGHT, GAP = 3, 290.0, 120.0, 25.0
"""Charts in a row, and the size of each plot."""

HEAD, FOOT = 40.0, 34.0
"""Room above a plot for the case and its VaR, and below it for the axis."""

BANDS = 45


def multiples_chart(curves: Sequence[Curve], currency: Currency) -> Html:
    """The loss distribution of each case, the first one's outline in the others, with the VaR and EL of each."""
    tail = tail_measure([curve.case for curve in curves])
    ends = [curve.exceeded_by(1e-3) for curve in curves]
    ends += [value for curve in curves if (value := tail.value(curve.case)) is not None]
    low = min(0.0, *(float(curve.amounts[0]) for curve in curves))
    high = low + max(max(ends) - low, 0.01) * 1.04
    edges = np.arange(low, high + 1e-9, round_step((high - low) / BANDS))
    histograms = [Histogram.of(curve, edges) for curve in curves]
    tallest = max(float(each.heights.max()) for each in histograms) * 1.04 or 1.0
    drawn = []
    for place, (curve, histogram) in enumerate(zip(curves, histograms, strict=True)):
        left = 10 + (WIDTH + GAP) * (place % ACROSS)
        top = HEAD + (HEAD + HEIGHT + FOOT) * (place // ACROSS)
        frame = Frame(low, float(edges[-1]), left, left + WIDTH, top, top + HEIGHT)
        drawn.append(_panel(frame, curve, histogram, histograms[0], tallest, currency))
    rows = -(-len(curves) // ACROSS)
    return svg(
        "multiples",
        "Loss distribution of each case",
        f"A histogram of the loss for each case, all on the same axes. {case_summary(curves, currency)}",
        (HEAD + HEIGHT + FOOT) * rows,
        *drawn,
    )


def _panel(frame: Frame, curve: Curve, own: Histogram, first: Histogram, tallest: float, currency: Currency) -> Html:
    """One case: its name, its figures, its distribution before the outline of the first."""
    tail, style = tail_measure([curve.case]), case_style(curve.case)
    at_risk, expected = tail.value(curve.case), EXPECTED_LOSS.value(curve.case)
    children = [
        text_at(frame.left, frame.top - 22, fitted(case_label(curve.case), WIDTH), "start", "panel"),
        text_at(frame.left, frame.top - 5, f"{tail.short} {currency.money(at_risk)}", "start", f"label {style}"),
        tag("path", d=histogram_path(frame, own, tallest) + "Z", class_=f"area {style}"),
    ]
    if curve.case.index:
        children.append(tag("path", d=histogram_path(frame, first, tallest), class_="curve other"))
    children.append(tag("path", d=histogram_path(frame, own, tallest), class_=f"outline {style}"))
    for kind, amount in (("mean", expected), ("tail", at_risk)):
        if amount is not None and frame.low <= amount <= frame.high:
            x = frame.x(amount)
            children.append(line(x, frame.top, x, frame.bottom, f"marker {kind} {style}"))
    values = ticks(frame.low, frame.high, 3)
    labels = zip(values, currency.ticks(values), strict=True)
    children.append(line(frame.left, frame.bottom, frame.right, frame.bottom, "axis"))
    for value, label in labels:
        x = frame.x(value)
        anchor = "start" if x < frame.left + 20 else "end" if x > frame.right - 20 else "middle"
        children.append(text_at(x, frame.bottom + 16, label, anchor))
    return joined(children)
