"""How likely each loss is: the distribution and the exceedance curve of each case."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from montecarlo.report.charts.bars import legend
from montecarlo.report.charts.losses import Curve, Distribution, distribution_chart, exceedance_chart
from montecarlo.report.figures import COMPARED, compared
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
        tag(
            "figure",
            legend(drawn, "bar"),
            scrolling(chart, "Chart: loss distributions"),
            tag(
                "figcaption",
                f"How likely each loss is. Dotted: expected loss (EL). Dashed: value at risk (VaR).{left_out}",
            ),
        ),
        tag("h3", "Exceedance curve"),
        tag(
            "figure",
            legend(drawn, "curve", f"Other cases ({len(others)})" if others else ""),
            scrolling(exceedance_chart(curves, others, result.currency), "Chart: exceedance curves"),
            tag(
                "figcaption",
                "How likely a loss larger than the one on the axis is. Points: value at risk at each level.",
            ),
        ),
    )
