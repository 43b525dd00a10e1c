"""Terraform's variables are the parameters of SAM's templates: the same names, defaults and bounds.

Of the stacks with workers, what is in workers.tf; the rest is made from the variables of the stack with functions.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from publishing.terraform import snake
from tests.infrastructure.templates import template
from tests.terraform.clone import ROOT, STACK, WORKERS, Clone, message

TERRAFORM_ONLY = {
    "stack_name",  # CloudFormation asks for it beside the parameters
    "delete_data",  # CloudFormation keeps the bucket by its DeletionPolicy; Terraform has no such thing
    "tags",  # CloudFormation takes them beside the parameters
}


def parameters_of(compute: str) -> dict[str, dict[str, Any]]:
    """The parameters of the stack on this, by name."""
    found: dict[str, dict[str, Any]] = template(f"template{'' if compute == 'lambda' else f'-{compute}'}.yaml")[
        "Parameters"
    ]
    return found


PARAMETERS = parameters_of("lambda")

each_with_workers = pytest.mark.parametrize("stack", WORKERS)


@pytest.fixture(scope="module")
def workers(new_clone: Callable[[], Clone]) -> Clone:
    """A clone in which each stack with workers is nothing but its variables."""
    clone = new_clone()
    for stack in WORKERS:
        for path in (clone.folder / stack).glob("*.tf"):
            if path.name not in ("variables.tf", "workers.tf"):
                path.unlink()
        shutil.rmtree(clone.folder / stack / "tests")
        clone.of(stack).succeed("init")
    return clone


def declared_in(clone: Clone) -> Any:
    """The variables of a clone's stack."""
    clone.succeed("plan", "-out", "plan")
    return clone.json("show", "-json", "plan")["configuration"]["root_module"]["variables"]


def number(value: Any) -> str:
    """A number as both sides write it: 8, not 8.0; and a truth value."""
    if isinstance(value, bool):
        return str(value).lower()
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
    "10.0.0.0/16", "10.0.0.0/15", "10.0.0.0/28", "10.0.0.0/29", "10.0.0.0", "vpc-", "subnet-1",
    "", "none", "0", "27", "123456", "v27", "27.0", " 27",
    "a-bucket", "A-Bucket", "ab", "-bucket", "s3://bucket", "arn:aws:s3:::bucket", "b" * 63, "b" * 64,
    "arn:aws:lambda:eu-west-1:123456789012:layer:name:3", "arn:aws-cn:lambda:cn-north-1:123456789012:layer:name:3",
    "arn:aws:lambda:eu-west-1:123456789012:layer:name", "arn:aws:lambda:eu-west-1:123456789012:function:name:3",
    "cron(0 2 * * ? *)", "cron(0 2 * *)", "rate(1 day)", "rate(7 days)", "rate(0 days)", "nightly",
    "at(2026-01-01T00:00:00)", "{}", '{"run": "<aws.scheduler.scheduled-time>"}', "[]", "a.b@example.com", "a@b",
    "a@b.c, d@e.f",
    "arn:aws:sns:eu-west-1:123456789012:topic", "arn:aws:sns:eu-west-1:123456789012", "topic",
]  # fmt: skip


def test_names_and_defaults_are_the_same(variables: Clone) -> None:
    declared = declared_in(variables)
    assert set(declared) - TERRAFORM_ONLY == {snake(name) for name in PARAMETERS}
    for name, parameter in PARAMETERS.items():
        assert number(declared[snake(name)]["default"]) == number(parameter["Default"]), name


def test_descriptions_say_the_same(variables: Clone) -> None:
    declared = declared_in(variables)
    for name, parameter in PARAMETERS.items():
        assert parameter["Description"] in declared[snake(name)]["description"], name


def test_the_same_values_are_allowed_and_refused(variables: Clone) -> None:
    """One run of `terraform test` for each value at the edge of a parameter's bounds, judged by the template's."""
    holds(variables, PARAMETERS)


def holds(variables: Clone, parameters: dict[str, dict[str, Any]]) -> None:
    """Holds a stack's variables to the bounds of parameters."""
    runs = []
    for name, parameter in parameters.items():
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
    (variables.folder / variables.stack / "tests").mkdir()
    (variables.folder / variables.stack / "tests" / "bounds.tftest.hcl").write_text("\n".join(runs))
    printed = variables.run("test").stdout
    assert f"Success! {len(runs)} passed, 0 failed" in printed, printed


