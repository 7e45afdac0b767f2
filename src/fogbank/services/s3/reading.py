"""GetObject, HeadObject, GetObjectAttributes."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import archive, checksums, conditions, encrypting, lifespan, locking, refusals, replication, rules
from fogbank.services.s3.rules import Range
from fogbank.services.s3.state import Object, bucket_at, object_arn, object_at

_OVERRIDES = (
    "ResponseCacheControl",
    "ResponseContentDisposition",
    "ResponseContentEncoding",
    "ResponseContentLanguage",
    "ResponseContentType",
    "ResponseExpires",
)
_overrides = attrgetter(*_OVERRIDES)
_NO_OVERRIDES = (None,) * len(_OVERRIDES)
_conditions = attrgetter("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
_NO_CONDITIONS = (None,) * 4


@operation("GetObject", authorized_here=True)
def get_object(ctx: Context, req: Any) -> Answer:
    """Reads an object, a version, a range or one part of it; 206 for less than all.

    Needs s3:GetObject, or s3:GetObjectVersion where a version is named.
    Errors: NoSuchKey (404 with s3:ListBucket, else AccessDenied), NoSuchVersion, MethodNotAllowed (a delete marker),
    NotModified (304), PreconditionFailed, InvalidRange, InvalidPartNumber, InvalidObjectState (archived).
    Source: GetObject in the Amazon S3 API Reference.
    """
    found, answer = _head(ctx, req)
    if found.storage_class != "STANDARD":
        archive.read(ctx, found)
    part = answer.pop("@range", None)
    seal = encrypting.opened(ctx, req, found.encryption)
    start, size = (0, found.size) if part is None else part
    answer["Body"] = ctx.blobs.open(ctx, found.blobs, start, size, seal)
    return answer


@operation("HeadObject", authorized_here=True)
def head_object(ctx: Context, req: Any) -> Answer:
    """GetObject without the body: the same headers, statuses and permissions. Checksums take kms:Decrypt on a KMS key."""
    found, answer = _head(ctx, req)
    if found.encryption is not None and req.ChecksumMode == "ENABLED":
        encrypting.opened(ctx, req, found.encryption)
    answer.pop("@range", None)
    return answer


def _head(ctx: Context, req: Any) -> tuple[Object, dict[str, Any]]:
    """What both answer; "@range" is the part that is to be read."""
    version_id = req.VersionId
    arn = object_arn(req.Bucket, req.Key)
    ctx.authorize("s3:GetObject" if version_id is None else "s3:GetObjectVersion", arn)
    bucket = bucket_at(ctx, req)
    found = object_at(ctx, bucket, req.Key, version_id)
    if found.encryption is not None or req.SSECustomerAlgorithm is not None:
        encrypting.check_customer(req, found.encryption)
    if _conditions(req) != _NO_CONDITIONS:
        conditions.check_read(req, found)
    answer: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": found.modified_at_ms,
        "ETag": found.etag,
        "ContentLength": found.size,
        **found.headers,
        **encrypting.answer(found.encryption),
    }
    if found.metadata:
        answer["Metadata"] = found.metadata
    if bucket.versioning:
        answer["VersionId"] = found.version_id
    if found.storage_class != "STANDARD":
        answer["StorageClass"] = found.storage_class
    if found.replication:
        answer["ReplicationStatus"] = replication.status(found)
    if found.lock is not None:
        answer |= locking.shown(ctx, found, found.lock)
    if found.restored is not None or found.archive_tier:
        answer |= archive.shown(ctx, found)
    if bucket.settings and version_id is None:
        answer["Expiration"] = lifespan.expiration(bucket, found)
    if found.tags and ctx.may("s3:GetObjectTagging" if version_id is None else "s3:GetObjectVersionTagging", arn):
        answer["TagCount"] = len(found.tags)
    whole = True
    if req.Range is not None or req.PartNumber is not None:
        whole = _narrow(req, found, answer)
    if req.ChecksumMode == "ENABLED" and whole:
        answer |= checksums.answer(found.checksum)
    if _overrides(req) != _NO_OVERRIDES:
        _override(ctx, req, answer)
    return found, answer


def _narrow(req: Any, found: Object, answer: dict[str, Any]) -> bool:
    """Restricts the answer to a range or a part; True where it still is the whole object."""
    if req.PartNumber is None:
        part = rules.byte_range(req.Range, found.size)
        if part is None:
            return True
    elif req.Range is not None:
        raise refusals.invalid_request("Cannot specify both Range header and partNumber query parameter")
    else:
        part = _part_range(req.PartNumber, found)
        if found.parts:
            answer["PartsCount"] = len(found.parts)
            if req.ChecksumMode == "ENABLED" and found.checksum is not None:
                answer[checksums.MEMBERS[found.checksum.algorithm]] = found.parts[req.PartNumber - 1].checksum
                answer["ChecksumType"] = found.checksum.type
    answer["ContentLength"] = part.size
    answer["@range"] = part
    if found.size:
        answer["ContentRange"] = part.content_range(found.size)
        answer["@status"] = 206
    return not found.parts and part.size == found.size


def _part_range(number: int, found: Object) -> Range:
    """Where the n-th part of an object lies. Errors: InvalidArgument, InvalidPartNumber (416)."""
    if not 1 <= number <= 10_000:
        message = "Part number must be an integer between 1 and 10000, inclusive"
        raise refusals.invalid_argument(message, "partNumber", number)
    if number > max(len(found.parts), 1):
        raise ServiceException(
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
            status=416,
            PartNumberRequested=str(number),
            ActualPartCount=str(max(len(found.parts), 1)),
        )
    if not found.parts:
        return Range(0, found.size)
    return Range(sum(part.size for part in found.parts[: number - 1]), found.parts[number - 1].size)


def _override(ctx: Context, req: Any, answer: dict[str, Any]) -> None:
    """response-* parameters; only for those who sign."""
    if not ctx.account:
        raise refusals.invalid_request("Request specific response headers cannot be used for anonymous GET requests.")
    for name, value in zip(_OVERRIDES, _overrides(req), strict=True):
        if value is not None:
            answer[name.removeprefix("Response")] = conditions.http_date(value) if isinstance(value, int) else value


@operation("GetObjectAttributes", authorized_here=True)
def get_object_attributes(ctx: Context, req: Any) -> Answer:
    """The attributes asked for: ETag (without quotes), Checksum, ObjectParts, StorageClass, ObjectSize.

    ObjectParts only for objects uploaded in parts; its Parts only where the checksum is of the parts (COMPOSITE).
    Needs s3:GetObject and s3:GetObjectAttributes (for a version: s3:GetObjectVersion and s3:GetObjectVersionAttributes), and for
    checksums kms:Decrypt on a KMS key.
    """
    kind = "Object" if req.VersionId is None else "ObjectVersion"
    arn = object_arn(req.Bucket, req.Key)
    ctx.authorize(f"s3:Get{kind}", arn)
    ctx.authorize(f"s3:Get{kind}Attributes", arn)
    bucket = bucket_at(ctx, req)
    wanted = {name.strip() for names in req.ObjectAttributes for name in names.split(",")}
    if unknown := wanted - {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}:
        raise refusals.invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", ",".join(sorted(unknown)))
    found = object_at(ctx, bucket, req.Key, req.VersionId)
    encrypting.check_customer(req, found.encryption)
    answer: dict[str, Any] = {"LastModified": found.modified_at_ms}
    if bucket.versioning:
        answer["VersionId"] = found.version_id
    if "ETag" in wanted:
        answer["ETag"] = found.etag.strip('"')
    if "Checksum" in wanted:
        encrypting.opened(ctx, req, found.encryption)
        answer["Checksum"] = checksums.answer(found.checksum) or None
    if "ObjectParts" in wanted and found.parts:
        answer["ObjectParts"] = _object_parts(req, found)
    if "StorageClass" in wanted:
        answer["StorageClass"] = found.storage_class
    if "ObjectSize" in wanted:
        answer["ObjectSize"] = found.size
    return answer


def _object_parts(req: Any, found: Object) -> dict[str, Any]:
    if found.checksum is None or found.checksum.type != "COMPOSITE":
        return {"TotalPartsCount": len(found.parts)}
    size = page_size(req.MaxParts, "max-parts")
    marker = int(req.PartNumberMarker or 0)
    following = [part for part in found.parts if part.number > marker]
    shown = following[:size]
    member = checksums.MEMBERS[found.checksum.algorithm]
    return {
        "TotalPartsCount": len(found.parts),
        "PartNumberMarker": marker,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": size,
        "IsTruncated": len(following) > size,
        "Parts": [{"PartNumber": part.number, "Size": part.size, member: part.checksum} for part in shown],
    }


def page_size(wanted: int | None, name: str) -> int:
    """How many entries a page has: at most 1,000. Errors: InvalidArgument for a negative number."""
    if wanted is None:
        return 1000
    if wanted < 0 or wanted > 2147483647:
        raise refusals.invalid_argument(f"Argument {name} must be an integer between 0 and 2147483647", name, wanted)
    return min(wanted, 1000)
