"""Every case in a row: from expected loss to value at risk and expected shortfall."""

from dataclasses import replace

from montecarlo.report.charts.frame import Frame, amount_axis, fitted, line, svg, text_at, ticks
from montecarlo.report.figures import (
    COMPARED,
    EXPECTED_LOSS,
    case_label,
    case_style,
    compared,
    highest_level,
    tail_measure,
)
from montecarlo.report.markup import Html, tag
from montecarlo.report.view import ResultView

ROW = 40.0
"""Height of a case's row."""

NAMES = 200.0
"""Width of the cases' names, with the gap after them."""


def cases_chart(result: ResultView) -> Html | None:
    """EL, VaR with its interval, and ES of all cases on one axis; None where no case has the first two."""
    tail, shortfall = tail_measure(result.cases), highest_level("es", result.cases)
    money = result.currency.money
    drawn = []
    coloured = {case.name: case.index for case in compared(result.cases)}
    for case in (replace(case, index=coloured.get(case.name, COMPARED)) for case in result.cases):
        expected, at_risk = EXPECTED_LOSS.value(case), tail.value(case)
        if expected is not None and at_risk is not None:
            drawn.append((case, expected, at_risk, shortfall.value(case) or at_risk))
    longest = max((end for *_, at_risk, beyond in drawn for end in (at_risk, beyond)), default=0.0)
    if longest <= 0:
        return None
    low = min(0.0, *(expected for _, expected, _, _ in drawn))
    frame = Frame(low, low + (longest - low) * 1.02, left=NAMES, top=22, bottom=22 + ROW * len(drawn))
    children = [
        line(frame.x(value), frame.top, frame.x(value), frame.bottom, "grid") for value in ticks(low, frame.high)
    ]
    for row, (case, expected, at_risk, beyond) in enumerate(drawn):
        y, style = frame.top + ROW * row + 24, case_style(case)
        end = frame.x(at_risk)
        children += [
            text_at(NAMES - 12, y + 4, fitted(case_label(case), NAMES - 12), "end", f"label {style}"),
            line(frame.x(expected), y, frame.x(beyond), y, f"whisker {style}"),
            tag("rect", x=frame.x(expected), y=y - 5, width=max(end - frame.x(expected), 0.0), height=10.0,
                class_=f"bar {style}"),
            tag("circle", cx=frame.x(expected), cy=y, r=5.0, class_=f"point {style}"),
        ]  # fmt: skip
        bounds = tail.interval(case)
        if bounds:
            left, right = (min(max(frame.x(bound), frame.left), frame.right) for bound in bounds)
            children.append(
                tag(
                    "path",
                    d=f"M{left:.1f},{y - 8:.1f}v16M{left:.1f},{y:.1f}H{right:.1f}M{right:.1f},{y - 8:.1f}v16",
                    class_="axis",
                )
            )
        children.append(
            text_at(min(end, frame.right), y - 11, f"{tail.short} {money(at_risk)}", "end", f"label {style}")
        )
    described = " ".join(
        f"{case_label(case)}: expected loss {money(expected)}, {tail.short} {money(at_risk)}."
        for case, expected, at_risk, _ in drawn
    )
    return svg("cases", "Cases", described, frame.bottom + 48, *children, amount_axis(frame, "Loss", result.currency))
