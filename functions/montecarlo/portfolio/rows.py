"""Rows of a portfolio's files under the portfolio's column names, with where each came from.

`read_rows` takes them from a CSV or Parquet file (a `ColumnMapping` tells where a bank keeps the columns), `gather`
joins the slices of a chunk. No row gets lost: one that cannot even be read becomes a reject. What a cell means depends
on its own file alone, never on the files beside it in a chunk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio import filters
from montecarlo.portfolio.cells import as_text, decoded, is_text, plain, without_blanks
from montecarlo.portfolio.columns import COLUMN
from montecarlo.portfolio.dialect import PLAIN, Dialect
from montecarlo.portfolio.files import Format, Ints, RowRange, open_rows
from montecarlo.portfolio.filters import Cells, Filter
from montecarlo.portfolio.mapping import DIMENSION, GRADE, REGIONS, ColumnMapping, Origin
from montecarlo.portfolio.rejects import MAX_VALUE, Reject, place


@dataclass(frozen=True)
class RawRows:
    """Rows as the files have them, under the portfolio's column names, with where each came from."""

    tables: tuple[pa.Table, ...]
    """The rows of files with the same columns of the same types, one table after the other. Texts are trimmed and null
    when empty; Parquet's own types are kept, so that each is parsed as in its file alone."""
    files: tuple[str, ...]
    file_index: NDArray[np.int32]
    """(n,) index into `files`."""
    row: Ints
    """(n,) 1-based data row of the file."""
    rejects: tuple[Reject, ...] = ()
    """Rows that could not even be read, hence not in the tables."""
    filtered: int = 0
    """Rows that filters leave out."""


def read_rows(
    file: BinaryIO,
    name: str,
    format: Format,
    mapping: ColumnMapping,
    rows: RowRange | None = None,
    rows_before: int = 0,
    holds: int | None = None,
) -> RawRows:
    """Read rows ``[rows[0], rows[1])`` (0-based; None: all) of a seekable file.

    Of Parquet only the row groups and columns needed are read; a CSV is read from its start up to the last row asked
    for. A single bad row becomes a reject. Raises InvalidPortfolio if the file cannot be read, lacks a column, or has
    fewer rows than asked for.

    rows_before: the rows cut off in front, if `file` is only a part of the file `name` (a CSV's header and a range of
    its bytes); rows are numbered as in the whole file. holds: how many rows `file` must have, where that is known.
    """
    opened = open_rows(file, name, format, mapping.dialect)
    wanted_by = check_columns(opened.columns, name, mapping)
    cells = opened.read(list(wanted_by), rows, holds)
    ragged = [replace(reject, row=reject.row + rows_before) for reject in cells.ragged]
    dialect = PLAIN if format == "parquet" else mapping.dialect
    table, number = cells.table, cells.number + rows_before
    table, number, undecodable = _decode(table, number, name, wanted_by, dialect, mapping.missing)
    table, number, unclear, filtered = _filter(table, number, name, mapping)
    columns = {
        column.name: _from_origin(column.name, mapping.origin(column.name), table, number, name, mapping.dialect)
        for column in mapping.columns
        if column.name in mapping.origins or column.name in opened.columns
    } | {
        f"{DIMENSION}{dimension}": _from_origin(dimension, origin, table, number, name, mapping.dialect)
        for dimension, origin in mapping.dimensions.items()
    }
    rejects = tuple(sorted(ragged + undecodable + unclear, key=place))
    return RawRows((pa.table(columns),), (name,), np.zeros(len(number), np.int32), number, rejects, filtered)


_WHERE = ": name one of the file's, or say where it is in the mapping."


