"""JSON that was read, as typed values: the one place where documents and events are parsed and checked.

A dataclass is the shape of its document: `decode` follows its annotations. Imports our errors only.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from montecarlo.errors import MonteCarloError

T = TypeVar("T")


class Damaged(MonteCarloError):
    """What was read is not what was written: truncated, changed, or something else altogether."""


def parse(data: bytes) -> Any:
    """A JSON document. Raises Damaged; NaN and infinity are no JSON."""
    try:
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise Damaged(f"it is no JSON ({what})") from None


def decode(kind: type[T], value: Any, place: str = "it") -> T:
    """The value as one of `kind`: a dataclass, whose fields are the keys of an object, or what its fields may be.

    These are str, bool, int, float, date (as YYYY-MM-DD), None, Any, a Literal, a union, list[...], tuple[...] and
    Mapping[str, ...]. A value that is of the kind already is taken as it is. Raises Damaged that names the place.
    """
    decoded: T = _decode(kind, value, place)
    return decoded


def _refuse(name: str) -> None:
    raise ValueError(name)


def _decode(kind: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return _first_that_fits(arguments, value, place)
    if origin is Literal:
        return value if value in arguments else _wrong(place, f"one of {', '.join(map(str, arguments))}", value)
    if is_dataclass(kind):
        return value if type(value) is kind else _decode_object(kind, value, place)
    if origin in (list, tuple):
        return origin(_decode_list(origin, arguments, value, place))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            _wrong(place, "an object", value)
        return {name: _decode(arguments[1], item, f"{place}.{name}") for name, item in value.items()}
    return _decode_scalar(kind, value, place)


def _decode_scalar(kind: Any, value: Any, place: str) -> Any:
    if kind is date and isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            _wrong(place, "a date such as 2026-01-31", value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        return number if math.isfinite(number) else _wrong(place, "a finite number", value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    return _wrong(place, _NAMES[kind], value)


_NAMES = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a number", date: "a date", NoneType: "null",
    dict: "an object", list: "a list",
}  # fmt: skip


def _decode_list(origin: type, kinds: tuple[Any, ...], value: Any, place: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        _wrong(place, "a list", value)
    each = kinds[:1] * len(value) if origin is list or kinds[1:] == (...,) else kinds
    if len(each) != len(value):
        _wrong(place, f"a list of {len(each)}", value)
    return [
        _decode(kind, item, f"{place}[{number}]") for number, (kind, item) in enumerate(zip(each, value, strict=True))
    ]


def _decode_object(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, Mapping):
        _wrong(place, "an object", value)
    hints = _hints(kind)
    if unknown := [name for name in value if name not in hints]:
        raise Damaged(f"{place} has the unknown key {_brief(unknown[0])}")
    for field in fields(kind):
        if field.name not in value and field.default is MISSING and field.default_factory is MISSING:
            raise Damaged(f"{place} lacks {field.name}")
    return kind(**{name: _decode(hints[name], item, f"{place}.{name}") for name, item in value.items()})


def _first_that_fits(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    for kind in kinds[:-1]:
        try:
            return _decode(kind, value, place)
        except Damaged:
            if kind is not NoneType and value is not None and len(kinds) == 2 and NoneType in kinds:
                raise  # says more than that it is not null
    return _decode(kinds[-1], value, place)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    known = get_type_hints(kind)
    return {field.name: known[field.name] for field in fields(kind)}


def _wrong(place: str, wanted: str, value: Any) -> Any:
    raise Damaged(f"{place} must be {wanted}, not {_brief(value)}")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
