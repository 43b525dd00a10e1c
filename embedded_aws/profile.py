"""How strict the embedded AWS is: which of AWS's permissions, quotas and faults it has.

Without a profile it says yes to everything, which is quickest; STRICT says no where AWS would. The server hands its
profile to the process in an environment variable. Imports the standard library only.
"""

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "MONTECARLO_PROFILE"


@dataclass(frozen=True)
class Profile:
    """What of AWS is enforced; None and False enforce nothing."""

    permissions: bool = False
    """Every call of a function and of Step Functions must be allowed by its role; an unknown action is not."""

    concurrency: int | None = None
    """Invocations of all functions at the same time; the next one is throttled."""

    throttled_first: int = 0
    """So many invocations of each function are throttled first, as when others use up what the account may have."""

    standard_dispatch: float | None = None
    """Standard children that a Map Run starts in a second."""

    express_dispatch: float | None = None
    """Express children that a Map Run starts in a second."""

    transitions: float | None = None
    """States of Standard executions that the account enters in a second."""

    express_seconds: float | None = None
    """How long an Express child may take."""

    out_of_memory: str | None = None
    """The error of an invocation that takes more than its function's MemorySize (Linux), which then ends."""

    item_reader_failures: int = 0
    """So many ItemReaders fail first, as they do now and then when S3 does."""

    unreadable_layers: str | None = None
    """Layers of other accounts with this in their ARN may not be read, as where their owner shares them no more."""


LENIENT = Profile()

STRICT = Profile(
    permissions=True,
    concurrency=1000,
    standard_dispatch=100,
    express_dispatch=1000,
    transitions=5000,
    express_seconds=300,
    out_of_memory="Runtime.OutOfMemory",
)
"""AWS's default quotas in us-east-1, once more: this package knows nothing of the project that runs on it."""


def to_environment(profile: Profile) -> dict[str, str]:
    """The variable that hands a profile to the process."""
    return {VARIABLE: json.dumps(asdict(profile))}


def from_environment(environment: Mapping[str, str] = os.environ) -> Profile:
    """The profile that the process was given."""
    settings: dict[str, Any] = json.loads(environment.get(VARIABLE, "{}"))
    return Profile(**settings)


class Rate:
    """At most so many a second, evenly: whoever comes too early waits for his turn."""

    def __init__(self, per_second: float | None) -> None:
        self._seconds = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait for one's turn."""
        if not self._seconds:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._seconds
        time.sleep(turn - now)