def check_columns(names: list[str], file: str, mapping: ColumnMapping) -> dict[str, str]:
    """Check that a file with these columns can be used. Raises InvalidPortfolio naming the file and what it lacks.

    Returns the file's columns to read, each with the portfolio's column it serves.
    """
    named = [
        (wanted, f", which the mapping names for {column}.")
        for column, origin in mapping.origins.items()
        for wanted in origin.columns
    ]
    named += [
        (column, ", which the mapping names in its filter.") for column in filters.columns_of([mapping.conditions])
    ]
    named += [
        (wanted, f", which the filter {'names' if wanted == column else f'needs for {column}'}.")
        for column, origin in mapping.filtered_by.items()
        for wanted in origin.columns
        if column not in COLUMN
    ]
    named += [
        (wanted, f" for {'the region' if dimension == REGIONS else f'the dimension {dimension}'}{_WHERE}")
        for dimension, origin in mapping.dimensions.items()
        for wanted in origin.columns
    ]
    for wanted, use in named:
        if wanted not in names:
            raise InvalidPortfolio(f"{file} has no column {wanted!r}{use} {_known(names, mapping)}")
    available = set(mapping.origins) | set(names)
    has_pd = "PD" in available or (GRADE in available and bool(mapping.grades))
    missing = [
        column.name
        for column in mapping.columns
        if column.name not in available
        and not (column.name == "ZipCode" and mapping.names_regions)
        and column.is_needed(has_pd, "EAD" in available)
    ]
    if missing:
        raise InvalidPortfolio(
            f"{file} has no column {', '.join(missing)}. {_known(names, mapping)} Name the columns so, or say in a "
            "mapping where they are."
        )
    wanted_by = {name: dimension for dimension, origin in mapping.dimensions.items() for name in origin.columns}
    ours = [column.name for column in mapping.columns if column.name in available]
    wanted_by |= {name: column for column in ours for name in mapping.origin(column).columns}
    further = [*filters.columns_of([mapping.conditions])]
    further += [name for origin in mapping.filtered_by.values() for name in origin.columns if name in names]
    wanted_by |= {name: name for name in further if name not in wanted_by}
    for name in wanted_by:
        if names.count(name) > 1:
            raise InvalidPortfolio(f"{file} has the column {name!r} more than once. Rename or remove all but one.")
    return wanted_by


def _known(names: list[str], mapping: ColumnMapping) -> str:
    """What a file has of the names that are looked for, in words. Others are not told: they may be a row's cells."""
    origins = (*map(mapping.origin, COLUMN), *mapping.dimensions.values())
    wanted = dict.fromkeys(name for origin in origins for name in origin.columns)
    same = {name.casefold() for name in names}
    found = [name for name in dict.fromkeys([*COLUMN, *wanted]) if name in names]
    near = [name for name in wanted if name not in names and name.casefold() in same]
    if not found and not near:
        if len(names) == 1:
            return (
                "The name of its only column is not known: is its first line a header, and are its columns parted by "
                "what the mapping's dialect says?"
            )
        return f"None of its {len(names)} columns has a name that is known: is its first line a header?"
    other = f" {', '.join(near)} {'is' if len(near) == 1 else 'are'} written otherwise there." if near else ""
    return f"Of its {len(names)} columns these are known: {', '.join(found) or 'none'}.{other}"


def gather(parts: Sequence[RawRows]) -> RawRows:
    """Join the slices of a chunk: those with the same columns of the same types become one table, in their order."""
    if len(parts) == 1:
        return parts[0]
    alike: dict[pa.Schema, list[RawRows]] = {}
    for part in parts:
        (table,) = part.tables
        alike.setdefault(table.schema, []).append(part)
    ordered = [part for some in alike.values() for part in some]
    files = tuple(dict.fromkeys(name for part in parts for name in part.files))
    index = {name: position for position, name in enumerate(files)}
    file_index = [np.array([index[name] for name in part.files], np.int32)[part.file_index] for part in ordered]
    return RawRows(
        tuple(pa.concat_tables([part.tables[0] for part in some]).combine_chunks() for some in alike.values()),
        files,
        np.concatenate([*file_index, np.empty(0, np.int32)]),
        np.concatenate([*(part.row for part in ordered), np.empty(0, np.int64)]),
        tuple(reject for part in parts for reject in part.rejects),
        sum(part.filtered for part in parts),
    )


def _decode(
    table: pa.Table,
    number: Ints,
    file: str,
    wanted_by: dict[str, str],
    dialect: Dialect,
    missing: Sequence[str],
) -> tuple[pa.Table, Ints, list[Reject]]:
    """Bytes become text, and texts that mean missing null; rows with bytes that are no text become rejects."""
    columns: dict[str, pa.Array] = {}
    rejects: dict[int, Reject] = {}
    encoding = dialect.encoding
    for name, target in wanted_by.items():
        column = plain(table[name], file, name)
        if pa.types.is_binary(column.type):
            text = decoded(column, encoding)
            if text is None:
                cells = column.to_pylist()
                for row, cell in enumerate(cells):
                    if not is_text(cell, encoding) and row not in rejects:
                        value = cell.decode(encoding, "replace")[:MAX_VALUE]
                        reason = f"{target} is not {dialect.encoding_name} text"
                        rejects[row] = Reject(file, int(number[row]), target, value, reason)
                text = pa.array([(cell or b"").decode(encoding, "replace") for cell in cells], pa.string())
            column = without_blanks(text)
        if missing:
            is_missing = pc.is_in(as_text(column), pa.array(missing, pa.string()))
            column = pc.if_else(is_missing, pa.scalar(None, column.type), column)
        columns[name] = column
    decoded_table = pa.table(columns)
    if not rejects:
        return decoded_table, number, []
    good = np.ones(len(number), np.bool_)
    good[list(rejects)] = False
    return decoded_table.filter(pa.array(good)), number[good], list(rejects.values())


