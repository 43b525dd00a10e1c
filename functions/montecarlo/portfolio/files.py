"""CSV and Parquet files: their columns, how many rows they have, and the cells of those that are asked for.

Works on binary file objects, knows nothing of where they come from. What a library says about a file that it cannot
read is never passed on, as it may hold cells. Imports numpy, pyarrow, our errors and this room only.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from threading import Lock
from typing import BinaryIO, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.csv_rows import BYTE_ORDER_MARK, MAX_ROW_BYTES, RowScanner
from montecarlo.portfolio.dialect import PLAIN, Dialect
from montecarlo.portfolio.rejects import MAX_VALUE, Reject

Format = Literal["csv", "csv.gz", "parquet"]
Ints = NDArray[np.int64]
RowRange = tuple[int, int]
"""The first row, from 0, and one past the last."""

_HEADER_BYTES = 1 << 16
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CODECS = ("zstd", "lz4", "lz4_raw", "brotli", "lzo", "bz2", "gzip", "snappy")


def format_of(name: str) -> Format | None:
    """The format by a file's name, or None if it is no portfolio file."""
    formats: dict[str, Format] = {".csv": "csv", ".csv.gz": "csv.gz", ".parquet": "parquet"}
    return next((kind for suffix, kind in formats.items() if name.lower().endswith(suffix)), None)


@dataclass(frozen=True)
class Cells:
    """Rows as a file has them. `number` (n,): each row's, from 1. `ragged`: rows with too few or too many cells."""

    table: pa.Table
    number: Ints
    ragged: list[Reject]


class RowFile(Protocol):
    """A file of rows. Every method raises InvalidPortfolio, naming the file, where it cannot be read."""

    columns: list[str]

    def count(self) -> int:
        """The number of its data rows."""

    def read(self, columns: list[str], rows: RowRange | None = None, holds: int | None = None) -> Cells:
        """Some columns of some rows, all by default.

        holds: how many rows the file must have, where that is known. Raises InvalidPortfolio if it has others.
        """


def open_rows(file: BinaryIO, name: str, format: Format, dialect: Dialect = PLAIN) -> RowFile:
    """A seekable file under the name that messages give it. Raises InvalidPortfolio if it cannot be read."""
    return ParquetRows(file, name) if format == "parquet" else CsvRows(file, name, format, dialect)


# ---------------------------------------------------------------------------------------------------------------------
# CSV


class CsvRows:
    """A CSV, plain or compressed, whose rows are counted by their ends while Arrow parses them."""

    def __init__(self, file: BinaryIO, name: str, format: Format, dialect: Dialect = PLAIN) -> None:
        self._file, self._name, self._format, self._dialect = file, name, format, dialect
        with _reading(name, self._format):
            self._stream = _ScannedCsv(file, name, format, dialect)
            self.columns = self._stream.header()

    def count(self) -> int:
        """The number of its data rows. Reads it to its end, in bounded memory."""
        with _reading(self._name, self._format):
            while self._stream.read(MAX_ROW_BYTES):
                pass
        return self._stream.rows

    def read(self, columns: list[str], rows: RowRange | None = None, holds: int | None = None) -> Cells:
        """As `RowFile.read`. Cells come as bytes, so that a bad one costs its row and not the file."""
        columns = columns or self.columns[:1]
        one_byte = self._dialect.encoding != PLAIN.encoding
        with _reading(self._name, self._format):
            try:
                cells, length = self._parse(columns, rows, latin_1=one_byte)
            except pa.ArrowInvalid as error:
                if one_byte or not str(error).startswith("CSV parse error"):
                    raise
                # Some row is ragged. Arrow hands none over that is not UTF-8, and prints a byte of it. As Latin-1 every
                # byte is a character.
                self._stream.end()
                self._stream = _ScannedCsv(self._file, self._name, self._format, self._dialect)
                self._stream.header()
                cells, length = self._parse(columns, rows, latin_1=True)
        if length is not None:
            if length != self._stream.rows:
                raise InvalidPortfolio(
                    f"{self._name} has {self._stream.rows:,} rows by their ends, but {length:,} by their cells. Check "
                    "its quotes, and write it again."
                )
            _check_length(self._name, rows, holds, length)
        return cells

    def _parse(self, columns: list[str], rows: RowRange | None, latin_1: bool = False) -> tuple[Cells, int | None]:
        """The cells, and the number of the file's rows by Arrow's count if it was read to its end."""
        start, stop = rows or (0, np.iinfo(np.int64).max)
        ragged: list[_RaggedRow] = []
        batches: list[pa.RecordBatch] = []
        numbers: list[Ints] = []
        seen, length = 0, None
        encoding = self._dialect.encoding
        names = [name.encode(encoding).decode("latin-1") for name in columns] if latin_1 else columns
        reader = _open_csv(self._stream, names, ragged, latin_1, self._dialect)
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
            length = seen + len(ragged)
        table = pa.Table.from_batches(batches, schema)
        if latin_1:
            table = pa.table([_from_latin_1(column) for column in table.columns], columns)
        rejects = [row.to_reject(self._name) for row in ragged if start < row.number <= stop]
        return Cells(table, np.concatenate(numbers or [np.empty(0, np.int64)]), rejects), length


