"""CopyObject, and what UploadPartCopy shares with it: finding the source, its conditions, its bytes.

No byte is copied: records share files, or parts of them. What has to be read (a whole, for its MD5) is read beside the loop.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import archive, checksums, conditions, encrypting, lifespan, locking, ownership, refusals, rules
from fogbank.services.s3.objects import requested_tags, stored, system_metadata, user_metadata
from fogbank.services.s3.rules import Source
from fogbank.services.s3.state import (
    BUCKETS,
    OBJECTS,
    PAYMENT,
    Bucket,
    Checksum,
    Object,
    bucket_at,
    check_payer,
    get_version,
    object_arn,
    object_at,
)
from fogbank.store.blobs import Blob

COPY_BYTES = 5 << 30
"""The largest object that one CopyObject or UploadPartCopy takes."""


class Found(NamedTuple):
    """A copy's source: its bucket, the version of the object, and how it was named."""

    bucket: Bucket
    object: Object
    named: Source

    @property
    def arn(self) -> str:
        return object_arn(self.bucket.name, self.object.key)


def source_at(ctx: Context, req: Any) -> Found:
    """The object that CopySource names, as far as the caller may read it and its conditions hold.

    Errors: InvalidArgument, NoSuchBucket, NoSuchKey, NoSuchVersion, AccessDenied, PreconditionFailed, InvalidObjectState
    (archived).
    """
    named = rules.copy_source(req.CopySource)
    bucket = BUCKETS.get(ctx, named.bucket)
    if bucket is None:
        raise refusals.no_such_bucket(named.bucket)
    if req.ExpectedSourceBucketOwner not in (None, bucket.account):
        raise refusals.access_denied()
    if PAYMENT in bucket.settings:
        check_payer(ctx, req, bucket)
    version_id = named.version_id
    here = OBJECTS.get(ctx, bucket.name, named.key) if version_id is None else get_version(ctx, bucket, named.key, version_id)
    ctx.authorize(
        "s3:GetObject" if version_id is None else "s3:GetObjectVersion",
        object_arn(bucket.name, named.key),
        s3__VersionId=version_id,
    )
    if here is not None and here.marker:
        raise refusals.invalid_request("The source of a copy request may not specifically refer to a delete marker by version id.")
    found = object_at(ctx, bucket, named.key, version_id) if here is None else here
    conditions.check_source(req, found)
    if found.storage_class != "STANDARD":
        archive.read(ctx, found, copied=True)
    return Found(bucket, found, named)


@operation("CopyObject")
def copy_object(ctx: Context, req: Any) -> Answer:
    """Makes a new object of another's bytes, with its metadata and tags (COPY) or the request's (REPLACE).

    An object uploaded in parts becomes one of a single part: its ETag is then the MD5 of the whole. Limit: 5 GiB.
    Needs s3:PutObject here, s3:GetObject (or GetObjectVersion) there, and for tags s3:PutObjectTagging and s3:GetObjectTagging.
    Errors: InvalidRequest for a copy onto itself that changes nothing, and for a larger source; those of the source's conditions.
    Source: CopyObject in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    rules.check_key(req.Key)
    refusals.COPY.refuse(req)
    owned = ownership.of_new_object(ctx, req, bucket)
    _check_directive(req.MetadataDirective, "metadata")
    _check_directive(req.TaggingDirective, "tagging")
    found = source_at(ctx, req)
    source = found.object
    replaces = req.MetadataDirective == "REPLACE"
    _check_itself(bucket, req, found)
    if source.size > COPY_BYTES:
        raise refusals.invalid_request(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES}"
        )
    current = OBJECTS.get(ctx, bucket.name, req.Key)
    if req.IfNoneMatch is not None or req.IfMatch is not None:
        conditions.check_write(ctx, req, bucket, current)
    sealing = encrypting.chosen(ctx, req, bucket, req.Key)
    etag, checksum, blobs = _content(ctx, req, source, sealing)
    new = stored(
        ctx,
        req,
        bucket,
        current,
        etag=etag,
        size=source.size,
        blobs=blobs,
        encryption=sealing.encryption,
        checksum=checksum,
        storage_class=refusals.storage_class(req.StorageClass, "CopyObject"),
        headers=system_metadata(req) if replaces else _headers(req, source),
        metadata=user_metadata(req) if replaces else source.metadata,
        tags=_tags(ctx, req, found),
        lock=locking.asked(ctx, req, bucket),
        event="ObjectCreated:Copy",
        **owned,
    )
    return {
        "CopyObjectResult": {"ETag": new.etag, "LastModified": new.modified_at_ms, **checksums.answer(new.checksum)},
        "VersionId": new.version_id if bucket.versioning else None,
        "Expiration": lifespan.expiration(bucket, new),
        "CopySourceVersionId": source.version_id if found.bucket.versioning else None,
        **encrypting.answer(new.encryption),
    }


def _headers(req: Any, source: Object) -> dict[str, str]:
    """The source's system metadata; where a website redirects to is not copied, but said anew."""
    if req.WebsiteRedirectLocation is None and "WebsiteRedirectLocation" not in source.headers:
        return source.headers
    said = {name: value for name, value in system_metadata(req).items() if name == "WebsiteRedirectLocation"}
    return {name: value for name, value in source.headers.items() if name != "WebsiteRedirectLocation"} | said


