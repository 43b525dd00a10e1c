"""S3, and the only module of the package that imports boto3. Everything is read and written through a `Store`."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    UnknownEndpointError,
)
from urllib3.exceptions import HTTPError as URLLib3Error

from montecarlo import documents
from montecarlo.errors import InvalidInput, InvalidPortfolio, MonteCarloError, SlowDown

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
R = TypeVar("R")

# What S3 answers, by its code or, where the answer has no body, by its status. A code that is not here ends in an error
# of ours, too: in passing if the status is 429 or 5xx, for good otherwise.
_IN_PASSING = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "RequestTimeTooSkewed", "RequestLimitExceeded",
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "TooManyRequestsException",
    "BandwidthLimitExceeded", "KMS.ThrottlingException", "KMS.InternalException", "KMS.DependencyTimeoutException",
    "OperationAborted", "ConditionalRequestConflict",  # another request is at work on the same key
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired",  # the next attempt has a new one
    "429", "500", "502", "503", "504",
}  # fmt: skip
_ABSENT = {"NoSuchKey", "404", "NotFound", "NoSuchVersion"}
_CHANGED = {"PreconditionFailed", "412"}
_SHORTER = {"InvalidRange", "416"}
_ARCHIVED = {"InvalidObjectState"}
_DENIED = {"AccessDenied", "403", "Forbidden"}

_NO_ANSWER = (BotoCoreError, URLLib3Error, OSError)
"""Connections that broke, time-outs, bodies that ended early."""

_OUR_FAULT = (NoCredentialsError, PartialCredentialsError, ParamValidationError, NoRegionError, UnknownEndpointError)
"""What no retry cures, though S3 was not even asked."""

_READ_AHEAD = 1 << 20

JSON, OCTETS = "application/json", "application/octet-stream"


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing; `metadata`, as it was put with, is known from `Store.head` only."""

    key: str
    size: int
    modified: datetime
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class NoSuchObject(MonteCarloError):
    """There is no object under the key. Callers turn it into an error that says what was wanted."""


class Overtaken(MonteCarloError):
    """The object that was to be made or replaced was made or replaced by somebody else. Callers look again."""


def client() -> "S3Client":
    """An S3 client with the retries and connections that a function needs."""
    return boto3.client(
        "s3", config=Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32)
    )


