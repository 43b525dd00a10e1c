"""A run from its portfolio to its results."""

import contextlib
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from cli import CommandError, RunFailed, files, history, results
from cli.deployment import Stack
from cli.execution import Execution
from cli.meter import Expected, watched
from cli.screen import counted, is_ascii, say, show, shown, typed
from cli.terminal import format_table
from montecarlo.report.view import ResultView
from montecarlo.storage import keys


@dataclass(frozen=True)
class Ending:
    """What becomes of a run's end. `out`, `failed`: the folders for results, and for what a failed run leaves.

    `as_json`: print result.json instead of the table. `stays`: the run goes on if the command is interrupted.
    """

    out: Path
    failed: Path
    as_json: bool = False
    stays: bool = True


def start(
    stack: Stack,
    request: Mapping[str, Any],
    portfolio: Mapping[str, Path] | str | None,
    loans: Mapping[str, Any],
) -> tuple[Execution, str]:
    """Bring the portfolio to the stack, or have one of `loans` generated, and start the run; returns its name too.

    Raises CommandError where the run's name is taken, RunFailed where no portfolio could be generated.
    """
    name = request.get("run") or f"run-{timestamp()}"
    check_free(stack, name)
    if isinstance(portfolio, str):
        place = portfolio
    else:
        place = files.upload(stack, portfolio) if portfolio else generate(stack, loans)
    say(f"The run is called {name}.")
    return begin(stack, name, {**request, "run": name, "portfolio": place}), name


def begin(stack: Stack, run: str, request: Mapping[str, Any]) -> Execution:
    """Start an execution for the run: of its name, or of one with the time in it where the name was used before."""
    client, machine = stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"]
    try:
        return Execution.start(client, machine, run, request)
    except client.exceptions.ExecutionAlreadyExists:
        return Execution.start(client, machine, f"{run[:50]}-{timestamp()}", request)


def check_free(stack: Stack, run: str) -> None:
    """Raises CommandError where a run of this name is there already."""
    planned = any(history.read(stack, key(run)) is not None for key in (keys.request, keys.plan))
    if planned or history.under_way(stack, run):
        raise CommandError(
            f"there is a run {run} already: `{typed('show', run)}` says how it stands, `{typed('resume', run)}` "
            f"continues it, `{typed('delete', run)}` removes it. Or choose another --name."
        )


def generate(stack: Stack, request: Mapping[str, Any]) -> str:
    """A generated portfolio, made once for its size and seed; returns its manifest's key. Raises RunFailed."""
    seed = request.get("seed")
    kind = f"-{request['book']}" if "book" in request else ""
    name = f"generated{kind}-{request['loans']}" + ("" if seed is None else f"-seed-{seed}")
    manifest = keys.portfolio_manifest(name)
    if history.read(stack, manifest) is None:
        wanted = {**request, "name": name}
        client, machine = stack.client("stepfunctions"), stack.outputs["DataGenStateMachineArn"]
        execution = Execution.start(client, machine, f"{name[:50]}-{timestamp()}", wanted)
        watched(execution, f"Generating {request['loans']:,} loans")
    return manifest


def finish(stack: Stack, execution: Execution, run: str, ending: Ending) -> None:
    """Watch the run to its end, bring its results to the folder, and print what came out.

    Raises RunFailed, and CommandError with where the results are if the folder does not take them. Ctrl-C asks what
    shall become of the run, and raises KeyboardInterrupt unless it is watched on.
    """
    started = time.monotonic()
    while True:
        try:
            watched(execution, f"Run {run}", lambda: _expected(stack, run))
            break
        except KeyboardInterrupt:
            if not _watch_on(execution, run, ending):
                raise
        except RunFailed as failure:
            there = ending.out.exists()
            if left := results.download(stack, run, ending.failed, without=("loans",)):
                unchanged = f"; {shown(ending.out)} is as it was" if there else ""
                say(f"What the run left is in {shown(ending.failed)}{unchanged}.")
                for line in results.rejected(ending.failed):
                    say(line)
            raise _explained(failure, stack, run, ending.failed if left else None) from None
    bring(stack, run, ending, f"Simulated in {time.monotonic() - started:.1f} s.\n")


