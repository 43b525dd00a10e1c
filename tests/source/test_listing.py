"""Portfolios are found and dealt out to groups whole, however they are listed: prefix, manifest, S3 Inventory."""

import gzip
import io
import json
from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.mapping import ColumnMapping, Files
from montecarlo.source import cutting, inventory, listing
from montecarlo.source.cutting import slices
from montecarlo.source.grouping import pack
from montecarlo.source.listing import find_objects, group_objects
from montecarlo.source.objects import SAMPLED_OBJECTS, Census, InputObject, Slice
from montecarlo.source.reading import read_slices
from montecarlo.storage.store import Store
from tests.memory_s3 import MemoryS3, etag, memory_store

HARD_NAMES = ["a b.csv", "a+b.csv", "ä/ö €.csv", "100%.csv", "quote'\".csv", "comma,.csv", "new\nline.csv", "%20.csv"]


def write_inventory(
    s3: MemoryS3,
    rows: Sequence[tuple[str, int, str]],
    *,
    format: str = "CSV",
    files: int = 1,
    schema: str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag",
    states: Sequence[tuple[bool, bool]] = (),
) -> str:
    """An inventory of (key, size, ETag) in so many files as S3 would write it. Returns the key of its manifest.json.

    states: (is the latest version, is a delete marker) of each row; (True, False) where they run out.
    """
    named = []
    for number in range(files):
        some = [
            {"Bucket": "bucket", "Key": key, "VersionId": "", "IsLatest": latest, "IsDeleteMarker": deleted,
             "Size": size, "ETag": tag}
            for i, (key, size, tag) in enumerate(rows)
            for latest, deleted in [states[i] if i < len(states) else (True, False)]
            if i % files == number
        ]  # fmt: skip
        suffix = "csv.gz" if format == "CSV" else "parquet"
        key = f"inventories/bucket/all/data/{number}.{suffix}"
        s3.objects[key] = _csv(some, schema.split(", ")) if format == "CSV" else _parquet(some)
        named.append({"key": key, "size": len(s3.objects[key]), "MD5checksum": etag(s3.objects[key])})
    document = {
        "sourceBucket": "bucket",
        "destinationBucket": "arn:aws:s3:::bucket",
        "version": "2016-11-30",
        "creationTimestamp": "1767225600000",
        "fileFormat": format,
        "fileSchema": schema if format == "CSV" else "message s3.inventory {  required binary bucket (UTF8); ...}",
        "files": named,
    }
    manifest = "inventories/bucket/all/2026-01-01T00-00Z/manifest.json"
    s3.objects[manifest] = json.dumps(document).encode()
    return manifest


def _csv(rows: list[dict[str, Any]], columns: list[str]) -> bytes:
    def cell(name: str, value: Any) -> str:
        text = (
            quote_plus(value, safe="/") if name == "Key" else str(value).lower() if isinstance(value, bool) else value
        )
        return f'"{text}"'

    lines = [",".join(cell(name, row[name]) for name in columns) for row in rows]
    return gzip.compress("".join(f"{line}\n" for line in lines).encode())


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    names = {"Bucket": "bucket", "Key": "key", "VersionId": "version_id", "IsLatest": "is_latest",
             "IsDeleteMarker": "is_delete_marker", "Size": "size", "ETag": "e_tag"}  # fmt: skip
    columns = {theirs: [row[ours] for row in rows] for ours, theirs in names.items()}
    types = {"is_latest": pa.bool_(), "is_delete_marker": pa.bool_(), "size": pa.int64()}
    table = pa.table({name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()})
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def listed(store: Store, source: str, chunk_loans: int = 50_000) -> list[InputObject]:
    """Every object, through the groups' documents and back, as the functions do it."""
    found = find_objects(store, source)
    documents = [json.loads(json.dumps(document)) for document, _ in found.groups(chunk_loans, lambda chunks: 3)]
    return [item for document in documents for item in group_objects(document, store)]


# ---------------------------------------------------------------------------------------------------------------------
# Inventories


