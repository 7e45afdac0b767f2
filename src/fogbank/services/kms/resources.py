"""Keys, their replicas and their aliases as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    every,
    given,
    not_updatable,
    pairs,
    parsed,
    tags,
    unpaired,
)

ABSENT = ("Absent", "NotFoundException")
GOING = ("PendingDeletion", "PendingReplicaDeletion")
ROTATION_DAYS = 365
POLICY = "default"


def _call(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("kms", operation, given(**members))


def _keys(properties: Properties) -> list[dict[str, str]] | None:
    return unpaired(pairs(properties.get("Tags")), "TagKey", "TagValue") or None


def _policy(properties: Properties) -> str | None:
    return document(properties["KeyPolicy"]) if "KeyPolicy" in properties else None


def _metadata(ctx: Context, id: str, kind: str) -> dict[str, Any]:
    """A key that is not about to be deleted, and a replica where one is meant."""
    found: dict[str, Any] = _call(ctx, "DescribeKey", KeyId=id)["KeyMetadata"]
    replica = found.get("MultiRegionConfiguration", {}).get("MultiRegionKeyType") == "REPLICA"
    if found["KeyState"] in GOING or replica != (kind == REPLICA):
        raise absent(kind, id)
    return found


def _read(ctx: Context, id: str, kind: str) -> Properties:
    found = _metadata(ctx, id, kind)
    policy = parsed(_call(ctx, "GetKeyPolicy", KeyId=id, PolicyName=POLICY)["Policy"])
    same = {name: found.get(name) for name in ("Arn", "Description", "Enabled", "KeyId")}
    return {**same, "Description": found["Description"] or None, "KeyPolicy": policy}


def _settled(ctx: Context, id: str) -> bool:
    return _call(ctx, "DescribeKey", KeyId=id)["KeyMetadata"]["KeyState"] not in ("Creating", "Updating")


def _put_policy(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    bypass = after.get("BypassPolicyLockoutSafetyCheck")
    text = _policy(after) or _default_policy(ctx)
    _call(ctx, "PutKeyPolicy", KeyId=id, PolicyName=POLICY, Policy=text, BypassPolicyLockoutSafetyCheck=bypass)


def _default_policy(ctx: Context) -> str:
    """The policy of a key that is given none: the account's own policies decide."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{ctx.partition}:iam::{ctx.account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return document({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


