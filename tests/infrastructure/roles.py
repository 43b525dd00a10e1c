"""What a function's role allows, judged as IAM judges it, and an S3 bucket that asks it. Reads the SAM templates."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from tests.infrastructure.templates import STATE_MACHINES, resources
from tests.memory_s3 import MemoryS3

BUCKET = "arn:aws:s3:::bucket"

Statement = dict[str, Any]


@cache
def functions() -> dict[str, str]:
    """The template of each function, by its name."""
    return {
        function: f"cloudformation/{name}.yaml"
        for name in STATE_MACHINES
        for function in resources(f"cloudformation/{name}.yaml", "AWS::Serverless::Function")
    }


@cache
def own_statements(function: str) -> list[Statement]:
    """What the function's role allows on objects by itself, for a stack whose data bucket is called `bucket`."""
    policies = resources(functions()[function], "AWS::Serverless::Function")[function]["Properties"]["Policies"]
    statements = [each for policy in policies if "Statement" in policy for each in policy["Statement"]]
    return [_filled_in(statement) for statement in statements if statement["Resource"] != "*"]


@cache
def shared_statements(function: str) -> list[Statement]:
    """What the function's role allows by policies that it shares with others."""
    path = functions()[function]
    managed = resources(path, "AWS::IAM::ManagedPolicy")
    policies = resources(path, "AWS::Serverless::Function")[function]["Properties"]["Policies"]
    return [
        _filled_in(statement)
        for policy in policies
        if "Ref" in policy
        for statement in managed[policy["Ref"]]["Properties"]["PolicyDocument"]["Statement"]
        if "Fn::If" not in statement  # a bucket of the user's own
    ]


def _filled_in(statement: Statement) -> Statement:
    def listed(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    arns = [target["Fn::Sub"].replace("${AWS::Partition}", "aws") for target in listed(statement["Resource"])]
    prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
    return {
        "Action": listed(statement["Action"]),
        "Resource": [arn.replace("${DataBucketName}", "bucket") for arn in arns],
        "prefixes": None if prefixes is None else listed(prefixes),
    }


def like(pattern: str, text: str) -> bool:
    """Whether a text matches as IAM matches: `*` is any number of any characters, slashes too."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.DOTALL) is not None


def allows(statements: list[Statement], action: str, key: str) -> bool:
    """Whether one of the statements allows the action on an object, or listing below a prefix."""
    target = BUCKET if action == "s3:ListBucket" else f"{BUCKET}/{key}"
    return any(
        action in statement["Action"]
        and any(like(resource, target) for resource in statement["Resource"])
        and (statement["prefixes"] is None or any(like(prefix, key) for prefix in statement["prefixes"]))
        for statement in statements
    )


class GuardedS3(MemoryS3):
    """A bucket that allows what the role of `function` allows, and remembers who did what.

    A missing object is answered with 403: S3 does so for whoever may not list the whole bucket.
    """

    def __init__(self) -> None:
        super().__init__()
        self.function = ""
        self.done: set[tuple[str, str, str]] = set()

    def allow(self, action: str, key: str) -> None:
        if not allows([*own_statements(self.function), *shared_statements(self.function)], action, key):
            raise ClientError({"Error": {"Code": "AccessDenied"}}, f"{action} on {key} by {self.function}")
        self.done.add((self.function, action, key))

    def put_object(self, *, Key: str, **other: Any) -> Any:  # noqa: N803
        self.allow("s3:PutObject", Key)
        return super().put_object(Key=Key, **other)

    def head_object(self, *, Key: str, **other: Any) -> Any:  # noqa: N803
        self.allow("s3:GetObject", Key)
        return super().head_object(Key=Key, **other)

    def get_object(self, *, Key: str, **other: Any) -> Any:  # noqa: N803
        self.allow("s3:GetObject", Key)
        return super().get_object(Key=Key, **other)

    def delete_object(self, *, Key: str, **other: Any) -> None:  # noqa: N803
        self.allow("s3:DeleteObject", Key)
        super().delete_object(Key=Key, **other)

    def paginate(self, *, Prefix: str, **other: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        self.allow("s3:ListBucket", Prefix)
        yield from super().paginate(Prefix=Prefix, **other)

    def _find(self, key: str) -> bytes:
        if key not in self.objects:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        return self.objects[key]