@pytest.mark.parametrize("format", ["CSV", "Parquet"])
@pytest.mark.parametrize("files", [1, 3])
def test_an_inventory_lists_what_a_prefix_lists(format: str, files: int) -> None:
    store, s3 = memory_store()
    for number, name in enumerate(HARD_NAMES):
        s3.objects[f"loans/{name}"] = b"AccountID\n" + b"x\n" * (number + 1)
    rows = [(key, len(data), etag(data)) for key, data in s3.objects.items()]
    manifest = write_inventory(s3, rows, format=format, files=files)
    by_prefix = listed(store, "loans/")
    assert {item.key for item in by_prefix} == {f"loans/{name}" for name in HARD_NAMES}
    assert sorted(listed(store, manifest), key=lambda item: item.key) == by_prefix


@pytest.mark.parametrize("kind", ["prefix", "CSV", "Parquet"])
def test_one_kind_of_object_among_others_is_chosen_by_patterns(kind: str) -> None:
    store, s3 = memory_store()
    for key in ("a/readme.txt", "loans/de/1.csv", "loans/de/2.csv", "loans/de/old/3.csv", "loans/readme.txt"):
        s3.objects[key] = b"AccountID\nx\n"
    for number in range(20):
        s3.objects[f"aa/{number}.json"] = b"{}"
    rows = [(key, len(data), etag(data)) for key, data in sorted(s3.objects.items())]
    source = "loans/" if kind == "prefix" else write_inventory(s3, rows, format=kind)
    whole = "" if kind == "prefix" else "loans/"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inventory, "HEAD_ROWS", 5)  # what is chosen lies behind all heads of an inventory
        for match, ignore, expected in (
            ([f"{whole}*.csv"], [f"{whole}de/old/*"], {"de/1.csv", "de/2.csv"}),
            ([f"{whole}de/?.csv", f"{whole}*/3.csv"], [], {"de/1.csv", "de/2.csv", "de/old/3.csv"}),
            ([f"{whole}*"], ["*.txt", "*/2.*"], {"de/1.csv", "de/old/3.csv"}),
        ):
            found = find_objects(store, source, Files(tuple(match), tuple(ignore)))
            documents = [json.loads(json.dumps(document)) for document, _ in found.groups(10, lambda chunks: 3)]
            keys = {item.key for document in documents for item in group_objects(document, store)}
            assert keys == {f"loans/{name}" for name in expected}
            assert found.census.objects > 0


def test_patterns_that_take_nothing_are_said() -> None:
    store, s3 = memory_store()
    s3.objects["loans/a.csv"] = b"AccountID\nx\n"
    with pytest.raises(InvalidPortfolio, match="anything in it that the mapping's files take"):
        list(find_objects(store, "loans/", Files(("*.parquet",))).groups(10, lambda chunks: 1))


def test_old_versions_delete_markers_folders_and_bookkeeping_are_no_part_of_the_portfolio() -> None:
    store, s3 = memory_store()
    rows = [("now.csv", 9, "a"), ("old.csv", 9, "b"), ("gone.csv", 9, "c"), ("folder/", 0, "d"),
            ("_SUCCESS", 9, "e"), ("loans/manifest.json", 9, "f"), ("loans/parts.json", 9, "g")]  # fmt: skip
    states = [(True, False), (False, False), (True, True)]
    for format in ("CSV", "Parquet"):
        manifest = write_inventory(s3, rows, states=states, format=format)
        assert listed(store, manifest) == [InputObject("now.csv", 9, etag="a")]


@pytest.mark.parametrize("format", ["CSV", "Parquet"])
@given(rows=st.integers(0, 60), of=st.integers(1, 5), block=st.integers(1, 7))
@settings(max_examples=25)
def test_shares_of_a_file_hold_each_row_once(format: str, rows: int, of: int, block: int) -> None:
    store, s3 = memory_store()
    manifest = write_inventory(s3, [(f"{i}.csv", 9, "") for i in range(rows)], format=format)
    whole = inventory.Inventory.parse(json.loads(s3.objects[manifest]), "here")
    (file,) = whole.files
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inventory, "BLOCK_ROWS", block)
        found = []
        for number in range(of):
            share = inventory.Share(file.key, file.size, number, of)
            found += list(inventory.objects(inventory.Inventory.from_json(whole.to_json([share])), store))
    assert sorted(item.key for item in found) == sorted(f"{i}.csv" for i in range(rows))