def _filter(
    table: pa.Table, number: Ints, file: str, mapping: ColumnMapping
) -> tuple[pa.Table, Ints, list[Reject], int]:
    """The rows that the filters keep, rejects of those that they cannot judge, and how many they leave out."""
    kept, rejects = np.ones(len(table), np.bool_), dict[int, Reject]()
    for chosen, cells in _filters(table, number, file, mapping):
        keeps, unclear = filters.apply(chosen, cells, len(table))
        kept &= keeps
        for (column, kind), rows in unclear.items():
            for row in (int(row) for row in np.flatnonzero(rows) if row not in rejects):
                value = as_text(cells[column].array[row : row + 1])[0].as_py()[:MAX_VALUE]
                reason = f"{column} is not a {'finite number' if kind == 'number' else kind}, which the filter compares"
                rejects[row] = Reject(file, int(number[row]), column, value, reason)
    if kept.all() and not rejects:
        return table, number, [], 0
    kept[list(rejects)] = False
    return (
        table.filter(pa.array(kept)),
        number[kept],
        list(rejects.values()),
        len(table) - int(kept.sum()) - len(rejects),
    )


def _filters(
    table: pa.Table, number: Ints, file: str, mapping: ColumnMapping
) -> Iterator[tuple[Filter, dict[str, Cells]]]:
    """The mapping's filter and the further ones, each with the cells that it judges."""
    if mapping.conditions:
        own = filters.columns_of([mapping.conditions])
        yield mapping.conditions, {name: Cells(table[name].combine_chunks(), mapping.dialect) for name in own}
    for chosen in mapping.filters:
        cells = {}
        for name in filters.columns_of([chosen]):
            origin = mapping.filtered_by[name]
            array = pa.nulls(len(table), pa.string())
            if not origin.columns or all(column in table.column_names for column in origin.columns):
                array = _from_origin(name, origin, table, number, file, mapping.dialect)
            cells[name] = Cells(
                filters.as_ours(name, array), mapping.dialect, origin.unit, origin.scale, origin.format, origin.language
            )
        yield chosen, cells


def _from_origin(column: str, origin: Origin, table: pa.Table, number: Ints, file: str, dialect: Dialect) -> pa.Array:
    """A column of the portfolio, (n,), from the file's columns."""
    if origin.computed:  # from the loan's other columns, once they are read
        return pa.nulls(len(number), pa.string())
    if origin.constant is not None:
        return pa.repeat(pa.scalar(origin.constant), len(number))
    if origin.row_prefix is not None:
        prefix = f"{origin.row_prefix}{PurePosixPath(file).name}:" if origin.file_name else origin.row_prefix
        return pc.binary_join_element_wise(prefix, pc.cast(pa.array(number), pa.string()), "")
    choices = [table[name].combine_chunks() for name in origin.columns]
    types = {choice.type for choice in choices}
    if column in ("AccountID", "ObligorID") and any(map(pa.types.is_floating, types)):
        raise InvalidPortfolio(
            f"{file} has floating-point numbers as {column}, which lose digits. Write them as text or whole numbers."
        )
    if origin.format and len(types) > 1 and any(map(pa.types.is_temporal, types)):
        raise InvalidPortfolio(
            f"{file} has different types in the columns {', '.join(origin.columns)}, which one format cannot read. "
            "Write all of them as dates of one type."
        )
    is_number = column in COLUMN and COLUMN[column].kind == "number"
    decimal = dialect.decimal if is_number else "."
    if len(types) > 1 or origin.separator is not None:
        choices = [_spelled(choice, decimal) for choice in choices]
    if origin.separator is not None:
        array = pc.binary_join_element_wise(*choices, origin.separator)
    else:
        array = pc.coalesce(*choices) if len(choices) > 1 else choices[0]
    return _translated(array, origin, decimal) if origin.values else array


def _spelled(array: pa.Array, decimal: str) -> pa.Array:
    """The cells as text; a file's own numbers with the decimal mark that texts beside them have."""
    text = as_text(array)
    is_text = pa.types.is_string(array.type) or decimal == "."
    return text if is_text else pc.replace_substring(text, ".", decimal)


def _translated(array: pa.Array, origin: Origin, decimal: str) -> pa.Array:
    """The cells translated, (n,) text: those that are not named become the default, or stay; missing ones stay so."""
    found = pc.index_in(as_text(array), pa.array(origin.values.keys(), pa.string()))
    array = _spelled(array, decimal)
    if origin.default is not None:
        array = pc.if_else(pc.is_valid(array), pa.scalar(origin.default), array)
    return pc.coalesce(pa.array(origin.values.values(), pa.string()).take(found), array)
