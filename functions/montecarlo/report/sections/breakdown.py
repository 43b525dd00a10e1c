"""Losses by segment and by region."""

from montecarlo.report.charts.bars import legend
from montecarlo.report.figures import compared
from montecarlo.report.markup import Html, section
from montecarlo.report.sections.tables import PART_EL, PART_ES, Parts, parts_table
from montecarlo.report.view import ResultView


def breakdown_section(result: ResultView, kind: str) -> Html:
    """Expected loss and contribution to the 99 % ES. kind: "segments" or "regions"."""
    cases = compared(result.cases)
    caption = "Small figures: share of the exposure."
    if any(case.el_check for case in cases):
        caption += " EL: computed loan by loan, free of simulation error."
    if any(True for _ in Parts.of(result, kind).values(PART_ES)):
        caption += " ES 99 %: the part of the portfolio's expected shortfall that arises here."
    content = parts_table(result, kind, (PART_EL, PART_ES), caption, loans=True)
    if not content:
        return Html()
    heading = "Losses by segment" if kind == "segments" else "Losses by ZIP region"
    return section(heading, legend(cases, "bar"), content)
