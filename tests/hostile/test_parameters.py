"""Parameters of any JSON type: accepted, or refused by an error of ours that names the parameter."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput
from montecarlo.model.parameters import MAX_SEGMENTS, Parameters, load
from tests.memory_run import MemoryHost, simulate

TEXTS = st.text(st.characters(codec=None), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.builds(lambda: 10**5000)
    | st.sampled_from([-(10**400), 1e308, -0.0])
    | TEXTS
)
KEYS = (
    st.sampled_from(["value", "source", "schema", "name", "segments", "scorecard", "personal", "lgd", "rate"]) | TEXTS
)
ANYTHING = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4), max_leaves=8
)
DEFAULTS = load({"staging": {"pd_rise": 0.001}}).to_json()


def paths(document: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in document.items():
        found.append((*path, name))
        if isinstance(value, dict):
            found += paths(value, (*path, name))
    return found


PATHS = st.sampled_from(paths(DEFAULTS))


def at(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A document that has the value at the path, and nothing else."""
    for name in reversed(path):
        value = {name: value}
    document: dict[str, Any] = value
    return document


def check(document: Any) -> None:
    """The document is taken as a whole, or refused by an error that one can read."""
    try:
        found = load(document)
    except InvalidInput as error:
        message = str(error)
    else:
        check_complete(found)
        return
    assert message.startswith("parameters")
    assert len(message) < 600
    assert message.encode()


def check_complete(found: Parameters) -> None:
    """Every number is a number, and the parameters are as good as their own JSON."""
    assert load(json.loads(json.dumps(found.to_json()))) == found
    numbers = [found.base_fed_rate, *vars(found.scorecard).values(), *(s.lgd for s in found.segments.values())]
    assert all(type(number) is float and math.isfinite(number) for number in numbers)


@settings(max_examples=1_500)
@given(ANYTHING)
def test_any_document(document: Any) -> None:
    check(document)


@settings(max_examples=1_500)
@given(PATHS, ANYTHING)
def test_anything_in_the_place_of_any_parameter(path: tuple[str, ...], value: Any) -> None:
    check(at(path, value))


@settings(max_examples=700)
@given(TEXTS, st.fixed_dictionaries(dict.fromkeys(DEFAULTS["segments"]["personal"], SCALARS)))
def test_any_new_segment(name: str, segment: dict[str, Any]) -> None:
    check({"segments": {name: segment}})


@pytest.mark.parametrize("path", paths(DEFAULTS), ids=".".join)
@pytest.mark.parametrize("wrong", [{"value": {}}, [], True, float("nan"), 10**400, "x\ny"], ids=repr)
def test_what_is_wrong_is_named(path: tuple[str, ...], wrong: Any) -> None:
    if path == ("name",) and isinstance(wrong, str):
        assert load(at(path, wrong)).name == wrong
        return
    with pytest.raises(InvalidInput) as raised:
        load(at(path, wrong))
    assert path[0] in str(raised.value)
    assert ".".join(path) in str(raised.value) or isinstance(wrong, dict)


def test_a_value_alone_is_no_parameter_set() -> None:
    with pytest.raises(InvalidInput, match=r"'value' is unknown; here one may give \$schema, schema, name, base"):
        load({"value": 5})


def test_endless_nesting_is_refused() -> None:
    document: Any = 1.0
    for _ in range(100_000):
        document = {"segments": document}
    with pytest.raises(InvalidInput, match=r"segments\."):
        load(document)


# ---------------------------------------------------------------------------------------------------------------------
# Segments


def segments(count: int) -> dict[str, Any]:
    return {f"s{number}": DEFAULTS["segments"]["personal"] for number in range(count)}


def test_as_many_segments_as_the_report_can_show() -> None:
    """The last of them labels its loans as rightly as the first."""
    more = segments(MAX_SEGMENTS - len(DEFAULTS["segments"]))
    assert len(load({"segments": more}).segments) == MAX_SEGMENTS
    host = MemoryHost()
    lines = ["AccountID,PD,EAD,Segment", *(f"A{number},0.1,100,s{number}" for number in range(len(more))), ""]
    host.s3.objects["portfolios/many/a.csv"] = "\n".join(lines).encode()
    result = simulate(host, run="many", portfolio="portfolios/many/", scenarios=200, parameters={"segments": more})
    assert {name: part["loans"] for name, part in result["portfolio"]["segments"].items()} == dict.fromkeys(more, 1)


