"""A step as the worker of an activity of Step Functions: on Fargate, on EC2, on any computer.

The worker asks for a chunk whenever one of its processes has nothing to do, with one long poll at a time. It hands the
chunk to that process, says every few seconds that it is at work, and answers with what the step returns, or with its
error under the name that it has in Lambda. Nothing but SIGTERM ends a worker: no empty poll, no refusal, no broken
network, no chunk that kills the process it runs in. With SIGTERM, which Spot sends two minutes before it takes a
computer away, it hands its chunks back at once, so that another worker takes them.

The processes write nothing but objects of S3 whose bytes the plan has fixed. So they can be killed at any moment, and
two workers with the same chunk do no harm.
"""

import contextlib
import json
import logging
import multiprocessing
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from montecarlo.errors import MonteCarloError
from montecarlo.host.environment import Environment, WorkerSetup
from montecarlo.process import peak_memory_mb
from montecarlo.run.request import check_run
from montecarlo.steps.protocol import Event, Step
from montecarlo.storage import keys
from montecarlo.storage.store import Store

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

STOPPED = "WorkerStopped"
"""The error of a chunk that a worker hands back, which is no fault of the chunk; the state machine tries it again."""

HANDED_BACK = "The worker was stopped; another one takes the chunk."

DIED = "Runtime.ExitError"
"""The error of a chunk whose process ended, as Lambda names it: for want of memory, most often."""

BEAT_SECONDS = 20.0
"""Between two heartbeats; Step Functions takes a chunk away after 60 s without one."""

BEATS_PER_SECOND = 200
"""Of all workers together. An account may call SendTaskHeartbeat 300 times a second, and 500 times in us-east-1,
us-west-2 and eu-west-1. Source: AWS Step Functions Developer Guide, "Quotas related to API action throttling".
"""

MARK_SECONDS = 300.0
"""Between two marks that chunks of a run are at work: see `keys.at_work`."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds to wait after a call that failed, with full jitter."""

MOST_ERROR, MOST_CAUSE = 256, 32_768
"""Characters that SendTaskFailure takes."""

_GONE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}
"""Step Functions wants no answer any more: the time is over, the run has ended, or another worker has the chunk."""

_FINAL = {"InvalidOutput", "ValidationException", "AccessDeniedException", "AccessDenied"}
"""An answer that would be refused again."""

_LOGGED = ("run", "group", "chunk")

logger = logging.getLogger("montecarlo.worker")


@dataclass(frozen=True)
class Outcome:
    """What a step came to: its result, or else the error and the cause that it ended in."""

    result: dict[str, Any] | None = None
    error: str = ""
    cause: str = ""


class Simulator(Protocol):
    """What simulates one chunk at a time."""

    def run(self, event: Event) -> Outcome:
        """Run the step. Comes back with the error DIED if it is killed meanwhile."""

    def kill(self) -> None:
        """End what is under way, at once."""


@dataclass(eq=False)
class Task:
    """A chunk that the worker holds."""

    token: str
    event: Event
    simulator: Simulator
    dropped: bool = False

    @property
    def known(self) -> dict[str, Any]:
        """What of the chunk is logged; the rest may hold a bank's data."""
        return {f"event_{name}": self.event[name] for name in _LOGGED if name in self.event}


