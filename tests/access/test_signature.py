"""Signature version 4, against botocore's own signers."""

from __future__ import annotations

import msgspec
import pytest
from botocore.auth import S3SigV4Auth
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.access.principal import Credential
from fogbank.access.signature import Verifier, peek
from fogbank.access.signing import Scope
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest

from .signers import CREDENTIAL, KEY, NOW_MS, SESSION, find, signed

S3_URLS = [
    "http://b.localhost:4566/",
    "http://b.localhost:4566/plain.txt",
    "http://b.localhost:4566/a//b/../c/./d",
    "http://b.localhost:4566/caf%C3%A9/%E2%82%AC%20x",
    "http://b.localhost:4566/a%2Bb%3Dc%26d~e",
    "http://b.localhost:4566/?list-type=2&prefix=a%2Fb&delimiter=%2F&max-keys=5",
    "http://b.localhost:4566/k?uploads",
    "http://b.localhost:4566/?a-b=2&a=1&a=0&A=3",
]
SERVICE_URLS = [
    "http://localhost:4566/",
    "http://localhost:4566/2015-03-31/functions/f%3Aprod/invocations",
    "http://localhost:4566/a//b/./c/../d/",
    "http://localhost:4566/x?tag=b&tag=a&Z=1&empty=",
    "http://localhost:4566/tags/arn%3Aaws%3Asqs%3Aus-east-1%3A1%3Aq?tagKeys=a%20b",
]


def refusal(request: HttpRequest, dialect: str, credential: Credential | None = CREDENTIAL, now_ms: int = NOW_MS) -> ServiceException:
    """The answer that a request gets: it must be a no."""
    keys = find(credential) if credential else find()
    with pytest.raises(ServiceException) as caught:
        Verifier().authenticate(request, now_ms, keys, dialect)
    return caught.value


