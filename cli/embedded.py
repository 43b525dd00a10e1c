"""`montecarlo up` and `montecarlo down`, and the embedded AWS that other commands work on."""

import argparse
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cli import CommandError
from cli.deployment import PROJECT, Stack, deployed, find
from cli.screen import say
from embedded_aws import server
from embedded_aws.profile import LENIENT, STRICT

STATE = PROJECT / ".montecarlo"
"""Where `up` keeps its server's data, and where `run` puts a temporary one's."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `up` and `down` to the command line."""
    started = commands.add_parser("up", help="start the embedded AWS and keep it running")
    started.add_argument(
        "--port", type=int, help=f"port on this computer (default {server.PREFERRED_PORT} if it is free)"
    )
    started.add_argument(
        "--strict", action="store_true", help="refuse what AWS would: permissions, quotas, memory, time"
    )
    started.set_defaults(command=up)

    stopped = commands.add_parser("down", help="stop the embedded AWS and delete what it holds")
    stopped.set_defaults(command=down)


def up(options: argparse.Namespace) -> None:
    """Start it, or find it running, and say how other tools reach it."""
    running = server.find_running(STATE / "up")
    if running is None:
        port = options.port or server.free_port(server.PREFERRED_PORT)
        running = server.start(STATE / "up", port, detached=True, profile=STRICT if options.strict else LENIENT)
    print("The embedded AWS is up. To point the AWS CLI, SAM or Terraform at it:\n")
    for name, value in running.environment.items():
        print(f"export {name}={value}")
    print("\n`montecarlo down` stops it and deletes what it holds.")


def down(options: argparse.Namespace) -> None:
    """Stop it and delete its data."""
    running = server.find_running(STATE / "up")
    if running:
        running.stop()
    shutil.rmtree(STATE / "up", ignore_errors=True)
    print("The embedded AWS is stopped." if running else "No embedded AWS was running.")


def stack_that_is_up() -> Stack:
    """The stack on the embedded AWS that is up, deployed if it is not there yet. Raises CommandError."""
    running = server.find_running(STATE / "up")
    if running is None:
        raise CommandError(
            "no embedded AWS is running: start one with `montecarlo up`; it brings back what an earlier one held."
        )
    return find(running.environment) or deployed(running)


@contextlib.contextmanager
def running_or_temporary() -> Iterator[server.Server]:
    """The one that is up, or one that lives only as long as this run."""
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
