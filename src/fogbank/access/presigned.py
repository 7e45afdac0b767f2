"""A presigned URL's parameters, read."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

import msgspec

from fogbank.access.signing import ALGORITHM, Scope

MAX_EXPIRES_S = 604_800

_seconds = re.compile(r"[0-9]{1,18}").fullmatch
_REQUIRED = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
_MALFORMED = (
    "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
    '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
)


class Presigned(msgspec.Struct, frozen=True):
    """The parameters, decoded. `unsigned_query` is the query as it was signed (all but the signature), still encoded.

    `problem` is AWS's sentence about the first parameter that has the wrong form; "" where all are right.
    """

    algorithm: str
    scope: Scope | None
    date: str
    expires_s: int
    signed_headers: tuple[str, ...]
    signature: str
    token: str | None
    content_sha256: str | None
    unsigned_query: str
    problem: str


@lru_cache(1024)
def presigned(query: str) -> Presigned | None:
    """Reads the query of a presigned URL; None where a required parameter is missing."""
    found: dict[str, str] = {}
    kept: list[str] = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        name = unquote(name)
        if name.startswith("X-Amz-"):
            found.setdefault(name, unquote(value))
        if name != "X-Amz-Signature":
            kept.append(pair)
    if any(name not in found for name in _REQUIRED):
        return None
    scope = Scope.parse(found["X-Amz-Credential"])
    # A service other than S3 may leave the life of the URL to its own limit: 15 minutes.
    expires = found.get("X-Amz-Expires", "900")
    names = tuple(found["X-Amz-SignedHeaders"].split(";"))
    return Presigned(
        algorithm=found["X-Amz-Algorithm"],
        scope=None if isinstance(scope, str) else scope,
        date=found["X-Amz-Date"],
        expires_s=int(expires) if _seconds(expires) else 0,
        signed_headers=names,
        signature=found["X-Amz-Signature"],
        token=found.get("X-Amz-Security-Token"),
        content_sha256=found.get("X-Amz-Content-Sha256"),
        unsigned_query="&".join(kept),
        problem=_problem(found["X-Amz-Algorithm"], scope, expires, names),
    )


def _problem(algorithm: str, scope: Scope | str, expires: str, signed_headers: tuple[str, ...]) -> str:
    if algorithm != ALGORITHM:
        return f'X-Amz-Algorithm only supports "{ALGORITHM} and AWS4-ECDSA-P256-SHA256"'
    if isinstance(scope, str):
        return _MALFORMED
    if expires.startswith("-"):
        return "X-Amz-Expires must be non-negative"
    if not _seconds(expires):
        return "X-Amz-Expires should be a number"
    if int(expires) > MAX_EXPIRES_S:
        return f"X-Amz-Expires must be less than a week (in seconds) that is {MAX_EXPIRES_S}"
    if "host" not in signed_headers:
        return "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    return ""
