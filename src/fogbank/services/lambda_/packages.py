"""Zip archives: brought along or fetched from S3, looked at, kept; and read again by whoever runs them.

An archive is at most 50 MB where it comes in the request, and 250 MB unzipped.
"""

from __future__ import annotations

import base64
import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.http import HttpResponse, Visit
from fogbank.sandbox.function import Code
from fogbank.services.lambda_.encryption import data_key_of, new_data_key
from fogbank.services.lambda_.faults import invalid, refusal
from fogbank.services.lambda_.state import LAYER_VERSIONS, TOTAL_BYTES, UNZIPPED_BYTES, VERSIONS, ZIPPED_BYTES, Package
from fogbank.store.blobs import AT_ONCE_BYTES, Blob, Piece, read_piece
from fogbank.store.vault import Seal

LOCATION_MS = 600_000
_TICKET = b"lambda.location"
UNREADABLE = "Could not unzip uploaded file. Please check your file, then try to upload again."


class Looked(NamedTuple):
    """What an archive is."""

    content: bytes
    sha256: str
    unzipped: int
    problem: str


def _look(content: bytes) -> Looked:
    problem, unzipped = "", 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unzipped = sum(entry.file_size for entry in archive.infolist())
            if any(stat.S_ISBLK(entry.external_attr >> 16) or _outside(entry.filename) for entry in archive.infolist()):
                problem = UNREADABLE
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, OSError):
        problem = UNREADABLE
    return Looked(content, sha256(content).hexdigest(), unzipped, problem)


