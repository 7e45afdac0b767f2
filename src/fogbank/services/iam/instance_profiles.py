"""Instance profiles: what hands a role to an EC2 instance."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import ids, roles, tagging
from fogbank.services.iam.listing import page, page_of, place
from fogbank.services.iam.lookups import own_role_at, role_at
from fogbank.services.iam.refusals import check_quota, conflict, exists, limit, not_found
from fogbank.services.iam.state import INSTANCE_PROFILES, PROFILE_BY_ROLE, ROLE_BY_ID, InstanceProfile
from fogbank.store.tables import At, change


def describe(at: At, profile: InstanceProfile) -> dict[str, Any]:
    role = ROLE_BY_ID.first(at, profile.role_id) if profile.role_id else None
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created_at_ms,
        "Roles": [] if role is None else [roles.describe(role)],
    }


def profile_at(ctx: Context, name: str) -> InstanceProfile:
    profile = INSTANCE_PROFILES.get(ctx, ctx.account, name.lower())
    if profile is None:
        raise not_found(f"Instance Profile {name} cannot be found.")
    return profile


@operation("CreateInstanceProfile")
def create_instance_profile(ctx: Context, req: Any) -> Answer:
    """Makes an instance profile without a role.

    Errors: EntityAlreadyExists, InvalidInput, LimitExceeded (1000).
    """
    key = req.InstanceProfileName.lower()
    if INSTANCE_PROFILES.get(ctx, ctx.account, key) is not None:
        raise exists(f"Instance Profile {req.InstanceProfileName} already exists.")
    check_quota("InstanceProfilesQuota", sum(1 for _ in INSTANCE_PROFILES.scan(ctx, ctx.account)))
    path = req.Path or "/"
    profile = InstanceProfile(
        account=ctx.account,
        key=key,
        name=req.InstanceProfileName,
        path=path,
        id=ids.unique_id(ctx.random, "AIPA"),
        arn=ctx.arn(f"instance-profile{path}{req.InstanceProfileName}", service="iam", region=""),
        created_at_ms=ctx.now,
        tags=tagging.tagged({}, req.Tags),
    )
    INSTANCE_PROFILES.put(ctx, profile)
    return {"InstanceProfile": describe(ctx, profile) | {"Tags": pairs(profile.tags) or None}}


@operation("GetInstanceProfile")
def get_instance_profile(ctx: Context, req: Any) -> Answer:
    """One instance profile with its role."""
    profile = profile_at(ctx, req.InstanceProfileName)
    return {"InstanceProfile": describe(ctx, profile) | {"Tags": pairs(profile.tags)}}


@operation("ListInstanceProfiles")
def list_instance_profiles(ctx: Context, req: Any) -> Answer:
    """Instance profiles under a path, in order of their names."""
    prefix = req.PathPrefix or "/"
    found = (p for p in INSTANCE_PROFILES.scan(ctx, ctx.account, after=place(req)) if p.path.startswith(prefix))
    return page(req, "InstanceProfiles", found, lambda p: p.key, lambda p: describe(ctx, p))


@operation("ListInstanceProfilesForRole")
def list_instance_profiles_for_role(ctx: Context, req: Any) -> Answer:
    """The instance profiles that hand out a role."""
    found = PROFILE_BY_ROLE.scan(ctx, ctx.account, role_at(ctx, req.RoleName).id)
    return page_of(req, "InstanceProfiles", found, lambda p: p.key, lambda p: describe(ctx, p))


@operation("AddRoleToInstanceProfile")
def add_role_to_instance_profile(ctx: Context, req: Any) -> Answer:
    """Puts the one role in. The caller must be allowed to pass it (iam:PassRole to ec2.amazonaws.com).

    Errors: NoSuchEntity, LimitExceeded (one role), UnmodifiableEntity.
    """
    profile, role = profile_at(ctx, req.InstanceProfileName), own_role_at(ctx, req.RoleName)
    ctx.authorize("iam:PassRole", role.arn, iam__PassedToService="ec2.amazonaws.com")
    if profile.role_id:
        raise limit("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    INSTANCE_PROFILES.put(ctx, change(profile, role_id=role.id))
    return None


@operation("RemoveRoleFromInstanceProfile")
def remove_role_from_instance_profile(ctx: Context, req: Any) -> Answer:
    """Takes the role out.

    Errors: NoSuchEntity (no such profile or role, or not in it).
    """
    profile, role = profile_at(ctx, req.InstanceProfileName), own_role_at(ctx, req.RoleName)
    if profile.role_id != role.id:
        raise not_found(f"The role with name {role.name} cannot be found in instance profile {profile.name}.")
    INSTANCE_PROFILES.put(ctx, change(profile, role_id=""))
    return None


@operation("DeleteInstanceProfile")
def delete_instance_profile(ctx: Context, req: Any) -> Answer:
    """Deletes an instance profile without a role.

    Errors: NoSuchEntity, DeleteConflict.
    """
    profile = profile_at(ctx, req.InstanceProfileName)
    if profile.role_id:
        raise conflict("remove roles from instance profile first")
    INSTANCE_PROFILES.delete(ctx, profile)
    return None


@operation("TagInstanceProfile")
def tag_instance_profile(ctx: Context, req: Any) -> Answer:
    """Adds or changes tags."""
    profile = profile_at(ctx, req.InstanceProfileName)
    INSTANCE_PROFILES.put(ctx, change(profile, tags=tagging.tagged(profile.tags, req.Tags)))
    return None


@operation("UntagInstanceProfile")
def untag_instance_profile(ctx: Context, req: Any) -> Answer:
    """Removes tags; those that are not there do not matter."""
    profile = profile_at(ctx, req.InstanceProfileName)
    INSTANCE_PROFILES.put(ctx, change(profile, tags=tagging.untagged(profile.tags, req.TagKeys)))
    return None


@operation("ListInstanceProfileTags")
def list_instance_profile_tags(ctx: Context, req: Any) -> Answer:
    """An instance profile's tags, in order of the keys."""
    return tagging.listed(req, profile_at(ctx, req.InstanceProfileName).tags)
