"""The result as a short table for the terminal."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from montecarlo.report.words import (
    BASEL_CAPITAL,
    COMPARED,
    LIFETIME_ECL,
    MISSING,
    TWELVE_MONTH_ECL,
    Case,
    Measure,
    Unit,
    cases_of,
    count,
    half_width,
    known,
    loan_equation,
    measures_of,
    money_or_missing,
    notices,
    number,
    plus_minus,
    shortened,
    tail_measure,
    unit_of,
)

COLUMNS = 100
NAME_COLUMNS = 20
"""Of a case's name; longer ones are cut off."""

LEFT_OUT = ("analytic_el", "worst")
"""Where many cases stand below each other, so that two blocks hold the rest."""


def format_table(result: Mapping[str, Any]) -> str:
    """The measures as plain text, at most 100 columns wide, without a line end after the last line.

    Few cases stand side by side with their changes, measures down; of many, each has a line. What does not fit beside
    the first column goes into further blocks below.
    """
    cases = cases_of(result)
    measures = [*measures_of(cases), *known((BASEL_CAPITAL, TWELVE_MONTH_ECL, LIFETIME_ECL), cases)]
    unit = unit_of(cases, measures)
    few = len(cases) <= COMPARED
    rows = (measures_down if few else cases_down)(cases, measures, unit)
    columns = [list(column) for column in zip(*rows, strict=True)]
    # A change stays with its value, and is read against the first case.
    blocks = [text_block(block) for block in fitted(columns, kept=2 if few else 1, step=2 if few else 1)]

    run = f"Run {result.get('run', '')}: {count(result.get('scenarios'))} scenarios, seed {result.get('seed', MISSING)}"
    amounts = f"Amounts in {unit.name}; exposure {money_or_missing(number(result.get('exposure')))}."
    counts = f"Loans: {loan_equation(result)}"
    first, *lines = (shortened(terminal_text(line), COLUMNS) for line in (run, amounts, counts))
    notes = (line for notice in notices(result) for line in wrap(terminal_text(notice), COLUMNS))
    return "\n".join([first, "", "\n\n".join(blocks), "", *lines, *notes])


def measures_down(cases: Sequence[Case], measures: Sequence[Measure], unit: Unit) -> list[list[str]]:
    """Rows, the head first: a value for each case and, but for the first, how it changes."""
    tail, halves = tail_measure(cases), half_widths(cases)
    rows = [[""], *([measure.label] for measure in measures)]
    for case in cases:
        column = [terminal_text(case.name), *(measure.text(case.value(measure), unit) for measure in measures)]
        for row, value in zip(rows, column, strict=True):
            row.append(value)
        if case.index:
            changes = (measure.change(cases[0], case) for measure in measures)
            for row, value in zip(rows, ["change", *changes], strict=True):
                row.append(value)
    if any(half != MISSING for half in halves):
        interval = [text for half in halves for text in (half, "")]
        rows.insert(2 + measures.index(tail), ["  95 % interval", interval[0], *interval[2:]])
    return rows


def cases_down(cases: Sequence[Case], measures: Sequence[Measure], unit: Unit) -> list[list[str]]:
    """Rows, the head first: a line for each case, with half of VaR's interval beside it."""
    tail, halves = tail_measure(cases), half_widths(cases)
    shown = [measure for measure in measures if measure.path[0] not in LEFT_OUT]
    rows = [["", *(measure.short + " ± 95 %" * (measure == tail) for measure in shown)]]
    for case, half in zip(cases, halves, strict=True):
        texts = [measure.text(case.value(measure), unit) for measure in shown]
        if tail in shown:
            texts[shown.index(tail)] += f" {half:>{max(map(len, halves))}}"
        rows.append([shortened(terminal_text(case.name), NAME_COLUMNS), *texts])
    return rows


def half_widths(cases: Sequence[Case]) -> list[str]:
    """Half of the 95 % interval of each case's VaR at the highest level."""
    halves = (half_width(case, tail_measure(cases)) for case in cases)
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
