"""Access control lists of buckets and objects: put, read, and what they come to when the door asks.

The door takes a list as a part of the resource's policy (`standing`). The owner of an object that another account wrote is that
account: then the bucket's policy can deny, but only the object's list and its owner's own policies allow.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import checksums, grants, notifications, policies, refusals, replication, rules
from fogbank.services.s3.grants import Acl
from fogbank.services.s3.ownership import ENFORCED, check_public, owner_of
from fogbank.services.s3.state import BUCKETS, OBJECTS, Bucket, Object, bucket_at, get_version, object_arn, object_at
from fogbank.store.tables import change

_ARN = "arn:aws:s3:::"


@operation("GetBucketAcl")
def get_bucket_acl(ctx: Context, req: Any) -> Answer:
    """The bucket's owner and list; the owner's full control alone while lists are disabled."""
    bucket = bucket_at(ctx, req)
    return grants.answer(bucket.account, None if bucket.ownership == ENFORCED else bucket.acl)


@operation("PutBucketAcl")
def put_bucket_acl(ctx: Context, req: Any) -> Answer:
    """Replaces the bucket's list, said canned, by headers or as a document; at most 100 grants.

    Errors: AccessControlListNotSupported while lists are disabled (but the owner's full control, which is so anyway);
    AccessDenied (BlockPublicAcls, another Owner); MalformedACLError, InvalidArgument, InvalidRequest, UnexpectedContent.
    """
    bucket = bucket_at(ctx, req)
    acl = _said(ctx, req, bucket.account, bucket.account)
    if bucket.ownership == ENFORCED:
        if acl != grants.private(bucket.account) or req.ACL is not None:
            raise refusals.no_acl()
        return None
    check_public(ctx, bucket, acl, "s3:PutBucketAcl", bucket.arn)
    BUCKETS.put(ctx, change(bucket, acl=None if acl == grants.private(bucket.account) else acl))
    return None


@operation("GetObjectAcl", authorized_here=True)
def get_object_acl(ctx: Context, req: Any) -> Answer:
    """The owner and the list of an object, or of one version. Errors: NoSuchKey, NoSuchVersion."""
    ctx.authorize("s3:GetObjectAcl" if req.VersionId is None else "s3:GetObjectVersionAcl", object_arn(req.Bucket, req.Key))
    bucket = bucket_at(ctx, req)
    found = object_at(ctx, bucket, req.Key, req.VersionId)
    return grants.answer(owner_of(bucket, found), None if bucket.ownership == ENFORCED else found.acl)


@operation("PutObjectAcl", authorized_here=True)
def put_object_acl(ctx: Context, req: Any) -> Answer:
    """Replaces the list of an object, or of one version; its owner stays. Errors: as PutBucketAcl's; NoSuchKey, NoSuchVersion."""
    ctx.authorize("s3:PutObjectAcl" if req.VersionId is None else "s3:PutObjectVersionAcl", object_arn(req.Bucket, req.Key))
    bucket = bucket_at(ctx, req)
    found = object_at(ctx, bucket, req.Key, req.VersionId)
    owner = owner_of(bucket, found)
    acl = _said(ctx, req, owner, bucket.account)
    if bucket.ownership == ENFORCED:
        if acl != grants.private(owner):
            raise refusals.no_acl()
        return None
    check_public(ctx, bucket, acl, "s3:PutObjectAcl", object_arn(bucket.name, found.key))
    new = None if acl == grants.private(owner) else acl
    if new != found.acl:
        replication.rewrite(ctx, bucket, change(found, acl=new))
        if bucket.notifications:
            notifications.tell(ctx, bucket, "ObjectAcl:Put", found, ctx.tx.unique())
    return None


def _said(ctx: Context, req: Any, owner: str, bucket_owner: str) -> Acl:
    """The list that PutBucketAcl and PutObjectAcl say, in one of three ways."""
    checksums.check_document(ctx, required=False)
    acl = grants.asked(req, owner, bucket_owner)
    policy = req.AccessControlPolicy
    if acl is not None:
        if policy is not None:
            raise ServiceException("UnexpectedContent", "This request does not support content", status=400)
        return acl
    if policy is None:
        message = "Your request was missing a required header"
        raise ServiceException("MissingSecurityHeader", message, status=400, MissingHeaderName="x-amz-acl")
    if policy.Owner is None or not policy.Owner.ID:
        raise grants.malformed()
    if grants.id_of(owner) != policy.Owner.ID:
        raise refusals.access_denied()
    return grants.listed(policy.Grants)


# what the door asks

_WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
_OF_OBJECT_OWNER = frozenset(
    {
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectAttributes",
        "s3:GetObjectVersionAttributes",
        "s3:GetObjectAcl",
        "s3:GetObjectVersionAcl",
        "s3:PutObjectAcl",
        "s3:PutObjectVersionAcl",
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging",
        "s3:PutObjectTagging",
        "s3:PutObjectVersionTagging",
        "s3:DeleteObjectTagging",
        "s3:DeleteObjectVersionTagging",
    }
)
"""What the owner of an object decides; all else the owner of its bucket does."""
Standing = tuple[str | None, str]


def standing(ctx: Context, req: Any, action: str, arn: str) -> Standing:
    """The policy that the door evaluates for a bucket or an object, and the account that owns it.

    Errors: NoSuchBucket, which S3 tells everybody: it looks before it asks whether they may.
    """
    name, slash, key = arn[len(_ARN) :].partition("/")
    bucket = None if ctx.operation == "CreateBucket" else BUCKETS.get(ctx, name)
    if bucket is None:
        if ctx.operation == "CreateBucket":
            return None, ctx.account
        raise refusals.no_such_bucket(name)
    if "logging" in bucket.settings or "metrics" in bucket.settings:
        ctx.watch()
    policy = policies.policy_for(ctx, bucket)
    if action == "s3:PutObjectAcl" and ctx.operation in _WRITES:
        return policy, ctx.account  # of what the caller is about to write
    if bucket.ownership == ENFORCED:
        return policy, bucket.account
    if slash:
        return _of_object(ctx, req, action, bucket, key, policy)
    return grants.joined(policy, _counting(ctx, bucket, bucket.acl), "bucket", denials_only=False), bucket.account


def _of_object(ctx: Context, req: Any, action: str, bucket: Bucket, key: str, policy: str | None) -> Standing:
    found = _version(ctx, req, bucket, key)
    of_bucket = _counting(ctx, bucket, bucket.acl)
    if found is None:
        return grants.joined(policy, of_bucket, "no object", denials_only=False), bucket.account
    owner = owner_of(bucket, found)
    if action not in _OF_OBJECT_OWNER:
        own = grants.of_owner(of_bucket, grants.id_of(owner)) if of_bucket is not None else None
        return grants.joined(policy, own, "own object", denials_only=False), bucket.account
    others = owner != bucket.account
    return grants.joined(policy, _counting(ctx, bucket, found.acl), "object", denials_only=others), owner


def _counting(ctx: Context, bucket: Bucket, acl: Acl | None) -> Acl | None:
    """What counts of a list: nothing public where IgnorePublicAcls says so."""
    if grants.is_public(acl) and policies.blocked(ctx, bucket).ignore_public_acls:
        return grants.without_public(acl)
    return acl


def _version(ctx: Context, req: Any, bucket: Bucket, key: str) -> Object | None:
    """The object that is asked about: the request's own, or the source of its copy."""
    version_id = getattr(req, "VersionId", None)
    if (copied := getattr(req, "CopySource", None)) is not None:
        source = rules.copy_source(copied)
        version_id = source.version_id if (source.bucket, source.key) == (bucket.name, key) else None
    return OBJECTS.get(ctx, bucket.name, key) if version_id is None else get_version(ctx, bucket, key, version_id)
