"""The user's own files: those that are read as JSON, and a portfolio's, which are uploaded."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cli import CommandError
from cli.deployment import Stack
from cli.screen import counted, say
from montecarlo.portfolio.files import format_of
from montecarlo.portfolio.mapping import ALL_FILES, Files
from montecarlo.source.listing import MANIFEST_SCHEMA
from montecarlo.source.objects import is_passed_over
from montecarlo.storage import keys

UPLOADED = "uploaded"
LONGEST_KEY = 1_024
"""Bytes of an object's key in S3."""
LARGEST_JSON = 10_000_000
"""Bytes of a file that a user writes; a device or a portfolio given by mistake has no end, or none that fits."""
_AT_ONCE = 8
"""Files that are put at the same time; of a large one, several parts."""


def json_file(path: Path | None, what: str) -> Any:
    """The content of a JSON file, None where there is no path. Raises CommandError that names `what` and the file."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_JSON + 1)
        if len(content) > LARGEST_JSON:
            raise ValueError(f"it is larger than {LARGEST_JSON:,} bytes")
        return _parsed(content.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        why = (error.strerror if isinstance(error, OSError) else str(error)) or "it is nested too deep"
        raise CommandError(f"the {what} file {path} cannot be read as JSON: {why}.") from None


def json_text(text: str | None, option: str) -> Any:
    """JSON that is written on the command line, None where there is none. Raises CommandError naming the option."""
    try:
        return None if text is None else _parsed(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(
            f"{option} cannot be read as JSON: {error or 'it is nested too deep'}. Put it in single quotes, so that "
            "the shell leaves its double quotes in it."
        ) from None


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_number)


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values under one name, one would be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice in one object")
    return made


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def portfolio(text: str, chosen: Files = ALL_FILES) -> dict[str, Path] | str:
    """A portfolio as a user names it: in S3, or by its files, of a folder the chosen ones. Raises CommandError."""
    if not text:  # a variable that is not set, as a rule: neither the current folder nor made-up loans are meant
        raise CommandError("the portfolio's name is empty: give a CSV or Parquet file, a folder of such, or s3://...")
    if text.startswith("s3://"):
        if not text.removeprefix("s3://").split("/")[0]:
            raise CommandError(f"{text} names no bucket: give s3://BUCKET/PREFIX/, a file there, or a manifest.json.")
        return text
    return portfolio_files(Path(text), chosen)


def portfolio_files(path: Path, chosen: Files = ALL_FILES) -> dict[str, Path]:
    """The portfolio's files, each by its name below the folder: the file given, or those of a folder that are chosen.

    As in a bucket, files that begin with '.' or '_' are passed over, and one that is neither CSV nor Parquet is
    refused. Raises CommandError.
    """
    try:
        if not path.exists():
            raise CommandError(f"there is no portfolio at {path}.")
        if path.is_dir():
            found = {item.relative_to(path).as_posix(): item for item in sorted(path.rglob("*")) if item.is_file()}
            files = {name: item for name, item in found.items() if not is_passed_over(name) and chosen.take(name)}
        else:
            files = {path.name: path}
        for name, file in files.items():
            if len(key_of(name, 64 * "0").encode()) > LONGEST_KEY:
                raise CommandError(f"{file}: the name is too long for an object of S3; choose a shorter one.")
            if not format_of(name):
                raise CommandError(
                    f"{file}: the name must end in .csv, .csv.gz or .parquet; rename it, move it elsewhere, or have "
                    "the mapping's files ignore it."
                )
            with file.open("rb"):
                pass
    except UnicodeEncodeError:
        raise CommandError(f"{file}: the name is not UTF-8; rename the file.") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"the portfolio {path} cannot be read: {error}.") from None
    if not files:
        taken = "" if chosen == ALL_FILES else " and that the mapping's files take"
        raise CommandError(f"{path} holds no file that ends in .csv, .csv.gz or .parquet{taken}.")
    return files


def upload(stack: Stack, files: Mapping[str, Path]) -> str:
    """Put a portfolio's files into the stack's bucket, those that are not there yet; returns its manifest's key.

    A file lies under its SHA-256, and the manifest names each with its size and ETag: what is simulated is what was
    given, whatever else lies in the bucket. Raises CommandError where a file changes meanwhile.
    """
    s3, bucket = stack.client("s3"), stack.bucket

    def put(item: tuple[str, Path]) -> dict[str, Any]:
        name, path = item
        try:
            before, digest = path.stat(), _sha256(path)
            key = key_of(name, digest)
            found = _head(s3, bucket, key)
            if not found or found["ContentLength"] != before.st_size or found["Metadata"].get("sha256") != digest:
                s3.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {"sha256": digest}})
                found = _head(s3, bucket, key)
            after = path.stat()
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error}.") from None
        if not found or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise CommandError(f"{path} was changed while it was uploaded: start again once it is written.")
        return {"key": key, "size": found["ContentLength"], "etag": found["ETag"].strip('"')}

    say(f"Uploading {counted(len(files), 'file')}, as far as not there yet ...")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        objects = list(pool.map(put, files.items()))
    body = json.dumps({"schema": MANIFEST_SCHEMA, "objects": objects}, indent=1).encode()
    manifest = f"{keys.portfolio(UPLOADED)}{hashlib.sha256(body).hexdigest()}/manifest.json"
    s3.put_object(Bucket=bucket, Key=manifest, Body=body, ContentType="application/json")
    return manifest


def key_of(name: str, digest: str) -> str:
    """Where a portfolio's file goes. Raises UnicodeEncodeError where no key can hold its name."""
    name.encode()
    return f"{keys.portfolio(UPLOADED)}{digest}/{name}"


def name_of(key: str) -> str:
    """The name that the user's own file has, of what `upload` put; of any other object, its key."""
    place = keys.portfolio(UPLOADED)
    return key.removeprefix(place).partition("/")[2] if key.startswith(place) else key


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _head(s3: Any, bucket: str, key: str) -> dict[str, Any] | None:
    """What S3 knows of an object, None where there is none."""
    try:
        found: dict[str, Any] = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return None
        raise
    return found
