"""Every measure of every case, with its interval and its change from the first case."""

from collections.abc import Iterable, Sequence

from montecarlo.report.figures import (
    COMPARED,
    EXPECTED_LOSS,
    SIMULATED_EL,
    Measure,
    case_label,
    case_title,
    compared,
    in_unit,
    measures_of,
    page_unit,
    verdict,
)
from montecarlo.report.markup import Html, cell, details, joined, section, table, tag
from montecarlo.report.sections.tables import change_cell, value_cell
from montecarlo.report.view import CaseView, ResultView
from montecarlo.report.words import MISSING, Unit, humanise


def measures_section(result: ResultView) -> Html:
    """All measures, and the figures of later versions."""
    if not result.cases:
        return Html()
    tables = (measures_down if len(result.cases) <= COMPARED else cases_down)(result, measures_of(result.cases))
    return section("Measures", tables, further_table(result))


def measures_down(result: ResultView, measures: Sequence[Measure]) -> Html:
    """Few cases beside each other, each but the first with its changes."""
    cases = result.cases
    unit = page_unit(result)

    def cells(measure: Measure) -> Iterable[str]:
        yield measure.label
        for case in cases:
            yield value_cell(case, measure, unit)
            if case.index:
                yield change_cell(measure, cases[0], case, unit)

    def rows() -> Iterable[list[str]]:
        for measure in measures:
            yield list(cells(measure))
            if measure == EXPECTED_LOSS and any(case.el_check for case in cases):
                checks = (cell for case in cases for cell in (check_cell(case, unit), "")[: 1 + bool(case.index)])
                yield [f"{SIMULATED_EL}, a check", *checks]

    head = ["Measure"]
    for case in cases:
        head += [case_label(case), "Change"] if case.index else [case_label(case)]
    made = table(measures_caption(result), head, rows())
    return made if len(cases) < COMPARED else tag("div", made, class_="compact")


def check_cell(case: CaseView, unit: Unit) -> Html:
    """The simulated EL, and whether it agrees with the one computed loan by loan."""
    check = case.el_check
    if check is None or check.simulated is None:
        return cell(MISSING)
    apart = "" if check.errors_apart is None else f": {check.errors_apart:.1f} standard errors apart"
    return cell(EXPECTED_LOSS.text(check.simulated, unit), verdict(case) and verdict(case) + apart)


def measures_caption(result: ResultView) -> str:
    """What the amounts and the small figures of a table of measures are."""
    return (
        f"{in_unit(result)} Small figures: 95 % interval of the simulation; for a change, the difference and its"
        " interval, which is narrow, as both cases have the same scenarios."
    )


ALL_CASES = "result.json and segments.parquet hold all cases."


def cases_down(result: ResultView, measures: Sequence[Measure]) -> Html:
    """Many cases below each other, one table a measure."""
    cases, unit = result.cases, page_unit(result)

    def of_measure(measure: Measure) -> Html:
        rows = []
        for case in cases:
            change = change_cell(measure, cases[0], case, unit) if case.index else ""
            rows.append([humanise(case.name), value_cell(case, measure, unit), change])
        made = table(measure.label, ["Case", measure.short, "Change"], rows)
        if measure != EXPECTED_LOSS or not any(case.el_check for case in cases):
            return tag("div", made)
        checks = [[humanise(case.name), check_cell(case, unit)] for case in cases]
        return joined([tag("div", made), tag("div", table(f"{SIMULATED_EL}, a check", ["Case", SIMULATED_EL], checks))])

    tables = tag("div", *(of_measure(measure) for measure in measures), class_="compact pairs")
    names = [case_title(case) for case in compared(result.cases)]
    note = f"Breakdowns compare {', '.join(names[:-1])} and {names[-1]}: the first case and those of the largest VaR."
    return joined(
        [
            tag("p", measures_caption(result)),
            tables,
            tag("p", f"{note} {ALL_CASES}"),
        ]
    )


def further_table(result: ResultView) -> Html:
    """The numbers that a later version of the project adds to the cases, folded away."""
    figures = [{", ".join(map(humanise, path)): value for path, value in case.further.items()} for case in result.cases]
    names = list(dict.fromkeys(name for by_name in figures for name in by_name))
    if not names:
        return Html()
    rows = [[name, *(f"{by_name[name]:,.6g}" if name in by_name else MISSING for by_name in figures)] for name in names]
    head = ["Figure", *(case_label(case) for case in result.cases)]
    return details("Further figures of this run", table("Amounts in currency units.", head, rows))
