"""Reads a loan portfolio and turns it into clean arrays, or into rejects that say which cell of which row is wrong.

The way of a row: `read_rows` takes it from a CSV or Parquet file under the portfolio's column names (a `Mapping` tells
where a bank keeps them), `gather` joins the slices of a chunk, `validate` parses and checks. No row gets lost on the
way: ``len(loans) + len(rejects)`` is the number of rows asked for.

Parsed numbers are the same to the last bit on every CPU: text becomes a double by Arrow's cast, which rounds correctly,
and nothing here calls ``exp``, ``log`` or ``power``. Whether a row is valid never depends on the rows beside it, except
for duplicates of an AccountID inside one chunk.

Imports numpy and pyarrow only. Works on binary file objects, knows nothing of where they come from.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as AnyMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from itertools import accumulate
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.portfolio.regions import STATE_REGION, UNKNOWN_REGION

Format = Literal["csv", "csv.gz", "parquet"]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# ---------------------------------------------------------------------------------------------------------------------
# The columns of a portfolio


@dataclass(frozen=True)
class Column:
    """One column of a portfolio: what it means, when a loan cannot do without it, and which values make sense."""

    name: str
    kind: Literal["text", "number", "date"]
    unit: str
    needed: Literal["always", "unless PD", "unless PD and EAD", "never"]
    description: str
    low: float = 0.0
    high: float = 1e12
    positive: bool = False
    whole: bool = False

    def is_needed(self, has_pd: Any, has_ead: Any) -> Any:
        """Whether a loan needs this column, given what it brings; works on one flag and on arrays of flags."""
        if self.needed == "unless PD":
            return ~np.asarray(has_pd)
        if self.needed == "unless PD and EAD":
            return ~(np.asarray(has_pd) & np.asarray(has_ead))
        return np.full(np.shape(has_pd), self.needed == "always")


# A loan needs what its model needs. The scorecard wants income, payment and the loan's terms, unless the loan brings
# its own PD. Amortisation wants amount, rate, term and origination, unless the loan brings its own EAD. A homogeneous
# pool therefore gets by with AccountID, PD and EAD (and LGD, if the segment's default will not do). "Needed" counts
# twice: a file without the column is refused as a whole, and a row without the value is rejected.
# The upper bound on money keeps a loan's cents, and the sum over a chunk, inside int64.
COLUMNS: tuple[Column, ...] = (
    Column("AccountID", "text", "", "always", "identifies the loan, unique in the portfolio; names its random numbers"),
    Column("ZipCode", "text", "", "unless PD and EAD",
           "ZIP code (5, 9 or its first 3 digits) or two-letter state; anything else counts as an unknown region"),
    Column("Rate", "number", "% a year", "unless PD and EAD", "nominal interest rate", high=100),
    Column("Payment", "number", "currency a month", "unless PD", "the instalment agreed"),
    Column("LoanAmount", "number", "currency", "unless PD and EAD", "the original principal", positive=True),
    Column("LoanTerm", "number", "months", "unless PD and EAD", "the original term",
           high=1200, positive=True, whole=True),
    Column("OriginationDate", "date", "YYYY-MM-DD or MM/DD/YYYY", "unless PD and EAD",
           "when the loan was paid out; not after the reporting date"),
    Column("GrossIncome", "number", "currency a year", "unless PD",
           "the borrower's income before tax (a business: gross revenue); not zero unless the loan brings its PD"),
    Column("Balance", "number", "currency", "never", "principal outstanding; by amortisation when not given"),
    Column("RateType", "text", "fixed | floating", "never", "whether the rate moves; fixed when not given"),
    Column("Segment", "text", "a segment of the parameters", "never", "the loan's segment; personal when not given"),
    Column("PD", "number", "0 to 1", "never", "probability of default in a year; by scorecard when not given", high=1),
    Column("LGD", "number", "0 to 1", "never", "loss given default; the segment's when not given", high=1),
    Column("EAD", "number", "currency", "never", "exposure at default; from the balance when not given"),
)  # fmt: skip
_COLUMN = {column.name: column for column in COLUMNS}
REQUIRED = tuple(column.name for column in COLUMNS if column.needed != "never")
OPTIONAL = tuple(column.name for column in COLUMNS if column.needed == "never")
DEFAULT_SEGMENT = "personal"
DEFAULT_RATE_TYPE = "fixed"

# ---------------------------------------------------------------------------------------------------------------------
# Mapping: where a bank's own files keep these columns


@dataclass(frozen=True)
class Source:
    """Where one column of the portfolio comes from: columns of the file, a constant, or the row's number."""

    columns: tuple[str, ...] = ()
    constant: str | None = None
    row_prefix: str | None = None
    scale: float = 1.0
    format: str | None = None
    values: AnyMapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mapping:
    """How a bank's columns become the portfolio's. The empty mapping expects the portfolio's own names.

    JSON: ``{"columns": {<portfolio column>: <source>}, "as_of": "YYYY-MM-DD"}``; both keys are optional, as_of is the
    date the data was taken. A source is the name of a column of the file, or one of::

        {"from": "col" | ["first choice", "second"], "scale": 100, "format": "%b-%Y", "values": {"theirs": "ours"}}
        {"constant": "personal"}
        {"row_number": true, "prefix": "LC-"}

    Of several columns the first that is not empty counts. ``scale`` multiplies a number, ``format`` is strptime's and
    reads a date, ``values`` translates cells before they are parsed. Row numbers identify loans in one file only.
    """

    sources: AnyMapping[str, Source] = field(default_factory=dict)
    as_of: date | None = None

    @classmethod
    def parse(cls, document: AnyMapping[str, Any] | None) -> "Mapping":
        """Parse the JSON document (None is the empty mapping). Raises InvalidInput naming the key that is wrong."""
        if document is None:
            return cls()
        _check_keys(document, "mapping", {"columns", "as_of"})
        columns = document.get("columns", {})
        _check_keys(columns, "mapping columns", set(_COLUMN))
        sources = {name: _parse_source(_COLUMN[name], source) for name, source in columns.items()}
        return cls(sources, _parse_as_of(document.get("as_of")))

    def source(self, column: str) -> Source:
        """Where a column of the portfolio comes from; under its own name unless mapped."""
        return self.sources.get(column) or Source((column,))

    @property
    def numbers_rows(self) -> bool:
        """Whether AccountIDs are row numbers, so that a second file would repeat those of the first."""
        return self.source("AccountID").row_prefix is not None


