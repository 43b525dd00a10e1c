"""The page as a whole: every figure is on it, it needs nothing from elsewhere, and no text of a user is markup."""

import contextlib
import copy
import math
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidResult
from montecarlo.report.charts.losses import Distribution
from montecarlo.report.page import render
from tests.report.reading import elements, parsed, visible
from tests.report.sample import HOSTILE, case, few_losses, named


def test_every_figure_is_there(result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
    text = visible(render(result, distributions))
    for figure in (
        *("12.3", "11.1 to 14.8", "18.5", "+50.0 %", "+6.2"),  # EL, interval, stressed
        *("6.5", "23.5", "34.6", "56.8", "33.3", "44.4", "66.7", "12.4", "1.23 %", "3.63 %", "8.00 %", "+4.37 pp"),
        *("1,111 250.0 3.1", "2,222 750.0 9.3", "17.8", "1.23 %"),  # segments
        *(
            "quarter-end",
            "4711",
            "2,000",
            "2.9.9",
            "segments.auto.lgd 0.4375 0.45",
            "portfolios/default/",
            "2026-01-01",
        ),
        *("1 min 23 s", "0.25 s", "612 MB"),
        "US$ 0.043; US$ 0.052 estimated before the run",
        "2,476.5 GB-seconds; 3,001.2 GB-seconds estimated before the run",
        *("us-east-1, 2026-01, public price lists", "0.000225", "27", "31"),
        *("88.1", "1,101.5", "132.2", "1,652.3", "110.15 %", "0.50", "+50.0 %"),  # capital, RWA, ratio
        *("20.1 100.56 %", "30.2"),  # of a segment
        *("11.2 1.12 %", "47.1 4.71 %", "16.9", "70.7"),  # expected credit losses
        *("2.2 0.89 %", "7.3 2.93 %", "3.3", "11.0"),
        *("0.0005", "2,000", "0.62", "1.6", "0.82", "1.2"),  # concentration
        "3,340 read = 3,333 simulated + 7 rejected + 0 not sampled",
    ):
        assert figure in text, figure


def test_a_result_of_an_older_version(result: dict[str, Any]) -> None:
    for key in ("sampling", "cost", "timings", "input", "contributions", "reverse_stress"):
        del result[key]
    del result["portfolio"]["concentration"]
    for older in result["cases"].values():
        for key in ("capital", "ecl", "effective_sample_size", "convergence"):
            del older[key]
        for part in older["segments"].values():
            for key in ("capital", "twelve_month_ecl", "lifetime_ecl"):
                part.pop(key, None)
    page = render(result, {})
    headings = ["".join(heading.itertext()) for heading in parsed(page).iter("h2")]
    assert headings == [
        *(
            "Summary",
            "Appendix: contents",
            "Cases",
            "Measures",
            "Losses by segment",
            "Losses by ZIP region",
            "Precision",
            "Loans",
        ),
        *("Run record", "How to read this"),
    ]
    assert "IRB" not in visible(page).split("How to read this")[0]


def test_the_page_needs_nothing_from_elsewhere(result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
    page = render(result, distributions)
    assert not {"link", "img", "iframe", "object"} & set(elements(page))
    assert not any("style" in element.attrib for element in parsed(page).iter())
    style = parsed(page).findtext("head/style") or ""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policies = [meta.get("content") for meta in parsed(page).iter("meta") if "http-equiv" in meta.attrib]
    script = parsed(page).findtext("body/script") or ""
    assert elements(page).count("script") == 1
    own = b64encode(sha256(script.encode()).digest()).decode()
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; script-src 'sha256-{own}'; img-src blob:"]
    assert "url(" not in page
    assert "@import" not in page
    assert set(re.findall(r"https?://[^\s\"]+", page)) == {"http://www.w3.org/2000/svg"}


def test_amounts_are_in_the_portfolios_currency(result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
    text = visible(render(result | {"currency": "CHF"}, distributions))
    for figure in (
        "the portfolio of CHF 1.00 billion is",
        "Amounts in CHF million.",
        "VaR 99.9 % CHF 56.8M",
        "VaR 99.9 % CHF 85.2M",
    ):
        assert figure in text
    assert "$" not in text.replace("US$", "")
    assert "portfolio of €1.00 billion" in visible(render(result | {"currency": "EUR"}, {}))


def test_the_same_result_gives_the_same_page(result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
    assert render(result, distributions) == render(copy.deepcopy(result), dict(distributions))


def test_every_heading_cell_has_a_scope(result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
    root = parsed(render(result, distributions))
    assert {cell.get("scope") for cell in root.iter("th")} == {"row", "col"}
    for region in root.iter("div"):
        if region.get("class") == "wide":  # it scrolls, so the keyboard must reach it and say what it is
            assert region.get("tabindex") == "0"
            assert region.get("aria-label")
    for table in root.iter("table"):
        assert table.findtext("caption")
        assert len({len(row) for row in table.iter("tr")}) == 1, "rows of different length"


def skeleton(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Elements and their attributes, without what they say."""
    return [(element.tag, tuple(element.attrib)) for element in parsed(page).iter()]


def test_no_text_of_a_user_becomes_markup(distributions: dict[str, Distribution]) -> None:
    page = render(named(HOSTILE), {HOSTILE: distributions["base"]})
    assert skeleton(page) == skeleton(render(named("plain"), {"plain": distributions["base"]}))
    assert visible(page).count("alert(1)") > 20
    assert not set(page) & set("\x00\x1b\x9b\u202e\u2066\ud800")


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=30))
def test_any_text_anywhere_leaves_the_markup_as_it_is(text: str) -> None:
    text += "?"  # so that it is no key of the schema
    assert skeleton(render(named(text), {text: few_losses()})) == PLAIN


@pytest.mark.parametrize("empty", [{}, {"cases": {}}, {"cases": {"base": {}}}, {"cases": None, "loans": {}}])
def test_missing_keys(empty: dict[str, Any]) -> None:
    parsed(render({"schema": 1, **empty}, {}))


def test_every_key_may_be_missing_or_null(result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
    """And a value of another type ends in no other error than ours."""
    result["waves"] = {"count": 2, "target_measure": "el", "target_error": 0.1, "reached": False}
    stressed = result["cases"]["stressed"]
    targets = [result, stressed, stressed["convergence"][0], stressed["ecl"], stressed["segments"]["credit_card"]]
    targets += [result[key] for key in ("portfolio", "loans", "sampling", "waves", "cost", "timings")]
    targets += [result["duplicates"], result["portfolio"]["borrowers"], result["portfolio"]["borrowers"]["largest"][0]]
    for target in [*targets, result["portfolio"]["concentration"]]:
        for key in set(target) - {"schema"}:
            kept = target.pop(key)
            parsed(render(result, distributions))
            target[key] = None
            parsed(render(result, distributions))
            replacements: list[Any] = [math.nan, 0, "text", [], [1, None], {}]
            for value in replacements:
                target[key] = value
                with contextlib.suppress(InvalidResult):
                    parsed(render(result, distributions))
            target[key] = kept


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e30, 1e290])
def test_tiny_and_huge_amounts(scale: float) -> None:
    result: dict[str, Any] = {
        "schema": 1,
        "exposure": scale,
        "cases": {"base": case(3.63, scale), "stressed": case(8.0, 2 * scale)},
    }
    parsed(render(result, {}))


PLAIN = skeleton(render(named("plain"), {"plain": few_losses()}))
