"""`montecarlo resume` and `montecarlo cancel`: runs that were begun."""

import argparse
import json
from pathlib import Path

from cli import CommandError, results
from cli.embedded import stack_that_is_up
from cli.execution import Execution
from cli.run import simulate, timestamp
from montecarlo.storage import keys


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `resume` and `cancel` to the command line."""
    continued = commands.add_parser(
        "resume", help="continue a run on the embedded AWS that is up: only what is missing"
    )
    continued.add_argument("run", help="the run's name")
    continued.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default out)")
    continued.set_defaults(command=resume)

    stopped = commands.add_parser("cancel", help="stop a run on the embedded AWS that is up; it can be resumed")
    stopped.add_argument("run", help="the run's name")
    stopped.set_defaults(command=cancel)


def resume(options: argparse.Namespace) -> None:
    """Start the run again by its own request; chunks that are there are not simulated again."""
    out = results.folder(options.out)
    stack = stack_that_is_up()
    s3 = stack.client("s3")
    try:
        body = s3.get_object(Bucket=stack.bucket, Key=keys.request(options.run))["Body"].read()
    except s3.exceptions.NoSuchKey:
        raise CommandError(
            f"there is no run {options.run} that got as far as its plan; start it with run --name."
        ) from None
    # An execution's name is used once; the run's stays the same.
    simulate(stack, f"{options.run[:50]}-{timestamp()}", json.loads(body), out)


def cancel(options: argparse.Namespace) -> None:
    """Stop every execution of the run."""
    stack = stack_that_is_up()
    running = Execution.running(stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"], options.run)
    if not running:
        raise CommandError(f"no execution of the run {options.run} is under way.")
    for execution in running:
        execution.stop("cancelled by the user")
    print(f"Stopped. What was simulated is kept; continue with: montecarlo resume {options.run}")
