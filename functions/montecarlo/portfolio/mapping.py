"""Where a bank's own files keep the portfolio's columns.

Imports the room's columns and dates and our errors only.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from montecarlo.errors import InvalidInput, checked_text, shown
from montecarlo.portfolio.columns import COLUMN, Column
from montecarlo.portfolio.dates import is_format, parse_date

_CURRENCY = re.compile("[A-Z]{3}")


DIMENSION = "dimension "
"""Stands before a dimension's name where it is a column among the portfolio's."""


@dataclass(frozen=True)
class Origin:
    """Where one column of the portfolio comes from: columns of the file, a constant, or the row's number."""

    columns: tuple[str, ...] = ()
    """Of these the first that is not empty counts, or all of them where there is a separator."""
    separator: str | None = None
    constant: str | None = None
    row_prefix: str | None = None
    file_name: bool = False
    """Whether the file's name stands between prefix and row number."""
    scale: float = 1.0
    format: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnMapping:
    """How a bank's columns become the portfolio's. The empty mapping expects the portfolio's own names.

    JSON: ``{"columns": {<portfolio column>: <origin>}, "dimensions": {<name>: <origin>}, "as_of": "YYYY-MM-DD",
    "currency": "USD"}``; all keys are optional, as_of is the date the data was taken, currency the ISO 4217 code of all
    amounts. Dimensions are what a run may break its results down by. An origin is the name of a column of the file, or
    one of::

        {"from": "col" | ["first choice", "second"], "scale": 100, "format": "%b-%Y", "values": {"theirs": "ours"}}
        {"constant": "personal"}
        {"join": ["branch", "number"], "separator": "-"}
        {"row_number": true, "prefix": "LC-", "file_name": true}

    Of several columns the first that is not empty counts. ``scale`` multiplies a number, ``format`` is strptime's and
    reads a date, ``values`` translates cells before they are parsed. The last two are for AccountID: columns that
    identify a loan together, and the row's number, which identifies a loan in one file unless the file's name is part.
    """

    origins: Mapping[str, Origin] = field(default_factory=dict)
    as_of: date | None = None
    currency: str = "USD"
    dimensions: Mapping[str, Origin] = field(default_factory=dict)
    """Those that are read, by name."""

    @classmethod
    def parse(cls, document: Mapping[str, Any] | None, dimensions: Sequence[str] = ()) -> "ColumnMapping":
        """Parse the JSON document (None is the empty mapping). Raises InvalidInput naming the key that is wrong.

        dimensions: names of those to read. One that the document does not tell of is the portfolio's column of that
        name, or else the file's.
        """
        given = _object({} if document is None else document, "mapping", {"columns", "dimensions", "as_of", "currency"})
        columns = _object(given.get("columns", {}), "mapping columns", set(COLUMN))
        origins = {name: _parse_origin(COLUMN[name], origin) for name, origin in columns.items()}
        told = _object(given.get("dimensions", {}), "mapping dimensions", None)
        named = {_text(name, "name of a dimension"): _parse_origin(_dimension(name), told[name]) for name in told}
        return cls(
            origins,
            _parse_as_of(given.get("as_of")),
            _parse_currency(given.get("currency", cls.currency)),
            {name: named.get(name) or origins.get(name) or Origin((name,)) for name in dimensions},
        )

    def origin(self, column: str) -> Origin:
        """Where a column of the portfolio, or a dimension's, comes from; under its own name unless mapped."""
        if column.startswith(DIMENSION):
            return self.dimensions[column.removeprefix(DIMENSION)]
        return self.origins.get(column) or Origin((column,))

    @property
    def numbers_rows(self) -> bool:
        """Whether AccountIDs are row numbers alone, so that a second file would repeat those of the first."""
        account = self.origin("AccountID")
        return account.row_prefix is not None and not account.file_name


_KEYS = {
    "from": {"from", "scale", "format", "values"},
    "constant": {"constant"},
    "join": {"join", "separator"},
    "row_number": {"row_number", "prefix", "file_name"},
}
"""What may stand beside each kind of origin."""