@pytest.mark.parametrize("url", S3_URLS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_s3_takes_what_botocore_signs_in_the_header(url: str, method: str) -> None:
    """S3 signs the path as it is sent, whatever is in the key, and every query parameter."""
    request = signed(method, url, body=b"body" if method == "PUT" else b"", service="s3")
    answer = Verifier().authenticate(request, NOW_MS, find(CREDENTIAL), "s3")
    assert answer is not None
    assert (answer.access_key_id, answer.service, answer.region, answer.method, answer.payload) == (KEY, "s3", "us-east-1", "header", "")


@pytest.mark.parametrize("url", S3_URLS)
def test_s3_takes_what_botocore_presigns(url: str) -> None:
    """A presigned URL holds with any body, until it expires."""
    request = signed("PUT", url, service="s3", expires_s=600)
    request.body = b"whatever"
    answer = Verifier().authenticate(request, NOW_MS + 599_000, find(CREDENTIAL), "s3")
    assert answer is not None
    assert answer.method == "query"


@pytest.mark.parametrize("url", SERVICE_URLS)
@pytest.mark.parametrize("dialect", ["json", "query"])
def test_other_services_take_what_botocore_signs(url: str, dialect: str) -> None:
    """Other services sign a normalised path, encoded twice, and the body."""
    request = signed("POST", url, body=b"Action=X&Version=1", headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
    answer = Verifier().authenticate(request, NOW_MS, find(CREDENTIAL), dialect)
    assert answer is not None
    assert (answer.service, answer.payload) == ("sqs", "")


def test_a_presigned_call_to_another_service_signs_its_body() -> None:
    """What EKS tokens do: GetCallerIdentity, presigned. Its empty body is part of the signature."""
    request = signed("GET", "http://localhost:4566/?Action=GetCallerIdentity&Version=2011-06-15", service="sts", expires_s=60)
    assert Verifier().authenticate(request, NOW_MS, find(CREDENTIAL), "query") is not None
    request.body = b"x"
    assert refusal(request, "query").code == "SignatureDoesNotMatch"


def test_header_values_are_compared_without_extra_blanks() -> None:
    """Blanks around a value and runs of blanks within it are not part of the signature."""
    request = signed("POST", "http://localhost:4566/", body=b"{}", headers={"X-Amz-Meta": "a b"})
    request.headers["x-amz-meta"] = "  a    b "
    assert Verifier().authenticate(request, NOW_MS, find(CREDENTIAL), "json") is not None


def test_a_date_header_will_do() -> None:
    """A client that sends Date instead of X-Amz-Date."""
    request = signed("POST", "http://localhost:4566/", body=b"{}", headers={"Date": "now"})
    assert request.headers["date"].startswith("Thu, 01 Jan 2026 00:00:00")
    assert Verifier().authenticate(request, NOW_MS, find(CREDENTIAL), "json") is not None
    assert refusal(request, "json", now_ms=NOW_MS + 301_000).code == "InvalidSignatureException"
    request.headers["date"] = "yesterday"
    assert refusal(request, "json").code == "IncompleteSignatureException"


def test_no_credentials_is_nobody() -> None:
    """A request without a signature is anonymous, and so is one with another scheme's header."""
    for headers in ({}, {"authorization": "Bearer abc"}):
        assert Verifier().authenticate(HttpRequest("GET", "/", "", headers), NOW_MS, find(CREDENTIAL), "json") is None


def test_peek_reads_the_scope_without_a_secret() -> None:
    """Routing needs the service and region that the client meant; from the header or from a presigned query."""
    for expires_s in (None, 60):
        request = signed("GET", "http://b.localhost:4566/k", service="s3", region="eu-west-1", expires_s=expires_s)
        assert peek(request) == Scope(KEY, "20260101", "eu-west-1", "s3")
    assert peek(HttpRequest("GET", "/", "", {})) is None
    assert peek(HttpRequest("GET", "/", "X-Amz-Credential=x", {})) is None
    assert peek(HttpRequest("GET", "/", "", {"authorization": "AWS4-HMAC-SHA256 nonsense"})) is None


WRONG_SECRET = [("s3", "SignatureDoesNotMatch", 403), ("query", "SignatureDoesNotMatch", 403), ("json", "InvalidSignatureException", 400)]


@pytest.mark.parametrize(("dialect", "code", "status"), WRONG_SECRET)
@pytest.mark.parametrize("expires_s", [None, 60])
def test_a_wrong_secret_is_refused(dialect: str, code: str, status: int, expires_s: int | None) -> None:
    """Each family of services has its own code; a service of the json protocol answers 400, others 403."""
    service = "s3" if dialect == "s3" else "sqs"
    headers = {"X-Amz-Target": "AmazonSQS.ListQueues"} if dialect == "json" else {}
    request = signed("GET", "http://localhost:4566/k", service=service, secret="another", headers=headers, expires_s=expires_s)
    error = refusal(request, dialect)
    assert (error.code, error.status) == (code, status)
    assert error.message.startswith("The request signature we calculated does not match the signature you provided.")


def test_s3_shows_what_it_signed() -> None:
    """S3's refusal carries the string to sign and the canonical request, for whoever must find the difference."""
    error = refusal(signed("GET", "http://b.localhost/k", service="s3", secret="another"), "s3")
    assert error.members["StringToSign"].startswith("AWS4-HMAC-SHA256\n20260101T000000Z\n20260101/us-east-1/s3/aws4_request\n")
    assert error.members["CanonicalRequest"].startswith("GET\n/k\n\nhost:b.localhost\n")


@pytest.mark.parametrize(
    ("dialect", "code"), [("s3", "InvalidAccessKeyId"), ("query", "InvalidClientTokenId"), ("json", "UnrecognizedClientException")]
)
def test_an_unknown_or_inactive_key_is_refused(dialect: str, code: str) -> None:
    """A key that does not exist and one that is switched off look the same."""
    request = signed("GET", "http://localhost/", service="s3" if dialect == "s3" else "sqs")
    assert refusal(request, dialect, None).code == code
    assert refusal(request, dialect, msgspec.structs.replace(CREDENTIAL, active=False)).code == code


def test_a_changed_secret_takes_effect_at_once() -> None:
    """The verifier keeps signing keys, but not beyond the secret they were made of."""
    verifier = Verifier()
    request = signed("GET", "http://localhost/")
    assert verifier.authenticate(request, NOW_MS, find(CREDENTIAL), "json") is not None
    changed = msgspec.structs.replace(CREDENTIAL, secret="changed")
    with pytest.raises(ServiceException, match="does not match"):
        verifier.authenticate(request, NOW_MS, find(changed), "json")
    again = signed("GET", "http://localhost/", secret="changed")
    assert verifier.authenticate(again, NOW_MS, find(changed), "json") is not None


def test_a_trusted_key_signs_with_any_secret() -> None:
    """`test` and 12-digit keys on loopback: read, but not compared."""
    request = signed("PUT", "http://localhost/b/k", service="s3", secret="another", token="any")
    answer = Verifier().authenticate(request, NOW_MS, find(msgspec.structs.replace(CREDENTIAL, trusted=True)), "s3")
    assert answer is not None
    assert answer.seed_signature == ""


@pytest.mark.parametrize(("dialect", "allowed_s"), [("s3", 900), ("query", 300), ("json", 300)])
def test_the_clock_may_be_off_by_so_much(dialect: str, allowed_s: int) -> None:
    """Fifteen minutes either way on S3, five elsewhere; not a second more."""
    request = signed("GET", "http://localhost/", service="s3" if dialect == "s3" else "sqs")
    for sign in (1, -1):
        assert Verifier().authenticate(request, NOW_MS + sign * allowed_s * 1000, find(CREDENTIAL), dialect) is not None
        error = refusal(request, dialect, now_ms=NOW_MS + sign * (allowed_s + 1) * 1000)
        if dialect == "s3":
            assert (error.code, error.members["MaxAllowedSkewMilliseconds"]) == ("RequestTimeTooSkewed", "900000")
        elif sign == 1:
            assert error.message == "Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z (20260101T000501Z - 5 min.)"
        else:
            assert (
                error.message
                == "Signature not yet current: 20260101T000000Z is still later than 20251231T235959Z (20251231T235459Z + 5 min.)"
            )


def test_a_presigned_url_expires() -> None:
    """S3 answers AccessDenied with the instants; other services say that the signature expired."""
    error = refusal(signed("GET", "http://b.localhost/k", service="s3", expires_s=60), "s3", now_ms=NOW_MS + 61_000)
    assert (error.code, error.status, error.message) == ("AccessDenied", 403, "Request has expired")
    assert error.members == {"X-Amz-Expires": "60", "Expires": "2026-01-01T00:01:00Z", "ServerTime": "2026-01-01T00:01:01Z"}
    error = refusal(signed("GET", "http://localhost/", service="sts", expires_s=60), "query", now_ms=NOW_MS + 61_000)
    assert (error.code, error.message[:49]) == ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlie")


@pytest.mark.parametrize(
    ("expires", "message"),
    [
        (604_801, "X-Amz-Expires must be less than a week (in seconds) that is 604800"),
        (-1, "X-Amz-Expires must be non-negative"),
        ("soon", "X-Amz-Expires should be a number"),
    ],
)
def test_a_presigned_url_lives_a_week_at_most(expires: int, message: str) -> None:
    """The life of a URL is a number of seconds up to seven days."""
    error = refusal(signed("GET", "http://b.localhost/k", service="s3", expires_s=expires), "s3")
    assert (error.code, error.message) == ("AuthorizationQueryParametersError", message)


def test_a_moved_clock_moves_what_was_signed_before() -> None:
    """After the cloud's clock is advanced by an hour, clients still sign with theirs; what they signed before has aged an hour."""
    hour_ms, advanced_at_ms, wall_ms = 3_600_000, NOW_MS + 10_000, NOW_MS + 20_000

    def dated_by(signed_ms: int | None) -> int:
        return wall_ms + (hour_ms if signed_ms is not None and signed_ms < advanced_at_ms else 0)

    verifier = Verifier()
    before = signed("GET", "http://b.localhost/k", service="s3", expires_s=600)
    after = signed("GET", "http://b.localhost/k", service="s3", expires_s=600, at_ms=wall_ms)
    header = signed("GET", "http://b.localhost/k", service="s3", at_ms=wall_ms)
    assert verifier.authenticate(after, wall_ms + hour_ms, find(CREDENTIAL), "s3", dated_by) is not None
    assert verifier.authenticate(header, wall_ms + hour_ms, find(CREDENTIAL), "s3", dated_by) is not None
    with pytest.raises(ServiceException, match="Request has expired"):
        verifier.authenticate(before, wall_ms + hour_ms, find(CREDENTIAL), "s3", dated_by)


def test_a_presigned_url_with_a_missing_parameter_is_refused() -> None:
    """All six parameters have to be there."""
    request = signed("GET", "http://b.localhost/k", service="s3", expires_s=60)
    request.query = "&".join(part for part in request.query.split("&") if not part.startswith("X-Amz-Date"))
    assert refusal(request, "s3").message.startswith("Query-string authentication version 4 requires the X-Amz-Algorithm")


@pytest.mark.parametrize("expires_s", [None, 60])
@pytest.mark.parametrize(
    ("dialect", "missing", "wrong", "expired"),
    [
        ("s3", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken"),
        ("query", "InvalidClientTokenId", "InvalidClientTokenId", "ExpiredToken"),
        ("json", "UnrecognizedClientException", "UnrecognizedClientException", "ExpiredTokenException"),
    ],
)
def test_a_session_needs_its_token(dialect: str, missing: str, wrong: str, expired: str, expires_s: int | None) -> None:
    """A temporary key holds with its own token, until it expires."""
    service = "s3" if dialect == "s3" else "sts"

    def request(token: str | None) -> HttpRequest:
        return signed("GET", "http://localhost/k", service=service, token=token, expires_s=expires_s)

    assert Verifier().authenticate(request("token+/="), NOW_MS, find(SESSION), dialect) is not None
    assert refusal(request(None), dialect, SESSION).code == missing
    assert refusal(request("other"), dialect, SESSION).code == wrong
    assert refusal(request("token+/="), dialect, CREDENTIAL).code == wrong
    assert refusal(request("token+/="), dialect, SESSION, NOW_MS + 1000).code == expired


def test_s3_compares_the_body_with_its_header() -> None:
    """A body that is not the one that was hashed."""
    request = signed("PUT", "http://b.localhost/k", body=b"right", service="s3", headers={"Content-MD5": "x"})
    assert Verifier().authenticate(request, NOW_MS, find(CREDENTIAL), "s3") is not None
    request.body = b"wrong"
    error = refusal(request, "s3")
    assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)
    request.body = object()  # an upload: its hash is the listener's to compare
    answer = Verifier().authenticate(request, NOW_MS, find(CREDENTIAL), "s3")
    assert answer is not None
    assert answer.payload == request.headers["x-amz-content-sha256"]


def test_an_unsigned_payload_is_for_s3_only() -> None:
    """S3 takes UNSIGNED-PAYLOAD; elsewhere the body is always part of the signature."""

    class Unsigned(S3SigV4Auth):
        def payload(self, request: object) -> str:
            return "UNSIGNED-PAYLOAD"

    answer = Verifier().authenticate(signed("PUT", "http://h/k", body=b"a", service="s3", signer=Unsigned), NOW_MS, find(CREDENTIAL), "s3")
    assert answer is not None
    assert answer.payload == "UNSIGNED-PAYLOAD"
    request = signed("PUT", "http://h/k", body=b"a", service="sqs", signer=Unsigned)
    assert refusal(request, "json").code == "InvalidSignatureException"


def test_s3_wants_every_amz_header_signed() -> None:
    """Nobody may add an `x-amz-` header on the way: it could change what the request means."""
    request = signed("PUT", "http://b.localhost/k", service="s3")
    request.headers["x-amz-acl"] = "public-read"
    error = refusal(request, "s3")
    assert (error.code, error.members) == ("AccessDenied", {"HeadersNotSigned": "x-amz-acl"})


def test_another_algorithm_gets_a_clear_no() -> None:
    """SigV4A is not spoken here, nor anything that AWS never had."""
    for algorithm in ("AWS4-ECDSA-P256-SHA256", "AWS5-HMAC"):
        authorization = f"{algorithm} Credential=A/20260101/s3/aws4_request, SignedHeaders=host, Signature=1"
        request = HttpRequest("GET", "/k", "", {"authorization": authorization})
        assert refusal(request, "json").message == f"Unsupported AWS 'algorithm': '{algorithm}'."
        assert "Please use AWS4-HMAC-SHA256" in refusal(request, "s3").message


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host", "requires 'Signature'"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=1", "requires 'Credential'"),
        ("AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sqs/aws4_request, Signature=1", "requires 'SignedHeaders'"),
        ("AWS4-HMAC-SHA256 Credential=A/sqs/aws4_request, SignedHeaders=host, Signature=1", "exactly 5 slash-delimited elements"),
        ("AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sqs/aws3, SignedHeaders=host, Signature=1", "valid terminator"),
        (
            "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sqs/aws4_request, SignedHeaders=x, Signature=1",
            "'Host' or ':authority' must be",
        ),
    ],
)
def test_a_malformed_header_is_named(authorization: str, message: str) -> None:
    """AWS says which part is missing or wrong."""
    request = HttpRequest("POST", "/", "", {"authorization": authorization, "host": "h", "x-amz-date": "20260101T000000Z"})
    assert message in refusal(request, "query").message


