"""How AWS says that a signature will not do: one fact, a code and a sentence for each family of services.

`s3` speaks of requests and keys, `json` (json and rest-json services) of exceptions, `query` (query and ec2-like services)
of errors. A REST service answers 403 where a json service answers 400; only the latter sends `X-Amz-Target`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fogbank.access.dates import iso_date, long_date
from fogbank.kernel.errors import ServiceException

Dialect = Literal["s3", "json", "query"]

_NO_SUCH_TOKEN = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing "
    "method. Consult the service documentation for details."
)

# fact -> (json, query, S3) codes; None where the family has no such answer of its own.
_CODES: dict[str, tuple[str, str]] = {
    "unknown-key": ("UnrecognizedClientException", "InvalidClientTokenId"),
    "mismatch": ("InvalidSignatureException", "SignatureDoesNotMatch"),
    "incomplete": ("IncompleteSignatureException", "IncompleteSignature"),
    "missing": ("MissingAuthenticationTokenException", "MissingAuthenticationToken"),
    "expired-token": ("ExpiredTokenException", "ExpiredToken"),
}


def _refuse(fact: str, message: str, headers: Mapping[str, str], dialect: str) -> ServiceException:
    json_code, query_code = _CODES[fact]
    if dialect == "json":
        return ServiceException(json_code, message, status=400 if "x-amz-target" in headers else 403)
    return ServiceException(query_code, message, status=400 if fact == "incomplete" else 403)


def _s3(code: str, message: str, status: int, members: Mapping[str, str]) -> ServiceException:
    """An S3 error with members whose names are no identifiers."""
    error = ServiceException(code, message, status=status)
    error.members.update(members)
    return error


def missing(headers: Mapping[str, str], dialect: str) -> ServiceException:
    """The caller brought no credentials to a service that wants them."""
    if dialect == "s3":
        return ServiceException("AccessDenied", "Access Denied", status=403)
    message = "Missing Authentication Token" if dialect == "json" else "Request is missing Authentication Token"
    return _refuse("missing", message, headers, dialect)


def unknown_key(access_key_id: str, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """No such key, or it is not active, or its session token is missing or another's."""
    if dialect == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return ServiceException("InvalidAccessKeyId", message, status=403, AWSAccessKeyId=access_key_id)
    return _refuse("unknown-key", _NO_SUCH_TOKEN, headers, dialect)


def wrong_token(access_key_id: str, token: str | None, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """The session token is not the one that was given out with this key."""
    if dialect == "s3" and token is not None:
        message = "The provided token is malformed or otherwise invalid."
        return _s3("InvalidToken", message, 400, {"Token-0": token})
    return unknown_key(access_key_id, headers, dialect)


def expired_token(token: str, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """The session is over."""
    if dialect == "s3":
        return _s3("ExpiredToken", "The provided token has expired.", 400, {"Token-0": token})
    return _refuse("expired-token", _EXPIRED, headers, dialect)


def mismatch(
    access_key_id: str, signature: str, canonical: str, to_sign: str, headers: Mapping[str, str], dialect: str
) -> ServiceException:
    """The signature is not the one that the secret makes of this request. S3 shows what it signed."""
    if dialect != "s3":
        return _refuse("mismatch", _MISMATCH, headers, dialect)
    members: dict[str, Any] = {
        "AWSAccessKeyId": access_key_id,
        "StringToSign": to_sign,
        "SignatureProvided": signature,
        "StringToSignBytes": to_sign.encode().hex(" "),
    }
    if canonical:
        members |= {"CanonicalRequest": canonical, "CanonicalRequestBytes": canonical.encode().hex(" ")}
    message = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    return ServiceException("SignatureDoesNotMatch", message, status=403, **members)


def skewed(signed_ms: int, now_ms: int, allowed_s: int, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """Signed too long ago, or with a clock that is too far ahead."""
    if dialect == "s3":
        return ServiceException(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            status=403,
            RequestTime=long_date(signed_ms),
            ServerTime=iso_date(now_ms),
            MaxAllowedSkewMilliseconds=str(allowed_s * 1000),
        )
    minutes = allowed_s // 60
    signed, now = long_date(signed_ms), long_date(now_ms)
    if signed_ms < now_ms:
        edge = long_date(now_ms - allowed_s * 1000)
        message = f"Signature expired: {signed} is now earlier than {edge} ({now} - {minutes} min.)"
    else:
        edge = long_date(now_ms + allowed_s * 1000)
        message = f"Signature not yet current: {signed} is still later than {edge} ({now} + {minutes} min.)"
    return _refuse("mismatch", message, headers, dialect)


def expired_url(signed_ms: int, expires_s: int, now_ms: int, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """A presigned URL that is used too late."""
    if dialect == "s3":
        until = iso_date(signed_ms + expires_s * 1000)
        members = {"X-Amz-Expires": str(expires_s), "Expires": until, "ServerTime": iso_date(now_ms)}
        return _s3("AccessDenied", "Request has expired", 403, members)
    edge = long_date(now_ms - expires_s * 1000)
    message = f"Signature expired: {long_date(signed_ms)} is now earlier than {edge} ({long_date(now_ms)} - {expires_s // 60} min.)"
    return _refuse("mismatch", message, headers, dialect)


def incomplete(message: str, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """The Authorization header lacks a part, or a part has the wrong form."""
    if dialect == "s3":
        return ServiceException("AuthorizationHeaderMalformed", f"The authorization header is malformed; {message}", status=400)
    return _refuse("incomplete", message, headers, dialect)


def wrong_scope(message: str, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """The credential scope's parts do not fit the request."""
    if dialect == "s3":
        return ServiceException("AuthorizationHeaderMalformed", f"The authorization header is malformed; {message}", status=400)
    return _refuse("mismatch", message, headers, dialect)


def wrong_query(message: str, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """A presigned URL's parameters are incomplete or have the wrong form."""
    if dialect == "s3":
        return ServiceException("AuthorizationQueryParametersError", message, status=400)
    return _refuse("incomplete", message, headers, dialect)


def other_algorithm(algorithm: str, headers: Mapping[str, str], dialect: str) -> ServiceException:
    """Signature version 2, SigV4A, or something that AWS never had."""
    if dialect == "s3":
        message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        return ServiceException("InvalidRequest", message, status=400)
    return _refuse("incomplete", f"Unsupported AWS 'algorithm': '{algorithm}'.", headers, dialect)


def tampered_body(declared: str, computed: str) -> ServiceException:
    """S3's body is not the one whose SHA-256 the header names."""
    return ServiceException(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        status=400,
        ClientComputedContentSHA256=declared,
        S3ComputedContentSHA256=computed,
    )
