"""The loss distribution and the exceedance curve. Imports NumPy, the view and its wording.

Losses are in currency units.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from montecarlo.report.charts.frame import (
    LETTER,
    Frame,
    amount_axis,
    line,
    place,
    round_step,
    steps,
    svg,
    text_at,
    ticks,
    within,
)
from montecarlo.report.figures import EXPECTED_LOSS, Measure, by_level, case_label, case_style, case_title, tail_measure
from montecarlo.report.markup import Html, tag
from montecarlo.report.view import CaseView
from montecarlo.report.words import Currency

HISTOGRAM_BINS = 120  # at most
CURVE_POINTS = 300
RAREST = 1e-5
"""Probability below which curves are not drawn: of what comes once in 100,000 years no model knows anything."""
TAIL = 0.01
"""The share of scenarios whose losses are drawn again, enlarged, below the distribution."""

LEAST_ENLARGED = 2.0
"""Tails that could not be drawn so many times as high are visible as they are."""

TAIL_ROOM = 3
"""The loss axis ends at so many times the 99.9 % VaR at most, so that one scenario cannot squeeze all others."""


@dataclass(frozen=True)
class Distribution:
    """The simulated losses of one case.

    losses: int64 cents, shape (S,), one for each scenario, in any order.
    weights: float64, shape (S,), each scenario's probability; they sum to about 1.
    """

    losses: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.losses.ndim != 1 or self.losses.shape != self.weights.shape:
            raise ValueError(
                f"`losses` and `weights` must be vectors of one length, not of shapes {self.losses.shape} and "
                f"{self.weights.shape}: pass one loss and one weight for each scenario."
            )


@dataclass(frozen=True)
class Curve:
    """A case with its losses in currency units, ascending, and their probabilities, which sum to 1; both (S,)."""

    case: CaseView
    amounts: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, case: CaseView, distribution: Distribution) -> "Curve":
        """From the losses of a case, in any order."""
        order = np.argsort(distribution.losses, kind="stable")
        weights = distribution.weights[order]
        return cls(case, distribution.losses[order] / 100.0, weights / weights.sum())

    def exceedance(self) -> NDArray[np.float64]:
        """P(loss > x) at each of the amounts, shape (S,). Summed from the far end, where precision matters."""
        from_end = np.cumsum(self.probabilities[::-1])[::-1]
        return np.append(from_end[1:], 0.0)

    def exceeded_by(self, probability: float) -> float:
        """The smallest loss that is exceeded with no more than this probability."""
        return float(self.amounts[self.exceedance() <= probability * (1 + 1e-9)][0])


def case_summary(curves: Sequence[Curve], currency: Currency) -> str:
    """EL and VaR of each case in words, for the charts' descriptions."""
    tail = tail_measure([curve.case for curve in curves])
    return " ".join(
        f"{case_label(curve.case)}: expected loss {currency.money(EXPECTED_LOSS.value(curve.case))}, "
        f"{tail.path[-1]} % VaR {currency.money(tail.value(curve.case))}."
        for curve in curves
    )


