"""Terraform's variables are the parameters of template.yaml: the same names, defaults and bounds."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.infrastructure.templates import template
from tests.terraform.clone import ROOT, STACK, Clone

TERRAFORM_ONLY = {
    "stack_name",  # CloudFormation asks for it beside the parameters
    "delete_data",  # CloudFormation keeps the bucket by its DeletionPolicy; Terraform has no such thing
    "tags",  # CloudFormation takes them beside the parameters
}

PARAMETERS: dict[str, dict[str, Any]] = template("template.yaml")["Parameters"]


def snake(name: str) -> str:
    """`FedRate` -> `fed_rate`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def number(value: Any) -> str:
    """A number as both sides write it: 8, not 8.0."""
    return format(float(value), "g") if isinstance(value, int | float) else str(value)


def allowed(parameter: dict[str, Any]) -> Iterator[Any]:
    """Values at the edges of what a parameter allows."""
    yield parameter["Default"]
    yield from parameter.get("AllowedValues", [])
    for bound in ("MinValue", "MaxValue"):
        if bound in parameter:
            yield parameter[bound]


def refused(parameter: dict[str, Any]) -> Iterator[Any]:
    """Values just outside what a parameter allows."""
    if "MinValue" in parameter:
        yield parameter["MinValue"] - 1
    if "MaxValue" in parameter:
        yield parameter["MaxValue"] + 1
    if "AllowedValues" in parameter:
        first, last = parameter["AllowedValues"][0], parameter["AllowedValues"][-1]
        yield from ([first - 1, last + 1] if isinstance(first, int) else [first.swapcase(), f"{last} ", ""])


SAMPLES = [
    "", "none", "0", "27", "123456", "v27", "27.0", " 27",
    "a-bucket", "A-Bucket", "ab", "-bucket", "s3://bucket", "arn:aws:s3:::bucket", "b" * 63, "b" * 64,
    "arn:aws:lambda:eu-west-1:123456789012:layer:name:3", "arn:aws-cn:lambda:cn-north-1:123456789012:layer:name:3",
    "arn:aws:lambda:eu-west-1:123456789012:layer:name", "arn:aws:lambda:eu-west-1:123456789012:function:name:3",
    "arn:aws:sns:eu-west-1:123456789012:topic", "arn:aws:sns:eu-west-1:123456789012", "topic",
]  # fmt: skip


def test_names_and_defaults_are_the_same(variables: Clone) -> None:
    variables.succeed("plan", "-out", "plan")
    declared = variables.json("show", "-json", "plan")["configuration"]["root_module"]["variables"]
    assert set(declared) - TERRAFORM_ONLY == {snake(name) for name in PARAMETERS}
    for name, parameter in PARAMETERS.items():
        assert number(declared[snake(name)]["default"]) == number(parameter["Default"]), name


def test_descriptions_say_the_same(variables: Clone) -> None:
    variables.succeed("plan", "-out", "plan")
    declared = variables.json("show", "-json", "plan")["configuration"]["root_module"]["variables"]
    for name, parameter in PARAMETERS.items():
        assert parameter["Description"] in declared[snake(name)]["description"], name


def test_the_same_values_are_allowed_and_refused(variables: Clone) -> None:
    """One run of `terraform test` for each value at the edge of a parameter's bounds, judged by the template's."""
    runs = []
    for name, parameter in PARAMETERS.items():
        pattern = parameter.get("AllowedPattern")
        good, bad = list(allowed(parameter)), list(refused(parameter))
        if pattern:
            good += [sample for sample in SAMPLES if re.search(pattern, sample)]
            bad += [sample for sample in SAMPLES if not re.search(pattern, sample)]
        assert bad, f"{name} has no bounds"
        for count, value in enumerate([*good, *bad]):
            expected = f"  expect_failures = [var.{snake(name)}]\n" if count >= len(good) else ""
            runs.append(
                f'run "{snake(name)}_{count}" {{\n  command = plan\n  variables {{\n'
                f"    {snake(name)} = {json.dumps(value)}\n  }}\n{expected}}}\n"
            )
    (variables.folder / STACK / "tests").mkdir()
    (variables.folder / STACK / "tests" / "bounds.tftest.hcl").write_text("\n".join(runs))
    printed = variables.run("test").stdout
    assert f"Success! {len(runs)} passed, 0 failed" in printed, printed


def test_the_guide_has_every_variable_with_its_default(variables: Clone) -> None:
    variables.succeed("plan", "-out", "plan")
    declared = variables.json("show", "-json", "plan")["configuration"]["root_module"]["variables"]
    guide = (ROOT / "docs" / "deploy-terraform.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+?) \|", guide, flags=re.MULTILINE))
    written = {"": "empty", "{}": "none", "false": "false"}
    for name, body in declared.items():
        default = body["default"]
        text = default if isinstance(default, str) else json.dumps(default)
        assert rows.pop(name) == written.get(text, text), name
    assert not rows
