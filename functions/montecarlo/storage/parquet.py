"""Tables as Parquet files, all written here: Snappy is the one codec that every reader and the managed layer have.

Imports PyArrow only.
"""

import io
from collections.abc import Collection

import pyarrow as pa
import pyarrow.parquet as pq


def to_parquet(
    table: pa.Table, row_group_rows: int | None = None, *, all_repeat: bool = False, dense: Collection[str] = ()
) -> bytes:
    """The table as a file, in row groups of so many rows (by default PyArrow's million).

    Columns of a dictionary type are encoded as dictionaries; with `all_repeat` every column is, where it pays. dense:
    columns that would hardly become smaller, and are not compressed.
    """
    dictionaries = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        compression={name: "none" if name in dense else "snappy" for name in table.column_names},
        row_group_size=row_group_rows,
        use_dictionary=True if all_repeat else dictionaries,
        write_statistics=False,  # a third of the time, and no one searches these files
    )
    return buffer.getvalue()