class _ScannedCsv:
    """A CSV's bytes, uncompressed, as a file that Arrow can read; they are scanned for rows as they go by."""

    def __init__(self, file: BinaryIO, name: str, format: Format, dialect: Dialect) -> None:
        file.seek(0)
        self._stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=file) if format == "csv.gz" else file
        self._name, self._dialect = name, dialect
        self._scanner = RowScanner(name, dialect)
        self._ahead = b""
        self._last = b""
        self._at_end = False
        self._reading = Lock()
        self.closed = False

    @property
    def rows(self) -> int:
        """Data rows so far."""
        return max(self._scanner.rows - 1, 0)

    def header(self) -> list[str]:
        """The names in the header; to be asked for before anything is read."""
        while not self._scanner.rows and (block := self._next(_HEADER_BYTES)):
            self._ahead += block
        if not self._scanner.rows:
            raise InvalidPortfolio(f"{self._name} is empty: it must begin with a header line that names the columns.")
        first = self._ahead[: self._scanner.header_end].removeprefix(BYTE_ORDER_MARK).strip(b"\r\n")
        if first.startswith(_UTF_16) or b"\0\0\0" in (first[0:6:2], first[1:6:2]):
            raise InvalidPortfolio(f"{self._name} is UTF-16, which cannot be cut at bytes. Write it in UTF-8.")
        self._ahead = self._ahead.removeprefix(BYTE_ORDER_MARK)
        try:
            return header_names(first.decode(self._dialect.encoding), self._dialect)
        except (UnicodeDecodeError, csv.Error):
            raise InvalidPortfolio(
                f"{self._name} has a header line that cannot be read. Write it in {self._dialect.encoding_name}, with "
                "names of columns, or say in the mapping's dialect what its encoding is."
            ) from None

    def read(self, size: int) -> bytes:
        """Up to so many bytes, none at the end."""
        with self._reading:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data + self._next(size - len(data)) if len(data) < size else data

    def end(self) -> None:
        """Give no more bytes. Arrow reads ahead in a thread of its own, even for a parser that was given up."""
        with self._reading:
            self._stream, self._at_end, self._ahead = io.BytesIO(), True, b""

    def _next(self, size: int) -> bytes:
        block: bytes = self._stream.read(size)
        if block:
            self._scanner.feed(block)
            self._last = block[-1:]
        elif not self._at_end:
            self._at_end = True
            self._scanner.finish()
            return b"" if self._last in (b"\n", b"\r") else b"\n"  # without it Arrow calls a header alone an empty file
        return block


@dataclass(frozen=True)
class _RaggedRow:
    number: int
    cells: int
    expected: int
    text: str

    def to_reject(self, file: str) -> Reject:
        fault = "fewer" if self.cells < self.expected else "more"
        return Reject(file, self.number, "", self.text, f"the row has {fault} cells than the header")


def _open_csv(
    stream: _ScannedCsv, columns: list[str], ragged: list[_RaggedRow], latin_1: bool, dialect: Dialect
) -> pa_csv.CSVStreamingReader:
    """Parse these columns. Rows with too few or too many cells are left out and added to `ragged` as they are met; but
    only as Latin-1, else the first of them is an error.
    """

    def skip(row: pa_csv.InvalidRow) -> str:
        text = row.text[: 4 * MAX_VALUE].encode("latin-1").decode(dialect.encoding, "replace")
        ragged.append(_RaggedRow(row.number - 1, row.actual_columns, row.expected_columns, text[:MAX_VALUE]))
        return "skip"

    return pa_csv.open_csv(
        stream,
        # One thread: only then does Arrow number the ragged rows. Latin-1's upper half takes two bytes in UTF-8.
        read_options=pa_csv.ReadOptions(
            use_threads=False,
            block_size=2 * MAX_ROW_BYTES if latin_1 else MAX_ROW_BYTES,
            encoding="latin-1" if latin_1 else "utf8",
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            escape_char=dialect.escape or False,
            newlines_in_values=True,
            invalid_row_handler=skip if latin_1 else None,
        ),
        convert_options=pa_csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.binary()), strings_can_be_null=False
        ),
    )


def header_names(line: str, dialect: Dialect) -> list[str]:
    """The names in a header line. Raises csv.Error."""
    return next(rows_of(io.StringIO(line, newline=""), dialect))


