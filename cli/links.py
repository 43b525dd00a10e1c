"""Links to objects, signed with the user's own credentials: whoever has one can read the object for a time."""

from collections.abc import Sequence
from datetime import UTC, datetime

from botocore.config import Config

from cli import CommandError
from cli.deployment import Stack

_SIGNED = Config(signature_version="s3v4")
"""What S3 takes in every Region, and what tells how long a link holds."""


def signed(there: Stack, keys: Sequence[str], seconds: int) -> list[str]:
    """A link to each of the bucket's objects. Nothing is asked of AWS for it. Raises CommandError without credentials.

    Links need no more than what their signer may do: whoever may not read an object signs a link that is refused.
    """
    if there.session.get_credentials() is None:
        raise CommandError("there are no credentials to sign links with: sign in, or give --profile.")
    s3 = there.session.client("s3", endpoint_url=there.endpoint, config=_SIGNED)
    return [
        s3.generate_presigned_url("get_object", {"Bucket": there.bucket, "Key": key}, ExpiresIn=seconds) for key in keys
    ]


def dies_early(there: Stack, seconds: int) -> str:
    """What must be said of links that are signed with a session, as of a role or of SSO: they die with it."""
    credentials = there.session.get_credentials()
    if credentials is None or not credentials.get_frozen_credentials().token:
        return ""
    told = "They are signed with a session's credentials, as roles and SSO have them, and die with the session"
    ends = getattr(credentials, "_expiry_time", None)  # of credentials that are fetched anew, and of no others
    if not isinstance(ends, datetime):
        return f"{told}, however long they were asked for."
    left = (ends - datetime.now(UTC)).total_seconds()
    until = f"{told}, at {ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{until}: before the time that they were asked for." if left < seconds else f"{until}."
