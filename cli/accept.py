"""`montecarlo accept`: the proof, in one's own account, that a stack computes and fails as it does here."""

from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError
from cli.options import writable
from cli.place import Place, Profile, Region, StackName
from cli.screen import show, shown, typed


def add_to(app: typer.Typer) -> None:
    """Add `accept` to the command line."""
    app.command()(accept)


def accept(
    to: Annotated[
        Path,
        typer.Option(
            "--to",
            metavar="FILE",
            help="what was seen (default acceptance.json)",
            show_default=False,
            callback=writable,
        ),
    ] = Path("acceptance.json"),
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Run small portfolios on a stack, compare with what they must give, and write what was seen to a file."""
    import json

    from cli import acceptance

    place = Place(stack, profile, region)
    if not place.is_strict:
        raise CommandError(
            "the embedded AWS that is up does not limit permissions and memory, as AWS does: stop it with "
            f"`{typed('down')}` and start it with `{typed('up', '--strict')}`."
        )
    report = acceptance.of_stack(place.find())
    to.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, part in report["parts"].items():
        show(f"{part['verdict']:<9}{name}: {part['told']}", hang=9)
    for name, found in report["differences"].items():
        for difference in found:
            show(f"{'look':<9}{name} is not as on the embedded AWS: {difference}", hang=9)
    written = shown(to.resolve())
    show(f"\nCost about ${report['usd']:.4f}. What was seen is in {written}, without account numbers.", hang=0)
    if report["speeds"]:
        command = typed("estimate", "--speeds", str(written), "--loans", "1e9")
        show(f"Estimate with the speeds that were measured: {command}", hang=0)
    if any(part["verdict"] == acceptance.WRONG for part in report["parts"].values()):
        raise CommandError(f"{place} does not do what it must; send {written} with your report.")
