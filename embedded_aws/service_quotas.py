"""Service Quotas, which MiniStack has not: what an account may have, as the profile says; else AWS's defaults, and
vCPUs as an account has them that has been used for long.

Imports MiniStack and the standard library only.
"""

import json
from typing import Any

from ministack import app
from ministack.core import router
from ministack.core.responses import error_response_json, json_response

from embedded_aws.profile import LENIENT, STRICT, Profile

TARGET = "ServiceQuotasV20190624"

STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"
"""The families of instances that quotas call so."""

_profile: Profile = LENIENT


def patch(profile: Profile) -> None:
    """Add the service."""
    global _profile
    _profile = profile
    router.SERVICE_PATTERNS["servicequotas"] = {"target_prefixes": [TARGET]}
    app.SERVICE_HANDLERS["servicequotas"] = answer


async def answer(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
    """ListServiceQuotas, on one page."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if operation != "ListServiceQuotas":
        return error_response_json("UnknownOperationException", f"{operation} is not there.", 400)
    service = json.loads(body)["ServiceCode"]
    quotas = [{"ServiceCode": service, "QuotaCode": code, "QuotaName": name, "Value": value, "Adjustable": True}
              for code, name, value in of_service(service)]  # fmt: skip
    return json_response({"Quotas": quotas})


def of_service(service: str) -> list[tuple[str, str, float]]:
    """Code, name and value of a service's quotas."""
    transitions = float(_profile.transitions or STRICT.transitions or 0)
    return {
        "lambda": [("L-B99A9384", "Concurrent executions", float(_profile.concurrency or STRICT.concurrency or 0))],
        "states": [("L-TRANSITIONS", "StateTransition throttle token refill rate per second", transitions)],
        "s3": [("L-DC2B2D3D", "General purpose buckets", 10_000.0)],
        "fargate": [
            ("L-3032A538", "Fargate On-Demand vCPU resource count", 4000.0),
            ("L-36FBB829", "Fargate Spot vCPU resource count", 4000.0),
        ],
        "ec2": [
            ("L-1216C47A", f"Running On-Demand {STANDARD} instances", 4000.0),
            ("L-34B43A08", f"All {STANDARD} Spot Instance Requests", 4000.0),
        ],
    }.get(service, [])
