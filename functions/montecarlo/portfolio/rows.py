"""Rows of a portfolio's files under the portfolio's column names, with where each came from.

`read_rows` takes them from a CSV or Parquet file (a `ColumnMapping` tells where a bank keeps the columns), `gather`
joins the slices of a chunk. No row gets lost: one that cannot even be read becomes a reject.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.cells import as_text, is_utf8, plain, without_blanks
from montecarlo.portfolio.columns import COLUMNS
from montecarlo.portfolio.files import Format, Ints, column_names, open_parquet, read_csv, read_parquet
from montecarlo.portfolio.mapping import ColumnMapping, Origin
from montecarlo.portfolio.rejects import MAX_VALUE, Reject, place


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


def check_columns(names: list[str], file: str, mapping: ColumnMapping) -> dict[str, str]:
    """Check that a file with these columns can be used. Raises InvalidPortfolio naming the file and what it lacks.

    Returns the file's columns to read, each with the portfolio's column it serves.
    """
    has = f"It has: {', '.join(names)}."
    for column, origin in mapping.origins.items():
        for wanted in origin.columns:
            if wanted not in names:
                raise InvalidPortfolio(f"{file} has no column {wanted!r}, which the mapping names for {column}. {has}")
    available = set(mapping.origins) | set(names)
    missing = [
        column.name
        for column in COLUMNS
        if column.name not in available and column.is_needed("PD" in available, "EAD" in available)
    ]
    if missing:
        raise InvalidPortfolio(
            f"{file} has no column {', '.join(missing)}. {has} Name the columns so, or say in a mapping where they are."
        )
    wanted_by = {name: c.name for c in COLUMNS if c.name in available for name in mapping.origin(c.name).columns}
    for name in wanted_by:
        if names.count(name) > 1:
            raise InvalidPortfolio(f"{file} has the column {name!r} more than once. Rename or remove all but one.")
    return wanted_by


def read_rows(
    file: BinaryIO,
    name: str,
    format: Format,
    mapping: ColumnMapping,
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
        parquet = open_parquet(file, name)
        names = list(parquet.schema_arrow.names)
        wanted_by = check_columns(names, name, mapping)
        table, number = read_parquet(parquet, name, list(wanted_by), rows)
        ragged: list[Reject] = []
    else:
        names = column_names(file, name, format)
        wanted_by = check_columns(names, name, mapping)
        table, number, ragged = read_csv(file, name, format, list(wanted_by), rows)
    number += rows_before
    ragged = [replace(reject, row=reject.row + rows_before) for reject in ragged]
    table, number, undecodable = _decode(table, number, name, wanted_by)
    columns = {
        column.name: _from_origin(mapping.origin(column.name), table, number)
        for column in COLUMNS
        if column.name in mapping.origins or column.name in names
    }
    rejects = tuple(sorted(ragged + undecodable, key=place))
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
        texts = [pa.table({name: as_text(table[name]) for name in table.column_names}) for table in tables]
        return pa.concat_tables(texts, promote_options="permissive").combine_chunks()


def _decode(table: pa.Table, number: Ints, file: str, wanted_by: dict[str, str]) -> tuple[pa.Table, Ints, list[Reject]]:
    """Bytes become text; rows with bytes that are not UTF-8 become rejects."""
    columns: dict[str, pa.Array] = {}
    rejects: dict[int, Reject] = {}
    for name, target in wanted_by.items():
        column = plain(table[name], file, name)
        if pa.types.is_binary(column.type):
            try:
                column = pc.cast(column, pa.string())
            except pa.ArrowInvalid:
                cells = column.to_pylist()
                for row in (row for row, cell in enumerate(cells) if not is_utf8(cell) and row not in rejects):
                    value = cells[row].decode("utf-8", "replace")[:MAX_VALUE]
                    rejects[row] = Reject(file, int(number[row]), target, value, f"{target} is not UTF-8 text")
                column = pa.array([(cell or b"").decode("utf-8", "replace") for cell in cells], pa.string())
            column = without_blanks(column)
        columns[name] = column
    decoded = pa.table(columns)
    if not rejects:
        return decoded, number, []
    good = np.ones(len(number), np.bool_)
    good[list(rejects)] = False
    return decoded.filter(pa.array(good)), number[good], list(rejects.values())


def _from_origin(origin: Origin, table: pa.Table, number: Ints) -> pa.Array:
    if origin.constant is not None:
        return pa.repeat(pa.scalar(origin.constant), len(number))
    if origin.row_prefix is not None:
        return pc.binary_join_element_wise(origin.row_prefix, pc.cast(pa.array(number), pa.string()), "")
    choices = [table[name].combine_chunks() for name in origin.columns]
    if len({choice.type for choice in choices}) > 1:
        choices = [as_text(choice) for choice in choices]
    array = pc.coalesce(*choices) if len(choices) > 1 else choices[0]
    if origin.values:
        array = as_text(array)
        place = pc.index_in(array, pa.array(origin.values.keys(), pa.string()))
        array = pc.coalesce(pa.array(origin.values.values(), pa.string()).take(place), array)
    return array
