"""A new account's quota and S3's bad moments change no figure: what is throttled or fails is tried again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.deployment import deploy
from embedded_aws import server
from embedded_aws.profile import STRICT
from tests.deployed import Cloud, figures

FEW = replace(STRICT, concurrency=4, item_reader_failures=2)
REQUEST: dict[str, Any] = {"run": "small", "scenarios": 200, "chunk_loans": 50, "max_concurrency": 40}


def test_a_run_ends_well_on_a_handful_of_functions(cloud: Cloud, tmp_path: Path) -> None:
    running = server.start(tmp_path / "few", profile=FEW)
    try:
        few = Cloud(deploy(running.environment, tmp_path / "sam-deploy.log"))
        results = []
        for each in (few, cloud):
            each.generate(name="small", loans=3_000, part_loans=1_000)
            results.append(each.simulate("portfolios/small/", **REQUEST))
        assert figures(results[0]) == figures(results[1])
        # How often Lambda refuses depends on the moment; that it does is held in tests/embedded_aws/test_strict.py.
        assert errors(few) <= {"Lambda.TooManyRequestsException"}
        assert Path(running.data_dir, server.LOG_FILE).read_text().count("An ItemReader fails as told") == 2
    finally:
        running.stop()


def errors(cloud: Cloud) -> set[str]:
    """The errors of chunks that were tried again."""
    states = cloud.stack.client("stepfunctions")
    machine = cloud.stack.outputs["DataProcStateMachineArn"]
    (execution,) = states.list_executions(stateMachineArn=machine)["executions"]
    found = set()
    for run in states.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]:
        for child in states.list_executions(mapRunArn=run["mapRunArn"])["executions"]:
            events = states.get_execution_history(executionArn=child["executionArn"])["events"]
            found |= {event["taskFailedEventDetails"]["error"] for event in events if event["type"] == "TaskFailed"}
    return found
