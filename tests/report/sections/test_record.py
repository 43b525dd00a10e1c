"""The run's record."""

import re
from typing import Any

from montecarlo.model.parameters import load
from montecarlo.report.page import render
from tests.report.reading import visible


def test_only_parameters_that_differ_are_listed(result: dict[str, Any]) -> None:
    result["parameters"] = load({"segments": {"auto": {"lgd": 0.4375}}, "base_fed_rate": 4}).to_json()
    text = visible(render(result, {}))
    assert "Parameter This run Default base_fed_rate 4 3.63 segments.auto.lgd 0.4375 0.45" in text
    assert "The 2 of 74 that are not the defaults." in text
    assert "global_factor_share" not in text.split("Where the parameters come from")[0]


def test_of_a_large_matrix_the_beginning_is_listed(result: dict[str, Any]) -> None:
    migration = {"grades": ["A"], "matrix": [[0.12345] * 51] * 50}
    text = visible(render(result | {"parameters": load().to_json() | {"migration": migration}}, {}))
    assert 'migration.grades ["A"] –' in text
    (shown,) = re.findall(r"migration\.matrix (.*?), … all of it in result\.json –", text)
    assert 350 < len(shown) <= 400
    assert "12345" in shown[-9:], "no number is cut"


def test_defaults_are_not_listed(result: dict[str, Any]) -> None:
    result["parameters"] = load().to_json()
    text = visible(render(result, {}))
    assert "All 74 are the defaults, which are judgement." in text
    assert "segments." not in text.split("Where the parameters come from")[0]


def test_what_is_optional_is_held_against_its_default_too(result: dict[str, Any]) -> None:
    own = {"staging": {"stage_2_days": 15}, "default_timing": "monthly", "segments": {"auto": {"pd_by_year": [1.5]}}}
    result["parameters"] = load(own).to_json()
    before, after = visible(render(result, {})).split("Where the parameters come from")
    assert "default_timing monthly mid-year staging.stage_2_days 15 30" in before
    assert "segments.auto.pd_by_year [1.5] []" in before
    assert "staging.stage_3_days" not in before
    assert "staging.stage_2_days 15 this run's request staging.stage_3_days 90 IFRS 9, B5.5.37" in after


def test_each_parameter_has_its_source(result: dict[str, Any]) -> None:
    text = visible(render(result, {})).split("Where the parameters come from")[1]
    assert "segments.auto.lgd 0.4375 this run's request" in text
    assert "global_factor_share 0.5 judgement: half of" in text
    assert "segments.mortgage" not in text, "it holds no loans"


def test_the_source_is_named_with_its_digest_and_mapping(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert "Portfolio portfolios/default/ Digest of its objects 5eed" in text
    assert "Mapping: columns.Rate Zinssatz" in text
    del result["versions"]["mapping"]
    assert "Mapping none: the columns have the project's names" in visible(render(result, {}))


def test_a_new_segment_has_no_defaults(result: dict[str, Any]) -> None:
    parameters = load().to_json()
    parameters["segments"]["boats"] = {"lgd": 0.5}
    assert "segments.boats.lgd 0.5 –" in visible(render(result | {"parameters": parameters}, {}))
