"""`montecarlo invoke`: one function on one event."""

from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError, RunFailed
from cli.place import Place, Profile, Region, StackName
from cli.screen import show


def add_to(app: typer.Typer) -> None:
    """Add `invoke` to the command line."""
    app.command()(invoke)


def invoke(
    function: Annotated[
        str, typer.Argument(metavar="FUNCTION", help="the function's name, such as SimulateChunk or simulate_chunk")
    ],
    event: Annotated[
        Path, typer.Argument(metavar="EVENT", help="JSON file with the event, such as events/simulate_chunk.json")
    ],
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Run one function on one event."""
    import json

    from cli.deployment import functions
    from cli.files import json_file

    given = json_file(event, "event")
    there = Place(stack, profile, region).find()
    names = dict(functions(there))
    wanted = function.replace("_", "").lower()
    physical = next((value for name, value in names.items() if name.lower() == wanted), None)
    if physical is None:
        raise CommandError(f"there is no function {function}; there are {', '.join(sorted(names))}.")
    answer = there.client("lambda").invoke(FunctionName=physical, Payload=json.dumps(given).encode())
    payload = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        raise RunFailed("FAILED", payload.get("errorType", "unknown"), payload.get("errorMessage", json.dumps(payload)))
    show(json.dumps(payload, indent=1))
