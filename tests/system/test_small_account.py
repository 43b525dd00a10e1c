"""A new account's quota and S3's bad moments change no figure: what is throttled or fails is tried again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.deployment import deployed
from embedded_aws import server
from embedded_aws.profile import STRICT
from tests.deployed import Cloud, figures, start_on_copy

FEW = replace(STRICT, concurrency=4, throttled_first=1, item_reader_failures=1)
REQUEST: dict[str, Any] = {"run": "few", "scenarios": 200, "chunk_loans": 500, "max_concurrency": 40}


def test_a_run_ends_well_on_a_handful_of_functions(cloud: Cloud, prepared: Path, tmp_path: Path) -> None:
    running = start_on_copy(prepared, tmp_path / "few", FEW)
    try:
        few = Cloud(deployed(running))
        results = []
        for each in (few, cloud):
            each.generate(name="few", loans=3_000, part_loans=1_000)
            results.append(each.simulate("portfolios/few/", **REQUEST))
        assert figures(results[0]) == figures(results[1])
        estimate = json.loads(few.read("runs/few/estimate.json"))
        assert estimate["chunks_at_once"] == 3  # of four, as others of the account need some too
        assert errors(few) == {"Lambda.TooManyRequestsException"}
        assert Path(running.data_dir, server.LOG_FILE).read_text().count("An ItemReader fails as told") == 1
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
            found |= {
                event["lambdaFunctionFailedEventDetails"]["error"]
                for event in events
                if event["type"] == "LambdaFunctionFailed"
            }
    return found
