"""`montecarlo reverse-stress` in the user's process: words, JSON, a page, and what it cannot do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.memory_run import MemoryHost, generate, simulate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def june() -> dict[str, bytes]:
    made = MemoryHost()
    book = generate(made, loans=3_000)
    simulate(made, run="june", portfolio=book, scenarios=500, as_of="2026-01-01", capital_available=4e6)
    return made.s3.objects


def test_the_document_shows_what_it_prints(command: Any) -> None:
    text = (ROOT / "docs/additive.md").read_text(encoding="utf-8")
    (printed,) = re.findall(r"<!-- output of montecarlo reverse-stress -->\n```\n(.*?)```", text, re.DOTALL)
    assert command("reverse-stress", "june") == (0, printed, "")


def test_json_and_a_page_have_the_same_figures(command: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    status, out, err = command("reverse-stress", "june", "--loss", "3e6", "--page", str(page), "--json")
    assert (status, err) == (0, f"The page is {page}.\n")
    figures = json.loads(out)
    assert figures["loss"] == 3e6
    for case in figures["cases"].values():
        assert f"{case['shift']:.2f} standard deviations" in page.read_text(encoding="utf-8")
        assert sum(held["loss"] for held in case["segments"].values()) == pytest.approx(3e6, abs=0.05)
    status, _, err = command("reverse-stress", "june", "--page", str(page))
    assert status == 2
    assert "is there already" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["may"], "there is no run may"),
        (["june", "--loss", "1e15"], "the most that can be lost is"),
        (["june", "--loss", "0"], "must be above 0"),
        (["june", "--loss", "-1"], "must be above 0"),
        (["june", "--loss", "much"], "'much' is no number"),
        (["june", "--page", "/nowhere/p.html"], "there is no folder /nowhere"),
    ],
)
def test_what_it_cannot_do_it_says(command: Any, arguments: list[str], says: str) -> None:
    status, out, err = command("reverse-stress", *arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
