"""Managed policies and their versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import aws_managed, ids, tagging
from fogbank.services.iam.documents import check_identity, shown
from fogbank.services.iam.listing import page, page_of, place
from fogbank.services.iam.lookups import own_policy_at, policy_at
from fogbank.services.iam.refusals import check_quota, exists, limit, not_found
from fogbank.services.iam.state import (
    ATTACHED,
    POLICIES,
    QUOTAS,
    ROLE_BY_BOUNDARY,
    USER_BY_BOUNDARY,
    ManagedPolicy,
    PolicyVersion,
)
from fogbank.store.tables import change


class Uses:
    """How often policies are attached in an account, and how often they are boundaries."""

    def __init__(self, ctx: Context, arn: str | None = None) -> None:
        """Of all policies, or of one."""
        of = (ctx.account,) if arn is None else (ctx.account, arn)
        self.attached = Counter(a.policy_arn for a in ATTACHED.scan(ctx, *of))
        self.boundaries = Counter(u.boundary for u in USER_BY_BOUNDARY.scan(ctx, *of))
        self.boundaries.update(r.boundary for r in ROLE_BY_BOUNDARY.scan(ctx, *of))


def describe(policy: ManagedPolicy, uses: Uses) -> dict[str, Any]:
    """A policy as listings show it."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default}",
        "AttachmentCount": uses.attached[policy.arn],
        "PermissionsBoundaryUsageCount": uses.boundaries[policy.arn],
        "IsAttachable": True,
        "CreateDate": policy.created_at_ms,
        "UpdateDate": policy.updated_at_ms,
    }


def describe_version(policy: ManagedPolicy, version: PolicyVersion, *, whole: bool = True) -> dict[str, Any]:
    return {
        "Document": shown(version.document) if whole else None,
        "VersionId": version.id,
        "IsDefaultVersion": version.number == policy.default,
        "CreateDate": version.created_at_ms,
    }


def version_at(policy: ManagedPolicy, id: str) -> PolicyVersion:
    version = policy.version(id)
    if version is None:
        raise not_found(f"Policy {policy.arn} version {id} does not exist or is not attachable.")
    return version


@operation("CreatePolicy")
def create_policy(ctx: Context, req: Any) -> Answer:
    """Makes a managed policy; its first version v1 is the default. 6144 characters without white space.

    Errors: EntityAlreadyExists (names are unique whatever path and case), MalformedPolicyDocument, InvalidInput, LimitExceeded (1500).
    """
    key = req.PolicyName.lower()
    if POLICIES.get(ctx, ctx.account, key) is not None:
        raise exists(f"A policy called {req.PolicyName} already exists. Duplicate names are not allowed.")
    check_identity(req.PolicyDocument, "PolicySizeQuota")
    check_quota("PoliciesQuota", sum(1 for _ in POLICIES.scan(ctx, ctx.account)))
    path = req.Path or "/"
    policy = ManagedPolicy(
        account=ctx.account,
        key=key,
        name=req.PolicyName,
        path=path,
        id=ids.unique_id(ctx.random, "ANPA"),
        arn=ctx.arn(f"policy{path}{req.PolicyName}", service="iam", region=""),
        created_at_ms=ctx.now,
        updated_at_ms=ctx.now,
        versions=[PolicyVersion(1, req.PolicyDocument, ctx.now)],
        default=1,
        newest=1,
        description=req.Description,
        tags=tagging.tagged({}, req.Tags),
    )
    POLICIES.put(ctx, policy)
    return {"Policy": describe(policy, Uses(ctx, policy.arn)) | {"Tags": pairs(policy.tags) or None}}


@operation("GetPolicy")
def get_policy(ctx: Context, req: Any) -> Answer:
    """One policy, of the account or of AWS, without its document."""
    policy = policy_at(ctx, req.PolicyArn)
    return {
        "Policy": describe(policy, Uses(ctx, policy.arn)) | {"Description": policy.description, "Tags": pairs(policy.tags)},
    }


@operation("ListPolicies")
def list_policies(ctx: Context, req: Any) -> Answer:
    """Policies of the account, then those of AWS, each in order of their names."""
    uses = Uses(ctx)
    prefix, usage = req.PathPrefix or "/", req.PolicyUsageFilter

    def shown_here(policy: ManagedPolicy) -> bool:
        attached = uses.attached[policy.arn] if usage != "PermissionsBoundary" else 0
        boundary = uses.boundaries[policy.arn] if usage != "PermissionsPolicy" else 0
        if (req.OnlyAttached or usage is not None) and not attached + boundary:
            return False
        return policy.path.startswith(prefix)

    found = (p for p in _in_scope(ctx, req.Scope or "All", place(req)) if shown_here(p))
    return page(req, "Policies", found, _place, lambda p: describe(p, uses))


