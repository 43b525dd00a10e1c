"""`montecarlo invoke` and `montecarlo env`: one function at a time."""

from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError, RunFailed
from cli.place import Place, Profile, Region, StackName
from cli.screen import show


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(invoke)
    app.command()(env)


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


def env(
    file: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="the file to write (default env.json)", show_default=False)
    ] = Path("env.json"),
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Write what `sam local invoke --env-vars` needs to run a deployed stack's functions on this computer."""
    import json

    from cli.deployment import functions
    from cli.files import json_file

    there = Place(stack, profile, region).find()
    client = there.client("lambda")
    found = {
        name: client.get_function_configuration(FunctionName=arn).get("Environment", {}).get("Variables", {})
        for name, arn in functions(there)
    }
    if file.exists() and set(json_file(file, "environment") or ()) - {*found, "Parameters"}:
        raise CommandError(f"{file} is there already, and not for these functions: name another with --to.")
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    show(f"Written to {file}. Now: sam local invoke SimulateChunk -e events/simulate_chunk.json --env-vars {file}")