@given(
    sizes=st.lists(st.integers(1, 10**9), min_size=1, max_size=50),
    objects=st.integers(1, 10**10),
    loans=st.integers(1, 10**10),
    chunk_loans=st.integers(1, 10**6),
    number=st.integers(1, 1_000),
)
def test_every_share_of_every_file_is_dealt_to_one_group(
    sizes: list[int], objects: int, loans: int, chunk_loans: int, number: int
) -> None:
    files = tuple(inventory.Share(str(i), size) for i, size in enumerate(sizes))
    whole = inventory.Inventory("bucket", "CSV", ("Key", "Size"), files, "")
    groups = [
        group for group, _ in inventory.deal(whole, Census(objects, 0, loans), chunk_loans, lambda chunks: number)
    ]
    assert all(groups)
    assert len(groups) <= number
    for file in files:
        shares = [share for group in groups for share in group if share.key == file.key]
        held = [block for share in shares for block in range(share.of) if share.holds(block)]
        assert sorted(held) == list(range(shares[0].of))


def test_a_large_inventory_is_split_into_groups_that_each_read_a_share() -> None:
    store, s3 = memory_store()
    manifest = write_inventory(s3, [(f"loans/{i:07}.csv", 150, "") for i in range(250_000)], files=4)
    found = find_objects(store, manifest)
    assert found.census.objects == pytest.approx(250_000, rel=0.1)
    assert found.census.rows == pytest.approx(250_000, rel=0.1)
    assert SAMPLED_OBJECTS // 2 <= len(found.census.sample) <= SAMPLED_OBJECTS
    documents = [document for document, _ in found.groups(50_000, lambda chunks: 7)]
    sizes = [sum(1 for _ in group_objects(document, store)) for document in documents]
    assert sum(sizes) == 250_000
    assert len(sizes) == 7
    assert max(sizes) <= 1.1 * 250_000 / 7


def test_what_is_wrong_with_an_inventory_is_said() -> None:
    store, s3 = memory_store()
    rows = [("a.csv", 9, "")]
    for change, message in (
        ({"fileFormat": "ORC"}, "the inventory is ORC; have S3 write it as CSV or Parquet"),
        ({"fileSchema": "Bucket, Key"}, "lacks Key or Size; add Size to its optional fields"),
        ({"files": [{"key": "gone.csv.gz", "size": 9}]}, r"gone\.csv\.gz does not exist.*manifest names it"),
        ({"files": [{"key": "broken.csv.gz", "size": 8}]}, r"broken\.csv\.gz cannot be read"),
        ({"files": "none"}, "is no S3 Inventory manifest"),
    ):
        manifest = write_inventory(s3, rows)
        s3.objects["broken.csv.gz"] = b"not gzip"
        s3.objects[manifest] = json.dumps({**json.loads(s3.objects[manifest]), **change}).encode()
        with pytest.raises(InvalidPortfolio, match=message):
            listed(store, manifest)


# ---------------------------------------------------------------------------------------------------------------------
# Prefixes and manifests


def test_a_prefix_is_listed_in_the_order_of_its_keys_with_etags() -> None:
    store, s3 = memory_store()
    s3.objects |= {"p/b.csv": b"12", "p/a/c.parquet": b"1", "p/_SUCCESS": b"1", "p/.x/y.csv": b"1", "p/empty.csv": b""}
    assert listed(store, "p") == [
        InputObject("p/a/c.parquet", 1, etag=etag(b"1")),
        InputObject("p/b.csv", 2, etag=etag(b"12")),
    ]


def test_a_manifest_beside_the_files_is_what_counts() -> None:
    store, s3 = memory_store()
    items = [InputObject("p/a.parquet", 10, 5, "tag")]
    s3.objects |= {"p/manifest.json": json.dumps(listing.manifest(items, "2026-01-31")).encode(), "p/b.csv": b"1"}
    assert listed(store, "p/") == items
    assert find_objects(store, "p/").as_of == date(2026, 1, 31)


def test_more_objects_than_can_be_listed_one_after_the_other_need_an_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    store, s3 = memory_store()
    s3.objects |= {f"p/{i}.csv": b"1" for i in range(4)}
    monkeypatch.setattr(listing, "MOST_LISTED", 3)
    with pytest.raises(InvalidPortfolio, match="let S3 Inventory list them"):
        listed(store, "p/")


# ---------------------------------------------------------------------------------------------------------------------
# From the objects to the workers: no loan lost, none doubled