def rows_of(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    """The cells of each row of these lines, by the standard library: for few of them. Raises csv.Error."""
    read = partial(csv.reader, lines, delimiter=dialect.delimiter, escapechar=dialect.escape)
    return read(quotechar=dialect.quote) if dialect.quote else read(quoting=csv.QUOTE_NONE)


def _from_latin_1(column: pa.ChunkedArray) -> pa.Array:
    """The bytes that were taken for Latin-1 to pass through Arrow."""
    if pc.all(pc.string_is_ascii(pc.cast(column, pa.string()))).as_py() is not False:
        return column
    return pa.array([cell.decode("utf-8").encode("latin-1") for cell in column.to_pylist()], pa.binary())


def _row_numbers(seen: int, count: int, ragged: list[_RaggedRow]) -> Ints:
    """The 1-based numbers of the next `count` well-formed rows after `seen` such rows, counting ragged rows too."""
    well_formed_before = np.array([row.number - 1 - i for i, row in enumerate(ragged)], np.int64)
    ordinal = np.arange(seen, seen + count)
    return ordinal + 1 + np.searchsorted(well_formed_before, ordinal, side="right")


# ---------------------------------------------------------------------------------------------------------------------
# Parquet


class ParquetRows:
    """A Parquet file. Only the row groups and columns that are asked for are read."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._name = name
        with _reading(name, "parquet"):
            file.seek(0)
            self._parquet = pq.ParquetFile(file)
            self.columns = list(self._parquet.schema_arrow.names)
            metadata = self._parquet.metadata
            groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self.row_group_ends = list(accumulate(groups))
        """The rows before the end of each row group."""
        if min(groups, default=0) < 0 or sum(groups) != metadata.num_rows:
            raise _damaged_parquet(name)

    def count(self) -> int:
        """The number of rows that the footer tells; `read` checks it."""
        return self.row_group_ends[-1] if self.row_group_ends else 0

    def read(self, columns: list[str], rows: RowRange | None = None, holds: int | None = None) -> Cells:
        """As `RowFile.read`."""
        length = self.count()
        start, stop = rows or (0, length)
        _check_length(self._name, rows, holds, length)
        starts = [0, *self.row_group_ends[:-1]]
        groups = [i for i, end in enumerate(self.row_group_ends) if end > start and starts[i] < stop]
        with _reading(self._name, "parquet"):
            table = self._parquet.read_row_groups(groups, columns=columns or self.columns[:1], use_threads=False)
        skipped = starts[groups[0]] if groups else 0
        table = table.slice(start - skipped, stop - start)
        if len(table) != stop - start:
            raise _damaged_parquet(self._name)
        return Cells(table, np.arange(start + 1, stop + 1), [])


def _damaged_parquet(name: str) -> InvalidPortfolio:
    return InvalidPortfolio(f"{name} cannot be read: it is no Parquet file, or it is damaged. Write it again.")


# ---------------------------------------------------------------------------------------------------------------------


def _check_length(name: str, rows: RowRange | None, holds: int | None, length: int) -> None:
    counted = rows[1] if rows and rows[1] > length else holds
    if counted is not None and counted != length:
        raise InvalidPortfolio(
            f"{name} has {length:,} rows where {counted:,} were counted or stated by a manifest. Correct the manifest; "
            "if the file was written again, start the run again."
        )


@contextmanager
def _reading(name: str, format: Format) -> Iterator[None]:
    """Turn what libraries say about an unreadable file into InvalidPortfolio; let storage's own errors through.

    What they say is not passed on: Arrow quotes rows.
    """
    try:
        yield
    except MemoryError:
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InvalidPortfolio(
            f"{name} cannot be read: it is not compressed with gzip, or damaged, or its end is missing. Write it again."
        ) from None
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _unreadable(name, format, error) from None
    except OSError as error:
        # Arrow raises plain OSError for a damaged file; a lost connection comes as a subclass or with an errno.
        if type(error) is not OSError or error.errno is not None:
            raise
        raise _unreadable(name, format, error) from None


def _unreadable(name: str, format: Format, error: Exception) -> InvalidPortfolio:
    if format != "parquet":
        return InvalidPortfolio(
            f"{name} cannot be read as a CSV: its cells cannot be told apart. Write it in UTF-8, with commas between "
            "cells and double quotes (\") around those that hold commas, or say in the mapping's dialect how it is."
        )
    # Not looked up beforehand: asking pyarrow for a column's codec aborts the process if the footer is damaged.
    codec = re.search(r"codec '?(\w+)", str(error), re.IGNORECASE)
    if codec and codec[1].lower() in _CODECS:
        return InvalidPortfolio(
            f"{name} is compressed with {codec[1].lower()}, which this installation of Arrow cannot read. "
            "Write it with Snappy, or deploy with a layer that has the codec (parameter LayerArn)."
        )
    return _damaged_parquet(name)
