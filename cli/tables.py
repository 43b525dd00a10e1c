"""Runs as tables for the terminal."""

from collections.abc import Sequence
from datetime import datetime

from cli.history import Run
from cli.meter import duration
from cli.screen import table, typed

MISSING = "-"


def of_runs(runs: Sequence[Run]) -> str:
    """A line for each run: state, start, duration, cost, loans, and the headline figures of its last case."""
    head = ["run", "state", "started", "took", "cost", "loans", "case", "EL", "VaR 99.9"]
    return table(head, map(_row, runs), left=(0, 1, 2, 6))


def of_run(run: Run) -> str:
    """How one run stands."""
    lines = [f"Run {run.name} is {run.state}" + (f", started {_moment(run.started)}" if run.started else "")]
    if run.seconds is not None:
        lines[0] += f", took {duration(run.seconds)}"
    if run.error or run.cause:
        lines.append(f"{run.error}: {run.cause}" if run.error and run.cause else run.error or run.cause)
    if run.state == "running":
        lines.append(f"Watch it with: {typed('watch', run.name)}")
    elif run.state != "done":
        lines.append(f"Continue it with: {typed('resume', run.name)}")
    return "\n".join(lines)


def _row(run: Run) -> list[str]:
    took = MISSING if run.seconds is None else duration(run.seconds)
    row = [run.name, run.state, _moment(run.started), took]
    if run.result is None or not run.result.cases:
        return [*row, *[MISSING] * 5]
    result, case = run.result, run.result.cases[-1]
    figures = (case.figure(path).value for path in (("el",), ("var", "99.9")))
    usd = result.cost.figures.get("usd")
    return [
        *row,
        _dollars(usd) if isinstance(usd, float | int) else MISSING,
        MISSING if result.rows.simulated is None else f"{result.rows.simulated:,.0f}",
        case.name[:20],
        *(MISSING if value is None else result.currency.money(value) for value in figures),
    ]


def _dollars(usd: float) -> str:
    """To the cent; what is less than one is not nothing."""
    return "<$0.01" if 0 < usd < 0.01 else f"${usd:,.2f}"


def _moment(when: datetime | None) -> str:
    return MISSING if when is None else when.astimezone().strftime("%Y-%m-%d %H:%M")
