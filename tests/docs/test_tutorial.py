"""The tutorial's commands are those that work, one after the other, on the embedded AWS."""

import json
import re
import shlex
from pathlib import Path

import pytest

from cli.main import main
from montecarlo.portfolio.mapping import ColumnMapping
from tests.deployed import Cloud, Montecarlo
from tests.docs.tables import ROOT

TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^    \.venv/bin/montecarlo ([^\n]*)$|```json\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_tutorial_shows_the_file_as_it_is() -> None:
    lines = (ROOT / "examples" / "tutorial" / "darlehen.csv").read_text(encoding="cp1252").splitlines()
    assert "".join(f"    {line}\n" for line in lines[:2]) in TEXT


def test_every_command_of_the_tutorial_works(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    said = []
    for command, document in STEPS:
        if document:
            mapping = json.loads(Path("mapping.json").read_text(encoding="utf-8"))
            Path("mapping.json").write_text(json.dumps(mapping | json.loads(document)), encoding="utf-8")
            continue
        status, out, err = montecarlo(*shlex.split(command))
        assert status == 0, (command, out, err)
        said.append(out + err)
    assert len(said) == 6
    assert "read as cp1252" in said[0]
    assert "'Status' holds 'aktiv', 'getilgt'" in said[0]
    assert "80 rows in 1 file: 79 loans, 1 rejected" in said[1]
    assert "1 row rejected: GrossIncome is missing" in said[1]
    assert "72 loans, 0 rejected, 8 filtered out" in said[2]
    assert "Nothing was started" in said[3]
    assert "Left out by the filter: 8 of 80 rows." in said[4]
    result = json.loads(Path("darlehen/result.json").read_text(encoding="utf-8"))
    assert result["loans"] == {"read": 80, "simulated": 72, "rejected": 0, "not_sampled": 0, "filtered": 8}
    assert result["currency"] == "EUR"
    assert "80 read = 72 simulated + 0 rejected + 0 not sampled + 8 filtered out" in Path(
        "darlehen/report.html"
    ).read_text(encoding="utf-8")
    assert Path("darlehen.xlsx").stat().st_size > 5_000


def test_an_editor_finds_the_schema_that_init_names(tmp_path: Path) -> None:
    written = tmp_path / "deep" / "mapping.json"
    written.parent.mkdir()
    assert main(["init", str(ROOT / "examples" / "tutorial" / "darlehen.csv"), "--to", str(written)]) == 0
    document = json.loads(written.read_text(encoding="utf-8"))
    assert (written.parent / document["$schema"]).resolve() == ROOT / "schemas" / "mapping.schema.json"
    ColumnMapping.parse(document)
