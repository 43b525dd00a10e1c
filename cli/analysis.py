"""`montecarlo export` and `montecarlo query`: results for other programs, and questions to them."""

from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError
from cli.place import Place, Profile, Region, StackName
from cli.screen import counted, say, show, shown

Results = Annotated[
    str, typer.Argument(metavar="RESULTS", help="a folder that a run's results are in, or a run on the stack")
]

FILE_TYPES = (
    ".xls",
    ".ods",
    ".csv",
    ".tsv",
    ".txt",
    ".doc",
    ".docx",
    ".pdf",
    ".html",
    ".json",
    ".parquet",
    ".zip",
    ".gz",
)
"""Endings that promise a file of another kind than is written."""


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(export)
    app.command()(query)


def export(
    results: Results,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="a workbook to write, such as june.xlsx, or a folder for CSV files")
    ],
    charts: Annotated[
        bool, typer.Option("--charts", help="write the report's charts to the folder instead, as SVG and PNG")
    ] = False,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Write results as a workbook or as CSV files, or their charts as pictures."""
    from cli import exporting, reports
    from cli.results import found
    from montecarlo.report.view import ResultView

    if target.exists():
        raise CommandError(f"{target} is there already: name another, or remove it.")
    if target.suffix.lower() in FILE_TYPES:
        raise CommandError(f"{target}: workbooks are written as .xlsx; for CSV files, name a folder without an ending.")
    with found(results, Place(stack, profile, region)) as folder:
        ResultView.read((folder / "result.json").read_bytes())  # raises InvalidResult where it is damaged
        result = exporting.parsed(folder)
        page = reports.page_with_charts(folder) if charts else ""
        if not charts:
            exporting.check_details(folder)
        try:
            if charts:
                target.mkdir(parents=True)
                written, without = reports.write_charts(page, target)
                names = ", ".join(path.name for path in written)
                show(f"{counted(len(written), 'file')} in {shown(target.resolve())}: {names}")
                if without:
                    say(f"PNG was left out: {without}")
                return
            if target.suffix.lower() == ".xlsx":
                left_out = exporting.write_workbook(result, folder, target)
                show(f"The workbook is {shown(target.resolve())}.")
                if left_out:
                    say(f"Too long for a workbook, and left to CSV: {', '.join(left_out)}.")
            else:
                target.mkdir(parents=True)
                written = exporting.write_csv(result, folder, target)
                names = ", ".join(path.name for path in written)
                show(f"{counted(len(written), 'file')} in {shown(target.resolve())}: {names}")
        except OSError as error:
            raise CommandError(f"{target} cannot be written: {error}.") from None


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help='such as "SELECT * FROM loans LIMIT 5"')],
    results: Annotated[
        list[str] | None,
        typer.Argument(metavar="RESULTS...", help="folders of results, or runs on the stack (default out)"),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="print CSV instead of a table")] = False,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Ask the results with SQL: the tables are loans, losses, segments and rejects, with the column run."""
    import contextlib

    from cli import sql as database
    from cli.results import found

    place = Place(stack, profile, region)
    with contextlib.ExitStack() as there:
        folders = [there.enter_context(found(text, place)) for text in results or ["out"]]
        show(database.answer(sql, folders, as_csv=csv), end="")
