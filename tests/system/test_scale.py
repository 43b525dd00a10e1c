"""Portfolios of many objects and runs of many chunks, end to end, at a size that a test may have."""

import csv
import io
import json
from datetime import date
from typing import Any

import pytest

from cli.execution import Execution
from montecarlo.portfolio import synthetic as datagen
from montecarlo.storage import keys
from tests.deployed import Cloud, figures
from tests.memory_s3 import MemoryS3, etag
from tests.source.test_listing import write_inventory

LOANS = 600


@pytest.fixture(scope="module")
def one_loan_objects(cloud: Cloud) -> dict[str, str]:
    """600 loans, one an object, under names that need care, and as one file: place by the way they are listed."""
    table = datagen.generate(0, LOANS, 42, date(2026, 1, 1))
    header, *rows = datagen.to_csv(table).decode().splitlines(keepends=True)
    objects = {f"portfolios/one by one/ä+b %{i:03}/loan {i}.csv": (header + row).encode() for i, row in enumerate(rows)}
    for key, data in objects.items():
        cloud.upload(key, data)
    cloud.upload("portfolios/in one/loans.csv", "".join([header, *rows]).encode())

    s3 = MemoryS3()
    listed = [(key, len(data), etag(data)) for key, data in sorted(objects.items())]
    manifest = write_inventory(s3, listed, files=1)
    for key, data in s3.objects.items():
        document = json.loads(data) if key == manifest else None
        if document:
            document["sourceBucket"] = cloud.stack.bucket
        cloud.upload(f"portfolios/{key}", json.dumps(relocated(document)).encode() if document else data)
    return {"prefix": "portfolios/one by one/", "inventory": f"portfolios/{manifest}", "file": "portfolios/in one/"}


def relocated(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "files": [{**file, "key": f"portfolios/{file['key']}"} for file in document["files"]]}


def test_an_inventory_of_one_loan_objects_gives_the_numbers_of_one_file(
    cloud: Cloud, one_loan_objects: dict[str, str]
) -> None:
    results = {
        way: cloud.simulate(place, scenarios=500, tail_sampling=False, as_of="2026-01-01")
        for way, place in one_loan_objects.items()
    }
    assert results["file"]["loans"]["simulated"] == LOANS
    for result in results.values():
        result["portfolio"]["source"] = ""
    assert figures(results["inventory"]) == figures(results["prefix"]) == figures(results["file"])
    assert len(json.loads(cloud.read(keys.plan(results["inventory"]["run"])))["group_chunks"]) == 1


def test_hundreds_of_chunks_in_groups_under_the_three_limits(cloud: Cloud, one_loan_objects: dict[str, str]) -> None:
    """300 chunks make two groups; each limit shows in what Step Functions was told.

    The large group gets as many at once as a group may have; the small one ends with fewer before it does.
    """
    run = "in-groups"
    request = {
        "run": run, "portfolio": one_loan_objects["file"], "scenarios": 100, "chunk_loans": 2, "as_of": "2026-01-01",
        "max_groups": 2, "max_concurrency": 9, "max_group_concurrency": 3,
    }  # fmt: skip
    # One object is one group, so that the loans are dealt out as two.
    rows = list(csv.reader(io.StringIO(cloud.read("portfolios/in one/loans.csv").decode())))
    for name, part in (("a", rows[1:500]), ("b", rows[500:])):
        text = io.StringIO()
        csv.writer(text).writerows([rows[0], *part])
        cloud.upload(f"portfolios/in two/{name}.csv", text.getvalue().encode())
    states = cloud.stack.client("stepfunctions")
    execution = Execution.start(
        states, cloud.stack.outputs["DataProcStateMachineArn"], run, {**request, "portfolio": "portfolios/in two/"}
    )
    output = execution.wait()
    map_runs = states.list_map_runs(executionArn=execution.arn)["mapRuns"]
    described = [states.describe_map_run(mapRunArn=map_run["mapRunArn"]) for map_run in map_runs]
    assert sorted(map_run["maxConcurrency"] for map_run in described) == [2, 3]
    assert sum(map_run["itemCounts"]["succeeded"] for map_run in described) == LOANS // 2 + 1

    result = json.loads(cloud.read(output["result"]))
    assert result["loans"]["simulated"] == LOANS
    whole = cloud.simulate("portfolios/in two/", scenarios=100, chunk_loans=100_000, as_of="2026-01-01")
    assert figures(result) == figures(whole)
    assert result["cost"]["requests"]["children"] == LOANS // 2 + 1


def test_files_without_rows_beside_others_do_no_harm(cloud: Cloud, one_loan_objects: dict[str, str]) -> None:
    header, *_ = cloud.read("portfolios/in one/loans.csv").split(b"\n")
    cloud.upload("portfolios/with empty/a.csv", header + b"\n")
    cloud.upload("portfolios/with empty/b.csv", cloud.read("portfolios/in one/loans.csv"))
    cloud.upload("portfolios/with empty/c.csv", header)
    result = cloud.simulate("portfolios/with empty/", scenarios=10, chunk_loans=100, as_of="2026-01-01")
    assert result["loans"]["simulated"] == LOANS
