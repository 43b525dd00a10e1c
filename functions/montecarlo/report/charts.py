"""The report's charts as inline SVG, made by pure functions. Imports NumPy and the standard library only.

Losses are in currency units; drawings are 960 units wide.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montecarlo.model.measures import Z_95
from montecarlo.report.markup import Html, joined, tag
from montecarlo.report.words import (
    CURRENCY,
    EXPECTED_LOSS,
    UNITS,
    Case,
    Measure,
    convergence,
    count,
    measures_of,
    money,
    money_or_missing,
    plus_minus,
    tail_measure,
)

HISTOGRAM_BINS = 120  # at most
CURVE_POINTS = 300
RAREST = 1e-5
"""Probability below which curves are not drawn: of what comes once in 100,000 years no model knows anything."""
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

    case: Case
    amounts: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, case: Case, distribution: Distribution) -> "Curve":
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


@dataclass(frozen=True)
class Frame:
    """A plot's area in SVG units and what it shows: from `low` to `high` across, heights from 0 to 1."""

    low: float
    high: float
    left: float = 76.0
    right: float = 944.0
    top: float = 16.0
    bottom: float = 320.0

    def x(self, amount: float) -> float:
        return self.left + (self.right - self.left) * (amount - self.low) / (self.high - self.low)

    def y(self, height: float) -> float:
        return self.bottom - (self.bottom - self.top) * height


def round_step(least: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)


