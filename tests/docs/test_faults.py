"""docs/reliability.md and docs/security.md name tests that exist, and leave out no file of attacks."""

import ast
import re
from pathlib import Path

import pytest

from tests.docs.tables import ROOT, rows

DOCUMENTS = [ROOT / "docs" / name for name in ("reliability.md", "security.md")]
ATTACKS = [path for room in ("hostile", "faults") for path in sorted((ROOT / "tests" / room).glob("test_*.py"))]
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def named(document: Path) -> list[tuple[str, str]]:
    """The tests that a document names, each by its file and its function."""
    return NAMED.findall(document.read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    missing = [f"{file}::{function}" for file, function in named(document) if function not in functions(file)]
    assert not missing, missing


def functions(file: str) -> set[str]:
    """The tests of a file below tests/, those in classes too."""
    path = ROOT / "tests" / file
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_line_has_its_test(document: Path) -> None:
    lines = [cells for cells in rows(document.read_text(encoding="utf-8")) if cells[-1] != "test"]
    assert lines
    assert not [cells[0] for cells in lines if not NAMED.search(cells[-1])]


def test_no_file_of_attacks_is_left_out() -> None:
    mentioned = {ROOT / "tests" / file for document in DOCUMENTS for file, _ in named(document)}
    assert not [str(path) for path in ATTACKS if path not in mentioned]
