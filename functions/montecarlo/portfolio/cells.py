"""Cells of whatever type a file has, as text or as numbers.

Parsed numbers are the same to the last bit on every CPU: text becomes a double by Arrow's cast, which rounds correctly.
Imports numpy and pyarrow only.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from montecarlo.errors import InvalidPortfolio

Floats = NDArray[np.float64]


def as_text(array: pa.Array) -> pa.Array:
    """The values as strings; timestamps in UTC. Raises ArrowInvalid for bytes that are not UTF-8."""
    if pa.types.is_timestamp(array.type):
        array = pc.cast(array, pa.timestamp(array.type.unit))  # UTC: needs no time zone database
    return array if pa.types.is_string(array.type) else pc.cast(array, pa.string())


def numbers(array: pa.Array) -> Floats:
    """Doubles, correctly rounded; NaN for null and for what is no number."""
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        array = as_text(array)  # decimals too: through text they are rounded correctly
        try:
            array = pc.cast(array, pa.float64())
        except pa.ArrowInvalid:
            is_number = pc.match_substring_regex(array, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
            array = pc.cast(pc.if_else(is_number, array, pa.scalar(None, pa.string())), pa.float64())
    return np.array(pc.fill_null(pc.cast(array, pa.float64(), safe=False), float("nan")))


def plain(column: pa.ChunkedArray, file: str, name: str) -> pa.Array:
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


def without_blanks(text: pa.Array) -> pa.Array:
    """Trimmed, and null where nothing is left: an empty cell is a missing value."""
    trimmed = pc.ascii_trim_whitespace(text)
    return pc.if_else(pc.equal(pc.binary_length(trimmed), 0), pa.scalar(None, pa.string()), trimmed)


def is_utf8(cell: bytes | None) -> bool:
    """Whether a cell's bytes are text; a missing cell is."""
    try:
        (cell or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
