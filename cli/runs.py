"""`montecarlo resume` and `montecarlo cancel`: runs that were begun."""

from pathlib import Path

import typer

from cli import CommandError
from cli.options import Out, Run
from cli.screen import show


def add_to(app: typer.Typer) -> None:
    """Add `resume` and `cancel` to the command line."""
    app.command()(resume)
    app.command()(cancel)


def resume(run: Run, out: Out = Path("out")) -> None:
    """Continue a run: only what is missing is simulated."""
    import json

    from cli import results, simulation
    from cli.embedded import stack_that_is_up
    from montecarlo.storage import keys

    run_name(run)
    folders = results.checked(out)
    stack = stack_that_is_up()
    s3 = stack.client("s3")
    try:
        body = s3.get_object(Bucket=stack.bucket, Key=keys.request(run))["Body"].read()
    except s3.exceptions.NoSuchKey:
        raise CommandError(f"there is no run {run} that got as far as its plan; start it with run --name.") from None
    # An execution's name is used once; the run's stays the same.
    simulation.simulate(stack, f"{run[:50]}-{simulation.timestamp()}", json.loads(body), folders)


def cancel(run: Run) -> None:
    """Stop a run; it can be resumed."""
    from cli.embedded import stack_that_is_up
    from cli.execution import Execution

    run_name(run)
    stack = stack_that_is_up()
    running = Execution.running(stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"], run)
    if not running:
        raise CommandError(f"no execution of the run {run} is under way.")
    for execution in running:
        execution.stop("cancelled by the user")
    show(f"Stopped. What was simulated is kept; continue with: montecarlo resume {run}")


def run_name(text: str) -> str:
    """The name of a run, as part of keys. Raises CommandError where none can have it."""
    from montecarlo.run.request import NAME

    if not NAME.fullmatch(text):
        raise CommandError(f"no run can be called {text!r}: names are letters, digits, '-', '_' and '.'.")
    return text
