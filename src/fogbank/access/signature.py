"""Signature version 4: who signed this request, and is it still what they signed.

A client's Authorization header is the same all day up to `Signature=`: what it says (key, scope, names of the signed
headers) and the signing key that follows from it are kept under that text. The secret they were made with is compared at
each use, so a changed or deactivated key takes effect with the next request.

Source: "AWS Signature Version 4 for API requests" in the IAM User Guide; "Authenticating Requests" in the S3 API Reference.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import NoReturn

import msgspec

from fogbank.access import canonical, dates, refusals, version2
from fogbank.access.chunks import Chunks
from fogbank.access.payload import presigned_payload, signed_payload
from fogbank.access.post import PostPolicy, verify_post
from fogbank.access.presigned import Presigned, presigned
from fogbank.access.principal import Credential
from fogbank.access.signing import ALGORITHM, Hmac, Scope, Signed, signing_key
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest

__all__ = ["Chunks", "PostPolicy", "Scope", "Signed", "Verifier", "peek", "verify_post"]

Find = Callable[[str], Credential | None]
DatedBy = Callable[[int | None], int] | None

_SKEW_S = 300
_S3_SKEW_S = 900
_KEPT = 4096


def peek(request: HttpRequest) -> Scope | None:
    """The claimed scope, from the Authorization header or a presigned query, without verifying anything: for routing.

    None where there is none, or none that can be read.
    """
    authorization = request.headers.get("authorization")
    if authorization is not None:
        head = _head(authorization.rpartition("Signature=")[0])
        if not isinstance(head, str):
            return head.scope
        found = version2.claim(request)
        return None if found is None else found.scope
    if "X-Amz-Credential=" in request.query:
        url = presigned(request.query)
        return None if url is None else url.scope
    if "AWSAccessKeyId=" in request.query:
        with suppress(ServiceException):
            found = version2.claim(request)
            return None if found is None else found.scope
    return None


class _Head(msgspec.Struct, frozen=True):
    """What an Authorization header says before its signature."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signed_text: str


class _Key(msgspec.Struct, frozen=True):
    """A head and what follows from it and one secret: the canonical request but for its values, and the signing key.

    `template` takes method, path, query, the signed headers' values and the payload.
    """

    head: _Head
    scope_text: str
    secret: str
    hmac: Hmac
    values: Callable[[Mapping[str, str]], tuple[str, ...]]
    template: str

    @classmethod
    def of(cls, head: _Head, secret: str) -> _Key:
        scope = head.scope
        names = head.signed_headers
        lines = "".join([name.replace("%", "%%") + ":%s\n" for name in names])
        return cls(
            head=head,
            scope_text=scope.text,
            secret=secret,
            hmac=Hmac(signing_key(secret, scope.date, scope.region, scope.service)),
            # One name alone would not give a tuple.
            values=itemgetter(*names) if len(names) > 1 else lambda headers: (headers[names[0]],),
            template="%s\n%s\n%s\n" + lines + "\n" + head.signed_text.replace("%", "%%") + "\n%s",
        )


@lru_cache(_KEPT)
def _head(prefix: str) -> _Head | str:
    """Reads `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., `; a sentence about what is wrong with it otherwise."""
    algorithm, _, rest = prefix.partition(" ")
    parts = {name.strip(): value.strip() for name, eq, value in (part.partition("=") for part in rest.split(",")) if eq}
    lacking = [name for name in ("Credential", "SignedHeaders") if not parts.get(name)]
    if algorithm != ALGORITHM or lacking:
        return " ".join(f"Authorization header requires '{name}' parameter." for name in lacking)
    scope = Scope.parse(parts["Credential"])
    if isinstance(scope, str):
        return scope
    names = tuple(parts["SignedHeaders"].split(";"))
    return _Head(scope, names, parts["SignedHeaders"])


