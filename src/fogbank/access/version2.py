"""Signature version 2, which S3 still takes: `aws s3 presign` and boto3 write it into URLs and forms unless told otherwise.

HMAC-SHA1 over method, three headers, the `x-amz-` headers and the resource; no region, no service, and the body is not signed.
Source: "Signing and authenticating REST requests (AWS signature version 2)" in the S3 User Guide.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import unquote

import msgspec

from fogbank.access import dates, refusals
from fogbank.access.principal import Credential
from fogbank.access.signing import UNSIGNED_PAYLOAD, Scope, Signed
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest

REGION = "us-east-1"  # S3 without a region is S3 in us-east-1
_SKEW_S = 900

# The parameters that are part of the resource; the rest of the query is not signed.
# fmt: off
_SIGNED_PARAMETERS = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location", "logging",
    "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type",
    "response-expires", "restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads",
    "versionId", "versioning", "versions", "website",
})
# fmt: on
# A URL, or a form, says when it ends, not when it was signed. Where that matters (the clock was moved since), it is taken to have been
# given the shortest of these lives that it can have had.
_USUAL_LIVES_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)

_header = re.compile(r"AWS ([^\s:]+):(\S+)").fullmatch
_seconds = re.compile(r"[0-9]{1,12}").fullmatch


class Claim(msgspec.Struct, frozen=True):
    """What a request says of itself: whose key, its signature, and when it ends (a URL; None: signed in the header)."""

    access_key_id: str
    signature: str
    expires: str | None
    parameters: dict[str, str]

    @property
    def scope(self) -> Scope:
        return Scope(self.access_key_id, "", REGION, "s3")


def claim(request: HttpRequest) -> Claim | None:
    """The claim, or None where the request makes none of this version.

    Errors: `AccessDenied` (403) where the query has only a part of one.
    """
    authorization = request.headers.get("authorization")
    if authorization is not None:
        found = _header(authorization)
        return Claim(found[1], found[2], None, {}) if found else None
    if "AWSAccessKeyId=" not in request.query:
        return None
    pairs = (pair.partition("=") for pair in request.query.split("&"))
    parameters = {unquote(name): unquote(value) for name, _, value in pairs}
    if "Signature" not in parameters or "Expires" not in parameters:
        message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        raise ServiceException("AccessDenied", message, status=403)
    return Claim(parameters.get("AWSAccessKeyId", ""), parameters["Signature"], parameters["Expires"], parameters)


def sign(secret: str, text: str) -> str:
    """HMAC-SHA1, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def matches(right: str, signature: str) -> bool:
    return hmac.compare_digest(right.encode(), signature.encode())


def authenticate(
    request: HttpRequest, found: Claim, credential: Credential, now_ms: int, bucket: str, dated_by: Callable[[int | None], int] | None
) -> Signed:
    """The request, its signature compared and its date checked. The caller has looked up the key and checked the session's token.

    `bucket` is what the Host header names ("" where the path does).
    Errors: `SignatureDoesNotMatch`, `AccessDenied` (expired, no date), `RequestTimeTooSkewed`, all 403.
    """
    headers = request.headers
    key = found.access_key_id
    method: Literal["header", "query"] = "query" if found.expires is not None else "header"
    date = _check_url(found.expires, now_ms, dated_by) if found.expires is not None else _check_header(headers, now_ms, dated_by)
    if not credential.trusted:
        texts = [_to_sign(request, found, date, resource) for resource in _resources(request, bucket)]
        if not any(matches(sign(credential.secret, text), found.signature) for text in texts):
            raise refusals.mismatch(key, found.signature, "", texts[0], headers, "s3")
    return Signed(credential, key, REGION, "s3", method, UNSIGNED_PAYLOAD)


def _check_url(expires: str, now_ms: int, dated_by: Callable[[int | None], int] | None) -> str:
    if not _seconds(expires):
        raise ServiceException("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}", status=403)
    expires_ms = int(expires) * 1000
    if dated_by is not None:
        now_ms = dated_by(signed_at(expires_ms, dated_by(None)))
    if now_ms > expires_ms:
        message, ends = "Request has expired", dates.iso_date(expires_ms)
        raise ServiceException("AccessDenied", message, status=403, Expires=ends, ServerTime=dates.iso_date(now_ms))
    return expires


def signed_at(expires_ms: int, wall_ms: int) -> int:
    """When that was signed that ends at an instant, as far as can be told at another."""
    return next((expires_ms - life_s * 1000 for life_s in _USUAL_LIVES_S if expires_ms - life_s * 1000 <= wall_ms), wall_ms)


def _check_header(headers: Mapping[str, str], now_ms: int, dated_by: Callable[[int | None], int] | None) -> str:
    date = headers.get("x-amz-date") or headers.get("date") or ""
    signed_ms = dates.instant(date)
    if signed_ms is None:
        raise ServiceException("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", status=403)
    if dated_by is not None:
        now_ms = dated_by(None)
    if abs(signed_ms - now_ms) > _SKEW_S * 1000:
        raise refusals.skewed(signed_ms, now_ms, _SKEW_S, headers, "s3")
    return "" if "x-amz-date" in headers else date


def _to_sign(request: HttpRequest, found: Claim, date: str, resource: str) -> str:
    """A presigned URL carries in its query what else would be headers."""
    said = {**{name.lower(): value for name, value in found.parameters.items()}, **request.headers}
    amz = sorted((name, value) for name, value in said.items() if name.startswith("x-amz-"))
    lines = "".join(f"{name}:{value.strip()}\n" for name, value in amz)
    return f"{request.method}\n{said.get('content-md5', '')}\n{said.get('content-type', '')}\n{date}\n{lines}{resource}"


def _resources(request: HttpRequest, bucket: str) -> list[str]:
    """The path with its bucket, and the parameters that count. Clients differ in the slash after a bare bucket."""
    path = f"/{bucket}{request.path}" if bucket else request.path
    pairs = sorted(pair.partition("=") for pair in request.query.split("&"))
    counted = [name + eq + unquote(value) for name, eq, value in pairs if name in _SIGNED_PARAMETERS]
    tail = "?" + "&".join(counted) if counted else ""
    bare = path.rstrip("/")
    return [path + tail] if bare.count("/") > 1 else list(dict.fromkeys((path + tail, f"{bare}/{tail}", bare + tail)))
