"""Signatures are taken when AWS would take them: AWS's published examples, botocore's own, and everything altered."""

import datetime
import hashlib
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode_sequence
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.signature import Refused, Request, Secret, Signature

# The examples of AWS's documents on Signature Version 4 in S3: one secret, one time, one bucket.
EXAMPLE = Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
THEN = datetime.datetime(2013, 5, 24, tzinfo=datetime.UTC)
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
EMPTY = hashlib.sha256(b"").hexdigest()

SECRET = Secret("secret")
SESSION = Secret("secret", "token")


def check(request: Request, body: bytes = b"", secret: Secret = SECRET, now: datetime.datetime | None = None) -> None:
    """What the gate does. Raises Refused."""
    signature = Signature(request)
    signature.check(secret, now or datetime.datetime.now(datetime.UTC))
    if signature.covers_body:
        signature.check_body(secret, body)


def example(method: str, path: str, signed: str, signature: str, **headers: str) -> Request:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    authorization = f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={signed},Signature={signature}"
    return Request(method, path, "", {"x-amz-date": "20130524T000000Z", "authorization": authorization, **fields})


def test_the_documents_header_example() -> None:
    request = example(
        "GET",
        "/test.txt",
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        host="examplebucket.s3.amazonaws.com",
        range="bytes=0-9",
        x_amz_content_sha256=EMPTY,
    )
    check(request, secret=EXAMPLE, now=THEN)
    with pytest.raises(Refused, match="not good now"):
        check(request, secret=EXAMPLE, now=THEN + datetime.timedelta(minutes=16))
    with pytest.raises(Refused, match="not good now"):
        check(request, secret=EXAMPLE, now=THEN - datetime.timedelta(minutes=16))


def test_the_documents_presigned_example() -> None:
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
        "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    request = Request("GET", "/test.txt", query, {"host": "examplebucket.s3.amazonaws.com"})
    check(request, secret=EXAMPLE, now=THEN + datetime.timedelta(hours=23))
    with pytest.raises(Refused, match="not good now"):
        check(request, secret=EXAMPLE, now=THEN + datetime.timedelta(hours=25))
    with pytest.raises(Refused, match="dates do not fit"):  # a longer life was not signed either, and is over a week
        check(replace(request, query=query.replace("=86400", "=8640000")), secret=EXAMPLE, now=THEN)
    with pytest.raises(Refused, match="not made with"):
        check(replace(request, query=query.replace("=86400", "=86401")), secret=EXAMPLE, now=THEN)


CHUNKS = [b"a" * 65536, b"a" * 1024, b""]


def chunked(signatures: list[str], trailer: bytes = b"\r\n") -> bytes:
    parts = zip(CHUNKS, signatures, strict=True)
    coded = b"\r\n".join(b"%x;chunk-signature=%s\r\n%s" % (len(c), s.encode(), c) for c, s in parts)
    return coded + trailer


def streaming(signature: str, marker: str, **more: str) -> Request:
    signed = (
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class"
        if more
        else "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
        "x-amz-storage-class"
    )
    return example(
        "PUT",
        "/examplebucket/chunkObject.txt",
        signed + (";x-amz-trailer" if more else ""),
        signature,
        host="s3.amazonaws.com",
        content_encoding="aws-chunked",
        content_length="66824",
        x_amz_content_sha256=marker,
        x_amz_decoded_content_length="66560",
        x_amz_storage_class="REDUCED_REDUNDANCY",
        **more,
    )


PLAIN = (
    streaming("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    chunked(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ]
    ),
)
WITH_TRAILER = (
    streaming(
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        x_amz_trailer="x-amz-checksum-crc32c",
    ),
    chunked(
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
        b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    ),
)


