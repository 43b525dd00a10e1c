"""RecordFailure: why a run failed, in words for its user: the chunk and its error, rather than "the tolerated failures
were exceeded".
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from montecarlo.errors import message_of_cause
from montecarlo.steps.protocol import Event, Host
from montecarlo.storage import keys
from montecarlo.storage.store import Store

MAX_CAUSE = 8_000
"""Characters of a cause that are kept; Step Functions allows 32,768 bytes."""


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"request", "execution", "failure": {"Error", "Cause"}} -> {"run", "error", "cause"}, for the execution to fail
    with.
    """
    request = event["request"] if isinstance(event["request"], dict) else {}
    run = request.get("run") or event["execution"]
    return record(host.store, run, event["failure"])


def record(store: Store, run: str, failure: Mapping[str, Any]) -> dict[str, str]:
    """Write failure.json and return {"run", "error", "cause"} of the first failed chunk, or else of the failure
    itself.
    """
    error, cause = str(failure.get("Error", "Unknown")), str(failure.get("Cause", ""))
    where = ""
    if child := _first_failed_child(store, run) if error == "States.ExceedToleratedFailureThreshold" else None:
        error, cause = str(child.get("Error", error)), str(child.get("Cause", cause))
        where = _place(child.get("Input"))
    described = {"run": run, "error": error, "cause": f"{where}{message_of_cause(cause)}"[:MAX_CAUSE]}
    store.put_json(keys.failure(run), described, indent=1)
    return described


def _first_failed_child(store: Store, run: str) -> Mapping[str, Any] | None:
    """The child that failed, from the FAILED files which the Distributed Maps' ResultWriter left.

    They hold what failed, timed out, or was aborted because another child failed; and an earlier attempt at the run may
    have left its own.
    """
    written = [
        item
        for place in (keys.groups(run), keys.waves(run))
        for item in store.list(place)
        if re.search(r"/map/.*/FAILED_\d+\.json$", item.key)
    ]
    for item in sorted(written, key=lambda item: item.modified, reverse=True):
        children: list[Mapping[str, Any]] = store.get_json(item.key)
        for status in ("FAILED", "TIMED_OUT"):
            for child in children:
                if child.get("Status") == status:
                    return child
    return None


def _place(text: object) -> str:
    """Which chunk, and which of its rows, from the child's input."""
    try:
        chunk = json.loads(text) if isinstance(text, str) else {}
        objects = ", ".join(piece["key"] for piece in chunk["slices"][:3])
        more = " and more" if len(chunk["slices"]) > 3 else ""
        return f"group {chunk['group']}, chunk {chunk['chunk']} ({objects}{more}): "
    except (ValueError, KeyError, TypeError):
        return ""
