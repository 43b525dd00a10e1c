"""Where a bank's own files keep the portfolio's columns.

Imports the room's columns and dates only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from montecarlo.errors import InvalidInput
from montecarlo.portfolio.columns import COLUMN, Column
from montecarlo.portfolio.dates import parse_date

_CURRENCY = re.compile("[A-Z]{3}")


@dataclass(frozen=True)
class Origin:
    """Where one column of the portfolio comes from: columns of the file, a constant, or the row's number."""

    columns: tuple[str, ...] = ()
    constant: str | None = None
    row_prefix: str | None = None
    scale: float = 1.0
    format: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnMapping:
    """How a bank's columns become the portfolio's. The empty mapping expects the portfolio's own names.

    JSON: ``{"columns": {<portfolio column>: <source>}, "as_of": "YYYY-MM-DD", "currency": "USD"}``; all keys are
    optional, as_of is the date the data was taken, currency the ISO 4217 code of all amounts. A source is the name of a
    column of the file, or one of::

        {"from": "col" | ["first choice", "second"], "scale": 100, "format": "%b-%Y", "values": {"theirs": "ours"}}
        {"constant": "personal"}
        {"row_number": true, "prefix": "LC-"}

    Of several columns the first that is not empty counts. ``scale`` multiplies a number, ``format`` is strptime's and
    reads a date, ``values`` translates cells before they are parsed. Row numbers identify loans in one file only.
    """

    origins: Mapping[str, Origin] = field(default_factory=dict)
    as_of: date | None = None
    currency: str = "USD"

    @classmethod
    def parse(cls, document: Mapping[str, Any] | None) -> "ColumnMapping":
        """Parse the JSON document (None is the empty mapping). Raises InvalidInput naming the key that is wrong."""
        if document is None:
            return cls()
        _check_keys(document, "mapping", {"columns", "as_of", "currency"})
        columns = document.get("columns", {})
        _check_keys(columns, "mapping columns", set(COLUMN))
        origins = {name: _parse_origin(COLUMN[name], source) for name, source in columns.items()}
        return cls(
            origins, _parse_as_of(document.get("as_of")), _parse_currency(document.get("currency", cls.currency))
        )

    def origin(self, column: str) -> Origin:
        """Where a column of the portfolio comes from; under its own name unless mapped."""
        return self.origins.get(column) or Origin((column,))

    @property
    def numbers_rows(self) -> bool:
        """Whether AccountIDs are row numbers, so that a second file would repeat those of the first."""
        return self.origin("AccountID").row_prefix is not None


def _check_keys(value: object, where: str, known: set[str]) -> None:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"The {where} must be a JSON object, not {value!r}.")
    for key in value:
        if key not in known:
            raise InvalidInput(f"The {where} has the unknown key {key!r}. Known: {', '.join(sorted(known))}.")


def _parse_as_of(value: object) -> date | None:
    if value is None:
        return None
    parsed = parse_date(value, None) if isinstance(value, str) else None
    if parsed is None:
        raise InvalidInput(f"The mapping's as_of must be a date such as '2026-01-31', not {value!r}.")
    return parsed


def _parse_currency(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise InvalidInput(f"The mapping's currency must be an ISO 4217 code such as 'EUR', not {value!r}.")
    return value


def _parse_origin(column: Column, value: object) -> Origin:
    where = f"mapping of {column.name}"
    if isinstance(value, str):
        return Origin((value,))
    _check_keys(value, where, {"from", "scale", "format", "values", "constant", "row_number", "prefix"})
    assert isinstance(value, Mapping)
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
        return Origin(constant=_parse_constant(value["constant"], where))
    if "row_number" in value:
        prefix = value.get("prefix", "")
        if column.name != "AccountID" or value["row_number"] is not True or not isinstance(prefix, str):
            raise InvalidInput(f'The {where} is wrong: {{"row_number": true, "prefix": "text"}} is for AccountID only.')
        return Origin(row_prefix=prefix)
    origin = value["from"]
    columns = (origin,) if isinstance(origin, str) else tuple(origin) if isinstance(origin, list) else ()
    if not columns or not all(isinstance(name, str) for name in columns):
        raise InvalidInput(f"The {where} must have in from a column's name or a list of them, not {origin!r}.")
    return Origin(
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
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidInput(f"The {where} must have in values an object of texts, not {value!r}.")
    return dict(value)
