"""How a request comes to a bucket through an access point: by its ARN, its alias, or `name-account` in front of the endpoint.

The bucket's name takes the access point's place before anything is authorised, and remembers it: then the access point and the
bucket have to allow the request, each by its own policy. Source: "Access point compatibility with AWS services".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.s3 import refusals
from fogbank.services.s3.access_points import no_such_access_point
from fogbank.services.s3.state import ACCESS_POINTS, ACCESS_POINTS_BY_ALIAS, BUCKETS, AccessPoint

OPERATIONS = frozenset(
    {
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
        "DeleteObjectTagging",
        "GetBucketAcl",
        "GetBucketCors",
        "GetBucketLocation",
        "GetBucketNotificationConfiguration",
        "GetBucketPolicy",
        "GetObject",
        "GetObjectAcl",
        "GetObjectAttributes",
        "GetObjectLegalHold",
        "GetObjectRetention",
        "GetObjectTagging",
        "HeadBucket",
        "HeadObject",
        "ListMultipartUploads",
        "ListObjects",
        "ListObjectsV2",
        "ListObjectVersions",
        "ListParts",
        "PutObject",
        "PutObjectLegalHold",
        "PutObjectRetention",
        "PutObjectAcl",
        "PutObjectTagging",
        "RestoreObject",
        "SelectObjectContent",
        "UploadPart",
        "UploadPartCopy",
    }
)
"""What may be called through an access point."""


_ELSEWHERE = {
    "--x-s3": "directory buckets",
    "--ol-s3": "Object Lambda access points",
    ".mrap": "multi-region access points",
    "--table-s3": "table buckets",
}
"""What a name's ending says that S3 has and Fogbank has not."""
_FOREIGN = tuple(_ELSEWHERE)


class Through(str):
    """A bucket's name (or a copy's source in it) that stands where a request named an access point."""

    __slots__ = ("point",)
    point: AccessPoint


def _through(text: str, point: AccessPoint) -> Through:
    made = Through(text)
    made.point = point
    return made


def resolve(ctx: Context, req: Any) -> None:
    """Puts buckets in the place of access points.

    Errors: NoSuchAccessPoint, MethodNotAllowed, AccessDenied (a VPC's only); NotImplemented for directory buckets and the like.
    """
    name = getattr(req, "Bucket", None)
    if name is None:
        if ctx.request is not None and "/s3express/" in ctx.request.headers.get("authorization", ""):
            raise NotImplementedOperation("s3", "ListDirectoryBuckets")
        return
    if name.endswith(_FOREIGN):
        what = next(what for suffix, what in _ELSEWHERE.items() if name.endswith(suffix))
        raise NotImplementedOperation("s3", ctx.operation, f"with {what}")
    if _may_be_point(name) and ctx.operation != "CreateBucket":
        point = _point(ctx, name)
        if point is not None:
            if ctx.operation not in OPERATIONS:
                message = "The specified method is not allowed against this resource."
                raise ServiceException("MethodNotAllowed", message, status=405, Method=ctx.operation, ResourceType="ACCESSPOINT")
            req.Bucket = _through(point.bucket, point)
    source = getattr(req, "CopySource", None)
    if source is not None and type(source) is not Through:
        _resolve_source(ctx, req, source)


def _resolve_source(ctx: Context, req: Any, source: str) -> None:
    path, query_mark, query = source.partition("?")
    path = unquote(path).removeprefix("/")
    if path.startswith("arn:"):
        name, _, key = path.partition("/object/")
    else:
        name, _, key = path.partition("/")
    point = _point(ctx, name) if _may_be_point(name) else None
    if point is not None:
        req.CopySource = _through(f"{point.bucket}/{quote(key)}{query_mark}{query}", point)


def _may_be_point(name: str) -> bool:
    return name[-12:].isdigit() or name.endswith("-s3alias") or name.startswith("arn:")


def _point(ctx: Context, name: str) -> AccessPoint | None:
    """The access point that a name stands for, if it is not simply a bucket's."""
    point: AccessPoint | None
    if name.startswith("arn:"):
        arn = Arn.parse(name)
        if arn is None or arn.service != "s3" or not arn.resource.startswith("accesspoint/"):
            raise refusals.invalid_argument("Invalid ARN", "Bucket", name)
        point = ACCESS_POINTS.get(ctx, arn.account, arn.region, arn.resource.partition("/")[2])
    elif name.endswith("-s3alias"):
        point = ACCESS_POINTS_BY_ALIAS.first(ctx, name)
    elif BUCKETS.get(ctx, name) is None:
        point = ACCESS_POINTS.get(ctx, name[-12:], ctx.region, name[:-13])
        if point is None:
            return None
    else:
        return None
    if point is None:
        raise no_such_access_point(name)
    if point.vpc_id:
        raise refusals.access_denied()
    return point


def point_of(req: Any) -> AccessPoint | None:
    """The access point through which a request came to its bucket."""
    name = getattr(req, "Bucket", None)
    return name.point if type(name) is Through else None


def gate(ctx: Context, req: Any, arn: str) -> str | None:
    """The ARN, as the access point sees it, of something that a request wants of a bucket behind one."""
    for name in (getattr(req, "Bucket", None), getattr(req, "CopySource", None)):
        if type(name) is Through:
            bucket_arn = f"arn:aws:s3:::{name.point.bucket}"
            if arn == bucket_arn:
                return name.point.arn
            if arn.startswith(bucket_arn + "/"):
                return f"{name.point.arn}/object{arn[len(bucket_arn) :]}"
    return None


def bucket_arn(ctx: Context, req: Any) -> str | None:
    """The access point, where a request came through one."""
    point = point_of(req)
    return None if point is None else point.arn


def object_arn(ctx: Context, req: Any) -> str | None:
    """The object that a request names, as the access point sees it."""
    point, key = point_of(req), getattr(req, "Key", None)
    return None if point is None or key is None else f"{point.arn}/object/{key}"


def at_arn(ctx: Context, arn: str) -> AccessPoint | None:
    """The access point of its own ARN or an object's behind it."""
    named = Arn.parse(arn)
    if named is None:
        return None
    return ACCESS_POINTS.get(ctx, named.account, named.region, named.resource.split("/")[1])
