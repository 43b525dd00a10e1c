"""AWS Signature Version 4, the server's side: whether a request was signed by who knows the secret.

The signature is computed again by botocore, whose signer is AWS's own, and compared. Both forms are known, the header
and the presigned query, with all of S3's ways to name a body: its hash, UNSIGNED-PAYLOAD, and the streaming forms,
whose chunks are signed one by one. Imports botocore and the standard library only.
"""

import datetime
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SKEW = datetime.timedelta(minutes=15)
"""How far the clocks of the two sides may differ; no header signature is good for longer."""

WEEK = datetime.timedelta(days=7)
"""How long a presigned URL may be good for."""

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING_UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING = f"STREAMING-{ALGORITHM}-PAYLOAD"
STREAMING_TRAILER = f"{STREAMING}-TRAILER"
EMPTY = hashlib.sha256(b"").hexdigest()
HASH = re.compile(r"[0-9a-f]{64}")


class Refused(Exception):
    """A request that is not answered: an error code of AWS, and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def encoded(text: str) -> str:
    """A part of a query as it is signed, however the client has encoded it."""
    return quote(unquote_to_bytes(text), safe="-_.~")


@dataclass(frozen=True)
class Secret:
    """What belongs to an access key: its secret, and the token if it is a session's."""

    key: str
    token: str | None = None