def test_the_date_must_be_that_of_the_scope() -> None:
    """A key of one day signs no request of another."""
    request = signed("GET", "http://localhost/")
    request.headers["authorization"] = request.headers["authorization"].replace("20260101", "20251231")
    assert refusal(request, "query").message.startswith(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"
    )


PARTS = [
    "method",
    "path",
    "query",
    "body",
    "host",
    "x-amz-date",
    "x-amz-target",
    "x-amz-security-token",
    "content-type",
    "signature",
    "scope",
]


@settings(max_examples=200)
@given(
    part=st.sampled_from(PARTS),
    suffix=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="%+&=/.?#"), min_size=1, max_size=5),
)
def test_any_change_of_what_is_signed_is_refused(part: str, suffix: str) -> None:
    """Whatever part of a signed request is changed, it is no longer that request."""
    headers = {"X-Amz-Target": "S.Op", "Content-Type": "application/json"}
    session = msgspec.structs.replace(CREDENTIAL, session_token="t")
    request = signed("POST", "http://localhost:4566/p?a=b", body=b"{}", headers=headers, token="t")
    if part in ("method", "path"):
        setattr(request, part, getattr(request, part) + suffix)
    elif part == "query":
        request.query += "&" + suffix
    elif part == "body":
        request.body += suffix.encode()
    elif part == "signature":
        request.headers["authorization"] += suffix
    elif part == "scope":
        request.headers["authorization"] = request.headers["authorization"].replace("/sqs/", f"/sqs{suffix}/")
    else:
        request.headers[part] += suffix
    with pytest.raises(ServiceException):
        Verifier().authenticate(request, NOW_MS, find(session), "json")


