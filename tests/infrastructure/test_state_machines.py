"""The state machines keep to what AWS and the embedded engine both run, and to how this project treats failures."""

import heapq
import random
import re
from typing import Any

import pytest

from montecarlo.limits import HISTORY_EVENTS
from tests.infrastructure.templates import STATE_MACHINES, resources, state_machine, states, template, values

FINAL_ERRORS = {"InvalidInput", "InvalidPortfolio", "IncompleteRun"}
TRANSIENT_ERRORS = {
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "SlowDown",
}
MACHINES = {"datagen": "DataGenMachine", "dataproc": "DataProcMachine"}
"""Logical ids: CloudFormation names the state machines after them, and a change would replace them."""

FOREIGN_FIELDS = {"Assign", "Arguments", "Output", "QueryLanguage", "ItemBatcher", "WriterConfig"}

ALL_STATES = [
    pytest.param(state, id=f"{machine}.{name}")
    for machine in STATE_MACHINES
    for name, state in states(state_machine(machine))
]
WORKING = [
    param
    for param in ALL_STATES
    if param.values[0]["Type"] == "Task" and not param.id.endswith(".Announce")  # type: ignore[index, union-attr]
]
"""What a function or a worker does."""


def distributed_maps() -> list[dict[str, Any]]:
    return [
        state
        for name in STATE_MACHINES
        for _, state in states(state_machine(name))
        if state["Type"] == "Map" and state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    ]


@pytest.mark.parametrize("state", ALL_STATES)
def test_every_state_says_what_it_is_for(state: dict[str, Any]) -> None:
    assert state["Comment"]


@pytest.mark.parametrize("state", ALL_STATES)
def test_no_field_is_outside_the_common_dialect(state: dict[str, Any]) -> None:
    assert not FOREIGN_FIELDS & {key for node in values(state) if isinstance(node, dict) for key in node}


@pytest.mark.parametrize("state", WORKING)
def test_a_task_is_bounded_and_retries_what_passes_but_no_final_error(state: dict[str, Any]) -> None:
    # Above the functions' 900 s, so that a function's own time-out is what is reported.
    assert state["TimeoutSeconds"] > 900
    retried = {error for retrier in state["Retry"] for error in retrier["ErrorEquals"]}
    assert retried >= TRANSIENT_ERRORS
    assert not retried & (FINAL_ERRORS | {"States.ALL", "States.TaskFailed"})
    for retrier in state["Retry"]:
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["IntervalSeconds"] < retrier["MaxDelaySeconds"] <= 60


