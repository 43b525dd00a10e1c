"""Saved queries of CloudWatch Logs Insights, which MiniStack has not: they are kept, as long as the process lives, and
listed. Imports MiniStack and the standard library only.
"""

import json
import time
from typing import Any

from ministack import app
from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response, new_uuid

_definitions = AccountRegionScopedDict()


def patch() -> None:
    """Add the three operations to CloudWatch Logs."""
    answer_logs = app.SERVICE_HANDLERS["logs"]

    async def answer(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation in OPERATIONS:
            return OPERATIONS[operation](json.loads(body or b"{}"))
        return await answer_logs(method, path, headers, body, query)

    app.SERVICE_HANDLERS["logs"] = answer


def put(request: Any) -> Any:
    """PutQueryDefinition: a new one, or another in its place."""
    key = request.get("queryDefinitionId") or new_uuid()
    known = ("name", "queryString", "logGroupNames")
    _definitions[key] = {
        "queryDefinitionId": key,
        "lastModified": int(time.time() * 1000),
        **{name: request[name] for name in known if name in request},
    }
    return json_response({"queryDefinitionId": key})


def describe(request: Any) -> Any:
    """DescribeQueryDefinitions, on one page."""
    prefix = request.get("queryDefinitionNamePrefix", "")
    found = [each for each in _definitions.values() if each["name"].startswith(prefix)]
    return json_response({"queryDefinitions": found})


def delete(request: Any) -> Any:
    """DeleteQueryDefinition."""
    if _definitions.pop(request["queryDefinitionId"], None) is None:
        return error_response_json("ResourceNotFoundException", "There is no such query definition.", 400)
    return json_response({"success": True})


OPERATIONS = {"PutQueryDefinition": put, "DescribeQueryDefinitions": describe, "DeleteQueryDefinition": delete}
