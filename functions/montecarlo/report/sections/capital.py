"""Basel's capital beside the simulated economic capital."""

from montecarlo.report.charts.bars import legend
from montecarlo.report.figures import (
    BASEL_CAPITAL,
    RISK_WEIGHT_FACTOR,
    case_label,
    compared,
    highest_level,
    in_unit,
    page_unit,
)
from montecarlo.report.markup import Html, cell, section, table, tag
from montecarlo.report.sections.tables import PART_CAPITAL, parts_table, value_cell
from montecarlo.report.view import ResultView
from montecarlo.report.words import MISSING, percent


def capital_section(result: ResultView) -> Html:
    """Basel's capital beside the simulated economic capital."""
    cases, exposure = result.cases, result.exposure
    capitals = [BASEL_CAPITAL.value(case) for case in cases]
    if all(capital is None for capital in capitals):
        return Html()
    economic = highest_level("economic_capital", cases)
    weighted = [None if capital is None else RISK_WEIGHT_FACTOR * capital for capital in capitals]
    unit = page_unit(result)
    rows = []
    for case, capital, assets in zip(cases, capitals, weighted, strict=True):
        simulated = economic.value(case)
        density = percent(assets / exposure) if assets is not None and exposure else None
        ratio = f"{simulated / capital:.2f}" if simulated is not None and capital else MISSING
        rows.append(
            [
                case_label(case),
                cell(BASEL_CAPITAL.text(capital, unit), BASEL_CAPITAL.change(cases[0], case) if case.index else None),
                cell(BASEL_CAPITAL.text(assets, unit), density),
                value_cell(case, economic, unit),
                ratio,
            ]
        )
    head = ["Case", "Basel IRB capital", "Risk-weighted assets (RWA)", economic.label, "Economic / Basel"]
    caption = (
        f"{in_unit(result)} Small figures: change from the first case; RWA as a share of the exposure; 95 % interval."
    )
    note = (
        "Both cover a year's loss beyond the expected one, at 99.9 %. Basel's formula takes each loan"
        " alone, with prescribed correlations, as if it were one of countless small ones. Economic capital is"
        " simulated, with the concentration of this portfolio and the correlations among the run's parameters."
    )
    by_segment = parts_table(
        result, "segments", [PART_CAPITAL], "Basel IRB capital. Small figures: RWA as a share of the exposure."
    )
    heading = tag("h3", "Basel IRB capital by segment")
    parts = [heading, legend(compared(cases), "bar"), by_segment] if by_segment else []
    return section("Capital", tag("p", note), table(caption, head, rows), *parts)