class Worker:
    """Chunks of an activity, simulated by as many simulators at once.

    polls, answers: clients of Step Functions, as `clients` makes them. at_work: told the run of a chunk, from time to
    time, as long as the worker has it.
    """

    def __init__(
        self,
        activity: str,
        simulators: list[Simulator],
        polls: "SFNClient",
        answers: "SFNClient",
        *,
        beat_seconds: float = BEAT_SECONDS,
        longest_pause: float = LONGEST_PAUSE,
        at_work: Callable[[str], None] | None = None,
    ) -> None:
        self._activity, self._simulators, self._polls, self._answers = activity, simulators, polls, answers
        self._beat_seconds, self._longest_pause, self._at_work = beat_seconds, longest_pause, at_work
        self._stopping = threading.Event()
        self._polling = threading.Lock()
        self._holding = threading.Lock()
        self._held: set[Task] = set()
        self._marked: dict[str, float] = {}

    def start(self) -> None:
        """Work, in threads of its own."""
        threads = [threading.Thread(target=self._serve, args=(each,), daemon=True) for each in self._simulators]
        threads.append(threading.Thread(target=self._beat, daemon=True))
        for thread in threads:
            thread.start()

    def stop(self) -> None:
        """Hand back the chunks that the worker holds, and ask for no other."""
        self._stopping.set()
        self._hand_back()
        for simulator in self._simulators:
            simulator.kill()

    # One chunk after the other ----------------------------------------------------------------------------------------

    def _serve(self, simulator: Simulator) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                with self._polling:  # an activity has 1,000 polls at once: one for each worker, not for each process
                    task = None if self._stopping.is_set() else self._poll(simulator)
                if task is not None:
                    self._work(task)
                pause = FIRST_PAUSE
            except Exception as error:
                logger.warning("pausing", extra={"error": _name(error), "reason": str(error)})
                self._stopping.wait(random.uniform(0, pause))
                pause = min(2 * pause, self._longest_pause)

    def _poll(self, simulator: Simulator) -> Task | None:
        """A chunk, or None where there was none for a minute."""
        answer = self._polls.get_activity_task(activityArn=self._activity, workerName=socket.gethostname()[:80])
        token = answer.get("taskToken")
        if not token:
            return None
        task = Task(token, json.loads(answer["input"]), simulator)
        with self._holding:
            self._held.add(task)  # from here on it beats, and is handed back when the worker is stopped
        return task

    def _work(self, task: Task) -> None:
        try:
            if self._stopping.is_set():  # the poll that was under way when the worker was stopped
                self._fail(task.token, STOPPED, HANDED_BACK)
                return
            self._mark(task)
            started = time.perf_counter()
            outcome = task.simulator.run(task.event)
            told = {**task.known, "seconds": round(time.perf_counter() - started, 3)}
            if task.dropped or self._stopping.is_set():
                logger.info("dropped", extra=told)
            elif self._answer(task, outcome):
                logger.info("done" if outcome.result is not None else "failed", extra={**told, "error": outcome.error})
        finally:
            with self._holding:
                self._held.discard(task)

    def _answer(self, task: Task, outcome: Outcome) -> bool:
        """Send the outcome, again and again while Step Functions cannot be reached. Returns whether it was taken."""
        pause = FIRST_PAUSE
        while not (task.dropped or self._stopping.is_set()):
            try:
                if outcome.result is not None:
                    self._answers.send_task_success(taskToken=task.token, output=json.dumps(outcome.result))
                else:
                    self._fail(task.token, outcome.error, outcome.cause)
                return True
            except (ClientError, BotoCoreError) as error:
                if _name(error) in _GONE | _FINAL:
                    logger.warning("not wanted", extra={**task.known, "error": _name(error)})
                    return False
                logger.warning("answering again", extra={**task.known, "error": _name(error)})
            self._stopping.wait(random.uniform(0, pause))
            pause = min(2 * pause, self._longest_pause)
        return False

    def _fail(self, token: str, error: str, cause: str) -> None:
        self._answers.send_task_failure(taskToken=token, error=error[:MOST_ERROR], cause=cause[:MOST_CAUSE])

    # Beside them ------------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Say of every chunk that it is at work. One that nobody waits for any more is ended."""
        pause = random.uniform(0, self._beat_seconds)  # workers that started together do not beat together
        while not self._stopping.wait(pause):
            pause = self._beat_seconds
            for task in self._holds():
                try:
                    self._answers.send_task_heartbeat(taskToken=task.token)
                    self._mark(task)
                except ClientError as error:
                    if _name(error) in _GONE:
                        self._drop(task)
                    else:
                        logger.warning("no heartbeat", extra={**task.known, "error": _name(error)})
                except Exception as error:
                    logger.warning("no heartbeat", extra={**task.known, "error": _name(error)})

    def _drop(self, task: Task) -> None:
        with self._holding:
            if task not in self._held:  # answered meanwhile: its process may have the next one
                return
            task.dropped = True
            task.simulator.kill()

    def _mark(self, task: Task) -> None:
        """Tell that the chunk's run is at work, unless it was told a moment ago. Where it cannot, nothing is lost."""
        run, now = str(task.event.get("run")), time.monotonic()
        if self._at_work is None or now < self._marked.get(run, -MARK_SECONDS) + MARK_SECONDS:
            return
        self._marked[run] = now
        try:
            self._at_work(run)
        except MonteCarloError as error:
            logger.warning("not marked", extra={**task.known, "error": _name(error)})

    def _holds(self) -> list[Task]:
        with self._holding:
            return [*self._held]

    def _hand_back(self) -> None:
        """Give the chunks back. One that cannot be given back is missed after a minute without heartbeats."""
        for task in self._holds():
            with contextlib.suppress(ClientError, BotoCoreError):
                self._fail(task.token, STOPPED, HANDED_BACK)
                logger.info("handed back", extra=task.known)