def _place(policy: ManagedPolicy) -> str:
    return ("aws/" if policy.account == aws_managed.ACCOUNT else "") + policy.key


def _in_scope(ctx: Context, scope: str, start: str | None) -> Iterator[ManagedPolicy]:
    """Those after a place. A policy's name has no slash, so "aws/" leads only AWS's."""
    among_aws = start is not None and start.startswith("aws/")
    if scope != "AWS" and not among_aws:
        yield from POLICIES.scan(ctx, ctx.account, after=start)
    if scope != "Local":
        ours = sorted(aws_managed.policies(ctx.partition).values(), key=lambda p: p.key)
        yield from (p for p in ours if not among_aws or (start is not None and _place(p) > start))


@operation("DeletePolicy")
def delete_policy(ctx: Context, req: Any) -> Answer:
    """Deletes a policy that nobody uses and that has only its default version.

    Errors: NoSuchEntity, DeleteConflict, InvalidInput.
    """
    policy = own_policy_at(ctx, req.PolicyArn)
    uses = Uses(ctx, policy.arn)
    if uses.attached[policy.arn] or uses.boundaries[policy.arn]:
        raise ServiceException("DeleteConflictException", "Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise ServiceException(
            "DeleteConflictException",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy.",
        )
    POLICIES.delete(ctx, policy)
    return None


@operation("CreatePolicyVersion")
def create_policy_version(ctx: Context, req: Any) -> Answer:
    """Adds a version: five at most, numbers are never used again.

    Errors: NoSuchEntity, MalformedPolicyDocument, InvalidInput, LimitExceeded.
    """
    policy = own_policy_at(ctx, req.PolicyArn)
    check_identity(req.PolicyDocument, "PolicySizeQuota")
    most = QUOTAS["VersionsPerPolicyQuota"]
    if len(policy.versions) >= most:
        raise limit(
            f"A managed policy can have up to {most} versions. Before you create a new version, you must delete an existing version."
        )
    version = PolicyVersion(policy.newest + 1, req.PolicyDocument, ctx.now)
    policy = change(
        policy,
        versions=[*policy.versions, version],
        newest=version.number,
        default=version.number if req.SetAsDefault else policy.default,
        updated_at_ms=ctx.now,
    )
    POLICIES.put(ctx, policy)
    return {"PolicyVersion": describe_version(policy, version, whole=False)}


@operation("GetPolicyVersion")
def get_policy_version(ctx: Context, req: Any) -> Answer:
    """One version with its document. Of AWS's own policies only the newest is known here."""
    policy = policy_at(ctx, req.PolicyArn)
    return {"PolicyVersion": describe_version(policy, version_at(policy, req.VersionId))}


@operation("ListPolicyVersions")
def list_policy_versions(ctx: Context, req: Any) -> Answer:
    """The versions, the newest first, without their documents."""
    policy = policy_at(ctx, req.PolicyArn)
    return page_of(
        req,
        "Versions",
        policy.versions,
        lambda v: f"{10**9 - v.number}",
        lambda v: describe_version(policy, v, whole=False),
    )


@operation("SetDefaultPolicyVersion")
def set_default_policy_version(ctx: Context, req: Any) -> Answer:
    """Makes a version the one that counts, for everybody whom the policy is attached to."""
    policy = own_policy_at(ctx, req.PolicyArn)
    version = version_at(policy, req.VersionId)
    POLICIES.put(ctx, change(policy, default=version.number, updated_at_ms=ctx.now))
    return None


@operation("DeletePolicyVersion")
def delete_policy_version(ctx: Context, req: Any) -> Answer:
    """Deletes a version that is not the default.

    Errors: NoSuchEntity, DeleteConflict, InvalidInput.
    """
    policy = own_policy_at(ctx, req.PolicyArn)
    version = version_at(policy, req.VersionId)
    if version.number == policy.default:
        raise ServiceException("DeleteConflictException", "Cannot delete the default version of a policy.")
    POLICIES.put(ctx, change(policy, versions=[v for v in policy.versions if v is not version]))
    return None


@operation("TagPolicy")
def tag_policy(ctx: Context, req: Any) -> Answer:
    """Adds or changes tags."""
    policy = own_policy_at(ctx, req.PolicyArn)
    POLICIES.put(ctx, change(policy, tags=tagging.tagged(policy.tags, req.Tags)))
    return None


@operation("UntagPolicy")
def untag_policy(ctx: Context, req: Any) -> Answer:
    """Removes tags; those that are not there do not matter."""
    policy = own_policy_at(ctx, req.PolicyArn)
    POLICIES.put(ctx, change(policy, tags=tagging.untagged(policy.tags, req.TagKeys)))
    return None


@operation("ListPolicyTags")
def list_policy_tags(ctx: Context, req: Any) -> Answer:
    """A policy's tags, in order of the keys."""
    return tagging.listed(req, policy_at(ctx, req.PolicyArn).tags)
