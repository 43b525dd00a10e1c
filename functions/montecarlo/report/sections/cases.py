"""What each case assumes."""

from statistics import NormalDist

from montecarlo.report.figures import case_rate, case_title
from montecarlo.report.markup import Html, section, table, tag
from montecarlo.report.view import ResultView
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
    head = ["Case", rate, "Shift of the default threshold by segment"]
    return section("Cases", tag("p", note), tag("div", table("What each case assumes.", head, rows), class_="record"))
