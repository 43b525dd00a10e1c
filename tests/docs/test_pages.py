"""Pages that explain: their figures are computed, their messages are the code's, their drawings are fresh."""

import ast
import re
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pytest

from montecarlo.model.contributions import contributions
from montecarlo.model.measures import LossSample, independent_error
from tests.docs.drawings import IMAGES, drawings
from tests.docs.tables import ROOT, rows
from tests.infrastructure.templates import template

MEASURES = (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
PRINTED = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- output of make run -->")[1].split("<!-- end")[0]

TEXTS = ("statemachine/*.json", "cloudformation/*.yaml")


def million(dollars: float) -> str:
    return f"{dollars / 1e8:.4g}"


def test_the_twenty_years_have_the_measures_that_the_page_says() -> None:
    (listed,) = re.findall(r"<!-- the twenty years -->(.*?)<!-- end", MEASURES, re.DOTALL)
    losses = np.array([int(cell) for row in rows(listed) for cell in row if cell]) * 10**8  # cents
    assert losses.size == 20
    sample = LossSample(losses, np.full(20, 1 / 20), independent_error)
    measures = sample.measures(None, (90.0, 95.0))
    told = {re.sub(r"\[|\].*", "", cells[0]): cells[1] for cells in rows(MEASURES) if cells[0].startswith("[")}
    assert told == {
        "Expected loss (EL)": million(sample.mean()),
        "Unexpected loss (UL)": million(measures.ul.value),
        "Value at risk (VaR), 95 %": million(sample.quantile(0.95)),
        "Expected shortfall (ES), 90 %": million(measures.es[90.0].value),
        "Economic capital, 95 %": million(sample.quantile(0.95) - sample.mean()),
    }
    parts = np.zeros((2, 20), np.int64)
    parts[:, -2:] = np.array([[15, 72], [40, 20]]) * 10**8
    parts[0, :-2] = losses[:-2]
    causes = [million(each.value) for each in contributions(sample, parts, 0.90).es]
    assert f"A causes (15 + 72) / 2 = {causes[0]} and B (40 + 20) / 2 = {causes[1]}" in MEASURES


def test_the_figures_of_a_run_are_those_that_the_readme_shows() -> None:
    for amount in re.findall(r"\$([\d.]+) million", MEASURES):
        assert re.search(rf"\s{amount}\s", PRINTED), amount
    for cells in rows(MEASURES):
        if cells[0].startswith("[") and cells[2]:
            (line,) = (line for line in PRINTED.splitlines() if line.startswith(re.sub(r"\[|\].*", "", cells[0])))
            assert line.split()[-4:-2] == cells[2:], line


@pytest.mark.parametrize("message", re.findall(r"^### `(.+)`$", (ROOT / "docs" / "faq.md").read_text(), re.MULTILINE))
def test_a_message_that_is_explained_is_one_that_the_code_has(message: str) -> None:
    wanted = re.compile(".*".join(map(re.escape, message.split("..."))), re.DOTALL)
    assert any(wanted.search(literal) for literal in literals()), message


@cache
def literals() -> list[str]:
    """Every text of the code, with a blank where a value is put in, the state machines and the templates."""
    files = [
        file
        for place in ("functions", "cli", "additive", "calibration")
        for file in sorted((ROOT / place).rglob("*.py"))
    ]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    return [
        *(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)),
        *("".join(filled(node)) for node in nodes if isinstance(node, ast.JoinedStr)),
        *(file.read_text(encoding="utf-8") for place in TEXTS for file in ROOT.glob(place)),
    ]


def filled(node: ast.JoinedStr) -> list[str]:
    return [str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values]


def test_drawings_are_fresh_and_shown() -> None:
    written = set((IMAGES / "console").glob("*.svg")) | {IMAGES / "architecture.svg"}
    made = drawings()
    assert written == set(made), "run: python -m tests.docs.drawings"
    shown = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/deploy-console.md"))
    for path, drawing in made.items():
        assert path.read_text(encoding="utf-8") == drawing, "run: python -m tests.docs.drawings"
        assert f"images/{path.relative_to(IMAGES)})" in shown


def test_the_form_is_drawn_whole_and_no_text_leaves_the_page() -> None:
    root = template("template.yaml")
    labels = root["Metadata"]["AWS::CloudFormation::Interface"]["ParameterLabels"]
    form = "".join(ET.fromstring(drawings()[IMAGES / "console" / "form.svg"]).itertext())
    assert all(labels[name]["default"] in form for name in root["Parameters"])
    for path, drawing in drawings().items():
        page = ET.fromstring(drawing)
        width = float(page.attrib["width"])
        for text in page.iter("{http://www.w3.org/2000/svg}text"):
            size = 8.0 * len("".join(text.itertext()))
            x = float(text.attrib["x"]) - {"start": 0.0, "middle": size / 2, "end": size}[text.attrib["text-anchor"]]
            assert 0 <= x <= width - 0.85 * size, (path.name, "".join(text.itertext()))
