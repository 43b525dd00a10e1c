"""Shell blocks that a document marks as runnable are run as they stand there, one after the other.

`<!-- runnable -->` stands before such a block. They find made-up files of the names that the documents use.
"""

import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pytest

from montecarlo.portfolio import synthetic
from tests.deployed import Cloud, Montecarlo
from tests.docs.tables import ROOT, documents
from tests.memory_run import TODAY

BLOCK = re.compile(r"^<!-- runnable -->\n+((?: {4}.*\n)+)", re.MULTILINE)
BLOCKS = {file: BLOCK.findall(file.read_text(encoding="utf-8")) for file in documents()}
COMMAND = ".venv/bin/montecarlo "


def files(folder: Path) -> None:
    """The files that the documents speak of."""
    loans = synthetic.generate(0, 330, 42, TODAY)
    parts = {"june": (0, 300), "july": (5, 310), "branch": (310, 330), "deals": (310, 313), "loans": (0, 300)}
    for name, (first, end) in parts.items():
        (folder / f"{name}.csv").write_bytes(synthetic.to_csv(loans.slice(first, end - first)))
    rated = loans.append_column("Rating", pa.array(["AB"[row % 2] for row in range(330)]))
    rated = rated.append_column("Branch", pa.array(["north", "south"] * 165))
    for column, values in (("ZipCode", ["10001", "94110"] * 165), ("Rate", [4.0 + row % 9 for row in range(330)])):
        rated = rated.set_column(rated.column_names.index(column), column, pa.array(values))
    (folder / "loans.csv").write_bytes(synthetic.to_csv(rated))
    (folder / "sold.csv").write_text("AccountID\n" + loans["AccountID"][0].as_py() + "\n")
    (folder / "mapping.json").write_text(json.dumps({"as_of": TODAY.isoformat()}))
    for place in ("examples", "events"):
        (folder / place).symlink_to(ROOT / place)


def commands(blocks: list[str]) -> list[list[str]]:
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    assert all(line.startswith(COMMAND) for line in lines), "only commands of the command line can be marked"
    return [shlex.split(line.removeprefix(COMMAND), comments=True) for line in lines]


def test_each_document_for_users_of_the_command_line_has_some() -> None:
    assert {file.name for file, blocks in BLOCKS.items() if blocks} >= {"additive.md", "run-your-portfolio.md"}


@pytest.mark.parametrize("file", [pytest.param(file, id=file.name) for file, blocks in BLOCKS.items() if blocks])
def test_what_is_marked_runs(
    file: Path, cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path)
    typed = commands(BLOCKS[file])
    for name in [words[words.index(option) + 1] for words in typed for option in ("--name",) if option in words]:
        if cloud.keys(f"runs/{name}/"):
            assert montecarlo("delete", name, "--yes")[0] == 0
    for words in typed:
        status, out, err = montecarlo(*words)
        assert status == 0, (words, out, err)
