"""Expected credit losses for the accounts."""

from collections.abc import Iterator

from montecarlo.model.parameters import TIMINGS
from montecarlo.report.charts.bars import legend
from montecarlo.report.figures import (
    ALLOWANCE,
    LIFETIME_ECL,
    TWELVE_MONTH_ECL,
    Measure,
    case_label,
    compared,
    in_unit,
    page_unit,
)
from montecarlo.report.markup import Html, cell, section, table, tag
from montecarlo.report.sections.tables import PART_LIFETIME, PART_TWELVE_MONTH, change_cell, parts_table
from montecarlo.report.view import CaseView, ResultView
from montecarlo.report.words import count, percent

TIMES = {
    "mid-year": "in the middle of a year, on what is owed then",
    "year-end": "at the end of a year, on what was owed at its beginning",
    "monthly": "at the end of a month, on what was owed at its beginning",
}
"""When a loan defaults, by the parameter default_timing."""


def provisions_section(result: ResultView) -> Html:
    """ECL over 12 months and over the loans' life, of each case and by segment; nothing where no case has one."""
    cases, exposure = result.cases, result.exposure
    measures = (TWELVE_MONTH_ECL, LIFETIME_ECL)
    if all(measure.value(case) is None for case in cases for measure in measures):
        return Html()
    unit = page_unit(result)

    def amount(case: CaseView, measure: Measure) -> Iterator[str]:
        value = measure.value(case)
        yield cell(measure.shown(case, unit), percent(value / exposure) if value is not None and exposure else None)
        if len(cases) > 1:
            yield change_cell(measure, cases[0], case, unit) if case.index else ""

    changes = ["Change"] if len(cases) > 1 else []
    told = [TWELVE_MONTH_ECL, LIFETIME_ECL]
    heads = ["12 months", "Lifetime"]
    if any(ALLOWANCE.known_of(case) for case in cases):
        told, heads = [*told, ALLOWANCE], [*heads, "Allowance"]
    head = ["Case", *(name for each in heads for name in (each, *changes))]
    rows = [[case_label(case), *(text for each in told for text in amount(case, each))] for case in cases]
    if weighed := [result.weighted_ecl.get(each.path[-1]) for each in told if result.weighted_ecl]:
        row = ["Weighed with the probabilities"]
        for each, value in zip(told, weighed, strict=True):
            row += [cell(each.text(value, unit), percent(value / exposure) if value is not None and exposure else None)]
            row += [""] * len(changes)
        rows.append(row)
    caption = f"{in_unit(result)} Small figures: share of the exposure; for a change, the difference."
    note = (
        "Expected credit losses (ECL), discounted to today: over 12 months, as IFRS 9 asks for loans in stage 1, and"
        " over the loans' remaining life, as it does in stage 2 and CECL does for all. Computed, not simulated."
    )
    if timed := TIMES.get(str(result.parameters.get("default_timing", TIMINGS[0]))):
        note += f" A loan defaults {timed}."
    note += " What is in default, by a PD of 1 or by stage 3, is provided for in full in each."
    if ALLOWANCE in told:
        note += " Allowance: the 12 months of loans in stage 1, and the remaining life of those in stages 2 and 3."
    by_segment = parts_table(
        result, "segments", [PART_TWELVE_MONTH, PART_LIFETIME], "Small figures: share of the exposure."
    )
    parts = [tag("h3", "By segment"), legend(compared(cases), "bar"), by_segment] if by_segment else []
    return section("Expected credit losses", tag("p", note), table(caption, head, rows), *by_stage(result), *parts)


FIRST_STAGE, STAGE = "1", "Stage"


def by_stage(result: ResultView) -> list[Html]:
    """What is provided for the loans of each stage; nothing where no allowance is told."""
    cases, unit = compared(result.cases), page_unit(result)
    held = result.portfolio.dimensions.get(STAGE)
    if held is None or all(ALLOWANCE.value(case) is None for case in cases):
        return []

    def provided(case: CaseView, stage: str) -> float | None:
        lost = case.dimensions.get(STAGE, {}).get(stage)
        if lost is None:
            return None
        return (lost.twelve_month_ecl if stage == FIRST_STAGE else lost.lifetime_ecl).value

    rows = [
        [
            stage,
            count(holding.loans),
            ALLOWANCE.text(holding.exposure, unit),
            *(ALLOWANCE.text(provided(case, stage), unit) for case in cases),
        ]
        for stage, holding in sorted(held.values.items())
    ]
    foot = ["All", count(result.rows.simulated), ALLOWANCE.text(result.exposure, unit)]
    foot += [ALLOWANCE.shown(case, unit) for case in cases]
    head = [STAGE, "Loans", "Exposure", *(f"Allowance, {case_label(case)}" for case in cases)]
    return [tag("h3", "By stage"), table(in_unit(result), head, rows, foot)]