def bring(stack: Stack, run: str, ending: Ending, said: str) -> None:
    """Bring the results of a run that is done to the folder, and print them.

    Raises CommandError with where the results are if the folder does not take them.
    """
    try:
        results.download(stack, run, ending.out)
    except CommandError as error:
        raise CommandError(f"{error} {_kept(stack, run, ending)}") from None
    say(said)
    present(ending)


def present(ending: Ending) -> None:
    """Print the results in the folder."""
    if ending.as_json:
        show((ending.out / "result.json").read_text(encoding="utf-8"), end="")
        return
    result, there = results.read(ending.out), shown(ending.out)
    show(format_table(result, is_ascii(sys.stdout)))
    if told := precision(result):
        show(told)
    show(f"\nReport:  {there / 'report.html'}")
    if filtered := result.rows.filtered:
        show(f"Left out by the filter: {filtered:,.0f} of {result.rows.read or 0:,.0f} rows.")
    rejected = result.rows.rejected
    show(
        f"Results: {there / 'result.json'}, loans/, losses.parquet, segments.parquet"
        + (", contributions/" if result.contributions else "")
        + (f", rejects/ ({counted(int(rejected), 'row')})" if rejected else "")
    )


def precision(result: ResultView) -> str:
    """That the precision asked for is there; nothing where none was asked for, or where the table says no."""
    waves = result.waves
    if not waves.reached or waves.target_error is None or waves.relative_error is None:
        return ""
    return (
        f"The error of {waves.target_measure} is {waves.relative_error:.2%}, within the {waves.target_error:.2%} asked "
        f"for, after {waves.count or 1:,.0f} waves of scenarios."
    )


def timestamp() -> str:
    """The time as part of a name, in UTC to the millisecond."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]


def _expected(stack: Stack, run: str) -> Expected | None:
    estimate = history.json_object(stack, keys.estimate(run))
    return Expected.of(estimate) if estimate else None


def _explained(failure: RunFailed, stack: Stack, run: str, left: Path | None) -> RunFailed:
    """The failure with the way out, where it says nothing of itself, and with the files in `left` named in place of
    the bucket's: an embedded AWS of one's own ends with the command.
    """
    if failure.status != "ABORTED":
        place = f"s3://{stack.bucket}/runs/{run}/"
        cause = failure.cause.replace(place, f"{shown(left)}/") if left else failure.cause
        return RunFailed(failure.status, failure.error, cause)
    cause = failure.cause or "somebody stopped its execution"
    return RunFailed(failure.status, failure.error, f"{cause}. Continue it with: {typed('resume', run)}")


def _kept(stack: Stack, run: str, ending: Ending) -> str:
    """Where results are that could not be written to their folder: on a stack that stays, else at another place."""
    if ending.stays:
        return f"The results are on the stack; get them with: {typed('download', run, '--out', 'FOLDER')}"
    for place in (ending.failed, None):
        with contextlib.suppress(CommandError, OSError):
            kept = place or Path(tempfile.mkdtemp(prefix="montecarlo-")) / run  # a folder that nobody else can read
            results.download(stack, run, kept)
            return f"The results are in {shown(kept)} instead."
    return "They could not be kept at another place either."


def _watch_on(execution: Execution, run: str, ending: Ending) -> bool:
    """Ask what shall become of a run that goes on without this command; without a terminal it is left going."""
    if not ending.stays:
        return False
    if sys.stdin.isatty() and sys.stderr.isatty():
        try:
            answer = typer.prompt("\nLeave the run going, cancel it, or watch on? [l/c/w]", default="l", err=True)
        except typer.Abort:  # no answer: the end of the input, or Ctrl-C again
            answer = "l"
        if answer.lower().startswith("w"):
            return True
        if answer.lower().startswith("c"):
            execution.stop("cancelled by the user")
            say(f"Cancelled. What was simulated is kept; continue with: {typed('resume', run)}")
            return False
    say(f"\nThe run {run} goes on. See it with: {typed('watch', run)}; stop it with: {typed('cancel', run)}")
    return False
