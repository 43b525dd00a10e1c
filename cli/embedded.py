"""`montecarlo up` and `montecarlo down`, and the embedded AWS that other commands work on."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import PROJECT, CommandError
from cli.options import whole
from cli.screen import say, show

if TYPE_CHECKING:
    from cli.deployment import Stack
    from embedded_aws.server import Server

STATE = PROJECT / ".montecarlo"
"""Where `up` keeps its server's data, and where `run` puts a temporary one's."""


def add_to(app: typer.Typer) -> None:
    """Add `up` and `down` to the command line."""
    app.command()(up)
    app.command()(down)


def up(
    port: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="port on this computer (default 4566 if it is free)")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="refuse what AWS would: permissions, quotas, memory, time")
    ] = False,
) -> None:
    """Start the embedded AWS and keep it running."""
    from embedded_aws import server
    from embedded_aws.profile import LENIENT, STRICT

    if port is not None and not 1 <= port <= 65_535:
        raise CommandError(f"--port is {port}, but must be a whole number from 1 to 65,535.")
    running = server.find_running(STATE / "up")
    if running and strict and not running.strict:
        raise CommandError("the embedded AWS that is up is not strict: stop it with `montecarlo down` first.")
    if running is None:
        port = port or server.free_port(server.PREFERRED_PORT)
        running = server.start(STATE / "up", port, detached=True, profile=STRICT if strict else LENIENT)
    show("The embedded AWS is up. To point the AWS CLI, SAM or Terraform at it:\n")
    for name, value in running.environment.items():
        show(f"export {name}={value}")
    show("\n`montecarlo down` stops it and deletes what it holds.")


def down() -> None:
    """Stop the embedded AWS and delete what it holds."""
    from embedded_aws import server

    running = server.find_running(STATE / "up")
    if running:
        running.stop()
    shutil.rmtree(STATE / "up", ignore_errors=True)
    show("The embedded AWS is stopped." if running else "No embedded AWS was running.")


def stack_that_is_up() -> "Stack":
    """The stack on the embedded AWS that is up, deployed if it is not there yet. Raises CommandError."""
    from cli.deployment import deployed, find
    from embedded_aws import server

    running = server.find_running(STATE / "up")
    if running is None:
        raise CommandError(
            "no embedded AWS is running: start one with `montecarlo up`; it brings back what an earlier one held."
        )
    return find(running.environment) or deployed(running)


@contextlib.contextmanager
def running_or_temporary() -> Iterator["Server"]:
    """The one that is up, or one that lives only as long as this run."""
    from embedded_aws import server

    running = server.find_running(STATE / "up")
    if running:
        say(f"Using the embedded AWS at {running.endpoint}.")
        yield running
        return
    STATE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=STATE))
    say("Starting the embedded AWS ...")
    try:
        started = server.start(folder)
        try:
            yield started
        finally:
            started.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
