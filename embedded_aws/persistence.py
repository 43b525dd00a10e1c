"""Keep stacks, functions and state machines over a restart, a SIGKILL included.

MiniStack saves its services' state when it is asked to stop; here it is saved after each deployment too, so that the
stack is still there, with its bucket's name, when the process was killed. Imports MiniStack and the standard library
only.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import persistence
from ministack.core.responses import AccountRegionScopedDict
from ministack.services import stepfunctions
from ministack.services.cloudformation import _stacks

CHECK_SECONDS = 1.0
BUSY = {f"{act}_IN_PROGRESS" for act in ("CREATE", "UPDATE", "DELETE", "ROLLBACK", "UPDATE_ROLLBACK")}

_stepfunctions_state: Any = stepfunctions.get_state


def patch() -> None:
    """Install the replacement, and save after each deployment from now on."""
    stepfunctions.get_state = state_without_children
    threading.Thread(target=save_after_deployments, name="save-state", daemon=True).start()


def state_without_children() -> Any:
    """State of Step Functions without Map Runs and their children: too many, and their results are in S3."""
    state = _stepfunctions_state()
    executions = state["executions"]
    for key in [key for key, execution in executions._data.items() if execution.get("mapRunArn")]:
        del executions._data[key]
    return state | {"map_runs": AccountRegionScopedDict()}


def save_after_deployments() -> None:
    """Save everything whenever the stacks have come to rest in a new state."""
    saved: set[tuple[str, ...]] = set()
    while True:
        time.sleep(CHECK_SECONDS)
        stacks = retried(stack_states)
        if stacks != saved and not any(status in BUSY for _, status, _ in stacks):
            for service, get_state in app._build_persistence_save_dict().items():
                state = retried(get_state)
                if state is not None:
                    persistence.save_state(service, state)
            saved = stacks


def stack_states() -> set[tuple[str, ...]]:
    """Id, status and time of the last update of all stacks, in whatever Region."""
    return {(s["StackId"], s["StackStatus"], s.get("LastUpdatedTime", "")) for s in _stacks.all_values()}


def retried(read: Callable[[], Any]) -> Any:
    """What `read` returns, read again when another thread has added or removed something meanwhile."""
    while True:
        try:
            return read()
        except RuntimeError:
            time.sleep(0.05)
