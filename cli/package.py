"""`montecarlo package`: what a stack is made from, staged in a bucket of one's own."""

from typing import Annotated

import typer

from cli import CommandError
from cli.screen import show


def add_to(app: typer.Typer) -> None:
    """Add `package` to the command line."""
    app.command()(package)


def package(
    bucket: Annotated[str, typer.Option(metavar="NAME", help="an S3 bucket in the Region of the stacks to come")],
    prefix: Annotated[str, typer.Option(metavar="TEXT", help="what the objects' names begin with")] = "montecarlo/",
) -> None:
    """Stage everything in a bucket of your own and print the launch link."""
    from cli.deployment import STACK
    from publishing.package import PackageError, stage

    try:
        staged = stage(bucket, prefix, STACK)
    except PackageError as error:
        raise CommandError(str(error)) from None
    show(f"Template: {staged.template_url}\nLaunch:   {staged.launch_url}\n")
    show(f"Create the stack in {staged.region}. Whoever does needs s3:GetObject on {bucket}/{prefix}*.")