def _check_keys(value: object, where: str, known: set[str]) -> None:
    if not isinstance(value, AnyMapping):
        raise InvalidInput(f"The {where} must be a JSON object, not {value!r}.")
    for key in value:
        if key not in known:
            raise InvalidInput(f"The {where} has the unknown key {key!r}. Known: {', '.join(sorted(known))}.")


def _parse_as_of(value: object) -> date | None:
    if value is None:
        return None
    parsed = _parse_date(value, None) if isinstance(value, str) else None
    if parsed is None:
        raise InvalidInput(f"The mapping's as_of must be a date such as '2026-01-31', not {value!r}.")
    return parsed


def _parse_source(column: Column, value: object) -> Source:
    where = f"mapping of {column.name}"
    if isinstance(value, str):
        return Source((value,))
    _check_keys(value, where, {"from", "scale", "format", "values", "constant", "row_number", "prefix"})
    assert isinstance(value, AnyMapping)
    origins = sorted({"from", "constant", "row_number"} & set(value))
    if len(origins) != 1:
        raise InvalidInput(
            f"The {where} must have exactly one of from, constant and row_number, not {origins or 'none'}."
        )
    allowed = {
        "from": {"from", "scale", "format", "values"},
        "constant": {"constant"},
        "row_number": {"row_number", "prefix"},
    }
    _check_keys(value, where, allowed[origins[0]])
    if "constant" in value:
        return Source(constant=_parse_constant(value["constant"], where))
    if "row_number" in value:
        prefix = value.get("prefix", "")
        if column.name != "AccountID" or value["row_number"] is not True or not isinstance(prefix, str):
            raise InvalidInput(f'The {where} is wrong: {{"row_number": true, "prefix": "text"}} is for AccountID only.')
        return Source(row_prefix=prefix)
    origin = value["from"]
    columns = (origin,) if isinstance(origin, str) else tuple(origin) if isinstance(origin, list) else ()
    if not columns or not all(isinstance(name, str) for name in columns):
        raise InvalidInput(f"The {where} must have in from a column's name or a list of them, not {origin!r}.")
    return Source(
        columns,
        scale=_parse_scale(column, value.get("scale", 1), where),
        format=_parse_format(column, value.get("format"), where),
        values=_parse_values(value.get("values", {}), where),
    )


