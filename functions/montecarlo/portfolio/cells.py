"""Cells of whatever type a file has, as text or as numbers.

Parsed numbers are the same to the last bit on every CPU: text becomes a double by Arrow's cast, which rounds correctly.
Imports the standard library, numpy, pyarrow, our errors and the room's dates and dialect only.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.dates import parse_date
from montecarlo.portfolio.dialect import PLAIN, Dialect

Floats = NDArray[np.float64]


def as_text(array: pa.Array) -> pa.Array:
    """The cells as text, (n,): numbers in the shortest form that gives the same number back, dates as YYYY-MM-DD."""
    if pa.types.is_float16(array.type) or pa.types.is_float32(array.type):
        array = pc.cast(array, pa.float64())  # exact, so that the text is the number's and not its type's
    if pa.types.is_timestamp(array.type):
        array = pc.cast(array, pa.timestamp(array.type.unit))  # UTC: needs no time zone database
    if pa.types.is_decimal(array.type):
        return _decimal_text(array)
    return array if pa.types.is_string(array.type) else pc.cast(array, pa.string())


def _decimal_text(array: pa.Array) -> pa.Array:
    """Without the zeros that only a type's scale adds, so that 3.00 names the loan that the whole number 3 does."""
    text = pc.cast(array, pa.string())  # 3.5000, 3.0000, 0E-10, 1.50E-8
    for pattern, kept in ((r"^0E-[0-9]+$", "0"), (r"(\.[0-9]*[1-9])0+(E|$)", r"\1\2"), (r"\.0+(E|$)", r"\1")):
        text = pc.replace_substring_regex(text, pattern, kept)
    return text


def numbers(array: pa.Array, dialect: Dialect = PLAIN, units: Sequence[str] = ()) -> Floats:
    """Doubles, correctly rounded; NaN for null and for what is no number.

    Texts are read as the dialect spells numbers. units: what may stand before or after one, capitals or not.
    """
    spelled = (dialect.decimal, dialect.thousands, dialect.minus)
    if pa.types.is_string(array.type) and (units or spelled != (".", "", "before")):
        array = _respelled(array, dialect, units)
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        array = as_text(array)  # decimals too: through text they are rounded correctly
        try:
            array = pc.cast(array, pa.float64())
        except pa.ArrowInvalid:
            is_number = pc.match_substring_regex(array, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
            array = pc.cast(pc.if_else(is_number, array, pa.scalar(None, pa.string())), pa.float64())
    return np.array(pc.fill_null(pc.cast(array, pa.float64(), safe=False), float("nan")))


_BLANK = r"[ \t\x{A0}\x{202F}]"
_THOUSANDS = {" ": _BLANK, "'": "['\u2019]"}
"""Further characters that are written for one."""


def _respelled(text: pa.Array, dialect: Dialect, units: Sequence[str]) -> pa.Array:
    """Numbers with a decimal point and nothing else, null for what is no number in this dialect.

    Thousands must stand in groups of three and begin with no zero, so that with a comma between them neither 1,5 nor
    0,123 is taken for a whole number.
    """
    if units:
        unit = "|".join(re.escape(each) for each in sorted(units, key=len, reverse=True))
        for pattern in (f"(?i)^(?:{unit}){_BLANK}*", f"(?i){_BLANK}*(?:{unit})$"):
            text = pc.replace_substring_regex(text, pattern, "")
    if dialect.minus == "behind":
        text = pc.replace_substring_regex(text, f"^([^+-]*[0-9.,]){_BLANK}*-$", r"-\1")
    decimal = re.escape(dialect.decimal)
    whole = "[0-9]+"
    if dialect.thousands:
        between = _THOUSANDS.get(dialect.thousands, re.escape(dialect.thousands))
        whole = f"(?:[0-9]+|[1-9][0-9]{{0,2}}(?:{between}[0-9]{{3}})+)"
    number = f"^[+-]?(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?$"
    text = pc.if_else(pc.match_substring_regex(text, number), text, pa.scalar(None, pa.string()))
    if dialect.thousands:
        text = pc.replace_substring_regex(text, between, "")
    return pc.replace_substring(text, dialect.decimal, ".")


_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def days(array: pa.Array) -> NDArray[np.datetime64]:
    """Dates and timestamps as days, (n,) datetime64[D], those of UTC; NaT for null."""
    if pa.types.is_timestamp(array.type):  # by hand: Arrow's cast refuses dates that are far off
        ticks = np.array(pc.cast(array, pa.int64()).fill_null(0))
        found = (ticks // _DAY[array.type.unit]).astype("datetime64[D]")
    else:
        per_day = 1 if pa.types.is_date32(array.type) else _DAY["ms"]
        kind = pa.int32() if pa.types.is_date32(array.type) else pa.int64()
        found = (np.array(pc.cast(array, kind).fill_null(0)).astype(np.int64) // per_day).astype("datetime64[D]")
    found[np.asarray(pc.is_null(array))] = np.datetime64("NaT", "D")
    return np.asarray(found)


def dates(array: pa.Array, format: str | None = None, language: str | None = None) -> NDArray[np.datetime64]:
    """As `days`, of whatever type: texts are read as `parse_date` does. NaT for null and for what is no date."""
    if pa.types.is_temporal(array.type):
        return days(array)
    read = partial(parse_date, format=format, language=language)
    return per_distinct(as_text(array), read, np.datetime64("NaT", "D"))


def per_distinct(text: pa.Array, function: Callable[[str], Any], missing: Any) -> NDArray[Any]:
    """Apply a function once to each distinct text; nulls become `missing`, whose type the result has."""
    encoded = as_text(text).dictionary_encode()
    kind = np.asarray(missing).dtype
    results = np.array(
        [function(value) for value in encoded.dictionary.to_numpy(zero_copy_only=False)] + [missing], kind
    )
    return np.asarray(results[np.asarray(encoded.indices.fill_null(len(results) - 1))])


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
        outer = str(kind).partition("<")[0]  # a struct's fields have names of their own, which nobody knows
        raise InvalidPortfolio(f"{file} has in column {name!r} the type {outer}. Write it as text, number or date.")
    return array


def without_blanks(text: pa.Array) -> pa.Array:
    """Trimmed, and null where nothing is left: an empty cell is a missing value."""
    trimmed = pc.ascii_trim_whitespace(text)
    return pc.if_else(pc.equal(pc.binary_length(trimmed), 0), pa.scalar(None, pa.string()), trimmed)


def is_text(cell: bytes | None, encoding: str) -> bool:
    """Whether a cell's bytes are text; a missing cell is."""
    try:
        (cell or b"").decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def decoded(column: pa.Array, encoding: str) -> pa.Array | None:
    """Bytes as text, (n,); None where a cell's bytes are none."""
    try:
        text = pc.cast(column, pa.string())
    except pa.ArrowInvalid:
        text = None
    if encoding == "utf-8" or (text is not None and pc.all(pc.string_is_ascii(text)).as_py() is not False):
        return text
    try:
        return pa.array([cell if cell is None else cell.decode(encoding) for cell in column.to_pylist()], pa.string())
    except UnicodeDecodeError:
        return None
