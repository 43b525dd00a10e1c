"""The run's record."""

from typing import Any

from montecarlo.model.parameters import load
from montecarlo.report.page import render
from tests.report.reading import visible


def test_only_parameters_that_differ_are_listed(result: dict[str, Any]) -> None:
    result["parameters"] = load({"segments": {"auto": {"lgd": 0.4375}}, "base_fed_rate": 4}).to_json()
    text = visible(render(result, {}))
    assert "Parameter This run Default base_fed_rate 4 3.63 segments.auto.lgd 0.4375 0.45" in text
    assert "The 2 of 74 that are not the defaults." in text
    assert "global_factor_share" not in text


def test_defaults_are_not_listed(result: dict[str, Any]) -> None:
    result["parameters"] = load().to_json()
    text = visible(render(result, {}))
    assert "All 74 are the defaults, which are judgement." in text
    assert "segments." not in text


def test_a_new_segment_has_no_defaults(result: dict[str, Any]) -> None:
    parameters = load().to_json()
    parameters["segments"]["boats"] = {"lgd": 0.5}
    assert "segments.boats.lgd 0.5 –" in visible(render(result | {"parameters": parameters}, {}))
