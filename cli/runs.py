"""Runs that were begun: `list`, `show`, `open`, `download`, `watch`, `resume`, `cancel` and `delete`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import CommandError
from cli.options import Out, Run, whole
from cli.place import Place, Profile, Region, StackName
from cli.screen import be_quiet, counted, is_ascii, show, shown, typed

if TYPE_CHECKING:
    from cli import simulation
    from cli.deployment import Stack
    from cli.execution import Execution

Quiet = Annotated[bool, typer.Option("--quiet", help="print results and errors only")]
AsJson = Annotated[bool, typer.Option("--json", help="print result.json instead of the table")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("list")(list_runs)
    app.command("show")(show_run)
    app.command("open")(open_report)
    for command in (download, watch, resume, cancel, delete):
        app.command()(command)


def list_runs(
    most: Annotated[int, typer.Option("--most", parser=whole, metavar="N", help="runs to list (default 20)")] = 20,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """List the latest runs with their state, time, cost and headline figures."""
    from cli import history
    from cli.tables import of_runs

    if most < 1:
        raise CommandError(f"--most is {most}, but must be 1 or more.")
    place = Place(stack, profile, region)
    found = history.runs(place.find(), most)
    show(of_runs(found) if found else f"There are no runs on {place}.")


def show_run(
    run: Run,
    json: AsJson = False,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Show how a run stands, and its figures if it is done."""
    from cli import history
    from cli.tables import of_run
    from cli.terminal import format_table
    from montecarlo.storage import keys

    there = Place(stack, profile, region).find()
    found = history.find(there, run)
    if json:
        result = history.read(there, keys.result(run))
        if result is None:
            raise CommandError(f"the run {run} has no result: it is {found.state}.")
        show(result.decode(errors="replace"), end="")
        return
    show(of_run(found))
    if found.result:
        show(f"\n{format_table(found.result, is_ascii(sys.stdout))}")


def open_report(
    run: Run,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Open a run's report in the browser."""
    import os
    import sys
    import tempfile

    from cli import reports

    there = Place(stack, profile, region).find()
    page = reports.page_of(there, run)
    file = Path(tempfile.mkdtemp(prefix="montecarlo-")) / f"{run}.html"  # a folder that nobody else can read
    file.write_bytes(page)
    show(f"The report of {run}: {file}")
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        typer.launch(file.as_uri())


def download(
    run: Run,
    out: Out = Path("out"),
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Bring what a run has left to a folder."""
    from cli import history, results

    out, _ = results.checked(out)
    there = Place(stack, profile, region).find()
    found = history.find(there, run)
    names = results.download(there, run, out) if results.names(there, run) else []
    if not names:
        raise CommandError(f"the run {run} has left nothing to download: it is {found.state}.")
    show(f"{counted(len(names), 'file')} of the run {run}, which is {found.state}, are in {shown(out)}.")


def watch(
    run: Run,
    out: Out = Path("out"),
    quiet: Quiet = False,
    json: AsJson = False,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Watch a run to its end and bring its results to a folder."""
    from cli import history, simulation

    ending = _ending(run, out, quiet, json)
    there = Place(stack, profile, region).find()
    if not history.under_way(there, run) and history.find(there, run).state == history.DONE:
        simulation.bring(there, run, ending, f"The run {run} is done already.\n")
        return
    going = _under_way(there, run)
    simulation.finish(there, going[0], run, ending)


def resume(
    run: Run,
    out: Out = Path("out"),
    quiet: Quiet = False,
    json: AsJson = False,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Continue a run: only what is missing is simulated."""
    from cli import history, simulation

    ending = _ending(run, out, quiet, json)
    there = Place(stack, profile, region).find()
    if history.under_way(there, run):
        raise CommandError(f"the run {run} is under way: see it with `{typed('watch', run)}`.")
    if history.find(there, run).state == history.DONE:  # a sum of runs, too, which was never asked for
        simulation.bring(there, run, ending, f"The run {run} is done already.\n")
        return
    request = history.request(there, run)
    if request is None:
        raise CommandError(f"there is no run {run}; `{typed('list')}` shows those that there are.")
    simulation.finish(there, simulation.begin(there, run, request), run, ending)


def cancel(
    run: Run,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Stop a run; it can be resumed."""
    from cli import history

    history.checked_name(run)
    for one in _under_way(Place(stack, profile, region).find(), run):
        one.stop("cancelled by the user")
    show(f"Stopped. What was simulated is kept; continue with: {typed('resume', run)}")


def _ending(run: str, out: Path, quiet: bool, as_json: bool) -> "simulation.Ending":
    """What becomes of the end of a run, with all that is given checked before anything is asked."""
    from cli import history, results, simulation

    history.checked_name(run)
    ending = simulation.Ending(*results.checked(out), as_json=as_json)
    be_quiet(quiet)
    return ending


def _under_way(there: "Stack", run: str) -> "list[Execution]":
    """The executions at work for the run. Raises CommandError where there are none."""
    from cli import history

    going = history.under_way(there, run)
    if not going:
        raise CommandError(f"the run {run} is not under way: it is {history.find(there, run).state}.")
    return going


def delete(
    run: Run,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Delete a run with its results. Its portfolio stays."""
    import sys

    from cli import history

    history.checked_name(run)
    place = Place(stack, profile, region)
    there = place.find()
    found = history.find(there, run)
    if history.under_way(there, run):
        raise CommandError(f"the run {run} is under way: stop it first with `{typed('cancel', run)}`.")
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError(f"to delete the run {run} without being asked, add --yes.")
        typer.confirm(f"Delete the run {run} ({found.state}) on {place} for good?", abort=True, err=True)
    s3, deleted = there.client("s3"), 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=there.bucket, Prefix=f"runs/{run}/"):
        if keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            answer = s3.delete_objects(Bucket=there.bucket, Delete={"Objects": keys, "Quiet": True})
            if refused := answer.get("Errors"):
                raise CommandError(
                    f"{refused[0].get('Key')} cannot be deleted: {refused[0].get('Message')}. {deleted:,} objects were."
                )
            deleted += len(keys)
    if found.started and found.state != history.DONE:  # of one that is done, the missing result says enough
        history.note_deleted(there, run, found.started)
    show(f"The run {run} is deleted: {counted(deleted, 'object')}. The bucket keeps old versions for 30 days.")
