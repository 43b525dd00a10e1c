"""Local files read as a bucket's objects are, by the same code: as much of S3's client as reading a portfolio takes."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from cli import CommandError
from montecarlo.source.objects import InputObject
from montecarlo.storage.store import Store


class LocalObjects:
    """Files by their keys."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803, ARG002
        """Size, time and ETag of a file."""
        try:
            found = self._files[Key].stat()
        except KeyError:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "HeadObject") from None
        except OSError as error:
            raise CommandError(f"{self._files[Key]} cannot be read: {error}.") from None
        return {
            "ContentLength": found.st_size,
            "LastModified": datetime.fromtimestamp(found.st_mtime, UTC),
            "ETag": f'"{found.st_size}-{found.st_mtime_ns}"',
        }

    def get_object(self, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> dict[str, Any]:  # noqa: N803
        """The bytes of a file, or of a range of it."""
        if IfMatch not in ("", self.head_object(Bucket, Key)["ETag"]):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "GetObject")
        try:
            file: BinaryIO = self._files[Key].open("rb")
            if not Range:
                return {"Body": file}
            with file:
                first, last = map(int, Range.removeprefix("bytes=").split("-"))
                file.seek(first)
                return {"Body": io.BytesIO(file.read(last + 1 - first))}
        except OSError as error:
            raise CommandError(f"{self._files[Key]} cannot be read: {error}.") from None


def opened(files: Mapping[str, Path]) -> tuple[Store, list[InputObject]]:
    """A store of the files, and the files as objects of a portfolio, in their order."""
    client: Any = LocalObjects(files)
    heads = {name: client.head_object("", name) for name in files}
    objects = [InputObject(name, head["ContentLength"], etag=head["ETag"].strip('"')) for name, head in heads.items()]
    return Store("local", client), [item for item in objects if item.size]