def distribution_chart(curves: Sequence[Curve], currency: Currency) -> tuple[Html, float]:
    """The loss distributions over each other with EL and VaR marked, and the probability beyond the right edge.

    Below them the same tails enlarged, where there is a tail too flat to be seen.
    """
    tail = tail_measure([curve.case for curve in curves])
    marks = [markers(curve.case, tail) for curve in curves]
    # A few scenarios far out would squeeze all the others into the left corner.
    reach = [curve.exceeded_by(1e-3) for curve in curves]
    reach += [amount for marked in marks for _, amount in marked]
    low = min(0.0, *(float(curve.amounts[0]) for curve in curves))
    span = max(max(reach) - low, 0.01) * 1.04
    scenarios = max(len(curve.amounts) for curve in curves)
    band = round_step(span / min(max(4 * math.sqrt(scenarios), 12), HISTOGRAM_BINS))
    edges: NDArray[np.float64] = low + band * np.arange(math.ceil(span / band) + 1, dtype=np.float64)
    lanes = 18.0 * len(curves)
    frame = Frame(low, float(edges[-1]), top=lanes + 14, bottom=lanes + 300)
    histograms = [Histogram.of(curve, edges) for curve in curves]
    tallest = max(float(histogram.heights.max()) for histogram in histograms) * 1.04 or 1.0
    plots = plot(frame, histograms, tallest)

    tails = [histogram.beyond(curve.exceeded_by(TAIL)) for curve, histogram in zip(curves, histograms, strict=True)]
    tallest_tail = max((float(part.heights.max()) for part in tails if part.heights.size), default=0.0)
    below, times = frame, tallest / (tallest_tail * 1.04) if tallest_tail else 0.0
    if times >= LEAST_ENLARGED:
        below = replace(frame, top=frame.bottom + 44, bottom=frame.bottom + 164)
        plots += plot(below, tails, tallest_tail * 1.04)
        plots.append(line(frame.left, frame.bottom, frame.right, frame.bottom, "axis"))
    labels = [
        label
        for lane, (curve, marked) in enumerate(zip(curves, marks, strict=True))
        for label in marker_labels(replace(frame, bottom=below.bottom), curve.case, marked, 14.0 + 18 * lane, currency)
    ]
    if below is not frame:
        note = f"The worst {100 * TAIL:g} % of each case, {times:.{0 if times >= 10 else 1}f} times as high"
        labels.append(text_at(frame.right, below.top - 12, note, "end", "panel"))
    height = f"Height: probability of a loss in a band {currency.ticks([0.0, band])[1]} wide"
    chart = svg(
        "distribution",
        "Loss distributions",
        f"Histogram of the loss for each case, over each other. {case_summary(curves, currency)}",
        below.bottom + 48,
        *plots,
        *labels,
        text_at(frame.left, below.bottom + 40, height, "start", "title"),
        amount_axis(below, "Loss", currency),
    )
    beyond = max(float(curve.probabilities[curve.amounts > frame.high].sum()) for curve in curves)
    return chart, beyond


@dataclass(frozen=True)
class Histogram:
    """A case's probability of a loss in each band. heights: (B,); edges: (B + 1,), ascending, currency units."""

    case: CaseView
    edges: NDArray[np.float64]
    heights: NDArray[np.float64]

    @classmethod
    def of(cls, curve: Curve, edges: NDArray[np.float64]) -> "Histogram":
        """Losses beyond the edges are left out."""
        return cls(curve.case, edges, np.histogram(curve.amounts, edges, weights=curve.probabilities)[0])

    def beyond(self, loss: float) -> "Histogram":
        """The bands above a loss alone."""
        first = int(np.searchsorted(self.edges, loss))
        return Histogram(self.case, self.edges[first:], self.heights[first:])


def plot(frame: Frame, histograms: Sequence[Histogram], tallest: float) -> list[Html]:
    """The grid and the histograms over each other. tallest: the height at the frame's top."""
    drawn: list[Html] = []
    for value in ticks(0.0, tallest, max(round((frame.bottom - frame.top) / 55), 2)):
        y = frame.y(value / tallest)
        drawn += [
            line(frame.left, y, frame.right, y, "grid"),
            text_at(frame.left - 8, y + 4, f"{100 * value:.3g} %", "end"),
        ]
    for histogram in histograms:
        if not histogram.heights.size:
            continue
        path = histogram_path(frame, histogram, tallest)
        drawn += [
            tag("path", d=path + "Z", class_=f"area {case_style(histogram.case)}"),
            tag("path", d=path, class_=f"outline {case_style(histogram.case)}"),
        ]
    return drawn


def histogram_path(frame: Frame, histogram: Histogram, tallest: float) -> str:
    """Path data of a histogram's outline, from the axis to the axis."""
    tops = [frame.y(float(value) / tallest) for value in histogram.heights]
    start, *rights = (frame.x(float(edge)) for edge in histogram.edges)
    path = f"M{start:.1f},{frame.bottom:.1f}V{tops[0]:.1f}"
    return path + steps(zip(rights, [*tops[1:], frame.bottom], strict=True))


def marker_labels(
    frame: Frame, case: CaseView, marked: Sequence[tuple[str, float]], y: float, currency: Currency
) -> list[Html]:
    """A case's lines at EL and VaR, down to the frame's bottom, with their labels at the height y."""
    texts = [f"{name} {currency.money(amount)}" for name, amount in marked]
    wanted, widths = [frame.x(amount) for _, amount in marked], [LETTER * len(text) for text in texts]
    drawn = []
    for (name, _), text, x, centre in zip(
        marked, texts, wanted, place(wanted, widths, frame.left, frame.right), strict=True
    ):
        kind = "mean" if name == "EL" else "tail"
        drawn += [
            line(x, y + 5, x, frame.bottom, f"marker {kind} {case_style(case)}"),
            text_at(centre, y, text, "middle", f"label {case_style(case)}"),
        ]
    return drawn


