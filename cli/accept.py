"""`montecarlo accept`: the proof, in one's own account, that a stack computes and fails as it does here."""

from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError
from cli.place import Place, Profile, Region, StackName
from cli.screen import show, shown


def add_to(app: typer.Typer) -> None:
    """Add `accept` to the command line."""
    app.command()(accept)


def accept(
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="what was seen (default acceptance.json)", show_default=False)
    ] = Path("acceptance.json"),
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Run small portfolios on a stack, compare with what they must give, and write what was seen to a file."""
    import json

    from cli import acceptance

    place = Place(stack, profile, region)
    report = acceptance.of_stack(place.find())
    to.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
    for part in report["parts"]:
        show(f"{'ok' if part['passed'] else 'wrong':<6}{part['name']}: {part['told']}")
    show(f"\nCost about ${report['usd']:.4f}. What was seen is in {shown(to.resolve())}, without account numbers.")
    if not all(part["passed"] for part in report["parts"]):
        raise CommandError(f"{place} does not do what it must; send {to} with your report.")
