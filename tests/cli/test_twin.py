"""A second state machine with the other kind of children, and nothing else that is other."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli import PROJECT, twin
from cli.deployment import Stack


def definition(kind: str) -> str:
    text = (PROJECT / "statemachine" / "dataproc.asl.json").read_text(encoding="utf-8")
    return text.replace("${ChunkExecutionType}", kind)


@pytest.mark.parametrize(
    ("kind", "other", "told"), [("STANDARD", "EXPRESS", "Express"), ("EXPRESS", "STANDARD", "Standard")]
)
def test_only_the_kind_of_children_changes(kind: str, other: str, told: str) -> None:
    made, name = twin.with_other_children(definition(kind))
    assert json.loads(made) == json.loads(definition(other))
    assert name == told


def test_what_was_made_is_deleted_where_the_rest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Client:
        def __getattr__(self, operation: str) -> Any:
            def call(**_: Any) -> Any:
                done.append(operation)
                if operation == "create_state_machine":
                    raise ClientError({"Error": {"Code": "AccessDenied"}}, "CreateStateMachine")
                return {
                    "describe_state_machine": {
                        "definition": definition("STANDARD"), "name": "DataProc", "type": "STANDARD",
                        "roleArn": "arn:aws:iam::1:role/r", "stateMachineArn": "arn:aws:states:x:1:machine:DataProc",
                    },
                    "get_role": {"Role": {"AssumeRolePolicyDocument": {}}},
                    "list_attached_role_policies": {"AttachedPolicies": [{"PolicyArn": "arn:traces"}]},
                    "list_role_policies": {"PolicyNames": ["own"]},
                    "get_role_policy": {"PolicyDocument": {"Resource": "arn:aws:states:x:1:stateMachine:DataProc"}},
                    "create_role": {"Role": {"Arn": "arn:aws:iam::1:role/accept"}},
                }.get(operation)  # fmt: skip

            return call

    monkeypatch.setattr(Stack, "client", lambda *_: Client())
    with pytest.raises(ClientError, match="CreateStateMachine"):
        twin.make(Stack(None, {"DataProcStateMachineArn": "arn"}), "accept-it")  # type: ignore[arg-type]
    made = done.index("create_state_machine")
    assert done[made + 1 :] == [
        "delete_state_machine", "list_role_policies", "delete_role_policy", "list_attached_role_policies",
        "detach_role_policy", "delete_role",
    ]  # fmt: skip
