"""Manifests that lie: the portfolio comes out whole, or the run ends in an error that says what is wrong."""

import gzip
import io
import json
import tracemalloc
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio, MonteCarloError
from montecarlo.source import cutting, listing
from tests.hostile.whole import outcome, plan, read, refusal_of
from tests.memory_s3 import MemoryS3, etag

ROWS = 40
EVERY_ID = {f"{kind}{i}" for kind in "cgp" for i in range(ROWS)}


def csv_file(kind: str) -> bytes:
    return b"AccountID,PD,EAD\n" + b"".join(b"%s%d,0.01,100\n" % (kind.encode(), i) for i in range(ROWS))


def parquet_file(kind: str = "p") -> bytes:
    file = io.BytesIO()
    columns = {"AccountID": [f"{kind}{i}" for i in range(ROWS)], "PD": [0.01] * ROWS, "EAD": [100.0] * ROWS}
    pq.write_table(pa.table(columns), file, row_group_size=15)
    return file.getvalue()


def members() -> bytes:
    """A gzip file of several members, so that it can be cut short without being damaged."""
    lines = csv_file("g").splitlines(keepends=True)
    return b"".join(gzip.compress(b"".join(lines[i : i + 10])) for i in range(0, len(lines), 10))


FILES = {"loans/c.csv": csv_file("c"), "loans/g.csv.gz": members(), "loans/p.parquet": parquet_file()}


def bucket(change: dict[str, dict[str, Any]] | None = None, **more: Any) -> MemoryS3:
    """The portfolio with its manifest, in which some fields of some objects are changed; None takes one away."""
    s3 = MemoryS3()
    s3.objects |= FILES
    entries: list[dict[str, Any]] = [
        {"key": key, "size": len(data), "rows": ROWS, "etag": etag(data)} | (change or {}).get(key, {})
        for key, data in FILES.items()
    ]
    stated = [{name: value for name, value in entry.items() if value is not None} for entry in entries]
    s3.objects["loans/manifest.json"] = json.dumps({"schema": 1, "objects": stated, **more}).encode()
    return s3


def ids(s3: MemoryS3, chunk_loans: int) -> set[str]:
    """The AccountIDs of the portfolio; with small chunks every object is cut."""
    with pytest.MonkeyPatch.context() as patch:
        if chunk_loans < ROWS:
            patch.setattr(cutting, "SMALLEST_ROW_BYTES", {"csv": 0, "csv.gz": 0, "parquet": 0})
        found = read(s3, plan(s3, chunk_loans=chunk_loans))
    assert not found.rejects
    accounts = [account for loans in found.chunks for account in loans.account_id.to_pylist()]
    assert len(accounts) == len(set(accounts))
    return set(accounts)


@pytest.mark.parametrize("chunk_loans", [7, 50_000])
def test_a_true_manifest_and_one_that_states_less_give_the_whole_portfolio(chunk_loans: int) -> None:
    for missing in ({}, {"rows": None}, {"etag": None}, {"rows": None, "etag": None}):
        assert ids(bucket(dict.fromkeys(FILES, missing)), chunk_loans) == EVERY_ID


@pytest.mark.parametrize("chunk_loans", [7, 50_000])
@pytest.mark.parametrize("key", FILES)
@pytest.mark.parametrize("with_etag", [True, False])
def test_no_number_that_a_manifest_states_is_believed(key: str, with_etag: bool, chunk_loans: int) -> None:
    size = len(FILES[key])
    lies: list[dict[str, Any]] = [{"rows": rows} for rows in (0, 1, 39, 41, 80, 10**15)]
    shorter = [FILES[key].find(b"\n", at) + 1 for at in (20, 100, 300)] if key.endswith("csv") else []
    shorter += [FILES[key].find(b"\x1f\x8b", at) for at in (10, 100, 150)] if key.endswith("gz") else []
    lies += [{"size": lie} for lie in (0, 1, size - 1, size + 1, 2 * size, 10**15, *shorter) if 0 <= lie != size]
    for lie in lies:
        s3 = bucket({key: lie | ({} if with_etag else {"etag": None})})
        found: set[str] = set()
        refusal = refusal_of(lambda s3=s3, found=found: found.update(ids(s3, chunk_loans)))  # type: ignore[misc]
        assert (key in refusal) if refusal else (lie, found) == ({"size": 0}, EVERY_ID), lie  # 0: the object is asked


@pytest.mark.parametrize("chunk_loans", [7, 50_000])
@pytest.mark.parametrize("key", FILES)
def test_an_object_that_is_written_again_is_never_mixed_into_a_run(key: str, chunk_loans: int) -> None:
    other = {"loans/c.csv": csv_file("x"), "loans/g.csv.gz": gzip.compress(csv_file("x")),
             "loans/p.parquet": parquet_file("x")}[key]  # fmt: skip
    for fields in ({"etag": None}, {"etag": None, "rows": None}, {}):
        s3 = bucket({key: fields})
        with pytest.MonkeyPatch.context() as patch:
            if chunk_loans < ROWS:
                patch.setattr(cutting, "SMALLEST_ROW_BYTES", {"csv": 0, "csv.gz": 0, "parquet": 0})
            chunks = plan(s3, chunk_loans=chunk_loans)
        s3.objects[key] = other
        with pytest.raises(InvalidPortfolio, match="was written again since the run was planned"):
            read(s3, chunks)


