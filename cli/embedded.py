"""`montecarlo up` and `montecarlo down`: the embedded AWS on this computer."""

import shutil
from typing import Annotated

import typer

from cli import CommandError, place
from cli.options import whole
from cli.screen import show, typed


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
    running = server.find_running(place.STATE / "up")
    if running and strict and not running.strict:
        raise CommandError(f"the embedded AWS that is up is not strict: stop it with `{typed('down')}` first.")
    if running is None:
        if server.is_locked(place.STATE / "up"):
            raise CommandError(
                f"the embedded AWS is starting, or {place.STATE / 'up' / server.STATE_FILE} is damaged: wait a moment, "
                f"or stop it with `{typed('down')}`."
            )
        port = port or server.free_port(server.PREFERRED_PORT)
        running = server.start(place.STATE / "up", port, detached=True, profile=STRICT if strict else LENIENT)
    show("The embedded AWS is up. To point the AWS CLI, SAM or Terraform at it:\n")
    for name, value in running.environment.items():
        show(f"export {name}={value}")
    show(f"\n`{typed('down')}` stops it and deletes what it holds.")


def down() -> None:
    """Stop the embedded AWS and delete what it holds."""
    from embedded_aws import server

    stopped = server.stop_holder(place.STATE / "up")  # by its lock, as its server.json may be damaged
    shutil.rmtree(place.STATE / "up", ignore_errors=True)
    show("The embedded AWS is stopped." if stopped else "No embedded AWS was running.")