class Store:
    """One bucket. Every failure is an error of ours: SlowDown where a retry may help, NoSuchObject, InvalidPortfolio
    where an object of the portfolio is not what it was, InvalidInput where S3 refuses.
    """

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
        except (ClientError, *_NO_ANSWER) as error:
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
        body = self._read(key, lambda: self._s3.get_object(Bucket=self.bucket, Key=key, **_if_match(etag))["Body"])
        try:
            while data := body.read(block):
                yield data
        except (ClientError, *_NO_ANSWER) as error:
            self._translate(error, key)

    def head(self, key: str) -> StoredObject:
        """What a listing would say of the object, and its metadata."""
        found = self._read(key, lambda: self._s3.head_object(Bucket=self.bucket, Key=key))
        etag, metadata = found["ETag"].strip('"'), found.get("Metadata", {})
        return StoredObject(key, found["ContentLength"], found["LastModified"], etag, metadata)

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

    def put(self, key: str, data: bytes, content_type: str = OCTETS) -> None:
        """Write an object; one that is there is replaced."""
        self._put(key, data, content_type)

    def put_new(
        self,
        key: str,
        data: bytes,
        content_type: str,
        *,
        instead_of: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Make the object, or replace the one with the ETag `instead_of`: of several who try at once, one succeeds.

        Raises Overtaken where the object is there already, or is not the one that was to be replaced.
        """
        condition = {"IfMatch": f'"{instead_of}"'} if instead_of else {"IfNoneMatch": "*"}
        self._put(key, data, content_type, metadata, **condition)

    def _put(
        self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str] | None = None, **condition: str
    ) -> None:
        try:
            self._s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                ContentType=content_type,
                Metadata=metadata or {},
                **condition,  # type: ignore[arg-type]
            )
        except ClientError as error:
            if condition and _code(error) in _CHANGED | _ABSENT:
                raise Overtaken(f"{self.url(key)} was written by somebody else.") from error
            self._translate(error, key)
        except _NO_ANSWER as error:
            self._translate(error, key)

    def read(self, key: str) -> tuple[bytes, str]:
        """The object and its ETag, by which `put_new` replaces it."""

        def ask() -> tuple[bytes, str]:
            found = self._s3.get_object(Bucket=self.bucket, Key=key)
            return found["Body"].read(), found["ETag"].strip('"')

        return self._read(key, ask)

    def get_json(self, key: str, kind: type[T]) -> T:
        """The document under the key, as one of `kind`: see `documents.decode`. Raises Damaged where it is none."""
        try:
            return documents.decode(kind, documents.parse(self.get(key)))
        except documents.Damaged as error:
            raise documents.Damaged(f"{self.url(key)} is damaged: {error}.") from None

    def put_json(self, key: str, value: Any, indent: int | None = None) -> None:
        """Write a value as JSON. Raises ValueError for NaN and infinity."""
        self.put(key, to_json(value, indent), JSON)

    def delete(self, key: str) -> None:
        """Delete the object; one that is not there is no error."""
        try:
            self._s3.delete_object(Bucket=self.bucket, Key=key)
        except (ClientError, *_NO_ANSWER) as error:
            self._translate(error, key)

    def _get(self, key: str, etag: str | None = None, size: int | None = None, **extra: Any) -> bytes:
        def ask() -> tuple[Any, bytes]:
            found = self._s3.get_object(Bucket=self.bucket, Key=key, **_if_match(etag), **extra)
            return found, found["Body"].read()

        found, data = self._read(key, ask)
        there = found.get("ContentRange", "").rpartition("/")[2]  # bytes 0-99/4000
        if size is not None and there.isdecimal() and int(there) != size:
            raise InvalidPortfolio(
                f"{self.url(key)} has {int(there):,} bytes where {size:,} are listed: it was written again, or its "
                "manifest is wrong."
            )
        return data

    def _read(self, key: str, ask: Callable[[], R]) -> R:
        """What is asked of an object, with a missing one told from a refused one.

        S3 answers 403 for a missing object to whoever may not list the whole bucket, and a role may list below some
        prefixes only. The listing below the key itself, which such a role may ask for, knows. An object that is listed
        is asked for once more: it may have been written between the two questions, as a run's plan by another step.
        """
        try:
            return ask()
        except (ClientError, *_NO_ANSWER) as error:
            code = _code(error) if isinstance(error, ClientError) else ""
            if code in _ABSENT or (code in _DENIED and not self._is_listed(key, error)):
                raise NoSuchObject(f"{self.url(key)} does not exist.") from error
            if code not in _DENIED:
                self._translate(error, key)
        try:
            return ask()
        except (ClientError, *_NO_ANSWER) as error:
            self._translate(error, key)

    def _is_listed(self, key: str, denied: Exception) -> bool:
        """Whether there is an object under the key of which S3 says nothing more. Raises InvalidInput where the listing
        is refused, too.
        """
        try:
            first = next(self.list(key), None)  # the object itself, as no key that begins with its comes before
        except InvalidInput:
            raise InvalidInput(
                f"{self.url(key)} is missing or not permitted; S3 does not say which. Portfolios in the stack's "
                "own bucket lie below portfolios/. For another bucket, check its name, its policy and the "
                "PortfolioBucketName parameter."
            ) from denied
        return first is not None and first.key == key

    def _translate(self, error: Exception, key: str) -> NoReturn:
        """Raise what the error means for the step. Texts of S3 and of libraries are not passed on: only their codes."""
        where = self.url(key)
        if isinstance(error, _OUR_FAULT):
            raise InvalidInput(
                f"{where} cannot be reached ({type(error).__name__}): check the key, the Region and the credentials."
            ) from error
        if not isinstance(error, ClientError):
            raise SlowDown(f"{where}: S3 did not answer ({type(error).__name__}). Start the run again.") from error
        code, status = _code(error), str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        if code in _CHANGED:
            raise InvalidPortfolio(
                f"{where} was written again since the run was planned or its manifest was made, or the manifest is "
                "wrong: correct it if so, and start a new run."
            ) from error
        if code in _SHORTER:
            raise InvalidPortfolio(f"{where} is shorter than its listing or manifest says: start a new run.") from error
        if code in _ARCHIVED:
            raise InvalidPortfolio(
                f"{where} is archived (S3 Glacier) and cannot be read: restore it, and start the run again."
            ) from error
        if {code, status} & _IN_PASSING:
            raise SlowDown(
                f"{where}: S3 asked for a pause or failed in passing ({code or status}). Start the run again; lower "
                "max_concurrency if it comes again."
            ) from error
        raise InvalidInput(
            f"{where} cannot be reached: S3 answered {error.operation_name} with {code or status}. Check the bucket's "
            "name, its policy, its encryption key and the PortfolioBucketName parameter."
        ) from error


def to_json(value: Any, indent: int | None = None) -> bytes:
    """A document as it is stored. NaN and infinity are no JSON: raises ValueError."""
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


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
