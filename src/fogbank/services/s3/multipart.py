"""Multipart uploads: begun, filled part by part in any order, then completed into one object or aborted.

An object shares its parts' bytes: completing copies nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import checksums, conditions, copying, encrypting, lifespan, locking, ownership, refusals, rules
from fogbank.services.s3.objects import received, requested_tags, stored, system_metadata, user_metadata
from fogbank.services.s3.state import (
    OBJECTS,
    PARTS,
    UPLOADS,
    Bucket,
    Checksum,
    MultipartUpload,
    Object,
    ObjectPart,
    Part,
    bucket_at,
    canonical_id,
)
from fogbank.store.blobs import Blob
from fogbank.store.vault import Seal

PART_BYTES = 5 << 20
"""The smallest part, the last excepted."""
PARTS_COUNT = 10_000


def upload_at(ctx: Context, req: Any) -> MultipartUpload:
    """The upload under way that a request names. Errors: NoSuchUpload."""
    upload = UPLOADS.get(ctx, req.Bucket, req.Key, req.UploadId)
    if upload is None:
        raise refusals.no_such_upload(req.UploadId)
    return upload


@operation("CreateMultipartUpload")
def create_multipart_upload(ctx: Context, req: Any) -> Answer:
    """Begins an upload in parts; metadata, tags and storage class are given here, and are the object's when it is completed.

    Checksums: CRC64NVME of the whole by default; SHA-1 and SHA-256 are COMPOSITE, CRC32 and CRC32C either.
    Errors: as PutObject's; InvalidRequest for an algorithm and a type that do not go together.
    """
    bucket = bucket_at(ctx, req)
    rules.check_key(req.Key)
    refusals.CREATE_UPLOAD.refuse(req)
    owned = ownership.of_new_object(ctx, req, bucket)
    algorithm = checksums.supported(req.ChecksumAlgorithm)
    type_ = checksums.upload_type(algorithm, req.ChecksumType)
    encryption, _ = encrypting.chosen(ctx, req, bucket, req.Key)
    upload = MultipartUpload(
        bucket=bucket.name,
        key=req.Key,
        id=f"{ctx.tx.unique():016x}{ctx.random.hex(80)}",
        initiated_at_ms=ctx.now // 1000 * 1000,
        initiator_id=canonical_id(ctx.account) if ctx.principal.kind == "root" else ctx.principal.arn,
        storage_class=refusals.storage_class(req.StorageClass, "CreateMultipartUpload"),
        checksum_algorithm=algorithm or "",
        checksum_type=type_,
        headers=system_metadata(req),
        metadata=user_metadata(req),
        tags=requested_tags(ctx, req),
        encryption=encryption,
        lock=locking.asked(ctx, req, bucket),
        **owned,
    )
    UPLOADS.put(ctx, upload)
    return {
        "Bucket": bucket.name,
        "Key": upload.key,
        "UploadId": upload.id,
        "ChecksumAlgorithm": algorithm,
        "ChecksumType": type_ if algorithm else None,
        **lifespan.abort_members(bucket, upload),
        **encrypting.answer(encryption),
    }


def check_part_number(number: int) -> None:
    """Errors: InvalidArgument outside 1 to 10,000."""
    if not 1 <= number <= PARTS_COUNT:
        message = "Part number must be an integer between 1 and 10000, inclusive"
        raise refusals.invalid_argument(message, "partNumber", number)


@operation("UploadPart")
def upload_part(ctx: Context, req: Any) -> Answer:
    """Stores one part, numbered 1 to 10,000; a part with the same number is replaced.

    Errors: NoSuchUpload, InvalidArgument, InvalidDigest, BadDigest; InvalidRequest where the checksum is of another algorithm
    than the upload's.
    """
    bucket = bucket_at(ctx, req)
    check_part_number(req.PartNumber)
    upload = upload_at(ctx, req)
    body = received(req.Body)
    if bucket.lockable and locking.completed(ctx, bucket, upload.lock) is not None:
        locking.check_integrity(ctx, req, body, "Upload Part")
    checksums.check_md5(req.ContentMD5, body)
    given = checksums.of_upload(req, body, upload.checksum_algorithm or checksums.DEFAULT)
    said = checksums.given(req, body.trailers)
    if upload.checksum_algorithm and given.algorithm != upload.checksum_algorithm:
        raise checksums.mismatch(upload.checksum_algorithm, given.algorithm)
    if upload.checksum_type == "COMPOSITE" and said is None:
        raise checksums.mismatch(upload.checksum_algorithm, None)
    kept = given
    if not upload.checksum_algorithm and given.algorithm != checksums.DEFAULT:
        kept = Checksum(checksums.DEFAULT, body.base64(checksums.DEFAULT.lower()))
    seal = _seal_of(ctx, req, upload)
    part = _put_part(ctx, upload, req.PartNumber, body.digest("md5"), body.size, kept, (ctx.blobs.keep(ctx, body, seal),))
    told = encrypting.answer(upload.encryption)
    return {"ETag": part.etag, **told, **({checksums.MEMBERS[given.algorithm]: given.value} if said or upload.checksum_algorithm else {})}


def _seal_of(ctx: Context, req: Any, upload: MultipartUpload) -> Seal:
    """What seals the parts of an upload. Errors: as for reading an object so encrypted."""
    encrypting.check_customer(req, upload.encryption)
    return encrypting.opened(ctx, req, upload.encryption)


def _put_part(
    ctx: Context, upload: MultipartUpload, number: int, md5: bytes, size: int, checksum: Checksum, blobs: tuple[Blob, ...]
) -> Part:
    before = PARTS.get(ctx, upload.id, number)
    if before is not None:
        _drop(ctx, before)
    part = Part(
        upload_id=upload.id,
        number=number,
        etag=encrypting.etag(md5, upload.encryption),
        size=size,
        modified_at_ms=ctx.now // 1000 * 1000,
        checksum=checksum,
        blobs=blobs,
    )
    PARTS.put(ctx, part)
    return part


@operation("UploadPartCopy")
def upload_part_copy(ctx: Context, req: Any) -> Answer:
    """Makes a part of another object's bytes, or of a range of them.

    Limit: 5 GiB. Needs s3:PutObject here and s3:GetObject (or GetObjectVersion) there.
    Errors: those of UploadPart and of the source; InvalidArgument for a range that does not lie within.
    """
    bucket_at(ctx, req)
    check_part_number(req.PartNumber)
    upload = upload_at(ctx, req)
    found = copying.source_at(ctx, req)
    source = found.object
    part_range = rules.Range(0, source.size) if req.CopySourceRange is None else rules.copy_range(req.CopySourceRange, source.size)
    if part_range.size > copying.COPY_BYTES:
        raise refusals.invalid_request(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {copying.COPY_BYTES}"
        )
    algorithm = upload.checksum_algorithm or checksums.DEFAULT
    seal = encrypting.seal_of(ctx, req, source, source=True)
    digests = ctx.blobs.digests(ctx, source.blobs, *part_range, ("md5", algorithm.lower()), seal)
    checksum = Checksum(algorithm, base64.b64encode(digests[algorithm.lower()]).decode())
    blobs = ctx.blobs.share(ctx, source.blobs, *part_range, seal=seal, new_seal=_seal_of(ctx, req, upload))
    part = _put_part(ctx, upload, req.PartNumber, digests["md5"], part_range.size, checksum, blobs)
    result: dict[str, Any] = {"ETag": part.etag, "LastModified": part.modified_at_ms}
    if upload.checksum_algorithm:
        result[checksums.MEMBERS[algorithm]] = checksum.value
    told = encrypting.answer(upload.encryption)
    return {"CopyPartResult": result, "CopySourceVersionId": source.version_id if found.bucket.versioning else None, **told}


@operation("CompleteMultipartUpload")
def complete_multipart_upload(ctx: Context, req: Any) -> Answer:
    """Makes an object of the listed parts, in their order; parts that are not listed are dropped.

    Every part but the last has at least 5 MiB. Where checksums were asked for, the key of the parts is needed (kms:Decrypt, or the
    customer's). Completing again with the same parts answers as before while the object is
    current. Errors: NoSuchUpload, MalformedXML, InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, InvalidRequest
    (checksums, size), PreconditionFailed, ConditionalRequestConflict (the key was deleted or written since the upload began).
    Source: CompleteMultipartUpload in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    listed = req.MultipartUpload.Parts if req.MultipartUpload is not None else None
    if not listed or len(listed) > PARTS_COUNT or any(part.PartNumber is None or part.ETag is None for part in listed):
        raise refusals.malformed_xml()
    current = OBJECTS.get(ctx, bucket.name, req.Key)
    upload = UPLOADS.get(ctx, bucket.name, req.Key, req.UploadId)
    if upload is None:
        return _completed_before(ctx, req, bucket, current, listed)
    if req.IfNoneMatch is not None or req.IfMatch is not None:
        _check_conditions(ctx, req, bucket, upload, current)
    if upload.encryption is not None and upload.checksum_algorithm:
        _seal_of(ctx, req, upload)
    parts = _listed_parts(ctx, upload, listed)
    etag = f'"{_joined_md5(parts)}-{len(parts)}"'
    size = sum(part.size for part in parts)
    if req.MpuObjectSize is not None and req.MpuObjectSize != size:
        message = f"The provided 'x-amz-mp-object-size' header value {req.MpuObjectSize} does not match what was computed: {size}"
        raise refusals.invalid_request(message)
    checksum = _verified(req, upload, parts)
    new = stored(
        ctx,
        req,
        bucket,
        current,
        etag=etag,
        size=size,
        blobs=tuple([blob for part in parts for blob in part.blobs]),
        encryption=upload.encryption,
        checksum=checksum,
        storage_class=upload.storage_class,
        headers=upload.headers,
        metadata=upload.metadata,
        tags=upload.tags,
        lock=upload.lock,
        owner=upload.owner,
        acl=upload.acl,
        event="ObjectCreated:CompleteMultipartUpload",
        parts=tuple([ObjectPart(part.number, part.size, part.checksum.value) for part in parts]),
        upload_id=upload.id,
    )
    forget(ctx, upload, keep={part.number for part in parts})
    return _completed(ctx, bucket, new)


def _completed(ctx: Context, bucket: Bucket, new: Object) -> dict[str, Any]:
    return {
        "Location": rules.location(ctx.endpoint, bucket.name, new.key),
        "Bucket": bucket.name,
        "Key": new.key,
        "ETag": new.etag,
        "VersionId": new.version_id if bucket.versioning else None,
        "Expiration": lifespan.expiration(bucket, new),
        **checksums.answer(new.checksum),
        **encrypting.answer(new.encryption),
    }


def _completed_before(ctx: Context, req: Any, bucket: Bucket, current: Object | None, listed: Sequence[Any]) -> dict[str, Any]:
    """A completion that is asked for again."""
    if current is None or current.upload_id != req.UploadId:
        raise refusals.no_such_upload(req.UploadId)
    tags = [bytes.fromhex(part.ETag.strip('"')) for part in listed if len(part.ETag.strip('"')) == 32]
    if f'"{hashlib.md5(b"".join(tags), usedforsecurity=False).hexdigest()}-{len(listed)}"' != current.etag:
        raise refusals.no_such_upload(req.UploadId)
    return _completed(ctx, bucket, current)


def _check_conditions(ctx: Context, req: Any, bucket: Bucket, upload: MultipartUpload, current: Object | None) -> None:
    conditions.check_write(ctx, req, bucket, current)
    if req.IfNoneMatch is not None and upload.deleted:
        raise refusals.conditional_conflict("If-None-Match", req.Key)
    written_since = current is not None and f"{-current.rank:016x}" > upload.id[:16]
    if req.IfMatch is not None and (upload.deleted or written_since):
        raise refusals.conditional_conflict("If-Match", req.Key)


def _listed_parts(ctx: Context, upload: MultipartUpload, listed: Sequence[Any]) -> list[Part]:
    """The parts that a completion lists, checked."""
    numbers = [one.PartNumber for one in listed]
    if any(after <= before for before, after in pairwise(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise ServiceException("InvalidPartOrder", message, status=400, UploadId=upload.id)
    there = {part.number: part for part in PARTS.scan(ctx, upload.id)}
    parts = []
    for one in listed:
        part = there.get(one.PartNumber)
        if part is None or part.etag.strip('"') != one.ETag.strip('"') or not _same_checksum(upload, one, part):
            raise ServiceException(
                "InvalidPart",
                "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
                "entity tag may not match the part's entity tag.",
                status=400,
                UploadId=upload.id,
                PartNumber=str(one.PartNumber),
                ETag=one.ETag.strip('"'),
            )
        parts.append(part)
    for part in parts[:-1]:
        if part.size < PART_BYTES:
            raise ServiceException(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                status=400,
                ETag=part.etag.strip('"'),
                MinSizeAllowed=str(PART_BYTES),
                PartNumber=str(part.number),
                ProposedSize=str(part.size),
            )
    if upload.checksum_type == "COMPOSITE" and numbers != list(range(1, len(numbers) + 1)):
        message = "The parts of an upload with composite checksums must be numbered consecutively from 1."
        raise ServiceException("InvalidPartOrder", message, status=400, UploadId=upload.id)
    return parts


def _same_checksum(upload: MultipartUpload, one: Any, part: Part) -> bool:
    """Whether the checksum that a completion gives for a part is the part's; composite uploads want one for every part."""
    said = checksums.given(one)
    if said is None:
        if upload.checksum_type == "COMPOSITE":
            raise refusals.invalid_request(
                f"The upload was created using a {upload.checksum_algorithm.lower()} checksum. The complete request must include the "
                f"checksum for each part. It was missing for part {part.number} in the request."
            )
        return True
    return said == (part.checksum.algorithm, part.checksum.value) or not upload.checksum_algorithm


def _joined_md5(parts: Sequence[Part]) -> str:
    return hashlib.md5(b"".join([bytes.fromhex(part.etag.strip('"')) for part in parts]), usedforsecurity=False).hexdigest()


def _verified(req: Any, upload: MultipartUpload, parts: Sequence[Part]) -> Checksum:
    """The object's checksum, which is the one that the completion gives if it gives one."""
    algorithm = upload.checksum_algorithm or checksums.DEFAULT
    if req.ChecksumType is not None and req.ChecksumType != upload.checksum_type:
        message = (
            f"The upload was created using the {upload.checksum_type} checksum mode. The complete request must use the same checksum mode."
        )
        raise refusals.invalid_request(message)
    checksum = checksums.of_parts(algorithm, upload.checksum_type, parts)
    said = checksums.given(req)
    if said is not None:
        if said[0] != algorithm:
            raise checksums.mismatch(algorithm, said[0])
        if said[1] not in (checksum.value, checksum.value.partition("-")[0]):
            raise checksums.bad_digest(algorithm)
    return checksum


@operation("AbortMultipartUpload")
def abort_multipart_upload(ctx: Context, req: Any) -> Answer:
    """Drops an upload and its parts. Errors: NoSuchUpload; NotImplemented for IfMatchInitiatedTime (directory buckets only)."""
    bucket_at(ctx, req)
    if req.IfMatchInitiatedTime is not None:
        raise refusals.header_not_implemented("x-amz-if-match-initiated-time")
    forget(ctx, upload_at(ctx, req), keep=set())
    return None


def forget(ctx: Context, upload: MultipartUpload, keep: set[int]) -> None:
    """Deletes the upload; the bytes of the parts that are kept live on in the object."""
    for part in PARTS.scan(ctx, upload.id):
        if part.number not in keep:
            _drop(ctx, part)
        PARTS.delete(ctx, part)
    UPLOADS.delete(ctx, upload)


def _drop(ctx: Context, part: Part) -> None:
    for blob in part.blobs:
        ctx.blobs.drop(ctx, blob)


def forget_all(ctx: Context, bucket: Bucket) -> None:
    """Drops every upload of a bucket that goes."""
    for upload in UPLOADS.scan(ctx, bucket.name):
        forget(ctx, upload, keep=set())
