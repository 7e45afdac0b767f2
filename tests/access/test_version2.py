"""S3's older signature, against botocore's own signers: what `aws s3 presign` and boto3 make by default."""

from __future__ import annotations

from unittest import mock
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1Auth, HmacV1PostAuth, HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fogbank.access.principal import Credential
from fogbank.access.signature import Verifier, peek, verify_post
from fogbank.access.signing import Scope, Signed
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest

from .signers import CREDENTIAL, KEY, NOW_MS, SECRET, SESSION, as_datetime, as_received, find

PATHS = [
    "/bucket",
    "/bucket/",
    "/bucket/k",
    "/bucket/caf%C3%A9//x%20y%2Bz",
    "/bucket/k?versionId=a%2Bb&partNumber=1",
    "/bucket?uploads&prefix=x",
]


def signed(
    method: str,
    path: str,
    *,
    expires_s: int | None = None,
    secret: str = SECRET,
    token: str | None = None,
    bucket: str = "",
    at_ms: int = NOW_MS,
    **headers: str,
) -> HttpRequest:
    """A request signed by botocore: in the header, or (`expires_s`) in the query; `bucket`: named by the host."""
    request = AWSRequest(method=method, url=f"http://{bucket + '.' if bucket else ''}localhost:4566{path}", headers=headers)
    if bucket:
        request.auth_path = f"/{bucket}{urlsplit(path).path}"
    credentials = Credentials(KEY, secret, token)
    with mock.patch("time.time", return_value=at_ms / 1000):
        if token:
            request.headers["x-amz-security-token"] = token
        (HmacV1Auth(credentials) if expires_s is None else HmacV1QueryAuth(credentials, expires=expires_s)).add_auth(request)
    sent = {} if expires_s is not None else dict(request.headers.items())
    return as_received(method, request.url, sent)


def accept(request: HttpRequest, credential: Credential = CREDENTIAL, now_ms: int = NOW_MS, bucket: str = "") -> Signed:
    answer = Verifier().authenticate(request, now_ms, find(credential), "s3", bucket=bucket)
    assert answer is not None
    return answer


def refusal(request: HttpRequest, credential: Credential = CREDENTIAL, now_ms: int = NOW_MS) -> ServiceException:
    with pytest.raises(ServiceException) as caught:
        Verifier().authenticate(request, now_ms, find(credential), "s3")
    return caught.value


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("expires_s", [None, 3600])
def test_s3_takes_what_botocore_signs(path: str, expires_s: int | None) -> None:
    """In the header and in a URL; the body is not part of it."""
    answer = accept(signed("PUT", path, expires_s=expires_s, **{"Content-Type": "text/plain", "x-amz-acl": "private"}))
    method = "header" if expires_s is None else "query"
    assert (answer.access_key_id, answer.service, answer.region, answer.method, answer.payload) == (
        KEY,
        "s3",
        "us-east-1",
        method,
        "UNSIGNED-PAYLOAD",
    )


@pytest.mark.parametrize("path", ["/", "/k", "/a/b?acl"])
def test_the_bucket_may_be_in_the_host(path: str) -> None:
    """It is part of what is signed: whoever reads the host passes it on, and no other bucket will do."""
    request = signed("GET", path, expires_s=60, bucket="my.bucket")
    accept(request, bucket="my.bucket")
    with pytest.raises(ServiceException, match="does not match"):
        accept(request, bucket="other")


def test_a_session_signs_with_its_token() -> None:
    """The token travels as a header, or in the URL."""
    for expires_s in (None, 60):
        accept(signed("GET", "/bucket/k", expires_s=expires_s, token="token+/="), SESSION)
        assert refusal(signed("GET", "/bucket/k", expires_s=expires_s), SESSION).code == "InvalidAccessKeyId"
        assert refusal(signed("GET", "/bucket/k", expires_s=expires_s, token="other"), SESSION).code == "InvalidToken"


def test_changes_are_refused() -> None:
    """Method, path, a parameter that counts, a header that counts, the secret."""
    for change in (
        signed("GET", "/bucket/k", secret="another"),
        _changed("method", "DELETE"),
        _changed("path", "/bucket/l"),
        _changed("query", "versionId=2"),
        _changed("headers", {"x-amz-acl": "public-read"}),
    ):
        error = refusal(change)
        assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)


def _changed(part: str, value: object) -> HttpRequest:
    request = signed("GET", "/bucket/k?versionId=1")
    setattr(request, part, request.headers | value if isinstance(value, dict) else value)
    return request


