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
DEFAULTS = load().to_json()


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