@dataclass(frozen=True)
class Request:
    """A request as it arrived: path and query still encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


class Signature:
    """A request's claim to come from the owner of an access key."""

    def __init__(self, request: Request) -> None:
        """Take the claim apart. Raises Refused when there is none, or none that can be checked."""
        self.request = request
        pairs = [pair.partition("=") for pair in request.query.split("&") if pair]
        query = [(encoded(name), encoded(value)) for name, _, value in pairs]
        parameters = {name: unquote(value) for name, value in query}
        self.presigned = "X-Amz-Signature" in parameters
        header = request.headers.get("authorization", "")
        if not header and not self.presigned:
            raise Refused("MissingAuthenticationToken", "The request is not signed.")
        if header and self.presigned:
            raise Refused("IncompleteSignature", "The request is signed twice, in its header and in its query.")
        if self.presigned:
            if len(parameters) < len(query):
                raise Refused("IncompleteSignature", "The presigned query names a parameter twice.")
            names = ("Algorithm", "Credential", "SignedHeaders", "Signature", "Date", "Expires", "Security-Token")
            algorithm, credential, signed, signature, date, expires, token = (
                parameters.get(f"X-Amz-{name}", "") for name in names
            )
        else:
            algorithm, _, rest = header.partition(" ")
            fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
            credential, signed, signature = (
                fields.get(name, "") for name in ("Credential", "SignedHeaders", "Signature")
            )
            date, expires = request.headers.get("x-amz-date", ""), "0"
            token = request.headers.get("x-amz-security-token", "")
        self.query = "&".join(f"{name}={value}" for name, value in query if name != "X-Amz-Signature")
        scope = credential.split("/")
        if algorithm != ALGORITHM or len(scope) != 5 or scope[4] != "aws4_request" or "#" in request.path:
            raise Refused("IncompleteSignature", f"Only complete signatures of the algorithm {ALGORITHM} are known.")
        self.access_key, self.day, self.region, self.service, _ = scope
        self.signed, self.signature, self.date, self.token = signed.split(";"), signature, date, token
        self.valid_from, self.valid_to = self._validity(expires)
        self._require_signed_headers()
        self.payload = self._payload()

    def _validity(self, expires: str) -> tuple[datetime.datetime, datetime.datetime]:
        """From when until when the signature is good."""
        try:
            signed_at = datetime.datetime.strptime(self.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
            lifetime = datetime.timedelta(seconds=int(expires)) if self.presigned else SKEW
            valid_from, valid_to = signed_at - SKEW, signed_at + lifetime
        except (ValueError, OverflowError):  # no date at all, or one at the calendar's ends
            raise Refused("IncompleteSignature", "The request does not say when it was signed.") from None
        if self.day != self.date[:8] or (self.presigned and not datetime.timedelta() < lifetime <= WEEK):
            raise Refused("IncompleteSignature", "The signature's dates do not fit together.")
        return valid_from, valid_to

    def _require_signed_headers(self) -> None:
        """A header that may change the meaning of a request must be signed: Host and all of AWS's own."""
        headers = self.request.headers
        needed = {"host"} | {name for name in headers if name.startswith("x-amz-")}
        if needed - set(self.signed) or set(self.signed) - set(headers):
            raise Refused("SignatureDoesNotMatch", "There are headers that are not signed, or signed ones are missing.")

    def _payload(self) -> str | None:
        """What was signed in place of the body: its hash, a marker of S3, or None where only the body itself tells."""
        payload = self.request.headers.get("x-amz-content-sha256")
        if payload is None and self.service == "s3":
            payload = UNSIGNED if self.presigned else ""
        markers = {UNSIGNED, STREAMING_UNSIGNED, STREAMING, STREAMING_TRAILER} if self.service == "s3" else set()
        if payload is not None and payload not in markers and not HASH.fullmatch(payload):
            raise Refused("SignatureDoesNotMatch", "x-amz-content-sha256 is neither a hash nor a known marker.")
        return payload

    @property
    def covers_body(self) -> bool:
        """Whether the body must be read to check the signature."""
        return self.payload not in (UNSIGNED, STREAMING_UNSIGNED)

    def check(self, secret: Secret, now: datetime.datetime) -> None:
        """Check all that can be told before the body is there. Raises Refused."""
        if not self.valid_from <= now <= self.valid_to:
            raise Refused("RequestTimeTooSkewed", f"The signature of {self.date} is not good now.")
        if not hmac.compare_digest(self.token.encode(), (secret.token or "").encode()):
            raise Refused("InvalidToken", "The session token does not belong to the access key.")
        if self.payload is not None and not self._matches(secret, self.payload):
            raise Refused("SignatureDoesNotMatch", "The signature was not made with the access key's secret.")

    def check_body(self, secret: Secret, body: bytes) -> None:
        """Check that the body is the one that was signed. Raises Refused."""
        if self.payload in (STREAMING, STREAMING_TRAILER):
            right = self._chunks_match(secret, body)
        elif self.payload is None:
            right = self._matches(secret, hashlib.sha256(body).hexdigest())
        else:
            right = hmac.compare_digest(self.payload, hashlib.sha256(body).hexdigest())
        if not right:
            raise Refused("SignatureDoesNotMatch", "The request was not signed with the secret, or its body changed.")

    def _matches(self, secret: Secret, payload: str) -> bool:
        signer, request = self._signer(secret, payload)
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return hmac.compare_digest(expected.encode(), self.signature.encode())

    def _signer(self, secret: Secret, payload: str) -> tuple[Any, Any]:
        """botocore's signer, and the request for it: the signed part of ours."""
        request = self.request
        signed = {name: request.headers[name] for name in self.signed}
        signable: Any = AWSRequest(request.method, f"http://host{request.path}?{self.query}", signed)
        signable.context["timestamp"] = self.date
        signer: Any = (S3SigV4Auth if self.service == "s3" else SigV4Auth)(
            Credentials(self.access_key, secret.key), self.service, self.region
        )
        signer.payload = lambda _: payload
        return signer, signable

    def _chunks_match(self, secret: Secret, body: bytes) -> bool:
        """Whether every chunk, and the trailer, has the signature that follows from the one before."""
        signer, request = self._signer(secret, EMPTY)

        def sign(kind: str, *hashes: str) -> str:
            scope = signer.credential_scope(request)
            signature: str = signer.signature("\n".join([f"{ALGORITHM}-{kind}", self.date, scope, *hashes]), request)
            return signature

        previous, position, size = self.signature, 0, -1
        while size != 0:
            end = body.find(b"\r\n", position)
            line = re.fullmatch(rb"([0-9a-fA-F]+);chunk-signature=([0-9a-f]{64})", body[position : max(end, 0)])
            if line is None:
                return False
            size, start = int(line[1], 16), end + 2
            chunk = body[start : start + size]
            expected = sign("PAYLOAD", previous, EMPTY, hashlib.sha256(chunk).hexdigest())
            if len(chunk) < size or not hmac.compare_digest(expected.encode(), line[2]):
                return False
            previous, position = expected, start + size + (2 if size else 0)
        if self.payload == STREAMING:
            return body[position:] in (b"", b"\r\n")
        trailer = [line for line in body[position:].split(b"\r\n") if line]
        name, _, given = trailer.pop().partition(b":") if trailer else (b"", b"", b"")
        text = b"".join(line + b"\n" for line in trailer)
        expected = sign("TRAILER", previous, hashlib.sha256(text).hexdigest())
        return name == b"x-amz-trailer-signature" and hmac.compare_digest(expected.encode(), given)
