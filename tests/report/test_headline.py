"""The headline: the figures of every case, and sentences that a mail can carry."""

import json

from montecarlo.limits import PAYLOAD_BYTES
from montecarlo.report.headline import headline
from tests.report.sample import full_result


def test_it_has_the_figures_of_every_case_and_says_those_at_the_highest_level() -> None:
    result = {**full_result(), "currency": "EUR"}
    told = headline(result)
    assert told["cases"] == {
        name: {measure: case[measure] for measure in ("el", "var", "es", "economic_capital")}
        for name, case in result["cases"].items()
    }
    assert (told["loans"], told["exposure"], told["currency"]) == (
        result["loans"]["simulated"], result["exposure"], result["currency"],
    )  # fmt: skip
    assert told["cost_usd"] == result["cost"]["usd"]
    assert told["text"].startswith(f"The run {result['run']} is done: ")
    assert all(f"Case {name}: expected loss " in told["text"] for name in result["cases"])
    assert "VaR at 99.9 % " in told["text"]
    assert "VaR at 95 %" not in told["text"]


def test_it_tells_the_allowance_and_what_the_cases_weigh_where_there_is_such() -> None:
    plain = headline({**full_result(), "currency": "EUR"})
    assert "weighted_ecl" not in plain
    assert "allowance" not in plain["text"]
    weighted = {"twelve_month": 1.25e7, "lifetime": 5e7, "allowance": None}
    result = {**full_result(), "currency": "EUR", "weighted_ecl": weighted}
    result["cases"]["base"]["ecl"]["allowance"] = 2e7
    result["cases"]["stressed"]["ecl"]["allowance"] = None
    told = headline(result)
    assert [case["allowance"] for case in told["cases"].values()] == [2e7, None]
    assert told["weighted_ecl"] == weighted
    assert ", allowance €20.0 million. Case stressed: " in told["text"]
    assert told["text"].count("allowance –") == 2
    assert "probabilities: 12 months €12.5 million, lifetime €50.0 million, allowance –. It cost" in told["text"]


def test_seventeen_cases_make_no_long_text_and_no_large_output() -> None:
    """The output of an execution is bound to 256 KiB, and an event has it up to 248 KiB."""
    result = {**full_result(), "currency": "EUR"}
    (case, *_) = result["cases"].values()
    result["cases"] = {f"{number:02}{'x' * 62}": case for number in range(17)}
    told = headline(result)
    assert len(told["cases"]) == 17
    assert "The report has 13 more." in told["text"]
    assert len(told["text"]) < 1500
    assert len(json.dumps(told)) < PAYLOAD_BYTES / 10


def test_the_text_needs_no_escape_in_json() -> None:
    """EventBridge puts a text into the mail as it is: a quote would end the sentence around it."""
    text = headline({**full_result(), "currency": "EUR"})["text"]
    assert json.dumps(text, ensure_ascii=False) == f'"{text}"'


def test_an_amount_that_is_not_known_is_a_dash() -> None:
    result = {**full_result(), "currency": "EUR"}
    for case in result["cases"].values():
        case["economic_capital"] = dict.fromkeys(case["economic_capital"])
    assert "economic capital at 99.9 % –" in headline(result)["text"]