def test_one_more_is_refused_before_anything_runs() -> None:
    more = segments(MAX_SEGMENTS - len(DEFAULTS["segments"]) + 1)
    host = MemoryHost()
    with pytest.raises(InvalidInput, match="there are 65 segments with the defaults, but a report can show 64"):
        simulate(host, run="many", portfolio="portfolios/many/", parameters={"segments": more})
    assert not host.s3.objects


@pytest.mark.parametrize("name", ["", " x", "a" * 41, "a\nb", "<b>", "_x", "\ud800"])
def test_names_that_a_report_cannot_show_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name for a segment"):
        load({"segments": {name: DEFAULTS["segments"]["personal"]}})


def test_capitals_tell_no_segments_apart() -> None:
    with pytest.raises(InvalidInput, match="is there twice: capitals make no difference"):
        load({"segments": {"Personal": DEFAULTS["segments"]["personal"]}})


def test_a_segment_may_have_capitals() -> None:
    host = MemoryHost()
    host.s3.objects["portfolios/c/a.csv"] = (
        b"AccountID,PD,EAD,Segment\nA,0.1,100,Prime\nB,0.1,100,PRIME\nC,0.1,100,prime\n"
    )
    parameters = {"segments": {"Prime": DEFAULTS["segments"]["personal"]}}
    result = simulate(host, run="c", portfolio="portfolios/c/", scenarios=10, parameters=parameters)
    assert result["portfolio"]["segments"]["Prime"]["loans"] == 3


# ---------------------------------------------------------------------------------------------------------------------
# Grades

TWO: dict[str, Any] = {"grades": ["A", "B"], "matrix": [[0.9, 0.08, 0.02], [0.1, 0.8, 0.1]]}
LIKE_GRADES = st.dictionaries(
    st.sampled_from(["A", "AAA", "b+", "value", "source", "", " A", "A "]) | TEXTS,
    st.lists(st.sampled_from([0, 0.01, 1, 1.0, -0.0]) | SCALARS, max_size=4) | ANYTHING,
    max_size=3,
)
LIKE_A_MATRIX = st.fixed_dictionaries(
    {},
    optional={
        "grades": st.lists(st.sampled_from(["A", "B", "AAA"]) | SCALARS, max_size=3) | ANYTHING,
        "matrix": st.lists(
            st.sampled_from([[0.9, 0.1], [0.5, 0.25, 0.25], [1, 0, 0], [0, 0, 0]]) | ANYTHING, max_size=3
        )
        | ANYTHING,
        "other": st.none(),
    },
)


