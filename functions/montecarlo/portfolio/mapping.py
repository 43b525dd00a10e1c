"""Where a bank's own files keep the portfolio's columns, how they write them, and which files and rows count.

Imports the standard library, the room's columns, dates, dialect and filters and our errors only.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from montecarlo.errors import InvalidInput, checked_text, shown
from montecarlo.portfolio import dialect as dialects
from montecarlo.portfolio.columns import COLUMN, COLUMNS, Column
from montecarlo.portfolio.dates import LANGUAGES, is_format, parse_date
from montecarlo.portfolio.dialect import PLAIN, Dialect
from montecarlo.portfolio.filters import Condition, Filter, columns_of

CURRENCY = re.compile("[A-Z]{3}")
UNIT = re.compile(r"(?=.*[^+\-.,'_\s])[^0-9\s]([^0-9]*[^0-9\s])?")
"""What may stand beside a number: no digits, and more than what numbers are made of."""


DIMENSION = "dimension "
"""Stands before a dimension's name where it is a column among the portfolio's."""


REGIONS = "regions"
"""The dimension that takes the place of the regions of ZIP codes."""


LTV_BAND = "LTV band"
"""The dimension that is made of loan-to-value, unless the mapping tells of one of this name."""


STAGE = "Stage"
"""The dimension that is made of the loans' stages of IFRS 9, by whatever they follow from."""


GRADE = "Grade"


@dataclass(frozen=True)
class Origin:
    """Where one column of the portfolio comes from: columns of the file, a constant, the row's number, or others."""

    columns: tuple[str, ...] = ()
    """Of these the first that is not empty counts, or all of them where there is a separator."""
    separator: str | None = None
    constant: str | None = None
    row_prefix: str | None = None
    file_name: bool = False
    """Whether the file's name stands between prefix and row number."""
    computed: bool = False
    """Whether it follows from the loan's other columns: the payment, the stage, or the band of loan-to-value."""
    scale: float = 1.0
    unit: tuple[str, ...] = ()
    format: str | None = None
    language: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    """What a cell that is there and not in `values` becomes; itself without one."""


@dataclass(frozen=True)
class Files:
    """Which of the objects below a prefix or in an inventory are the portfolio's, by patterns for their paths."""

    match: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def take(self, path: str) -> bool:
        """Whether an object of this path is one. In patterns, * stands for any characters, slashes included."""
        return (not self.match or any(fnmatchcase(path, pattern) for pattern in self.match)) and not any(
            fnmatchcase(path, pattern) for pattern in self.ignore
        )


ALL_FILES = Files()