def _parse_constant(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidInput(f"The {where} must have a text or a number as its constant, not {value!r}.")
    return str(value)


def _parse_scale(column: Column, value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidInput(f"The {where} must have a scale above zero, not {value!r}.")
    if column.kind != "number" and value != 1:
        raise InvalidInput(f"The {where} must have no scale: {column.name} is a {column.kind}.")
    return float(value)


def _parse_format(column: Column, value: object, where: str) -> str | None:
    if value is not None and (column.kind != "date" or not isinstance(value, str)):
        raise InvalidInput(
            f"The {where} has the format {value!r}, but a format is a text such as '%b-%Y' and for dates only."
        )
    return value


def _parse_values(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, AnyMapping) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidInput(f"The {where} must have in values an object of texts, not {value!r}.")
    return dict(value)


# ---------------------------------------------------------------------------------------------------------------------
# Reading

_MAX_VALUE = 80


@dataclass(frozen=True)
class Reject:
    """A row that cannot be simulated. `row` is the 1-based data row of `file`; `value` is cut at 80 characters."""

    file: str
    row: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class RawRows:
    """Rows as the files have them, under the portfolio's column names, with where each came from."""

    table: pa.Table
    """Texts are trimmed and null when empty; Parquet's own types are kept."""
    files: tuple[str, ...]
    file_index: NDArray[np.int32]
    """(n,) index into `files`."""
    row: Ints
    """(n,) 1-based data row of the file."""
    rejects: tuple[Reject, ...] = ()
    """Rows that could not even be read, hence not in the table."""


def format_of(name: str) -> Format | None:
    """The format by a file's name, or None if it is no portfolio file."""
    formats: dict[str, Format] = {".csv": "csv", ".csv.gz": "csv.gz", ".parquet": "parquet"}
    return next((kind for suffix, kind in formats.items() if name.lower().endswith(suffix)), None)


def column_names(file: BinaryIO, name: str, format: Format) -> list[str]:
    """The columns a file has. Raises InvalidPortfolio if it cannot be read."""
    if format == "parquet":
        return list(_open_parquet(file, name).schema_arrow.names)
    with _reading(name):
        return list(_open_csv(file, format, []).schema.names)


def check_columns(names: list[str], file: str, mapping: Mapping) -> dict[str, str]:
    """Check that a file with these columns can be used. Raises InvalidPortfolio naming the file and what it lacks.

    Returns the file's columns to read, each with the portfolio's column it serves.
    """
    has = f"It has: {', '.join(names)}."
    for column, source in mapping.sources.items():
        for origin in source.columns:
            if origin not in names:
                raise InvalidPortfolio(f"{file} has no column {origin!r}, which the mapping names for {column}. {has}")
    available = set(mapping.sources) | set(names)
    missing = [
        column.name
        for column in COLUMNS
        if column.name not in available and column.is_needed("PD" in available, "EAD" in available)
    ]
    if missing:
        raise InvalidPortfolio(
            f"{file} has no column {', '.join(missing)}. {has} Name the columns so, or say in a mapping where they are."
        )
    origins = {o: c.name for c in COLUMNS if c.name in available for o in mapping.source(c.name).columns}
    for origin in origins:
        if names.count(origin) > 1:
            raise InvalidPortfolio(f"{file} has the column {origin!r} more than once. Rename or remove all but one.")
    return origins


def count_rows(file: BinaryIO, name: str, format: Format) -> int:
    """The number of data rows, as `read_rows` counts them. Reads a CSV to its end, of Parquet the footer only."""
    if format == "parquet":
        rows: int = _open_parquet(file, name).metadata.num_rows
        return rows
    ragged: list[_RaggedRow] = []
    with _reading(name):
        first_column = _open_csv(file, format, []).schema.names[:1]
        whole_rows: int = sum(batch.num_rows for batch in _open_csv(file, format, ragged, first_column))
    return whole_rows + len(ragged)


def row_group_ends(file: BinaryIO, name: str) -> list[int]:
    """The rows of a Parquet file before the end of each of its row groups."""
    metadata = _open_parquet(file, name).metadata
    return list(accumulate(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)))


def read_rows(
    file: BinaryIO,
    name: str,
    format: Format,
    mapping: Mapping,
    rows: tuple[int, int] | None = None,
    rows_before: int = 0,
) -> RawRows:
    """Read rows ``[rows[0], rows[1])`` (0-based; None: all) of a seekable file.

    Of Parquet only the row groups and columns needed are read; a CSV is read from its start up to the last row asked
    for. A single bad row becomes a reject. Raises InvalidPortfolio if the file cannot be read, lacks a column, or has
    fewer rows than asked for.

    rows_before: the rows cut off in front, if `file` is only a part of the file `name` (a CSV's header and a range of
    its bytes); rows are numbered as in the whole file.
    """
    if format == "parquet":
        parquet = _open_parquet(file, name)
        names = list(parquet.schema_arrow.names)
        origins = check_columns(names, name, mapping)
        table, number = _read_parquet(parquet, name, list(origins), rows)
        ragged: list[Reject] = []
    else:
        names = column_names(file, name, format)
        origins = check_columns(names, name, mapping)
        table, number, ragged = _read_csv(file, name, format, list(origins), rows)
    number += rows_before
    ragged = [replace(reject, row=reject.row + rows_before) for reject in ragged]
    table, number, undecodable = _decode(table, number, name, origins)
    columns = {
        column.name: _from_source(mapping.source(column.name), table, number)
        for column in COLUMNS
        if column.name in mapping.sources or column.name in names
    }
    rejects = tuple(sorted(ragged + undecodable, key=_place))
    return RawRows(pa.table(columns), (name,), np.zeros(len(number), np.int32), number, rejects)


def gather(parts: Sequence[RawRows]) -> RawRows:
    """Join the slices of a chunk, in their order. A column that only some files have is null in the others."""
    if len(parts) == 1:
        return parts[0]
    files = tuple(dict.fromkeys(name for part in parts for name in part.files))
    index = {name: position for position, name in enumerate(files)}
    file_index = [np.array([index[name] for name in part.files], np.int32)[part.file_index] for part in parts]
    return RawRows(
        _concatenate([part.table for part in parts]),
        files,
        np.concatenate(file_index) if parts else np.empty(0, np.int32),
        np.concatenate([part.row for part in parts]) if parts else np.empty(0, np.int64),
        tuple(reject for part in parts for reject in part.rejects),
    )


def _concatenate(tables: list[pa.Table]) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException:
        # CSV beside Parquet: texts are the common ground, and a double's text gives the same double back.
        texts = [pa.table({name: _as_text(table[name]) for name in table.column_names}) for table in tables]
        return pa.concat_tables(texts, promote_options="permissive").combine_chunks()


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


@dataclass(frozen=True)
class _RaggedRow:
    number: int
    cells: int
    expected: int
    text: str


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


def _read_csv(
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
                Reject(name, row.number, "", row.text[:_MAX_VALUE], f"the row has {fault} cells than the header")
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


def _open_parquet(file: BinaryIO, name: str) -> pq.ParquetFile:
    with _reading(name):
        file.seek(0)
        return pq.ParquetFile(file)


def _read_parquet(
    parquet: pq.ParquetFile, name: str, columns: list[str], rows: tuple[int, int] | None
) -> tuple[pa.Table, Ints]:
    metadata = parquet.metadata
    start, stop = rows or (0, metadata.num_rows)
    _check_length(name, rows, metadata.num_rows)
    ends = np.cumsum([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)], dtype=np.int64)
    groups = [i for i in range(len(ends)) if ends[i] > start and ends[i] - metadata.row_group(i).num_rows < stop]
    with _reading(name):
        table = parquet.read_row_groups(groups, columns=columns, use_threads=False)
    skipped = ends[groups[0] - 1] if groups and groups[0] else 0
    return table.slice(start - skipped, stop - start), np.arange(start + 1, stop + 1)


# ---------------------------------------------------------------------------------------------------------------------
# From the file's columns to the portfolio's


def _decode(table: pa.Table, number: Ints, file: str, origins: dict[str, str]) -> tuple[pa.Table, Ints, list[Reject]]:
    """Bytes become text; rows with bytes that are not UTF-8 become rejects."""
    columns: dict[str, pa.Array] = {}
    rejects: dict[int, Reject] = {}
    for origin, target in origins.items():
        column = _plain(table[origin], file, origin)
        if pa.types.is_binary(column.type):
            try:
                column = pc.cast(column, pa.string())
            except pa.ArrowInvalid:
                cells = column.to_pylist()
                for row in (row for row, cell in enumerate(cells) if not _is_utf8(cell) and row not in rejects):
                    value = cells[row].decode("utf-8", "replace")[:_MAX_VALUE]
                    rejects[row] = Reject(file, int(number[row]), target, value, f"{target} is not UTF-8 text")
                column = pa.array([(cell or b"").decode("utf-8", "replace") for cell in cells], pa.string())
            column = _without_blanks(column)
        columns[origin] = column
    decoded = pa.table(columns)
    if not rejects:
        return decoded, number, []
    good = np.ones(len(number), np.bool_)
    good[list(rejects)] = False
    return decoded.filter(pa.array(good)), number[good], list(rejects.values())


def _is_utf8(cell: bytes | None) -> bool:
    try:
        (cell or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _plain(column: pa.ChunkedArray, file: str, name: str) -> pa.Array:
    """One contiguous array, texts as bytes: Arrow takes Parquet's texts for UTF-8 without looking."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        array, kind = pc.cast(array, pa.string()), pa.string()
    if pa.types.is_string(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pc.cast(array, pa.binary())
    if (
        pa.types.is_nested(kind)
        or pa.types.is_time(kind)
        or pa.types.is_duration(kind)
        or pa.types.is_fixed_size_binary(kind)
    ):
        raise InvalidPortfolio(f"{file} has in column {name!r} the type {kind}. Write it as text, number or date.")
    return array


def _without_blanks(text: pa.Array) -> pa.Array:
    """Trimmed, and null where nothing is left: an empty cell is a missing value."""
    trimmed = pc.ascii_trim_whitespace(text)
    return pc.if_else(pc.equal(pc.binary_length(trimmed), 0), pa.scalar(None, pa.string()), trimmed)


def _from_source(source: Source, table: pa.Table, number: Ints) -> pa.Array:
    if source.constant is not None:
        return pa.repeat(pa.scalar(source.constant), len(number))
    if source.row_prefix is not None:
        return pc.binary_join_element_wise(source.row_prefix, pc.cast(pa.array(number), pa.string()), "")
    choices = [table[name].combine_chunks() for name in source.columns]
    if len({choice.type for choice in choices}) > 1:
        choices = [_as_text(choice) for choice in choices]
    array = pc.coalesce(*choices) if len(choices) > 1 else choices[0]
    if source.values:
        array = _as_text(array)
        place = pc.index_in(array, pa.array(source.values.keys(), pa.string()))
        array = pc.coalesce(pa.array(source.values.values(), pa.string()).take(place), array)
    return array


def _as_text(array: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(array.type):
        array = pc.cast(array, pa.timestamp(array.type.unit))  # UTC: needs no time zone database
    return array if pa.types.is_string(array.type) else pc.cast(array, pa.string())


# ---------------------------------------------------------------------------------------------------------------------
# Validation


@dataclass(frozen=True)
class Loans:
    """Valid loans as arrays of one length n. What a loan need not bring is NaN, or 0 in whole numbers."""

    account_id: pa.Array
    """(n,) text."""
    key: NDArray[np.uint64]
    """(n,) FNV-1a of the AccountID: names the loan's random numbers."""
    segment: NDArray[np.int16]
    """(n,) index into the segments."""
    region: NDArray[np.int8]
    """(n,) first digit of the ZIP code, or UNKNOWN_REGION."""
    rate: Floats
    """(n,) % a year."""
    payment: Floats
    """(n,) currency a month."""
    loan_amount: Floats
    """(n,) currency."""
    balance: Floats
    """(n,) currency; NaN: by amortisation."""
    income: Floats
    """(n,) currency a year."""
    term: Ints
    """(n,) months."""
    age: Ints
    """(n,) whole months from origination to the reporting date."""
    floating: Bools
    """(n,)."""
    pd: Floats
    """(n,) NaN: by scorecard."""
    lgd: Floats
    """(n,) NaN: the segment's."""
    ead: Floats
    """(n,) currency; NaN: from the balance."""

    def __len__(self) -> int:
        return len(self.key)

    def select(self, rows: Bools) -> "Loans":
        """The loans where `rows` is true."""
        arrays = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "account_id"}
        return Loans(self.account_id.filter(pa.array(rows)), **{name: array[rows] for name, array in arrays.items()})


class _Checks:
    """The first fault of each row, in the order the checks are made."""

    def __init__(self, rows: int) -> None:
        self.fault = np.zeros(rows, np.int16)
        self.faults: list[tuple[str, str]] = [("", "")]

    def reject(self, rows: Bools, column: str, reason: str) -> None:
        """Reject the rows, for a reason that reads on from the column's name."""
        if rows.any():
            self.fault[rows & (self.fault == 0)] = len(self.faults)
            self.faults.append((column, f"{column} {reason}"))


def validate(raw: RawRows, mapping: Mapping, segments: Sequence[str], as_of: date) -> tuple[Loans, list[Reject]]:
    """Parse and check rows: the valid loans, and all rejects, those of reading included, by file and row.

    segments: the names known, in index order. as_of: the reporting date. A row is rejected once, for its first faulty
    column in the order of COLUMNS; of an AccountID that comes more than once the first row stays.
    """
    table = _Columns(raw.table, mapping)
    checks = _Checks(raw.table.num_rows)
    account_id = _check_account(table.array("AccountID"), checks)
    has_pd, has_ead = table.given("PD"), table.given("EAD")
    numbers: dict[str, Floats] = {}
    age = np.zeros(len(account_id), np.int64)
    segment = region = np.zeros(len(account_id), np.int64)
    floating = np.zeros(len(account_id), np.bool_)
    for column in COLUMNS[1:]:
        array = table.array(column.name)
        if column.name != "ZipCode":
            missing = ~table.given(column.name) & column.is_needed(has_pd, has_ead)
            checks.reject(missing, column.name, "is missing")
        if column.kind == "number":
            numbers[column.name] = _check_number(column, array, table.scale(column.name), checks)
        elif column.kind == "date":
            age = _check_age(array, table.format(column.name), as_of, checks)
        elif column.name == "ZipCode":
            region = _regions(_as_text(array))
        elif column.name == "RateType":
            floating = _check_choice(column, array, ("fixed", "floating"), DEFAULT_RATE_TYPE, checks) == 1
        elif column.name == "Segment":
            segment = _check_choice(column, array, segments, DEFAULT_SEGMENT, checks)
        if column.name == "GrossIncome":
            zero = (numbers["GrossIncome"] == 0) & ~has_pd
            checks.reject(zero, "GrossIncome", "is zero")
    loans = Loans(
        account_id=account_id,
        key=hash_ids(account_id),
        segment=segment.astype(np.int16),
        region=region.astype(np.int8),
        rate=numbers["Rate"],
        payment=numbers["Payment"],
        loan_amount=numbers["LoanAmount"],
        balance=numbers["Balance"],
        income=numbers["GrossIncome"],
        term=np.nan_to_num(numbers["LoanTerm"]).clip(0, _COLUMN["LoanTerm"].high).astype(np.int64),
        age=age,
        floating=floating,
        pd=numbers["PD"],
        lgd=numbers["LGD"],
        ead=numbers["EAD"],
    )
    rejects = sorted([*raw.rejects, *_rejects(raw, checks)], key=_place)
    return (loans.select(checks.fault == 0) if checks.fault.any() else loans), rejects


def rejects_table(rejects: Sequence[Reject]) -> pa.Table:
    """The rejects as a table to be written for whoever corrects the data."""
    types = {"file": pa.string(), "row": pa.int64(), "column": pa.string(), "value": pa.string(), "reason": pa.string()}
    return pa.table({name: pa.array([getattr(r, name) for r in rejects], kind) for name, kind in types.items()})


class _Columns:
    """The raw columns with what the mapping says about parsing them; all null where the files lack one."""

    def __init__(self, table: pa.Table, mapping: Mapping) -> None:
        self._arrays = {name: table[name].combine_chunks() for name in table.column_names}
        self._mapping = mapping
        self._rows = table.num_rows

    def array(self, column: str) -> pa.Array:
        return self._arrays.setdefault(column, pa.nulls(self._rows, pa.string()))

    def given(self, column: str) -> Bools:
        return np.asarray(pc.is_valid(self.array(column)))

    def scale(self, column: str) -> float:
        return self._mapping.source(column).scale

    def format(self, column: str) -> str | None:
        return self._mapping.source(column).format


def _check_account(array: pa.Array, checks: _Checks) -> pa.Array:
    if pa.types.is_floating(array.type):
        raise InvalidPortfolio(
            "AccountID is a floating-point column, which loses digits. Write it as text or whole number."
        )
    account_id = _as_text(array)
    checks.reject(np.asarray(pc.is_null(account_id)), "AccountID", "is missing")
    # Codes are given out in order of first appearance, so one that is not above all before it was there already.
    code = np.asarray(account_id.dictionary_encode().indices.fill_null(-1))
    repeated = np.zeros(len(code), np.bool_)
    repeated[1:] = code[1:] <= np.maximum.accumulate(code)[:-1]
    checks.reject(repeated, "AccountID", "was there before")
    return account_id.fill_null("")


def _check_number(column: Column, array: pa.Array, scale: float, checks: _Checks) -> Floats:
    """Parse and check a number; NaN where there is none."""
    value = _numbers(array)
    checks.reject(np.asarray(pc.is_valid(array)) & ~np.isfinite(value), column.name, "is not a finite number")
    if scale != 1:
        value = value * scale
    checks.reject(value < column.low, column.name, "must not be negative")
    if column.positive:
        checks.reject(value == 0, column.name, "must not be zero")
    checks.reject(value > column.high, column.name, f"must not be above {column.high:,.0f}")
    if column.whole:
        checks.reject(np.isfinite(value) & (value != np.floor(value)), column.name, "must be a whole number")
    return value


def _numbers(array: pa.Array) -> Floats:
    """Doubles, correctly rounded; NaN for null and for what is no number."""
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        array = _as_text(array)  # decimals too: through text they are rounded correctly
        try:
            array = pc.cast(array, pa.float64())
        except pa.ArrowInvalid:
            is_number = pc.match_substring_regex(array, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
            array = pc.cast(pc.if_else(is_number, array, pa.scalar(None, pa.string())), pa.float64())
    return np.array(pc.fill_null(pc.cast(array, pa.float64(), safe=False), float("nan")))


_NOT_A_DATE = np.datetime64("NaT", "D")


def _check_age(array: pa.Array, format: str | None, as_of: date, checks: _Checks) -> Ints:
    """Whole months from origination to as_of; 0 where no date is given."""
    if pa.types.is_timestamp(array.type):
        array = pc.cast(pc.cast(array, pa.timestamp(array.type.unit)), pa.date32())  # the day in UTC
    if pa.types.is_date(array.type):
        origination = np.asarray(pc.cast(array, pa.date32())).astype("datetime64[D]")
    else:
        origination = _per_distinct(_as_text(array), lambda text: _parse_date(text, format), _NOT_A_DATE)
        expected = f"in the format {format}" if format else "(YYYY-MM-DD or MM/DD/YYYY)"
        wrong = np.asarray(pc.is_valid(array)) & np.isnat(origination)
        checks.reject(wrong, "OriginationDate", f"is not a date {expected}")
    reporting = np.datetime64(as_of, "D")
    checks.reject(origination > reporting, "OriginationDate", "is after the reporting date")
    return whole_months(np.where(np.isnat(origination), reporting, origination), reporting)


def whole_months(start: NDArray[np.datetime64], end: NDArray[np.datetime64] | np.datetime64) -> Ints:
    """Whole months from start to end: a month is over when its day of the month comes round again."""
    start_month, end_month = start.astype("datetime64[M]"), end.astype("datetime64[M]")
    unfinished = (end - end_month) < (start - start_month)
    return np.asarray((end_month - start_month).astype(np.int64) - unfinished, np.int64)


_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?", re.ASCII)
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


def _parse_date(text: str, format: str | None) -> date | None:
    try:
        if format:
            return datetime.strptime(text, format).date()
        if match := _ISO_DATE.fullmatch(text):
            year, month, day = match.groups()
        elif match := _US_DATE.fullmatch(text):
            month, day, year = match.groups()
        else:
            return None
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _regions(text: pa.Array) -> Ints:
    """The first digit of a ZIP code or state. 4 and 8 digits are codes that lost their leading zero."""
    digits = pc.subtract(pc.utf8_length(text), pc.utf8_length(pc.utf8_ltrim(text, "0123456789")))
    zero = pc.is_in(digits, pa.array([4, 8], digits.type))
    first = pc.cast(
        pc.if_else(zero, "0", pc.utf8_slice_codeunits(text, 0, 1)).filter(pc.greater(digits, 0)), pa.int64()
    )
    region = _per_distinct(
        pc.if_else(pc.greater(digits, 0), None, text), lambda name: STATE_REGION.get(name.upper(), UNKNOWN_REGION),
        UNKNOWN_REGION,
    )  # fmt: skip
    region[np.asarray(pc.greater(digits, 0).fill_null(False))] = np.asarray(first)
    return region


def _check_choice(column: Column, array: pa.Array, known: Sequence[str], default: str, checks: _Checks) -> Ints:
    """The index into the known names; where nothing is given, the default's."""
    index = {name: position for position, name in enumerate(known)}
    missing = pc.is_null(array)
    choice = _per_distinct(_as_text(array), lambda text: index.get(text.lower(), -1), index.get(default, -1))
    checks.reject((choice < 0) & np.asarray(missing), column.name, "is missing")
    checks.reject(choice < 0, column.name, f"is none of {', '.join(known)}")
    return choice


def _per_distinct(text: pa.Array, function: Callable[[str], Any], missing: Any) -> NDArray[Any]:
    """Apply a function once to each distinct text; nulls become `missing`, whose type the result has."""
    encoded = _as_text(text).dictionary_encode()
    kind = np.asarray(missing).dtype
    results = np.array(
        [function(value) for value in encoded.dictionary.to_numpy(zero_copy_only=False)] + [missing], kind
    )
    return np.asarray(results[np.asarray(encoded.indices.fill_null(len(results) - 1))])


def _rejects(raw: RawRows, checks: _Checks) -> list[Reject]:
    faulty = np.flatnonzero(checks.fault)
    if not len(faulty):
        return []
    taken = raw.table.take(pa.array(faulty))
    columns = {name: _as_text(taken[name]).to_pylist() for name in taken.column_names}
    rejects = []
    for i, row in enumerate(faulty):
        column, reason = checks.faults[checks.fault[row]]
        value = (columns[column][i] if column in columns else None) or ""
        rejects.append(Reject(raw.files[raw.file_index[row]], int(raw.row[row]), column, value[:_MAX_VALUE], reason))
    return rejects


def _place(reject: Reject) -> tuple[str, int]:
    return reject.file, reject.row


def hash_ids(ids: pa.Array) -> NDArray[np.uint64]:
    """64-bit FNV-1a of each text's UTF-8 bytes, (n,).

    Source: Fowler, Noll, Vo; https://datatracker.ietf.org/doc/html/rfc9923 (offset basis, prime, test vectors).
    """
    _, offsets, data = ids.buffers()
    start = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    length = np.diff(start)
    start = start[:-1].astype(np.int64)
    octets = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    hashed = np.full(len(ids), 0xCBF29CE484222325, np.uint64)
    for position in range(length.max(initial=0)):
        longer = np.flatnonzero(length > position)
        octet = octets[start[longer] + position].astype(np.uint64)
        hashed[longer] = (hashed[longer] ^ octet) * np.uint64(0x00000100000001B3)
    return hashed