def csv_file(first: int, rows: int, line_end: str, trailing: bool, quoted: bool) -> bytes:
    note = f'"two{line_end}lines, ""quoted"""' if quoted else "x"
    lines = ["AccountID,PD,EAD,Note", *(f"A{first + i},0.01,100,{note}" for i in range(rows))]
    return (line_end.join(lines) + (line_end if trailing else "")).encode()


def parquet_file(first: int, rows: int, row_group: int) -> bytes:
    table = pa.table(
        {
            "AccountID": [f"A{first + i}" for i in range(rows)],
            "PD": pa.array([0.01] * rows, pa.float64()),
            "EAD": pa.array([100.0] * rows, pa.float64()),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=row_group)
    return file.getvalue()


FILES = st.lists(
    st.tuples(
        st.sampled_from(["csv", "csv.gz", "parquet"]),
        st.one_of(st.integers(0, 3), st.integers(4, 300)),
        st.sampled_from(["\n", "\r\n"]),
        st.booleans(),
        st.booleans(),
        st.integers(1, 100),
    ),
    min_size=1,
    max_size=8,
)


@given(files=FILES, chunk_loans=st.integers(1, 80), way=st.sampled_from(["prefix", "manifest", "CSV", "Parquet"]))
@settings(max_examples=60, deadline=None)
def test_each_loan_reaches_one_worker_once(files: list[Any], chunk_loans: int, way: str) -> None:
    store, s3 = memory_store()
    first = 0
    for number, (kind, rows, line_end, trailing, quoted, row_group) in enumerate(files):
        if kind == "parquet":
            data = parquet_file(first, rows, row_group)
        else:
            data = csv_file(first, rows, line_end, trailing, quoted)
            data = gzip.compress(data) if kind == "csv.gz" else data
        s3.objects[f"loans/{number} ü+.{kind}"] = data
        first += rows
    source = "loans/"
    if way == "manifest":
        items = [InputObject(key, len(data), etag=etag(data)) for key, data in s3.objects.items()]
        s3.objects["loans/manifest.json"] = json.dumps(listing.manifest(items, "2026-01-01")).encode()
    elif way != "prefix":
        source = write_inventory(s3, [(key, len(data), etag(data)) for key, data in s3.objects.items()], format=way)

    accounts: list[str] = []
    for chunk in chunks_of(store, source, chunk_loans):
        assert sum(piece.rows[1] - piece.rows[0] for piece in chunk if piece.rows) <= chunk_loans
        raw = read_slices(chunk, store, ColumnMapping())
        assert not raw.rejects
        accounts += [account for table in raw.tables for account in table["AccountID"].to_pylist()]
    assert sorted(accounts) == sorted(f"A{i}" for i in range(first))


def chunks_of(store: Store, source: str, chunk_loans: int) -> list[tuple[Slice, ...]]:
    """The chunks of a portfolio, cut by the own functions of PlanGroup, which look into small objects here, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "SMALLEST_ROW_BYTES", {"csv": 1, "csv.gz": 1, "parquet": 1})
        return [
            tuple(pieces)
            for document, _ in find_objects(store, source).groups(chunk_loans, lambda chunks: 2)
            for pieces in pack(slices(group_objects(document, store), store, chunk_loans), chunk_loans)
        ]


def test_an_object_that_was_written_again_is_refused_by_the_worker() -> None:
    store, s3 = memory_store()
    for kind, data in (("csv", csv_file(0, 99, "\n", True, False)), ("parquet", parquet_file(0, 99, 50))):
        s3.objects[f"loans/{kind}/a.{kind}"] = data
        (chunk, *_) = chunks_of(store, f"loans/{kind}/", 10)
        s3.objects[f"loans/{kind}/a.{kind}"] = data + b" "
        with pytest.raises(InvalidPortfolio, match=rf"a\.{kind} was written again since the run was planned"):
            read_slices(chunk, store, ColumnMapping())


def test_a_one_loan_object_is_read_with_one_request() -> None:
    store, s3 = memory_store()
    s3.objects |= {f"loans/{i:03}.csv": csv_file(i, 1, "\n", True, False) for i in range(100)}
    ((document, _),) = find_objects(store, "loans/").groups(50_000, lambda chunks: 1)
    pieces = [Slice(item.key, item.size, "csv", etag=item.etag) for item in group_objects(document, store)]
    assert len(read_slices(pieces, store, ColumnMapping()).tables[0]) == 100
    assert set(s3.reads.values()) == {1}
