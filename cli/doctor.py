"""`montecarlo doctor`: whether an account is ready for a stack, or a stack that is deployed is as it must be."""

from typing import Annotated

import typer

from cli import CommandError
from cli.place import Profile, Region
from cli.screen import show
from publishing import STACKS


def add_to(app: typer.Typer) -> None:
    """Add `doctor` to the command line."""
    app.command()(doctor)


def doctor(
    stack: Annotated[
        str | None,
        typer.Option(
            envvar="MONTECARLO_STACK",
            metavar="NAME",
            help="look at this stack, which is deployed (default: one to come)",
        ),
    ] = None,
    profile: Profile = None,
    region: Region = None,
    architecture: Annotated[
        str, typer.Option(metavar="NAME", help="of the functions to come: arm64 or x86_64")
    ] = "arm64",
    compute: Annotated[
        str, typer.Option(metavar="NAME", help="what simulates in a stack to come: lambda, fargate or ec2")
    ] = "lambda",
) -> None:
    """Say whether a stack can be deployed and run in your account, and what to do where it cannot."""
    from cli import readiness
    from cli.deployment import connect

    if architecture not in ("arm64", "x86_64"):
        raise CommandError(f"--architecture is {architecture!r}, but must be arm64 or x86_64.")
    if compute not in STACKS:
        raise CommandError(f"--compute is {compute!r}, but must be {', '.join(STACKS)}.")
    looked_at = (
        readiness.of_stack(connect(stack, profile, region))
        if stack
        else readiness.of_account(readiness.session(profile, region), architecture, compute)
    )
    found = list(looked_at)
    show("\n".join(map(str, found)), hang=8)
    what = f"the stack {stack}" if stack else "a stack"
    wrong = [finding for finding in found if finding.verdict == readiness.WRONG]
    if wrong:
        raise CommandError(f"{len(wrong)} of {len(found)} things stand in the way of {what}; see above.")
    show(f"\nNothing stands in the way of {what}.")
