"""PutObject, DeleteObject, DeleteObjects."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import (
    checksums,
    conditions,
    encrypting,
    lifespan,
    locking,
    notifications,
    ownership,
    refusals,
    replication,
    rules,
    versions,
)
from fogbank.services.s3.state import (
    OBJECTS,
    Bucket,
    Checksum,
    Encryption,
    Lock,
    Object,
    bucket_at,
    get_version,
    new_version_id,
    object_arn,
)
from fogbank.store.blobs import Blob, Upload

_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires", "WebsiteRedirectLocation")
_headers = attrgetter(*_HEADERS)
_NO_HEADERS = (None,) * len(_HEADERS)
PUT_BYTES = 5 << 30
"""The largest body of one PutObject or UploadPart."""
DEFAULT_HEADERS = {"ContentType": "binary/octet-stream"}


def received(body: Any) -> Upload:
    """A streamed body, however it came: from the socket, or from a service that calls. Errors: EntityTooLarge."""
    if isinstance(body, Upload):
        if body.size > PUT_BYTES:
            raise refusals.too_large(body.size, PUT_BYTES)
        return body
    content = body or b""
    return Upload(content, None, len(content))


def system_metadata(req: Any) -> dict[str, str]:
    """The headers that an object keeps for its readers."""
    values = _headers(req)
    if values == _NO_HEADERS:
        return DEFAULT_HEADERS
    headers = {name: value for name, value in zip(_HEADERS, values, strict=True) if value is not None}
    if (encoding := headers.get("ContentEncoding")) is not None and "aws-chunked" in encoding:
        left = [part.strip() for part in encoding.split(",") if part.strip() != "aws-chunked"]
        headers["ContentEncoding"] = ",".join(left)
        if not left:
            del headers["ContentEncoding"]
    headers.setdefault("ContentType", "binary/octet-stream")
    if (target := headers.get("WebsiteRedirectLocation")) is not None:
        rules.check_redirect(target)
    return headers


def user_metadata(req: Any) -> dict[str, str]:
    """x-amz-meta-*. Errors: MetadataTooLarge."""
    metadata: dict[str, str] = req.Metadata or {}
    if metadata:
        rules.check_metadata(metadata)
    return metadata


def requested_tags(ctx: Context, req: Any) -> dict[str, str]:
    """The tags that a request gives a new object, which takes s3:PutObjectTagging."""
    if not req.Tagging:
        return {}
    tags = rules.header_tags(req.Tagging)
    ctx.authorize("s3:PutObjectTagging", object_arn(req.Bucket, req.Key))
    return tags


def stored(
    ctx: Context,
    req: Any,
    bucket: Bucket,
    current: Object | None,
    *,
    etag: str,
    size: int,
    blobs: tuple[Blob, ...],
    encryption: Encryption | None,
    checksum: Checksum,
    storage_class: str,
    headers: dict[str, str],
    metadata: dict[str, str],
    tags: dict[str, str],
    event: str,
    lock: Lock | None = None,
    **more: Any,
) -> Object:
    """Writes a new current version, in the place of `current`, and tells who wants to know. Modification times are whole seconds."""
    rank = -ctx.tx.unique()
    new = Object(
        bucket=bucket.name,
        key=req.Key,
        rank=rank,
        version_id=new_version_id(ctx, bucket, rank),
        etag=etag,
        size=size,
        modified_at_ms=ctx.now // 1000 * 1000,
        storage_class=storage_class,
        checksum=checksum,
        blobs=blobs,
        encryption=encryption,
        headers=headers,
        metadata=metadata,
        tags=tags,
        lock=locking.completed(ctx, bucket, lock) if bucket.settings else None,
        **more,
    )
    if "replication" in bucket.settings:
        new = replication.begin(ctx, bucket, new)
    versions.install(ctx, bucket, new, current)
    if bucket.notifications:
        notifications.tell(ctx, bucket, event, new)
    return new


@operation("PutObject")
def put_object(ctx: Context, req: Any) -> Answer:
    """Adds an object: whole or not at all; the last of two writers wins, unless conditions say otherwise.

    Limits: key 1 to 1,024 bytes; body 5 GiB; user metadata 2 KB; 10 tags. Needs s3:PutObjectAcl too where an ACL is given.
    What is locked (Object Lock) needs a checksum or Content-MD5.
    Errors: NoSuchBucket, KeyTooLongError, EntityTooLarge, MetadataTooLarge, InvalidDigest, BadDigest, InvalidRequest (checksums),
    PreconditionFailed, NoSuchKey (If-Match), AccessControlListNotSupported, InvalidStorageClass, InvalidTag.
    Source: PutObject in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    key = req.Key
    rules.check_key(key)
    refusals.PUT.refuse(req)
    owned = ownership.of_new_object(ctx, req, bucket)
    current = OBJECTS.get(ctx, bucket.name, key)
    if req.IfNoneMatch is not None or req.IfMatch is not None:
        conditions.check_write(ctx, req, bucket, current)
    upload = received(req.Body)
    checksums.check_md5(req.ContentMD5, upload)
    checksum = checksums.of_upload(req, upload)
    encryption, seal = encrypting.chosen(ctx, req, bucket, key)
    new = stored(
        ctx,
        req,
        bucket,
        current,
        etag=encrypting.etag(upload.digest("md5"), encryption),
        size=upload.size,
        checksum=checksum,
        storage_class="STANDARD" if req.StorageClass is None else refusals.storage_class(req.StorageClass, "PutObject"),
        headers=system_metadata(req),
        metadata=user_metadata(req),
        tags=requested_tags(ctx, req),
        blobs=(ctx.blobs.keep(ctx, upload, seal),) if upload.size else (),
        encryption=encryption,
        lock=locking.asked(ctx, req, bucket),
        event="ObjectCreated:Post" if ctx.request is not None and ctx.request.method == "POST" else "ObjectCreated:Put",
        **owned,
    )
    if new.lock is not None:
        locking.check_integrity(ctx, req, upload, "Put Object")
    answer: dict[str, Any] = {"ETag": new.etag, checksums.MEMBERS[checksum.algorithm]: checksum.value, "ChecksumType": checksum.type}
    answer |= encrypting.answer(encryption)
    if bucket.versioning:
        answer["VersionId"] = new.version_id
    if bucket.settings:
        answer["Expiration"] = lifespan.expiration(bucket, new)
    return answer


