"""The worker against Step Functions as it can be: late, empty, throttling, broken, and gone."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from montecarlo.errors import InvalidPortfolio, SlowDown
from montecarlo.host import worker
from montecarlo.host.environment import Environment, WorkerSetup, processes
from montecarlo.host.worker import DIED, STOPPED, Outcome, Process, Worker, outcome_of
from montecarlo.storage.store import Store
from tests.infrastructure.test_state_machines import FINAL_ERRORS
from tests.memory_s3 import MemoryS3

SECONDS = 20
"""After which a test fails that waits for something."""


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "Call")


NO_NETWORK = EndpointConnectionError(endpoint_url="https://states")


class FakeStates:
    """Step Functions with a queue of tasks; what a worker sends is kept. `faults`: what next calls raise, by name."""

    def __init__(self, *events: Any) -> None:
        self.queue = [(f"token-{number}", event) for number, event in enumerate(events)]
        self.sent: list[tuple[str, str, Any]] = []
        self.faults: dict[str, list[Exception]] = {}
        self.gone: set[str] = set()
        self.polls = self.most_polls = 0
        self._lock = threading.Lock()

    def _call(self, name: str, token: str = "", value: Any = None) -> None:
        with self._lock:
            faults = self.faults.get(name, [])
            if faults:
                raise faults.pop(0)
            if token in self.gone:
                raise refusal("TaskTimedOut")
            if token:
                self.sent.append((name, token, value))

    def get_activity_task(self, **_: Any) -> dict[str, Any]:
        with self._lock:
            self.polls += 1
            self.most_polls = max(self.most_polls, self.polls)
        try:
            self._call("poll")
            time.sleep(0.005)
            with self._lock:
                if not self.queue:
                    return {"taskToken": None}
                token, event = self.queue.pop(0)
                return {"taskToken": token, "input": json.dumps(event)}
        finally:
            with self._lock:
                self.polls -= 1

    def send_task_success(self, *, taskToken: str, output: str) -> None:  # noqa: N803
        self._call("success", taskToken, json.loads(output))

    def send_task_failure(self, *, taskToken: str, error: str, cause: str) -> None:  # noqa: N803
        self._call("failure", taskToken, error)

    def send_task_heartbeat(self, *, taskToken: str) -> None:  # noqa: N803
        self._call("heartbeat", taskToken)

    def named(self, name: str) -> list[tuple[str, Any]]:
        with self._lock:
            return [(token, value) for sent, token, value in self.sent if sent == name]


class Thread:
    """A simulator that runs a step in its own thread, and can be killed while the step waits."""

    def __init__(self, step: Callable[[Any, threading.Event], Any]) -> None:
        self._step, self.killed = step, threading.Event()

    def run(self, event: Any) -> Outcome:
        self.killed.clear()
        outcome = outcome_of(lambda given, host: self._step(given, self.killed), event, None)
        return Outcome(error=DIED, cause="killed") if self.killed.is_set() else outcome

    def kill(self) -> None:
        self.killed.set()


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)
    return found


@contextmanager
def working(states: Any, step: Callable[..., Any], simulators: int = 1, **options: Any) -> Iterator[Worker]:
    """A worker that is at work within the block, and is stopped at its end."""
    settings = {"beat_seconds": 0.02, "longest_pause": 0.02, **options}
    made: Any = [Thread(step) for _ in range(simulators)]
    working = Worker("arn", made, states, states, **settings)
    working.start()
    try:
        yield working
    finally:
        working.stop()


@pytest.fixture(autouse=True)
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FIRST_PAUSE", 0.01)


def test_every_chunk_is_answered_with_what_the_step_returns() -> None:
    states = FakeStates(*({"chunk": number} for number in range(20)))
    with working(states, lambda event, _: {"loans": event["chunk"]}, simulators=4):
        until(lambda: len(states.named("success")) == 20)
    assert sorted(states.named("success")) == sorted((f"token-{n}", {"loans": n}) for n in range(20))
    assert not states.named("failure")


def test_a_worker_polls_once_at_a_time_however_many_processes_it_has() -> None:
    states = FakeStates(*({"chunk": number} for number in range(20)))

    def simulate(event: Any, _: Any) -> Any:
        time.sleep(0.01)
        return {}

    with working(states, simulate, simulators=8):
        until(lambda: len(states.named("success")) == 20)
    assert states.most_polls == 1


@pytest.mark.parametrize("error", [InvalidPortfolio("row 3"), SlowDown("S3"), KeyError("loan")])
def test_an_error_has_the_name_that_it_has_in_lambda(error: Exception) -> None:
    def fail(event: Any, _: Any) -> Any:
        raise error

    states = FakeStates({"chunk": 1})
    with working(states, fail):
        assert until(lambda: states.named("failure")) == [("token-0", type(error).__name__)]
    told = json.loads(outcome_of(lambda event, host: fail(event, host), {}, None).cause)
    assert told == {"errorMessage": str(error), "errorType": type(error).__name__}


def test_nothing_but_a_stop_ends_a_worker() -> None:
    """Empty polls, throttles, no network, an answer that is no JSON: the next chunk is done all the same."""
    states = FakeStates()
    states.faults["poll"] = [refusal("ThrottlingException"), NO_NETWORK, ValueError("no JSON"), refusal("AccessDenied")]
    with working(states, lambda event, _: {"done": True}):
        until(lambda: not states.faults["poll"])
        states.queue.append(("late", {"chunk": 1}))
        assert until(lambda: states.named("success")) == [("late", {"done": True})]


def test_an_answer_is_sent_until_it_is_taken() -> None:
    states = FakeStates({"chunk": 1})
    states.faults["success"] = [refusal("ThrottlingException"), NO_NETWORK, refusal("ServiceUnavailable")]
    with working(states, lambda event, _: {}):
        until(lambda: states.named("success"))
    assert not states.named("failure")


def test_an_answer_that_nobody_wants_does_no_harm() -> None:
    states = FakeStates({"chunk": 1}, {"chunk": 2})
    states.faults["success"] = [refusal("TaskTimedOut")]
    with working(states, lambda event, _: {"chunk": event["chunk"]}):
        assert until(lambda: states.named("success")) == [("token-1", {"chunk": 2})]


def test_a_chunk_beats_while_it_is_simulated() -> None:
    states, go = FakeStates({"chunk": 1}), threading.Event()
    states.faults["heartbeat"] = [refusal("ThrottlingException"), NO_NETWORK]
    with working(states, lambda event, _: go.wait(SECONDS) and {}):
        until(lambda: len(states.named("heartbeat")) >= 3)
        go.set()
        until(lambda: states.named("success"))
        beats = len(states.named("heartbeat"))
        time.sleep(0.1)
        assert len(states.named("heartbeat")) == beats


def test_a_chunk_whose_time_is_over_is_ended_and_the_next_one_begun() -> None:
    """It hangs; or the run was stopped; or another worker has it since this one was without a network."""
    states = FakeStates({"hangs": True}, {"hangs": False})
    states.gone = {"token-0"}
    with working(states, lambda event, killed: killed.wait(SECONDS) if event["hangs"] else {"next": True}):
        assert until(lambda: states.named("success")) == [("token-1", {"next": True})]
    assert not states.named("failure")


def test_a_stop_hands_back_every_chunk_at_once_and_sends_no_result() -> None:
    states = FakeStates({"chunk": 1}, {"chunk": 2}, {"chunk": 3})
    begun: list[int] = []

    def simulate(event: Any, killed: threading.Event) -> Any:
        begun.append(event["chunk"])
        killed.wait(SECONDS)
        return {}

    with working(states, simulate, simulators=2) as stopped:
        until(lambda: len(begun) == 2)
        stopped.stop()
        sent = list(states.sent)
        time.sleep(0.1)
        assert states.sent == sent
    assert sorted(set(states.named("failure"))) == [("token-0", STOPPED), ("token-1", STOPPED)]
    assert [token for token, _ in states.queue] == ["token-2"]
    assert not states.named("success")


def test_a_stop_without_a_network_ends_the_worker_all_the_same() -> None:
    states, begun = FakeStates({"chunk": 1}), threading.Event()

    def simulate(event: Any, killed: threading.Event) -> Any:
        begun.set()
        killed.wait(SECONDS)

    with working(states, simulate) as stopped:
        begun.wait(SECONDS)
        states.faults["failure"] = [NO_NETWORK] * 5
        stopped.stop()
    assert not states.sent or all(name == "heartbeat" for name, _, _ in states.sent)


def test_a_run_is_marked_now_and_then_as_long_as_a_chunk_of_it_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[str] = []

    def mark(run: str) -> None:
        marked.append(run)
        raise SlowDown("S3")  # which is no reason to end anything

    states = FakeStates(*({"run": run, "chunk": 1} for run in ("june", "june", "july", "june")))
    with working(states, lambda event, _: {}, at_work=mark):
        until(lambda: len(states.named("success")) == 4)
    assert marked == ["june", "july"]

    monkeypatch.setattr(worker, "MARK_SECONDS", 0.05)
    states, go = FakeStates({"run": "may"}), threading.Event()
    with working(states, lambda event, _: go.wait(SECONDS) and {}, at_work=mark):
        until(lambda: marked.count("may") >= 3)
        go.set()


def test_the_mark_lies_in_the_run_and_nowhere_else() -> None:
    s3: Any = MemoryS3()
    store = Store("bucket", s3)
    worker.mark(store, "june")
    worker.mark(store, "june/waves/001")
    for wrong in ("", "None/../x", "a/b", "../portfolios/x"):
        with pytest.raises(Exception, match=r"event\.run"):
            worker.mark(store, wrong)
    assert sorted(s3.objects) == ["runs/june/at-work", "runs/june/waves/001/at-work"]


# Processes ------------------------------------------------------------------------------------------------------------


def poisonous(event: Any, host: Any) -> Any:
    """A step: an exit of the whole process, a hang, an error, or what it was given."""
    if event["do"] == "exit":
        os._exit(7)
    if event["do"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if event["do"] == "hang":
        time.sleep(SECONDS * 10)
    if event["do"] == "error":
        raise InvalidPortfolio("row 3")
    return {"pid": os.getpid(), "event": event}


def test_a_chunk_that_kills_its_process_costs_nothing_but_itself() -> None:
    process = Process(poisonous)
    first = process.run({"do": "a"}).result
    assert process.run({"do": "b"}).result == {**(first or {}), "event": {"do": "b"}}, "the process is not kept"
    for poison, how in (("exit", "exit status 7"), ("kill", "SIGKILL")):
        outcome = process.run({"do": poison})
        assert outcome.error == DIED
        assert how in outcome.cause
    assert process.run({"do": "error"}).error == "InvalidPortfolio"
    threading.Timer(0.2, process.kill).start()
    assert process.run({"do": "hang"}).error == DIED
    process.kill()


SCRIPT = """
import sys, time
from montecarlo.host import worker
from tests.host.test_worker import FakeStates

