"""With the layer's libraries a portfolio in a codec that they lack is refused by name, and what a run writes is read.

Which codecs there are is played here in every environment; Lambda's own versions are there in `make
test-lambda-runtime` only.
"""

import importlib
import io
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from montecarlo.errors import InvalidPortfolio
from tests.lambda_runtime import layer
from tests.lambda_runtime.layer import ABSENT, CODECS
from tests.memory_run import MemoryHost, generate, simulate

PINS = Path(__file__).resolve().parents[2] / "requirements/lambda.in"
LAMBDA_ONLY = pytest.mark.skipif(not layer.played, reason="only in make test-lambda-runtime")


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read Parquet as a build without the other codecs does."""
    read_row_groups = pq.ParquetFile.read_row_groups

    def read(self: pq.ParquetFile, row_groups: list[int], *others: Any, **options: Any) -> Any:
        for codec in (codec for group in row_groups for codec in codecs(self, group)):
            if codec not in CODECS:
                raise OSError(f"Support for codec '{codec.lower()}' not built")
        return read_row_groups(self, row_groups, *others, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", read)


def codecs(file: pq.ParquetFile, group: int) -> set[str]:
    """The codecs of a row group's columns."""
    columns = file.metadata.row_group(group)
    return {columns.column(number).compression for number in range(columns.num_columns)}


def portfolio(host: MemoryHost, codec: str) -> str:
    """A portfolio whose one file is written with a codec. Returns its key."""
    generate(host, name="made", loans=50)
    key = f"portfolios/again/{codec}.parquet"
    buffer = io.BytesIO()
    pq.write_table(
        pq.read_table(io.BytesIO(host.s3.objects["portfolios/made/part-00000.parquet"])), buffer, compression=codec
    )
    host.s3.objects[key] = buffer.getvalue()
    return key


@pytest.mark.parametrize("codec", ["snappy", "gzip", "none"])
def test_a_codec_that_the_layer_has_is_read(masked: None, codec: str) -> None:
    host = MemoryHost()
    assert simulate(host, portfolio=portfolio(host, codec), scenarios=20)["loans"]["simulated"] == 50


@pytest.mark.parametrize("codec", ["zstd", "lz4", "brotli"])
def test_a_codec_that_the_layer_lacks_is_named(masked: None, codec: str) -> None:
    host = MemoryHost()
    key = portfolio(host, codec)
    with pytest.raises(InvalidPortfolio, match=rf"{re.escape(key)} is compressed with {codec}.*Snappy"):
        simulate(host, portfolio=key, scenarios=20)


def test_all_that_a_run_writes_can_be_read_there() -> None:
    host = MemoryHost()
    simulate(host, portfolio=generate(host, name="made", loans=50), scenarios=20)
    files = [pq.ParquetFile(io.BytesIO(data)) for key, data in host.s3.objects.items() if key.endswith(".parquet")]
    assert len(files) >= 4
    assert {codec for file in files for group in range(file.num_row_groups) for codec in codecs(file, group)} <= CODECS


@LAMBDA_ONLY
def test_versions_are_the_layers() -> None:
    wanted = dict(re.findall(r"^(numpy|pandas|pyarrow)==(\S+)", PINS.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name: version(name) for name in ("numpy", "pandas", "pyarrow")} == wanted
    assert sys.version_info[:2] == (3, 13)


@LAMBDA_ONLY
@pytest.mark.parametrize("name", ABSENT)
def test_what_the_layer_lacks_is_not_there(name: str) -> None:
    with pytest.raises(ImportError):
        importlib.import_module(name)
