"""Access points: further names of a bucket, each with a policy and a public access block of its own (S3 Control).

`arrivals` is how S3's own operations are called through them.
Source: "Managing access to shared datasets with access points" in the Amazon S3 User Guide.
"""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import policies, refusals, rules
from fogbank.services.s3.state import (
    ACCESS_POINTS,
    ACCESS_POINTS_BY_BUCKET,
    ACCOUNT_BLOCKS,
    BUCKETS,
    AccessPoint,
    PublicAccessBlock,
)
from fogbank.store.tables import change

_name = re.compile(r"[a-z0-9][a-z0-9-]{1,48}[a-z0-9]").fullmatch
_ALIAS_SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789"


def check_account(ctx: Context, account: str) -> None:
    """Errors: AccessDenied where an account other than the caller's is named."""
    if account != ctx.account:
        raise refusals.access_denied()


def point_at(ctx: Context, req: Any) -> AccessPoint:
    """The access point that a request names. Errors: AccessDenied, NoSuchAccessPoint."""
    check_account(ctx, req.AccountId)
    point = ACCESS_POINTS.get(ctx, req.AccountId, ctx.region, req.Name)
    if point is None:
        raise no_such_access_point(req.Name)
    return point


def no_such_access_point(name: str) -> ServiceException:
    return ServiceException("NoSuchAccessPoint", "The specified accesspoint does not exist", status=404, AccessPointName=name)


@operation("CreateAccessPoint")
def create_access_point(ctx: Context, req: Any) -> Answer:
    """Gives a bucket of this region a further name, 3 to 50 characters long, unique in the account and region.

    All four public access settings are on unless the request says otherwise; they cannot be changed later. One with a
    VpcConfiguration lets nobody in from outside that network. Limits: 50 tags.
    Errors: InvalidRequest, NoSuchBucket, AccessDenied (another account's bucket without BucketAccountId),
    AccessPointAlreadyOwnedByYou; NotImplemented for Scope, which directory buckets have.
    """
    check_account(ctx, req.AccountId)
    if req.Scope is not None:
        raise NotImplementedOperation("s3control", "CreateAccessPoint", "with Scope")
    if not _name(req.Name) or req.Name.endswith("-s3alias"):
        raise refusals.invalid_request("Your Amazon S3 AccessPoint name is invalid")
    bucket = BUCKETS.get(ctx, req.Bucket)
    if bucket is None:
        raise refusals.no_such_bucket(req.Bucket)
    if bucket.account != (req.BucketAccountId or ctx.account):
        raise refusals.access_denied()
    if bucket.region != ctx.region:
        raise refusals.invalid_request("The bucket and the access point must be in the same region")
    if ACCESS_POINTS.get(ctx, ctx.account, ctx.region, req.Name) is not None:
        message = "Your previous request to create the named accesspoint succeeded and you already own it."
        raise ServiceException("AccessPointAlreadyOwnedByYou", message, status=409, AccessPointName=req.Name)
    block = req.PublicAccessBlockConfiguration
    point = AccessPoint(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        alias=f"{req.Name[:20]}-{ctx.random.text(34, _ALIAS_SIGNS)}-s3alias",
        bucket=bucket.name,
        created_at_ms=ctx.now,
        vpc_id=(req.VpcConfiguration.VpcId if req.VpcConfiguration is not None else None) or "",
        public_access_block=PublicAccessBlock() if block is None else policies.block_of(block),
        tags=rules.tag_set(req.Tags or (), rules.BUCKET_TAGS),
    )
    ACCESS_POINTS.put(ctx, point)
    return {"AccessPointArn": point.arn, "Alias": point.alias}


def _described(ctx: Context, point: AccessPoint) -> dict[str, Any]:
    bucket = BUCKETS.get(ctx, point.bucket)
    return {
        "Name": point.name,
        "Bucket": point.bucket,
        "NetworkOrigin": point.network_origin,
        "VpcConfiguration": {"VpcId": point.vpc_id} if point.vpc_id else None,
        "AccessPointArn": point.arn,
        "Alias": point.alias,
        "BucketAccountId": None if bucket is None else bucket.account,
    }


@operation("GetAccessPoint")
def get_access_point(ctx: Context, req: Any) -> Answer:
    """What an access point is. Errors: NoSuchAccessPoint."""
    point = point_at(ctx, req)
    return {
        **_described(ctx, point),
        "PublicAccessBlockConfiguration": policies.described_block(point.public_access_block),
        "CreationDate": point.created_at_ms,
    }


