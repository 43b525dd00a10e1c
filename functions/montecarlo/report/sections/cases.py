"""What each case assumes."""

from collections.abc import Mapping
from statistics import NormalDist

from montecarlo.report.document import is_number
from montecarlo.report.figures import FED_RATE, case_rate, case_title
from montecarlo.report.markup import Html, section, table, tag
from montecarlo.report.view import CaseView, ResultView
from montecarlo.report.words import MISSING, humanise, percent

EXAMPLE = 0.01
"""The PD by which the effect of a shift is told."""


def cases_section(result: ResultView) -> Html:
    """The benchmark rate of each case and what it adds to the loans' probability of default."""
    if not result.cases:
        return Html()
    rows, largest = [], 0.0
    for case in result.cases:
        shifts = case.probit_shift or {}
        largest = max([largest, *shifts.values()])
        told = ", ".join(f"{humanise(segment)} {shift:+.2f}" for segment, shift in shifts.items())
        none = MISSING if case.probit_shift is None else "none"
        rows.append([case_title(case), case_rate(case) or MISSING, told or none])
    rate = result.cases[0].rate_name
    note = (
        f"The first case is the reference. In the others, payments of floating-rate loans follow the {rate},"
        " and default thresholds move by each segment's sensitivity to it, and by the case's own shift, in probits."
    )
    if largest > 0:
        shifted = NormalDist().cdf(NormalDist().inv_cdf(EXAMPLE) + largest)
        note += f" A shift of {largest:+.2f} turns a PD of {percent(EXAMPLE)} into one of {percent(shifted)}."
    head = ["Case", rate, "Own shift of the default threshold by segment"]
    if any(case.collateral_shift for case in result.cases):
        note += " Collateral is worth more or less by the shares below, so that LGDs differ."
        head.append("Collateral by segment")
        rows = [[*row, collateral_of(case)] for row, case in zip(rows, result.cases, strict=True)]
    if any(case.probability is not None for case in result.cases):
        note += " Expected credit losses are weighed with the probabilities of the cases, and nothing else is."
        head.append("Probability")
        rows = [[*row, probability_of(case)] for row, case in zip(rows, result.cases, strict=True)]
    assumed = tag("div", table("What each case assumes.", head, rows), class_="record")
    return section("Cases", tag("p", note), assumed, effects_table(result))


def collateral_of(case: CaseView) -> str:
    """By which share the collateral of which segments is worth more or less: Mortgage −25 %"""
    moved = ", ".join(f"{humanise(name)} {100 * shift:+.0f} %" for name, shift in case.collateral_shift.items())
    return moved.replace("-", "−") or "none"


def probability_of(case: CaseView) -> str:
    """30.00 %"""
    return MISSING if case.probability is None else percent(case.probability)


def effects_table(result: ResultView) -> Html:
    """What a case adds to each segment's default threshold in all: its rate by the segment's sensitivity, and its own
    shift; and how much of the rate floating payments take.
    """
    segments, others = result.parameters.get("segments"), result.cases[1:]
    base = FED_RATE.value(result.cases[0])
    held = result.portfolio.segments
    if not isinstance(segments, Mapping) or not others or base is None:
        return Html()
    rows = []
    for name, segment in segments.items():
        if not isinstance(segment, Mapping) or (held and name not in held):
            continue
        sensitivity, passed = segment.get("rate_sensitivity"), segment.get("pass_through")
        if sensitivity is None or passed is None or not (is_number(sensitivity) and is_number(passed)):
            continue
        row = [humanise(str(name)), f"{sensitivity:g}", f"{100 * passed:.0f} %"]
        for case in others:
            own, rate = (case.probit_shift or {}).get(str(name), 0.0), FED_RATE.value(case)
            row.append(MISSING if rate is None else f"{own + sensitivity * (rate - base):+.3f}".replace("-", "−"))
        rows.append(row)
    head = ["Segment", "Sensitivity", "Pass-through", *(case_title(case) for case in others)]
    caption = (
        "Shift of the default threshold in all, in probits: the segment's sensitivity (probits per percentage point)"
        " times the change of the rate, and the case's own shift. Pass-through: how much of the change the payments of"
        " floating-rate loans take."
    )
    return tag("div", table(caption, head, rows), class_="compact") if rows else Html()
