"""What AWS tells of executions: events, children, Map Runs, result files, logs and metrics; for `accept` to compare.

Only names and numbers are kept, never an input or an output.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from cli import history
from cli.deployment import Stack, functions
from cli.execution import Execution

KEPT = 5
"""Map Runs, children and log lines of a kind that are kept; the others are counted."""

COMPARED = ("status", "error", "events", "child_events", "result_files", "result_fields", "layout")
"""What must be the same everywhere, as names; how often and how long is each place's own."""

_REPORT = re.compile(r"(Duration|Billed Duration|Memory Size|Max Memory Used|Init Duration): ([\d.]+) (?:ms|MB)")
_OF_JSON = {
    "durationMs": "Duration",
    "billedDurationMs": "Billed Duration",
    "memorySizeMB": "Memory Size",
    "maxMemoryUsedMB": "Max Memory Used",
    "initDurationMs": "Init Duration",
}
"""Lambda's own line about an invocation, in its two formats of logs."""


def of_execution(stack: Stack, execution: Execution, prefix: str) -> dict[str, Any]:
    """How an execution went, and what lies below the prefix that it worked for."""
    states, state = execution.client, execution.describe()
    runs = states.list_map_runs(executionArn=execution.arn)["mapRuns"]
    described = [states.describe_map_run(mapRunArn=run["mapRunArn"]) for run in runs[:KEPT]]
    events, keys = _events(states, execution.arn), list(_keys(stack, prefix))
    manifest = next((key for key in keys if key.endswith("/manifest.json") and "/map/" in key), None)
    return {
        "status": state.status,
        "error": state.error,
        "events": events,
        "map_runs": len(runs),
        "counts": [run["itemCounts"] for run in described],
        **_children(states, [run["mapRunArn"] for run in runs]),
        **(_result_files(stack, manifest) if manifest else {}),
        "layout": dict(sorted(Counter(_shape(key.removeprefix(prefix)) for key in keys).items())),
    }


def differences(seen: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Where one execution's names differ from another's: what is missing, and what is there beside."""
    found = []
    for what in COMPARED:
        if what not in expected:
            continue
        there, wanted = _names(seen.get(what)), _names(expected[what])
        parts = [f"no {name}" for name in sorted(wanted - there)] + [f"also {name}" for name in sorted(there - wanted)]
        if parts:
            found.append(f"{what.replace('_', ' ')}: {', '.join(parts)}")
    return found


def reports(stack: Stack, since: datetime) -> dict[str, list[dict[str, float]]]:
    """What Lambda reports of each invocation since then, by function: milliseconds and MB."""
    logs, client = stack.client("logs"), stack.client("lambda")
    found: dict[str, list[dict[str, float]]] = {}
    for name, arn in functions(stack):
        config = client.get_function_configuration(FunctionName=arn)
        group = config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        found[name] = []
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):  # it was never invoked
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=int(since.timestamp() * 1000)
            )
            found[name] = [line for page in pages for event in page["events"] if (line := report(event["message"]))]
    return found


def report(message: str) -> dict[str, float] | None:
    """Lambda's line about an invocation as numbers, None for any other line."""
    if message.startswith("REPORT "):
        return {name: float(value) for name, value in _REPORT.findall(message)}
    with contextlib.suppress(ValueError):
        line = json.loads(message)
        if isinstance(line, dict) and line.get("type") == "platform.report":
            metrics = line.get("record", {}).get("metrics", {})
            return {name: float(metrics[key]) for key, name in _OF_JSON.items() if key in metrics}
    return None


def metrics(stack: Stack, since: datetime) -> dict[str, dict[str, float]]:
    """CloudWatch's sums for every function since then, as far as CloudWatch has them yet."""
    names = {arn.rsplit(":", 1)[-1]: name for name, arn in functions(stack)}
    wanted = [(physical, metric) for physical in names for metric in ("Invocations", "Errors", "Throttles")]
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "FunctionName", "Value": physical}],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for number, (physical, metric) in enumerate(wanted)
    ]
    answer = stack.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=since - timedelta(minutes=1), EndTime=datetime.now(UTC)
    )
    sums = {each["Id"]: sum(each["Values"]) for each in answer["MetricDataResults"]}
    found: dict[str, dict[str, float]] = {name: {} for name in names.values()}
    for number, (physical, metric) in enumerate(wanted):
        found[names[physical]][metric] = sums.get(f"m{number}", 0.0)
    return found


def _events(states: Any, arn: str) -> dict[str, int]:
    """How often each event occurs in an execution's history."""
    pages = states.get_paginator("get_execution_history")
    found: Counter[str] = Counter()
    for page in pages.paginate(executionArn=arn, includeExecutionData=False, PaginationConfig={"PageSize": 1000}):
        found.update(event["type"] for event in page["events"])
    return dict(sorted(found.items()))


def _children(states: Any, runs: Iterable[str]) -> dict[str, Any]:
    """The events of the first child that failed, or else of the first; AWS keeps none of Express children."""
    for arn in runs:
        with contextlib.suppress(ClientError):
            for chosen in ({"statusFilter": "FAILED"}, {}):
                children = states.list_executions(mapRunArn=arn, maxResults=KEPT, **chosen)["executions"]
                for child in children[:1]:
                    described = Execution(states, child["executionArn"]).describe()
                    return {
                        "child_error": described.error,
                        "child_events": _events(states, child["executionArn"]),
                    }
    return {}


def _result_files(stack: Stack, manifest: str) -> dict[str, Any]:
    """How ResultWriter's files are laid out: their names by status, and the fields of a row."""
    document = history.json_object(stack, manifest) or {}
    files = document.get("ResultFiles", {})
    fields = set()
    for entries in files.values():
        for entry in entries[:1]:
            rows = json.loads(history.read(stack, entry["Key"]) or b"[]")
            fields |= set(rows[0]) if rows else set()
    return {"result_files": sorted([*document, *files]), "result_fields": sorted(fields)}


def _shape(name: str) -> str:
    """A key with every number and every UUID as a sign."""
    name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", name)
    return re.sub(r"(?<!\d)\d{3,6}(?!\d)", "<n>", name)


def _keys(stack: Stack, prefix: str) -> Iterator[str]:
    pages = stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=prefix)
    for page in pages:
        for item in page.get("Contents", []):
            yield item["Key"]


def _names(value: Any) -> set[str]:
    """What is compared: the names of a count, of a list, or a word alone."""
    if isinstance(value, str):
        return {value} - {""}
    return set(value or ())
