"""The summary: every case at a glance, where the tail comes from, and how far to trust it."""

from typing import Any

from montecarlo.report.page import render
from tests.report.reading import parsed, visible
from tests.report.sample import many_cases


def summary_of(result: dict[str, Any]) -> str:
    text = visible(render(result, {}))
    return text[text.index("Summary") : text.index("Appendix")]


def test_few_cases_stand_side_by_side(result: dict[str, Any]) -> None:
    text = summary_of(result)
    assert "Measure Base (3.63 %) Stressed (8.00 %) Change Expected loss (EL) 12.3 18.5 +50.0 %" in text
    assert "Value at risk (VaR), 99.9 % 56.8 85.2 +50.0 %" in text
    assert "Value at risk (VaR), 95 %" not in text


def test_each_of_many_cases_has_a_row_and_its_var_in_the_picture() -> None:
    result = many_cases()
    text = summary_of(result)
    for figures in result["cases"].values():
        assert f"VaR 99.9 % ${figures['var']['99.9'] / 1e6:.3g}M" in text
    assert "Shock 8 (11.63 %) 22.2 102.2 120.0 80.0 158.6 +80.0 %" in text


def test_segments_are_ranked_by_what_they_add_to_the_tail(result: dict[str, Any]) -> None:
    for case in result["cases"].values():
        case["segments"]["auto"]["es_99_contribution"] = case["es"]["99"] * 0.6
    text = summary_of(result)
    assert "Segment Exposure EL, Base ES 99 %, Base ES 99 %, Stressed Auto 75 % 75 % 60 % 60 % Credit card" in text


def test_of_many_segments_the_largest_are_named(result: dict[str, Any]) -> None:
    result["portfolio"]["segments"] = {}
    for case in result["cases"].values():
        case["segments"] = {f"part_{n}": {"el": 1.0, "es_99_contribution": float(n)} for n in range(1, 8)}
    text = summary_of(result)
    assert "The 5 largest of 7 segments." in text
    assert "Part 7 – 14 % 25 % 25 %" in text
    assert "Part 2" not in text


def test_how_far_to_trust_it(result: dict[str, Any]) -> None:
    text = summary_of(result)
    assert "VaR 99.9 % is known to ±15 % or better, with 95 % confidence, from 2,000 scenarios." in text
    assert "computed loan by loan; the simulated one agrees with it, 0.1 standard errors apart at most." in text
    assert "Rows rejected: 7 of 3,340 (0.21 %)." in text
    assert "as concentrated as 2,000 equal loans would be, and as 1,250 equal borrowers." in text
    result["cases"]["base"]["el_check"] |= {"agrees": False, "standard_errors_apart": 5.04}
    assert "the simulated one differs from it, 5.0 standard errors apart at most." in summary_of(result)


def test_contents_lead_to_every_section(result: dict[str, Any]) -> None:
    root = parsed(render(result, {}))
    sections = {section.get("id"): section.findtext("h2") for section in root.iter("section")}
    links = {(link.get("href") or "")[1:]: link.text for link in root.iter("a")}
    assert links == {anchor: title for anchor, title in sections.items() if title != "Summary"}
    assert len(links) > 8


def test_the_largest_borrowers_are_named(result: dict[str, Any]) -> None:
    text = summary_of(result)
    assert "Largest borrowers The 5 of 3,000 that owe most." in text
    assert "obligor-4 7 $16.0M 2.00 % How far" in text


def test_a_var_that_is_one_loss(result: dict[str, Any]) -> None:
    for case in result["cases"].values():
        case["interval_95"]["var"]["99.9"] = [case["var"]["99.9"]] * 2
    page = visible(render(result, {}))
    assert "VaR 99.9 % is one and the same loss throughout its 95 % interval." in page
    assert "±0 %" not in page


def test_what_changed_since_the_last_run(result: dict[str, Any]) -> None:
    text = summary_of(result)
    assert "What changed since the run last-quarter" in text
    assert "It has no case Stressed." in text
    assert "Loans simulated 3,000 3,333 +11.1 % Exposure 800.0 1,000.0 +25.0 %" in text
    assert "Expected loss (EL) – Base 10.0 12.3 +23.5 %" in text
    assert "Value at risk (VaR), 99.9 % – Base 50.0 56.8 +13.6 %" in text


def test_amounts_of_two_currencies_are_not_compared(result: dict[str, Any]) -> None:
    result["compared"]["currency"] = "EUR"
    text = summary_of(result)
    assert "That run is in EUR, so that amounts do not compare." in text
    assert "Before" not in text
