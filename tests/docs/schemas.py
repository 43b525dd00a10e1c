"""The JSON Schemas of what users write, made from what the code checks: `python -m tests.docs.schemas` writes them.

`test_schemas.py` fails when one is stale, and compares each with the code's own judgement of documents. What a schema
cannot say (a format of dates, a sum of two places) the code alone refuses.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from montecarlo.model import capital, parameters
from montecarlo.portfolio import dialect
from montecarlo.portfolio.columns import COLUMNS, Column
from montecarlo.portfolio.dates import LANGUAGES
from montecarlo.portfolio.filters import EQUAL, MOST_CONDITIONS, ORDERED
from montecarlo.portfolio.filters import LISTED as LISTED_BY
from montecarlo.portfolio.mapping import COMPARED, CURRENCY, LISTED, UNIT, origins_of
from montecarlo.portfolio.stages import Staging
from montecarlo.run import request
from montecarlo.run.dimensions import MAX_DIMENSIONS
from tests.docs.tables import MARKED, ROOT, rows

Schema = dict[str, Any]
FOLDER = ROOT / "schemas"
LARGEST = 1.7976931348623157e308
NOTE: Schema = {"description": "this schema, for editors; of no effect"}
DIMENSION = Column("the dimension", "text", "", "never", "")
# Beyond ASCII, the code asks for letters and digits.
PART = r"(?:[A-Za-z0-9]|[^\x00-\x7f])(?:[A-Za-z0-9_ .&()+/-]|[^\x00-\x7f]){0,39}"
"""The name of a segment, a sector or a dimension."""
TEXT: Schema = {"type": "string"}
FILLED: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}


def documents() -> dict[str, Schema]:
    """Every schema by its file's name."""
    made = {"mapping": mapping(), "parameters": model(), "cases": cases(), "request": run()}
    return {f"{name}.schema.json": schema for name, schema in made.items()}


def mapping() -> Schema:
    """Where a lender's files keep the columns, and how they write them."""
    conditions = {name: _list(FILLED, minItems=1) for name in LISTED} | dict.fromkeys(COMPARED, NUMBER)
    patterns = {"anyOf": [FILLED, _list(FILLED)]}
    dimension = _column(DIMENSION)
    decimal, thousands = {"const": ","}, {"const": "."}
    return _root(
        "Mapping of a portfolio's files",
        {
            "as_of": {"type": ["string", "null"], "description": "the date the data was taken, such as 2026-01-31"},
            "currency": {**_pattern(CURRENCY.pattern), "description": "ISO 4217 code of all amounts", "default": "USD"},
            "dialect": {
                **_object(
                    {
                        "delimiter": {"enum": list(dialect.DELIMITERS), "default": ","},
                        "quote": {"enum": list(dialect.QUOTES), "default": '"'},
                        "encoding": {"enum": list(dialect.ENCODINGS), "default": "utf-8"},
                        "decimal": {"enum": list(dialect.DECIMALS), "default": "."},
                        "thousands": {"enum": ["", *dialect.THOUSANDS], "default": ""},
                        "escape": {"enum": list(dialect.ESCAPES), "default": None},
                        "minus": {"enum": list(dialect.MINUSES), "default": "before"},
                    },
                ),
                "description": "how files write their cells; decimal and thousands of numbers in texts",
                "not": {"properties": {"decimal": decimal, "thousands": decimal}, "required": ["decimal", "thousands"]},
                "if": {"properties": {"thousands": thousands}, "required": ["thousands"]},
                "then": {"properties": {"decimal": decimal}, "required": ["decimal"]},
            },
            "missing": {**_list(FILLED), "description": "texts that mean an empty cell, such as NA"},
            "filter": {
                "type": "object",
                "additionalProperties": {
                    **_object({**conditions, "missing": {"type": "boolean"}}),
                    "minProperties": 1,
                },
                "description": "conditions on columns of the file; rows that do not meet all are left out and counted",
            },
            "files": {
                **_object({"match": patterns, "ignore": patterns}),
                "description": "which of the files of a folder, prefix or inventory are the portfolio's, by patterns",
            },
            "dimensions": {
                "type": "object",
                "additionalProperties": dimension,
                "description": "what a run may break its results down by, by name",
            },
            "region": {**dimension, "description": "whose values are the regions, in place of those of ZIP codes"},
            "columns": _object({column.name: _column(column) for column in COLUMNS}),
        },
    )