def markers(case: CaseView, tail: Measure) -> list[tuple[str, float]]:
    """What is marked on the loss axis, from left to right."""
    known = [("EL", EXPECTED_LOSS.value(case)), (tail.short, tail.value(case))]
    return sorted(((name, amount) for name, amount in known if amount is not None), key=lambda item: item[1])


def exceedance_chart(curves: Sequence[Curve], others: Sequence[Curve], currency: Currency) -> Html:
    """The probability of a loss larger than x, on a logarithmic axis, with each case's VaR as points on its curve.

    others: cases in the background, without points.
    """
    tails = [curve.exceedance() for curve in curves]
    smallest = min((float(tail[tail > 0].min()) for tail in tails if (tail > 0).any()), default=0.1)
    # Half of the smallest, so that the last step stands clear of the axis.
    floor = min(max(smallest / 2, RAREST), 0.09)
    decades = -math.log10(floor)

    def height(probability: float) -> float:
        return 1 + math.log10(max(probability, floor)) / decades

    low = min(0.0, *(float(curve.amounts[0]) for curve in curves))
    farthest = max(min(curve.exceeded_by(floor), TAIL_ROOM * curve.exceeded_by(1e-3) or math.inf) for curve in curves)
    frame = Frame(low, low + max(farthest - low, 0.01) * 1.04)

    grid: list[Html] = []
    for decade in range(math.floor(decades + 1e-9) + 1):
        y = frame.y(1 - decade / decades)
        grid += [
            line(frame.left, y, frame.right, y, "grid"),
            text_at(frame.left - 8, y + 4, f"{100 * 10.0**-decade:g} %", "end"),
        ]

    def path(curve: Curve) -> Html:
        tail = curve.exceedance()
        points = ((frame.x(float(curve.amounts[i])), frame.y(height(float(tail[i])))) for i in thinned(tail, floor))
        start = f"M{frame.left:.1f},{frame.y(1):.1f}"
        return tag("path", d=start + steps(within(points, frame.right)), class_=f"curve {case_style(curve.case)}")

    return svg(
        "exceedance",
        "Exceedance curves",
        f"Probability of a loss larger than the amount on the axis, for each case. {case_summary(curves, currency)}",
        frame.bottom + 48,
        *grid,
        *map(path, others),
        *map(path, curves),
        *value_at_risk_points(curves, frame, height, currency),
        text_at(frame.left, frame.bottom + 40, "Height: probability of a larger loss, logarithmic", "start", "title"),
        amount_axis(frame, "Loss", currency),
    )


def thinned(tail: NDArray[np.float64], floor: float) -> NDArray[np.intp]:
    """Indices, ascending, of the points that show the curve down to `floor`: all of few, evenly spaced ones of many."""
    end = min(first_below(tail, floor), len(tail) - 1)
    if end < CURVE_POINTS:
        return np.arange(end + 1)
    levels = np.geomspace(1.0, floor, CURVE_POINTS)
    return np.unique(np.append(np.searchsorted(-tail, -levels).clip(max=end), end))


def first_below(tail: NDArray[np.float64], floor: float) -> int:
    """The index of the first loss that is exceeded with less probability than `floor`."""
    return int(np.searchsorted(-tail, -floor * (1 - 1e-9), side="right"))


def value_at_risk_points(
    curves: Sequence[Curve], frame: Frame, height: Callable[[float], float], currency: Currency
) -> list[Html]:
    """Each case's VaR as points on its curve, the highest level named in the corner where no curve runs."""
    drawn: list[Html] = []
    for row, curve in enumerate(curves):
        style = case_style(curve.case)
        levels = by_level("var", [curve.case])
        for measure in levels:
            amount, share = measure.value(curve.case), height(1 - float(measure.path[1]) / 100)
            if amount is not None and frame.low <= amount <= frame.high and 0 < share <= 1:
                drawn.append(tag("circle", cx=frame.x(amount), cy=frame.y(share), r=4.0, class_=f"point {style}"))
        if levels:
            named = f"{case_title(curve.case)}: {levels[-1].short} {currency.money(levels[-1].value(curve.case))}"
            drawn.append(text_at(frame.right, frame.top + 16 + 18 * row, named, "end", f"label {style}"))
    return drawn
