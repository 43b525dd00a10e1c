"""Inline Map -> PlanGroup -> Distributed Map -> ReduceGroup, as the product uses them."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.embedded_aws.application import Application, Aws, wait_for_end


def group(name: str, *chunks: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {"name": name, "chunks": list(chunks), **extra}


def test_groups_are_planned_mapped_and_reduced(application: Application) -> None:
    end = application.run([group("a", {"value": 1}, {"value": 2}), group("b", {"value": 3})])
    assert end["status"] == "SUCCEEDED", end
    a, b = json.loads(end["output"])
    assert (a["total"], b["total"]) == (5, 9)

    manifest = application.read_json(a["manifest"]["Key"])
    assert manifest["DestinationBucket"] == application.outputs["DataBucket"]
    assert manifest["ResultFiles"]["FAILED"] == manifest["ResultFiles"]["PENDING"] == []
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    children = application.read_json(file["Key"])
    assert [json.loads(child["Output"])["value"] for child in children] == [1, 2]
    assert children[0].keys() >= {"ExecutionArn", "Input", "InputDetails", "Name", "StartDate", "Status", "StopDate"}


def test_a_map_run_is_described_with_its_counts(application: Application, aws: Aws) -> None:
    states = aws.client("stepfunctions")
    arn = application.start([group("a", {"value": 1}, {"value": 2})], max_concurrency=7)
    wait_for_end(aws, arn)
    (run,) = states.list_map_runs(executionArn=arn)["mapRuns"]
    description = states.describe_map_run(mapRunArn=run["mapRunArn"])
    assert description["status"] == "SUCCEEDED"
    assert description["maxConcurrency"] == 7
    assert description["itemCounts"]["succeeded"] == description["itemCounts"]["resultsWritten"] == 2
    assert len(states.list_executions(mapRunArn=run["mapRunArn"])["executions"]) == 2


def test_a_chunk_that_fails_twice_is_tried_again(application: Application) -> None:
    end = application.run([group("a", {"value": 4, "failures": 2})])
    assert end["status"] == "SUCCEEDED", end
    assert len(application.keys(f"runs/{end['name']}/attempts/4/")) == 3


def test_a_chunk_that_always_fails_is_caught_and_written(application: Application) -> None:
    end = application.run([group("a", {"value": 1}, {"value": 5, "broken": True})])
    assert (end["status"], end["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert end["cause"] == "The specified tolerated failure threshold was exceeded"

    (key,) = [key for key in application.keys(f"runs/{end['name']}/map/") if key.endswith("/FAILED_0.json")]
    (child,) = application.read_json(key)
    assert (child["Error"], child["Status"]) == ("InvalidPortfolio", "FAILED")
    assert json.loads(child["Input"])["value"] == 5
    cause = json.loads(child["Cause"])
    assert (cause["errorMessage"], cause["errorType"]) == ("chunk 5 is broken", "InvalidPortfolio")
    assert "chunk.py" in "".join(cause["stackTrace"])


def test_chunks_after_a_failure_stay_pending(application: Application) -> None:
    chunks = [{"value": 0, "broken": True}] + [{"value": value, "sleep": 0.1} for value in range(1, 20)]
    end = application.run([group("a", *chunks)], max_concurrency=1)
    assert end["status"] == "FAILED"
    (key,) = [key for key in application.keys(f"runs/{end['name']}/map/") if key.endswith("/manifest.json")]
    files = application.read_json(key)["ResultFiles"]
    assert len(application.read_json(files["PENDING"][0]["Key"])) == 19


def test_a_named_error_is_caught_inside_the_iteration(application: Application) -> None:
    end = application.run([group("empty"), group("b", {"value": 3})])
    empty, b = json.loads(end["output"])
    assert empty["failure"]["Error"] == "EmptyGroup"
    assert json.loads(empty["failure"]["Cause"])["errorMessage"] == "the group has no chunks"
    assert b["total"] == 9


def test_a_payload_over_256_kib_ends_the_execution(application: Application) -> None:
    end = application.run([group("a", {"value": 1}, padding=300_000)])
    assert (end["status"], end["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_stopping_reaches_the_children(application: Application, aws: Aws) -> None:
    states = aws.client("stepfunctions")
    arn = application.start([group("a", *({"value": value, "sleep": 0.3} for value in range(40)))])
    while not (runs := states.list_map_runs(executionArn=arn)["mapRuns"]):
        time.sleep(0.05)
    states.stop_execution(executionArn=arn, error="Enough", cause="by the test")
    map_run = runs[0]["mapRunArn"]
    assert wait_until_over(states, map_run)["status"] == "ABORTED"
    started = len(states.list_executions(mapRunArn=map_run)["executions"])
    assert started < 40
    assert states.describe_execution(executionArn=arn)["status"] == "ABORTED"


def wait_until_over(states: Any, map_run: str) -> Any:
    while (description := states.describe_map_run(mapRunArn=map_run))["status"] == "RUNNING":
        time.sleep(0.05)
    return description


@pytest.mark.parametrize("catch", [[], [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]])
def test_a_state_machine_times_out(aws: Aws, application: Application, catch: list[dict[str, Any]]) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 9}]
    task = {"Type": "Task", "Resource": application.outputs["ChunkArn"], "Retry": retry, "Catch": catch, "End": True}
    definition = {"StartAt": "Chunk", "TimeoutSeconds": 1, "States": {"Chunk": task, "Caught": {"Type": "Succeed"}}}
    states = aws.client("stepfunctions")
    machine = states.create_state_machine(
        name=f"times-out-{len(catch)}", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/any"
    )["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, input='{"value": 1, "broken": true}')["executionArn"]
    end = wait_for_end(aws, arn)
    assert (end["status"], end["error"]) == ("TIMED_OUT", "States.Timeout")


def test_an_input_that_is_no_json_starts_nothing(application: Application, aws: Aws) -> None:
    states = aws.client("stepfunctions")
    machine = application.outputs["MachineArn"]
    with pytest.raises(ClientError, match="InvalidExecutionInput"):
        states.start_execution(stateMachineArn=machine, name="no-json", input='{"run": "nightly-{date}"')
    assert "no-json" not in [each["name"] for each in states.list_executions(stateMachineArn=machine)["executions"]]
