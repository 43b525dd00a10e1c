"""The report on paper, as Chromium prints it: what stands on each page."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli import browser
from montecarlo.report.page import render
from tests.report.sample import full_result, gamma_losses

pytestmark = pytest.mark.skipif(
    browser.find() is None or shutil.which("pdftotext") is None,
    reason="there is no Chromium, or no pdftotext of Poppler",
)


def with_segments(number: int) -> dict[str, Any]:
    """A result with so many segments, so that tables of them go on over several pages."""
    result = full_result()
    names = [f"row_{place:03d}" for place in range(number)]
    for case in result["cases"].values():
        part = case["segments"]["credit_card"]
        case["segments"] = dict.fromkeys(names, part)
    result["portfolio"]["segments"] = {name: {"loans": 1000, "exposure": 1e6} for name in names}
    return result


def printed(page: str, folder: Path) -> list[list[str]]:
    """The lines of each page."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    browser.to_pdf(folder / "page.html", folder / "page.pdf")
    command = ["pdftotext", "-layout", str(folder / "page.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [[line.strip() for line in each.splitlines() if line.strip()] for each in text.split("\f")[:-1]]


def test_a_table_that_goes_on_has_its_head_again_and_a_total_that_comes_first(tmp_path: Path) -> None:
    """So many that a total comes to stand at the top of a page, with the fonts that this was looked at with."""
    pages = printed(render(with_segments(66), gamma_losses()), tmp_path)
    assert sum(page[0].startswith("Segment ") and page[1].startswith("Row ") for page in pages) > 3
    for page in pages:
        assert not page[0].startswith(("Row ", "Total")), page[:3]