def _name(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


# ---------------------------------------------------------------------------------------------------------------------
# Processes


class Process:
    """A process that runs a step on one event after the other. When it ends, the next event has a new one."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._process: Any = None
        self._pipe: Connection | None = None

    def run(self, event: Event) -> Outcome:
        """See `Simulator`."""
        if self._process is None or not self._process.is_alive():
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send(event)
            outcome: Outcome = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            self._pipe.close()
            return Outcome(error=DIED, cause=f"the process that simulated the chunk ended ({how}); {MEMORY_HINT}")
        return outcome

    def kill(self) -> None:
        """See `Simulator`."""
        if self._process is not None:
            self._process.kill()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of this process's threads
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_simulate, args=(self._step, other), daemon=True)
        self._process.start()
        other.close()  # so that the end of the process is the end of the pipe


MEMORY_HINT = "if it was killed, it may have wanted more memory than there is: take fewer chunk_loans or more memory."


def _simulate(step: Step, pipe: Connection) -> None:
    """Run the step on each event that comes, until the worker has gone."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_to_stdout()
    environment = Environment()
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(outcome_of(step, pipe.recv(), environment))


def outcome_of(step: Step, event: Event, host: Any) -> Outcome:
    """What a step comes to; an error as Lambda would report it."""
    try:
        result = step(event, host)
    except Exception as error:
        logger.exception("failed in the step", extra={"peak_memory_mb": round(peak_memory_mb())})
        told = {"errorMessage": str(error), "errorType": type(error).__name__}
        return Outcome(error=type(error).__name__, cause=json.dumps(told))
    return Outcome(result)


# ---------------------------------------------------------------------------------------------------------------------
# The worker as the environment describes it


def serve(step: Step) -> None:
    """Work for the activity of the environment until SIGTERM. Where the environment is none, say so, and end."""
    log_to_stdout()
    environment = Environment()
    try:
        setup = environment.worker_setup()
        polls, answers = clients()
    except (MonteCarloError, BotoCoreError) as error:
        logger.critical("cannot start", extra={"error": _name(error), "reason": str(error)})
        sys.exit(1)
    simulators: list[Simulator] = [Process(step) for _ in range(setup.processes)]
    worker = Worker(
        setup.activity,
        simulators,
        polls,
        answers,
        beat_seconds=beat_seconds(setup),
        at_work=lambda run: mark(environment.store, run),
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # of all threads: a handler could interrupt any of them
    logger.info("started", extra={"processes": setup.processes, "activity": setup.activity})
    worker.start()
    signal.sigwait({signal.SIGTERM})
    worker.stop()
    logger.info("stopped")
    sys.exit()


def beat_seconds(setup: WorkerSetup) -> float:
    """Between two heartbeats of a chunk: a third of what Step Functions waits for one; longer, so that all workers
    together stay below what an account may send, but never so long that one lost heartbeat costs a chunk.
    """
    paced = max(setup.heartbeat_seconds / 3, setup.most_workers * setup.processes / BEATS_PER_SECOND)
    return min(paced, setup.heartbeat_seconds / 2.5)


def mark(store: Store, run: str) -> None:
    """Write down that a worker has a chunk of the run. Raises InvalidInput for what is no name of a run."""
    check_run("the event.run", run)
    store.put(keys.at_work(run), b"")


def clients() -> tuple["SFNClient", "SFNClient"]:
    """Clients of Step Functions: one that waits for a chunk, one that answers."""
    # The service holds a poll for 60 s. One that broke is not sent again by itself: a chunk may have been its answer.
    polls = Config(connect_timeout=10, read_timeout=70, retries={"total_max_attempts": 1})
    answers = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("stepfunctions", config=polls), boto3.client("stepfunctions", config=answers)


# ---------------------------------------------------------------------------------------------------------------------
# Logs


class JsonLines(logging.Formatter):
    """A line of JSON for each record, with the fields that Lambda's logs have."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        own = {name: value for name, value in vars(record).items() if name not in _ORDINARY}
        line = {
            "level": record.levelname,
            "message": record.getMessage(),
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "service": "montecarlo",
            **own,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


_ORDINARY = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def log_to_stdout() -> None:
    """Have this process's log written as lines of JSON to its standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(Environment().log_level)
