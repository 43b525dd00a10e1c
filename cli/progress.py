"""How far a run is, found out through few and rare questions.

AWS allows an account so many calls of each kind: a bucket of tokens that fills slowly, shared by all that the account
does. A tenth of each bucket and a quarter of its refill are ours. Imports nothing of AWS: the client is given.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError

QUOTAS: Mapping[str, tuple[float, float]] = {
    "describe_execution": (250, 10),
    "describe_map_run": (200, 1),
    "list_map_runs": (100, 1),
    "get_execution_history": (400, 20),
}
"""Size of the bucket, and tokens a second, outside the three large Regions. Source: AWS Step Functions Developer Guide,
"Service quotas", quotas related to API action throttling."""

SHARE_OF_BUCKET, SHARE_OF_REFILL = 0.1, 0.25

STAGES = {
    "Plan": "planning",
    "PlanWave": "planning",
    "Groups": "simulating",
    "Aggregate": "measuring",
    "RecordFailure": "failing",
    "PlanParts": "planning",
    "GenerateParts": "generating",
    "WriteManifest": "finishing",
}
"""What the states of both machines do, in a word."""

ENTERED = ("TaskStateEntered", "MapStateEntered")
FAILED_CALLS = ("TaskFailed", "LambdaFunctionFailed", "TaskTimedOut", "LambdaFunctionTimedOut")


class CallLimiter:
    """Says whether a call may be made now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = {name: (SHARE_OF_BUCKET * bucket, clock()) for name, (bucket, _) in QUOTAS.items()}

    def allows(self, call: str) -> bool:
        """Whether the call fits; if so, it counts as made."""
        (bucket, refill), (left, then), now = QUOTAS[call], self._left[call], self._clock()
        left = min(SHARE_OF_BUCKET * bucket, left + (now - then) * SHARE_OF_REFILL * refill)
        self._left[call] = (left - 1 if left >= 1 else left, now)
        return left >= 1


@dataclass(frozen=True)
class Progress:
    """How far an execution is. `chunks`: of the current wave; `done` and `failed`: of them; `retries`: of states."""

    stage: str = "starting"
    wave: int = 0
    chunks: int = 0
    done: int = 0
    failed: int = 0
    retries: int = 0


@dataclass
class Watch:
    """Looks at one execution, again and again."""

    client: Any
    arn: str
    limiter: CallLimiter = field(default_factory=CallLimiter)
    progress: Progress = field(default_factory=Progress)
    _seen: int = 0  # the number of the last event of the history that was looked at
    _waves: list[int] = field(default_factory=lambda: [0])  # Map Runs before each wave
    _counts: dict[str, Mapping[str, int]] = field(default_factory=dict)  # by Map Run, in the order of their starts
    _final: set[str] = field(default_factory=set)
    _asked: dict[str, int] = field(default_factory=dict)

    def look(self) -> Progress:
        """Find out what may be asked now; the rest stays as it was known."""
        try:
            if self.limiter.allows("get_execution_history"):
                self._read_history()
            if self.limiter.allows("list_map_runs"):
                self._list_map_runs()
            for arn in sorted(self._counts.keys() - self._final, key=lambda arn: self._asked.get(arn, 0)):
                if not self.limiter.allows("describe_map_run"):
                    break
                self._describe(arn)
        except ClientError as error:
            # A watcher is the first to make room where the account's calls are used up; what else is wrong shows in
            # the execution itself.
            if error.response["Error"]["Code"] not in ("ThrottlingException", "ExecutionDoesNotExist"):
                raise
        of_wave = list(self._counts.values())[self._waves[-1] :]
        chunks, done = (sum(counts[of] for counts in of_wave) for of in ("total", "succeeded"))
        self.progress = replace(
            self.progress,
            chunks=chunks,
            done=chunks if self.progress.stage == STAGES["Aggregate"] else done,
            failed=sum(counts["failed"] + counts["timedOut"] for counts in of_wave),
        )
        return self.progress

    def _read_history(self) -> None:
        """The events since the last look, of which there are few: one page of the latest."""
        page = self.client.get_execution_history(
            executionArn=self.arn, reverseOrder=True, maxResults=200, includeExecutionData=False
        )
        new = [event for event in reversed(page["events"]) if event["id"] > self._seen]
        for event in new:
            self._seen = event["id"]
            name = event.get("stateEnteredEventDetails", {}).get("name")
            if event["type"] in ENTERED and name in STAGES:
                if name == "PlanWave":
                    self._waves.append(len(self._counts))
                self.progress = replace(self.progress, stage=STAGES[name], wave=len(self._waves) - 1)
            elif event["type"] in FAILED_CALLS:
                self.progress = replace(self.progress, retries=self.progress.retries + 1)

    def _list_map_runs(self) -> None:
        runs = self.client.list_map_runs(executionArn=self.arn, maxResults=1000)["mapRuns"]
        for run in sorted(runs, key=lambda run: run["startDate"]):
            self._counts.setdefault(run["mapRunArn"], {"total": 0, "succeeded": 0, "failed": 0, "timedOut": 0})

    def _describe(self, arn: str) -> None:
        described = self.client.describe_map_run(mapRunArn=arn)
        self._counts[arn] = described["itemCounts"]
        self._asked[arn] = max(self._asked.values(), default=0) + 1
        if described["status"] != "RUNNING":
            self._final.add(arn)
