"""A second dataproc for a while: the stack's state machine with children of the other kind, under a role of its own.

The stack itself is not touched: a Distributed Map may start children of its own state machine only, so that another
state machine needs another role.
"""

import json
from dataclasses import dataclass
from typing import Any

from cli.deployment import Stack

KINDS = {"STANDARD": "EXPRESS", "EXPRESS": "STANDARD"}
POLICY = "as-the-stack"


@dataclass(frozen=True)
class Twin:
    """A state machine and its role, which have one name."""

    stack: Stack
    name: str
    machine: str
    kind: str

    def delete(self) -> None:
        """Delete both."""
        self.stack.client("stepfunctions").delete_state_machine(stateMachineArn=self.machine)
        iam = self.stack.client("iam")
        for policy in iam.list_role_policies(RoleName=self.name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=self.name, PolicyName=policy)
        for each in iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=self.name, PolicyArn=each["PolicyArn"])
        iam.delete_role(RoleName=self.name)


def make(stack: Stack, name: str) -> Twin:
    """Make both. Raises ClientError where the user may not; then neither is left."""
    states, iam = stack.client("stepfunctions"), stack.client("iam")
    model = states.describe_state_machine(stateMachineArn=stack.outputs["DataProcStateMachineArn"])
    definition, kind = with_other_children(model["definition"])
    role = model["roleArn"].rsplit("/", 1)[-1]
    machine = f"{model['stateMachineArn'].rsplit(':', 1)[0]}:{name}"
    trust = document(iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
    attached = [each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]
    own = [
        document(iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Description="montecarlo accept")
    twin = Twin(stack, name, machine, kind)
    try:
        for number, policy in enumerate(own):
            text = policy.replace(model["name"], name)  # its own children and executions instead of the stack's
            iam.put_role_policy(RoleName=name, PolicyName=f"{POLICY}-{number}", PolicyDocument=text)
        for arn in attached:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        states.create_state_machine(name=name, definition=definition, roleArn=made["Role"]["Arn"], type=model["type"])
    except BaseException:
        twin.delete()
        raise
    return twin


def with_other_children(definition: str) -> tuple[str, str]:
    """A state machine's definition with Distributed Maps of the other kind of children, and that kind."""
    machine = json.loads(definition)
    kinds = set()
    for processor in _distributed(machine):
        kinds.add(KINDS[processor.get("ExecutionType", "STANDARD")])
        processor["ExecutionType"] = KINDS[processor.get("ExecutionType", "STANDARD")]
    return json.dumps(machine), "+".join(sorted(kinds)).capitalize()


def document(given: Any) -> str:
    """A policy as text, which boto3 has parsed already."""
    return given if isinstance(given, str) else json.dumps(given)


def _distributed(tree: Any) -> list[dict[str, Any]]:
    """The configuration of every Distributed Map in a definition."""
    found: list[dict[str, Any]] = []
    if isinstance(tree, dict):
        for name, value in tree.items():
            found += (
                [value] if name == "ProcessorConfig" and value.get("Mode") == "DISTRIBUTED" else _distributed(value)
            )
    elif isinstance(tree, list):
        for value in tree:
            found += _distributed(value)
    return found
