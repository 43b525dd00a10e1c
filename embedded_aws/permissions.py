"""Permissions, enforced and recorded: what each role was used for, and whether its policies allow it.

Under a profile with permissions MiniStack judges what functions call. Here are added: actions that MiniStack does not
know (they fail), what Step Functions and Lambda do in a role's name (invocations, ItemReader, ResultWriter, child
executions, logs, traces), the 403 that S3 gives in place of 404 to those who may not list, and a record of every call
in `calls.jsonl`, by which each statement of a policy can be put to the test. Imports MiniStack and the standard
library only.
"""

import contextlib
import contextvars
import json
import pathlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, sts
from ministack.services import stepfunctions as engine

from embedded_aws.profile import Profile

RECORD = "calls.jsonl"
"""The record, in the server's data directory."""

_enforce: Any = iam_evaluator.enforce
_extract_iam_action: Any = iam_actions.extract_iam_action
_extract_resource_arn: Any = iam_actions.extract_resource_arn

LOG_DELIVERY = (
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
)  # fmt: skip
"""What a state machine's role must be allowed when the state machine writes logs."""

TRACES = (
    "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
    "xray:GetSamplingStatisticSummaries",
)  # fmt: skip
"""What a state machine does in its role when it is traced; a function does the first two."""

TRACES_POLICY = "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"
"""AWS's own policy for just that, which SAM gives to what is traced and which MiniStack does not know."""


@dataclass(frozen=True)
class Call:
    """What a role was used for."""

    role: str
    """The role's name."""

    action: str
    resource: str
    context: dict[str, Any] = field(default_factory=dict)
    """Condition keys of the request."""

    allowed: bool = True


def patch(profile: Profile) -> None:
    """Install the replacements; those that refuse, if the profile enforces permissions."""
    iam._aws_managed_policies[TRACES_POLICY] = iam._make_aws_managed_record(
        TRACES_POLICY.rpartition("/")[2],
        json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": TRACES, "Resource": "*"}]}),
        "Write access to X-Ray",
    )
    if not profile.permissions:
        return
    global _enforced
    _enforced = True
    pathlib.Path(RECORD).touch()
    iam_evaluator.enforce = enforce
    iam_actions.extract_iam_action = extract_iam_action
    iam_actions.extract_resource_arn = extract_resource_arn
    app.SERVICE_HANDLERS["s3"] = hide_missing_objects(app.SERVICE_HANDLERS["s3"])


_enforced = False


# Judging --------------------------------------------------------------------------------------------------------------

Policies = Sequence[Sequence[Any]]
"""The parsed statements of each of a role's policies."""


def is_allowed(call: Call, policies: Policies, account: str, region: str) -> bool:
    """Whether a role's policies, and the policy of the bucket if it has one, allow a call."""
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{call.role}/service",
        principal_type="AssumedRole",
        principal_account=account,
        action=call.action,
        resource_arn=call.resource,
        region=region,
        secure_transport=True,
        service_context={key.lower(): value for key, value in call.context.items()},
    )
    result = iam_evaluator.evaluate(context, policies)
    found = iam_evaluator._resource_policy(call.action.partition(":")[0], call.resource)
    if found is not None:
        result = iam_evaluator.combine_resource_policy(result, context, *found, required=False, limits=[])
    return bool(result.decision == "Allow")


def judge(role_arn: str, action: str, resource: str, context: dict[str, Any] | None = None) -> bool:
    """Judge and record what a service does in a role's name; always true when permissions are not enforced."""
    if not _enforced:
        return True
    call = Call(role_arn.rsplit("/", 1)[-1], action, resource, context or {})
    allowed = is_allowed(
        call, iam_evaluator._gather_role_policies(call.role, get_account_id()), get_account_id(), get_region()
    )
    record(call, allowed)
    return allowed


def enforce(
    access_key: str, action: str, service: str, region: str, resource_arn: str = "*", service_context: Any = None
) -> Any:
    """MiniStack's judgement of a request; recorded when the caller acts in a role."""
    denied = _enforce(access_key, action, service, region, resource_arn, service_context)
    session = sts._sessions.get(access_key or "")
    if session is not None and denied is None and action.endswith(UNKNOWN):
        denied = iam_evaluator.EvalResult("ImplicitDeny", session["Arn"])
    if session is not None and not isinstance(denied, iam_evaluator.AuthError):
        role = iam_evaluator._role_name_from_assumed_arn(session["Arn"])
        context = {key: value for key, value in (service_context or {}).items() if value}
        record(Call(role, action, resource_arn, context), denied is None)
    return denied


def extract_iam_action(service: str, method: str, path: str, *request: Any) -> str:
    """The action of a request. One that MiniStack does not know gets a name, so that it is judged: no role has it."""
    if (service, method, path.rstrip("/").rpartition("/")[2]) == ("lambda", "GET", "account-settings"):
        return "lambda:GetAccountSettings"  # which MiniStack answers, but has no name for
    if service == "lambda" and method == "GET" and layer_version(request[-1]):
        return "lambda:GetLayerVersion"
    action: str | None = _extract_iam_action(service, method, path, *request)
    return action or service + UNKNOWN