def _outside(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/")


def take(ctx: Context, given: Any, *, what: str = "function") -> Looked:
    """The archive that `Code` or `Content` brings. Errors: InvalidParameterValueException, RequestEntityTooLargeException, S3's."""
    if getattr(given, "ImageUri", None) is not None:
        raise NotImplementedOperation("lambda", ctx.operation, "with ImageUri: container images need an engine")
    if given.S3ObjectStorageMode == "REFERENCE":
        raise NotImplementedOperation("lambda", ctx.operation, "with S3ObjectStorageMode REFERENCE")
    fetched = given.S3Bucket is not None or given.S3Key is not None
    if given.ZipFile is not None and fetched:
        raise invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    if given.ZipFile is not None:
        if not given.ZipFile:
            raise invalid("Uploaded file must be a non-empty zip")
        if len(given.ZipFile) > ZIPPED_BYTES:
            raise ServiceException(
                "RequestEntityTooLargeException",
                f"Request must be smaller than 70167211 bytes for the {ctx.operation} operation",
                status=413,
            )
        content: bytes = given.ZipFile
        size, read = len(content), _giving(content)
    elif given.S3Bucket is not None and given.S3Key is not None:
        size, read = _fetch(ctx, given)
    else:
        raise invalid(f"Please provide a source for {what} code.")
    looked = _look(read()) if size <= AT_ONCE_BYTES else ctx.beside("look", lambda: _look(read()))
    if looked.problem:
        raise invalid(looked.problem)
    if looked.unzipped > UNZIPPED_BYTES:
        raise invalid(f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes")
    return looked


def _fetch(ctx: Context, given: Any) -> tuple[int, Callable[[], bytes]]:
    """An object's size, and what reads it: as the caller."""
    where = {"Bucket": given.S3Bucket, "Key": given.S3Key}
    if given.S3ObjectVersion is not None:
        where["VersionId"] = given.S3ObjectVersion
    try:
        found = ctx.call("s3", "GetObject", where)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        told = f"S3 Error Code: {refused.code}. S3 Error Message: {refused.message}"
        if refused.code == "AccessDenied":
            raise refusal(
                "AccessDeniedException",
                "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for "
                f"{given.S3Bucket}/{given.S3Key}. {told}",
                status=403,
            ) from None
        raise invalid(f"Error occurred while GetObject. {told}") from None
    body = found["Body"]
    if isinstance(body, bytes):
        return len(body), _giving(body)
    return found["ContentLength"], _reading(tuple(body.pieces))


def _giving(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _reading(pieces: Iterable[Piece]) -> Callable[[], bytes]:
    return lambda: b"".join(bytes(chunk) for piece in pieces for chunk in read_piece(piece))


def keep(ctx: Context, looked: Looked, key_arn: str = "", function_arn: str = "") -> Package:
    """An archive as it is kept: under a KMS key where one is named. Errors: CodeStorageExceededException, and KMS's."""
    if used_bytes(ctx) + len(looked.content) > TOTAL_BYTES:
        raise refusal("CodeStorageExceededException", "Code storage limit exceeded.")
    data_key = b""
    seal: Seal | None = None
    if key_arn:
        key, data_key = new_data_key(ctx, key_arn, function_arn)
        seal = Seal(key)
    blob = ctx.blobs.keep(ctx, looked.content, seal)
    return Package(blob=blob, sha256=looked.sha256, size=len(looked.content), unzipped=looked.unzipped, key_arn=key_arn, data_key=data_key)


def used_bytes(ctx: Context) -> int:
    """What all packages of the account and region take up; one that several versions share is counted once."""
    sizes = {v.package.blob.name: v.package.size for v in VERSIONS.scan(ctx, ctx.account, ctx.region)}
    sizes |= {v.package.blob.name: v.package.size for v in LAYER_VERSIONS.scan(ctx, ctx.account, ctx.region) if not v.deleted}
    return sum(sizes.values())


def drop(ctx: Context, package: Package, *, shared: bool) -> None:
    """A version goes: so does its package, unless another version has the same."""
    if not shared:
        ctx.blobs.drop(ctx, package.blob)


def code_sha256(package: Package) -> str:
    return base64.b64encode(bytes.fromhex(package.sha256)).decode()


def code_of(ctx: Context, package: Package, seal: Seal | None) -> Code:
    """A package for the workshop: what is small is read now, a file when it is unpacked."""
    opened = ctx.blobs.open(ctx, (package.blob,), seal=seal)
    return Code(package.sha256, _giving(opened) if isinstance(opened, bytes) else _reading(tuple(opened.pieces)))


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What the URL of a download carries, sealed: what may be had, until when."""

    blob: Blob
    key: bytes
    expires_at_ms: int


def location(ctx: Context, package: Package, function_arn: str = "") -> str:
    """Where a package can be downloaded for ten minutes: a URL that carries its own permission. Raises what KMS refuses."""
    key = data_key_of(ctx, package, function_arn) if package.key_arn else b""
    ticket = msgspec.msgpack.encode(Ticket(package.blob, key, ctx.now + LOCATION_MS))
    token = base64.urlsafe_b64encode(ctx.vault.seal(ticket, _TICKET)).decode().rstrip("=")
    return f"{host_at(ctx, f'awslambda-{ctx.region}-tasks')}/snapshots/{token}"


def download(ctx: Context, visit: Visit) -> HttpResponse:
    """Answers the URL of a package."""
    token = visit.request.path.rpartition("/")[2]
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        ticket = msgspec.msgpack.decode(ctx.vault.open(sealed, _TICKET), type=Ticket)
        if ticket.expires_at_ms <= ctx.now:
            raise ServiceException("AccessDenied", "Request has expired", status=403)
        body = ctx.blobs.open(ctx, (ticket.blob,), seal=Seal(ticket.key) if ticket.key else None)
    except (ValueError, LookupError):
        raise ServiceException("AccessDenied", "Access Denied", status=403) from None
    return HttpResponse(200, [("Content-Type", "application/zip")], body)


def host_at(ctx: Context, front: str) -> str:
    """The cloud's endpoint with a name in front of it, as a URL's beginning; an address cannot have one, "localhost" can."""
    scheme, _, host = ctx.endpoint.partition("://")
    name, colon, port = host.rpartition(":") if ":" in host else (host, "", "")
    return f"{scheme}://{front}.{'localhost' if name.replace('.', '').isdecimal() or '[' in name else name}{colon}{port}"
