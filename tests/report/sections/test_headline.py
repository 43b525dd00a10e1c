"""What a reader must take away, in full sentences."""

from typing import Any

import pytest

from montecarlo.report.page import render
from tests.report.reading import notices, parsed, visible


def test_the_headline_is_one_sentence_with_el_and_var_before_and_after(result: dict[str, Any]) -> None:
    headline = parsed(render(result, {})).find(".//p[@class='headline']")
    assert headline is not None
    assert "".join(headline.itertext()).replace("\u00a0", " ") == (
        "Today the portfolio of $1.00 billion is expected to lose $12.3 million and, with 99.9 % probability, loses"
        " no more than $56.8 million (VaR); after a shock of the Federal Funds rate to 8.00 %, $18.5 million"
        " and $85.2 million."
    )


def test_a_sample_is_said_to_be_one(result: dict[str, Any]) -> None:
    assert not notices(render(result, {}))
    result["loans"] |= {"read": 33340, "not_sampled": 30000}
    assert "The run simulated a sample of the loans" in notices(render(result, {}))[0]
    result["sampling"] |= {"one_in": 10, "relative_error": 0.01}
    notice = "One loan in 10 was simulated and amounts are scaled up to all loans; that adds ±2 %, which the"
    assert notices(render(result, {})) == [f"{notice} intervals include."]


def test_a_precision_that_was_missed_is_called_out(result: dict[str, Any]) -> None:
    result["waves"] = {
        "count": 8,
        "target_measure": "var_99.9",
        "target_error": 0.01,
        "relative_error": 0.0098,
        "reached": True,
    }
    page = render(result, {})
    assert not notices(page)
    told = "They came in 8 waves, to bring the relative standard error of VaR 99.9 % below 1.00 %; it is 0.98 % in"
    assert told in visible(page)
    result["waves"] |= {"reached": False, "relative_error": 0.013}
    assert notices(render(result, {})) == [
        "The run ended before it reached the precision of 1.00 % asked for: allow more scenarios."
    ]


def test_a_tail_without_an_error_is_called_out(result: dict[str, Any]) -> None:
    result["cases"]["stressed"]["interval_95"]["var"]["99.9"] = [None, None]
    page = render(result, {})
    assert notices(page) == ["Too few scenarios reach VaR 99.9 % to tell how precise it is: use more."]
    assert "VaR 99.9 % is known to ±15 % (Base), with 95 % confidence." in visible(page)


def test_rows_of_one_account_are_called_out(result: dict[str, Any]) -> None:
    result["duplicates"] = {"rows": 5, "accounts": 2, "share": 0.0015, "exact": True, "interval_95": [5, 5]}
    told = "have an AccountID that another row has, and the same random numbers with it. That makes the tail fatter,"
    told += " unless it is meant: duplicates.parquet has the AccountIDs."
    assert notices(render(result, {})) == [f"5 rows (0.15 % of the loans) {told}"]
    result["duplicates"] |= {"rows": 5000, "exact": False, "interval_95": [4321, 5678]}
    told = f"About 5,000 rows (95 % interval 4,321 to 5,678) (0.15 % of the loans) {told}"
    assert notices(render(result, {})) == [told]


def verdict_of(result: dict[str, Any]) -> tuple[str, str]:
    """The kind of the verdict on the capital, and its words."""
    found = [each for each in parsed(render(result, {})).iter("p") if each.get("class", "").startswith("verdict")]
    assert len(found) == 1
    return found[0].get("class", ""), "".join(found[0].itertext()).replace("\u00a0", " ")


def test_the_report_says_whose_it_is_and_when_it_was_made(result: dict[str, Any]) -> None:
    text = visible(render(result, {}))
    assert text.startswith("First Example Bank · Loan portfolio loss report Consumer loans Today the portfolio")
    assert "Run quarter-end Produced 2026-01-02 03:04 UTC Currency USD" in text


@pytest.mark.parametrize(
    ("available", "kind", "words"),
    [
        (
            1e9,
            "enough",
            "Enough. It covers the economic capital at 99.9 % of every case: at most $66.7 million, 7 % of it",
        ),
        (30e6, "short", "Not enough. It lacks up to $36.7 million of the economic capital at 99.9 % of Base (3.63 %)"),
        (
            70e6,
            "close",
            "Too close to tell. It lies within the 95 % interval of the economic capital at 99.9 % of Stressed",
        ),
    ],
)
def test_a_verdict_on_the_capital_available(result: dict[str, Any], available: float, kind: str, words: str) -> None:
    found, text = verdict_of(result | {"capital_available": available})
    assert found == f"verdict {kind}"
    assert text.removeprefix("Capital available: ").split(". ", 1)[1].startswith(words)


def test_without_capital_there_is_no_verdict(result: dict[str, Any]) -> None:
    del result["capital_available"]
    assert "Capital available" not in visible(render(result, {}))
