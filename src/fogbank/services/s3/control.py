"""What S3 Control does: the account's public access block, access points, tags.

Over the state of S3, as both speak of the same buckets. Not implemented, and so answered by the door: batch operations (jobs),
multi-region access points, Object Lambda, access grants, Storage Lens, and buckets on Outposts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource, Service
from fogbank.services.s3 import access_points, account_blocks, arrivals, control_tags, policies
from fogbank.services.s3.state import BUCKETS, Bucket


def _point_arn(ctx: Context, req: Any) -> str | None:
    named = getattr(req, "ResourceArn", None)
    if named is not None:
        return named if ":accesspoint/" in named else None
    name = getattr(req, "Name", None)
    return None if name is None else f"arn:aws:s3:{ctx.region}:{req.AccountId}:accesspoint/{name}"


def _point_tags(ctx: Context, arn: str) -> Mapping[str, str] | None:
    point = arrivals.at_arn(ctx, arn)
    return None if point is None else point.tags


def _bucket_arn(ctx: Context, req: Any) -> str | None:
    named = getattr(req, "ResourceArn", None)
    return named if named is not None and named.startswith("arn:aws:s3:::") else None


def _bucket(ctx: Context, arn: str) -> Bucket | None:
    return BUCKETS.get(ctx, arn.rpartition(":")[2])


def _bucket_owner(ctx: Context, arn: str) -> str | None:
    bucket = _bucket(ctx, arn)
    return None if bucket is None else bucket.account


def _bucket_policy(ctx: Context, arn: str) -> str | None:
    bucket = _bucket(ctx, arn)
    return None if bucket is None else policies.policy_for(ctx, bucket)


CONTROL = Service(
    "s3control",
    modules=[access_points, account_blocks, control_tags],
    resources=[
        Resource("accesspoint", _point_arn, _point_tags),
        Resource("bucket", _bucket_arn, None, _bucket_policy, _bucket_owner),
    ],
    conditions={
        "s3:dataaccesspointarn": _point_arn,
        "s3:dataaccesspointaccount": lambda ctx, req: getattr(req, "AccountId", None),
        "s3:accesspointnetworkorigin": lambda ctx, req: "VPC" if getattr(req, "VpcConfiguration", None) is not None else "Internet",
    },
)
