"""`montecarlo check`: a portfolio looked at before it is simulated."""

from typing import Annotated

import typer

from cli import CommandError
from cli.options import Mapping, MaxDuplicateShare, Parameters, real
from cli.place import Place, Profile, Region, StackName
from cli.screen import counted, show, warn


def add_to(app: typer.Typer) -> None:
    """Add `check` to the command line."""
    app.command()(check)


def check(
    portfolio: Annotated[
        str, typer.Argument(metavar="PORTFOLIO", help="a CSV or Parquet file, a folder of such files, or s3://...")
    ],
    mapping: Mapping = None,
    parameters: Parameters = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="the portfolio's reporting date (default today)")
    ] = None,
    max_rejected_share: Annotated[
        float | None,
        typer.Option(parser=real, metavar="X", help="share of bad rows from which a run fails (default 0.001)"),
    ] = None,
    max_duplicate_share: MaxDuplicateShare = None,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Read a portfolio, simulate nothing, and say what it holds and what looks wrong."""
    from collections.abc import Iterator
    from datetime import date

    from cli import files, input_profile, local_objects, plausibility, request
    from montecarlo.model.parameters import load
    from montecarlo.source.listing import find_objects, group_objects
    from montecarlo.source.objects import InputObject
    from montecarlo.storage.store import Store

    given = {
        "mapping": files.json_file(mapping, "mapping"),
        "parameters": files.json_file(parameters, "parameters"),
        "as_of": as_of,
        "max_rejected_share": max_rejected_share,
        "max_duplicate_share": max_duplicate_share,
    }
    understood, _ = request.checked({name: value for name, value in given.items() if value is not None})
    columns = understood.columns
    found = files.portfolio(portfolio, columns.files)
    if isinstance(found, str):
        bucket, _, key = found.removeprefix("s3://").partition("/")
        store = Store(bucket, Place(stack, profile, region).find().client("s3"))
        listing = find_objects(store, key, columns.files)
        groups = listing.groups(understood.chunk_loans, lambda _: 1)
        objects: Iterator[InputObject] = (item for group, _ in groups for item in group_objects(group, store))
        manifest_date = listing.as_of
    else:
        store, listed = local_objects.opened(found)
        objects, manifest_date = iter(listed), None
    when = date.fromisoformat(as_of) if as_of else columns.as_of or manifest_date or date.today()
    seen = input_profile.of_portfolio(store, objects, columns, load(understood.parameters), when)
    show(plausibility.described(seen))
    doubts = seen.warnings()
    for doubt in doubts:
        warn(f"\nLook again: {doubt}")
    if not seen.loans.loans:
        raise CommandError(f"{portfolio} holds no loan that can be simulated.")
    if seen.rejects > understood.max_rejected_share * (seen.loans.loans + seen.rejects + seen.filtered):
        raise CommandError(
            f"{counted(seen.rejects, 'row')} {'is' if seen.rejects == 1 else 'are'} rejected, a larger share than "
            f"--max-rejected-share allows ({understood.max_rejected_share:g}): a run would fail. "
            "Correct the rows or the mapping."
        )
    repeated, _, _ = seen.accounts.repeated
    if repeated > understood.max_duplicate_share * seen.loans.loans:
        raise CommandError(
            f"{repeated:,} rows have an AccountID that another row has, too, a larger share than "
            f"--max-duplicate-share allows ({understood.max_duplicate_share:g}): a run would fail. Give each loan its "
            "own AccountID, or allow a larger share."
        )
    show("\nNothing looks wrong." if not doubts else "")
