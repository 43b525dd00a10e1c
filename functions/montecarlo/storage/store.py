"""S3, and the only module of the package that imports boto3. Everything is read and written through a `Store`."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from montecarlo.errors import InvalidInput, InvalidPortfolio, MonteCarloError, SlowDown

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRANSIENT = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "Throttling",
    "RequestTimeTooSkewed",
    "503",
    "500",
}
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_DENIED = {"AccessDenied", "403"}
_REPLACED = {"PreconditionFailed", "412", "InvalidRange", "416"}
_REFUSED = {
    *_DENIED,
    "AllAccessDisabled",
    "NoSuchBucket",
    "PermanentRedirect",
    "KMS.AccessDeniedException",
}
_READ_AHEAD = 1 << 20


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing."""

    key: str
    size: int
    modified: datetime
    etag: str


class NoSuchObject(MonteCarloError):
    """There is no object under the key. Callers turn it into an error that says what was wanted."""


def client() -> "S3Client":
    """An S3 client with the retries and connections that a function needs."""
    return boto3.client(
        "s3", config=Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32)
    )


class Store:
    """One bucket. Raises SlowDown where a retry may help, InvalidInput where access is refused, NoSuchObject."""

    def __init__(self, bucket: str, s3: "S3Client | None" = None) -> None:
        self.bucket = bucket
        self._s3 = s3 or client()

    def url(self, key: str) -> str:
        """The place of a key, for people: s3://bucket/key."""
        return f"s3://{self.bucket}/{key}"

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects under a prefix, in the order of their keys."""
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"], entry["Size"], entry["LastModified"], entry["ETag"].strip('"'))
        except (ClientError, BotoCoreError, HTTPClientError) as error:
            self._translate(error, prefix)

    def get(self, key: str) -> bytes:
        """The object's bytes."""
        return self._get(key)

    def get_range(self, key: str, start: int, stop: int, etag: str | None = None, size: int | None = None) -> bytes:
        """Bytes start up to, not including, stop; fewer where the object ends before.

        Raises InvalidPortfolio if the object no longer has that ETag or, where it is given, that size in bytes.
        """
        return self._get(key, etag, size, Range=f"bytes={start}-{stop - 1}") if stop > start else b""

    def stream(self, key: str, etag: str | None = None, block: int = 8 << 20) -> Iterator[bytes]:
        """The object's bytes in blocks of up to `block`. Raises as `get_range` does."""
        try:
            body = self._s3.get_object(Bucket=self.bucket, Key=key, **_if_match(etag))["Body"]
            while data := body.read(block):
                yield data
        except (ClientError, BotoCoreError, HTTPClientError) as error:
            self._translate_read(error, key)

    def head(self, key: str) -> StoredObject:
        """What a listing would say of the object."""
        try:
            found = self._s3.head_object(Bucket=self.bucket, Key=key)
        except (ClientError, BotoCoreError, HTTPClientError) as error:
            self._translate_read(error, key)
        return StoredObject(key, found["ContentLength"], found["LastModified"], found["ETag"].strip('"'))

    def exists(self, key: str) -> bool:
        """Whether there is an object under the key."""
        try:
            self.head(key)
        except NoSuchObject:
            return False
        return True

    def open(
        self, key: str, size: int = 0, etag: str | None = None, read_ahead: int = _READ_AHEAD
    ) -> io.BufferedReader:
        """A seekable file that reads ranges as they are asked for, with read-ahead. Raises as `get_range` does."""
        return io.BufferedReader(_RangeReader(self, key, size or self.head(key).size, etag), read_ahead)

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Write an object; one that is there is replaced."""
        try:
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)
        except (ClientError, BotoCoreError, HTTPClientError) as error:
            self._translate(error, key)

    def get_json(self, key: str) -> Any:
        """The object's JSON, parsed."""
        return json.loads(self.get(key))

    def put_json(self, key: str, value: Any, indent: int | None = None) -> None:
        """Write a value as JSON. Raises ValueError for NaN and infinity."""
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
        self.put(key, text.encode(), "application/json")

    def delete(self, key: str) -> None:
        """Delete the object; one that is not there is no error."""
        try:
            self._s3.delete_object(Bucket=self.bucket, Key=key)
        except (ClientError, BotoCoreError, HTTPClientError) as error:
            self._translate(error, key)

    def _get(self, key: str, etag: str | None = None, size: int | None = None, **extra: Any) -> bytes:
        try:
            found = self._s3.get_object(Bucket=self.bucket, Key=key, **_if_match(etag), **extra)
            data: bytes = found["Body"].read()
        except (ClientError, BotoCoreError, HTTPClientError) as error:
            self._translate_read(error, key)
        there = found.get("ContentRange", "").rpartition("/")[2]  # bytes 0-99/4000
        if size is not None and there.isdecimal() and int(there) != size:
            raise InvalidPortfolio(
                f"{self.url(key)} has {int(there):,} bytes where {size:,} are listed: it was written again, or its "
                "manifest is wrong."
            )
        return data

    def _translate_read(self, error: Exception, key: str) -> NoReturn:
        """As `_translate`, but tell a missing object from a refused one.

        S3 answers 403 for a missing object to whoever may not list the whole bucket, and a role may list below some
        prefixes only. The listing below the key itself, which such a role may ask for, knows.
        """
        if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code", "") in _DENIED:
            try:
                first = next(self.list(key), None)  # the object itself: longer keys come after it
            except InvalidInput:
                raise InvalidInput(
                    f"{self.url(key)} is missing or not permitted; S3 does not say which. Portfolios in the stack's "
                    "own bucket lie below portfolios/. For another bucket, check its name, its policy and the "
                    "PortfolioBucketName parameter."
                ) from error
            if first is None or first.key != key:
                raise NoSuchObject(f"{self.url(key)} does not exist.") from error
        self._translate(error, key)

    def _translate(self, error: Exception, key: str) -> NoReturn:
        where = self.url(key)
        if not isinstance(error, ClientError):  # connections that broke, time-outs
            raise SlowDown(f"{where}: {error}") from error
        code = error.response.get("Error", {}).get("Code", "")
        if code in _REPLACED:
            raise InvalidPortfolio(
                f"{where} was written again since the run was planned or its manifest was made, or the manifest is "
                "wrong: correct it if so, and start a new run."
            ) from error
        if code in _ABSENT:
            raise NoSuchObject(f"{where} does not exist.") from error
        if code in _REFUSED:
            raise InvalidInput(
                f"{where} cannot be reached: {error}. Check the bucket's name, its policy and the PortfolioBucketName "
                f"parameter."
            ) from error
        if code in _TRANSIENT:
            raise SlowDown(f"{where}: {error}") from error
        raise error


def _if_match(etag: str | None) -> dict[str, Any]:
    return {"IfMatch": f'"{etag}"'} if etag else {}


class _RangeReader(io.RawIOBase):
    """An S3 object as a raw file, one range request per read."""

    def __init__(self, store: Store, key: str, size: int, etag: str | None) -> None:
        self._store, self._key, self._size, self._etag, self._at = store, key, size, etag, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._size)
        data = self._store.get_range(self._key, self._at, stop, self._etag, self._size)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