def ticks(low: float, high: float, target: int = 7) -> list[float]:
    """Values at round steps within [low, high], about `target` of them."""
    step = round_step((high - low) / target)
    return [step * index for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """All with one unit and as many decimals as the distance between them needs: $0, $2.5M, $5.0M"""
    largest = max((abs(value) for value in values), default=0.0)
    unit = next((unit for unit in UNITS if unit.size <= largest * (1 + 1e-9)), UNITS[-1])
    step = (values[1] - values[0] if len(values) > 1 else largest or 1.0) / unit.size
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [
        f"{CURRENCY}{value / unit.size:,.{decimals}f}{unit.suffix}" if value else f"{CURRENCY}0" for value in values
    ]


def svg(name: str, title: str, description: str, height: float, *children: Html) -> Html:
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 960 {height:g}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def text_at(x: float, y: float, text: str, anchor: str = "start", class_: str | None = None) -> Html:
    return tag("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def amount_axis(frame: Frame, title: str) -> Html:
    values = ticks(frame.low, frame.high)
    marks = [line(frame.x(value), frame.bottom, frame.x(value), frame.bottom + 5, "axis") for value in values]
    labels = [
        text_at(frame.x(value), frame.bottom + 20, label, "middle")
        for value, label in zip(values, tick_labels(values), strict=True)
    ]
    base = line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")
    return joined([base, *marks, *labels, text_at(frame.right, frame.bottom + 40, title, "end", "title")])


def steps(points: Iterable[tuple[float, float]]) -> str:
    """Path data of a staircase: along to each point's x, then up or down to its y."""
    return "".join(f"H{x:.1f}V{y:.1f}" for x, y in points)


def within(points: Iterable[tuple[float, float]], right: float) -> list[tuple[float, float]]:
    """The points of a staircase up to `right`, where it is cut off."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        if x > right:
            return [*kept, (right, kept[-1][1])] if kept else kept
        kept.append((x, y))
    return kept


def place(centres: Sequence[float], widths: Sequence[float], low: float, high: float, gap: float = 14.0) -> list[float]:
    """Centres moved so that labels, from left to right, neither overlap nor leave [low, high], if there is room."""
    placed: list[float] = []
    edge = low
    for centre, width in zip(centres, widths, strict=True):
        placed.append(max(centre, edge + width / 2))
        edge = placed[-1] + width / 2 + gap
    edge = high
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], edge - widths[index] / 2)
        edge = placed[index] - widths[index] / 2 - gap
    return placed


def case_summary(curves: Sequence[Curve]) -> str:
    tail = tail_measure([curve.case for curve in curves])
    return " ".join(
        f"{curve.case.label}: expected loss {money_or_missing(curve.case.value(EXPECTED_LOSS))}, "
        f"{tail.path[-1]} % VaR {money_or_missing(curve.case.value(tail))}."
        for curve in curves
    )


def distribution_chart(curves: Sequence[Curve]) -> tuple[Html, float]:
    """The loss distributions over each other with EL and VaR marked, and the probability beyond the right edge."""
    tail = tail_measure([curve.case for curve in curves])
    marks = [markers(curve.case, tail) for curve in curves]
    # A few scenarios far out would squeeze all the others into the left corner.
    reach = [curve.exceeded_by(1e-3) for curve in curves]
    reach += [amount for marked in marks for _, amount in marked]
    low = min(0.0, *(float(curve.amounts[0]) for curve in curves))
    span = max(max(reach) - low, 0.01) * 1.04
    scenarios = max(len(curve.amounts) for curve in curves)
    band = round_step(span / min(max(4 * math.sqrt(scenarios), 12), HISTOGRAM_BINS))
    edges = low + band * np.arange(math.ceil(span / band) + 1)
    high = float(edges[-1])
    lanes = 18.0 * len(curves)
    frame = Frame(low, high, top=lanes + 14, bottom=lanes + 300)
    heights = [np.histogram(curve.amounts, edges, weights=curve.probabilities)[0] for curve in curves]
    tallest = max(float(height.max()) for height in heights) * 1.04 or 1.0

    grid: list[Html] = []
    for value in ticks(0.0, tallest, 5):
        y = frame.y(value / tallest)
        grid += [
            line(frame.left, y, frame.right, y, "grid"),
            text_at(frame.left - 8, y + 4, f"{100 * value:.3g} %", "end"),
        ]
    areas: list[Html] = []
    labels: list[Html] = []
    for lane, (curve, height, marked) in enumerate(zip(curves, heights, marks, strict=True)):
        tops = [frame.y(float(value) / tallest) for value in height]
        rights = [frame.x(float(edge)) for edge in edges[1:]]
        start = f"M{frame.left:.1f},{frame.bottom:.1f}V{tops[0]:.1f}"
        path = start + steps(zip(rights, [*tops[1:], frame.bottom], strict=True))
        areas += [
            tag("path", d=path + "Z", class_=f"area {curve.case.style}"),
            tag("path", d=path, class_=f"outline {curve.case.style}"),
        ]
        y = 14.0 + 18 * lane
        texts = [f"{name} {money(amount)}" for name, amount in marked]
        centres = place(
            [frame.x(amount) for _, amount in marked], [7.2 * len(text) for text in texts], frame.left, frame.right
        )
        for (name, amount), text, centre in zip(marked, texts, centres, strict=True):
            kind = "mean" if name == "EL" else "tail"
            labels += [
                line(frame.x(amount), y + 5, frame.x(amount), frame.bottom, f"marker {kind} {curve.case.style}"),
                text_at(centre, y, text, "middle", f"label {curve.case.style}"),
            ]
    chart = svg(
        "distribution",
        "Loss distributions",
        f"Histogram of the loss for each case, over each other. {case_summary(curves)}",
        frame.bottom + 48,
        *grid,
        *areas,
        *labels,
        text_at(
            frame.left,
            frame.bottom + 40,
            f"Height: probability of a loss in a band {tick_labels([0.0, band])[1]} wide",
            "start",
            "title",
        ),
        amount_axis(frame, "Loss"),
    )
    beyond = max(float(curve.probabilities[curve.amounts > high].sum()) for curve in curves)
    return chart, beyond


def markers(case: Case, tail: Measure) -> list[tuple[str, float]]:
    """What is marked on the loss axis, from left to right."""
    known = [("EL", case.value(EXPECTED_LOSS)), (tail.short, case.value(tail))]
    return sorted(((name, amount) for name, amount in known if amount is not None), key=lambda item: item[1])


def exceedance_chart(curves: Sequence[Curve], others: Sequence[Curve]) -> Html:
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
        return tag("path", d=start + steps(within(points, frame.right)), class_=f"curve {curve.case.style}")

    return svg(
        "exceedance",
        "Exceedance curves",
        f"Probability of a loss larger than the amount on the axis, for each case. {case_summary(curves)}",
        frame.bottom + 48,
        *grid,
        *map(path, others),
        *map(path, curves),
        *value_at_risk_points(curves, frame, height),
        text_at(frame.left, frame.bottom + 40, "Height: probability of a larger loss, logarithmic", "start", "title"),
        amount_axis(frame, "Loss"),
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


def value_at_risk_points(curves: Sequence[Curve], frame: Frame, height: Callable[[float], float]) -> list[Html]:
    """Each case's VaR as points; the highest level is named where no curve runs."""
    drawn: list[Html] = []
    for curve in curves:
        levels = [measure for measure in measures_of([curve.case]) if measure.path[0] == "var"]
        for measure in levels:
            amount, share = curve.case.value(measure), height(1 - float(measure.path[1]) / 100)
            if amount is None or not frame.low <= amount <= frame.high or not 0 < share <= 1:
                continue
            x, y = frame.x(amount), frame.y(share)
            drawn.append(tag("circle", cx=x, cy=y, r=4.0, class_=f"point {curve.case.style}"))
            if measure is levels[-1]:
                text = f"{measure.short} {money(amount)}"
                width = 7.2 * len(text)
                if curve is curves[-1]:
                    drawn.append(
                        text_at(min(x + 10, frame.right - width), y - 8, text, "start", f"label {curve.case.style}")
                    )
                elif curve is curves[0]:
                    drawn.append(
                        text_at(max(x - 10, frame.left + width), y + 18, text, "end", f"label {curve.case.style}")
                    )
    return drawn


@dataclass(frozen=True)
class Deviation:
    """What some scenarios estimate of a case, relative to the estimate of all, and half the 95 % interval of that."""

    case: Case
    scenarios: float
    value: float
    half: float


PANELS = (("el", "Expected loss (EL)"), ("var_99.9", "VaR 99.9 %"), ("es_99.9", "ES 99.9 %"))


def convergence_chart(cases: Sequence[Case]) -> Html | None:
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
        f"{point.case.label}: {title} {plus_minus(point.half)}."
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


def deviations(cases: Sequence[Case], name: str) -> list[Deviation]:
    found: list[Deviation] = []
    for case in cases:
        trials = convergence(case)
        final, _ = trials[0].estimates.get(name, (0.0, None)) if trials else (0.0, None)
        for trial in trials:
            value, error = trial.estimates.get(name, (0.0, None))
            if final and error is not None:
                found.append(Deviation(case, trial.scenarios, value / final - 1, Z_95 * abs(error / final)))
    return [point for point in found if math.isfinite(point.value) and math.isfinite(point.half)]


def middle(deviation: float, limit: float) -> float:
    """The height, 0 to 1, of a deviation where 0 lies in the middle; those beyond the limit lie on the edge."""
    return min(max(0.5 + deviation / limit / 2, 0.0), 1.0)


def signed(share: float) -> str:
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
            line(x, low, x, high, f"whisker {point.case.style}"),
            tag("circle", cx=x, cy=frame.y(middle(point.value, limit)), r=3.5, class_=f"dot {point.case.style}"),
        ]
    return joined(children)


def bars(cases: Sequence[Case], values: Sequence[float | None], longest: float) -> Html:
    """A row's bars, one for each case. Hidden from screen readers: the numbers stand beside them."""
    lengths = [160 * value / longest if value is not None and longest > 0 else 0.0 for value in values]
    drawn = (
        tag("rect", x=0, y=1 + 9 * row, width=max(length, 0.0), height=7, class_=f"bar {case.style}")
        for row, (case, length) in enumerate(zip(cases, lengths, strict=True))
    )
    return tag("svg", *drawn, viewBox=f"0 0 160 {9 * len(cases)}", width=160, height=9 * len(cases), aria_hidden="true")


def legend(cases: Sequence[Case], sample: str, others: str = "") -> Html:
    """sample: "curve" or "bar", as the chart draws the cases. others: what the curves in the background are."""

    def entry(style: str, name: str) -> Html:
        look = f"{sample} {style}"
        mark = line(0, 6, 26, 6, look) if sample == "curve" else tag("rect", y=1, width=12, height=10, class_=look)
        width = 26 if sample == "curve" else 12
        swatch = tag("svg", mark, viewBox=f"0 0 {width} 12", width=width, height=12, aria_hidden="true")
        return tag("li", swatch, " ", name)

    entries = [entry(case.style, case.label) for case in cases] + ([entry("other", others)] if others else [])
    return tag("ul", *entries, class_="legend")
