"""Stages everything that a stack is made from in a bucket of one's own, and gives the link that launches it.

For organisations that put what they deploy into a bucket themselves: the template has no publisher and no bucket of its
own then, everything else is as in cloudformation/<stack>/main.yml. The names of the objects hold their content's hash:
what is staged is never changed, and staging the same sources again changes nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from publishing import console

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class PackageError(Exception):
    """The bucket cannot be reached or written to."""


@dataclass(frozen=True)
class Staged:
    """A stack's sources in a bucket."""

    region: str
    template_url: str
    launch_url: str
    """The console's page that creates the stack, with the template and the stack's name filled in."""


def stage(bucket: str, prefix: str, name: str, stack: str = "lambda", session: boto3.Session | None = None) -> Staged:
    """Upload the nested templates, the state machines, the functions' package and the root template.

    Args:
        bucket: a bucket that exists. Stacks can be made from it in its own Region only, as Lambda wants that.
        prefix: what the objects' names begin with.
        name: of the stack that the link creates.
        stack: the compute option.
        session: whose credentials are used; those that boto3 finds by default.

    Raises:
        PackageError: the bucket cannot be reached or written to.
    """
    if not BUCKET.fullmatch(bucket):
        raise PackageError(f"{bucket!r} is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens.")
    session = session or boto3.Session()
    try:
        s3 = session.client("s3")
        region = s3.head_bucket(Bucket=bucket).get("BucketRegion") or s3.meta.region_name
        for key, content in objects(bucket, prefix, stack):
            s3.put_object(Bucket=bucket, Key=key, Body=content)
    except (ClientError, BotoCoreError) as error:
        raise PackageError(
            f"The bucket {bucket} cannot be written to: {error}. It must exist, and you must be allowed to "
            f"s3:ListBucket there and to s3:PutObject below {prefix}."
        ) from error
    china = session.get_partition_for_region(region) == "aws-cn"
    template_url = f"https://s3.{region}.amazonaws.com{'.cn' if china else ''}/{bucket}/{key}"
    host = "console.amazonaws.cn" if china else f"{region}.console.aws.amazon.com"
    page = f"https://{host}/cloudformation/home?region={region}#/stacks/create/review"
    return Staged(region, template_url, f"{page}?templateURL={quote(template_url, safe='')}&stackName={name}")


def objects(bucket: str, prefix: str, stack: str) -> Iterator[tuple[str, bytes]]:
    """Key and content of everything that is staged, the root template last."""
    parts = console.artifacts(stack)
    for part in parts:
        if not part.is_piece:
            yield prefix + part.key, part.content
    template = console.root(stack, parts, bucket, prefix).encode()
    yield prefix + console.keyed("main.yml", template), template
