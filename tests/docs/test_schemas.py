"""The published JSON Schemas are those of the code, and judge documents as the code does."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource

from cli import request as checking
from montecarlo.errors import InvalidInput
from montecarlo.model import parameters
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run.request import run_request
from tests.docs import schemas
from tests.docs.tables import ROOT
from tests.hostile.test_mappings import ANY, MAPPING

MADE = schemas.documents()
REGISTRY: Any = Registry().with_resources([(name, Resource.from_contents(schema)) for name, schema in MADE.items()])

CODE: dict[str, Callable[[Any], object]] = {
    "mapping": ColumnMapping.parse,
    "parameters": parameters.load,
    "cases": lambda document: checking.checked({"cases": document}),
    "request": lambda document: run_request(document, {"run": "x"}) and checking.checked(without_nulls(document)),
}


def without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


MORE_THAN_A_SCHEMA_SAYS = re.compile(
    "does not tell year and month|as_of must be a date|half a character|at most three decimals|must be one of ul"
    "|must be an object of numbers by segment|is no name for a|is there twice|segments with the defaults"
    "|must not be above staging.stage_3_days|sectors, more than"
    "|pair of two sectors once|no factors have these correlations|positive semidefinite"
    "|must be the name of a rate|must be a name|leave target_error out"
    r"|must be a list of \d+ (rows|probabilities)|adds up to|ends with a blank"
    "|is a (number|text|date): write what it is compared with|is no date such as|more than 100 conditions"
)
"""What the code refuses beyond a schema: formats of dates, halves of characters, and what depends on another place."""

FULL: dict[str, list[Any]] = {
    "mapping": [
        json.loads((ROOT / "examples/lendingclub/mapping.json").read_text(encoding="utf-8")),
        {
            "$schema": "mapping.schema.json",
            "currency": "EUR",
            "dialect": {"delimiter": ";", "quote": None, "encoding": "cp1252", "decimal": ",", "thousands": "."},
            "missing": ["NA"],
            "filter": {"a": {"in": ["b"], "above": 1, "missing": False}, "c": {"not_in": ["d"], "at_most": 2.5}},
            "files": {"match": "*.csv", "ignore": ["a*"]},
            "dimensions": {"Rating": {"from": "r", "values": {"1": "A"}}, "Vintage": {"join": ["y", "q"]}, "B": "b"},
            "region": {"from": "land", "values": {"BY": "Bayern"}},
            "columns": {
                "AccountID": {"join": ["a", "b"], "separator": "/"},
                "Rate": {"from": "r", "unit": ["%", "p.a."], "scale": 1.5},
                "Payment": {"computed": "annuity"},
                "OriginationDate": {"from": "d", "format": "%d-%b-%Y", "language": "de"},
                "Segment": {"from": ["s", "t"], "values": {"x": "auto"}, "default": "personal"},
                "PD": {"from": "p", "values": {"A": 0.5}, "default": 1},
                "LGD": {"constant": 0.5},
            },
        },
    ],
    "parameters": [
        {"name": "a", "base_fed_rate": {"value": 3, "source": "b"}, "segments": {"auto": {"annual_sales": None}}},
        parameters.load(None).to_json(),
        {"segments": {"Neu 1": parameters.load(None).to_json()["segments"]["mortgage"]}, "scorecard": {"age": 1},
         "sector_correlations": {"a": {"b": 0.25, "c": {"value": 0.5}}}},
        {"segments": {"auto": {"sector": "a"}, "mortgage": {"basel_correlation": True, "sector": None}},
         "sector_correlations": {"a": {"b": 0.5, "mortgage": -0.1}}, "benchmark_rate": "3-month Euribor"},
        {"grades": {"AAA": [0], "Baa1": [0.01, 0.02], "C": {"value": [0.5, 1], "source": "a"}}},
        {"migration": {"grades": ["A", "B"], "matrix": [[0.9, 0.08, 0.02], [0, 0.9, 0.1]]}},
        {"migration": {"grades": ["A"], "matrix": {"value": [[1, 0]], "source": "b"}}},
        {"staging": {"stage_2_days": {"value": 15, "source": "a"}, "stage_3_days": 60, "pd_multiple": 2.5,
                     "pd_rise": 0.005}, "default_timing": "monthly"},
    ],
    "cases": [json.loads((ROOT / "examples/stress/cases.json").read_text(encoding="utf-8"))],
    "request": [
        {"run": "june", "portfolio": "p/", "scenarios": 100, "seed": 1, "fed_rate": 5, "levels": [99.95], "sample": 2,
         "target_error": 0.01, "target_measure": "var_99.95", "max_cost_usd": 5.5, "tail_sampling": False,
         "as_of": "2026-01-31", "mapping": {"currency": "EUR"}, "parameters": {"base_fed_rate": 1}, "Comment": "x",
         "cases": {"a": {"fed_rate": 2, "probit_shift": {"auto": 0.5}}}, "exact_duplicates": True,
         "dimensions": ["branch", "RateType"],
         "filter": [[["a", "in", ["b"]], ["Rate", ">", 1.5]], [["c", "==", None], ["d", "not in", [1, 2.5]]]]},
        {"filter": [["OriginationDate", ">=", "2020-01-31"], ["branch", "!=", "north"], ["Segment", "=", "auto"]]},
        json.loads((ROOT / "examples/commercial/request.json").read_text(encoding="utf-8")),
    ],
}  # fmt: skip


def test_the_schemas_are_those_of_the_code() -> None:
    for name, schema in MADE.items():
        Draft202012Validator.check_schema(schema)
        written = (schemas.FOLDER / name).read_text(encoding="utf-8")
        assert written == schemas.text_of(schema), f"{name} is stale: python -m tests.docs.schemas"
    assert {path.name for path in schemas.FOLDER.iterdir()} == {*MADE}


def test_examples_name_their_schema() -> None:
    for path in ROOT.glob("examples/*/*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        kind = path.stem if path.stem in CODE else "mapping"  # of a history, too
        assert (path.parent / document["$schema"]).resolve() == schemas.FOLDER / f"{kind}.schema.json"
        assert (judged_by_code(kind, document), judged_by_schema(kind, document)) == ("", "")


@pytest.mark.parametrize("kind", CODE)
def test_full_documents_are_accepted_by_both(kind: str) -> None:
    for document in FULL[kind]:
        assert (judged_by_code(kind, document), judged_by_schema(kind, document)) == ("", "")


def judged_by_code(kind: str, document: Any) -> str:
    """Why the code refuses a document; nothing if it accepts it."""
    try:
        CODE[kind](document)
    except InvalidInput as error:
        return str(error)
    return ""


def judged_by_schema(kind: str, document: Any) -> str:
    validator = Draft202012Validator(MADE[f"{kind}.schema.json"], registry=REGISTRY)
    error = next(validator.iter_errors(document), None)
    return "" if error is None else f"{error.json_path}: {error.message}"


def compare(kind: str, document: Any) -> None:
    try:
        document = json.loads(json.dumps(document, allow_nan=False))
    except ValueError:
        assume(False)
    assume(document is not None)  # for the code, no document
    code, schema = judged_by_code(kind, document), judged_by_schema(kind, document)
    if not code:
        assert not schema, document
    elif not schema:
        assert MORE_THAN_A_SCHEMA_SAYS.search(code), (code, document)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inside:
        yield from places(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place; without the place where the value is GONE."""
    if not path:
        return value
    document = copy.deepcopy(document)
    *above, last = path
    inside = document
    for key in above:
        inside = inside[key]
    if value is GONE:
        del inside[last]
    else:
        inside[last] = value
    return document