def _column(column: Column) -> Schema:
    unit = ", ".join(filter(None, [column.unit, column.range]))
    names: Schema = {"anyOf": [TEXT, _list(TEXT, minItems=1)]}
    cell = {"anyOf": [TEXT, NUMBER]}
    known: dict[str, Schema] = {
        "from": {
            **names,
            "description": "a column of the file, or several of which the first that is not empty counts",
        },
        "scale": {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST, "description": "multiplies the number"},
        "unit": {
            "anyOf": [_pattern(UNIT.pattern), _list(_pattern(UNIT.pattern))],
            "description": "what may stand before or after the number, such as % or months",
        },
        "format": {**TEXT, "description": "strptime's, such as %d.%m.%Y"},
        "language": {"enum": list(LANGUAGES), "description": "in which %b or %B names the month"},
        "values": {"type": "object", "additionalProperties": cell, "description": "cells translated"},
        "default": {**cell, "description": "what cells that values does not name become"},
        "constant": {**cell, "description": "the same for every loan"},
        "join": {**_list(TEXT, minItems=2), "description": "columns of the file that stand for one together"},
        "separator": {**FILLED, "default": "-"},
        "row_number": {"const": True, "description": "for a single file whose loans have no name"},
        "prefix": TEXT,
        "file_name": {"type": "boolean", "description": "whether the file's name stands before the number"},
        "computed": {"const": "annuity", "description": "the level payment for LoanAmount, Rate and LoanTerm"},
    }
    origins = []
    for kind, keys in origins_of(column).items():
        origin = {**_object({key: known[key] for key in keys}), "required": [kind]}
        if "default" in keys:
            filled = {"required": ["values"], "properties": {"values": {"minProperties": 1}}}
            origin["dependentSchemas"] = {"default": filled}
        if "language" in keys:
            origin["dependentRequired"] = {"language": ["format"]}
        origins.append(origin)
    told = f"{column.description} ({unit})" if unit else column.description
    return {"description": told, "anyOf": [TEXT, *origins]}


def model() -> Schema:
    """Parameters of the model that replace the defaults."""
    sources = json.loads((ROOT / "functions/montecarlo/model/parameters.json").read_text(encoding="utf-8"))

    def leaf(value: Schema, source: Any) -> Schema:
        told = {"description": source["source"], "default": source["value"]} if isinstance(source, Mapping) else {}
        with_source = {**_object({"value": value, "source": {}}), "required": ["value"]}
        return {**told, "anyOf": [value, with_source]}

    def number(name: str, source: Any = None) -> Schema:
        low, high = parameters._RANGES[name]
        kind = "integer" if name in parameters.WHOLE else "number"
        allowed: Schema = {"type": kind, "minimum": low, "maximum": high}
        if name == "lgd_volatility":
            allowed = {"anyOf": [{"const": 0}, {**allowed, "minimum": parameters.SMALLEST_VOLATILITY}]}
        if name == "annual_sales":
            allowed = {"anyOf": [{"type": "null"}, allowed]}
        return leaf({"enum": list(capital.CLASSES)} if name == "exposure_class" else allowed, source)

    def segment(source: Mapping[str, Any]) -> Schema:
        names = [each.name for each in fields(parameters.Segment)]
        kinds = {
            name: leaf({"enum": list(capital.CLASSES)}, source.get(name)) for name in names if name == "exposure_class"
        }
        kinds |= {"sector": leaf({"anyOf": [_pattern(PART), {"type": "null"}]}, None)}
        multiples = _list(number("pd_by_year")["anyOf"][0], maxItems=parameters.MAX_YEARS)
        kinds |= {"pd_by_year": leaf(multiples, None)}
        kinds |= {"basel_correlation": leaf({"type": "boolean"}, None)}
        return _object({name: kinds.get(name) or number(name, source.get(name)) for name in names})

    scorecard = {each.name: number(each.name, sources["scorecard"][each.name]) for each in fields(parameters.Scorecard)}
    staging = {each.name: number(each.name, sources["staging"][each.name]) for each in fields(Staging)}
    top = ("base_fed_rate", "global_factor_share")
    root = _root(
        "Parameters of the model",
        {
            "schema": {"const": parameters.SCHEMA},
            "name": TEXT,
            **{name: number(name, sources[name]) for name in top},
            "benchmark_rate": _pattern(PART),
            "default_timing": {"enum": list(parameters.TIMINGS), "default": parameters.TIMINGS[0]},
            "staging": _object(staging),
            "sector_correlations": {
                "type": "object",
                "propertyNames": _pattern(PART),
                "additionalProperties": {
                    "type": "object",
                    "propertyNames": _pattern(PART),
                    "additionalProperties": number("sector_correlations"),
                },
                "description": "those of two sectors' factors, each pair once",
            },
            "grades": {
                "type": "object",
                "propertyNames": _pattern(PART),
                "maxProperties": parameters.MAX_GRADES,
                "additionalProperties": leaf(
                    _list(number("grades")["anyOf"][0], minItems=1, maxItems=parameters.MAX_YEARS), None
                ),
                "description": "by grade, the PD of each year of a loan that is alive at its beginning; the last stays",
            },
            "migration": {
                **_object(
                    {
                        "grades": _list(_pattern(PART), minItems=1, maxItems=parameters.MAX_GRADES, uniqueItems=True),
                        "matrix": leaf(_list(_list(number("migration")["anyOf"][0])), None),
                    }
                ),
                "required": ["grades", "matrix"],
                "description": "yearly probabilities from each grade, a row, to each grade and default, the last",
            },
            "scorecard": _object(scorecard),
            "segments": {
                **_object({name: segment(values) for name, values in sources["segments"].items()}),
                "maxProperties": parameters.MAX_SEGMENTS,
                "propertyNames": _pattern(PART),
                "additionalProperties": {
                    **segment({}),
                    "required": [each.name for each in fields(parameters.Segment) if each.default is MISSING],
                },
            },
        },
    )
    return {**root, "not": {"required": ["grades", "migration"]}}


