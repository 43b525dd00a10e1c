"""The result as a short table for the terminal. Imports the report's view and its words, and the screen."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from cli.screen import in_ascii
from montecarlo.report.figures import (
    ALLOWANCE,
    BASEL_CAPITAL,
    COMPARED,
    EXPECTED_LOSS,
    LIFETIME_ECL,
    TWELVE_MONTH_ECL,
    Measure,
    equal_ones,
    known,
    measures_of,
    notices,
    page_unit,
    row_equation,
    tail_measure,
    verdict,
    weighted,
)
from montecarlo.report.view import CaseView, ResultView
from montecarlo.report.words import MISSING, Unit, count, percent, plus_minus, shortened

COLUMNS = 100
NAME_COLUMNS = 20
"""Of a case's name; longer ones are cut off."""

LEFT_OUT = ("worst",)
"""Where many cases stand below each other, so that two blocks hold the rest."""


def format_table(result: ResultView, ascii: bool = False) -> str:
    """The measures as plain text, at most 100 columns wide, without a line end after the last line.

    ascii: whether the screen has no "±", "−" and the like.

    Few cases stand side by side with their changes, measures down; of many, each has a line. What does not fit beside
    the first column goes into further blocks below.
    """
    cases = result.cases
    measures = [*measures_of(cases), *known((BASEL_CAPITAL, TWELVE_MONTH_ECL, LIFETIME_ECL, ALLOWANCE), cases)]
    unit = page_unit(result)
    few = len(cases) <= COMPARED
    rows = (measures_down if few else cases_down)(cases, measures, unit)
    written = in_ascii if ascii else str
    columns = [[written(cell) for cell in column] for column in zip(*rows, strict=True)]
    # A change stays with its value, and is read against the first case.
    blocks = [text_block(block) for block in fitted(columns, kept=2 if few else 1, step=2 if few else 1)]

    seed = MISSING if result.seed is None else result.seed
    run = f"Run {result.run}: {count(result.scenarios)} scenarios, seed {seed}"
    amounts = f"Amounts in {result.currency.name(unit)}; exposure {result.currency.money(result.exposure)}."
    counts = f"Loans: {row_equation(result)}"
    told = (run, amounts, counts, *owed(result), *weighed(result))
    first, *lines = (written(shortened(written(terminal_text(line)), COLUMNS)) for line in told)
    notes = (line for notice in notices(result) for line in wrap(written(terminal_text(notice)), COLUMNS))
    return "\n".join([first, "", "\n\n".join(blocks), "", *lines, *notes])


def owed(result: ResultView) -> Iterator[str]:
    """How many borrowers there are and how concentrated they are, where the portfolio names them."""
    borrowers = result.portfolio.borrowers
    if borrowers and borrowers.index:
        largest = next((one.share for one in borrowers.largest), None)
        share = "" if largest is None else f"; the largest has {percent(largest)} of the exposure"
        equal = equal_ones(borrowers.index, "borrower")
        yield f"Borrowers: {count(borrowers.number)}, as concentrated as {equal}{share}"


def weighed(result: ResultView) -> Iterator[str]:
    """The expected credit losses of all cases together, where these have probabilities."""
    if spelled := weighted(result):
        yield f"ECL weighed with the probabilities of the cases: {spelled}"


def measures_down(cases: Sequence[CaseView], measures: Sequence[Measure], unit: Unit) -> list[list[str]]:
    """Rows, the head first: a value for each case and, but for the first, how it changes."""
    rows = [[""], *([measure.label] for measure in measures)]
    for case in cases:
        column = [terminal_text(case.name), *(measure.shown(case, unit) for measure in measures)]
        for row, value in zip(rows, column, strict=True):
            row.append(value)
        if case.index:
            changes = (measure.change(cases[0], case) for measure in measures)
            for row, value in zip(rows, ["change", *changes], strict=True):
                row.append(value)
    checks = [verdict(case) or MISSING for case in cases]
    for measure, label, remarks in (
        (tail_measure(cases), "  95 % interval", half_widths(cases)),
        (EXPECTED_LOSS, "  as simulated", checks),
    ):
        if any(remark != MISSING for remark in remarks):
            spread = [text for remark in remarks for text in (remark, "")]
            rows.insert(2 + measures.index(measure), [label, spread[0], *spread[2:]])
    return rows


def cases_down(cases: Sequence[CaseView], measures: Sequence[Measure], unit: Unit) -> list[list[str]]:
    """Rows, the head first: a line for each case, with half of VaR's interval beside it."""
    tail, halves = tail_measure(cases), half_widths(cases)
    shown = [measure for measure in measures if measure.path[0] not in LEFT_OUT]
    rows = [["", *(measure.short + " ± 95 %" * (measure == tail) for measure in shown)]]
    for case, half in zip(cases, halves, strict=True):
        texts = [measure.shown(case, unit) for measure in shown]
        if tail in shown:
            texts[shown.index(tail)] += f" {half:>{max(map(len, halves))}}"
        rows.append([shortened(terminal_text(case.name), NAME_COLUMNS), *texts])
    return rows


def half_widths(cases: Sequence[CaseView]) -> list[str]:
    """Half of the 95 % interval of each case's VaR at the highest level."""
    tail = tail_measure(cases)
    halves = (tail.half_width(case) for case in cases)
    return [MISSING if half is None else plus_minus(half) for half in halves]


def terminal_text(text: str) -> str:
    """Text without anything that could steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def fitted(columns: Sequence[list[str]], kept: int, step: int) -> list[list[list[str]]]:
    """Columns cut into blocks that fit: the first `kept` in every block, the others `step` at a time."""
    first, others = columns[:kept], columns[kept:]
    blocks: list[list[list[str]]] = [[]]
    for start in range(0, len(others), step):
        piece = others[start : start + step]
        if blocks[-1] and sum(column_widths([*first, *blocks[-1], *piece])) > COLUMNS:
            blocks.append([])
        blocks[-1].extend(piece)
    return [[*first, *block] for block in blocks]


def column_widths(columns: Sequence[Sequence[str]]) -> list[int]:
    """Widths with the gap to the left; a case's name alone never widens its column beyond NAME_COLUMNS."""
    return [
        max([min(len(column[0]), NAME_COLUMNS), *(len(cell) for cell in column[1:])]) + (2 if index else 0)
        for index, column in enumerate(columns)
    ]


def text_block(columns: Sequence[Sequence[str]]) -> str:
    """Columns side by side, the first to the left, a line below the head."""
    widths = column_widths(columns)
    lines = []
    for row, cells in enumerate(zip(*columns, strict=True)):
        label, *values = (shortened(cell, NAME_COLUMNS) if row == 0 else cell for cell in cells)
        lines.append(
            label.ljust(widths[0])
            + "".join(value.rjust(width) for value, width in zip(values, widths[1:], strict=True))
        )
        if row == 0:
            lines.append("-" * sum(widths))
    return "\n".join(line.rstrip() for line in lines)
