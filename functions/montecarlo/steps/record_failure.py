"""RecordFailure: why a run failed, in words for its user: the chunk and its error, rather than "the tolerated failures
were exceeded".
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from montecarlo.errors import message_of_cause
from montecarlo.run import publication
from montecarlo.run.request import NAME, run_of
from montecarlo.steps.protocol import Event, Host, moment, read_event
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

MAX_CAUSE = 8_000
"""Characters of a cause that are kept; Step Functions allows 32,768 bytes."""

_OBJECT = re.compile(r"[\[,\s]*\{")
"""Where an element of a JSON array begins, after the bracket or the comma before it."""

_BLOCK = 1 << 20
"""Bytes of a FAILED file that are read at once: more than a child, which has at most twice 256 KiB of texts."""

_IN_A_CHILD = "States.ExceedToleratedFailureThreshold"


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"request", "execution", "started", "failure": {"Error", "Cause"}} -> {"run", "error", "cause"}, for the
    execution to fail with.
    """
    given = read_event(FailureEvent, event)
    return record(host.store, run_of(given.request, given.execution, moment(given.started)), given.failure)


@dataclass(frozen=True)
class FailureEvent:
    """The input of an execution, of any type, its name, what a Catch has put there, and when it was started."""

    request: Any
    execution: str
    failure: Mapping[str, Any]
    started: str | None = None


def record(store: Store, run: Any, failure: Mapping[str, Any]) -> dict[str, str]:
    """Write failure.json and its page; return {"run", "error", "cause"} of the first failed chunk, or else of the
    failure itself. Nothing is written, nor looked for, under what is no name of a run: Plan has refused it.
    """
    is_name = isinstance(run, str) and NAME.fullmatch(run) is not None
    error, cause = str(failure.get("Error", "Unknown")), str(failure.get("Cause", ""))
    where = ""
    if child := _first_failed_child(store, run) if is_name and error == _IN_A_CHILD else None:
        error, cause = str(child.get("Error", error)), str(child.get("Cause", cause))
        where = _place(child.get("Input"))
    cause = f"{where}{message_of_cause(cause)}"[:MAX_CAUSE]
    if is_name:
        return publication.record_failure(run, error, cause, store)
    return {"run": "", "error": error, "cause": cause}


def _first_failed_child(store: Store, run: str) -> Mapping[str, Any] | None:
    """The child that failed, from the FAILED files which the Distributed Maps' ResultWriter left.

    They hold what failed, timed out, or was aborted because another child failed; and an earlier attempt at the run may
    have left its own. A file can be 100 MB large, so it is read child by child, as far as the first that failed.
    """
    written = [
        item
        for place in (keys.groups(run), keys.waves(run))
        for item in store.list(place)
        if re.search(r"/map/.*/FAILED_\d+\.json$", item.key)
    ]
    for item in sorted(written, key=lambda item: item.modified, reverse=True):
        timed_out = None
        try:
            for child in _elements(store.stream(item.key, block=_BLOCK)):
                if child.get("Status") == "FAILED":
                    return child
                if child.get("Status") == "TIMED_OUT" and timed_out is None:
                    timed_out = child
        except (NoSuchObject, UnicodeDecodeError, RecursionError):  # there may be another file that can be read
            continue
        if timed_out is not None:
            return timed_out
    return None


def _elements(blocks: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The elements of a JSON array of objects that comes in blocks, one after the other."""
    decode, text = json.JSONDecoder().raw_decode, ""
    for block in codecs.iterdecode(blocks, "utf-8"):
        text, at = text + block, 0
        while found := _OBJECT.match(text, at):
            try:
                element, at = decode(text, found.end() - 1)
            except ValueError:
                break  # the rest of it comes with the next block
            yield element
        text = text[at:]


def _place(text: object) -> str:
    """Which chunk, and which of its rows, from the child's input."""
    try:
        chunk = json.loads(text) if isinstance(text, str) else {}
        objects = ", ".join(piece["key"] for piece in chunk["slices"][:3])
        more = " and more" if len(chunk["slices"]) > 3 else ""
        return f"group {chunk['group']}, chunk {chunk['chunk']} ({objects}{more}): "
    except (ValueError, KeyError, TypeError):
        return ""
