"""Who may import whom, and who reads the environment: the rule of docs/design.md is held, and a breach is seen.

The contracts are import-linter's, in pyproject.toml. Each test here plants one breach in a copy of the sources.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("functions", "cli", "additive", "calibration", "embedded_aws", "publishing")
HANDLERS = sorted((ROOT / "functions").glob("*.py"))
ENVIRONMENT = {"environ", "environb", "getenv", "putenv", "unsetenv", "expandvars", "expanduser", "home"}
"""Names of `os`, `os.path` and `Path` that read or write the environment; the last two read $HOME."""


def lint(folder: Path) -> tuple[bool, str]:
    """Whether the contracts are kept by the sources in a folder, and what import-linter says."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder / "functions"), str(folder)))},
        capture_output=True,
        text=True,
    )
    return done.returncode == 0, re.sub(r"\s+", " ", done.stdout + done.stderr)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources and their contracts."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_sources_keep_the_contracts(copy: Path) -> None:
    kept, said = lint(copy)
    assert kept, said


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("functions/montecarlo/model", "montecarlo.storage.keys"),
        ("functions/montecarlo/portfolio", "boto3"),
        ("functions/montecarlo/run", "boto3"),
        ("functions/montecarlo/portfolio", "montecarlo.model"),
        ("functions/montecarlo/source", "montecarlo.model"),
        ("functions/montecarlo/report", "montecarlo.simulation"),
        ("functions/montecarlo/cost", "montecarlo.portfolio"),
        ("functions/montecarlo/run", "montecarlo.steps"),
        ("functions/montecarlo/steps", "montecarlo.host"),
        ("functions/montecarlo/steps", "aws_lambda_powertools"),
        ("functions/montecarlo/portfolio", "aws_lambda_powertools"),
        ("functions/montecarlo/report", "cli"),
        ("functions/montecarlo/run", "additive"),
        ("additive", "boto3"),
        ("additive", "cli"),
        ("embedded_aws", "cli"),
        ("publishing", "embedded_aws"),
    ],
)
def test_a_forbidden_import_is_refused(copy: Path, importer: str, imported: str) -> None:
    with (copy / importer / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(f"\nimport {imported}\n")
    kept, said = lint(copy)
    assert not kept
    assert f"{importer.removeprefix('functions/').replace('/', '.')} -> {imported}" in said, said


def test_a_circle_inside_a_room_is_refused(copy: Path) -> None:
    model = copy / "functions/montecarlo/model"
    (model / "hen.py").write_text("import montecarlo.model.egg\n", encoding="utf-8")
    (model / "egg.py").write_text("import montecarlo.model.hen\n", encoding="utf-8")
    kept, said = lint(copy)
    assert not kept
    assert "No cycles are allowed in montecarlo.model" in said, said


def test_a_room_without_a_line_is_refused(copy: Path) -> None:
    (copy / "functions/montecarlo/shed").mkdir()
    (copy / "functions/montecarlo/shed/__init__.py").touch()
    kept, said = lint(copy)
    assert not kept
    assert "montecarlo.shed" in said, said


def modules() -> Iterator[Path]:
    """Every module that Lambda runs, but the host's."""
    host = ROOT / "functions/montecarlo/host"
    yield from (path for path in sorted((ROOT / "functions").rglob("*.py")) if not path.is_relative_to(host))


@pytest.mark.parametrize("module", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules()])
def test_only_the_host_reads_the_environment(module: Path) -> None:
    assert list(environment(module.read_text(encoding="utf-8"))) == []


def environment(source: str) -> Iterator[str]:
    """Where a source reads the environment, as `line: name`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT:
            yield f"{node.lineno}: {node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "os.path"):
            yield from (f"{node.lineno}: {name.name}" for name in node.names if name.name in ENVIRONMENT)


@pytest.mark.parametrize("source", ["import os\nos.environ['A']", "from os import getenv", "Path.home()"])
def test_reading_the_environment_is_seen(source: str) -> None:
    assert list(environment(source))


HEAD = re.compile(r"\bImports ([^.:]*) only\b")
GROUND_FLOOR = {"documents", "limits", "arrays", "process", "errors"}


def unnamed(module: Path) -> tuple[str, list[str]]:
    """What the head of a module says it imports only, and what of libraries and of ours it imports beside."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    said = HEAD.search(" ".join((ast.get_docstring(tree) or "").split()))
    if not said:
        return "", []
    words = set(re.findall(r"\w+", said[1].lower()))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {f"{node.module}.{name.name}" for name in node.names}
    return said[1], sorted(name for name in imported if not is_named(name.split("."), words, module.parent.name))


def is_named(name: list[str], words: set[str], room: str) -> bool:
    """Whether a head's words name an import: a library, a module, a room, "this room" or the ground floor."""
    if name[0] != "montecarlo":
        return name[0] in sys.stdlib_module_names or name[0] in words
    return (
        not words.isdisjoint(name[1:3])
        or ("room" in words and name[1] == room)
        or ("ground" in words and name[1] in GROUND_FLOOR)
    )


def test_what_a_module_says_of_its_imports_is_so(tmp_path: Path) -> None:
    heads = {path: unnamed(path) for path in sorted((ROOT / "functions/montecarlo").rglob("*.py"))}
    assert sum(bool(said) for said, _ in heads.values()) > 20
    assert not {str(path): found for path, (_, found) in heads.items() if found}

    (wrong := tmp_path / "wrong.py").write_text('"""Imports NumPy only."""\nfrom montecarlo.model import normal\n')
    assert unnamed(wrong) == ("NumPy", ["montecarlo.model.normal"])


@pytest.mark.parametrize("handler", [pytest.param(path, id=path.name) for path in HANDLERS])
def test_a_handler_is_a_shell_over_its_step(handler: Path) -> None:
    """It imports the host and the step of its own name, and nothing else of ours."""
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(handler.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    ours = {str(name) for name in imported if str(name).startswith("montecarlo")}
    assert all(re.match(r"montecarlo\.(host|steps)\b", name) for name in ours), ours
