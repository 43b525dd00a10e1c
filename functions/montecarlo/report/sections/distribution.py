"""How likely each loss is: the distribution and the exceedance curve of each case."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from montecarlo.report.charts.bars import legend
from montecarlo.report.charts.losses import Curve, Distribution, distribution_chart, exceedance_chart
from montecarlo.report.charts.multiples import multiples_chart
from montecarlo.report.figures import COMPARED, case_title, compared
from montecarlo.report.markup import Html, scrolling, section, tag
from montecarlo.report.view import CaseView, ResultView
from montecarlo.report.words import percent


def distribution_section(result: ResultView, distributions: Mapping[str, Distribution]) -> Html:
    """The charts of the compared cases, with the others in the background. distributions: losses by case name."""

    def curves_of(some: Iterable[CaseView]) -> list[Curve]:
        known = ((case, distributions[case.name]) for case in some if case.name in distributions)
        return [Curve.of(case, distribution) for case, distribution in known if distribution.weights.sum() > 0]

    shown = compared(result.cases)
    curves = curves_of(shown)
    if not curves:
        return Html()
    if not any(curve.amounts.any() for curve in curves):
        return section("Loss distribution", tag("p", "No scenario lost anything, so there is nothing to draw."))
    names = {case.name for case in shown}
    others = curves_of(replace(case, index=COMPARED) for case in result.cases if case.name not in names)
    chart, beyond = distribution_chart(curves, result.currency)
    left_out = (
        f" Losses beyond the right edge ({percent(beyond)} of the probability at most) are not drawn." if beyond else ""
    )
    drawn = [curve.case for curve in curves]
    return section(
        "Loss distribution",
        *_each_case(curves, curves_of(result.cases), result),
        tag(
            "figure",
            legend(drawn, "bar"),
            scrolling(chart, "Chart: loss distributions", more=True),
            tag(
                "figcaption",
                f"How likely each loss is. Dotted: expected loss (EL). Dashed: value at risk (VaR).{left_out}",
            ),
        ),
        tag("h3", "Exceedance curve"),
        tag(
            "figure",
            legend(drawn, "curve", f"Other cases ({len(others)})" if others else ""),
            scrolling(exceedance_chart(curves, others, result.currency), "Chart: exceedance curves", more=True),
            tag(
                "figcaption",
                "How likely a loss larger than the one on the axis is. Points: value at risk at each level.",
            ),
        ),
    )


def _each_case(shown: Sequence[Curve], every: Sequence[Curve], result: ResultView) -> list[Html]:
    """A small chart for each of many cases."""
    if len(every) <= COMPARED:
        return []
    coloured = {curve.case.name: curve.case.index for curve in shown}
    curves = [
        replace(curve, case=replace(curve.case, index=coloured.get(curve.case.name, COMPARED))) for curve in every
    ]
    caption = "All on the same axes. Dotted: expected loss. Dashed: value at risk. Thin line: the first case."
    return [
        tag(
            "figure",
            scrolling(multiples_chart(curves, result.currency), "Chart: loss distribution of each case", more=True),
            tag("figcaption", caption),
        ),
        tag("h3", f"{', '.join(case_title(curve.case) for curve in shown)}, over each other"),
    ]