def _check_directive(directive: str | None, of: str) -> None:
    if directive not in (None, "COPY", "REPLACE"):
        raise refusals.invalid_argument(f"Unknown {of} directive.", f"x-amz-{of}-directive", directive)


def _check_itself(bucket: Bucket, req: Any, found: Found) -> None:
    """A copy onto itself has to change something."""
    same = found.bucket.name == bucket.name and found.object.key == req.Key and found.named.version_id is None
    if (
        same
        and req.WebsiteRedirectLocation is None
        and req.MetadataDirective != "REPLACE"
        and req.StorageClass in (None, found.object.storage_class)
        and not encrypting.is_asked(req)
    ):
        raise refusals.invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
            "metadata, storage class, website redirect location or encryption attributes."
        )


def _tags(ctx: Context, req: Any, found: Found) -> dict[str, str]:
    if req.TaggingDirective == "REPLACE":
        return requested_tags(ctx, req)
    if found.object.tags:
        ctx.authorize("s3:GetObjectTagging" if found.named.version_id is None else "s3:GetObjectVersionTagging", found.arn)
        ctx.authorize(
            "s3:PutObjectTagging",
            object_arn(req.Bucket, req.Key),
            **{"s3__RequestObjectTag/": found.object.tags, "s3__RequestObjectTagKeys": list(found.object.tags)},
        )
    return found.object.tags


def _content(ctx: Context, req: Any, source: Object, sealing: encrypting.Sealing) -> tuple[str, Checksum, tuple[Blob, ...]]:
    """The copy's ETag, checksum and bytes."""
    seal = encrypting.seal_of(ctx, req, source, source=True)
    wanted = checksums.supported(req.ChecksumAlgorithm)
    known = source.checksum
    algorithm = wanted or (known.algorithm if known is not None else checksums.DEFAULT)
    same = known if known is not None and known.algorithm == algorithm and known.type == "FULL_OBJECT" else None
    if not source.parts and same is not None and source.encryption is None:
        md5 = bytes.fromhex(source.etag.strip('"'))
    else:
        digests = ctx.blobs.digests(ctx, source.blobs, 0, source.size, ("md5", algorithm.lower()), seal)
        md5 = digests["md5"]
        same = same or Checksum(algorithm, base64.b64encode(digests[algorithm.lower()]).decode())
    blobs = ctx.blobs.share(ctx, source.blobs, seal=seal, new_seal=sealing.seal)
    return encrypting.etag(md5, sealing.encryption), same, blobs
