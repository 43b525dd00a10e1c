"""CSV and Parquet files: their columns, how many rows they have, and the cells of those that are asked for.

Works on binary file objects, knows nothing of where they come from. Imports numpy and pyarrow only.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.rejects import MAX_VALUE, Reject

Format = Literal["csv", "csv.gz", "parquet"]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _RaggedRow:
    number: int
    cells: int
    expected: int
    text: str


def format_of(name: str) -> Format | None:
    """The format by a file's name, or None if it is no portfolio file."""
    formats: dict[str, Format] = {".csv": "csv", ".csv.gz": "csv.gz", ".parquet": "parquet"}
    return next((kind for suffix, kind in formats.items() if name.lower().endswith(suffix)), None)


def column_names(file: BinaryIO, name: str, format: Format) -> list[str]:
    """The columns a file has. Raises InvalidPortfolio if it cannot be read."""
    if format == "parquet":
        return list(open_parquet(file, name).schema_arrow.names)
    with _reading(name):
        return list(_open_csv(file, format, []).schema.names)


def count_rows(file: BinaryIO, name: str, format: Format) -> int:
    """The number of data rows, as `read_rows` counts them. Reads a CSV to its end, of Parquet the footer only."""
    if format == "parquet":
        rows: int = open_parquet(file, name).metadata.num_rows
        return rows
    ragged: list[_RaggedRow] = []
    with _reading(name):
        first_column = _open_csv(file, format, []).schema.names[:1]
        whole_rows: int = sum(batch.num_rows for batch in _open_csv(file, format, ragged, first_column))
    return whole_rows + len(ragged)


def row_group_ends(file: BinaryIO, name: str) -> list[int]:
    """The rows of a Parquet file before the end of each of its row groups."""
    metadata = open_parquet(file, name).metadata
    return list(accumulate(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)))


def read_csv(
    file: BinaryIO, name: str, format: Format, columns: list[str], rows: tuple[int, int] | None
) -> tuple[pa.Table, Ints, list[Reject]]:
    """The rows' cells as bytes, the rows' numbers, and the ragged rows among them."""
    start, stop = rows or (0, np.iinfo(np.int64).max)
    ragged: list[_RaggedRow] = []
    batches: list[pa.RecordBatch] = []
    numbers: list[Ints] = []
    seen = 0
    with _reading(name):
        reader = _open_csv(file, format, ragged, columns or None)
        schema = reader.schema
        for batch in reader:
            number = _row_numbers(seen, batch.num_rows, ragged)
            seen += batch.num_rows
            first, last = np.searchsorted(number, [start, stop], side="right")
            batches.append(batch.slice(first, last - first))
            numbers.append(number[first:last])
            if last < len(number):
                break
        else:
            _check_length(name, rows, seen + len(ragged))
    rejects = []
    for row in ragged:
        if row.text.count('"') % 2:
            raise InvalidPortfolio(
                f"{name} has a quote in data row {row.number} that is never closed. Close or remove it."
            )
        if start < row.number <= stop:
            fault = "fewer" if row.cells < row.expected else "more"
            rejects.append(
                Reject(name, row.number, "", row.text[:MAX_VALUE], f"the row has {fault} cells than the header")
            )
    return pa.Table.from_batches(batches, schema), np.concatenate(numbers or [np.empty(0, np.int64)]), rejects


def _row_numbers(seen: int, count: int, ragged: list[_RaggedRow]) -> Ints:
    """The 1-based numbers of the next `count` well-formed rows after `seen` such rows, counting ragged rows too."""
    well_formed_before = np.array([row.number - 1 - i for i, row in enumerate(ragged)], np.int64)
    ordinal = np.arange(seen, seen + count)
    return ordinal + 1 + np.searchsorted(well_formed_before, ordinal, side="right")


def _check_length(name: str, rows: tuple[int, int] | None, length: int) -> None:
    if rows and rows[1] > length:
        raise InvalidPortfolio(
            f"{name} has {length} rows where {rows[1]} were counted: it changed since. "
            "Leave it alone, and start the run again."
        )


def read_parquet(
    parquet: pq.ParquetFile, name: str, columns: list[str], rows: tuple[int, int] | None
) -> tuple[pa.Table, Ints]:
    """The columns of rows [start, stop), or of all rows, and the rows' numbers in the file from 1, int64 (N,).

    Raises InvalidPortfolio where the file has fewer rows or cannot be read.
    """
    metadata = parquet.metadata
    start, stop = rows or (0, metadata.num_rows)
    _check_length(name, rows, metadata.num_rows)
    ends = np.cumsum([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)], dtype=np.int64)
    groups = [i for i in range(len(ends)) if ends[i] > start and ends[i] - metadata.row_group(i).num_rows < stop]
    with _reading(name):
        table = parquet.read_row_groups(groups, columns=columns, use_threads=False)
    skipped = ends[groups[0] - 1] if groups and groups[0] else 0
    return table.slice(start - skipped, stop - start), np.arange(start + 1, stop + 1)


def _open_csv(
    file: BinaryIO, format: Format, ragged: list[_RaggedRow], columns: list[str] | None = None
) -> pa_csv.CSVStreamingReader:
    """Open a CSV at its start. Cells come as bytes, so that a bad one costs its row and not the file.

    Rows with too few or too many cells are left out and added to `ragged` as they are met.
    """

    def skip(row: pa_csv.InvalidRow) -> str:
        ragged.append(_RaggedRow(row.number - 1, row.actual_columns, row.expected_columns, row.text))
        return "skip"

    file.seek(0)
    stream = gzip.GzipFile(fileobj=file) if format == "csv.gz" else file
    header = stream.readline()
    if header.endswith(b"\n"):
        stream.seek(0)
    else:  # Arrow calls a header without a line break an empty file
        stream = io.BytesIO(header + stream.read() + b"\n")
    return pa_csv.open_csv(
        stream,
        # One thread: only then does Arrow number the ragged rows.
        read_options=pa_csv.ReadOptions(use_threads=False),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pa_csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns or (), pa.binary()), strings_can_be_null=False
        ),
    )


def open_parquet(file: BinaryIO, name: str) -> pq.ParquetFile:
    """Open a Parquet file by its footer. Raises InvalidPortfolio where it is none."""
    with _reading(name):
        file.seek(0)
        return pq.ParquetFile(file)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what Arrow says about an unreadable file into InvalidPortfolio; let storage's own errors through."""
    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        _explain_codec(name, error)
        cause = (
            "a row is longer than 1 MiB, or a quote is never closed"
            if "straddling" in str(error)
            else str(error).rstrip(".")
        )
        raise InvalidPortfolio(f"{name} cannot be read: {cause}. Correct the file or write it again.") from error
    except OSError as error:
        # Arrow raises plain OSError for a damaged file; a lost connection comes as a subclass or with an errno.
        if type(error) is not OSError or error.errno is not None:
            raise
        _explain_codec(name, error)
        raise InvalidPortfolio(f"{name} cannot be read: {error}. Correct the file or write it again.") from error


def _explain_codec(name: str, error: Exception) -> None:
    """Arrow says "Support for codec 'zstd' not built" where its build lacks one."""
    # Not looked up beforehand: asking pyarrow for a column's codec aborts the process if the footer is damaged.
    if missing := re.search(r"codec '?(\w+)", str(error), re.IGNORECASE):
        raise InvalidPortfolio(
            f"{name} is compressed with {missing[1]}, which this installation of Arrow cannot read. "
            "Write it with Snappy, or deploy with a layer that has the codec (parameter LayerArn)."
        ) from error
