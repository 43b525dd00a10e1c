"""`montecarlo package`: what a stack is made from, staged in a bucket of one's own."""

import argparse

from cli import CommandError
from cli.deployment import STACK


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `package` to the command line."""
    package = commands.add_parser("package", help="stage everything in a bucket of your own and print the launch link")
    package.add_argument("--bucket", required=True, help="an S3 bucket in the Region of the stacks to come")
    package.add_argument(
        "--prefix", default="montecarlo/", help="what the objects' names begin with (default montecarlo/)"
    )
    package.set_defaults(command=command)


def command(options: argparse.Namespace) -> None:
    """Stage and print where the template is and the link that launches it."""
    from publishing.package import PackageError, stage  # the SAM translator takes a third of a second to import

    try:
        staged = stage(options.bucket, options.prefix, STACK)
    except PackageError as error:
        raise CommandError(str(error)) from None
    print(f"Template: {staged.template_url}\nLaunch:   {staged.launch_url}\n")
    print(
        f"Create the stack in {staged.region}. Whoever does needs s3:GetObject on {options.bucket}/{options.prefix}*."
    )
