"""What MiniStack's CloudWatch loses in the Query protocol, which Terraform speaks: most fields of an alarm.

Imports MiniStack and the standard library only.
"""

import json
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import cloudwatch

_describe_alarms: Any = cloudwatch._describe_alarms


def patch() -> None:
    """Install the replacement."""
    cloudwatch._describe_alarms = describe_alarms


def describe_alarms(parameters: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
    """DescribeAlarms with all fields in every protocol: what the Query protocol gets is made from the JSON answer."""
    if is_cbor or is_json:
        return _describe_alarms(parameters, data, is_cbor, is_json)
    request: dict[str, Any] = {
        name: value
        for name in ("AlarmNamePrefix", "StateValue", "MaxRecords", "NextToken")
        if (value := cloudwatch._p(parameters, name))
    }
    for name in ("AlarmNames", "AlarmTypes"):
        request[name] = [each[0] for key, each in parameters.items() if key.startswith(f"{name}.member.")]
    status, _, body = _describe_alarms(parameters, request, False, True)
    if status != 200:
        return _describe_alarms(parameters, data, is_cbor, is_json)
    result = to_xml(json.loads(body))
    return cloudwatch._xml(200, "DescribeAlarmsResponse", f"<DescribeAlarmsResult>{result}</DescribeAlarmsResult>")


def to_xml(value: Any, name: str = "") -> str:
    """A value as the Query protocol writes it: fields that are None are left out."""
    if isinstance(value, dict):
        return "".join(f"<{key}>{to_xml(each, key)}</{key}>" for key, each in value.items() if each is not None)
    if isinstance(value, list):
        return "".join(f"<member>{to_xml(each)}</member>" for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    if name.endswith("Timestamp") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat()
    return escape(str(value))
