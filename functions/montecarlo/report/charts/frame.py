"""What every chart is drawn with: the plot's frame, its axes, ticks and labels. Imports markup and words only."""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from montecarlo.report.markup import Html, joined, tag
from montecarlo.report.words import Currency

LETTER = 7.2
"""Width that a letter takes at most, on the average of a label."""

NARROW, BROAD = frozenset(" !'(),-./:;I[]fijlrt|"), frozenset("%@MWmw…")
"""Letters of a label that take 5 units at most, and those that take up to 13."""


@dataclass(frozen=True)
class Frame:
    """A plot's area in SVG units and what it shows: from `low` to `high` across, heights from 0 to 1."""

    low: float
    high: float
    left: float = 76.0
    right: float = 920.0
    top: float = 16.0
    bottom: float = 320.0

    def x(self, amount: float) -> float:
        """Where an amount lies across."""
        return self.left + (self.right - self.left) * (amount - self.low) / (self.high - self.low)

    def y(self, height: float) -> float:
        """Where a height from 0 to 1 lies, counted from the top as SVG does."""
        return self.bottom - (self.bottom - self.top) * height


def round_step(least: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)


def ticks(low: float, high: float, target: int = 7) -> list[float]:
    """Values at round steps within [low, high], about `target` of them."""
    step = round_step((high - low) / target)
    return [step * index for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def svg(name: str, title: str, description: str, height: float, *children: Html) -> Html:
    """A drawing with a title and a description for those who cannot see it. name: unique in the page."""
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
    """A text that begins, ends or has its middle at a point: anchor is "start", "end" or "middle"."""
    return tag("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def width_of(text: str) -> float:
    """Room that a label takes at most, letter by letter, in the fonts that the page asks for."""
    return sum(_width(letter) for letter in text)


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in ("W", "F"):
        return 17.0
    if letter in NARROW or letter in BROAD:
        return 5.0 if letter in NARROW else 13.0
    return 10.2 if letter.isupper() or not letter.isascii() else 8.0


def fitted(text: str, room: float) -> str:
    """As much of a label as there is room for, with "…" at the end where some was cut off."""
    if width_of(text) <= room:
        return text
    ends = (end for end in range(len(text), 0, -1) if width_of(text[:end]) + width_of("…") <= room)
    return text[: next(ends, 0)].rstrip() + "…"


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    """A line between two points."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def amount_axis(frame: Frame, title: str, currency: Currency) -> Html:
    """The axis of losses below a plot."""
    values = ticks(frame.low, frame.high)
    marks = [line(frame.x(value), frame.bottom, frame.x(value), frame.bottom + 5, "axis") for value in values]
    labels = [
        text_at(frame.x(value), frame.bottom + 20, label, "middle")
        for value, label in zip(values, currency.ticks(values), strict=True)
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
