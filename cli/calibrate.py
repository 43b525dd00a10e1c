"""`montecarlo calibrate`: parameters estimated from a history of loans."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Mapping, Parameters
from cli.screen import counted, say, show, shown, table, warn

FILES = ("calibration.json", "parameters.json", "report.html")
MAPPING = "mapping.json"
"""Written as well where there are grades."""


def add_to(app: typer.Typer) -> None:
    """Add `calibrate` to the command line."""
    app.command()(calibrate)


def calibrate(
    history: Annotated[
        Path,
        typer.Argument(metavar="HISTORY", help="a CSV or Parquet file, or a folder of such files, a row for each loan"),
    ],
    outcome: Annotated[
        str, typer.Option(metavar="COLUMN", help="1 where the loan defaulted, 0 where not (default Outcome)")
    ] = "Outcome",
    grade: Annotated[str | None, typer.Option(metavar="COLUMN", help="grade of the loan, for PDs by grade")] = None,
    date: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="when the loan was looked at; parts the history by time, not by a hash"),
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV file of default rates by period, for asset correlations (default HISTORY's years)"
        ),
    ] = None,
    mapping: Mapping = None,
    parameters: Parameters = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="folder for the files (default calibrated)", show_default=False)
    ] = Path("calibrated"),
    json: Annotated[bool, typer.Option("--json", help="print calibration.json instead of the tables")] = False,
) -> None:
    """Estimate parameters from a history of loans and their outcomes, and say what they are worth on other loans."""
    from datetime import date as day

    from calibration import calibrate as made
    from calibration import history as histories
    from calibration import page, scorecard, series
    from cli import files, folder
    from montecarlo.model.parameters import load
    from montecarlo.portfolio.mapping import ColumnMapping
    from montecarlo.storage.store import to_json

    scorecard.statsmodels()
    given, document = files.json_file(parameters, "parameters"), files.json_file(mapping, "mapping")
    base, columns = load(given), histories.Columns(outcome, grade, date)
    as_of = ColumnMapping.parse(document).as_of or day.today()
    of_rates = None if rates is None else series.read(rates, list(base.segments))
    names = (*FILES, MAPPING) if grade is not None else FILES
    target = folder.checked(out, names)
    found = made.calibrate(
        histories.read(files.portfolio_files(history), document, columns, base, as_of),
        history.name,
        columns,
        given,
        document,
        of_rates,
        "" if rates is None else rates.name,
    )
    written = {
        "calibration.json": to_json(found.to_json(), indent=1),
        "parameters.json": to_json(dict(found.document), indent=1),
        "report.html": page.render(found).encode(),
        **({MAPPING: to_json(dict(found.mapping), indent=1)} if found.mapping is not None else {}),
    }

    folder.put(target, written)
    if found.history.rejected:
        reason, many = next(iter(found.history.reasons.items()))
        warn(f"{counted(found.history.rejected, 'row')} cannot be used, {many:,} of them since {reason}.")
    if found.incomplete:
        warn(f"{counted(found.incomplete, 'loan')} without a column that the scorecard needs: left out of the fit.")
    if grade is not None and found.mapping is None:
        warn(f"{grade} is joined from columns, which no mapping turns into PDs: they are in calibration.json alone.")
    if json:
        show(written["calibration.json"].decode(), end="")
        return
    show(f"{counted(found.fit.loans, 'loan')} with {counted(found.fit.defaults, 'default')} of {history.name}.")
    show(f"Parted {found.split}.\n", hang=0)
    show(table(page.HEAD, page.rows(found)))
    for sentence in page.kept(found):
        show(sentence, hang=0)
    if found.grades:
        show("\n" + table(page.GRADES_HEAD, page.grade_rows(found)))
    if found.correlations:
        show("\n" + table(page.CORRELATIONS_HEAD, page.correlation_rows(found)))
        for sentence in page.doubts(found):
            show(sentence, hang=0)
    if found.after is not None:
        show("\n" + table(page.QUALITY_HEAD, page.quality_rows(found)))
    show(f"\n{page.verdict(found)}", hang=0)
    say(f"\nParameters: {shown(target) / 'parameters.json'}, for run --parameters")
    if MAPPING in written:
        say(f"Mapping:    {shown(target) / MAPPING}, for run --mapping: each grade's PD")
    say(f"Report:     {shown(target) / 'report.html'}")
