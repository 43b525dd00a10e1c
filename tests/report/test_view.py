"""What is read from a result, and how damage is told."""

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidResult
from montecarlo.report.view import Figure, Holding, PartLosses, ResultView
from tests.report.sample import HOSTILE, full_result, named


def test_a_result_is_read_from_its_text() -> None:
    view = ResultView.read(json.dumps(full_result()).encode())
    assert (view.run, view.seed, view.scenarios, view.exposure) == ("quarter-end", 4711, 2000, 1e9)
    assert [case.name for case in view.cases] == ["base", "stressed"]
    assert view.cases[0].figure(("var", "99.9")) == Figure(56.789e6, (56.789e6 * 0.9, 56.789e6 * 1.2))
    assert view.cases[1].segments["auto"] == PartLosses(el=Figure(12.3456e6 * 1.5 * 0.75))
    assert view.portfolio.regions["unknown"] == Holding(333, 1e8)
    assert [row.scenarios for row in view.cases[0].thinned] == [2000, 1000]


def test_a_figure_whose_error_is_unknown() -> None:
    result = full_result()
    result["cases"]["base"]["interval_95"]["var"]["99.9"] = [None, None]
    figure = ResultView.of(result).cases[0].figure(("var", "99.9"))
    assert (figure.interval, figure.undetermined) == (None, True)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1' + b"0" * 5_000 + b"}", b"<html></html>"]
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidResult, match=r"is not JSON.*repeat the run"):
        ResultView.read(content)


@pytest.mark.parametrize("content", ["null", "[]", "3", '"text"'])
def test_what_is_no_object_is_refused(content: str) -> None:
    with pytest.raises(InvalidResult, match="the whole must be an object"):
        ResultView.read(content)


@pytest.mark.parametrize("schema", [{}, {"schema": 2}, {"schema": 0.5}, {"schema": None}])
def test_another_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidResult, match=r"not of schema 1.*use the version"):
        ResultView.of(schema)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("exposure",), "12", "exposure must be a number, not text"),
        (("exposure",), True, "exposure must be a number, not true or false"),
        (("exposure",), float("nan"), "exposure must be a finite number"),
        (("exposure",), 10**400, "exposure must be a finite number"),
        (("cases",), [], "cases must be an object, not a list"),
        (("cases", "base"), 3, "cases.base must be an object, not a number"),
        (("cases", "base", "var", "99.9"), {}, "cases.base.var.99.9 must be a number, not an object"),
        (("cases", "base", "interval_95", "el"), [1], "cases.base.interval_95.el must be two numbers"),
        (("cases", "base", "convergence"), "x", "cases.base.convergence must be a list, not text"),
        (("cases", "base", "convergence"), [1], r"cases.base.convergence\[0\] must be an object"),
        (("cases", "base", "segments", "auto", "el"), [], "cases.base.segments.auto.el must be a number, not a list"),
        (("portfolio", "borrowers", "largest"), [1], r"portfolio.borrowers.largest\[0\] must be an object"),
        (("duplicates", "interval_95"), [1], "duplicates.interval_95 must be two numbers"),
        (("portfolio", "source"), 7, "portfolio.source must be text, not a number"),
        (("loans", "read"), "many", "loans.read must be a number, not text"),
        (("currency",), "dollars", "currency must be an ISO code"),
        (("timings", "wall_seconds"), float("inf"), "timings.wall_seconds must be a finite number"),
    ],
)
def test_damage_is_told_by_its_place(path: tuple[str, ...], value: Any, told: str) -> None:
    result = full_result()
    target = result
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(InvalidResult, match=told):
        ResultView.of(result)


def test_a_message_holds_nothing_that_could_steer_a_terminal() -> None:
    with pytest.raises(InvalidResult) as caught:
        ResultView.of({"schema": 1, "cases": {HOSTILE * 100: 3}})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_levels_are_plain_numbers() -> None:
    """Python reads these as numbers, too, and one of them would break a line of the terminal's table."""
    odd = ["\n99\n", "9_9", "٩٩", "1e1", "nan", "-5", "100"]
    case = ResultView.of({"schema": 1, "cases": {"base": {"var": dict.fromkeys(odd, 1.0)}}}).cases[0]
    assert not case.figures


def test_a_document_too_deep_is_refused() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"deeper": deep}
    with pytest.raises(InvalidResult, match="levels deep"):
        ResultView.of(full_result() | {"parameters": deep})


@given(
    st.integers(0, 2**32), st.sampled_from([None, True, -1, 1e308, 10**400, "", HOSTILE, [], [None], {}, {"el": {}}])
)
def test_damage_anywhere_ends_in_no_other_error(seed: int, value: Any) -> None:
    """A value of a result is replaced by another."""
    chosen = random.Random(seed)
    result = target = named("text")
    while isinstance(target, dict | list) and target:
        key: Any = chosen.choice(list(target)) if isinstance(target, dict) else chosen.randrange(len(target))
        if not isinstance(target[key], dict | list) or chosen.random() < 0.2:
            target[key] = value
            break
        target = target[key]
    with contextlib.suppress(InvalidResult):
        ResultView.of(result)
