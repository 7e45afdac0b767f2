"""What a signature says of the body, and what is left to check of it."""

from __future__ import annotations

import re
from hashlib import sha256

from fogbank.access import refusals
from fogbank.access.presigned import Presigned
from fogbank.access.signing import EMPTY_SHA256, UNSIGNED_PAYLOAD, UNSIGNED_PAYLOAD_SERVICES
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest

_hex_sha256 = re.compile(r"[0-9a-f]{64}").fullmatch


def signed_payload(request: HttpRequest, service: str, dialect: str) -> tuple[str, str]:
    """(what the signature says of the body, what is left to check of it)."""
    body = request.body
    declared = request.headers.get("x-amz-content-sha256")
    whole = isinstance(body, (bytes, bytearray))
    if dialect == "s3" or (service in UNSIGNED_PAYLOAD_SERVICES and declared is not None):
        if declared is None:
            raise ServiceException("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", status=400)
        if declared == UNSIGNED_PAYLOAD or declared.startswith("STREAMING-"):
            return declared, declared
        if not _hex_sha256(declared):
            message = (
                f"x-amz-content-sha256 must be {UNSIGNED_PAYLOAD}, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
            )
            raise ServiceException("InvalidArgument", message, ArgumentName="x-amz-content-sha256", ArgumentValue=declared)
        if not whole:
            return declared, declared
        computed = sha256(body).hexdigest() if body else EMPTY_SHA256
        if computed != declared:
            raise refusals.tampered_body(declared, computed)
        return declared, ""
    if whole:
        return (sha256(body).hexdigest() if body else EMPTY_SHA256), ""
    return (declared or EMPTY_SHA256), (declared or EMPTY_SHA256)


def presigned_payload(request: HttpRequest, url: Presigned, service: str, dialect: str) -> str:
    """What a presigned URL's signature says of the body: nothing on S3, unless a hash was signed with it."""
    declared = url.content_sha256
    if declared is None and "x-amz-content-sha256" in url.signed_headers:
        declared = request.headers.get("x-amz-content-sha256")
    if dialect == "s3" or service in UNSIGNED_PAYLOAD_SERVICES:
        if declared is None or not _hex_sha256(declared):
            return declared or UNSIGNED_PAYLOAD
        if isinstance(request.body, (bytes, bytearray)) and (computed := sha256(request.body).hexdigest()) != declared:
            raise refusals.tampered_body(declared, computed)
        return declared
    return sha256(request.body).hexdigest() if isinstance(request.body, (bytes, bytearray)) else declared or EMPTY_SHA256