def _put_description(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateKeyDescription", KeyId=id, Description=after.get("Description", ""))


def _put_state(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    """Enabled, and rotated: a disabled key's rotation cannot be changed."""
    was, shall = before.get("Enabled", True), after.get("Enabled", True)
    if shall and not was:
        _call(ctx, "EnableKey", KeyId=id)
    names = ("EnableKeyRotation", "RotationPeriodInDays")
    if any(before.get(name) != after.get(name) for name in names):
        if after.get("EnableKeyRotation"):
            _call(ctx, "EnableKeyRotation", KeyId=id, RotationPeriodInDays=after.get("RotationPeriodInDays", ROTATION_DAYS))
        elif before.get("EnableKeyRotation"):
            _call(ctx, "DisableKeyRotation", KeyId=id)
    if was and not shall:
        _call(ctx, "DisableKey", KeyId=id)


def _rotation(ctx: Context, id: str) -> Properties:
    found = _call(ctx, "DescribeKey", KeyId=id)["KeyMetadata"]
    if found["KeySpec"] != "SYMMETRIC_DEFAULT" or found["Origin"] != "AWS_KMS":
        return {"EnableKeyRotation": False}
    return {"EnableKeyRotation": bool(_call(ctx, "GetKeyRotationStatus", KeyId=id).get("KeyRotationEnabled"))}


TAGS = tags(
    read=lambda ctx, id: pairs(every(ctx, "kms", "ListResourceTags", {"KeyId": id}, "Tags", "Marker=NextMarker"), "TagKey", "TagValue"),
    add=lambda ctx, id, added: _call(ctx, "TagResource", KeyId=id, Tags=unpaired(added, "TagKey", "TagValue")),
    remove=lambda ctx, id, keys: _call(ctx, "UntagResource", KeyId=id, TagKeys=keys),
)


def _delete(ctx: Context, id: str, properties: Properties) -> None:
    """Schedules the deletion; after the default of 30 days where only the identifier is known."""
    _call(ctx, "ScheduleKeyDeletion", KeyId=id, PendingWindowInDays=properties.get("PendingWindowInDays"))


def _ids(kind: str) -> Any:
    """The keys of one kind, without AWS's own and those that are about to be deleted."""

    def list(ctx: Context) -> Any:
        for key in every(ctx, "kms", "ListKeys", {}, "Keys", "Marker=NextMarker"):
            found = _call(ctx, "DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]
            replica = found.get("MultiRegionConfiguration", {}).get("MultiRegionKeyType") == "REPLICA"
            if found["KeyManager"] == "CUSTOMER" and found["KeyState"] not in GOING and replica == (kind == REPLICA):
                yield key["KeyId"]

    return list


KEY, REPLICA, ALIAS = "AWS::KMS::Key", "AWS::KMS::ReplicaKey", "AWS::KMS::Alias"
FIXED = ("KeySpec", "KeyUsage", "MultiRegion", "Origin")


def _create_key(ctx: Context, properties: Properties) -> str:
    same = {name: properties.get(name) for name in ("BypassPolicyLockoutSafetyCheck", "Description", *FIXED)}
    return str(_call(ctx, "CreateKey", **same, Policy=_policy(properties), Tags=_keys(properties))["KeyMetadata"]["KeyId"])


def _read_key(ctx: Context, id: str) -> Properties:
    found = _metadata(ctx, id, KEY)
    return {**_read(ctx, id, KEY), **{name: found[name] for name in FIXED}}


_KEY = ResourceType(
    KEY,
    create=_create_key,
    made_with=("BypassPolicyLockoutSafetyCheck", "Description", "KeyPolicy", "PendingWindowInDays", "Tags", *FIXED),
    read=_read_key,
    delete=_delete,
    list=_ids(KEY),
    parts=(
        *(not_updatable(KEY, name) for name in FIXED),
        Part(("KeyPolicy",), _put_policy),
        Part(("Description",), _put_description),
        Part(("Enabled", "EnableKeyRotation", "RotationPeriodInDays"), _put_state, _rotation),
        TAGS,
    ),
    absent=ABSENT,
    settled=_settled,
)


def _replicate(ctx: Context, properties: Properties) -> str:
    primary = properties["PrimaryKeyArn"]
    members = given(Description=properties.get("Description"), Policy=_policy(properties), Tags=_keys(properties))
    region = primary.split(":")[3]
    answer = ctx.call("kms", "ReplicateKey", {"KeyId": primary, "ReplicaRegion": ctx.region, **members}, region=region)
    return str(answer["ReplicaKeyMetadata"]["KeyId"])


def _read_replica(ctx: Context, id: str) -> Properties:
    primary = _metadata(ctx, id, REPLICA)["MultiRegionConfiguration"]["PrimaryKey"]["Arn"]
    return {**_read(ctx, id, REPLICA), "PrimaryKeyArn": primary}


_REPLICA = ResourceType(
    REPLICA,
    create=_replicate,
    made_with=("Description", "KeyPolicy", "PendingWindowInDays", "PrimaryKeyArn", "Tags"),
    read=_read_replica,
    delete=_delete,
    list=_ids(REPLICA),
    parts=(Part(("KeyPolicy",), _put_policy), Part(("Description",), _put_description), Part(("Enabled",), _put_state), TAGS),
    absent=ABSENT,
    present=("AlreadyExistsException",),
    settled=_settled,
)


def _create_alias(ctx: Context, properties: Properties) -> str:
    _call(ctx, "CreateAlias", AliasName=properties["AliasName"], TargetKeyId=properties["TargetKeyId"])
    return str(properties["AliasName"])


def _aliases(ctx: Context) -> Any:
    return every(ctx, "kms", "ListAliases", {}, "Aliases", "Marker=NextMarker")


def _read_alias(ctx: Context, name: str) -> Properties:
    for alias in _aliases(ctx):
        if alias["AliasName"] == name:
            return {"AliasName": name, "TargetKeyId": alias["TargetKeyId"]}
    raise absent(ALIAS, name)


_ALIAS = ResourceType(
    ALIAS,
    create=_create_alias,
    made_with=("AliasName", "TargetKeyId"),
    read=_read_alias,
    delete=lambda ctx, name, properties: _call(ctx, "DeleteAlias", AliasName=name),
    list=lambda ctx: [alias["AliasName"] for alias in _aliases(ctx)],
    parts=(
        Part(
            ("TargetKeyId",),
            lambda ctx, name, before, after: _call(ctx, "UpdateAlias", AliasName=name, TargetKeyId=after["TargetKeyId"]),
        ),
    ),
    absent=ABSENT,
    present=("AlreadyExistsException",),
)

TYPES = (_KEY, _REPLICA, _ALIAS)
