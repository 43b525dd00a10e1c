"""Mappings of any JSON: an error of ours that names the key, or a mapping with which every file can be read."""

import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput
from montecarlo.portfolio.columns import COLUMNS
from montecarlo.portfolio.dialect import DECIMALS, DELIMITERS, ENCODINGS, QUOTES, THOUSANDS
from montecarlo.portfolio.mapping import ColumnMapping
from tests.hostile.whole import outcome, refusal_of

CSV = b"AccountID,PD,EAD,b,c,d\nA,0.1,5,x,2025-01-01,\nB,x,,7,01.02.2025,y\n,0.1,9,,3,\n"
TYPED = io.BytesIO()
pq.write_table(
    pa.table({"AccountID": ["A", "B", None], "PD": [0.1, None, 2.0], "EAD": [5, 6, None], "b": ["x", "7", None],
              "c": pa.array([1, 2, None], pa.date32()), "d": pa.array([1.5, None, None], pa.float32())}),
    TYPED,
)  # fmt: skip
FILES = {"a.csv": CSV, "b.csv.gz": gzip.compress(CSV.replace(b"A,", b"C,").replace(b"B,", b"D,")),
         "c.parquet": TYPED.getvalue()}  # fmt: skip

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from([10**400, -(10**400), 1e308, 5e-324, "\ud800", "%d.%d.%Y", "%Y", "%b-%Y", "%s", "%"])
)  # fmt: skip
ANY = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
NAMES = st.sampled_from(["AccountID", "PD", "EAD", "b", "c", "d"])
KEYS = ["from", "join", "constant", "row_number", "prefix", "file_name", "separator", "scale", "format", "values",
        "computed", "unit", "language", "default"]  # fmt: skip
OURS = st.text(max_size=3) | st.integers() | st.floats(allow_nan=False)
READ = {"format": st.sampled_from(["%d.%m.%Y", "%Y-%m-%d", "%b-%y", "%d. %B %Y"]),
        "language": st.sampled_from(["de", "pl", "x"]), "default": OURS,
        "values": st.dictionaries(st.text(max_size=3), OURS, max_size=3)}  # fmt: skip
ORIGIN = (
    NAMES
    | st.fixed_dictionaries({"from": NAMES | st.lists(NAMES, min_size=1, max_size=3)}, optional={
        "scale": st.floats(1e-300, 1e300), "unit": st.sampled_from(["%", "x", "(", "-"]) | st.text(max_size=3), **READ})
    | st.fixed_dictionaries({"join": st.lists(NAMES, min_size=2, max_size=3)}, optional={
        "separator": st.text(max_size=2), **READ})
    | st.just({"computed": "annuity"})
    | st.fixed_dictionaries({"row_number": st.just(True)}, optional={
        "prefix": st.text(max_size=3), "file_name": st.booleans()})
    | st.fixed_dictionaries({"constant": st.text(max_size=3) | st.integers() | st.floats()})
    | st.dictionaries(st.sampled_from(KEYS), ANY, max_size=3)
    | ANY
)  # fmt: skip
CONDITION = ANY | st.fixed_dictionaries({}, optional={
    "in": st.lists(st.text(max_size=2), max_size=2), "not_in": st.lists(st.text(min_size=1, max_size=2), max_size=2),
    "above": st.floats() | st.integers(), "at_most": st.floats(), "missing": st.booleans()})  # fmt: skip
PATTERN = st.sampled_from(["*", "*.csv", "[", "?*", ["*a*", "**"], [], ""])
MAPPING = st.fixed_dictionaries(
    {"columns": st.dictionaries(st.sampled_from([column.name for column in COLUMNS]), ORIGIN, max_size=4)},
    optional={
        "$schema": st.text(max_size=3),
        "as_of": ANY | st.just("2026-01-31"),
        "dialect": ANY
        | st.fixed_dictionaries(
            {},
            optional={
                "delimiter": st.sampled_from(DELIMITERS),
                "quote": st.sampled_from(QUOTES),
                "encoding": st.sampled_from([*ENCODINGS, "utf-16"]),
                "decimal": st.sampled_from(DECIMALS),
                "thousands": st.sampled_from(THOUSANDS),
            },
        ),
        "missing": ANY | st.lists(st.text(max_size=3)),
        "filter": ANY | st.dictionaries(NAMES, CONDITION, max_size=2),
        "files": ANY | st.fixed_dictionaries({}, optional={"match": PATTERN, "ignore": PATTERN}),
    },
)


@given(ANY | MAPPING)
@settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_a_mapping_or_an_error_of_ours(document: Any) -> None:
    mappings: list[ColumnMapping] = []
    refusal = refusal_of(lambda: mappings.append(ColumnMapping.parse(document)))
    assert len(refusal or "") < 300
    for mapping in mappings:
        for name, data in FILES.items():
            found: list[int] = []
            refusal = refusal_of(lambda n=name, d=data, m=mapping, f=found: f.append(outcome({n: d}, m).rows))  # type: ignore[misc]
            assert refusal or found == [3]


@pytest.mark.parametrize(
    "format", ["%d.%d.%Y", "%Y", "%m.%Y %m", "%d.%m", "", "%", "%Q", "%s", "no date", "%Y\0%m", "\ud800"]
)
def test_a_format_that_does_not_tell_year_and_month_is_refused(format: str) -> None:
    document = {"columns": {"OriginationDate": {"from": "c", "format": format}}}
    with pytest.raises(
        InvalidInput, match=r"mapping of OriginationDate has the format .* does not tell year and month"
    ):
        ColumnMapping.parse(document)


def test_numbers_that_are_none_are_refused() -> None:
    for value in (10**400, -(10**400), 10**5_000, float("nan"), float("inf"), "1", [1], None):
        with pytest.raises(InvalidInput, match=r"mapping of Rate must have a scale above zero, not .+"):
            ColumnMapping.parse({"columns": {"Rate": {"from": "c", "scale": value}}})


def test_cells_of_hundreds_of_digits_are_numbers_or_rejects() -> None:
    digits = [
        "9" * 400,
        "-" + "9" * 400,
        "0." + "0" * 400 + "1",
        "1" + "0" * 11 + "." + "0" * 400,
        "1e400",
        "1e-400",
        "1e99999999999",
    ]
    data = "AccountID,PD,EAD\n" + "".join(f"A{i},0.1,{number}\n" for i, number in enumerate(digits))
    found = outcome({"a.csv": data.encode()})
    assert [ead for loans in found.chunks for ead in loans.ead] == [0.0, 1e11, 0.0]
    assert [reject.row for reject in found.rejects] == [1, 2, 5, 7]


def test_json_text_of_the_mappings_of_these_tests_is_what_a_user_may_send() -> None:
    assert (
        ColumnMapping.parse(json.loads('{"columns": {"AccountID": {"join": ["b", "c"]}}}'))
        .origin("AccountID")
        .separator
        == "-"
    )
