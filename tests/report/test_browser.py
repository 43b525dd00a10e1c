"""The page in a browser: nothing to complain of, for readers with disabilities either, and what its script does."""

from typing import Any

import pytest

from cli import browser
from montecarlo.report.failure import render_failure
from montecarlo.report.page import render
from tests.report.browsing import AXE, DARK, found_by
from tests.report.sample import full_result, gamma_losses, many_cases

pytestmark = pytest.mark.skipif(
    browser.find() is None or not AXE.exists(), reason="there is no Chromium, or no axe-core: `make tools` gets it"
)

CHECK = """
  const outside = [];
  for (const chart of document.querySelectorAll("svg[role=img]")) {
    const box = chart.viewBox.baseVal;
    for (const text of chart.querySelectorAll("text")) {
      const own = text.getBBox();
      if (own.x < -1 || own.y < -1 || own.x + own.width > box.width + 1 || own.y + own.height > box.height + 1)
        outside.push(text.textContent);
    }
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const cut = innerWidth < 1200 ? [] : [...document.querySelectorAll(".wide")].filter((each) =>
    each.scrollWidth > each.clientWidth + 1).map((each) => each.ariaLabel);
  axe.run({ resultTypes: ["violations"] }).then((found) =>
    tell({ outside, wide, cut, violations: found.violations.map((each) =>
      [each.id, ...each.nodes.slice(0, 3).map((node) => node.html.slice(0, 150))]) }));
"""

NOTHING = {"outside": [], "wide": 0, "cut": [], "violations": []}


def three() -> str:
    """With the changes of two cases."""
    result, losses = full_result(), gamma_losses()
    result["cases"]["severe"] = result["cases"]["stressed"]
    return render(result, {**losses, "severe": losses["stressed"]})


def some(number: int) -> str:
    result = many_cases()
    result["cases"] = dict(list(result["cases"].items())[:number])
    result["capital_available"] = 1e8
    losses = gamma_losses()["base"]
    return render(result, dict.fromkeys(result["cases"], losses))


def long_names() -> str:
    """Every name as long as it may be, and one word."""
    result = many_cases()
    cases = list(result["cases"].values())[:7]
    result["cases"] = {f"{'W' * 79}{place}": case for place, case in enumerate(cases)}
    result |= {"run": "R" * 80, "institution": "I" * 120, "portfolio_name": "P" * 120, "capital_available": 1e8}
    return render(result, dict.fromkeys(result["cases"], gamma_losses()["base"]))


def long_cause() -> str:
    key = "portfolios/" + "a_rather_long_folder/" * 20
    return render_failure({"run": "R" * 80, "error": "InvalidPortfolio", "cause": f"s3://bucket/{key} is not there."})


@pytest.mark.parametrize(
    ("page", "options"),
    [
        (lambda: render(full_result(), gamma_losses()), ("--window-size=1280,900",)),
        (three, ("--window-size=1280,900",)),
        (lambda: some(7), ("--window-size=1280,900",)),
        (lambda: some(7), ("--window-size=500,900", DARK)),
        (long_names, ("--window-size=500,900",)),
        (long_cause, ("--window-size=500,900",)),
        (lambda: render_failure({"run": "june", "error": "InvalidPortfolio", "cause": "Too many rejects."}), (DARK,)),
    ],
    ids=[
        "two cases",
        "three cases",
        "seven cases",
        "many cases, narrow and dark",
        "long names",
        "long cause",
        "failed, dark",
    ],
)
def test_nothing_to_complain_of(page: Any, options: tuple[str, ...]) -> None:
    found, complaints = found_by(page(), AXE.read_text(encoding="utf-8") + CHECK, *options)
    assert found == NOTHING
    assert not complaints


SCRIPTED = """
  const kinds = [];
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => { kinds.push(blob.type); return make(blob); };
  HTMLAnchorElement.prototype.click = () => {};
  const table = [...document.querySelectorAll(".appendix table")].find((each) =>
    each.caption.textContent.startsWith("Rejected loans"));
  const rows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
  const was = rows();
  const [name, loans] = table.querySelectorAll("thead button");
  loans?.click();
  const ascending = rows();
  loans?.click();
  const descending = rows();
  const box = document.querySelector(".slice input");
  box.value = "gross";
  box.dispatchEvent(new Event("input"));
  const filtered = rows(), told = document.querySelector(".slice output").textContent;
  for (const button of document.querySelectorAll("figure .save button")) button.click();
  setTimeout(() => tell({ was, ascending, descending, filtered, told, kinds: [...new Set(kinds)].sort() }), 1500);
"""


def test_tables_are_sorted_and_filtered_and_charts_saved() -> None:
    result = full_result()
    result["rejected_by_reason"] = {"LoanTerm is empty": 1_000, "GrossIncome must not be negative": 30, "No ID": 4}
    found, complaints = found_by(render(result, gamma_losses()), SCRIPTED)
    reasons = list(result["rejected_by_reason"])
    assert found["was"] == found["descending"] == reasons
    assert found["ascending"] == reasons[::-1]
    assert found["filtered"] == ["GrossIncome must not be negative"]
    assert found["told"].startswith("1 of ")
    assert found["kinds"] == ["image/png", "image/svg+xml"]
    assert not complaints
