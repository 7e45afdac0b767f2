"""Checksums: what the caller says of a body, what it is, and what is kept.

Every object has one: the caller's, verified, or CRC64NVME where they gave none. An object uploaded in parts has either the
checksum of its whole (FULL_OBJECT: combined from the parts' CRCs) or of its parts' checksums (COMPOSITE, ended by "-parts").
Source: "Checking object integrity in Amazon S3".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.s3 import crc, refusals
from fogbank.services.s3.state import Checksum, Part
from fogbank.store import blobs
from fogbank.store.blobs import Upload

DEFAULT = "CRC64NVME"
DIGEST_BYTES = {
    "CRC32": 4,
    "CRC32C": 4,
    "CRC64NVME": 8,
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
    "MD5": 16,
    "XXHASH64": 8,
    "XXHASH3": 8,
    "XXHASH128": 16,
}
_HEADERS = {f"x-amz-checksum-{name.lower()}": name for name in DIGEST_BYTES}
MEMBERS = {name: f"Checksum{name}" for name in DIGEST_BYTES}
_given = attrgetter(*MEMBERS.values())
_NOTHING = (None,) * len(MEMBERS)


def given(members: Any, trailers: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """The one checksum (algorithm, value) that a structure's members or a body's trailers name, or None.

    Errors: InvalidRequest for more than one.
    """
    values = _given(members)
    found = [] if values == _NOTHING else [(name, value) for name, value in zip(DIGEST_BYTES, values, strict=True) if value is not None]
    if trailers:
        found += [(name, trailers[header]) for header, name in _HEADERS.items() if header in trailers]
    if not found:
        return None
    if len(found) > 1:
        raise refusals.invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    return found[0]


def check_md5(content_md5: str | None, upload: Upload) -> None:
    """Content-MD5. Errors: InvalidDigest where it is no MD5; BadDigest where it is not the body's."""
    if content_md5 is None:
        return
    wanted = _decoded(content_md5)
    if wanted is None or len(wanted) != 16:
        raise ServiceException("InvalidDigest", "The Content-MD5 you specified was invalid.", status=400, **{"Content-MD5": content_md5})
    if wanted != upload.digest("md5"):
        raise ServiceException(
            "BadDigest",
            "The Content-MD5 you specified did not match what we received.",
            status=400,
            ExpectedDigest=wanted.hex(),
            CalculatedDigest=upload.base64("md5"),
        )


def of_upload(req: Any, upload: Upload, default: str = DEFAULT) -> Checksum:
    """The checksum of a body, verified if the caller gave it (as a member or a trailer).

    Errors: BadDigest; InvalidRequest where the value cannot be one, or where the algorithm is announced and no value given.
    """
    found = given(req, upload.trailers)
    announced = req.ChecksumAlgorithm
    if found is None:
        if supported(announced):
            message = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
            raise refusals.invalid_request(message)
        return Checksum(default, upload.base64(default.lower()))
    algorithm, value = found
    if announced is not None and announced != algorithm:
        raise refusals.invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    calculated = upload.base64(algorithm.lower())
    if value != calculated:
        check_value(algorithm, value)
        raise bad_digest(algorithm)
    return Checksum(algorithm, calculated)


def check_value(algorithm: str, value: str) -> None:
    """Errors: InvalidRequest where the value is not base64 of as many bytes as the algorithm gives."""
    raw = _decoded(value)
    if raw is None or len(raw) != DIGEST_BYTES[algorithm]:
        raise refusals.invalid_request(f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.")


def bad_digest(algorithm: str) -> ServiceException:
    return ServiceException("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.", status=400)


def mismatch(expected: str, actual: str | None) -> ServiceException:
    actual_ = actual.lower() if actual else "null"
    return refusals.invalid_request(
        f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()}, actual checksum Type: {actual_}"
    )


def supported(algorithm: str | None) -> str | None:
    """The algorithm asked for. Errors: InvalidRequest for what S3 does not know."""
    if algorithm is None or algorithm in DIGEST_BYTES:
        return algorithm
    raise refusals.invalid_request(
        f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{', '.join(DIGEST_BYTES)}]"
    )


def upload_type(algorithm: str | None, wanted: str | None) -> str:
    """How the checksums of a multipart upload's parts become the object's. Errors: InvalidRequest for what does not go together."""
    if algorithm is None:
        if wanted is not None:
            raise refusals.invalid_request("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
        return "FULL_OBJECT"
    if wanted not in (None, "COMPOSITE", "FULL_OBJECT"):
        raise refusals.invalid_request("Value for x-amz-checksum-type header is invalid.")
    type_ = wanted or ("FULL_OBJECT" if algorithm == DEFAULT else "COMPOSITE")
    if (type_ == "COMPOSITE" and algorithm == DEFAULT) or (type_ == "FULL_OBJECT" and algorithm not in crc.POLYNOMIALS):
        raise refusals.invalid_request(f"The {type_} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.")
    return type_


def of_parts(algorithm: str, type_: str, parts: Sequence[Part]) -> Checksum:
    """The checksum of an object made of parts."""
    values = [base64.b64decode(part.checksum.value) for part in parts]
    if type_ == "FULL_OBJECT":
        whole = crc.combine(algorithm, zip(values, [part.size for part in parts], strict=True))
        return Checksum(algorithm, base64.b64encode(whole).decode())
    made = blobs.digest(algorithm.lower())
    made.update(b"".join(values))
    return Checksum(algorithm, f"{base64.b64encode(made.digest()).decode()}-{len(parts)}", "COMPOSITE")


def answer(checksum: Checksum | None) -> dict[str, str]:
    """The members of an answer that tell a checksum."""
    return {} if checksum is None else {MEMBERS[checksum.algorithm]: checksum.value, "ChecksumType": checksum.type}


def check_document(ctx: Context, *, required: bool = True) -> None:
    """Verifies what the headers say of an XML body.

    Errors: InvalidRequest where they say nothing and it is required; InvalidDigest; BadDigest.
    """
    if ctx.request is None:
        return
    headers, body = ctx.request.headers, ctx.request.body
    upload = body if isinstance(body, Upload) else Upload(body, None, len(body))
    check_md5(headers.get("content-md5"), upload)
    named = [(name, header) for header, name in _HEADERS.items() if header in headers]
    for algorithm, header in named:
        if headers[header] != upload.base64(algorithm.lower()):
            check_value(algorithm, headers[header])
            raise bad_digest(algorithm)
    if required and not named and "content-md5" not in headers and "x-amz-trailer" not in headers:
        raise refusals.invalid_request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return None
