"""Objects that are written again at the same size where no list states their ETags: old and new never become one."""

import csv
import gzip
import io
import json

import pytest

from montecarlo.errors import IncompleteRun, InvalidPortfolio, RunTaken
from montecarlo.source import listing
from montecarlo.steps import aggregate, plan, plan_group, reduce_group, simulate_chunk
from tests.memory_run import MemoryHost, simulate

KEY = "portfolios/x/p.csv"
LOANS = 300
REQUEST = {"run": "r", "portfolio": "portfolios/x/manifest.json", "scenarios": 100, "chunk_loans": 100}


def loans(pd: float) -> bytes:
    return b"AccountID,PD,EAD\n" + b"".join(b"%06d,%.2f,1000.00\n" % (i, pd) for i in range(LOANS))


def with_manifest() -> MemoryHost:
    host = MemoryHost()
    host.s3.objects[KEY] = loans(0.01)
    stated = [{"key": KEY, "size": len(loans(0.01))}]
    host.s3.objects["portfolios/x/manifest.json"] = json.dumps({"schema": 1, "objects": stated}).encode()
    return host


def with_inventory() -> MemoryHost:
    """As a bank's inventory without the field ETag lists it."""
    host = MemoryHost()
    host.s3.objects[KEY] = loans(0.01)
    text = io.StringIO()
    csv.writer(text).writerow(["bucket", KEY, len(loans(0.01))])
    data = gzip.compress(text.getvalue().encode())
    host.s3.objects["inventory/1.csv.gz"] = data
    document = {
        "sourceBucket": "bucket", "destinationBucket": "arn:aws:s3:::bucket", "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size", "files": [{"key": "inventory/1.csv.gz", "size": len(data)}],
    }  # fmt: skip
    host.s3.objects["portfolios/x/manifest.json"] = json.dumps(document).encode()
    return host


def test_a_manifest_without_etags_does_not_hide_a_rewritten_object() -> None:
    host = with_manifest()
    simulate(host, **REQUEST)
    host.s3.objects[KEY] = loans(0.09)
    with pytest.raises(RunTaken, match=r"p\.csv is not what it was"):
        simulate(host, **REQUEST)


def test_an_object_that_is_rewritten_between_plan_and_cut_is_told() -> None:
    host = with_manifest()
    planned = host.call(plan, {"request": REQUEST, "execution": "e", "wave": 0})
    host.s3.objects[KEY] = loans(0.09)
    with pytest.raises(InvalidPortfolio, match="written again since the run was planned"):
        host.call(plan_group, planned["groups"][0])


def test_what_was_made_before_a_group_was_cut_again_is_made_anew() -> None:
    host = with_inventory()
    planned = host.call(plan, {"request": REQUEST, "execution": "e", "wave": 0})
    (group,) = planned["groups"]
    first, *_ = host.json(host.call(plan_group, group)["chunks_key"])
    host.call(simulate_chunk, first)
    assert host.call(plan_group, group)["chunks"] == 2, "the first chunk is done"

    host.s3.objects[KEY] = loans(0.09)
    host.s3.objects["runs/r/groups/00000/chunks.json"] = b"damaged"
    again = host.call(plan_group, group)
    assert again["chunks"] == 3
    *_, second, third = host.json(again["chunks_key"])
    for chunk in (second, third):
        host.call(simulate_chunk, chunk)
    reduced = {name: group[name] for name in ("run", "plan", "group")}
    with pytest.raises(IncompleteRun, match=r"chunk \(0, 0\) of run r was made before its group was cut again"):
        host.call(reduce_group, reduced)

    host.call(plan_group, group)
    (first,) = host.json(again["chunks_key"])
    host.call(simulate_chunk, first)
    host.call(reduce_group, reduced)
    host.call(aggregate, {name: planned[name] for name in ("run", "plan", "wave")})
    fresh = with_inventory()
    fresh.s3.objects[KEY] = loans(0.09)
    assert host.json("runs/r/result.json")["cases"] == simulate(fresh, **REQUEST)["cases"]


def test_a_manifest_that_leaves_too_many_etags_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_WITHOUT_ETAG", 0)
    with pytest.raises(InvalidPortfolio, match=r"names 1 objects without an etag.* state their ETags"):
        simulate(with_manifest(), **REQUEST)


def test_a_manifest_that_names_an_object_that_is_not_there_is_refused() -> None:
    host = with_manifest()
    del host.s3.objects[KEY]
    with pytest.raises(InvalidPortfolio, match=r"manifest\.json names it"):
        simulate(host, **REQUEST)
