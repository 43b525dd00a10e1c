"""A run from its portfolio to its results."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli import RunFailed, files, results
from cli.deployment import Stack, deployed
from cli.execution import Execution, watched
from cli.screen import say, show, shown
from cli.terminal import format_table
from embedded_aws.server import Server


def run(
    aws: Server,
    request: Mapping[str, Any],
    portfolio: Mapping[str, Path],
    generated: Mapping[str, Any],
    folders: tuple[Path, Path],
) -> None:
    """Bring the portfolio to the stack, or have one generated, and simulate it."""
    started = time.monotonic()
    stack = deployed(aws)
    name = request.get("run") or f"run-{timestamp()}"
    place = files.upload(stack, portfolio) if portfolio else generate(stack, generated, name)
    say(f"Set up in {time.monotonic() - started:.1f} s. The run is called {name}.")
    simulate(stack, name, {**request, "run": name, "portfolio": place}, folders)


def generate(stack: Stack, request: Mapping[str, Any], name: str) -> str:
    """Have datagen write a portfolio; returns its manifest's key. Raises RunFailed."""
    execution = Execution.start(stack.client("stepfunctions"), stack.outputs["DataGenStateMachineArn"], name, request)
    manifest: str = watched(execution, f"Generating {request['loans']:,} loans")["manifest"]
    return manifest


def simulate(stack: Stack, execution_name: str, request: Mapping[str, Any], folders: tuple[Path, Path]) -> None:
    """Run the dataproc state machine, bring its results to the first folder, and print what came out.

    What a failed run leaves goes to the second. Raises RunFailed.
    """
    run, (out, failed), started = request["run"], folders, time.monotonic()
    execution = Execution.start(
        stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"], execution_name, request
    )
    try:
        watched(execution, "Simulating")
    except RunFailed:
        if results.download(stack, run, failed, without=("loans",)):
            say(f"What the run left is in {shown(failed)}; {shown(out)} is as it was.")
        raise
    results.download(stack, run, out)
    say(f"Simulated in {time.monotonic() - started:.1f} s.\n")
    result = results.read(out)
    rejected = result.rows.rejected
    show(format_table(result))
    show(f"\nReport:  {shown(out) / 'report.html'}")
    show(
        f"Results: {shown(out) / 'result.json'}, loans/, losses.parquet, segments.parquet"
        + (f", rejects/ ({rejected:,.0f} rows)" if rejected else "")
    )


def timestamp() -> str:
    """The time as part of a name, in UTC to the millisecond."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
