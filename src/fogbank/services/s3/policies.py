"""Bucket policies and Block Public Access."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from fogbank.access import grammar, public
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3.state import ACCOUNT_BLOCKS, BUCKETS, Bucket, PublicAccessBlock, bucket_at
from fogbank.store.tables import change

POLICY_BYTES = 20 * 1024
_NO_JSON = "Policies must be valid JSON and the first byte must be '{'"
_OF_POLICIES = ("PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy")
_FIXED_KEYS = frozenset({"s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:dataaccesspointarn", "s3:dataaccesspointaccount"})
Statement = dict[str, Any]


def own_bucket_at(ctx: Context, req: Any) -> Bucket:
    """The bucket that a request names. Errors: MethodNotAllowed where it is another account's: policies are its owner's business."""
    bucket = bucket_at(ctx, req)
    if bucket.account != ctx.account:
        message = "The specified method is not allowed against this resource."
        raise ServiceException("MethodNotAllowed", message, status=405, Method=ctx.operation, ResourceType="BUCKETPOLICY")
    return bucket


@operation("PutBucketPolicy")
def put_bucket_policy(ctx: Context, req: Any) -> Answer:
    """Replaces a bucket's policy; at most 20 KB. It may speak of this bucket and its objects only.

    Errors: MalformedPolicy; AccessDenied for a public policy while Block Public Access refuses those.
    Source: PutBucketPolicy in the Amazon S3 API Reference.
    """
    bucket = own_bucket_at(ctx, req)
    document = req.Policy if isinstance(req.Policy, str) else req.Policy.decode()
    public = is_public(read(document, bucket))
    if public and blocked(ctx, bucket).block_public_policy:
        raise public_policy_refused(ctx, "s3:PutBucketPolicy", bucket.arn)
    BUCKETS.put(ctx, change(bucket, policy=document, policy_is_public=public))
    return None


@operation("GetBucketPolicy")
def get_bucket_policy(ctx: Context, req: Any) -> Answer:
    """The policy as it was put. Errors: NoSuchBucketPolicy."""
    return {"Policy": _policy_of(own_bucket_at(ctx, req))}


@operation("DeleteBucketPolicy")
def delete_bucket_policy(ctx: Context, req: Any) -> Answer:
    """Takes a bucket's policy away; also where there is none."""
    bucket = own_bucket_at(ctx, req)
    BUCKETS.put(ctx, change(bucket, policy=None, policy_is_public=False))
    return None


@operation("GetBucketPolicyStatus")
def get_bucket_policy_status(ctx: Context, req: Any) -> Answer:
    """Whether the policy is public. Errors: NoSuchBucketPolicy."""
    bucket = bucket_at(ctx, req)
    _policy_of(bucket)
    return {"PolicyStatus": {"IsPublic": bucket.policy_is_public}}


def _policy_of(bucket: Bucket) -> str:
    if bucket.policy is None:
        raise ServiceException("NoSuchBucketPolicy", "The bucket policy does not exist", status=404, BucketName=bucket.name)
    return bucket.policy


@operation("PutPublicAccessBlock")
def put_public_access_block(ctx: Context, req: Any) -> Answer:
    """Sets the four settings; one that is not given is off."""
    bucket = bucket_at(ctx, req)
    BUCKETS.put(ctx, change(bucket, public_access_block=block_of(req.PublicAccessBlockConfiguration)))
    return None


@operation("GetPublicAccessBlock")
def get_public_access_block(ctx: Context, req: Any) -> Answer:
    """The four settings; all on in a new bucket. Errors: NoSuchPublicAccessBlockConfiguration once they are deleted."""
    bucket = bucket_at(ctx, req)
    block = bucket.public_access_block
    if block is None:
        message = "The public access block configuration was not found"
        raise ServiceException("NoSuchPublicAccessBlockConfiguration", message, status=404, BucketName=bucket.name)
    return {"PublicAccessBlockConfiguration": described_block(block)}


@operation("DeletePublicAccessBlock")
def delete_public_access_block(ctx: Context, req: Any) -> Answer:
    """Turns all four settings off."""
    BUCKETS.put(ctx, change(bucket_at(ctx, req), public_access_block=None))
    return None


def block_of(wanted: Any) -> PublicAccessBlock:
    """A request's four settings; one that is not given is off."""
    return PublicAccessBlock(
        bool(wanted.BlockPublicAcls), bool(wanted.IgnorePublicAcls), bool(wanted.BlockPublicPolicy), bool(wanted.RestrictPublicBuckets)
    )


def described_block(block: PublicAccessBlock) -> dict[str, bool]:
    return {
        "BlockPublicAcls": block.block_public_acls,
        "IgnorePublicAcls": block.ignore_public_acls,
        "BlockPublicPolicy": block.block_public_policy,
        "RestrictPublicBuckets": block.restrict_public_buckets,
    }