@pytest.mark.parametrize(("request_", "body"), [PLAIN, WITH_TRAILER], ids=["chunks", "chunks and trailer"])
def test_the_documents_streaming_examples(request_: Request, body: bytes) -> None:
    check(request_, body, EXAMPLE, THEN)
    for altered in (
        body.replace(b"aaaa", b"aaba", 1),
        body[: body.index(b"400;")] + body[body.index(b"\r\n0;") + 2 :],  # a chunk left out
        body[: len(body) // 2],
        body + b"more",
        body.replace(b"sOO8", b"sOO9") if b"sOO8" in body else b"",
    ):
        with pytest.raises(Refused):
            check(request_, altered, EXAMPLE, THEN)


# Requests signed by botocore ------------------------------------------------------------------------------------------

NAMES = st.text("abcXYZ019-_.~ +%/=&é", max_size=12)
PATHS = st.lists(st.text("abcXYZ019-_~é %", min_size=1, max_size=5), max_size=3).map("/".join).map(quote)


@st.composite
def signed_requests(draw: st.DrawFn) -> tuple[Request, bytes, Secret]:
    """A request as botocore signs and sends it, its body, and the secret it was signed with."""
    secret = draw(st.sampled_from([SECRET, SESSION]))
    service, signer = draw(
        st.sampled_from([("s3", S3SigV4Auth), ("s3", S3SigV4QueryAuth), ("states", SigV4Auth), ("sts", SigV4QueryAuth)])
    )
    body = b"" if "Query" in signer.__name__ else draw(st.binary(max_size=20))
    query = draw(st.dictionaries(NAMES.filter(bool), NAMES, max_size=3))
    request: Any = AWSRequest(
        draw(st.sampled_from(["GET", "PUT", "POST", "DELETE"])),
        f"http://127.0.0.1:4566/{draw(PATHS)}?{percent_encode_sequence(query)}",
        draw(st.sampled_from([{}, {"X-Amz-Target": "A.B"}, {"Content-Type": "a/b"}])),
        body,
    )
    signer(Credentials("AKIAROOT", secret.key, secret.token), service, "us-east-1").add_auth(request)
    sent = request.prepare()
    url = urlsplit(sent.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in sent.headers.items()
    }
    return Request(sent.method, url.path, url.query, {"host": "127.0.0.1:4566", **headers}), body, secret


@given(signed_requests())
def test_what_botocore_signs_is_taken(signed: tuple[Request, bytes, Secret]) -> None:
    check(*signed)


@given(signed_requests(), st.data())
def test_what_was_altered_is_refused(signed: tuple[Request, bytes, Secret], data: st.DataObject) -> None:
    request, body, secret = signed
    presigned = "X-Amz-Signature" in request.query
    alterations: list[tuple[Request, bytes, Secret]] = [
        (replace(request, method="PATCH"), body, secret),
        (replace(request, path=request.path + "x"), body, secret),
        (replace(request, path=request.path + "#x"), body, secret),
        (replace(request, query=f"{request.query}&uploads=".lstrip("&")), body, secret),
        (replace(request, headers={**request.headers, "host": "127.0.0.1:4567"}), body, secret),
        (replace(request, headers={**request.headers, "x-amz-copy-source": "other/key"}), body, secret),
        (request, body, replace(secret, key="Secret")),
        (request, body, replace(secret, token=None if secret.token else "token")),
    ]
    if not presigned:
        alterations.append((request, body + b"x", secret))
        alterations.append(
            (replace(request, headers=request.headers | {"x-amz-date": "20130524T000000Z"}), body, secret)
        )
    if presigned:
        alterations.append(
            (replace(request, query=request.query.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601")), body, secret)
        )
    with pytest.raises(Refused):
        check(*data.draw(st.sampled_from(alterations)))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic dGVzdDp0ZXN0",
        "AWS AKIAROOT:signature",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=AKIAROOT",
        "AWS4-HMAC-SHA256 Credential=AKIAROOT/20130524/us-east-1/s3/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=",
        "AWS4-ECDSA-P256-SHA256 Credential=a/20130524/s3/aws4_request, SignedHeaders=host, Signature=00",
    ],
)
def test_what_is_no_signature_is_refused(authorization: str) -> None:
    headers = {"host": "127.0.0.1", "authorization": authorization, "x-amz-content-sha256": EMPTY}
    with pytest.raises(Refused):
        check(Request("GET", "/", "", headers))


@pytest.mark.parametrize("date", ["00010101T000000Z", "99991231T235959Z", "20130532T000000Z", "", "now"])
@pytest.mark.parametrize("presigned", [False, True], ids=["header", "presigned"])
def test_a_date_at_the_calendars_ends_or_none_is_refused(date: str, presigned: bool) -> None:
    scope = f"AKIAROOT/{date[:8]}/us-east-1/s3/aws4_request"
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={quote(scope, safe='')}&X-Amz-Date={date}"
        "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
    )
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00"
    headers = {"host": "127.0.0.1"} | ({} if presigned else {"authorization": authorization, "x-amz-date": date})
    with pytest.raises(Refused, match="does not say when it was signed"):
        Signature(Request("GET", "/", query if presigned else "", headers))
