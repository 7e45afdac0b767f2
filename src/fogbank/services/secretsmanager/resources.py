"""Secrets, their policies and their rotation as CloudFormation has them. Attaching one to a database is refused: there are none."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    each,
    every,
    exists,
    given,
    pairs,
    parsed,
    tags,
    unpaired,
)

ABSENT = ("Absent", "ResourceNotFoundException")
NAME_LIMIT = 505
AWS_KEY = "alias/aws/secretsmanager"
PASSWORD = (
    "ExcludeCharacters",
    "ExcludeLowercase",
    "ExcludeNumbers",
    "ExcludePunctuation",
    "ExcludeUppercase",
    "IncludeSpace",
    "PasswordLength",
    "RequireEachIncludedType",
)


def _call(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("secretsmanager", operation, given(**members))


def _described(ctx: Context, id: str, kind: str) -> dict[str, Any]:
    """A secret that is not about to be deleted."""
    found: dict[str, Any] = _call(ctx, "DescribeSecret", SecretId=id)
    if found.get("DeletedDate"):
        raise absent(kind, id)
    return found


# Secrets

SECRET = "AWS::SecretsManager::Secret"


def _generated(ctx: Context, wish: Properties) -> str:
    """A password, or a template with a password put into it."""
    password: str = _call(ctx, "GetRandomPassword", **{name: wish.get(name) for name in PASSWORD})["RandomPassword"]
    key, template = wish.get("GenerateStringKey"), wish.get("SecretStringTemplate")
    if (key is None) != (template is None):
        raise _invalid("GenerateStringKey and SecretStringTemplate have to be given together")
    if key is None or template is None:
        return password
    try:
        values = parsed(template)
    except ValueError:
        raise _invalid("SecretStringTemplate is not valid JSON") from None
    if not isinstance(values, dict):
        raise _invalid("SecretStringTemplate is not a JSON object")
    return document({**values, key: password})


def _invalid(message: str) -> ServiceException:
    return ServiceException("InvalidRequestException", message)


def _value(ctx: Context, properties: Properties) -> str | None:
    text, wish = properties.get("SecretString"), properties.get("GenerateSecretString")
    if text is not None and wish is not None:
        raise _invalid("You can't specify both SecretString and GenerateSecretString")
    return text if wish is None else _generated(ctx, wish)


def _create(ctx: Context, properties: Properties) -> str:
    same = {name: properties.get(name) for name in ("Description", "KmsKeyId", "Name", "Tags")}
    value = _value(ctx, properties)
    return str(_call(ctx, "CreateSecret", **same, SecretString=value, ClientRequestToken=ctx.random.uuid())["ARN"])


def _read(ctx: Context, id: str) -> Properties:
    found = _described(ctx, id, SECRET)
    regions = [given(Region=r["Region"], KmsKeyId=r.get("KmsKeyId")) for r in found.get("ReplicationStatus") or ()]
    return {
        "Description": found.get("Description"),
        "Id": found["ARN"],
        "KmsKeyId": found.get("KmsKeyId"),
        "Name": found["Name"],
        "ReplicaRegions": regions or None,
    }


def _put_value(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    value = _value(ctx, after)
    if value is not None:
        _call(ctx, "PutSecretValue", SecretId=id, SecretString=value, ClientRequestToken=ctx.random.uuid())


def _put_rest(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    """Description and key, each only where it changes: a key takes permissions."""
    key = after.get("KmsKeyId", AWS_KEY) if before.get("KmsKeyId") != after.get("KmsKeyId") else None
    _call(ctx, "UpdateSecret", SecretId=id, Description=after.get("Description", ""), KmsKeyId=key)


def _replicas(ctx: Context, id: str) -> list[dict[str, Any]]:
    return _call(ctx, "DescribeSecret", SecretId=id).get("ReplicationStatus") or []


def _delete(ctx: Context, id: str, properties: Properties) -> None:
    """For good, with its replicas: what a stack deletes does not keep its name."""
    _described(ctx, id, SECRET)
    regions = [replica["Region"] for replica in _replicas(ctx, id)]
    if regions:
        _call(ctx, "RemoveRegionsFromReplication", SecretId=id, RemoveReplicaRegions=regions)
    _call(ctx, "DeleteSecret", SecretId=id, ForceDeleteWithoutRecovery=True)


_SECRET = ResourceType(
    SECRET,
    create=_create,
    made_with=("Description", "GenerateSecretString", "KmsKeyId", "Name", "SecretString", "Tags"),
    read=_read,
    delete=_delete,
    list=lambda ctx: [found["ARN"] for found in every(ctx, "secretsmanager", "ListSecrets", {}, "SecretList")],
    parts=(
        Part(("GenerateSecretString", "SecretString"), _put_value),
        Part(("Description", "KmsKeyId"), _put_rest),
        each(
            "ReplicaRegions",
            add=lambda ctx, id, region: _call(ctx, "ReplicateSecretToRegions", SecretId=id, AddReplicaRegions=[region]),
            remove=lambda ctx, id, region: _call(ctx, "RemoveRegionsFromReplication", SecretId=id, RemoveReplicaRegions=[region["Region"]]),
            key=lambda region: region["Region"],
        ),
        tags(
            read=lambda ctx, id: pairs(_call(ctx, "DescribeSecret", SecretId=id).get("Tags")),
            add=lambda ctx, id, added: _call(ctx, "TagResource", SecretId=id, Tags=unpaired(added)),
            remove=lambda ctx, id, keys: _call(ctx, "UntagResource", SecretId=id, TagKeys=keys),
        ),
    ),
    naming=Naming("Name", NAME_LIMIT),
    absent=ABSENT,
    present=("ResourceExistsException",),
    settled=lambda ctx, id: all(replica["Status"] != "InProgress" for replica in _replicas(ctx, id)),
)


# Resource policies

RESOURCE_POLICY = "AWS::SecretsManager::ResourcePolicy"


def _read_policy(ctx: Context, id: str) -> Properties:
    found = _call(ctx, "GetResourcePolicy", SecretId=id)
    if not found.get("ResourcePolicy"):
        raise absent(RESOURCE_POLICY, id)
    return {"Id": found["ARN"], "SecretId": found["ARN"], "ResourcePolicy": parsed(found["ResourcePolicy"])}


def _put_policy(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    block = after.get("BlockPublicPolicy")
    _call(ctx, "PutResourcePolicy", SecretId=id, ResourcePolicy=document(after["ResourcePolicy"]), BlockPublicPolicy=block)


def _create_policy(ctx: Context, properties: Properties) -> str:
    found = _call(ctx, "GetResourcePolicy", SecretId=properties["SecretId"])
    if found.get("ResourcePolicy"):
        raise exists(RESOURCE_POLICY, found["ARN"])
    _put_policy(ctx, found["ARN"], {}, properties)
    return str(found["ARN"])


def _delete_policy(ctx: Context, id: str, properties: Properties) -> None:
    _read_policy(ctx, id)
    _call(ctx, "DeleteResourcePolicy", SecretId=id)


def _with_policies(ctx: Context) -> Any:
    for found in every(ctx, "secretsmanager", "ListSecrets", {}, "SecretList"):
        if _call(ctx, "GetResourcePolicy", SecretId=found["ARN"]).get("ResourcePolicy"):
            yield found["ARN"]


_RESOURCE_POLICY = ResourceType(
    RESOURCE_POLICY,
    create=_create_policy,
    made_with=("BlockPublicPolicy", "ResourcePolicy", "SecretId"),
    read=_read_policy,
    delete=_delete_policy,
    list=_with_policies,
    parts=(Part(("BlockPublicPolicy", "ResourcePolicy"), _put_policy),),
    absent=ABSENT,
    present=("Present",),
)


# Rotation

ROTATION_SCHEDULE = "AWS::SecretsManager::RotationSchedule"


def _rotate(ctx: Context, id: str, properties: Properties, *, at_once: bool) -> str:
    same = {name: properties.get(name) for name in ("RotationLambdaARN", "RotationRules")}
    token = ctx.random.uuid()
    return str(_call(ctx, "RotateSecret", SecretId=id, **same, RotateImmediately=at_once, ClientRequestToken=token)["ARN"])


def _create_schedule(ctx: Context, properties: Properties) -> str:
    found = _described(ctx, properties["SecretId"], ROTATION_SCHEDULE)
    if found.get("RotationEnabled"):
        raise exists(ROTATION_SCHEDULE, found["ARN"])
    return _rotate(ctx, properties["SecretId"], properties, at_once=properties.get("RotateImmediatelyOnUpdate", True))


def _put_schedule(ctx: Context, id: str, before: Properties, after: Properties) -> None:
    _rotate(ctx, id, after, at_once=after.get("RotateImmediatelyOnUpdate", True))


def _read_schedule(ctx: Context, id: str) -> Properties:
    found = _described(ctx, id, ROTATION_SCHEDULE)
    if not found.get("RotationEnabled"):
        raise absent(ROTATION_SCHEDULE, id)
    arn = found["ARN"]
    rules = {name: value for name, value in (found.get("RotationRules") or {}).items() if value is not None}
    return {"Id": arn, "SecretId": arn, "RotationLambdaARN": found.get("RotationLambdaARN"), "RotationRules": rules or None}


def _delete_schedule(ctx: Context, id: str, properties: Properties) -> None:
    _read_schedule(ctx, id)
    _call(ctx, "CancelRotateSecret", SecretId=id)


_ROTATION_SCHEDULE = ResourceType(
    ROTATION_SCHEDULE,
    create=_create_schedule,
    made_with=("RotateImmediatelyOnUpdate", "RotationLambdaARN", "RotationRules", "SecretId"),
    read=_read_schedule,
    delete=_delete_schedule,
    list=lambda ctx: [s["ARN"] for s in every(ctx, "secretsmanager", "ListSecrets", {}, "SecretList") if s.get("RotationEnabled")],
    parts=(Part(("RotateImmediatelyOnUpdate", "RotationLambdaARN", "RotationRules"), _put_schedule),),
    absent=ABSENT,
    present=("Present",),
)

TYPES = (_SECRET, _RESOURCE_POLICY, _ROTATION_SCHEDULE)
