"""Amazon S3: buckets, objects and their versions, uploads in parts, listings, policies, events, and what buckets are configured with.

Read in this order:

- the core: `state` (what is remembered, and how it is found), `objects` (PutObject and deleting), `reading`, `versions`, `listing`,
  `copying`, `multipart`, and what these share: `conditions`, `checksums` (with `crc`), `encrypting`, `rules` (arithmetic), `refusals`
  (how S3 says no);
- what buckets have: `buckets`, `tagging`, `policies`, `notifications` (delivered by `tasks`), and their configurations, of which
  there is one (in the bucket's record: `settings`) or many (`configurations`);
- whose objects are and who may have them: `ownership`, `acls` (a language of their own: `grants`);
- what happens with time: `locking`, `lifecycle` (its arithmetic is `lifespan`, it is done by `expiring`), `archive`, `tiering`;
- copies and lists: `replication` (done by `replicas`), `inventory` (written as `inventory_formats`, two of them through `arrow`);
- other ways in: access points (`arrivals`), SQL (`select`), browsers (`website`, `cross_origin`), `acceleration`, `payment`;
- what is noted of all that: `access_logs` (lines made by `log_records`);
- S3 Control, a service over the same state: `control`, `access_points`, `account_blocks`, `control_tags`;
- CloudFormation's types: `resources` (spelt by `bucket_properties`).

Left out, and refused by name: dual-layer encryption (aws:kms:dsse), MFA delete, Object Lock's event holds, analytics and metrics
configurations, directory and table buckets, batch jobs, Object Lambda, access grants, multi-region access points, torrents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource, Service
from fogbank.kernel.seen import Seen
from fogbank.services.s3 import (
    acceleration,
    access_logs,
    access_points,
    acls,
    archive,
    arrivals,
    buckets,
    configurations,
    copying,
    cross_origin,
    encrypting,
    expiring,
    grants,
    inventory,
    lifecycle,
    listing,
    locking,
    metrics,
    multipart,
    notifications,
    objects,
    ownership,
    payment,
    policies,
    reading,
    replicas,
    replication,
    rules,
    tagging,
    tasks,
    versions,
    website,
)
from fogbank.services.s3.select import content
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


def _point_policy(ctx: Context, arn: str) -> str | None:
    point = arrivals.at_arn(ctx, arn)
    return None if point is None else access_points.policy_for(ctx, point)


def _point_tags(ctx: Context, req: Any) -> Mapping[str, str] | None:
    point = arrivals.point_of(req)
    return None if point is None else point.tags


def _of_point(name: str) -> Any:
    """A condition key that tells of the access point through which a request came."""
    return lambda ctx, req: getattr(arrivals.point_of(req), name, None)


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


def _arrive(ctx: Context, req: Any) -> None:
    """See `Service.resolve`."""
    arrivals.resolve(ctx, req)
    acceleration.check(ctx, req)


def _observe(ctx: Context, seen: Seen) -> None:
    """Access logs and request metrics: those who look at what was answered."""
    access_logs.observe(ctx, seen)
    metrics.observe(ctx, seen)


SERVICE = Service(
    "s3",
    modules=[
        *(buckets, objects, reading, copying, multipart, listing, versions, tagging, policies, notifications, tasks),
        *(encrypting, replication, replicas, configurations, inventory, content),
        *(locking, lifecycle, expiring, archive),
        *(ownership, acls, cross_origin, website, access_logs, payment, acceleration, metrics),
    ],
    resources=[
        Resource("bucket", _bucket_arn, owner=_owner, standing=acls.standing),
        Resource("object", _object_arn, owner=_owner, standing=acls.standing),
        Resource("accesspoint", arrivals.bucket_arn, None, _point_policy),
        Resource("accesspointobject", arrivals.object_arn, None, _point_policy),
    ],
    resolve=_arrive,
    through=arrivals.gate,
    site=website.site,
    origins=cross_origin.origins,
    observe=_observe,
    conditions={
        "s3:prefix": _member("Prefix"),
        "s3:delimiter": _member("Delimiter"),
        "s3:max-keys": _member("MaxKeys"),
        "s3:versionid": _member("VersionId"),
        "s3:x-amz-acl": _member("ACL"),
        **{f"s3:{header}": _member(member) for member, (header, _) in grants.HEADERS.items()},
        "s3:x-amz-copy-source": _member("CopySource"),
        "s3:x-amz-metadata-directive": _member("MetadataDirective"),
        "s3:x-amz-server-side-encryption": _member("ServerSideEncryption"),
        "s3:x-amz-server-side-encryption-aws-kms-key-id": _member("SSEKMSKeyId"),
        "s3:x-amz-server-side-encryption-customer-algorithm": _member("SSECustomerAlgorithm"),
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
        **locking.CONDITIONS,
        "s3:dataaccesspointarn": _of_point("arn"),
        "s3:dataaccesspointaccount": _of_point("account"),
        "s3:accesspointnetworkorigin": _of_point("network_origin"),
        "s3:accesspointtag/": _point_tags,
    },
)
payment.tell(SERVICE.operations)