@each_with_workers
def test_names_defaults_and_descriptions_of_workers_variables_are_the_same(workers: Clone, stack: str) -> None:
    declared, parameters = declared_in(workers.of(stack)), parameters_of(stack.rpartition("/")[2])
    assert set(declared) - TERRAFORM_ONLY == {snake(name) for name in parameters}
    assert declared["stack_name"]["default"] == f"montecarlo-{stack.rpartition('/')[2]}"
    for name, parameter in parameters.items():
        default = declared[snake(name)]["default"]
        text = ",".join(default) if isinstance(default, list) else number(default)
        assert text == number(parameter["Default"]), name
        says = re.sub(r"\b(?:[A-Z][a-z]+){2,}\b", lambda found: snake(found[0]), parameter["Description"])
        assert one_case(says) in one_case(declared[snake(name)]["description"]), name


def one_case(text: str) -> str:
    return re.sub(r"_", "", text).lower()


@each_with_workers
def test_the_same_values_of_workers_variables_are_allowed_and_refused(workers: Clone, stack: str) -> None:
    """But for those whose form differs, as lists of texts: see below."""
    parameters = parameters_of(stack.rpartition("/")[2])
    lists = {"SubnetCidrs", "SubnetIds", "VpcId", "WorkerImage", "InterfaceEndpoints", "SpotWeight"}
    own = {name: body for name, body in parameters.items() if name not in {*PARAMETERS, *lists}}
    for body in own.values():
        body["AllowedValues"] = [int(value) for value in body["AllowedValues"]] if "AllowedValues" in body else []
        if not body["AllowedValues"]:
            del body["AllowedValues"]
    holds(workers.of(stack), own)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["spot_weight=0"], "there would be no workers"),
        (["spot_weight=0", "on_demand_weight=1"], ""),
        (["spot_weight=1001"], "spot_weight must be a whole number from 0 to 1,000."),
        (["vpc_id=vpc-1"], "vpc_id and subnet_ids go together"),
        (['subnet_ids=["subnet-1"]'], "vpc_id and subnet_ids go together"),
        (["vpc_id=vpc-1", 'subnet_ids=["subnet-1"]'], ""),
        (["vpc_id=vpc-1", "subnet_ids=[]"], "vpc_id and subnet_ids go together"),
        (["vpc_id=10.0.0.0/16"], "vpc_id must be the ID of a VPC, or empty."),
        (["vpc_id=vpc-1", 'subnet_ids=["subnet-1,subnet-2"]'], "subnet_ids must be IDs of subnets"),
        (["vpc_cidr=300.0.0.0/16"], "vpc_cidr must be a block of addresses from /16 to /28"),
        (['subnet_cidrs=["10.42.0.0/18"]'], "subnet_cidrs must be two blocks of addresses"),
        (['subnet_cidrs=["10.42.0.0/18","10.42.64.0"]'], "subnet_cidrs must be two blocks of addresses"),
        (["subnet_cidrs=10.42.0.0/18,10.42.64.0/18"], "subnet_cidrs"),
        (["interface_endpoints=perhaps"], "bool"),
        (["memory_per_core=2"], "memory_per_core must be 2048 or 4096: MB."),
    ],
)
def test_workers_that_cannot_be_are_refused_with_what_may_be(workers: Clone, given: list[str], said: str) -> None:
    done = workers.of("terraform/fargate").run("plan", *(text for each in given for text in ("-var", each)))
    assert done.returncode == (1 if said else 0), done.stdout
    assert said in message(done.stdout)


@pytest.mark.parametrize("stack", [STACK, *WORKERS])
def test_the_guide_has_every_variable_with_its_default(variables: Clone, workers: Clone, stack: str) -> None:
    declared = declared_in(variables if stack == STACK else workers.of(stack))
    guide = (ROOT / "docs" / "deploy-terraform.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+?) \|", guide, flags=re.MULTILINE))
    written = {"": "empty", "{}": "none", "[]": "none"}
    for name, body in declared.items():
        default = body["default"]
        text = default if isinstance(default, str) else json.dumps(default).replace('"', "")
        if name == "stack_name":  # each stack's own
            assert rows[name] == text or f"`{text}`" in guide
        else:
            assert rows[name] == written.get(text, text), name


def test_the_guide_has_no_variable_that_no_stack_has(variables: Clone, workers: Clone) -> None:
    declared = set(declared_in(variables)).union(*(declared_in(workers.of(stack)) for stack in WORKERS))
    guide = (ROOT / "docs" / "deploy-terraform.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)` \|", guide, flags=re.MULTILINE)) == declared