_NO_BLOCK = PublicAccessBlock(False, False, False, False)


def blocked(ctx: Context, bucket: Bucket) -> PublicAccessBlock:
    """What is blocked for a bucket: by its own settings, or by its account's."""
    kept = ACCOUNT_BLOCKS.get(ctx, bucket.account)
    return joined(bucket.public_access_block or _NO_BLOCK, _NO_BLOCK if kept is None else kept.block)


def joined(*blocks: PublicAccessBlock) -> PublicAccessBlock:
    """What any of them blocks."""
    return PublicAccessBlock(*[any(settings) for settings in zip(*map(msgspec.structs.astuple, blocks), strict=True)])


def public_policy_refused(ctx: Context, action: str, arn: str) -> ServiceException:
    return ServiceException(
        "AccessDenied",
        f'User: {ctx.principal.arn} is not authorized to perform: {action} on resource: "{arn}" because public '
        "policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
        status=403,
    )


@lru_cache(256)
def for_outsiders(document: str) -> str | None:
    """What RestrictPublicBuckets leaves of a public policy for callers of other accounts: denials, and what it allows AWS's services."""
    read_ = msgspec.json.decode(document)
    left = [statement for statement in _listed(read_["Statement"]) if _is_for_insiders(statement)]
    return msgspec.json.encode({**read_, "Statement": left}).decode() if left else None


def _is_for_insiders(statement: Statement) -> bool:
    principal = statement.get("Principal")
    return statement["Effect"] == "Deny" or (isinstance(principal, dict) and set(principal) == {"Service"})


def policy_for(ctx: Context, bucket: Bucket) -> str | None:
    """The policy that the door evaluates for this caller. It cannot lock the owner's root out of itself."""
    if ctx.principal.kind == "root" and ctx.account == bucket.account and ctx.operation in _OF_POLICIES:
        return None
    if bucket.account == ctx.account or bucket.policy is None or not bucket.policy_is_public:
        return bucket.policy
    return for_outsiders(bucket.policy) if blocked(ctx, bucket).restrict_public_buckets else bucket.policy


def read(document: str, bucket: Bucket) -> list[Statement]:
    """A bucket policy's statements, checked. Errors: MalformedPolicy."""
    found = statements(document)
    for statement in found:
        _check(statement, bucket)
    return found


def statements(document: str) -> list[Statement]:
    """A resource policy's statements, its syntax checked. Errors: MalformedPolicy."""
    if len(document.encode()) > POLICY_BYTES:
        raise malformed("Your policy exceeds the maximum allowed document size")
    if not document.lstrip().startswith("{"):
        raise malformed(_NO_JSON)
    try:
        found: list[Statement] = grammar.read(document, "resource")["Statement"]
    except ServiceException as refused:
        raise malformed(refused.message if _is_json(document) else _NO_JSON) from None
    return found


def _is_json(document: str) -> bool:
    try:
        msgspec.json.decode(document)
    except msgspec.DecodeError:
        return False
    return True


def malformed(message: str) -> ServiceException:
    return ServiceException("MalformedPolicy", message, status=400)


def _check(statement: Statement, bucket: Bucket) -> None:
    """What S3 asks of a statement beyond the grammar."""
    resources = statement.get("Resource") or statement.get("NotResource")
    if not resources:
        raise malformed("Missing required field Resource")
    for name in resources:
        _, _, path = name.partition(":::")
        if not name.startswith("arn:aws:s3:::") or (path != bucket.name and not path.startswith(f"{bucket.name}/")):
            raise malformed("Policy has invalid resource")
    actions = [name.lower() for name in statement.get("Action") or statement.get("NotAction") or ()]
    if any(name != "*" and not name.startswith("s3:") for name in actions):
        raise malformed("Policy has invalid action")
    if "NotAction" not in statement and not any(_fits(name, resources, bucket) for name in actions):
        raise malformed("Action does not apply to any resource(s) in statement")


_BUCKET_ACTIONS = ("s3:listbucket", "s3:getbucket", "s3:putbucket", "s3:deletebucket", "s3:createbucket")
_OBJECT_ACTIONS = ("s3:getobject", "s3:putobject", "s3:deleteobject", "s3:abortmultipart", "s3:listmultipartuploadparts")


def _fits(action: str, resources: list[str], bucket: Bucket) -> bool:
    """Whether an action is about one of the resources: most are about the bucket or about objects, not both."""
    if action.startswith(_BUCKET_ACTIONS):
        return any("/" not in name for name in resources)
    if action.startswith(_OBJECT_ACTIONS):
        return any("/" in name or name.endswith("*") for name in resources)
    return True


def is_public(statements: list[Statement]) -> bool:
    """Whether a policy grants anything to an open set of callers."""
    return public.is_public(statements, _FIXED_KEYS)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
