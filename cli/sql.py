"""SQL over the Parquet files of results, with DuckDB, which reads them where they lie."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli import CommandError
from cli.results import read
from cli.screen import table

TABLES = {
    "loans": "loans/*.parquet",
    "losses": "losses.parquet",
    "segments": "segments.parquet",
    "rejects": "rejects/*.parquet",
}


def answer(sql: str, folders: Sequence[Path], *, as_csv: bool = False) -> str:
    """What DuckDB answers, as a table or as CSV. Raises CommandError with what it says of a wrong query."""
    try:
        import duckdb
    except ImportError:
        raise CommandError("DuckDB is missing, which answers queries: run `make setup`.") from None
    database = duckdb.connect()
    try:
        for name, pattern in TABLES.items():
            parts = [
                f"SELECT {_text(read(folder).run)} AS run, * "
                f"FROM read_parquet([{', '.join(map(_file, files))}], hive_partitioning = false)"
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
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([head, *rows])
        return text.getvalue()
    left = [i for i in range(len(head)) if not any(isinstance(row[i], int | float) for row in rows)]
    return table(head, [[_cell(value) for value in row] for row in rows], left) + "\n"


def _file(path: Path) -> str:
    """A file's name as SQL writes it. DuckDB takes names for patterns, in which [*] stands for the sign itself."""
    return _text(re.sub(r"[*?[]", r"[\g<0>]", str(path)))


def _text(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.10g}" if isinstance(value, float) else str(value).replace("\n", " ")
