"""`montecarlo combine`: a result from the sums of other runs."""

import sys
from typing import Annotated

import typer

from cli.place import Place, Profile, Region, StackName
from cli.screen import is_ascii, show, typed


def add_to(app: typer.Typer) -> None:
    """Add `combine` to the command line."""
    app.command()(combine)


def combine(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN + RUN - RUN...",
            help="runs of the stack, s3://bucket/runs/NAME/, or folders with the plan.json and sums.npz of a run",
        ),
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="what the result is called, as a run of the stack")],
    json: Annotated[bool, typer.Option("--json", help="print result.json instead of the table")] = False,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Add up runs of the same scenarios to one result, or take some out, without simulating."""
    from additive.combine import combine as add_up
    from additive.operands import parse
    from cli.terminal import format_table
    from montecarlo.report.view import ResultView
    from montecarlo.run.request import check_name
    from montecarlo.storage.store import Store, to_json

    terms = parse(runs)
    check_name("--name", name)
    there = Place(stack, profile, region).find()
    s3 = there.client("s3")
    made = add_up(terms, name, Store(there.bucket, s3), lambda bucket: Store(bucket, s3))
    if json:
        show(to_json(made.result, indent=1).decode(), end="")
        return
    show(format_table(ResultView.of(made.result), is_ascii(sys.stdout)))
    show(f"\nIt is kept as the run {name}: see its report with `{typed('open', name)}`.")
