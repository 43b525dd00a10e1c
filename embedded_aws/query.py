"""The Query protocol of AWS: nested values as flat parameters, and as XML. Imports the standard library only."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape


def from_parameters(parameters: Mapping[str, Any], prefix: str) -> Any:
    """The value whose parameters begin with a prefix: `A.B.member.1=x` is `{"B": ["x"]}` for the prefix `A`.

    Returns None when there are none.
    """
    value: dict[str, Any] = {}
    for name, given in parameters.items():
        if name.startswith(f"{prefix}."):
            *path, last = name.removeprefix(f"{prefix}.").split(".")
            place = value
            for step in path:
                place = place.setdefault(step, {})
            place[last] = given[0] if isinstance(given, list) else given
    return _with_lists(value) if value else None


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"member"}:
        value = value["member"]
    if all(key.isdigit() for key in value):
        return [_with_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _with_lists(each) for key, each in value.items()}


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


def to_ec2_xml(value: Any) -> str:
    """A value as EC2 writes it: names begin small, and lists are sets of items."""
    if isinstance(value, dict):
        return "".join(
            f"<{tag}>{to_ec2_xml(each)}</{tag}>"
            for key, each in value.items()
            for tag in [key[0].lower() + key[1:] + ("Set" if isinstance(each, list) else "")]
        )
    if isinstance(value, list):
        return "".join(f"<item>{to_ec2_xml(each)}</item>" for each in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))