class Verifier:
    """Authenticates requests. It keeps signing keys, and nothing that outlives a change of the key's secret."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def authenticate(
        self, request: HttpRequest, now_ms: int, find: Find, dialect: str, dated_by: DatedBy = None, *, bucket: str = ""
    ) -> Signed | None:
        """Who signed this request; None where it carries no credentials.

        `now_ms` is the instant that ends sessions. `dated_by` is for a clock that was moved while clients sign by another: it
        gives the instant that a signature's date is compared with (of None: a header's; of an instant: a URL's signed then).
        `find` gives the credential of an access key id as it is now. `dialect` ("s3", "json", "query") is the family of
        services whose words a refusal takes. `bucket` is the one that the Host header names: signature version 2 signs it.
        Errors: the family's for an unknown key, a wrong or expired token, a stale or future date, a malformed header or
        query, and a signature that does not fit (`refusals.py`).
        """
        authorization = request.headers.get("authorization")
        if authorization is None:
            return self._without_header(request, now_ms, find, dialect, dated_by, bucket)
        headers = request.headers
        prefix, _, signature = authorization.rpartition("Signature=")
        key = self._keys.get(prefix)
        if key is None:
            if dialect == "s3" and (found := version2.claim(request)) is not None:
                return _version2(request, found, now_ms, find, dated_by, bucket)
            head = self._read(authorization, prefix, request, dialect)
            if head is None:
                return None
        else:
            head = key.head
        scope = head.scope
        credential = find(scope.access_key_id)
        if credential is None or not credential.active:
            raise refusals.unknown_key(scope.access_key_id, headers, dialect)
        if credential.session_token is not None or "x-amz-security-token" in headers:
            _check_token(credential, headers.get("x-amz-security-token"), now_ms, headers, dialect)
        if key is None or key.secret != credential.secret:
            key = self._keep(prefix, head, credential.secret)
        date = headers.get("x-amz-date") or headers.get("date") or ""
        self._check_date(date, scope.date, dated_by(None) if dated_by else now_ms, headers, dialect)
        payload, left = signed_payload(request, scope.service, dialect)
        if not credential.trusted:
            self._check_header_signature(request, key, date, payload, signature, dialect)
            if dialect == "s3":
                _check_all_signed(headers, head.signed_headers)
        return Signed(
            credential,
            scope.access_key_id,
            scope.region,
            scope.service,
            "header",
            left,
            "" if credential.trusted else signature,
            key.hmac.key,
            key.scope_text,
            date,
        )

    def _read(self, authorization: str, prefix: str, request: HttpRequest, dialect: str) -> _Head | None:
        """The head of a header seen for the first time."""
        headers = request.headers
        algorithm = authorization.partition(" ")[0]
        if not algorithm.startswith("AWS"):
            if dialect == "s3":
                raise ServiceException(
                    "InvalidArgument", "Unsupported Authorization Type", ArgumentName="Authorization", ArgumentValue=authorization
                )
            return None
        if algorithm != ALGORITHM:
            raise refusals.other_algorithm(algorithm, headers, dialect)
        if "X-Amz-Algorithm=" in request.query and dialect == "s3":
            raise ServiceException(
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the "
                "Authorization header should be specified",
                ArgumentName="Authorization",
                ArgumentValue=authorization,
            )
        head = _head(prefix) if prefix else "Authorization header requires 'Signature' parameter."
        if isinstance(head, str):
            raise refusals.incomplete(f"{head} Authorization={authorization}" if dialect != "s3" else head, headers, dialect)
        if "host" not in head.signed_headers:
            raise refusals.wrong_scope("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.", headers, dialect)
        return head

    def _keep(self, prefix: str, head: _Head, secret: str) -> _Key:
        if len(self._keys) >= _KEPT:
            self._keys.clear()
        self._keys[prefix] = key = _Key.of(head, secret)
        return key

    def _check_date(self, date: str, day: str, now_ms: int, headers: dict[str, str], dialect: str) -> None:
        signed_ms = dates.instant(date)
        if signed_ms is None:
            if dialect == "s3":
                raise ServiceException("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", status=403)
            what = "requires existence of either a 'X-Amz-Date' or a 'Date' header." if not date else "requires a valid 'X-Amz-Date'."
            raise refusals.incomplete(f"Authorization header {what} Authorization={headers['authorization']}", headers, dialect)
        allowed_s = _S3_SKEW_S if dialect == "s3" else _SKEW_S
        if not -allowed_s * 1000 <= signed_ms - now_ms <= allowed_s * 1000:
            raise refusals.skewed(signed_ms, now_ms, allowed_s, headers, dialect)
        if date[:8] != day and dates.long_date(dates.instant(date) or 0)[:8] != day:
            _wrong_day(day, date, headers, dialect)

    def _check_header_signature(self, request: HttpRequest, key: _Key, date: str, payload: str, signature: str, dialect: str) -> None:
        if len(date) != 16:
            date = dates.long_date(dates.instant(date) or 0)  # an HTTP date, in the form that is signed
        head = f"{ALGORITHM}\n{date}\n{key.scope_text}\n"
        path = request.path
        if path != "/" and dialect != "s3" and key.head.scope.service != "s3":  # S3 Control signs as S3 does
            path = canonical.service_path(path)
        query = request.query
        try:
            values = key.values(request.headers)
        except KeyError:
            values = ("",) * len(key.head.signed_headers)  # one is not there; the thorough way says what was signed
        text = key.template % (request.method, path, canonical.query_string(query) if query else "", *values, payload)
        right = key.hmac.sign((head + sha256(text.encode()).hexdigest()).encode())
        if signature.isascii() and hmac.compare_digest(right, signature):
            return
        _compare(request, key.head.signed_headers, payload, head, key.hmac, signature, key.head.scope.access_key_id, dialect)

    def _without_header(self, request: HttpRequest, now_ms: int, find: Find, dialect: str, dated_by: DatedBy, bucket: str) -> Signed | None:
        query = request.query
        if "X-Amz-Signature=" in query or "X-Amz-Algorithm=" in query:
            return self._from_query(request, now_ms, find, dialect, dated_by)
        if dialect == "s3" and (found := version2.claim(request)) is not None:
            return _version2(request, found, now_ms, find, dated_by, bucket)
        if "Signature=" in query and ("AWSAccessKeyId=" in query or "SignatureVersion=" in query):
            raise refusals.other_algorithm("AWS", request.headers, dialect)
        return None

    def _from_query(self, request: HttpRequest, now_ms: int, find: Find, dialect: str, dated_by: DatedBy) -> Signed:
        headers = request.headers
        url = presigned(request.query)
        if url is None or isinstance(url.scope, str) or url.problem:
            raise self._bad_query(url, headers, dialect)
        scope = url.scope
        assert scope is not None
        credential = find(scope.access_key_id)
        if credential is None or not credential.active:
            raise refusals.unknown_key(scope.access_key_id, headers, dialect)
        token = url.token if url.token is not None else headers.get("x-amz-security-token")
        if credential.session_token is not None or token is not None:
            _check_token(credential, token, now_ms, headers, dialect)
        self._check_expiry(url, scope.date, now_ms, headers, dialect, dated_by)
        key = Hmac(signing_key(credential.secret, scope.date, scope.region, scope.service))
        payload = presigned_payload(request, url, scope.service, dialect)
        if not credential.trusted:
            head = f"{ALGORITHM}\n{url.date}\n{scope.text}\n"
            _compare(request, url.signed_headers, payload, head, key, url.signature, scope.access_key_id, dialect, query=url.unsigned_query)
            if dialect == "s3":
                _check_all_signed(headers, url.signed_headers)
        left = "" if isinstance(request.body, (bytes, bytearray)) else payload
        return Signed(
            credential, scope.access_key_id, scope.region, scope.service, "query", left, url.signature, key.key, scope.text, url.date
        )

    def _bad_query(self, url: Presigned | None, headers: dict[str, str], dialect: str) -> ServiceException:
        if url is None:
            return refusals.wrong_query(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, "
                "X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
                headers,
                dialect,
            )
        if url.algorithm != ALGORITHM and dialect != "s3":
            return refusals.other_algorithm(url.algorithm, headers, dialect)
        return refusals.wrong_query(url.problem, headers, dialect)

    def _check_expiry(self, url: Presigned, day: str, now_ms: int, headers: dict[str, str], dialect: str, dated_by: DatedBy) -> None:
        signed_ms = dates.instant(url.date)
        if signed_ms is None:
            raise refusals.wrong_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"", headers, dialect)
        if dated_by is not None:
            now_ms = dated_by(signed_ms)
        if now_ms > signed_ms + url.expires_s * 1000:
            raise refusals.expired_url(signed_ms, url.expires_s, now_ms, headers, dialect)
        ahead_s = _S3_SKEW_S if dialect == "s3" else _SKEW_S
        if signed_ms > now_ms + ahead_s * 1000:
            if dialect == "s3":
                raise ServiceException("AccessDenied", "Request is not yet valid", status=403)
            raise refusals.skewed(signed_ms, now_ms, ahead_s, headers, dialect)
        if url.date[:8] != day:
            _wrong_day(day, url.date, headers, dialect)


def _compare(
    request: HttpRequest,
    signed_headers: tuple[str, ...],
    payload: str,
    head: str,
    key: Hmac,
    signature: str,
    access_key_id: str,
    dialect: str,
    query: str | None = None,
) -> None:
    """Raises unless the signature is that of the request's canonical form, or of the other form that clients use.

    A client may send a path, or a `+`, which it signed in its encoded form: AWS compares with that.
    """
    if query is None:
        query = request.query
    headers = request.headers
    lines = "".join([f"{name}:{canonical.header_value(headers.get(name, ''))}\n" for name in signed_headers])
    tail = f"{lines}\n{';'.join(signed_headers)}\n{payload}"
    path = request.path if dialect == "s3" else canonical.service_path(request.path)
    other_path = canonical.encoded_path(path) if dialect == "s3" else path
    first = f"{request.method}\n{path}\n{canonical.query_string(query)}\n{tail}"
    other = f"{request.method}\n{other_path}\n{canonical.query_string(query, plus_is_space=True)}\n{tail}"
    for text in (first, other):
        right = key.sign((head + sha256(text.encode()).hexdigest()).encode())
        if signature.isascii() and hmac.compare_digest(right, signature):
            return
    to_sign = head + sha256(first.encode()).hexdigest()
    raise refusals.mismatch(access_key_id, signature, first, to_sign, headers, dialect)


def _version2(request: HttpRequest, found: version2.Claim, now_ms: int, find: Find, dated_by: DatedBy, bucket: str) -> Signed:
    credential = find(found.access_key_id)
    if credential is None or not credential.active:
        raise refusals.unknown_key(found.access_key_id, request.headers, "s3")
    token = request.headers.get("x-amz-security-token") or found.parameters.get("x-amz-security-token")
    if credential.session_token is not None or token is not None:
        _check_token(credential, token, now_ms, request.headers, "s3")
    return version2.authenticate(request, found, credential, now_ms, bucket, dated_by)


def _check_token(credential: Credential, token: str | None, now_ms: int, headers: dict[str, str], dialect: str) -> None:
    if credential.trusted:
        return
    expected = credential.session_token
    if expected is None or token is None or not hmac.compare_digest(expected.encode(), token.encode()):
        raise refusals.wrong_token(credential.access_key_id, token, headers, dialect)
    if credential.expires_at_ms is not None and now_ms >= credential.expires_at_ms:
        raise refusals.expired_token(token, headers, dialect)


def _wrong_day(day: str, date: str, headers: dict[str, str], dialect: str) -> NoReturn:
    message = (
        f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != '{date[:8]}', from '{date}'."
        if dialect != "s3"
        else f'Invalid credential date "{day}". This date is not the same as X-Amz-Date: "{date[:8]}".'
    )
    raise refusals.wrong_scope(message, headers, dialect)


def _check_all_signed(headers: dict[str, str], signed: tuple[str, ...]) -> None:
    """S3 takes no `x-amz-*` header that somebody could have added on the way."""
    loose = [name for name in headers if name.startswith("x-amz-") and name not in signed and name != "x-amz-content-sha256"]
    if loose:
        message = "There were headers present in the request which were not signed"
        raise ServiceException("AccessDenied", message, status=403, HeadersNotSigned=", ".join(loose))