@dataclass(frozen=True)
class ColumnMapping:
    """How a bank's columns become the portfolio's. The empty mapping expects the portfolio's own names.

    JSON, all keys optional::

        {"columns": {<portfolio column>: <origin>}, "dimensions": {<name>: <origin>}, "region": <origin>,
         "as_of": "YYYY-MM-DD", "currency": "USD",
         "dialect": {"delimiter": ";", "quote": "\\"", "encoding": "cp1252", "decimal": ",", "thousands": ".",
                     "escape": "\\\\", "minus": "behind"},
         "missing": ["NA"], "filter": {<column of the file>: <condition>}, "files": {"match": "*.csv", "ignore": [...]}}

    Dimensions are what a run may break its results down by, the values of the region are the regions in place of those
    of ZIP codes, as_of is the date the data was taken, currency the ISO
    4217 code of all amounts, `missing` are texts that mean an empty cell. An origin is the name of a column of the
    file, or one of::

        {"from": "col" | ["first choice", "second"], "scale": 100, "unit": "%", "format": "%d-%b-%Y", "language": "de",
         "values": {"theirs": "ours"}, "default": "ours"}
        {"constant": "personal"}
        {"join": ["branch", "number"], "separator": "-"}, with format, language, values and default as well
        {"row_number": true, "prefix": "LC-", "file_name": true}
        {"computed": "annuity"}

    Of several columns the first that is not empty counts. ``scale`` multiplies a number, ``unit`` is what may stand
    beside one, ``format`` is strptime's and reads a date, with months named in a ``language``; ``values`` translates
    cells before they are parsed, a ``default`` those that it does not name. The row's number is for AccountID, and
    identifies a loan in one file unless the file's name is part. The Payment may be computed.
    """

    origins: Mapping[str, Origin] = field(default_factory=dict)
    as_of: date | None = None
    currency: str = "USD"
    dialect: Dialect = PLAIN
    missing: tuple[str, ...] = ()
    conditions: Filter = ()
    """On the file's own columns."""
    files: Files = ALL_FILES
    dimensions: Mapping[str, Origin] = field(default_factory=dict)
    """Those that are read, by name."""
    filters: tuple[Filter, ...] = ()
    """On columns of the portfolio or, by the names of `filtered_by`, of the file. A row is kept that all keep."""
    filtered_by: Mapping[str, Origin] = field(default_factory=dict)
    grades: Mapping[str, float] = field(default_factory=dict)
    """Those that the parameters know, each with its PD over a year."""

    @classmethod
    def parse(
        cls,
        document: Mapping[str, Any] | None,
        dimensions: Sequence[str] = (),
        filters: Sequence[Filter] = (),
        grades: Mapping[str, float] | None = None,
    ) -> "ColumnMapping":
        """Parse the JSON document (None is the empty mapping). Raises InvalidInput naming the key that is wrong.

        dimensions: names of those to read. One that the document does not tell of is the portfolio's column of that
        name, or else the file's. filters: beside the document's own; their columns are found in the same way. grades:
        those that the parameters know, each with its PD over a year.
        """
        known = {"$schema", "columns", "dimensions", "region", "as_of", "currency", *_OF_FILES}
        given = _object({} if document is None else document, "mapping", known)
        dialect = _parse_dialect(given.get("dialect", {}))
        columns = _object(given.get("columns", {}), "mapping columns", COLUMN)
        origins = {name: _parse_origin(COLUMN[name], origin, dialect.decimal) for name, origin in columns.items()}
        told = _object(given.get("dimensions", {}), "mapping dimensions")
        named = {
            _text(name, "name of a dimension"): _parse_origin(_dimension(name), told[name], dialect.decimal)
            for name in told
        }
        if "region" in given:
            named[REGIONS] = _parse_origin(_dimension("region"), given["region"], dialect.decimal)
            dimensions = (REGIONS, *dimensions)

        def found(name: str) -> Origin:
            if name in (LTV_BAND, STAGE) and name not in named:
                return Origin(computed=True)
            return named.get(name) or origins.get(name) or Origin((name,))

        return cls(
            origins,
            _parse_as_of(given.get("as_of")),
            _parse_currency(given.get("currency", cls.currency)),
            dialect,
            _texts(given.get("missing", []), "mapping's missing"),
            _parse_conditions(given.get("filter", {})),
            _parse_files(given.get("files", {})),
            {name: found(name) for name in dimensions},
            tuple(filters),
            {name: _filterable(name, found(name)) for name in columns_of(filters)},
            grades or {},
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        """The portfolio's columns, a loan's grade only where there are any that it could have."""
        return tuple(column for column in COLUMNS if column.name != GRADE or self.grades)

    def origin(self, column: str) -> Origin:
        """Where a column of the portfolio, or a dimension's, comes from; under its own name unless mapped."""
        if column.startswith(DIMENSION):
            return self.dimensions[column.removeprefix(DIMENSION)]
        return self.origins.get(column) or Origin((column,))

    @property
    def names_regions(self) -> bool:
        """Whether regions are the values of a column, and not those of ZIP codes."""
        return REGIONS in self.dimensions

    @property
    def has_stages(self) -> bool:
        """Whether results are broken down by the loans' stages."""
        return STAGE in self.dimensions and self.dimensions[STAGE].computed

    @property
    def numbers_rows(self) -> bool:
        """Whether AccountIDs are row numbers alone, so that a second file would repeat those of the first."""
        account = self.origin("AccountID")
        return account.row_prefix is not None and not account.file_name


_READ = ("format", "language", "values", "default")
_OF_FILES = ("dialect", "missing", "filter", "files")
ORIGINS: Mapping[str, tuple[str, ...]] = {
    "from": ("from", "scale", "unit", *_READ),
    "constant": ("constant",),
    "join": ("join", "separator", *_READ),
    "row_number": ("row_number", "prefix", "file_name"),
    "computed": ("computed",),
}
"""What may stand beside each kind of origin."""
_FILTER = "mapping's filter"


def origins_of(column: Column) -> dict[str, list[str]]:
    """The kinds of origin that a column may have, each with what may stand beside it."""
    unfit = {
        "join": column.kind == "number",
        "row_number": column.name != "AccountID",
        "computed": column.name != "Payment",
        **dict.fromkeys(("scale", "unit"), column.kind != "number"),
        **dict.fromkeys(("format", "language"), column.kind != "date"),
    }
    return {kind: [key for key in keys if not unfit.get(key)] for kind, keys in ORIGINS.items() if not unfit.get(kind)}


def _parse_origin(column: Column, value: object, decimal: str) -> Origin:
    where = f"mapping of {column.name}"
    if isinstance(value, str):
        return Origin((_text(value, where),))
    given = _object(value, where, {key for keys in ORIGINS.values() for key in keys})
    kinds = [kind for kind in ORIGINS if kind in given]
    if len(kinds) != 1:
        raise InvalidInput(f"The {where} must have exactly one of {', '.join(ORIGINS)}, not {shown(kinds or None)}.")
    (kind,) = kinds
    _object(value, where, ORIGINS[kind])
    fit = origins_of(column)
    if kind not in fit:
        allowed = {"row_number": "AccountID only", "computed": "Payment only", "join": "texts and dates only"}
        raise InvalidInput(f"The {where} has {kind}, which is for {allowed[kind]}.")
    for key in given:
        if key not in fit[kind]:
            raise InvalidInput(f"The {where} must have no {key}: {column.name} is a {column.kind}.")
    if kind == "constant":
        return Origin(constant=_parse_cell(given["constant"], f"constant in the {where}", decimal))
    if kind == "computed":
        if given["computed"] != "annuity":
            raise InvalidInput(f"The {where} can be computed as 'annuity' only, not as {shown(given['computed'])}.")
        return Origin(computed=True)
    if kind == "join":
        separator = _text(given.get("separator", "-"), f"separator in the {where}")
        if not separator or not isinstance(given["join"], list) or len(given["join"]) < 2:
            raise InvalidInput(
                f"The {where} must have in join a list of two columns or more, and a separator that is not empty: "
                "best one that no cell of theirs has, as ('1-2', '3') and ('1', '2-3') would both become '1-2-3'."
            )
        return Origin(_names(given["join"], where), separator=separator, **_parse_reading(given, where, decimal))
    if kind == "row_number":
        if given["row_number"] is not True or not isinstance(given.get("file_name", False), bool):
            raise InvalidInput(
                f'The {where} is wrong: write {{"row_number": true, "prefix": "text", "file_name": true or false}}.'
            )
        prefix = _text(given.get("prefix", ""), f"prefix in the {where}")
        return Origin(row_prefix=prefix, file_name=given.get("file_name", False))
    return Origin(
        _names(given["from"] if isinstance(given["from"], list) else [given["from"]], where),
        scale=_parse_scale(given.get("scale", 1), where),
        unit=_parse_unit(given.get("unit", []), where),
        **_parse_reading(given, where, decimal),
    )


def _dimension(name: str) -> Column:
    return Column(f"the dimension {name}", "text", "", "never", "")


def _parse_reading(given: Mapping[str, Any], where: str, decimal: str) -> dict[str, Any]:
    """How the cells of a column are translated, and read as dates."""
    reading: dict[str, Any] = {"values": _parse_values(given.get("values", {}), where, decimal)}
    if "default" in given:
        if not reading["values"]:
            raise InvalidInput(f"The {where} has a default, which is for cells that values does not name: give values.")
        reading["default"] = _parse_cell(given["default"], f"default in the {where}", decimal)
    if "format" in given or "language" in given:
        reading |= _parse_format(given.get("format"), given.get("language"), "language" in given, where)
    return reading


def _parse_dialect(value: object) -> Dialect:
    given = _object(value, "mapping's dialect", {field.name for field in fields(Dialect)})
    allowed: Mapping[str, tuple[str | None, ...]] = {
        "delimiter": dialects.DELIMITERS,
        "quote": dialects.QUOTES,
        "encoding": dialects.ENCODINGS,
        "decimal": dialects.DECIMALS,
        "thousands": ("", *dialects.THOUSANDS),
        "escape": dialects.ESCAPES,
        "minus": dialects.MINUSES,
    }
    for key, choice in given.items():
        if (choice is not None and not isinstance(choice, str)) or choice not in allowed[key]:
            wide = ""
            if key == "encoding":
                wide = " UTF-16, Shift-JIS and the like cannot be cut at bytes: write it in UTF-8."
            raise InvalidInput(
                f"The mapping's dialect has the {key} {shown(choice)}; it may be "
                f"{', '.join('null' if each is None else shown(each) for each in allowed[key])}.{wide}"
            )
    dialect = Dialect(**given)
    if dialect.decimal == dialect.thousands:
        raise InvalidInput(f"The mapping's dialect has {dialect.decimal!r} both as decimal mark and between thousands.")
    return dialect


def _filterable(name: str, origin: Origin) -> Origin:
    if origin.computed:
        raise InvalidInput(f"filter: {name} is computed in the mapping; filter by the columns that it comes from.")
    return origin


LISTED: Mapping[str, str] = {"in": "in", "not_in": "not in"}
COMPARED: Mapping[str, str] = {"above": ">", "below": "<", "at_least": ">=", "at_most": "<="}
"""A mapping's words for the operators of `filters`."""


def _parse_conditions(value: object) -> Filter:
    """The mapping's filter: all conditions must hold."""
    found = [each for name, tests in _object(value, _FILTER).items() for each in _parse_condition(name, tests)]
    return (tuple(found),) if found else ()


def _parse_condition(name: str, value: object) -> Iterator[Condition]:
    where = f"filter of {shown(name)}"
    tests = _object(value, where, {*LISTED, *COMPARED, "missing"})
    name = _text(name, where)
    if not tests:
        raise InvalidInput(f"The {where} must have a condition: any of {', '.join((*LISTED, *COMPARED))}, missing.")
    for test, wanted in tests.items():
        if test in LISTED:
            texts = _texts(wanted, f"{where}: {test}")
            if not texts:
                raise InvalidInput(f"The {where} must have in {test} at least one text.")
            yield Condition(name, LISTED[test], texts)
        elif test == "missing":
            if not isinstance(wanted, bool):
                raise InvalidInput(f"The {where} must have for missing true or false, not {shown(wanted)}.")
            yield Condition(name, "==" if wanted else "!=", ())
        elif (number := _as_float(wanted)) is None or not math.isfinite(number):
            raise InvalidInput(f"The {where} must have for {test} a number, not {shown(wanted)}.")
        else:
            yield Condition(name, COMPARED[test], (wanted,), "number")


def _parse_files(value: object) -> Files:
    given = _object(value, "mapping's files", {"match", "ignore"})
    listed = {key: [each] if isinstance(each, str) else each for key, each in given.items()}
    return Files(**{key: _texts(each, f"mapping's files: {key}") for key, each in listed.items()})


def _texts(value: object, where: str) -> tuple[str, ...]:
    """A list of texts that are not empty."""
    if not isinstance(value, list) or "" in value:
        raise InvalidInput(f"The {where} must be a list of texts that are not empty, not {shown(value)}.")
    return tuple(_text(each, where) for each in value)


def _object(value: object, where: str, known: Collection[str] | None = None) -> Mapping[str, Any]:
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
    if not isinstance(value, str) or not CURRENCY.fullmatch(value):
        raise InvalidInput(f"The mapping's currency must be an ISO 4217 code such as 'EUR', not {shown(value)}.")
    return value


def _parse_cell(value: object, where: str, decimal: str) -> str:
    """A text, which is read as a cell of the file would be, or a number, spelled so that it is read as itself."""
    if isinstance(value, str):
        return _text(value, where)
    if (number := _as_float(value)) is None or not math.isfinite(number):
        raise InvalidInput(f"The {where} must be a text or a number, not {shown(value)}.")
    return str(value).replace(".", decimal)


def _parse_scale(value: object, where: str) -> float:
    scale = _as_float(value)
    if not scale or not 0 < scale < math.inf:
        raise InvalidInput(f"The {where} must have a scale above zero, not {shown(value)}.")
    return scale


def _as_float(value: object) -> float | None:
    """None for what is no number, or too large for one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None


def _parse_unit(value: object, where: str) -> tuple[str, ...]:
    units = _texts([value] if isinstance(value, str) else value, f"unit in the {where}")
    if wrong := [unit for unit in units if not UNIT.fullmatch(unit)]:
        raise InvalidInput(
            f"The {where} has the unit {shown(wrong[0])}: take what stands beside the number, such as '%'."
        )
    return units


def _parse_format(value: object, language: object, named: bool, where: str) -> dict[str, Any]:
    if named and (not isinstance(language, str) or language not in LANGUAGES):
        raise InvalidInput(f"The {where} has the language {shown(language)}; known: {', '.join(LANGUAGES)}.")
    if named and value is None:
        raise InvalidInput(f"The {where} has a language, but no format that names months, such as '%d-%b-%Y'.")
    if not isinstance(value, str) or not is_format(value, language if isinstance(language, str) else None):
        raise InvalidInput(
            f"The {where} has the format {shown(value)}, which does not tell year and month: write each directive "
            "once, such as '%d.%m.%Y', and with a language %b for the month's name."
        )
    return {"format": value, "language": language}


def _parse_values(value: object, where: str, decimal: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"The {where} must have in values an object of texts and numbers, not {shown(value)}.")
    inside = f"values in the {where}"
    return {_text(theirs, inside): _parse_cell(ours, inside, decimal) for theirs, ours in value.items()}