def cases() -> Schema:
    """Named stress cases."""
    case = _object(
        {
            "fed_rate": {**_number("fed_rate"), "description": "Federal Funds rate, % a year"},
            "probit_shift": {
                "type": "object",
                "additionalProperties": _number("probit_shift"),
                "description": "by segment, added to the probit of each loan's PD",
            },
            "probability": {**_number("probability"), "description": "of the case, by which provisions are weighed"},
            "collateral_shift": {
                "type": "object",
                "additionalProperties": _number("collateral_shift"),
                "description": "by segment, by which share collateral is worth more, or less where negative",
            },
        }
    )

    def so_many(more: int) -> Schema:
        return {"minProperties": 1 + more, "maxProperties": request.MAX_CASES + more}

    return {
        **_root("Stress cases of a run", {}),
        "patternProperties": {_pattern(rf"(?!base$){request.NAME.pattern}")["pattern"]: case},
        "if": {"required": ["$schema"]},
        "then": so_many(1),
        "else": so_many(0),
    }


def run() -> Schema:
    """The input of a run."""
    text = (ROOT / "docs" / "run-your-portfolio.md").read_text(encoding="utf-8")
    table = next(match[3] for match in MARKED.finditer(text) if match[2] == "run-request")
    told = {cells[0].strip("`"): cells[-1] for cells in rows(table)}
    levels = _list(_number("levels"), minItems=1, maxItems=request.MAX_LEVELS)
    own: dict[str, Schema] = {
        "run": _pattern(request.NAME.pattern),
        "portfolio": FILLED,
        "target_measure": _pattern(rf"{'|'.join(request.TARGET_MEASURES)}|(?:var|es)_[0-9]+(?:\.[0-9]+)?"),
        "levels": levels,
        "dimensions": _list(
            {**_pattern(PART), "not": {"enum": ["segments", "regions"]}}, minItems=1, maxItems=MAX_DIMENSIONS
        ),
        "filter": _filter(),
        "reuse": _pattern(request.NAME.pattern),
        "as_of": TEXT,
        **{name: {**FILLED, "maxLength": request.LONGEST_TITLE} for name in ("institution", "portfolio_name")},
        "compare_with": _pattern(request.NAME.pattern),
        "tail_sampling": {"type": "boolean"},
        "exact_duplicates": {"type": "boolean"},
        "contributions": {"type": "boolean"},
        "scenarios_from": _pattern(request.SCENARIOS_FROM.pattern),
        **{name: {"$ref": f"{name}.schema.json"} for name in ("mapping", "parameters", "cases")},
    }
    properties = {}
    for field in fields(request.RunRequest):
        allowed = own.get(field.name) or _number(field.name)
        default = {} if field.default in (None, MISSING) else {"default": field.default}
        properties[field.name] = {
            "description": told[field.name],
            **default,
            "anyOf": [allowed, {"type": "null"}],
        }
    return _root("Input of a run", {**properties, "Comment": {}})


def _filter() -> Schema:
    """Conditions, or alternatives of them."""

    def condition(operators: Sequence[str], value: Schema) -> Schema:
        return {
            "type": "array",
            "prefixItems": [FILLED, {"enum": list(operators)}, value],
            "minItems": 3,
            "maxItems": 3,
        }

    listed = {"anyOf": [_list(kind, minItems=1) for kind in (TEXT, NUMBER)]}
    conditions = _list(
        {
            "anyOf": [
                condition((*EQUAL, *ORDERED), {"anyOf": [TEXT, NUMBER]}),
                condition(EQUAL, {"type": "null"}),
                condition(LISTED_BY, listed),
            ]
        },
        minItems=1,
        maxItems=MOST_CONDITIONS,
    )
    return {"anyOf": [conditions, _list(conditions, minItems=1, maxItems=MOST_CONDITIONS)]}


def _number(name: str) -> Schema:
    low, high, whole = request._NUMBERS[name]
    return {"type": "integer" if whole else "number", "minimum": low, "maximum": high}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _list(items: Schema, **more: int) -> Schema:
    return {"type": "array", "items": items, **more}


def _pattern(pattern: str) -> Schema:
    """A text that is all of the pattern; in Python's $ a line break may follow."""
    return {"type": "string", "pattern": rf"^(?:{pattern})$(?!\n)"}


def _root(title: str, properties: Schema) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **_object({"$schema": NOTE, **properties}),
    }


def text_of(schema: Schema) -> str:
    """The schema as its file has it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in documents().items():
        (FOLDER / name).write_text(text_of(schema), encoding="utf-8")
