"""Reads the templates and the state machines for the tests."""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from publishing.templates import read

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = (
    "template.yaml",
    "cloudformation/storage.yaml",
    "cloudformation/datagen.yaml",
    "cloudformation/dataproc.yaml",
    "cloudformation/monitoring.yaml",
    "cloudformation/automation.yaml",
    "cloudformation/network.yaml",
    "template-fargate.yaml",
    "cloudformation/dataproc-fargate.yaml",
    "cloudformation/monitoring-workers.yaml",
    "template-ec2.yaml",
    "cloudformation/dataproc-ec2.yaml",
)
ROOTS = ("template.yaml", "template-fargate.yaml", "template-ec2.yaml")
STATE_MACHINES = ("datagen", "dataproc")


def template(path: str) -> dict[str, Any]:
    """One template as CloudFormation reads it."""
    return deepcopy(_template(path))


@cache
def _template(path: str) -> dict[str, Any]:
    return read((ROOT / path).read_text(encoding="utf-8"))


def resources(path: str, kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one type in a template, by logical id."""
    return {name: body for name, body in template(path)["Resources"].items() if body["Type"] == kind}


def state_machine(name: str) -> dict[str, Any]:
    """A state machine as written, with its ${Placeholders}."""
    loaded: dict[str, Any] = json.loads((ROOT / "statemachine" / f"{name}.asl.json").read_text())
    return loaded


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state of a state machine, those inside Map states included."""
    for name, state in machine["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


def values(tree: Any) -> Iterator[Any]:
    """Every node below and including `tree`."""
    yield tree
    if isinstance(tree, dict | list):
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from values(child)


def listed(value: Any) -> list[Any]:
    """A value that may stand alone, as IAM takes it, in a list."""
    return value if isinstance(value, list) else [value]
