"""`montecarlo reverse-stress`: the nearest economy under which a run's loans lose a given amount."""

from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError
from cli.options import Run, real, writable
from cli.place import Place, Profile, Region, StackName
from cli.screen import say, show, shown, table


def add_to(app: typer.Typer) -> None:
    """Add `reverse-stress` to the command line."""
    app.command("reverse-stress")(reverse_stress)


def reverse_stress(
    run: Run,
    loss: Annotated[
        float | None,
        typer.Option(parser=real, metavar="AMOUNT", help="what is lost (default the run's capital_available)"),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write a page for people to this HTML file", callback=writable)
    ] = None,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
    json: Annotated[bool, typer.Option("--json", help="print everything as JSON instead of tables")] = False,
) -> None:
    """Say which economy costs a run a given amount, such as the capital available: how bad, and how rare."""
    from json import dumps

    from additive import reverse_stress as reverse
    from additive import reverse_stress_page
    from cli.replay import opened
    from montecarlo.report.sections import reverse_stress as words

    if page is not None and page.exists():
        raise CommandError(f"{page} is there already: name another, or remove it.")
    figures = reverse.find(opened(Place(stack, profile, region), run), loss)
    if page is not None:
        page.write_text(reverse_stress_page.render(figures), encoding="utf-8")
        say(f"The page is {shown(page)}.")
    if json:
        show(dumps(figures, indent=1, ensure_ascii=False))
        return
    found = reverse_stress_page.view_of(figures)
    show(f"Run {run}. {words.headline(found)}", hang=0)
    for name in found.cases:
        show(f"\n{words.title(found, name)}")
        for sentence in words.sentences(found, name):
            show(sentence, hang=0)
        if body := words.rows(found, name):
            show("\n" + table(words.HEAD, body))