def test_all_tasks_retry_alike_but_those_of_many_wait_longer_for_a_function() -> None:
    """What the parent retries is in its own history of 25,000 events; a child has a history of its own."""
    tasks = {name: state for machine in STATE_MACHINES for name, state in states(state_machine(machine))
             if state["Type"] == "Task" and name != "Announce"}  # fmt: skip
    many = {name: tasks.pop(name) for name in ("GeneratePart", "SimulateChunk")}
    for alike in (tasks, many):
        first, *others = (state["Retry"] for state in alike.values())
        assert all(other == first for other in others)
    (throttled, *rest), (patient, *same) = tasks["Plan"]["Retry"], many["SimulateChunk"]["Retry"]
    assert rest == same
    assert throttled["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    assert patient == {**throttled, "MaxAttempts": 3000}
    assert 3 * patient["MaxAttempts"] < HISTORY_EVENTS


def test_memory_that_runs_out_is_retried_under_both_its_names() -> None:
    for param in WORKING:
        (names,) = [
            retrier["ErrorEquals"]
            for retrier in param.values[0]["Retry"]  # type: ignore[index]
            if "Runtime.ExitError" in retrier["ErrorEquals"]
        ]
        assert "Runtime.OutOfMemory" in names


@pytest.mark.parametrize(("at_once", "attempts"), [(9, 0), (500, 3000)])
def test_two_thousand_chunks_on_ten_functions_end_well(at_once: int, attempts: int) -> None:
    """With as many chunks at once as Plan allows such an account no call is refused. With more, as where Lambda does
    not tell Plan the limit, each chunk has its turn before its attempts or the execution's day are over.
    """
    throttled = state_machine("dataproc")["States"]["Groups"]["ItemProcessor"]["States"]["Chunks"]["ItemProcessor"][
        "States"
    ]["SimulateChunk"]["Retry"][0]
    chance = random.Random(1)
    events = [(0.0, 0)] * at_once  # when a chunk asks for a function, and how often it was refused before
    waiting, free_at, most, end = 2_000 - at_once, [0.0] * 10, 0, 0.0
    heapq.heapify(events)
    while events:
        now, refused = heapq.heappop(events)
        if free_at[0] > now:
            delay = throttled["IntervalSeconds"] * throttled["BackoffRate"] ** min(refused, 20)
            pause = chance.uniform(0, min(delay, throttled["MaxDelaySeconds"]))
            most = max(most, refused + 1)
            heapq.heappush(events, (now + pause, refused + 1))
            continue
        end = now + 30
        heapq.heapreplace(free_at, end)
        if waiting:
            waiting -= 1
            heapq.heappush(events, (end, 0))
    assert most <= attempts <= throttled["MaxAttempts"]
    assert end < state_machine("dataproc")["TimeoutSeconds"]


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_an_execution_ends_some_day(name: str) -> None:
    assert state_machine(name)["TimeoutSeconds"] == 24 * 3600


def test_distributed_maps_tolerate_nothing_and_hand_on_nothing_large() -> None:
    labels = []
    for state in distributed_maps():
        kind = state["ItemProcessor"]["ProcessorConfig"]["ExecutionType"]
        assert kind == ("STANDARD" if state["Label"] == "Parts" else "${ChunkExecutionType}")
        assert state["ToleratedFailurePercentage"] == 0
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSON"}
        assert state["ResultWriter"]["Resource"].endswith(":s3:putObject")
        assert state["ResultPath"] is None
        assert [retrier["ErrorEquals"] for retrier in state["Retry"]] == [["States.ItemReaderFailed"]]
        assert re.fullmatch("[A-Za-z]{1,40}", state["Label"])
        labels.append(state["Label"])
    assert labels == ["Parts", "Chunks"]


def test_dataproc_records_every_failure_before_it_fails() -> None:
    machine = state_machine("dataproc")["States"]
    for name in ("Plan", "Groups", "Aggregate", "PlanWave"):
        # An error that States.ALL leaves out, and no ResultPath: the input may be no object to put the error into.
        assert machine[name]["Catch"] == [
            {"ErrorEquals": ["States.DataLimitExceeded"], "Next": "RecordFailure"},
            {"ErrorEquals": ["States.ALL"], "Next": "RecordFailure"},
        ]
    assert machine["RecordFailure"]["Next"] == "Fail"
    assert machine["RecordFailure"]["Parameters"]["failure.$"] == "$"
    assert {catcher["Next"] for catcher in machine["RecordFailure"]["Catch"]} == {"FailUnrecorded"}
    assert (machine["Fail"]["ErrorPath"], machine["Fail"]["CausePath"]) == ("$.error", "$.cause")
    assert (machine["FailUnrecorded"]["ErrorPath"], machine["FailUnrecorded"]["CausePath"]) == ("$.Error", "$.Cause")


def test_what_is_published_is_announced_and_stays_published_if_that_fails() -> None:
    machine = state_machine("dataproc")["States"]
    announce = machine["Announce"]
    assert machine["MoreScenarios"]["Default"] == "Announce"
    assert {announce["Next"], *(catcher["Next"] for catcher in announce["Catch"])} == {"Published"}
    assert [catcher["ErrorEquals"] for catcher in announce["Catch"]] == [["States.ALL"]]
    assert announce["ResultPath"] is announce["Catch"][0]["ResultPath"] is None  # the output is the headline
    (retrier,) = announce["Retry"]
    assert retrier["MaxAttempts"] * (announce["TimeoutSeconds"] + retrier["MaxDelaySeconds"]) < 900


def test_whoever_names_the_run_knows_when_the_execution_was_started() -> None:
    machine = state_machine("dataproc")["States"]
    for name in ("Plan", "PlanWave", "RecordFailure"):
        assert machine[name]["Parameters"]["started.$"] == "$$.Execution.StartTime"


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_the_template_fills_every_placeholder_and_may_invoke_every_function(name: str) -> None:
    path = f"cloudformation/{name}.yaml"
    machine = resources(path, "AWS::Serverless::StateMachine")[MACHINES[name]]["Properties"]
    given = machine["DefinitionSubstitutions"]
    text = str(state_machine(name))
    assert set(given) == set(re.findall(r"\$\{(\w+)\}", text))

    used = sorted(value["Fn::GetAtt"] for value in given.values() if "Fn::GetAtt" in value)
    statements = machine["Policies"][0]["Statement"]
    (invoke,) = [statement for statement in statements if statement["Action"] == "lambda:InvokeFunction"]
    assert sorted(target["Fn::GetAtt"] for target in invoke["Resource"]) == used
    assert sorted(logical for logical, _ in used) == sorted(resources(path, "AWS::Serverless::Function"))


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_a_function_bears_the_name_of_its_state(name: str) -> None:
    tasks = {state for state, body in states(state_machine(name)) if body["Type"] == "Task"}
    tasks -= {"PlanWave"}  # Plan's function again, for more scenarios
    tasks -= {"Announce"}  # no function: Step Functions sends the event itself
    functions = {
        key for key, body in template(f"cloudformation/{name}.yaml")["Resources"].items() if "Handler" in str(body)
    }
    assert functions == tasks