def test_dates() -> None:
    """Fifteen minutes for a header; a URL until its instant."""
    request = signed("GET", "/bucket/k")
    assert accept(request, now_ms=NOW_MS + 900_000)
    assert refusal(request, now_ms=NOW_MS + 901_000).code == "RequestTimeTooSkewed"
    url = signed("GET", "/bucket/k", expires_s=60)
    assert accept(url, now_ms=NOW_MS + 60_000)
    error = refusal(url, now_ms=NOW_MS + 61_000)
    assert (error.code, error.message, error.members["Expires"]) == ("AccessDenied", "Request has expired", "2026-01-01T00:01:00Z")
    url.query = url.query.replace("Expires=1", "Expires=x1")
    assert refusal(url).message.startswith("Invalid date")
    url.query = "AWSAccessKeyId=A"
    assert refusal(url).message.startswith("Query-string authentication requires")


@pytest.mark.parametrize("life_s", [60, 3600, 604_800])
def test_a_moved_clock_ages_a_url(life_s: int) -> None:
    """A URL that was signed before the clock was moved past its end is over; one that is signed after is not."""
    moved_ms, wall_ms = life_s * 1000 + 1000, NOW_MS + 5000

    def dated_by(signed_ms: int | None) -> int:
        return wall_ms + (moved_ms if signed_ms is not None and signed_ms < NOW_MS + 2000 else 0)

    with pytest.raises(ServiceException, match="Request has expired"):
        Verifier().authenticate(signed("GET", "/bucket/k", expires_s=life_s), wall_ms + moved_ms, find(CREDENTIAL), "s3", dated_by)
    after = signed("GET", "/bucket/k", expires_s=life_s, at_ms=NOW_MS + 4000)
    assert Verifier().authenticate(after, wall_ms + moved_ms, find(CREDENTIAL), "s3", dated_by) is not None


def test_peek_knows_whose_it_is() -> None:
    """Version 2 means S3, in us-east-1."""
    for expires_s in (None, 60):
        assert peek(signed("GET", "/bucket/k", expires_s=expires_s)) == Scope(KEY, "", "us-east-1", "s3")
    assert peek(HttpRequest("GET", "/", "AWSAccessKeyId=A", {})) is None


def test_other_services_do_not_take_it() -> None:
    """Only S3."""
    with pytest.raises(ServiceException, match="Unsupported AWS 'algorithm'"):
        Verifier().authenticate(signed("GET", "/"), NOW_MS, find(CREDENTIAL), "json")
    with pytest.raises(ServiceException, match="Unsupported AWS 'algorithm'"):
        Verifier().authenticate(signed("GET", "/", expires_s=60), NOW_MS, find(CREDENTIAL), "query")


def form(ends_ms: int) -> dict[str, str]:
    """The fields of a form that is good until an instant."""
    request = AWSRequest(method="POST", url="http://localhost/bucket")
    request.context["s3-presign-post-fields"] = {"key": "k"}
    conditions = [{"bucket": "bucket"}, {"key": "k"}]
    request.context["s3-presign-post-policy"] = {"expiration": f"{as_datetime(ends_ms):%Y-%m-%dT%H:%M:%SZ}", "conditions": conditions}
    HmacV1PostAuth(Credentials(KEY, SECRET)).add_auth(request)
    return {name.lower(): value for name, value in request.context["s3-presign-post-fields"].items()}


@pytest.mark.parametrize("life_s", [60, 3600])
def test_a_moved_clock_ages_a_form(life_s: int) -> None:
    """A form, like a URL, is over when the clock was moved past its end since it was signed, and not when it was signed afterwards."""
    moved_ms, wall_ms = life_s * 1000 + 1000, NOW_MS + 5000

    def dated_by(signed_ms: int | None) -> int:
        return wall_ms + (moved_ms if signed_ms is not None and signed_ms < NOW_MS + 2000 else 0)

    before, after = form(NOW_MS + life_s * 1000), form(NOW_MS + 4000 + life_s * 1000)
    with pytest.raises(ServiceException, match="Policy expired"):
        verify_post(before, wall_ms + moved_ms, find(CREDENTIAL), bucket="bucket", dated_by=dated_by)
    assert verify_post(after, wall_ms + moved_ms, find(CREDENTIAL), bucket="bucket", dated_by=dated_by) is not None


def test_forms() -> None:
    """boto3's generate_presigned_post, by default."""
    fields = form(NOW_MS + 3_600_000)
    policy = verify_post(fields, NOW_MS, find(CREDENTIAL), bucket="bucket")
    assert policy is not None
    assert policy.signed.access_key_id == KEY
    with pytest.raises(ServiceException, match="does not match"):
        verify_post(fields | {"signature": "x"}, NOW_MS, find(CREDENTIAL), bucket="bucket")
    del fields["signature"]
    with pytest.raises(ServiceException, match="'signature'"):
        verify_post(fields, NOW_MS, find(CREDENTIAL), bucket="bucket")