def remove(ctx: Context, bucket: Bucket, key: str, version_id: str | None, bypass: bool | None) -> dict[str, Any]:
    """Deletes a key (in a versioned bucket: hides it behind a marker) or one version; what is not there counts as deleted.

    `bypass`: also what is retained in GOVERNANCE mode. Returns VersionId and DeleteMarker as DeleteObject answers them.
    Errors: AccessDenied (Object Lock).
    """
    if version_id is not None:
        version = get_version(ctx, bucket, key, version_id)
        if version is None:
            return {"VersionId": version_id}
        locking.check_deletable(ctx, version, bypass)
        versions.remove_version(ctx, version)
        if bucket.notifications:
            notifications.tell(ctx, bucket, "ObjectRemoved:Delete", version, ctx.tx.unique())
        return {"VersionId": version_id, "DeleteMarker": True if version.marker else None}
    if bucket.versioning:
        marker = versions.mark_deleted(ctx, bucket, key)
        if "replication" in bucket.settings:
            replication.mark(ctx, bucket, marker)
        if bucket.notifications:
            notifications.tell(ctx, bucket, "ObjectRemoved:DeleteMarkerCreated", marker)
        return {"VersionId": marker.version_id, "DeleteMarker": True}
    current = OBJECTS.get(ctx, bucket.name, key)
    if current is not None:
        versions.remove_current(ctx, current)
        if bucket.notifications:
            notifications.tell(ctx, bucket, "ObjectRemoved:Delete", current, ctx.tx.unique())
    return {}


@operation("DeleteObject", authorized_here=True)
def delete_object(ctx: Context, req: Any) -> Answer:
    """Deletes an object, or one version of it (s3:DeleteObjectVersion); 204 also where there was none.

    Errors: NoSuchBucket, PreconditionFailed and NoSuchKey (If-Match), InvalidArgument (version id); NotImplemented for the
    conditions that AWS knows in directory buckets only.
    """
    ctx.authorize("s3:DeleteObject" if req.VersionId is None else "s3:DeleteObjectVersion", object_arn(req.Bucket, req.Key))
    bucket = bucket_at(ctx, req)
    if req.IfMatchLastModifiedTime is not None or req.IfMatchSize is not None:
        raise NotImplementedOperation("s3", "DeleteObject", "with IfMatchLastModifiedTime or IfMatchSize")
    if req.IfMatch is not None:
        _check_match(ctx, bucket, req.Key, req.VersionId, req.IfMatch)
    return remove(ctx, bucket, req.Key, req.VersionId, req.BypassGovernanceRetention)


def _check_match(ctx: Context, bucket: Bucket, key: str, version_id: str | None, condition: str) -> None:
    found = OBJECTS.get(ctx, bucket.name, key) if version_id is None else get_version(ctx, bucket, key, version_id)
    conditions.check_match(ctx, bucket, key, condition, None if found is not None and found.marker else found)


@operation("DeleteObjects", authorized_here=True)
def delete_objects(ctx: Context, req: Any) -> Answer:
    """Deletes up to 1,000 keys or versions, each by itself: authorised, done or refused one by one, in the order given.

    Quiet: only the failures are answered. Errors: MalformedXML; InvalidRequest without a checksum of the body.
    """
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx)
    wanted = req.Delete.Objects
    if not wanted or len(wanted) > 1000:
        raise refusals.malformed_xml()
    deleted: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for one in wanted:
        try:
            gone = _delete_one(ctx, bucket, one, req.BypassGovernanceRetention)
        except ServiceException as refused:
            errors.append({"Key": one.Key, "VersionId": one.VersionId, "Code": refused.code, "Message": refused.message})
            continue
        if not req.Delete.Quiet:
            deleted.append(gone)
    return {"Deleted": deleted or None, "Errors": errors or None}


def _delete_one(ctx: Context, bucket: Bucket, one: Any, bypass: bool | None) -> dict[str, Any]:
    rules.check_key(one.Key)
    version_id = one.VersionId
    ctx.authorize("s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion", object_arn(bucket.name, one.Key))
    if one.LastModifiedTime is not None or one.Size is not None:
        raise NotImplementedOperation("s3", "DeleteObjects", "with LastModifiedTime or Size")
    if one.ETag is not None:
        _check_match(ctx, bucket, one.Key, version_id, one.ETag)
    gone = remove(ctx, bucket, one.Key, version_id, bypass)
    out = {"Key": one.Key, "VersionId": version_id, "DeleteMarker": gone.get("DeleteMarker")}
    if gone.get("DeleteMarker"):
        out["DeleteMarkerVersionId"] = gone["VersionId"]
    return out