def _parse_origin(column: Column, value: object) -> Origin:
    where = f"mapping of {column.name}"
    if isinstance(value, str):
        return Origin((_text(value, where),))
    given = _object(value, where, set().union(*_KEYS.values()))
    kinds = [kind for kind in _KEYS if kind in given]
    if len(kinds) != 1:
        raise InvalidInput(f"The {where} must have exactly one of {', '.join(_KEYS)}, not {shown(kinds or None)}.")
    (kind,) = kinds
    _object(value, where, _KEYS[kind])
    if kind in ("join", "row_number") and column.name != "AccountID":
        raise InvalidInput(f"The {where} has {kind}, which is for AccountID only.")
    if kind == "constant":
        return Origin(constant=_parse_constant(given["constant"], where))
    if kind == "join":
        separator = _text(given.get("separator", "-"), f"separator in the {where}")
        if not separator or not isinstance(given["join"], list) or len(given["join"]) < 2:
            raise InvalidInput(
                f"The {where} must have in join a list of two columns or more, and a separator that is not empty: "
                "best one that no cell of theirs has, as ('1-2', '3') and ('1', '2-3') would both become '1-2-3'."
            )
        return Origin(_names(given["join"], where), separator=separator)
    if kind == "row_number":
        if given["row_number"] is not True or not isinstance(given.get("file_name", False), bool):
            raise InvalidInput(
                f'The {where} is wrong: write {{"row_number": true, "prefix": "text", "file_name": true or false}}.'
            )
        prefix = _text(given.get("prefix", ""), f"prefix in the {where}")
        return Origin(row_prefix=prefix, file_name=given.get("file_name", False))
    return Origin(
        _names(given["from"] if isinstance(given["from"], list) else [given["from"]], where),
        scale=_parse_scale(column, given.get("scale", 1), where),
        format=_parse_format(column, given.get("format"), where),
        values=_parse_values(given.get("values", {}), where),
    )


def _dimension(name: str) -> Column:
    return Column(f"the dimension {name}", "text", "", "never", "")


def _object(value: object, where: str, known: set[str] | None) -> Mapping[str, Any]:
    """The value, if it is an object with none but the known keys (None: any)."""
    if not isinstance(value, Mapping):
        raise InvalidInput(f"The {where} must be a JSON object, not {shown(value)}.")
    for key in value:
        if known is not None and key not in known:
            raise InvalidInput(f"The {where} has the unknown key {shown(key)}. Known: {', '.join(sorted(known))}.")
    return value


def _text(value: object, where: str) -> str:
    return checked_text(value, f"The {where}")


def _names(value: list[Any], where: str) -> tuple[str, ...]:
    if not value:
        raise InvalidInput(f"The {where} must name a column or a list of them, not {shown(value)}.")
    return tuple(_text(name, f"name of a column in the {where}") for name in value)


def _parse_as_of(value: object) -> date | None:
    if value is None:
        return None
    parsed = parse_date(value, None) if isinstance(value, str) else None
    if parsed is None:
        raise InvalidInput(f"The mapping's as_of must be a date such as '2026-01-31', not {shown(value)}.")
    return parsed


def _parse_currency(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise InvalidInput(f"The mapping's currency must be an ISO 4217 code such as 'EUR', not {shown(value)}.")
    return value


def _parse_constant(value: object, where: str) -> str:
    if isinstance(value, str):
        return _text(value, where)
    if _as_float(value) is None:
        raise InvalidInput(f"The {where} must have a text or a number as its constant, not {shown(value)}.")
    return str(value)


def _parse_scale(column: Column, value: object, where: str) -> float:
    scale = _as_float(value)
    if not scale or not 0 < scale < math.inf:
        raise InvalidInput(f"The {where} must have a scale above zero, not {shown(value)}.")
    if column.kind != "number" and scale != 1:
        raise InvalidInput(f"The {where} must have no scale: {column.name} is a {column.kind}.")
    return scale


def _as_float(value: object) -> float | None:
    """None for what is no number, or too large for one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None


def _parse_format(column: Column, value: object, where: str) -> str | None:
    if value is None:
        return None
    if column.kind != "date" or not isinstance(value, str):
        raise InvalidInput(
            f"The {where} has the format {shown(value)}, but a format is a text such as '%b-%Y' and for dates only."
        )
    if not is_format(value):
        raise InvalidInput(
            f"The {where} has the format {shown(value)}, which does not tell year and month: write each directive "
            "once, such as '%d.%m.%Y'."
        )
    return value


def _parse_values(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"The {where} must have in values an object of texts, not {shown(value)}.")
    inside = f"values in the {where}"
    return {_text(theirs, inside): _text(ours, inside) for theirs, ours in value.items()}
