"""SQL over the Parquet files of results, with DuckDB, which reads them where they lie."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from additive.tables import parquet, text
from cli import CommandError
from cli.results import read
from cli.screen import table

TABLES = {
    "loans": "loans/*.parquet",
    "losses": "losses.parquet",
    "segments": "segments.parquet",
    "rejects": "rejects/*.parquet",
    "contributions": "contributions/*.parquet",
}


def answer(sql: str, folders: Sequence[Path], *, as_csv: bool = False) -> str:
    """What DuckDB answers, as a table or as CSV. Raises CommandError with what it says of a wrong query."""
    try:
        import duckdb
    except ImportError:
        raise CommandError("DuckDB is missing, which answers queries: run `make setup`.") from None
    database = duckdb.connect(config={"autoinstall_known_extensions": "false"})  # nothing is fetched unasked
    try:
        for name, pattern in TABLES.items():
            parts = [
                f"SELECT {text(read(folder).run)} AS run, * FROM {parquet(files)}"
                for folder in folders
                if (files := sorted(folder.glob(pattern)))
            ]
            if parts:
                database.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")
        found = database.execute(sql)
        if found is None:
            raise CommandError("the query is empty: give one such as 'SELECT * FROM segments'.")
        head = [column[0] for column in found.description or ()]
        rows = found.fetchall()
    except duckdb.Error as error:
        raise CommandError(f"the query cannot be answered: {' '.join(str(error).split())}") from None
    finally:
        database.close()
    if as_csv:
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows([head, *rows])
        return written.getvalue()
    left = [i for i in range(len(head)) if not any(isinstance(row[i], int | float) for row in rows)]
    return table(head, [[_cell(value) for value in row] for row in rows], left) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.10g}" if isinstance(value, float) else str(value).replace("\n", " ")
