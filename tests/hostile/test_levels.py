"""Confidence levels: any that make sense are told, and the others are refused before anything is spent."""

from typing import Any

import pytest
from hypothesis import given, settings

from montecarlo.errors import InvalidInput
from montecarlo.run.request import run_request
from tests.hostile.test_parameters import ANYTHING
from tests.hostile.test_units import host_with
from tests.memory_run import simulate

REQUEST = {"run": "r", "portfolio": "portfolios/small/", "scenarios": 4_000}


def test_further_levels_and_the_contributions_level() -> None:
    host = host_with(1e6, pd=0.02, count=200)
    usual = simulate(host, **REQUEST)["cases"]["base"]
    chunks = [key for key in host.s3.objects if "chunk-" in key]
    before = {key: host.s3.objects[key] for key in chunks}
    case = simulate(host, **REQUEST, levels=[99.95, 99.5], contribution_level=99.5)["cases"]["base"]
    assert {key: host.s3.objects[key] for key in chunks} == before, "nothing was simulated again"
    for measure in ("var", "es", "economic_capital"):
        assert {"99.5", "99.95"} | usual[measure].keys() == case[measure].keys()
        assert case[measure].items() >= usual[measure].items()
        assert case["standard_error"][measure].keys() == case["interval_95"][measure].keys() == case[measure].keys()
        assert list(case[measure]) == sorted(case[measure], key=float)
        assert list(case[measure].values()) == sorted(case[measure].values())
    for measure in ("var", "es"):
        name = f"{measure}_99.5_contribution"
        for kind in ("segments", "regions"):
            parts = case[kind].values()
            assert sum(part[name] for part in parts) == pytest.approx(case[measure]["99.5"], abs=0.02)
            assert all(part["interval_95"][name][0] <= part[name] <= part["interval_95"][name][1] for part in parts)
    only = case["segments"]["commercial"]["standard_error"]["es_99.5_contribution"]
    assert only == pytest.approx(case["standard_error"]["es"]["99.5"], rel=1e-4), "it is the whole portfolio"


def test_a_target_may_be_of_a_further_level() -> None:
    more = {"levels": [99.5], "target_measure": "es_99.5", "target_error": 0.5}
    assert simulate(host_with(1e6, pd=0.02, count=200), **REQUEST, **more)["waves"]["reached"]
    with pytest.raises(InvalidInput, match=r"target_measure must be one of ul, .*var_99\.5, es_99\.5, not 'es_99\.7'"):
        run_request({**REQUEST, **more, "target_measure": "es_99.7"}, {})


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([], "list of 1 to 8 levels"),
        ([99.95] * 9, "list of 1 to 8 levels"),
        (99.95, "list of 1 to 8 levels"),
        ("99", "list of 1 to 8 levels"),
        ([100], "levels is 100, but must be a number from 50 to 99.999"),
        ([0.9995], "levels is 0.9995"),
        ([99.1234567], "at most three decimals"),
        ([True], "levels must be a number"),
        ([None], "levels must be a number"),
    ],
)
def test_levels_that_make_no_sense_are_refused(levels: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        run_request({**REQUEST, "levels": levels}, {})


@settings(max_examples=500)
@given(ANYTHING, ANYTHING)
def test_anything_else_is_refused_by_name(levels: Any, level: Any) -> None:
    try:
        request = run_request({**REQUEST, "levels": levels, "contribution_level": level}, {})
    except InvalidInput as error:
        message = str(error)
    else:
        assert all(50 <= x < 100 for x in (*(request.levels or ()), request.contribution_level))
        return
    assert message.startswith(("levels", "contribution_level"))
