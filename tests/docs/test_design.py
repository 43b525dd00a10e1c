"""docs/design.md draws the tower of rooms and the keys in the bucket as they are; files named by room exist."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from montecarlo.storage import keys
from tests.docs.tables import ROOT, documents, rows

DESIGN = ROOT / "docs/design.md"
PACKAGE = ROOT / "functions/montecarlo"


def marked(name: str) -> list[str]:
    """The lines of a drawing, between `<!-- the NAME -->` and `<!-- end of the NAME -->`."""
    text = DESIGN.read_text(encoding="utf-8")
    found = re.search(rf"<!-- the {name} -->\n```\n(.*?)```\n<!-- end of the {name} -->", text, re.DOTALL)
    assert found, f"docs/design.md has no {name}"
    return found[1].splitlines()


def test_the_tower_that_is_drawn_is_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["montecarlo"])
    assert marked("tower") == layers


def test_every_room_is_described() -> None:
    described = {
        name for cells in rows(DESIGN.read_text(encoding="utf-8")) for name in re.findall(r"`(\w+)`", cells[0])
    }
    assert set(re.findall(r"\w+", " ".join(marked("tower")))) <= described


def test_every_key_of_the_bucket_is_drawn() -> None:
    drawn, folders = set(), [""]
    for line in marked("keys"):
        depth, name = len(line) - len(line.lstrip()), line.split()[0].rstrip(",")
        folders[depth // 4 + 1 :] = [name]
        drawn.add("".join(folders))
    makers = {name: maker for name, maker in inspect.getmembers(keys, inspect.isfunction) if not name.startswith("_")}
    del makers["wave"]  # a run's name, which keys are made of
    texts = {"run": "<run>", "name": "<name>", "suffix": "parquet"}
    for name, maker in makers.items():
        key = maker(*(texts.get(argument, 0) for argument in inspect.signature(maker).parameters))
        assert any(there.startswith(key) for there in drawn), f"docs/design.md does not draw {key}, made by {name}"
    assert f"runs/{keys.wave('<run>', 1)}/" in drawn


@pytest.mark.parametrize("file", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_files_of_rooms_exist(file: Path) -> None:
    """Within the package, documents name files by their room: `run/plan.py`."""
    rooms = "|".join(folder.name for folder in PACKAGE.iterdir() if folder.is_dir() and folder.name[0] not in "._")
    for name in re.findall(rf"`((?:{rooms})/[\w./-]*)`", file.read_text(encoding="utf-8")):
        assert (PACKAGE / name).exists(), f"{file.name} names {name}, which does not exist"
