"""ProvideWorkers: as many workers as the runs under way have chunks for, and none where there is no run.

It asks what there is, sets what there should be, and asks again whether that is still so: two calls at once, or the
same call twice, come to the same. So it can be called whenever something may have changed: when a run has its plan,
when an execution has ended in whatever way, every few minutes while one is under way, and every hour in any case.

It is also what ends a run that no worker comes to. A chunk that waits for a worker waits for ever, as its time-outs
count from when a worker has taken it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, inf
from typing import Any

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun, NoCapacity
from montecarlo.run import plan as plans
from montecarlo.run import records
from montecarlo.run.publication import record_failure
from montecarlo.run.request import NAME, run_of
from montecarlo.steps.protocol import Event, Execution, Fleet, Host
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

MOST_LOOKS = 5
"""At most so many times the number of workers is set by one call, if it is another each time it is looked at."""

_DONE = re.compile(r"/groups/(\d+)/(chunk-\d+|partial)\.npz$")


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"machine": an ARN, "execution": one that has its plan} or an event of EventBridge -> {"executions", "workers"}.

    "executions": how many are under way. "workers": how many there are to be.
    """
    detail = event.get("detail") or {}
    machine = event.get("machine") or detail["stateMachineArn"]
    ended = detail.get("executionArn")
    return provide(machine, host.fleet, host.store, begun=event.get("execution"), ended=ended)


def provide(
    machine: str,
    fleet: Fleet,
    store: Store,
    *,
    begun: str | None = None,
    ended: str | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Set the number of workers, and end the runs that have waited for one too long.

    Every call sets it once at least, also where it is right: of two calls at once, one may have set the workers last
    and the other what they run on.

    begun, ended: executions of which the caller knows that they are under way, or not any more, where the list of
    executions may not know yet.
    """
    at = now or datetime.now(UTC)
    told: int | None = None
    for _ in range(MOST_LOOKS):
        needs = [look(execution, store) for execution in _executions(machine, fleet, begun, ended)]
        waiting = [need for need in needs if need.has_waited(at) > fleet.patience_seconds]
        for need in waiting:
            _give_up(need, fleet, store)
        needs = [need for need in needs if need not in waiting]
        fleet.look_again(bool(needs))
        size = fleet.size
        wanted = workers(needs, fleet, size)
        if wanted == size == told:
            break
        fleet.resize(wanted)
        told = wanted
    return {"executions": len(needs), "workers": wanted}


def _executions(machine: str, fleet: Fleet, begun: str | None, ended: str | None) -> Sequence[Execution]:
    found = {execution.arn: execution for execution in fleet.executions(machine) if execution.arn != ended}
    if begun and begun not in found and (execution := fleet.execution(begun)):
        found[begun] = execution
    return list(found.values())


@dataclass(frozen=True)
class Need:
    """What an execution has for workers. chunks: that are left and may be simulated at once.

    planned: whether it has come so far. since: when a worker was last at work for it, or it was planned or started.
    """

    execution: Execution
    run: str
    planned: bool
    chunks: int
    since: datetime

    def has_waited(self, now: datetime) -> float:
        """Seconds without a worker at work on its chunks."""
        return (now - self.since) / timedelta(seconds=1) if self.chunks else 0.0


def look(execution: Execution, store: Store) -> Need:
    """What an execution has for workers: nothing before it has its plan.

    A run with waves of scenarios has the chunks of the waves that are planned, and of the pass over its tail.
    """
    name = run_of(execution.request, execution.name, execution.started)
    run = name if isinstance(name, str) and NAME.fullmatch(name) else ""
    left, since, planned = 0, execution.started, False
    try:
        for place, group_chunks in _planned(run, store) if run else ():
            left += chunks_left(place, group_chunks, store)
            since = max([since, *_written(place, store)])
            planned = True
        together = records.read_sealed(store, keys.estimate(run), dict)["chunks_at_once"] if left else inf
    except (IncompleteRun, NoSuchObject, Damaged, KeyError):  # its own steps will say what is wrong
        together = inf
    return Need(execution, run, planned, int(min(left, together)), since)


def _planned(run: str, store: Store) -> Iterator[tuple[str, Sequence[int]]]:
    """The waves that are planned, and the pass over the tail: what keys call them, and about how many chunks each group
    has.
    """
    wave = 0
    while found := plans.find(store, keys.wave(run, wave)):
        yield keys.wave(run, wave), found[0]["group_chunks"]
        wave += 1
    if found := plans.find(store, keys.wave(run, keys.TAIL)):
        yield keys.wave(run, keys.TAIL), found[0]["group_chunks"]


def chunks_left(run: str, group_chunks: Sequence[int], store: Store) -> int:
    """How many chunks have no partial yet. Plan has only estimated their number; a group that is added up has none."""
    done, added_up = Counter[int](), set[int]()
    for item in store.list(keys.groups(run)):
        if found := _DONE.search(item.key):
            group = int(found[1])
            done[group] += 1
            if found[2] == "partial":
                added_up.add(group)
    open_groups = [group for group in range(len(group_chunks)) if group not in added_up]
    return sum(max(1, group_chunks[group] - done[group]) for group in open_groups)


def _written(run: str, store: Store) -> list[datetime]:
    """When the plan was written, and when a worker last wrote that it has a chunk."""
    return [item.modified for key in (keys.plan(run), keys.at_work(run)) for item in store.list(key) if item.key == key]


def workers(needs: Sequence[Need], fleet: Fleet, size: int) -> int:
    """How many workers there should be.

    One for a run whose chunks all seem to be done: it may find that one of them is damaged. A worker that is taken away
    may be one that has a chunk, which another then has to begin again. So there are fewer only where half of them are
    enough, or none is needed.
    """
    chunks = sum(max(1, need.chunks) for need in needs if need.planned)
    wanted = min(fleet.most, ceil(chunks / fleet.processes))
    return size if size / 2 < wanted < size else wanted


def _give_up(need: Need, fleet: Fleet, store: Store) -> None:
    """End an execution that no worker has come to, and write down why: no state of its own will."""
    error = NoCapacity.__name__
    cause = (
        f"no worker was at work on the run for {fleet.patience_seconds / 60:,.0f} minutes. Either there was no "
        "capacity to start one, which the events of the workers' ECS service tell, or they fail, which their log "
        "tells. What was simulated is kept."
    )
    record_failure(need.run, error, cause, store)
    fleet.stop(need.execution, error, cause)