class Loud(FakeStates):
    def send_task_failure(self, **given):
        print("handed back", given["error"], flush=True)

def step(event, host):
    print("begun", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    states = Loud({"run": "june", "chunk": 1})
    worker.clients = lambda: (states, states)
    worker.mark = lambda store, run: None
    worker.serve(step)
"""


def test_sigterm_in_the_middle_of_a_chunk(tmp_path: Path) -> None:
    """As Spot and ECS send it: the chunk is handed back, the process of the chunk is gone, the exit is orderly."""
    (tmp_path / "script.py").write_text(SCRIPT)
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(tmp_path), str(root / "functions"), str(root))),
        "ACTIVITY_ARN": "arn",
        "DATA_BUCKET": "bucket",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    running = subprocess.Popen([sys.executable, "-m", "script"], env=environment, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    lines = iter(running.stdout)
    assert json.loads(next(lines))["message"] == "started"
    assert next(lines) == "begun\n"
    running.terminate()
    rest = list(lines)
    assert running.wait(SECONDS) == 0
    assert f"handed back {STOPPED}\n" in rest
    assert any('"message": "stopped"' in line for line in rest)


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cores", "memory", "each", "expected"),
    [(4, 8192, 1769, 4), (4, 4096, 1769, 2), (1, 1024, 1769, 1), (2, 16384, 1769, 2), (16, 32768, 3000, 10)],
)
def test_a_worker_has_a_process_for_each_core_as_far_as_memory_goes(
    cores: int, memory: int, each: int, expected: int
) -> None:
    assert processes(cores, memory, each) == expected


def test_the_environment_says_how_a_worker_works(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"ACTIVITY_ARN": "arn", "WORKER_CORES": "4", "WORKER_MEMORY": "8192", "SIMULATE_MEMORY": "1769"}
    for name, value in {**given, "DATA_BUCKET": "b", "MAX_WORKERS": "25", "LOG_LEVEL": "WARN"}.items():
        monkeypatch.setenv(name, value)
    assert Environment().worker_setup() == WorkerSetup("arn", processes=4, most_workers=25, heartbeat_seconds=60)
    monkeypatch.setenv("HEARTBEAT_SECONDS", "7.5")
    assert Environment().worker_setup().heartbeat_seconds == 7.5
    assert Environment().log_level == "WARNING"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"ACTIVITY_ARN": "arn"}, "DATA_BUCKET must be set"),
        ({"DATA_BUCKET": ""}, "ACTIVITY_ARN and DATA_BUCKET must be set"),
        ({"ACTIVITY_ARN": "arn", "DATA_BUCKET": "b", "WORKER_CORES": "four"}, "WORKER_CORES is 'four', but must be"),
        ({"ACTIVITY_ARN": "arn", "DATA_BUCKET": "b", "MAX_WORKERS": "0"}, "MAX_WORKERS is '0', but must be"),
        ({"ACTIVITY_ARN": "arn", "DATA_BUCKET": "b", "AWS_CONFIG_FILE": os.devnull}, "You must specify a region"),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line(given: dict[str, str], reason: str) -> None:
    script = Path(worker.__file__).parents[2] / "worker.py"
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(script.parent), **given}
    ended = subprocess.run([sys.executable, script], env=bare, capture_output=True, text=True, timeout=SECONDS)
    assert (ended.returncode, ended.stderr) == (1, "")
    (line,) = ended.stdout.splitlines()
    assert json.loads(line)["message"] == "cannot start"
    assert reason in json.loads(line)["reason"]


def test_heartbeats_are_paced_by_the_number_of_workers() -> None:
    def a_second(workers: int, each: int) -> float:
        setup = WorkerSetup("arn", each, workers)
        return workers * each / worker.beat_seconds(setup)

    assert worker.beat_seconds(WorkerSetup("arn", 1, 10)) == 20
    assert a_second(1000, 4) <= 200.0
    assert worker.beat_seconds(WorkerSetup("arn", 4, 1000)) * 2 < 60, "one lost heartbeat must not cost a chunk"
    assert worker.beat_seconds(WorkerSetup("arn", 32, 1000)) * 2 < 60
    assert worker.beat_seconds(WorkerSetup("arn", 1, 10, heartbeat_seconds=3)) == 1


def test_a_worker_tries_again_what_is_no_fault_of_the_chunk_and_nothing_else() -> None:
    assert STOPPED not in FINAL_ERRORS
    assert DIED == "Runtime.ExitError"


def test_the_log_is_json_and_holds_no_data() -> None:
    record = logging.makeLogRecord({"msg": "done", "levelname": "INFO", "event_run": "june", "seconds": 1.5})
    line = json.loads(worker.JsonLines().format(record))
    assert (line["message"], line["event_run"], line["seconds"], line["service"]) == ("done", "june", 1.5, "montecarlo")
    event = {"run": "june", "group": 0, "chunk": 1, "slices": [{"key": "secret.csv"}]}
    simulator: Any = None
    known = worker.Task("token", event, simulator).known
    assert known == {"event_run": "june", "event_group": 0, "event_chunk": 1}
