"""The first rows of a local file of any dialect, and what of its dialect the project's own reading cannot take.

A portfolio is read as UTF-8 with commas and decimal points; anything else is found here and named, with the way out.
"""

import csv
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cli import CommandError
from montecarlo.portfolio.files import format_of

ROWS = 2_000
_BYTES = 1 << 20
_DELIMITERS = ";\t|"


def of_file(path: Path, name: str) -> pa.Table:
    """The first rows, texts trimmed and null where empty.

    Raises CommandError where the file cannot be read, or not by a run.
    """
    kind = format_of(name)
    try:
        if kind == "parquet":
            batch = next(pq.ParquetFile(path).iter_batches(ROWS), None)
            if batch is None:
                raise CommandError(f"{path} has no rows.")
            table = pa.table(batch)
            return table.select([field.name for field in table.schema if not pa.types.is_nested(field.type)])
        with path.open("rb") as file:
            data = file.read(_BYTES)
        whole = len(data) < _BYTES
        if kind == "csv.gz":
            data = zlib.decompressobj(wbits=31).decompress(data, _BYTES)
            whole = whole and len(data) < _BYTES
    except (OSError, zlib.error, pa.ArrowException) as error:
        raise CommandError(f"{path} cannot be read: {error}.") from None
    return _of_csv(path, data, whole)


def _of_csv(path: Path, data: bytes, whole: bool) -> pa.Table:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 4 or whole:  # else a character that was cut off
            raise CommandError(_other_dialect(path, f"text that is not UTF-8 (byte {error.start:,})")) from None
        text = data[: error.start].decode("utf-8-sig")
    lines = text.splitlines(keepends=True)
    if not whole and len(lines) > 1:
        lines = lines[:-1]  # cut off
    head, *rows = list(csv.reader(lines[: ROWS + 1])) or [[]]
    if len(head) == 1 and any(delimiter in head[0] for delimiter in _DELIMITERS):
        raise CommandError(_other_dialect(path, f"columns parted by {_likeliest(head[0])!r}"))
    if not rows:
        raise CommandError(f"{path} has no rows below its header.")
    if len(set(head)) < len(head):
        raise CommandError(f"{path} has the column {next(n for n in head if head.count(n) > 1)!r} twice: rename one.")
    good = [row for row in rows if len(row) == len(head)]
    columns = zip(*good, strict=True) if good else [()] * len(head)
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in zip(head, columns, strict=True)})
    return pa.table({name: _or_null(pc.utf8_trim_whitespace(table[name])) for name in head})


def _or_null(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)


def _likeliest(head: str) -> str:
    return max(_DELIMITERS, key=head.count)


def _other_dialect(path: Path, what: str) -> str:
    return (
        f"{path} has {what}. A run reads UTF-8 with commas between the columns and a decimal point: write the file so, "
        "or as Parquet."
    )
