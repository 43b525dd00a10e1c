"""`montecarlo invoke`: one function on one event."""

import argparse
import json
from pathlib import Path

from cli import CommandError
from cli.deployment import functions
from cli.embedded import stack_that_is_up
from cli.execution import RunFailed
from cli.files import json_file


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `invoke` to the command line."""
    invoked = commands.add_parser("invoke", help="run one function on one event on the embedded AWS that is up")
    invoked.add_argument("function", help="the function's name, such as SimulateChunk or simulate_chunk")
    invoked.add_argument("event", type=Path, help="JSON file with the event, such as events/simulate_chunk.json")
    invoked.set_defaults(command=invoke)


def invoke(options: argparse.Namespace) -> None:
    """Run the function and print what it returns."""
    event = json_file(options.event, "event")
    stack = stack_that_is_up()
    names = dict(functions(stack))
    wanted = options.function.replace("_", "").lower()
    physical = next((value for name, value in names.items() if name.lower() == wanted), None)
    if physical is None:
        raise CommandError(f"there is no function {options.function}; there are {', '.join(sorted(names))}.")
    answer = stack.client("lambda").invoke(FunctionName=physical, Payload=json.dumps(event).encode())
    payload = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        raise RunFailed("FAILED", payload.get("errorType", "unknown"), payload.get("errorMessage", json.dumps(payload)))
    print(json.dumps(payload, indent=1))