@settings(max_examples=250)
@given(st.fixed_dictionaries({}, optional={"grades": LIKE_GRADES | SCALARS, "migration": LIKE_A_MATRIX | SCALARS}))
def test_any_grades(document: dict[str, Any]) -> None:
    check(document)
    try:
        found = load(document).pds_by_grade
    except InvalidInput:
        return
    assert all(0 <= pd <= 1 for pds in found.values() for pd in pds)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"grades": [0.1]}, "grades must be an object, not "),
        ({"grades": {"A": 0.1}}, "grades.A must be a list of 1 to 40 PDs, one for each year, not 0.1"),
        ({"grades": {"A": []}}, "grades.A must be a list of 1 to 40 PDs"),
        ({"grades": {"A": [0.1] * 41}}, "grades.A must be a list of 1 to 40 PDs"),
        ({"grades": {"A": [0.1, -0.1]}}, "grades.A[1] must be a number from 0 to 1, not -0.1"),
        ({"grades": {"A": [2]}}, "grades.A[0] must be a number from 0 to 1, not 2"),
        ({"grades": {"A": ["2 %"]}}, "grades.A[0] must be a number from 0 to 1, not '2 %'"),
        ({"grades": {"A": [True]}}, "grades.A[0] must be a number from 0 to 1, not True"),
        ({"grades": {"": [0.1]}}, "grades: '' is no name for a grade: take 1 to 40 letters"),
        ({"grades": {"A ": [0.1]}}, "grades: 'A ' ends with a blank"),
        ({"grades": {f"G{number}": [0.1] for number in range(51)}}, "grades has 51 grades, more than 50"),
        ({"grades": {"A": [0.1]}, "migration": TWO}, "give grades or migration, not both"),
        ({"migration": None}, "migration must be an object, not None"),
        ({"migration": {}}, "migration.grades is missing"),
        ({"migration": {"grades": ["A"]}}, "migration.matrix is missing"),
        ({"migration": TWO | {"years": 5}}, "migration.'years' is unknown; here one may give grades, matrix"),
        ({"migration": TWO | {"grades": []}}, "migration.grades must be a list of the grades' names"),
        ({"migration": TWO | {"grades": "AB"}}, "migration.grades must be a list of the grades' names"),
        ({"migration": TWO | {"grades": ["A", 1]}}, "migration.grades: 1 is no name for a grade"),
        ({"migration": TWO | {"grades": ["A", "A"]}}, "migration.grades: A is there twice"),
        ({"migration": TWO | {"matrix": "x"}}, "migration.matrix must be a list of 2 rows"),
        (
            {"migration": TWO | {"matrix": [*TWO["matrix"], [0, 0, 1]]}},
            "one for each grade and none for default, not 3 ",
        ),
        ({"migration": TWO | {"matrix": [[1, 0], [0, 1]]}}, "migration.matrix[0] must be a list of 3 probabilities"),
        ({"migration": TWO | {"matrix": [[1, 0, 0], 1]}}, "migration.matrix[1] must be a list of 3 probabilities"),
        ({"migration": TWO | {"matrix": [[1, 0, 0], [0.1, 0.8, 0]]}}, "migration.matrix[1] adds up to 0.9, not to 1"),
        ({"migration": TWO | {"matrix": [[1, 0, 0], [90, 8, 2]]}}, "matrix[1][0] must be a number from 0 to 1, not 90"),
        ({"migration": TWO | {"matrix": [[0.5, 0.6, -0.1], [0, 1, 0]]}}, "matrix[0][2] must be a number from 0 to 1"),
    ],
)
def test_what_is_wrong_with_grades_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        load(given)
    assert f"parameters: {message}" in str(raised.value) or message in str(raised.value)


def test_as_many_grades_and_years_as_may_be() -> None:
    names = [f"G{number}" for number in range(50)]
    rows = [[0.9 if there == here else 0.1 / 50 for there in range(51)] for here in range(50)]
    found = load({"migration": {"grades": names, "matrix": rows}})
    assert {len(pds) for pds in found.pds_by_grade.values()} == {40}
    check_complete(found)
    assert len(load({"grades": {name: [0.5] * 40 for name in names}}).pds_by_grade) == 50


def test_a_row_may_miss_one_by_a_millionth_and_no_more() -> None:
    found = load({"migration": {"grades": ["A"], "matrix": [[0.98, 0.0200009]]}})
    assert found.first_pds["A"] == pytest.approx(0.0200009 / 1.0000009, rel=1e-15)
    with pytest.raises(InvalidInput, match="adds up to"):
        load({"migration": {"grades": ["A"], "matrix": [[0.98, 0.0200011]]}})


@pytest.mark.parametrize(
    "change",
    [
        {"portfolio": "portfolios/\ud800/"},
        {"parameters": {"name": "\ud800"}},
        {"mapping": {"columns": {"AccountID": "\ud800"}}},
        {"\ud800": 1},
    ],
)
def test_half_a_character_is_refused_before_anything_is_written(change: dict[str, Any]) -> None:
    host = MemoryHost()
    host.s3.objects["portfolios/c/a.csv"] = b"AccountID,PD,EAD\nA,0.1,100\n"
    with pytest.raises(InvalidInput, match="half a character") as raised:
        simulate(host, **({"run": "c", "portfolio": "portfolios/c/", "scenarios": 10} | change))
    str(raised.value).encode()
    assert list(host.s3.objects) == ["portfolios/c/a.csv"]
