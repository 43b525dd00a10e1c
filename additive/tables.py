"""Parquet files as tables of DuckDB, in bounded memory: what does not fit goes to a scratch folder."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from montecarlo.errors import InvalidInput

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"
"""What DuckDB holds before it spills."""


def connect(scratch: Path) -> "duckdb.DuckDBPyConnection":
    """A database of its own that spills to the scratch folder. Raises InvalidInput where DuckDB is missing."""
    try:
        import duckdb
    except ImportError:
        raise InvalidInput("DuckDB is missing, which compares loans: run `make setup`.") from None
    database = duckdb.connect()
    database.execute(f"SET memory_limit = '{MEMORY}'")
    database.execute(f"SET temp_directory = {text(str(scratch))}")
    database.execute("SET preserve_insertion_order = false")
    return database


def error() -> type[Exception]:
    """What DuckDB raises."""
    import duckdb

    return duckdb.Error


def parquet(files: list[Path]) -> str:
    """The rows of Parquet files of the same columns, as SQL reads them."""
    return f"read_parquet([{', '.join(map(file, files))}], hive_partitioning = false)"


def file(path: Path) -> str:
    """A file's name as SQL writes it. DuckDB takes names for patterns, in which [*] stands for the sign itself."""
    return text(re.sub(r"[*?[]", r"[\g<0>]", str(path)))


def text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + value.replace('"', '""') + '"'
