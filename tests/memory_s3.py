"""An S3 bucket in memory, for tests of what reads and writes objects: as much of the client as `Store` uses."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from montecarlo.storage.store import Store


class Stored(bytes):
    """An object as it was put: a copy in another bucket has its metadata, too."""

    metadata: Mapping[str, str]


class MemoryS3:
    """The objects of one bucket; `reads` counts the requests for their bytes by key."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self.objects: dict[str, bytes] = {} if objects is None else objects
        self.reads: dict[str, int] = {}

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str = "",  # noqa: N803
        Metadata: Mapping[str, str] = MappingProxyType({}),  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
    ) -> None:
        there = self.objects.get(Key)
        if IfMatch is not None and there is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "PutObject")
        if (IfNoneMatch == "*" and there is not None) or IfMatch not in (None, f'"{etag(there or b"")}"'):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        stored = self.objects[Key] = Stored(Body)
        stored.metadata = Metadata

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        data = self._find(Key)
        found = {"ContentLength": len(data), "LastModified": datetime.now(UTC), "ETag": f'"{etag(data)}"'}
        return {**found, "Metadata": getattr(data, "metadata", {})}

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Range: str = "bytes=0-",  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        data = self._find(Key)
        if IfMatch not in (None, f'"{etag(data)}"'):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "GetObject")
        self.reads[Key] = self.reads.get(Key, 0) + 1
        first, last = Range.removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1 if last else None]
        if not part and data:
            raise ClientError({"Error": {"Code": "InvalidRange"}}, "GetObject")
        place = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        return {"Body": io.BytesIO(part), "ContentRange": place, "ETag": f'"{etag(data)}"'}

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self.objects.pop(Key, None)

    def get_paginator(self, operation: str) -> "MemoryS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        found = sorted(key for key in self.objects if key.startswith(Prefix))
        yield {"Contents": [{"Key": key, "Size": len(self.objects[key]),
                             "LastModified": datetime.now(UTC), "ETag": f'"{etag(self.objects[key])}"'}
                            for key in found]}  # fmt: skip

    def _find(self, key: str) -> bytes:
        if key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return self.objects[key]


def etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def memory_store(bucket: MemoryS3 | None = None) -> tuple[Store, MemoryS3]:
    """A store on a bucket, by default a new one, and the bucket."""
    s3: Any = bucket or MemoryS3()
    return Store("bucket", s3), s3
