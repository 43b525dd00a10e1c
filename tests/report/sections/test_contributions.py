"""The loans and borrowers that contribute most, with all others."""

from typing import Any

from montecarlo.report.page import render
from tests.report.reading import visible


def section(result: dict[str, Any]) -> str:
    text = visible(render(result, {}))
    return text[text.rindex("Contributions of loans") :]


def test_the_largest_are_named_and_all_others_make_it_whole(result: dict[str, Any]) -> None:
    text = section(result)
    assert text.startswith("Contributions of loans and borrowers The loans that contribute most. base: what each")
    assert "to ES 99 %, $44.4M, and to economic capital 99 %, $20.0M" in text
    assert "account-0 Auto $1.00M $500K ± $19.6K 1.00 % −$10.0K" in text
    assert "3,320 others" in text  # two that are named further below, and 3,318
    assert "borrower-2 3 $1.00M" in text
    assert "2,997 others" in text
    assert "All that are named, base" in text
    assert "account-11" in text[text.index("All that are named") :]
    assert "In the case stressed" in text


def test_what_is_folded_away_is_not_printed(result: dict[str, Any]) -> None:
    """A hundred loans and as many borrowers for each case would fill dozens of pages."""
    page = render(result, {})
    for title in ("All that are named, base", "In the case stressed"):
        assert f'<details class="on-screen"><summary>{title}' in page
    assert ".on-screen { display: none; }" in page[page.index("@media print") :]


def test_borrowers_that_are_not_known(result: dict[str, Any]) -> None:
    for case in result["contributions"]["cases"].values():
        del case["borrowers"], case["other_borrowers"]
    text = visible(render(result, {}))
    assert "Contributions of loans The loans that contribute most." in text
    assert "The borrowers that contribute most" not in text


def test_a_run_that_was_not_asked(result: dict[str, Any]) -> None:
    del result["contributions"]
    assert "Contributions of loans" not in visible(render(result, {}))
