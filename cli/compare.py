"""`montecarlo compare`: two runs beside each other, and why their losses differ."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import CommandError
from cli.options import whole
from cli.place import Place, Profile, Region, StackName
from cli.screen import say, show, shown, table

if TYPE_CHECKING:
    from additive.compare import Comparison, Side
    from additive.waterfall import Waterfall

FILES = ("compare.json", "compare.html", "scenarios.parquet")
MOST = 1_000
SHOWN = 5
"""Movers on the screen."""


def add_to(app: typer.Typer) -> None:
    """Add `compare` to the command line."""
    app.command()(compare)


def compare(
    first: Annotated[str, typer.Argument(metavar="FIRST", help="a run on the stack, or a folder with its results")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="the run to compare with it, or a folder")],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="folder for page, figures and scenarios (default compare)")
    ] = Path("compare"),
    top: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="loans to list that changed most (default 20)")
    ] = 20,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Say to the cent why two runs' expected losses differ, and with the same scenarios, the loss in each."""
    import contextlib
    import tempfile

    from additive import comparison_page
    from additive.compare import compare as beside
    from additive.compare import write
    from cli import folder
    from cli.results import found

    if not 0 <= top <= MOST:
        raise CommandError(f"--top is {top:,}, but must be a whole number from 0 to {MOST:,}.")
    target = folder.checked(out, FILES)
    place = Place(stack, profile, region)
    with contextlib.ExitStack() as there:
        sides = [_side(text, there.enter_context(found(text, place)), place) for text in (first, second)]
        scratch = Path(there.enter_context(tempfile.TemporaryDirectory(prefix="montecarlo-")))
        made = beside(sides[0], sides[1], scratch, top)
        page = comparison_page.render(made)
        names = FILES if made.losses is not None else FILES[:2]
        folder.replace(target, names, lambda incoming: write(made, page, incoming))
    for each in made.waterfalls:
        show(_steps(made, each) + "\n")
    if made.same_scenarios:
        show(f"In every scenario the steps leave {made.largest_residual / 100:,.2f} of the loss's change.")
    for remark in made.remarks:
        say(remark)
    say(f"Page: {shown(target) / 'compare.html'}; figures: {', '.join(name for name in names if 'html' not in name)}")


def _side(text: str, results: Path, place: Place) -> "Side":
    """One of the runs. Where it is on the stack, with its own scenarios and loans: also of results in a folder, if the
    stack has the very run.
    """
    from additive.compare import Side
    from cli.history import read
    from cli.replay import opened
    from montecarlo.storage import keys

    side = Side.read(results)
    try:
        there = place.find()
    except CommandError:
        if results == Path(text):
            return side
        raise
    run = side.plan.run
    if read(there, keys.result(run)) != (results / "result.json").read_bytes():
        return side
    return replace(side, replay=opened(place, run))


def _steps(made: "Comparison", each: "Waterfall") -> str:
    """A case's waterfall as a table."""
    from additive.comparison_page import NAMES

    tail = made.tails.get(each.case)
    head = [f"{each.case}, {made.currency}", "Expected loss", "Loans"]
    head += [f"VaR {tail.level:g} %", f"ES {tail.level:g} %"] if tail else []

    def row(name: str, cents: int, loans: str, place: int | None) -> list[str]:
        figures = []
        if tail:
            known = place is not None and place < len(tail.var)
            figures = [f"{tail.var[place or 0] / 100:,.2f}", f"{tail.es[place or 0] / 100:,.2f}"] if known else ["", ""]
        return [name, f"{cents / 100:,.2f}", loans, *figures]

    rows = [row(made.first.plan.run, each.before, "", 0)]
    rows += [row(NAMES[step.name], step.cents, f"{step.loans:,}", at) for at, step in enumerate(each.steps, 1)]
    rows += [row("Residual", each.residual, "", None)]
    rows += [row(made.second.plan.run, each.after, "", len(tail.var) - 1 if tail else None)]
    text = table(head, rows)
    if each.movers[:SHOWN]:
        movers = [
            [mover.account_id, f"{mover.before / 100:,.2f}", f"{mover.after / 100:,.2f}", mover.kind]
            for mover in each.movers[:SHOWN]
        ]
        text += "\n\n" + table(["Changed most", made.first.plan.run, made.second.plan.run, ""], movers, left=(0, 3))
    return text
