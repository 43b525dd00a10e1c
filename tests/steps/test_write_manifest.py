"""WriteManifest: lists what is there, and only a whole portfolio."""

import pytest

from montecarlo.errors import IncompleteRun
from montecarlo.steps import generate_part, write_manifest
from montecarlo.storage import keys
from tests.memory_run import MemoryHost
from tests.memory_s3 import etag

EVENT = {"name": "loans", "parts_key": keys.portfolio_parts("loans")}


def test_it_lists_every_file_with_its_size_rows_and_etag(portfolio: MemoryHost) -> None:
    assert write_manifest.step(EVENT, portfolio) == {"manifest": keys.portfolio_manifest("loans"), "loans": 300}
    manifest = portfolio.json(keys.portfolio_manifest("loans"))
    files = {key: portfolio.s3.objects[key] for key in (keys.portfolio_part("loans", i, "parquet") for i in (0, 1))}
    assert manifest["objects"] == [
        {"key": key, "size": len(data), "rows": 150, "etag": etag(data)} for key, data in files.items()
    ]


def test_a_missing_part_is_named(portfolio: MemoryHost) -> None:
    del portfolio.s3.objects[keys.portfolio_part("loans", 1, "parquet")]
    with pytest.raises(IncompleteRun, match=r"1 of 2 files of portfolio loans are missing, the first .*part-00001"):
        write_manifest.step(EVENT, portfolio)


def test_files_of_two_executions_are_no_portfolio(portfolio: MemoryHost) -> None:
    """Another execution under the name replaces a file while this one comes to its end."""
    part = portfolio.json(EVENT["parts_key"])[1]
    generate_part.step({**part, "seed": 7}, portfolio)
    with pytest.raises(IncompleteRun, match=r"part-00001\.parquet is not the file that was planned: start datagen"):
        write_manifest.step(EVENT, portfolio)
    generate_part.step(part, portfolio)
    assert write_manifest.step(EVENT, portfolio)["loans"] == 300
