"""Amazon S3, the core: buckets, objects and their versions, uploads in parts, listings, policies, notifications to SQS.

Read in this order: `state` (what is remembered, and how it is found), `objects` (PutObject and deleting), `reading`,
`versions`, `listing`, `copying`, `multipart`; then `conditions` and `checksums` (with `crc`), which these share; then what
buckets have: `buckets`, `policies`, `tagging`, `notifications` (delivered by `tasks`). `rules` is arithmetic, `refusals`
how S3 says no and what is refused here.

Left out, and refused by name: encryption of any kind (nothing is encrypted at rest yet, so no answer claims AES256), access
control lists that grant, object lock, lifecycle, replication, website, logging, CORS rules, acceleration, archive classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource, Service
from fogbank.services.s3 import (
    buckets,
    copying,
    listing,
    multipart,
    notifications,
    objects,
    policies,
    reading,
    refusals,
    rules,
    tagging,
    tasks,
    versions,
)
from fogbank.services.s3.state import BUCKETS, OBJECTS, Bucket, get_version, object_arn

_ARN = "arn:aws:s3:::"


def _bucket_arn(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "Bucket", None)
    return None if name is None else _ARN + name


def _object_arn(ctx: Context, req: Any) -> str | None:
    return object_arn(req.Bucket, req.Key)


def _bucket(ctx: Context, arn: str) -> Bucket | None:
    """The bucket of a bucket's or an object's ARN; none while it is being made."""
    return None if ctx.operation == "CreateBucket" else BUCKETS.get(ctx, arn[len(_ARN) :].partition("/")[0])


def _policy(ctx: Context, arn: str) -> str | None:
    """The bucket's policy. Errors: NoSuchBucket, which S3 tells everybody: it looks before it asks whether they may."""
    bucket = _bucket(ctx, arn)
    if bucket is not None:
        return policies.policy_for(ctx, bucket)
    if ctx.operation == "CreateBucket":
        return None
    raise refusals.no_such_bucket(arn[len(_ARN) :].partition("/")[0])


def _owner(ctx: Context, arn: str) -> str | None:
    bucket = _bucket(ctx, arn)
    return ctx.account if bucket is None else bucket.account


def _member(name: str) -> Any:
    return lambda ctx, req: getattr(req, name, None)


def _existing_tags(ctx: Context, req: Any) -> Mapping[str, str] | None:
    """The tags of the object, or the version, that a request reads: a copy's source."""
    copied = getattr(req, "CopySource", None)
    if copied is not None:
        name, key, version_id = rules.copy_source(copied)
    else:
        name, key, version_id = getattr(req, "Bucket", ""), getattr(req, "Key", ""), getattr(req, "VersionId", None)
    bucket = BUCKETS.get(ctx, name) if name and key else None
    if bucket is None:
        return None
    found = OBJECTS.get(ctx, name, key) if version_id is None else get_version(ctx, bucket, key, version_id)
    return None if found is None else found.tags


def _requested_tags(ctx: Context, req: Any) -> Mapping[str, str]:
    """The tags that a request gives an object: as a header, or as a structure."""
    tagging_ = getattr(req, "Tagging", None)
    if tagging_ is None or isinstance(tagging_, str):
        return rules.header_tags(tagging_)
    return {tag.Key: tag.Value for tag in tagging_.TagSet or ()}


def _auth_type(ctx: Context, req: Any) -> str | None:
    if ctx.request is None or not ctx.account:
        return None
    if "authorization" in ctx.request.headers:
        return "REST-HEADER"
    return "POST" if ctx.request.method == "POST" and "X-Amz-" not in ctx.request.query else "REST-QUERY-STRING"


def _signature_version(ctx: Context, req: Any) -> str | None:
    """`AWS` is version 2."""
    if ctx.request is None or not ctx.account:
        return None
    old = ctx.request.headers.get("authorization", "").startswith("AWS ") or "AWSAccessKeyId=" in ctx.request.query
    return "AWS" if old else "AWS4-HMAC-SHA256"


def _signature_age_ms(ctx: Context, req: Any) -> int | None:
    """How old the request's signature is."""
    return ctx.signature_age_ms()


def _resource_account(ctx: Context, req: Any) -> str | None:
    bucket = BUCKETS.get(ctx, req.Bucket) if getattr(req, "Bucket", None) else None
    return None if bucket is None else bucket.account


def _location_constraint(ctx: Context, req: Any) -> str | None:
    wanted = getattr(req, "CreateBucketConfiguration", None)
    return None if wanted is None else wanted.LocationConstraint


SERVICE = Service(
    "s3",
    modules=[buckets, objects, reading, copying, multipart, listing, versions, tagging, policies, notifications, tasks],
    resources=[
        Resource("bucket", _bucket_arn, None, _policy, _owner),
        Resource("object", _object_arn, None, _policy, _owner),
    ],
    conditions={
        "s3:prefix": _member("Prefix"),
        "s3:delimiter": _member("Delimiter"),
        "s3:max-keys": _member("MaxKeys"),
        "s3:versionid": _member("VersionId"),
        "s3:x-amz-acl": _member("ACL"),
        "s3:x-amz-copy-source": _member("CopySource"),
        "s3:x-amz-metadata-directive": _member("MetadataDirective"),
        "s3:x-amz-server-side-encryption": _member("ServerSideEncryption"),
        "s3:x-amz-storage-class": _member("StorageClass"),
        "s3:x-amz-object-ownership": _member("ObjectOwnership"),
        "s3:x-amz-content-sha256": lambda ctx, req: ctx.request.headers.get("x-amz-content-sha256") if ctx.request else None,
        "s3:if-match": _member("IfMatch"),
        "s3:if-none-match": _member("IfNoneMatch"),
        "s3:locationconstraint": _location_constraint,
        "s3:objectcreationoperation": lambda ctx, req: ctx.operation,
        "s3:existingobjecttag/": _existing_tags,
        "s3:requestobjecttag/": _requested_tags,
        "s3:requestobjecttagkeys": lambda ctx, req: list(_requested_tags(ctx, req)),
        "s3:authtype": _auth_type,
        "s3:signatureversion": _signature_version,
        "s3:signatureage": _signature_age_ms,
        "s3:resourceaccount": _resource_account,
    },
)