def test_a_key_that_is_named_twice_is_refused() -> None:
    s3 = bucket()
    document = json.loads(s3.objects["loans/manifest.json"])
    document["objects"].append(document["objects"][0])
    s3.objects["loans/manifest.json"] = json.dumps(document).encode()
    with pytest.raises(InvalidPortfolio, match=r"names 'loans/c\.csv' more than once"):
        plan(s3)


WRONG = [True, False, -1, 1.0, 1e30, 10**30, float("nan"), "40", "", [], {}, [1], "x" * 10**4, "\ud800", "\n"]


@pytest.mark.parametrize("field", ["key", "size", "rows", "etag"])
def test_values_of_the_wrong_type_are_refused_with_field_and_object(field: str) -> None:
    for value in WRONG:
        if field in ("key", "etag") and isinstance(value, str) and value == "40":
            continue
        s3 = bucket({"loans/g.csv.gz": {field: value}})
        with pytest.raises(InvalidPortfolio) as raised:
            plan(s3)
        if field == "key" and value == "\n":  # a name that S3 allows
            assert "the name must end in .csv" in str(raised.value)
        else:
            assert f"loans/manifest.json, object 2, must have as its {field}" in str(raised.value), value
        assert len(str(raised.value)) < 300


def test_as_of_must_be_a_date() -> None:
    for value in [*WRONG, "2026-13-01", "31.01.2026", 20260131]:
        with pytest.raises(InvalidPortfolio, match="must have as as_of a date"):
            plan(bucket(as_of=value))


def test_a_manifest_that_states_the_most_takes_no_memory() -> None:
    change = {key: {"rows": listing.MOST_STATED, "size": listing.MOST_STATED} for key in FILES}
    tracemalloc.start()
    try:
        with pytest.raises(MonteCarloError):
            ids(bucket(change), 1)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_footer_that_tells_of_more_rows_than_can_be_cut_takes_no_memory() -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"PD": pa.array([0.1] * 2_000_000, pa.float32())}), file)  # a few kilobytes
    s3 = MemoryS3()
    s3.objects["loans/a.parquet"] = file.getvalue()
    with pytest.raises(InvalidPortfolio, match=r"a\.parquet would be cut into more than 100,000 chunks"):
        plan(s3, chunk_loans=1)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
FIELDS = [
    "schema",
    "as_of",
    "objects",
    "key",
    "size",
    "rows",
    "etag",
    "sourceBucket",
    "fileFormat",
    "fileSchema",
    "files",
]


@given(
    st.dictionaries(
        st.sampled_from(FIELDS),
        ANY_JSON
        | st.sampled_from([1, "CSV", "Parquet", "Bucket, Key, Size", "loans/c.csv"])
        | st.lists(
            st.dictionaries(st.sampled_from(FIELDS), ANY_JSON | st.sampled_from(["loans/c.csv", 714])), max_size=3
        ),
    )
    | ANY_JSON
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_a_manifest_or_an_error_of_ours(document: Any) -> None:
    s3 = MemoryS3()
    s3.objects |= FILES
    s3.objects["loans/manifest.json"] = json.dumps(document).encode()
    assert refusal_of(lambda: read(s3, plan(s3))) != ""


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema": ' + b"9" * 5_000 + b"}", b"null", b'"x"', b"[]"]
)
def test_what_is_no_json_object_is_named(text: bytes) -> None:
    s3 = MemoryS3()
    s3.objects["loans/manifest.json"] = text
    with pytest.raises(InvalidPortfolio, match=r"s3://bucket/loans/manifest\.json (is no JSON|must be an object)"):
        plan(s3)


def test_damaged_inventories_end_in_an_error_of_ours() -> None:
    rows = b'"bucket","loans/c.csv","%d","%s"\n' % (len(FILES["loans/c.csv"]), etag(FILES["loans/c.csv"]).encode())
    good = {"sourceBucket": "bucket", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size, ETag"}
    refused = 0
    for lines in (
        rows, b"", b"\n", b"x\n", rows + b"\n", rows + b'"bucket","a.csv","many",""\n', b'"bucket","a.csv","-1",""\n',
        b'"bucket","a.csv","1","\x00"\n', b'"bucket","","1",""\n', b'"bucket","\xff","1",""\n', b'"bucket', rows * 2,
        b'"bucket","a.csv","' + b"9" * 5_000 + b'",""\n',
    ):  # fmt: skip
        for data in (gzip.compress(lines), gzip.compress(lines)[:-5], lines):
            s3 = MemoryS3()
            s3.objects |= FILES | {"inventory/data.csv.gz": data}
            files = [{"key": "inventory/data.csv.gz", "size": len(data)}]
            s3.objects["inventory/manifest.json"] = json.dumps(good | {"files": files}).encode()
            refused += refusal_of(lambda s3=s3: read(s3, plan(s3, "inventory/"))) is not None  # type: ignore[misc]
    assert refused == 3 * 13 - 3  # not the good one, the one with its row twice, and the empty one


def test_the_portfolio_of_these_tests_is_read_without_a_manifest_too() -> None:
    assert outcome({key.removeprefix("loans/"): data for key, data in FILES.items()}).rows == 3 * ROWS
