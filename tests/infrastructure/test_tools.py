"""The public checkers find nothing: cfn-lint, `sam validate`, checkov, asl-validator.

Each is looked for where an environment variable says (CFN_LINT, SAM, CHECKOV, ASL_VALIDATOR), in the project's own
environments, and on PATH. A tool that is absent is a skip that names it.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infrastructure.templates import ROOT, ROOTS, STATE_MACHINES

OFFLINE = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}


def tool(variable: str, name: str) -> str:
    """The path of a tool that runs. Skips the test where there is none."""
    own = [str(ROOT / place) for place in (".venv-sam/bin", ".venv-checkov/bin", "requirements/node_modules/.bin")]
    path = shutil.which(os.environ.get(variable, name), path=os.pathsep.join([*own, os.environ.get("PATH", "")]))
    if path is None or subprocess.run([path, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{name} is not installed: put it on PATH or its path into {variable}")
    return path


def run(*command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | OFFLINE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def test_cfn_lint_has_no_warning() -> None:
    run(tool("CFN_LINT", "cfn-lint"))


@pytest.mark.parametrize("root", ROOTS)
def test_sam_validates_the_root(root: str) -> None:
    run(tool("SAM", "sam"), "validate", "--lint", "--template-file", root)


def test_sam_build_finds_every_function(tmp_path: Path) -> None:
    """What `sam deploy` takes after `sam build`: the nested templates must point to code that is there."""
    run(tool("SAM", "sam"), "build", "--build-dir", str(tmp_path), "--cache-dir", str(tmp_path / "cache"))
    built = list(tmp_path.glob("*/template.yaml"))
    paths = [path.parent / uri for path in built for uri in re.findall(r"CodeUri: (\S+)", path.read_text())]
    assert len(paths) == 9
    assert all((path / "montecarlo" / "simulation" / "kernel.py").is_file() for path in paths)


def test_checkov_finds_nothing_but_the_justified_skips() -> None:
    run(tool("CHECKOV", "checkov"), "--config-file", ".checkov.yaml")


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_asl_validator_accepts_the_state_machines(kind: str, tmp_path: Path) -> None:
    paths = []
    for name in (*STATE_MACHINES, "dataproc-workers"):
        text = (ROOT / "statemachine" / f"{name}.asl.json").read_text(encoding="utf-8")
        (tmp_path / f"{name}.json").write_text(
            text.replace("${ChunkExecutionType}", kind).replace("${Partition}", "aws"), encoding="utf-8"
        )
        paths += ["--json-path", str(tmp_path / f"{name}.json")]
    run(tool("ASL_VALIDATOR", "asl-validator"), *paths)
