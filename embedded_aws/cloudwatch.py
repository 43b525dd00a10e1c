"""What MiniStack's CloudWatch loses in the Query protocol, which Terraform speaks: most fields of an alarm.

Imports MiniStack and the standard library only.
"""

import json
from typing import Any

from ministack.services import cloudwatch

from embedded_aws.query import to_xml

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
