"""`montecarlo doctor`: whether an account and a Region are ready for a stack, asked before one is deployed."""

from typing import Annotated

import typer

from cli import CommandError
from cli.place import Profile, Region
from cli.screen import show


def add_to(app: typer.Typer) -> None:
    """Add `doctor` to the command line."""
    app.command()(doctor)


def doctor(
    profile: Profile = None,
    region: Region = None,
    architecture: Annotated[
        str, typer.Option(metavar="NAME", help="of the functions to come: arm64 or x86_64")
    ] = "arm64",
) -> None:
    """Say whether a stack can be deployed and run in your account, and what to do where it cannot."""
    from cli import readiness

    if architecture not in ("arm64", "x86_64"):
        raise CommandError(f"--architecture is {architecture!r}, but must be arm64 or x86_64.")
    found = list(readiness.of_account(readiness.session(profile, region), architecture))
    show("\n".join(map(str, found)))
    wrong = [finding for finding in found if finding.verdict == readiness.WRONG]
    if wrong:
        raise CommandError(f"{len(wrong)} of {len(found)} things stand in the way of a stack; see above.")
    show("\nNothing stands in the way of a stack.")