@operation("ListAccessPoints")
def list_access_points(ctx: Context, req: Any) -> Answer:
    """The account's access points in this region, all or a bucket's, by name; pages of MaxResults (0 to 1,000)."""
    check_account(ctx, req.AccountId)
    if req.DataSourceId is not None or req.DataSourceType not in (None, "S3_BUCKET", "ALL"):
        raise NotImplementedOperation("s3control", "ListAccessPoints", "with data sources other than buckets")
    after = paging.place(req.NextToken, lambda: refusals.invalid_request("The NextToken is not valid"))
    if req.Bucket is None:
        found = ACCESS_POINTS.scan(ctx, ctx.account, ctx.region, after=after)
    else:
        found = ACCESS_POINTS_BY_BUCKET.scan(ctx, req.Bucket, ctx.account, ctx.region, after=after)
    if not 0 <= (req.MaxResults or 0) <= 1000:
        raise refusals.invalid_request("MaxResults must be between 0 and 1000")
    shown, more = paging.page(found, 1000 if req.MaxResults is None else req.MaxResults)
    return {
        "AccessPointList": [_described(ctx, point) for point in shown],
        "NextToken": paging.token(shown[-1].name) if more and shown else None,
    }


@operation("DeleteAccessPoint")
def delete_access_point(ctx: Context, req: Any) -> Answer:
    """Takes a bucket's further name away. Errors: NoSuchAccessPoint."""
    ACCESS_POINTS.delete(ctx, point_at(ctx, req))
    return None


@operation("PutAccessPointPolicy")
def put_access_point_policy(ctx: Context, req: Any) -> Answer:
    """Replaces an access point's policy; at most 20 KB. It may speak of this access point and the objects behind it only.

    Errors: MalformedPolicy; AccessDenied for a public policy where one of the blocks refuses those.
    """
    point = point_at(ctx, req)
    statements = policies.statements(req.Policy)
    for statement in statements:
        for name in statement.get("Resource") or statement.get("NotResource") or [""]:
            if name != point.arn and not name.startswith(f"{point.arn}/object/"):
                raise policies.malformed("Policy has invalid resource")
        actions = statement.get("Action") or statement.get("NotAction") or ()
        if any(name != "*" and not name.lower().startswith("s3:") for name in actions):
            raise policies.malformed("Policy has invalid action")
    public = policies.is_public(statements)
    if public and block_of(ctx, point).block_public_policy:
        raise policies.public_policy_refused(ctx, "s3:PutAccessPointPolicy", point.arn)
    ACCESS_POINTS.put(ctx, change(point, policy=req.Policy, policy_is_public=public))
    return None


@operation("GetAccessPointPolicy")
def get_access_point_policy(ctx: Context, req: Any) -> Answer:
    """The policy as it was put. Errors: NoSuchAccessPointPolicy."""
    return {"Policy": _policy_at(ctx, req).policy}


@operation("GetAccessPointPolicyStatus")
def get_access_point_policy_status(ctx: Context, req: Any) -> Answer:
    """Whether the policy is public; one that only a virtual private cloud can reach never is. Errors: NoSuchAccessPointPolicy."""
    point = _policy_at(ctx, req)
    return {"PolicyStatus": {"IsPublic": point.policy_is_public and not point.vpc_id}}


@operation("DeleteAccessPointPolicy")
def delete_access_point_policy(ctx: Context, req: Any) -> Answer:
    """Takes an access point's policy away; also where there is none."""
    ACCESS_POINTS.put(ctx, change(point_at(ctx, req), policy=None, policy_is_public=False))
    return None


def _policy_at(ctx: Context, req: Any) -> AccessPoint:
    point = point_at(ctx, req)
    if point.policy is None:
        message = "The specified accesspoint policy does not exist"
        raise ServiceException("NoSuchAccessPointPolicy", message, status=404, AccessPointName=point.name)
    return point


def block_of(ctx: Context, point: AccessPoint) -> PublicAccessBlock:
    """What is blocked: by the access point, its account, its bucket or the bucket's account."""
    bucket, kept = BUCKETS.get(ctx, point.bucket), ACCOUNT_BLOCKS.get(ctx, point.account)
    blocks = [point.public_access_block]
    if bucket is not None:
        blocks.append(policies.blocked(ctx, bucket))
    if kept is not None:
        blocks.append(kept.block)
    return policies.joined(*blocks)


def policy_for(ctx: Context, point: AccessPoint) -> str | None:
    """The policy that the door evaluates for this caller."""
    if point.account != ctx.account and point.policy is not None and point.policy_is_public:
        return policies.for_outsiders(point.policy) if block_of(ctx, point).restrict_public_buckets else point.policy
    return point.policy
