"""Puts a stack's own templates and code into the stack's own bucket, so that a single template can be uploaded.

CloudFormation calls it as the custom resource Custom::Artifact of cloudformation/<stack>/main.yml: once for each
object, with the object as text, or as Base64 where it is a piece of the compressed sources. An object's key holds a
part of its SHA-256, so a changed object is a new resource for CloudFormation: the new one is put before anything uses
it, and the old one is deleted at the end.

ResourceProperties:
    Bucket, Key: where the object goes.
    Sha256: what the object must be, in hexadecimal. Anything else is refused.
    Text, Base64 or Parts: what it is made of. A text; or a piece of the packed sources, as Base64; or the keys of all
        pieces, whose files make one zip archive.
Texts are ASCII. Every other character stands as &#its number; which CloudFormation hands through unharmed.

Imports the standard library and boto3 only: it runs as inline code.
"""

import base64
import bz2
import contextlib
import hashlib
import io
import json
import re
import time
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# A connection that hangs must end before the function does, so that there is always an answer.
s3 = boto3.client("s3", config=Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard"}))


def handler(event: dict[str, Any], context: object) -> None:
    """Do what CloudFormation asks, and tell it how that went: a failure goes back at once, with its reason."""
    answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {"Status": "SUCCESS", "PhysicalResourceId": event.get("PhysicalResourceId", "none")}
    try:
        wanted = event["ResourceProperties"]
        if event["RequestType"] == "Delete":
            delete(answer["PhysicalResourceId"], wanted)
        else:
            answer["PhysicalResourceId"] = f"{wanted['Bucket']}/{wanted['Key']}"
            publish(wanted)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:500]  # an answer may have 4,096 bytes, a character takes up to 6
        print(json.dumps({"level": "ERROR", "resource": event["LogicalResourceId"], "message": reason}))
        answer |= {"Status": "FAILED", "Reason": reason}
    reply(event["ResponseURL"], answer)


def publish(wanted: Mapping[str, Any]) -> None:
    """Make the object and put it into the bucket. Raises ValueError when it is not what the template's author made."""
    if "Text" in wanted:
        content = plain(wanted["Text"]).encode()
    elif "Base64" in wanted:
        content = base64.b64decode(wanted["Base64"])
    else:
        objects = [patiently(s3.get_object, Bucket=wanted["Bucket"], Key=key) for key in wanted["Parts"]]
        content = zipped(unpacked(b"".join(part["Body"].read() for part in objects)))
    found = hashlib.sha256(content).hexdigest()
    if found != wanted["Sha256"]:
        raise ValueError(
            f"{wanted['Key']} has the SHA-256 {found} and not {wanted['Sha256']}: the template was changed by hand, "
            "or on its way. Upload the file as it is in the repository; `make console` makes it anew after a change."
        )
    patiently(s3.put_object, Bucket=wanted["Bucket"], Key=wanted["Key"], Body=content)


def delete(physical_id: str, wanted: Mapping[str, Any]) -> None:
    """Delete the object. One that was never put, or whose bucket has gone, is no failure."""
    bucket, _, key = physical_id.partition("/")
    if not key:  # the id is CloudFormation's own, as it got no answer when it asked for the object
        bucket, key = wanted["Bucket"], wanted.get("Key", "")
    if key:
        with contextlib.suppress(s3.exceptions.NoSuchBucket):
            s3.delete_object(Bucket=bucket, Key=key)


def patiently(act: Callable[..., Any], **arguments: Any) -> Any:
    """Call S3, again for half a minute when it denies access: a role made seconds ago is not known everywhere yet."""
    for wait in (2, 4, 8, 16):
        try:
            return act(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            time.sleep(wait)
    return act(**arguments)


def plain(text: str) -> str:
    """The text with every &#number; as the character that it stands for."""
    return re.sub(r"&#(\d+);", lambda reference: chr(int(reference[1])), text)


def packed(files: Mapping[str, str]) -> bytes:
    """Files by name as one JSON object, compressed: the same bytes for the same files.

    By bzip2, whose output has been the same in all its releases; that of zlib and xz changes with their versions.
    """
    return bz2.compress(json.dumps(files, sort_keys=True, indent=0).encode())


def unpacked(content: bytes) -> dict[str, str]:
    """The files of `packed`."""
    files: dict[str, str] = json.loads(bz2.decompress(content))
    return files


def zipped(files: Mapping[str, str]) -> bytes:
    """A deployment package, the same bytes for the same files: sorted, without times, uncompressed."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # made on Unix, readable by all
            writer.writestr(entry, files[name])
    return archive.getvalue()


def reply(url: str, answer: Mapping[str, str]) -> None:
    """Send the answer to the address that CloudFormation waits at, which wants no content type."""
    request = urllib.request.Request(url, json.dumps(answer).encode(), {"Content-Type": ""}, method="PUT")
    for attempt in (1, 2, 3):
        try:
            urllib.request.urlopen(request, timeout=10).close()
            return
        except OSError:
            if attempt == 3:
                raise
