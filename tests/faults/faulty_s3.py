"""A bucket in memory whose n-th call fails, or at whose n-th call the process dies, before or after it took effect."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from tests.memory_s3 import MemoryS3


class Killed(BaseException):
    """What ends a process: no `except Exception` stops it."""


def answer(code: str, status: int) -> ClientError:
    """What boto3 raises for an answer of S3."""
    response: Any = {"Error": {"Code": code, "Message": "told by S3"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")


class FaultyS3(MemoryS3):
    """`calls` has what was asked for: (operation, key). `before` and `after` are asked at each call, by its number."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        super().__init__(objects)
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[int], None] = lambda number: None
        self.after: Callable[[int], None] = lambda number: None
        self._lock = threading.Lock()

    def fail_at(self, number: int, error: BaseException, *, after: bool = False, for_good: bool = False) -> None:
        """Raise the error at the call of this number, counted from now on, from 0; for good, at each later one of its
        kind for its key, too.
        """
        self.calls.clear()

        def fail(call: int) -> None:
            if call == number or (for_good and call > number and self.calls[call] == self.calls[number]):
                raise error

        self.before, self.after = (lambda call: None, fail) if after else (fail, lambda call: None)

    def _call(self, operation: str, key: str, do: Callable[[], Any]) -> Any:
        with self._lock:
            number = len(self.calls)
            self.calls.append((operation, key))
        self.before(number)
        try:
            return do()
        finally:
            self.after(number)

    def put_object(self, *, Key: str, **other: Any) -> Any:  # noqa: N803
        return self._call("put", Key, lambda: super(FaultyS3, self).put_object(Key=Key, **other))

    def head_object(self, *, Key: str, **other: Any) -> Any:  # noqa: N803
        return self._call("head", Key, lambda: super(FaultyS3, self).head_object(Key=Key, **other))

    def get_object(self, *, Key: str, **other: Any) -> Any:  # noqa: N803
        return self._call("get", Key, lambda: super(FaultyS3, self).get_object(Key=Key, **other))

    def delete_object(self, *, Key: str, **other: Any) -> Any:  # noqa: N803
        return self._call("delete", Key, lambda: super(FaultyS3, self).delete_object(Key=Key, **other))

    def paginate(self, *, Prefix: str, **other: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        pages = self._call("list", Prefix, lambda: list(super(FaultyS3, self).paginate(Prefix=Prefix, **other)))
        yield from pages