WORDS = [*"ab/;,= %+&T:Z0123456789", "Credential=", "X-Amz-Date=", "aws4_request", "99999999999999999999", "²", "é"]
NOISE = st.lists(st.sampled_from(WORDS), max_size=12).map("".join)


@settings(max_examples=300)
@given(parts=st.lists(NOISE, min_size=6, max_size=6), dialect=st.sampled_from(["s3", "json", "query"]), in_header=st.booleans())
def test_nonsense_gets_a_refusal_and_nothing_else(parts: list[str], dialect: str, in_header: bool) -> None:
    """Whatever stands in the header or the query: nobody, or one of AWS's refusals."""
    credential, names, signature, date, expires, path = parts
    known = credential or f"{KEY}/20260101/us-east-1/s3/aws4_request"
    headers = {"host": "h", "x-amz-date": date or "20260101T000000Z", "x-amz-content-sha256": expires}
    query = path
    if in_header:
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={known}, SignedHeaders={names or 'host'}, Signature={signature}"
    else:
        query = (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={known}&X-Amz-Date={date or '20260101T000000Z'}"
            f"&X-Amz-Expires={expires or 60}"
            f"&X-Amz-SignedHeaders={names or 'host'}&X-Amz-Signature={signature}"
        )
    request = HttpRequest("GET", "/" + path, query, headers)
    peek(request)
    with pytest.raises(ServiceException):
        Verifier().authenticate(request, NOW_MS, find(CREDENTIAL), dialect)
