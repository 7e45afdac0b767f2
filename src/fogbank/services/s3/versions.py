"""Versions: how a write becomes the current one, what becomes of the one before, and PutBucketVersioning."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import refusals
from fogbank.services.s3.state import (
    BUCKETS,
    NULL,
    NULL_VERSIONS,
    OBJECTS,
    UPLOADS,
    VERSIONS,
    Bucket,
    Object,
    bucket_at,
    new_version_id,
)
from fogbank.store.tables import change


@operation("PutBucketVersioning")
def put_bucket_versioning(ctx: Context, req: Any) -> Answer:
    """Enables or suspends versioning; it cannot be taken back altogether.

    Errors: IllegalVersioningConfigurationException without a Status; InvalidBucketState (Object Lock); NotImplemented for MFA delete.
    """
    bucket = bucket_at(ctx, req)
    wanted = req.VersioningConfiguration
    if req.MFA is not None or wanted.MFADelete == "Enabled":
        raise NotImplementedOperation("s3", "PutBucketVersioning", "with MFA delete")
    if wanted.Status is None:
        message = "The Versioning element must be specified"
        raise ServiceException("IllegalVersioningConfigurationException", message, status=400)
    if wanted.Status not in ("Enabled", "Suspended"):
        raise refusals.malformed_xml()
    if bucket.lockable and wanted.Status != "Enabled":
        message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        raise ServiceException("InvalidBucketState", message, status=409)
    if "replication" in bucket.settings and wanted.Status != "Enabled":
        message = (
            "A replication configuration is present on this bucket, so you cannot change the versioning state. "
            "To change the versioning state, first remove the replication configuration."
        )
        raise ServiceException("InvalidBucketState", message, status=409)
    BUCKETS.put(ctx, change(bucket, versioning=wanted.Status))
    return None


@operation("GetBucketVersioning")
def get_bucket_versioning(ctx: Context, req: Any) -> Answer:
    """The versioning state; an empty answer for a bucket where it was never set."""
    return {"Status": bucket_at(ctx, req).versioning or None}


def install(ctx: Context, bucket: Bucket, new: Object, current: Object | None) -> None:
    """Makes `new` the current version in the place of `current`, which is kept where versioning says so."""
    if not bucket.versioning:
        if current is not None:
            drop_blobs(ctx, current)
        OBJECTS.put(ctx, new)
        return
    _retire(ctx, new.version_id, new.key, bucket, current)
    OBJECTS.put(ctx, new)


def mark_deleted(ctx: Context, bucket: Bucket, key: str, at_ms: int | None = None) -> Object:
    """Puts a delete marker in front of a key of a versioned bucket, now or as of an instant, and returns it."""
    rank = -ctx.tx.unique()
    marker = Object(
        bucket=bucket.name,
        key=key,
        rank=rank,
        version_id=new_version_id(ctx, bucket, rank),
        etag="",
        size=0,
        modified_at_ms=(ctx.now if at_ms is None else at_ms) // 1000 * 1000,
        storage_class="",
        checksum=None,
        marker=True,
    )
    current = OBJECTS.get(ctx, bucket.name, key)
    _retire(ctx, marker.version_id, key, bucket, current)
    if current is not None:
        OBJECTS.delete(ctx, current)
        _tell_uploads(ctx, current)
    VERSIONS.put(ctx, marker)
    return marker


def _retire(ctx: Context, successor_id: str, key: str, bucket: Bucket, current: Object | None) -> None:
    """Makes room for a new version: a null version gives way to a null one, others go into the past."""
    if successor_id == NULL:
        if current is not None and current.version_id == NULL:
            drop_blobs(ctx, current)
            return
        past = NULL_VERSIONS.first(ctx, bucket.name, key)
        if past is not None:
            drop_blobs(ctx, past)
            VERSIONS.delete(ctx, past)
    if current is not None:
        VERSIONS.put(ctx, current)


def place(ctx: Context, version: Object) -> None:
    """Puts a version that was made elsewhere (a replica) where its rank says: in front of a versioned key, or behind newer ones."""
    current = OBJECTS.get(ctx, version.bucket, version.key)
    newest = current or next(VERSIONS.scan(ctx, version.bucket, version.key), None)
    if newest is not None and newest.rank < version.rank:
        VERSIONS.put(ctx, version)
        return
    if current is not None:
        VERSIONS.put(ctx, current)
        if version.marker:
            OBJECTS.delete(ctx, current)
            _tell_uploads(ctx, current)
    (VERSIONS if version.marker else OBJECTS).put(ctx, version)


def remove_current(ctx: Context, current: Object) -> None:
    """Deletes the object of a bucket that was never versioned."""
    drop_blobs(ctx, current)
    OBJECTS.delete(ctx, current)
    _tell_uploads(ctx, current)


def remove_version(ctx: Context, version: Object) -> None:
    """Deletes one version or marker for good. The newest one left becomes current."""
    bucket, key = version.bucket, version.key
    drop_blobs(ctx, version)
    current = OBJECTS.get(ctx, bucket, key)
    if current is not None and current.rank == version.rank:
        OBJECTS.delete(ctx, current)
        _tell_uploads(ctx, current)
        current = None
    else:
        VERSIONS.delete(ctx, version)
    if current is None:
        newest = next(VERSIONS.scan(ctx, bucket, key), None)
        if newest is not None and not newest.marker:
            VERSIONS.delete(ctx, newest)
            OBJECTS.put(ctx, newest)


def drop_blobs(ctx: Context, version: Object) -> None:
    for blob in version.blobs:
        ctx.blobs.drop(ctx, blob)


def rewrite(ctx: Context, version: Object) -> None:
    """Stores a changed version where it was."""
    current = OBJECTS.get(ctx, version.bucket, version.key)
    if current is not None and current.rank == version.rank:
        OBJECTS.put(ctx, version)
    else:
        VERSIONS.put(ctx, version)


def _tell_uploads(ctx: Context, gone: Object) -> None:
    """Uploads under way to this key learn that an object was deleted: a conditional completion then is a conflict."""
    for upload in UPLOADS.scan(ctx, gone.bucket, gone.key):
        UPLOADS.put(ctx, change(upload, deleted=True))