UNKNOWN = ":UnknownAction"


def extract_resource_arn(
    service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account: str
) -> str:
    """What a request is about: a service of ECS, where MiniStack says its cluster; a layer's version; and a rule of the
    default bus, whose name is not in the rule's ARN.
    """
    if service == "ecs" and (asked := json.loads(body or b"{}")) and (names := services_of(asked)):
        cluster = asked.get("cluster", "default").rsplit("/", 1)[-1]
        return f"arn:aws:ecs:{region}:{account}:service/{cluster}/{names[0].rsplit('/', 1)[-1]}"
    if service == "lambda" and (layer := layer_version(query)):
        return layer
    found: str = _extract_resource_arn(service, method, path, headers, body, query, region, account)
    return found.replace(":rule/default/", ":rule/") if service == "events" else found


def services_of(request: Any) -> list[str]:
    """The services of ECS that a request names; those of one request are judged by the first."""
    return request.get("services") or ([request["service"]] if "service" in request else [])


def layer_version(query: Any) -> str:
    """The ARN that a request GetLayerVersionByArn has in its query, else nothing."""
    arn = query.get("Arn") or "" if query.get("find") else ""
    return str(arn[0] if isinstance(arn, list) else arn)


def hide_missing_objects(handler: Any) -> Any:
    """S3's GetObject and HeadObject of a missing object: 404 is only for those who may list the whole bucket."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        answer = await handler(method, path, headers, body, query)
        bucket, _, key = path.lstrip("/").partition("/")
        session = sts._sessions.get(app.extract_access_key_id(headers, query))
        if answer[0] != 404 or method not in ("GET", "HEAD") or not key or session is None:
            return answer
        role = iam_evaluator._role_name_from_assumed_arn(session["Arn"])
        policies = iam_evaluator._gather_role_policies(role, get_account_id())
        listing = Call(role, "s3:ListBucket", f"arn:aws:s3:::{bucket}")
        if is_allowed(listing, policies, get_account_id(), get_region()):
            record(listing, True)
            return answer
        return iam_actions.access_denied_response("s3", "", "", "", error_code="AccessDenied", message="Access Denied")

    return handle


# The record -----------------------------------------------------------------------------------------------------------

_recorded: set[str] = set()
_recording = threading.Lock()


def record(call: Call, allowed: bool) -> None:
    """Note a call, once."""
    line = json.dumps({**asdict(call), "allowed": allowed}, sort_keys=True)
    with _recording:
        if line not in _recorded:
            _recorded.add(line)
            with pathlib.Path(RECORD).open("a") as file:
                file.write(line + "\n")
            if not allowed:
                print(f"Not allowed: {call.role}: {call.action} on {call.resource}", flush=True)


def recorded(data_dir: pathlib.Path) -> list[Call]:
    """The calls that were made on a server."""
    return [Call(**json.loads(line)) for line in (data_dir / RECORD).read_text().splitlines()]


# What services do in a role's name ------------------------------------------------------------------------------------

_role: contextvars.ContextVar[str] = contextvars.ContextVar("role", default="")


@contextlib.contextmanager
def acting_as(role_arn: str) -> Iterator[None]:
    """Step Functions works in this role within the block, and in all that is started there."""
    token = _role.set(role_arn)
    try:
        yield
    finally:
        _role.reset(token)


def require(action: str, resource: str, error: str, context: dict[str, Any] | None = None) -> None:
    """Step Functions does something in its role; raises the execution error when the role does not allow it."""
    if not judge(_role.get(), action, resource, context):
        name = _role.get().rsplit("/", 1)[-1]
        raise engine._ExecutionError(
            error,
            f"User: arn:aws:sts::{get_account_id()}:assumed-role/{name}/execution is not authorized to perform: "
            f"{action} on resource: {resource} because no identity-based policy allows the {action} action",
        )


def may_write_logs(role_arn: str, logging: dict[str, Any] | None) -> bool:
    """Whether a role may do what a state machine's logging takes; AWS refuses the state machine otherwise.

    Args:
        role_arn: the state machine's role.
        logging: its logging configuration, spelt as the API or as CloudFormation spells it.
    """
    level = next((value for key, value in (logging or {}).items() if key.lower() == "level"), "OFF")
    judged = [judge(role_arn, action, "*") for action in LOG_DELIVERY if level != "OFF"]
    return all(judged)


def note_invocation(config: Any) -> None:
    """What Lambda does in the role of a function that runs: it writes logs and, if asked to, traces.

    Without the permission there are none, and the function runs all the same.
    """
    role, stream = config.get("Role", ""), "log-stream:stream"
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        judge(role, action, f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:{stream}")
    if (config.get("TracingConfig") or {}).get("Mode") == "Active":
        for action in TRACES[:2]:
            judge(role, action, "*")
