"""A plugin of pytest that takes from pyarrow what the managed layer's build leaves out: `make test-lambda-runtime`.

The layer is built with Parquet, Dataset, CSV and JSON, and with Snappy and zlib as its only codecs. Source: the build
script of aws-sdk-pandas 3.17, building/lambda/build-lambda-layer.sh.
"""

import sys

ABSENT = (
    *("pyarrow._s3fs", "pyarrow._gcsfs", "pyarrow._azurefs", "pyarrow._hdfs"),
    *("pyarrow._orc", "pyarrow._dataset_orc", "pyarrow._flight", "pyarrow._substrait", "pyarrow.gandiva"),
)
"""Modules that the layer's pyarrow does not have."""

CODECS = {"UNCOMPRESSED", "SNAPPY", "GZIP"}
"""Parquet's codecs that it has."""

played = False
"""Whether this plugin was asked for."""


def pytest_configure() -> None:
    """Let an import of an absent module fail as in the layer."""
    global played
    played = True
    for name in ABSENT:
        sys.modules[name] = None  # type: ignore[assignment]
