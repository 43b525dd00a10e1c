"""`montecarlo what-if`: a run with some loans more and others less."""

from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError
from cli.options import Mapping, Run
from cli.place import Place, Profile, Region, StackName
from cli.screen import counted, show, shown, table

FILES = ("what-if.json", "report.html")


def add_to(app: typer.Typer) -> None:
    """Add `what-if` to the command line."""
    app.command("what-if")(what_if)


def what_if(
    run: Run,
    add: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="CSV or Parquet file with loans that come; may be repeated"),
    ] = None,
    remove: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="CSV or Parquet file with the AccountIDs of loans that go; may be repeated"),
    ] = None,
    mapping: Mapping = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="folder for the report (default what-if)", show_default=False)
    ] = Path("what-if"),
    json: Annotated[bool, typer.Option("--json", help="print what-if.json instead of the tables")] = False,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Say what a run would be with some loans more and others less, simulating those alone."""
    from additive import what_if_page
    from additive.what_if import what_if as find
    from cli import files, folder
    from cli.history import checked_name
    from cli.replay import opened, warn_of_unknown
    from montecarlo.storage.store import to_json

    if not add and not remove:
        raise CommandError(
            "give --add FILE with loans that come, --remove FILE with AccountIDs of those that go, or both."
        )
    checked_name(run)
    given = files.json_file(mapping, "mapping")
    target = folder.checked(out, FILES)
    replay = opened(Place(stack, profile, region), run)
    found = find(replay, add or [], remove or [], given)
    written = {
        "what-if.json": to_json(found.to_json(), indent=1),
        "report.html": what_if_page.render(found).encode(),
    }

    folder.put(target, written)
    if add:
        warn_of_unknown(replay)
    if json:
        show(written["what-if.json"].decode(), end="")
        return
    moved = [
        f"{counted(held['loans'], 'loan')} of {what_if_page.money(found, held['exposure'])} {word}"
        for held, word in ((found.added, "added"), (found.removed, "removed"))
        if held["loans"]
    ]
    show(f"Run {run}: {', '.join(moved)}.\n")
    for case in found.difference:
        show(table([case, "before", "after", "difference", "95 %"], what_if_page.rows(found, case)), end="\n\n")
    show(f"{what_if_page.unit_in_words(found)}\n")
    show(f"Report:  {shown(target) / 'report.html'}\nFigures: {shown(target) / 'what-if.json'}")