GONE = object()
TRICKY: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, 1.0, -1, 0.5, 5.5, 1e9, 10**400, True, False, None, "", "a", "base", "NA", ",", ".", "%", "5", "x\n", "EUR",
     "EUR\n", "utf-16", [], {}, [""], ["a"], ["a", "b"], [1], [99.9999], {"a": 1}, {"$schema": "x"}, {"value": 1},
     {"from": "a"}, {"from": []}, {"fed_rate": 99}, {"join": ["a", "b"]}, {"computed": "annuity"}, {"constant": None}]
)  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn, kind: str) -> Any:
    document = draw(st.sampled_from(FULL[kind]))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(document))))
        value = draw(TRICKY | ANY | st.just(GONE))
        if draw(st.booleans()) and isinstance(draw(st.just(document)), dict) and path:
            path = (
                *path[:-1],
                draw(st.sampled_from(["a", "base", "$schema", "name", "scale", "Auto", "x y", "mortgage"])),
            )
            value = value if value is not GONE else 1
        try:
            document = changed(document, path, value if path else {})
        except (TypeError, IndexError, KeyError):
            continue
    return document


@settings(max_examples=400)
@given(ANY | MAPPING | spoiled("mapping"))
def test_the_schema_of_mappings_judges_as_the_code_does(document: Any) -> None:
    compare("mapping", document)


@pytest.mark.parametrize("kind", ["parameters", "cases", "request"])
@settings(max_examples=150)
@given(data=st.data())
def test_the_other_schemas_judge_as_the_code_does(kind: str, data: st.DataObject) -> None:
    compare(kind, data.draw(spoiled(kind) | ANY))
