"""A copy of the project as a user's clone has it, and Terraform at work in it. Imports the standard library only."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STACK = "terraform/lambda"
WORKERS = ("terraform/fargate", "terraform/ec2")
"""The stacks with workers."""

Finished = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Clone:
    """A folder with what Terraform reads of the project."""

    folder: Path
    program: str
    environment: Mapping[str, str]
    stack: str = STACK
    """The folder in it that Terraform is run in, unless told otherwise."""

    @classmethod
    def make(cls, folder: Path, program: str, environment: Mapping[str, str]) -> "Clone":
        """Copy the project's sources to `folder`."""
        leave = shutil.ignore_patterns(".terraform*", "*.tfstate*", "__pycache__", "plan", "backend.tf", "*.tfvars")
        for name in ("terraform", "functions", "statemachine"):
            shutil.copytree(ROOT / name, folder / name, ignore=leave)
        (folder / "publishing").mkdir()
        for name in ("template.yaml", "publishing/worker_start.py"):
            shutil.copy(ROOT / name, folder / name)
        return cls(folder, program, environment)

    def with_environment(self, **environment: str) -> "Clone":
        """The same folder, with more environment variables."""
        return replace(self, environment={**self.environment, **environment})

    def of(self, stack: str) -> "Clone":
        """The same folder, with another stack in it."""
        return replace(self, stack=stack)

    def start(self, *arguments: str, within: str = "") -> subprocess.Popen[str]:
        """Start Terraform in a folder of the clone, without colours and without questions."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_"))}
        return subprocess.Popen(
            [self.program, *arguments],
            cwd=self.folder / (within or self.stack),
            env={**inherited, "TF_INPUT": "0", "TF_CLI_ARGS": "-no-color", "CHECKPOINT_DISABLE": "1"}
            | dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: str, within: str = "") -> Finished:
        """Run Terraform and return its exit status and everything it printed, wherever it printed it."""
        process = self.start(*arguments, within=within)
        printed, _ = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode, printed)

    def succeed(self, *arguments: str, within: str = "") -> str:
        """Run Terraform, which must succeed, and return what it printed."""
        finished = self.run(*arguments, within=within)
        assert finished.returncode == 0, f"terraform {' '.join(arguments)}\n{finished.stdout}"
        return finished.stdout

    def json(self, *arguments: str, within: str = "") -> Any:
        """Run Terraform, which must succeed, and read what it printed as JSON."""
        return json.loads(self.succeed(*arguments, within=within))


def changes(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """What `terraform show -json` of a plan will do: address -> actions, without what stays as it is."""
    return {
        change["address"]: change["change"]["actions"]
        for change in plan["resource_changes"]
        if change["change"]["actions"] not in (["no-op"], ["read"])
    }


def message(printed: str) -> str:
    """What Terraform printed as running text: without the frame and the line breaks of its messages."""
    return " ".join(printed.replace("│", " ").split())
