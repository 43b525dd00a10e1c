"""Losses by segment and by region, and what each contributes to the tail."""

from montecarlo.report.charts.bars import legend
from montecarlo.report.figures import compared
from montecarlo.report.markup import Html, section, tag
from montecarlo.report.sections.tables import PART_EL, part_es, part_var, parts_table
from montecarlo.report.view import ResultView


def breakdown_section(result: ResultView, kind: str) -> Html:
    """Expected loss, and contributions to VaR and ES. kind: "segments" or "regions"."""
    cases = compared(result.cases)
    caption = "Small figures: share of the exposure."
    if any(case.el_check for case in cases):
        caption += " EL: computed loan by loan, free of simulation error."
    expected = parts_table(result, kind, [PART_EL], caption, loans=True)
    in_tail = parts_table(
        result,
        kind,
        [part_var(result), part_es(result)],
        "The parts of the portfolio's value at risk and expected shortfall that arise here."
        " Small figures: half the 95 % interval of the simulation.",
    )
    if not expected and not in_tail:
        return Html()
    heading = "Losses by segment" if kind == "segments" else "Losses by ZIP region"
    tail = [tag("h3", "Contributions to the tail"), in_tail] if in_tail else []
    return section(heading, *([legend(cases, "bar"), expected] if expected else []), *tail)
