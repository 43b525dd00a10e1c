"""The roles of the deployed stack: every call of a run is allowed, and no statement could be left out.

One deployment is enough: the embedded AWS records what each role is used for, and the record is judged again offline
without one statement after the other.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ministack.core.iam_evaluator import parse_policy_document

from cli.deployment import STACK, stack_name
from cli.execution import RunFailed
from embedded_aws import server
from embedded_aws.permissions import Call, is_allowed, recorded
from publishing import STACKS
from tests.deployed import Cloud

Statement = dict[str, Any]

NOT_CALLED: Mapping[frozenset[str], str] = {
    frozenset({"states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"}): (
        "a Distributed Map watches and ends its children with them, and continues a failed one; "
        "the embedded AWS does that without a call"
    ),
}
"""Statements that no call needs, and why they are there all the same."""


@dataclass(frozen=True)
class Role:
    """A role of the stack, the documents of its policies by their names, and the calls that were made in it."""

    name: str
    policies: dict[str, list[Statement]]
    calls: list[Call]

    def table(self) -> str:
        """A line for each action on each resource that is allowed: the role, both, and how many calls it allowed."""
        lines = []
        for statement in itertools.chain.from_iterable(self.policies.values()):
            for action, resource in itertools.product(listed(statement["Action"]), listed(statement["Resource"])):
                used = self.allowed_by({**statement, "Action": action, "Resource": resource})
                lines.append(f"{self.name}  {action}  {json.dumps(resource)}  {used}")
        return "\n".join(lines)

    def allowed_by(self, statement: Statement) -> int:
        """How many of the calls one statement alone would allow."""
        document = [parse_policy_document({"Statement": [statement]})]
        return sum(is_allowed(call, document, server.ACCOUNT_ID, "us-east-1") for call in self.calls)

    def refuses(self, without: tuple[str, int] | None = None) -> bool:
        """Whether one of the calls would be refused without one statement, told by policy and place."""
        documents = [
            {"Statement": [each for place, each in enumerate(statements) if (name, place) != without]}
            for name, statements in self.policies.items()
        ]
        parsed = [parse_policy_document(document) for document in documents]
        return not all(is_allowed(call, parsed, server.ACCOUNT_ID, "us-east-1") for call in self.calls)


@pytest.fixture(scope="module")
def roles(cloud: Cloud, aws: server.Server) -> list[Role]:
    """The stack's roles, after everything that the two state machines can do."""
    for change in ({"part_loans": 100}, {"part_loans": 200, "replace": True}):  # the second deletes what the first left
        cloud.generate(name="permissions", loans=400, format="csv", **change)
    request = {"run": "permissions", "scenarios": 100, "chunk_loans": 150}
    for _ in range(2):  # the second continues the first
        cloud.simulate("portfolios/permissions/", **request, target_error=0.0001, max_scenarios=200)
    once = cloud.simulate("portfolios/permissions/", run="permissions-once", scenarios=100, chunk_loans=150)
    again = cloud.simulate("portfolios/permissions/", reuse="permissions-once", chunk_loans=150)
    assert once["cases"] == again["cases"]
    cloud.simulate("portfolios/permissions/", scenarios_from="permissions")
    rows = cloud.read("portfolios/permissions/part-00000.csv").splitlines()
    rejected, twice = b"," + rows[1].partition(b",")[2], rows[2]
    cloud.upload("portfolios/rejected/loans.csv", b"\n".join([*rows, rejected, twice]))
    cloud.simulate("portfolios/rejected/", scenarios=100, max_rejected_share=0.5, max_duplicate_share=0.5)
    with pytest.raises(RunFailed):
        cloud.simulate("portfolios/rejected/", scenarios=100, max_rejected_share=0)
    calls = recorded(Path(aws.data_dir))
    iam = cloud.stack.client("iam")
    names = [role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]]
    others = tuple(f"{stack_name(compute)}-" for compute in STACKS if stack_name(compute) != STACK)
    return [
        Role(name, policies(iam, name), [call for call in calls if call.role == name])
        for name in names
        if name.startswith(f"{STACK}-") and not name.startswith(others)
    ]


def policies(iam: Any, role: str) -> dict[str, list[Statement]]:
    """The statements of a role's policies; one of the role alone is named after it, a shared one has its ARN."""
    documents = {
        f"{role}/{name}": iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)
        documents[policy["PolicyArn"]] = found["PolicyVersion"]["Document"]
    return {
        name: listed((json.loads(document) if isinstance(document, str) else document)["Statement"])
        for name, document in documents.items()
    }


def listed(value: Any) -> list[Any]:
    """What may stand alone in a policy, as a list."""
    return value if isinstance(value, list) else [value]


def test_the_table_names_what_is_allowed_and_counts_what_is_used() -> None:
    reads: Statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::b/*"}
    role = Role("reader", {"p": [reads]}, [Call("reader", "s3:GetObject", "arn:aws:s3:::b/key")])
    assert role.table().splitlines() == [
        'reader  s3:GetObject  "arn:aws:s3:::b/*"  1',
        'reader  s3:PutObject  "arn:aws:s3:::b/*"  0',
    ]


def test_every_role_is_used_and_every_call_allowed(roles: list[Role]) -> None:
    assert len(roles) >= 11  # nine functions, two state machines
    print("", "role  action  resource  calls that it allows", *(role.table() for role in roles), sep="\n")
    for role in roles:
        assert role.calls, role.name
        assert not [call for call in role.calls if not call.allowed]
        assert not role.refuses(), role.name


def test_no_statement_could_be_left_out(roles: list[Role]) -> None:
    """Each is needed by a call of a role that has it."""
    all_of_them = {
        (name, place): statement
        for role in roles
        for name, statements in role.policies.items()
        for place, statement in enumerate(statements)
    }
    needed = {
        (name, place)
        for role in roles
        for name, statements in role.policies.items()
        for place in range(len(statements))
        if role.refuses(without=(name, place))
    }
    spare = [statement for where, statement in all_of_them.items() if where not in needed]
    assert {frozenset(listed(statement["Action"])) for statement in spare} == set(NOT_CALLED), spare
