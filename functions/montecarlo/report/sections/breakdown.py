"""Losses by segment, region and dimension, and what each part contributes to the tail."""

from dataclasses import replace

from montecarlo.report.charts.bars import legend
from montecarlo.report.figures import compared
from montecarlo.report.markup import Html, section, tag
from montecarlo.report.sections.tables import (
    PART_CAPITAL,
    PART_EL,
    PART_LIFETIME,
    PART_TWELVE_MONTH,
    part_es,
    part_name,
    part_var,
    parts_table,
)
from montecarlo.report.view import ResultView


def breakdown_section(result: ResultView, kind: str) -> Html:
    """Expected loss, and contributions to VaR and ES; by dimensions capital and provisions, too.

    kind: "segments", "regions" or a dimension's name.
    """
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
    tail = [tag("h3", "Contributions to the tail"), in_tail] if in_tail else []
    name = part_name(result, kind)
    dimension = result.portfolio.dimensions.get(kind)
    told = dimension.told if dimension else result.portfolio.regions_told if kind == "regions" else None
    return section(
        f"Losses by {name if dimension or name.startswith('ZIP') else name.lower()}",
        *([tag("p", TOLD[told])] if told in TOLD else []),
        *([legend(cases, "bar"), expected] if expected else []),
        *tail,
        *(_required(result, kind) if dimension else []),
    )


TOLD = {
    "largest": "The values with the largest exposure have a line of their own; other has the rest.",
    "some": "There are more values than are told apart. Those with a line of their own are the largest of some that a"
    " hash picks, the same in every run; other has the rest.",
}


def _required(result: ResultView, kind: str) -> list[Html]:
    """Capital and provisions, under a heading."""
    caption = (
        "Basel IRB capital, and ECL over 12 months and over the loans' life. Small figures: RWA, and ECL, as a share of"
        " the exposure."
    )
    figures = [replace(figure, drawn="") for figure in (PART_CAPITAL, PART_TWELVE_MONTH, PART_LIFETIME)]
    shown = parts_table(result, kind, figures, caption)
    return [tag("h3", "Capital and provisions"), shown] if shown else []
