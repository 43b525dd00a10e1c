"""PlanGroup: every row is in exactly one chunk, and only what is still to be done is listed."""

from io import BytesIO
from zipfile import ZipFile

import pytest

from montecarlo.steps import plan_group
from montecarlo.storage import keys
from tests.memory_run import MemoryHost

EVENT = {"run": "june", "group": 0, "max_concurrency": 5}


def test_every_row_is_in_one_chunk(finished: MemoryHost) -> None:
    rows = sorted(
        (piece["key"], *piece["rows"])
        for chunk in finished.json(keys.group_chunks("june", 0))
        for piece in chunk["slices"]
    )
    first, second = (keys.portfolio_part("loans", part, "parquet") for part in (0, 1))
    assert rows == [(first, 0, 100), (first, 100, 150), (second, 0, 100), (second, 100, 150)]


def test_what_is_done_is_not_listed_again(finished: MemoryHost) -> None:
    assert plan_group.step(EVENT, finished) == {
        **EVENT, "chunks": 0, "chunks_key": keys.group_todo("june", 0), "map_prefix": keys.map_results("june", 0),
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["gone", "cut", "changed", "empty"])
def test_a_damaged_partial_is_listed_again_and_nothing_else(finished: MemoryHost, damage: str) -> None:
    key = keys.chunk_partial("june", 0, 1)
    data = finished.s3.objects.pop(key)
    with ZipFile(BytesIO(data)) as archive:  # in an array: a bit of the archive's own headers may mean nothing
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    middle = largest.header_offset + 200 + largest.compress_size // 2
    changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    if damage != "gone":
        finished.s3.objects[key] = {"cut": data[:-100], "changed": changed, "empty": b""}[damage]
    assert plan_group.step(EVENT, finished)["chunks"] == 1
    assert [chunk["chunk"] for chunk in finished.json(keys.group_todo("june", 0))] == [1]
