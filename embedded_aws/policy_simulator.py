"""IAM's policy simulator, which in MiniStack judges the first resource only and knows no condition keys.

Imports MiniStack and the standard library only.
"""

from collections.abc import Sequence
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam

from embedded_aws.query import from_parameters, to_xml

DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny"}


def patch() -> None:
    """Install the replacements."""
    iam._IAM_HANDLERS["SimulateCustomPolicy"] = simulate_custom_policy
    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulate_principal_policy


def simulate_custom_policy(parameters: Any) -> Any:
    """SimulateCustomPolicy: of the policies that come with the request."""
    documents = from_parameters(parameters, "PolicyInputList") or []
    policies = [iam_evaluator.parse_policy_document(document) for document in documents]
    return _answer("SimulateCustomPolicy", parameters, policies, f"arn:aws:iam::{get_account_id()}:root")


def simulate_principal_policy(parameters: Any) -> Any:
    """SimulatePrincipalPolicy: of the policies that a role or a user has."""
    arn = (
        from_parameters({"X.arn": parameters["PolicySourceArn"]}, "X")["arn"] if "PolicySourceArn" in parameters else ""
    )
    kind, _, name = arn.rpartition(":")[2].partition("/")
    gather = {"role": iam_evaluator._gather_role_policies, "user": iam_evaluator._gather_user_policies}.get(kind)
    if gather is None:
        return iam._error(400, "InvalidInput", f"{arn or 'PolicySourceArn'} is no ARN of a role or a user.", ns="iam")
    return _answer("SimulatePrincipalPolicy", parameters, gather(name.rpartition("/")[2], get_account_id()), arn)


def _answer(operation: str, parameters: Any, policies: Sequence[Any], caller: str) -> Any:
    given = {
        name: from_parameters(parameters, name) or [] for name in ("ActionNames", "ResourceArns", "ContextEntries")
    }
    context = {entry["ContextKeyName"].lower(): entry["ContextKeyValues"][0] for entry in given["ContextEntries"]}
    results = [
        {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision, "MatchedStatements": []}
        for action in given["ActionNames"]
        for resource in given["ResourceArns"] or ["*"]
        for decision in [_decision(action, resource, context, policies, caller)]
    ]
    told = to_xml({"EvaluationResults": results, "IsTruncated": False})
    return iam._xml(200, f"{operation}Response", f"<{operation}Result>{told}</{operation}Result>", ns="iam")


def _decision(action: str, resource: str, context: dict[str, str], policies: Sequence[Any], caller: str) -> str:
    judged = iam_evaluator.evaluate(
        iam_evaluator.EvalContext(
            principal_arn=caller,
            principal_type="AssumedRole",
            principal_account=get_account_id(),
            action=action,
            resource_arn=resource,
            region=get_region(),
            secure_transport=True,
            service_context=context,
        ),
        policies,
    )
    return DECISIONS.get(judged.decision, "implicitDeny")
