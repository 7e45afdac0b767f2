"""Buckets, their policies and access points as CloudFormation has them. How properties are spelt stands in `bucket_properties`.

Not among a bucket's properties here, and so refused by name: AnalyticsConfigurations, MetricsConfigurations and metadata tables,
which S3 does not have here either; BucketNamePrefix and BucketNamespace; AbacStatus.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    document,
    each,
    every,
    exists,
    found,
    given,
    not_updatable,
    pairs,
    parsed,
    tags,
    unpaired,
)
from fogbank.services.s3 import bucket_properties as spell
from fogbank.services.s3.bucket_properties import Spelling

BUCKET, BUCKET_POLICY, ACCESS_POINT = "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::S3::AccessPoint"
ABSENT = ("Absent", "NoSuchBucket", "NoSuchAccessPoint", "404")
PRESENT = ("Present", "BucketAlreadyExists", "BucketAlreadyOwnedByYou", "AccessPointAlreadyOwnedByYou")
HOME = "us-east-1"
_SIZE = "TransitionDefaultMinimumObjectSize"


def _call(ctx: Context, operation: str, bucket: str, **members: Any) -> Any:
    return ctx.call("s3", operation, {"Bucket": bucket, **given(**members)}) or {}


# What a bucket has


def _setting(
    name: str, noun: str, spelling: Spelling, member: str, *, answer: str = "", missing: str = "", delete: str = "", without: Any = None
) -> Part:
    """A property with operations of its own (`Put`, `Get` and `Delete` before `noun`).

    `member` is what Put takes; Get answers it under `answer` ("": the same name; ".": the answer is it), and refuses with `missing`
    where there is none. Without a Delete, `without` is what Put takes then. `delete` names a Delete of another noun.
    """

    def put(ctx: Context, bucket: str, before: Properties, after: Properties) -> None:
        if name in after:
            _call(ctx, f"Put{noun}", bucket, **{member: spelling.there(after[name])})
        elif without is not None:
            _call(ctx, f"Put{noun}", bucket, **{member: without})
        else:
            _call(ctx, f"Delete{delete or noun}", bucket)

    def get(ctx: Context, bucket: str) -> Properties:
        kept = found(lambda: _call(ctx, f"Get{noun}", bucket), missing)
        value = kept if kept is None or answer == "." else kept.get(answer or member)
        return {name: spelling.back(value) or None if value else None}

    return Part((name,), put, get)


def _configurations(noun: str, spelling: Spelling) -> Part:
    """A list of configurations of one kind."""
    member = f"{noun}Configuration"

    def listed(ctx: Context, bucket: str) -> list[Any]:
        token = "ContinuationToken=NextContinuationToken"
        return [spelling.back(one) for one in every(ctx, "s3", f"ListBucket{member}s", {"Bucket": bucket}, f"{member}List", token)]

    return each(
        f"{member}s",
        add=lambda ctx, bucket, one: _call(ctx, f"PutBucket{member}", bucket, Id=one["Id"], **{member: spelling.there(one)}),
        remove=lambda ctx, bucket, one: _call(ctx, f"DeleteBucket{member}", bucket, Id=one["Id"]),
        read=listed,
        key=lambda one: one["Id"],
    )


def _put_lifecycle(ctx: Context, bucket: str, before: Properties, after: Properties) -> None:
    wanted = after.get("LifecycleConfiguration")
    if wanted is None:
        _call(ctx, "DeleteBucketLifecycle", bucket)
        return
    rules, size = spell.LIFECYCLE.there(wanted), wanted.get(_SIZE)
    _call(ctx, "PutBucketLifecycleConfiguration", bucket, LifecycleConfiguration=rules, **{_SIZE: size})


def _get_lifecycle(ctx: Context, bucket: str) -> Properties:
    kept = found(lambda: _call(ctx, "GetBucketLifecycleConfiguration", bucket), "NoSuchLifecycleConfiguration")
    return {"LifecycleConfiguration": kept and {**spell.LIFECYCLE.back(kept), **given(**{_SIZE: kept.get(_SIZE)})}}


def _put_logging(ctx: Context, bucket: str, before: Properties, after: Properties) -> None:
    """Logs go to the bucket itself where no other is named."""
    wanted = after.get("LoggingConfiguration")
    enabled = wanted and {"TargetBucket": bucket, "TargetPrefix": "", **spell.LOGGING.there(wanted)}
    _call(ctx, "PutBucketLogging", bucket, BucketLoggingStatus={"LoggingEnabled": enabled} if enabled else {})


def _get_logging(ctx: Context, bucket: str) -> Properties:
    enabled = _call(ctx, "GetBucketLogging", bucket).get("LoggingEnabled")
    return {"LoggingConfiguration": enabled and spell.LOGGING.back(enabled)}


def _put_acl(ctx: Context, bucket: str, before: Properties, after: Properties) -> None:
    _call(ctx, "PutBucketAcl", bucket, ACL=spell.canned(after.get("AccessControl", "Private")))


def _put_lock(ctx: Context, bucket: str, before: Properties, after: Properties) -> None:
    """Object Lock, which stays once it is on; the default retention may change and go."""
    lock = after.get("ObjectLockConfiguration") or {}
    if before.get("ObjectLockEnabled") and not after.get("ObjectLockEnabled"):
        raise ServiceException("NotUpdatable", "Object Lock cannot be disabled once it has been enabled")
    if lock and not after.get("ObjectLockEnabled"):
        raise ServiceException("InvalidRequest", "ObjectLockEnabled must be true where there is an ObjectLockConfiguration")
    _call(ctx, "PutObjectLockConfiguration", bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", **lock})


def _get_lock(ctx: Context, bucket: str) -> Properties:
    answer = found(lambda: _call(ctx, "GetObjectLockConfiguration", bucket), "ObjectLockConfigurationNotFoundError")
    if answer is None:
        return {}
    return {"ObjectLockEnabled": True, "ObjectLockConfiguration": spell.SAME.back(answer["ObjectLockConfiguration"])}


def _put_tags(ctx: Context, bucket: str, before: Properties, after: Properties) -> None:
    labels = after.get("Tags")
    if labels:
        _call(ctx, "PutBucketTagging", bucket, Tagging={"TagSet": labels})
    else:
        _call(ctx, "DeleteBucketTagging", bucket)


def _get_tags(ctx: Context, bucket: str) -> Properties:
    answer = found(lambda: _call(ctx, "GetBucketTagging", bucket), "NoSuchTagSet")
    return {"Tags": answer and (answer["TagSet"] or None)}


def _create(ctx: Context, properties: Properties) -> str:
    name = properties["BucketName"]
    if found(lambda: _call(ctx, "HeadBucket", name) or True, "NoSuchBucket", "404", "NotFound", "403", "Forbidden", "AccessDenied"):
        raise exists(BUCKET, name)
    place = None if ctx.region == HOME else ctx.region
    owners = [rule["ObjectOwnership"] for rule in properties.get("OwnershipControls", {}).get("Rules", ()) if "ObjectOwnership" in rule]
    _call(
        ctx,
        "CreateBucket",
        name,
        CreateBucketConfiguration=given(LocationConstraint=place, Tags=properties.get("Tags") or None) or None,
        ObjectLockEnabledForBucket=properties.get("ObjectLockEnabled"),
        ObjectOwnership=owners[0] if owners else None,
    )
    return str(name)


def _read(ctx: Context, name: str) -> Properties:
    region = _call(ctx, "GetBucketLocation", name).get("LocationConstraint") or HOME
    region = "eu-west-1" if region == "EU" else region
    scheme, _, host = ctx.endpoint.partition("://")
    return {
        "Arn": f"arn:{ctx.partition}:s3:::{name}",
        "BucketName": name,
        "DomainName": f"{name}.s3.amazonaws.com",
        "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "WebsiteURL": f"{scheme}://{name}.s3-website-{region}.{host}",
    }


def _buckets(ctx: Context) -> list[str]:
    found = every(ctx, "s3", "ListBuckets", {"BucketRegion": ctx.region}, "Buckets", "ContinuationToken")
    return [bucket["Name"] for bucket in found]


_BUCKET = ResourceType(
    BUCKET,
    create=_create,
    made_with=("BucketName", "ObjectLockEnabled", "OwnershipControls", "Tags"),
    read=_read,
    delete=lambda ctx, name, properties: _call(ctx, "DeleteBucket", name),
    list=_buckets,
    parts=(
        _setting("OwnershipControls", "BucketOwnershipControls", spell.SAME, "OwnershipControls", missing="OwnershipControlsNotFoundError"),
        _setting(
            "PublicAccessBlockConfiguration",
            "PublicAccessBlock",
            spell.SAME,
            "PublicAccessBlockConfiguration",
            missing="NoSuchPublicAccessBlockConfiguration",
        ),
        Part(("AccessControl",), _put_acl),
        _setting(
            "VersioningConfiguration",
            "BucketVersioning",
            spell.SAME,
            "VersioningConfiguration",
            answer=".",
            without={"Status": "Suspended"},
        ),
        Part(("ObjectLockConfiguration", "ObjectLockEnabled"), _put_lock, _get_lock),
        _setting(
            "BucketEncryption",
            "BucketEncryption",
            spell.ENCRYPTION,
            "ServerSideEncryptionConfiguration",
            missing="ServerSideEncryptionConfigurationNotFoundError",
        ),
        _setting("CorsConfiguration", "BucketCors", spell.CORS, "CORSConfiguration", answer=".", missing="NoSuchCORSConfiguration"),
        _setting(
            "WebsiteConfiguration", "BucketWebsite", spell.WEBSITE, "WebsiteConfiguration", answer=".", missing="NoSuchWebsiteConfiguration"
        ),
        _setting(
            "AccelerateConfiguration",
            "BucketAccelerateConfiguration",
            spell.ACCELERATION,
            "AccelerateConfiguration",
            answer=".",
            without={"Status": "Suspended"},
        ),
        Part(("LoggingConfiguration",), _put_logging, _get_logging),
        _setting(
            "NotificationConfiguration",
            "BucketNotificationConfiguration",
            spell.NOTIFICATIONS,
            "NotificationConfiguration",
            answer=".",
            without={},
        ),
        Part(("LifecycleConfiguration",), _put_lifecycle, _get_lifecycle),
        _setting(
            "ReplicationConfiguration",
            "BucketReplication",
            spell.REPLICATION,
            "ReplicationConfiguration",
            missing="ReplicationConfigurationNotFoundError",
        ),
        _configurations("Inventory", spell.INVENTORY),
        _configurations("IntelligentTiering", spell.TIERING),
        Part(("Tags",), _put_tags, _get_tags),
    ),
    naming=Naming("BucketName", 63, lower=True),
    absent=ABSENT,
    present=PRESENT,
)


# Bucket policies


def _put_policy(ctx: Context, bucket: str, before: Properties, after: Properties) -> None:
    _call(ctx, "PutBucketPolicy", bucket, Policy=document(after["PolicyDocument"]))


def _read_policy(ctx: Context, bucket: str) -> Properties:
    return {"Bucket": bucket, "PolicyDocument": parsed(_call(ctx, "GetBucketPolicy", bucket)["Policy"])}


def _create_policy(ctx: Context, properties: Properties) -> str:
    bucket: str = properties["Bucket"]
    if found(lambda: _read_policy(ctx, bucket), "NoSuchBucketPolicy"):
        raise exists(BUCKET_POLICY, bucket)
    _put_policy(ctx, bucket, {}, properties)
    return bucket


def _delete_policy(ctx: Context, bucket: str, properties: Properties) -> None:
    _read_policy(ctx, bucket)
    _call(ctx, "DeleteBucketPolicy", bucket)


def _with_policies(ctx: Context) -> list[str]:
    return [bucket for bucket in _buckets(ctx) if found(partial(_read_policy, ctx, bucket), "NoSuchBucketPolicy")]


_BUCKET_POLICY = ResourceType(
    BUCKET_POLICY,
    create=_create_policy,
    made_with=("Bucket", "PolicyDocument"),
    read=_read_policy,
    delete=_delete_policy,
    list=_with_policies,
    parts=(Part(("PolicyDocument",), _put_policy),),
    absent=("NoSuchBucketPolicy", *ABSENT),
    present=PRESENT,
)


# Access points


def _point(ctx: Context, operation: str, name: str, **members: Any) -> Any:
    return ctx.call("s3control", operation, {"AccountId": ctx.account, "Name": name, **given(**members)}) or {}


def _create_point(ctx: Context, properties: Properties) -> str:
    same = {
        name: properties.get(name) for name in ("Bucket", "BucketAccountId", "PublicAccessBlockConfiguration", "Tags", "VpcConfiguration")
    }
    _point(ctx, "CreateAccessPoint", properties["Name"], **same)
    return str(properties["Name"])


def _read_point(ctx: Context, name: str) -> Properties:
    answer = _point(ctx, "GetAccessPoint", name)
    same = ("Alias", "Bucket", "BucketAccountId", "Name", "NetworkOrigin", "PublicAccessBlockConfiguration", "VpcConfiguration")
    policy = found(lambda: _point(ctx, "GetAccessPointPolicy", name), "NoSuchAccessPointPolicy")
    return {
        **{key: answer.get(key) for key in same},
        "Arn": answer["AccessPointArn"],
        "Policy": policy and parsed(policy["Policy"]),
    }


def _put_point_policy(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    if "Policy" in after:
        _point(ctx, "PutAccessPointPolicy", name, Policy=document(after["Policy"]))
    else:
        _point(ctx, "DeleteAccessPointPolicy", name)


def _labels(ctx: Context, operation: str, name: str, **members: Any) -> Any:
    arn = ctx.arn(f"accesspoint/{name}", service="s3")
    return ctx.call("s3control", operation, {"AccountId": ctx.account, "ResourceArn": arn, **members}) or {}


_ACCESS_POINT = ResourceType(
    ACCESS_POINT,
    create=_create_point,
    made_with=("Bucket", "BucketAccountId", "Name", "PublicAccessBlockConfiguration", "Tags", "VpcConfiguration"),
    read=_read_point,
    delete=lambda ctx, name, properties: _point(ctx, "DeleteAccessPoint", name),
    list=lambda ctx: [
        point["Name"] for point in every(ctx, "s3control", "ListAccessPoints", {"AccountId": ctx.account}, "AccessPointList")
    ],
    parts=(
        not_updatable(ACCESS_POINT, "PublicAccessBlockConfiguration"),
        Part(("Policy",), _put_point_policy),
        tags(
            read=lambda ctx, name: pairs(_labels(ctx, "ListTagsForResource", name).get("Tags")),
            add=lambda ctx, name, added: _labels(ctx, "TagResource", name, Tags=unpaired(added)),
            remove=lambda ctx, name, keys: _labels(ctx, "UntagResource", name, TagKeys=keys),
        ),
    ),
    naming=Naming("Name", 50, lower=True),
    absent=ABSENT,
    present=PRESENT,
)

TYPES = (_BUCKET, _BUCKET_POLICY, _ACCESS_POINT)
