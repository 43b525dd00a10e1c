"""JSON read with care: objects that know where they stand, and errors that name the place. Imports errors only."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from montecarlo.errors import InvalidResult

RESULT = "result.json"
"""The document that most of this is about."""

DEEPEST = 16
"""Levels of a result below each other at most; ours has seven."""

REMEDY = "The file is damaged, or no result of a run: take it from the run's folder again, or repeat the run."


@dataclass(frozen=True)
class Node:
    """A JSON object and where it stands in which document, for messages."""

    value: Mapping[str, Any]
    path: str
    document: str = RESULT

    @classmethod
    def at(cls, value: Any, path: str, document: str = RESULT) -> "Node":
        """An object; null is an empty one."""
        if value is None and path:
            value = {}
        if not isinstance(value, Mapping):
            raise wrong(path, "an object", value, document)
        return cls(value, path, document)

    def where(self, key: str) -> str:
        """The path of a key below."""
        return f"{self.path}.{key}" if self.path else key

    def child(self, key: str) -> "Node":
        """The object of that name, empty where it is missing."""
        return Node.at(self.value.get(key), self.where(key), self.document)

    def children(self) -> Iterator[tuple[str, "Node"]]:
        """Each key with its object."""
        for key in self.value:
            yield key, self.child(key)

    def number(self, key: str) -> float | None:
        """The number of that name; None where it is missing."""
        return number_at(self.value.get(key), self.where(key), self.document)

    def numbers(self) -> dict[str, float | None]:
        """Each key with its number."""
        return {key: self.number(key) for key in self.value}

    def record(self) -> dict[str, float | str]:
        """Each key with its number or text, whatever it is called; other values as JSON, objects left out."""
        return {
            key: value if isinstance(value, str) else json.dumps(value, default=str) if number is None else number
            for key, value in self.value.items()
            if not isinstance(value, Mapping)
            for number in [self.number(key) if is_number(value) else None]
        }

    def texts(self) -> dict[str, str]:
        """Each key with its text."""
        return {key: text for key in self.value if (text := self.text(key)) is not None}

    def text(self, key: str) -> str | None:
        """The text of that name; None where it is missing."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, str):
            raise wrong(self.where(key), "text", value, self.document)
        return value

    def flag(self, key: str) -> bool | None:
        """True or false; None where it is missing."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, bool):
            raise wrong(self.where(key), "true or false", value, self.document)
        return value

    def items(self, key: str) -> Sequence[Any]:
        """The list of that name, empty where it is missing."""
        value = self.value.get(key)
        return list_at([] if value is None else value, self.where(key), self.document)


def parsed(content: str | bytes, name: str = RESULT) -> Any:
    """A document's text as JSON. Raises InvalidResult where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise InvalidResult(f"{name} is not JSON. {REMEDY}") from None


def is_number(value: Any) -> bool:
    """Whether a value is a number, Python's or NumPy's; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def number_at(value: Any, path: str, document: str = RESULT) -> float | None:
    """A finite number; None for null."""
    if value is None:
        return None
    if not is_number(value):
        raise wrong(path, "a number", value, document)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidResult(f"{document}: {readable(path)} must be a finite number. {REMEDY}")
    return number


def list_at(value: Any, path: str, document: str = RESULT) -> Sequence[Any]:
    """A list."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise wrong(path, "a list", value, document)
    return value


def check_depth(value: Any, level: int = 0) -> None:
    """Refuse a document so deep that a walk through it would not end well."""
    if level > DEEPEST:
        raise InvalidResult(f"result.json is nested more than {DEEPEST} levels deep. {REMEDY}")
    below = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for child in below:
        check_depth(child, level + 1)


KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", type(None): "null"}


def wrong(path: str, expected: str, value: Any, document: str = RESULT) -> InvalidResult:
    """An error that names the place and the types, and nothing of what stands there."""
    kind = "an object" if isinstance(value, Mapping) else KINDS.get(type(value), "a list")
    return InvalidResult(f"{document}: {readable(path) or 'the whole'} must be {expected}, not {kind}. {REMEDY}")


def readable(path: str) -> str:
    """A path for a message, short: keys are a user's words, so it holds nothing that could steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in path)[:200]
