"""If-Match and its kin: conditional reads (304, 412), writes and deletes (404, 409, 412).

Source: RFC 9110, section 13; "Conditional requests" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.s3 import refusals
from fogbank.services.s3.state import Bucket, Object, object_arn


def http_date(at_ms: int) -> str:
    return formatdate(at_ms / 1000, usegmt=True)


def same_etag(condition: str, etag: str) -> bool:
    """Whether a list of entity tags (with quotes or without), or `*`, names this one."""
    if condition == etag or condition == "*":
        return True
    bare = etag.strip('"')
    return any(tag.strip().removeprefix("W/").strip('"') in (bare, "*") for tag in condition.split(","))


def check_read(req: Any, found: Object) -> None:
    """Raises PreconditionFailed (412) or NotModified (304) where a read's conditions say so.

    If-Match decides over If-Unmodified-Since, and If-None-Match over If-Modified-Since.
    """
    if req.IfMatch is not None:
        if not same_etag(req.IfMatch, found.etag):
            raise refusals.precondition_failed("If-Match")
    elif req.IfUnmodifiedSince is not None and found.modified_at_ms > req.IfUnmodifiedSince:
        raise refusals.precondition_failed("If-Unmodified-Since")
    if req.IfNoneMatch is not None:
        if same_etag(req.IfNoneMatch, found.etag):
            raise _not_modified(found)
    elif req.IfModifiedSince is not None and found.modified_at_ms <= req.IfModifiedSince:
        raise _not_modified(found)


def _not_modified(found: Object) -> ServiceException:
    headers = {"ETag": found.etag, "Last-Modified": http_date(found.modified_at_ms)}
    headers |= {_CACHING[name]: value for name, value in found.headers.items() if name in _CACHING}
    return ServiceException("NotModified", "Not Modified", status=304, **{"@headers": headers})


_CACHING = {"CacheControl": "Cache-Control", "Expires": "Expires"}


def check_source(req: Any, source: Object) -> None:
    """The same conditions of a copy's source; all failures are 412."""
    if req.CopySourceIfMatch is not None:
        if not same_etag(req.CopySourceIfMatch, source.etag):
            raise refusals.precondition_failed("x-amz-copy-source-If-Match")
    elif req.CopySourceIfUnmodifiedSince is not None and source.modified_at_ms > req.CopySourceIfUnmodifiedSince:
        raise refusals.precondition_failed("x-amz-copy-source-If-Unmodified-Since")
    if req.CopySourceIfNoneMatch is not None:
        if same_etag(req.CopySourceIfNoneMatch, source.etag):
            raise refusals.precondition_failed("x-amz-copy-source-If-None-Match")
    elif req.CopySourceIfModifiedSince is not None and source.modified_at_ms <= req.CopySourceIfModifiedSince:
        raise refusals.precondition_failed("x-amz-copy-source-If-Modified-Since")


def check_write(ctx: Context, req: Any, bucket: Bucket, current: Object | None) -> None:
    """The conditions of PutObject, CopyObject and CompleteMultipartUpload on what is there now.

    If-Match needs s3:GetObject too: it tells whether the object has this tag.
    Errors: PreconditionFailed; NoSuchKey where If-Match finds nothing; NotImplemented for both at once, or tags in If-None-Match.
    """
    if req.IfNoneMatch is not None:
        if req.IfNoneMatch != "*" or req.IfMatch is not None:
            raise refusals.header_not_implemented("If-None-Match")
        if current is not None:
            raise refusals.precondition_failed("If-None-Match")
    elif req.IfMatch is not None:
        check_match(ctx, bucket, req.Key, req.IfMatch, current)


def check_match(ctx: Context, bucket: Bucket, key: str, condition: str, current: Object | None) -> None:
    """If-Match of a write or a delete."""
    ctx.authorize("s3:GetObject", object_arn(bucket.name, key))
    if current is None:
        raise refusals.no_such_key(key)
    if not same_etag(condition, current.etag):
        raise refusals.precondition_failed("If-Match")
