"""Keys: made, described, listed, enabled and disabled, scheduled for deletion."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import faults, materials, policies
from fogbank.services.kms.making import make
from fogbank.services.kms.names import key_at
from fogbank.services.kms.rules import DISABLED, ENABLED, PENDING_DELETION, PENDING_IMPORT, PENDING_REPLICA_DELETION
from fogbank.services.kms.specs import ENCRYPT, MEMBERS, SPECS, SYMMETRIC
from fogbank.services.kms.state import DAY_MS, KEYS, Key
from fogbank.services.kms.tags import read_tags
from fogbank.store import change

WINDOW_DAYS = (7, 30)


@operation("CreateKey")
def create_key(ctx: Context, req: Any) -> Answer:
    """Makes a customer managed key. KeySpec is SYMMETRIC_DEFAULT where it is not said; all others need KeyUsage.

    Without a policy the account's IAM policies decide. A key of origin EXTERNAL waits for its material (PendingImport).
    Custom key stores, SM2 and ML_KEM_512 are refused.

    Errors: ValidationException, MalformedPolicyDocumentException, LimitExceededException, TagException, AccessDeniedException
    (kms:TagResource). Source: API reference, CreateKey.
    """
    spec, usage = _read_kind(req)
    _check_origin(req)
    tags = read_tags({}, req.Tags or ())
    if tags:
        ctx.authorize("kms:TagResource", "*")
    given = {} if req.Policy is None else {"policy": policies.checked(req.Policy)}
    key = make(
        ctx,
        spec=spec,
        usage=usage,
        origin=req.Origin or "AWS_KMS",
        multi_region=bool(req.MultiRegion),
        description=req.Description or "",
        tags=tags,
        **given,
    )
    if req.Policy is not None:
        policies.check_lockout(ctx, req, key.arn, key.account)
    return {"KeyMetadata": describe(ctx, key)}


def _read_kind(req: Any) -> tuple[str, str]:
    """The new key's spec and usage."""
    if req.KeySpec is not None and req.CustomerMasterKeySpec is not None:
        raise faults.invalid("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.")
    name = req.KeySpec or req.CustomerMasterKeySpec or SYMMETRIC
    spec = SPECS.get(name)
    if spec is None:
        raise NotImplementedOperation("kms", "CreateKey", f"with the KeySpec {name}")
    if req.KeyUsage is None and name != SYMMETRIC:
        raise faults.invalid("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
    usage = req.KeyUsage or ENCRYPT
    if usage not in spec.usages:
        raise faults.invalid(f"KeyUsage {usage} is not compatible with KeySpec {name}")
    return name, usage


def _check_origin(req: Any) -> None:
    for member in ("CustomKeyStoreId", "XksKeyId"):
        if getattr(req, member) is not None:
            raise NotImplementedOperation("kms", "CreateKey", f"with {member}: there are no custom key stores")
    if req.Origin in ("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"):
        raise NotImplementedOperation("kms", "CreateKey", f"with the Origin {req.Origin}: there are no custom key stores")


def describe(ctx: Context, key: Key) -> dict[str, Any]:
    """A key's KeyMetadata."""
    spec = SPECS[key.spec]
    found: dict[str, Any] = {
        "AWSAccountId": key.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": key.created_at_ms,
        "Enabled": key.state == ENABLED,
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state,
        "DeletionDate": key.deletion_at_ms or None,
        "Origin": key.origin,
        "KeyManager": "AWS" if key.manager else "CUSTOMER",
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        MEMBERS[key.usage]: list(spec.usages[key.usage]),
        "MultiRegion": key.multi_region,
        "PendingDeletionWindowInDays": key.window_days if key.state == PENDING_REPLICA_DELETION else None,
    }
    if key.multi_region:
        found["MultiRegionConfiguration"] = _configuration(ctx, key)
    if key.origin == "EXTERNAL":
        found |= _expiration(ctx, key)
    if key.spec == SYMMETRIC and key.current:
        found["CurrentKeyMaterialId"] = materials.current(ctx, key).id
    return found


def _configuration(ctx: Context, key: Key) -> dict[str, Any]:
    related = [({"Arn": each.arn, "Region": each.region}, each.is_primary) for each in materials.related(ctx, key)]
    return {
        "MultiRegionKeyType": "PRIMARY" if key.is_primary else "REPLICA",
        "PrimaryKey": next(entry for entry, primary in related if primary),
        "ReplicaKeys": [entry for entry, primary in related if not primary],
    }


def _expiration(ctx: Context, key: Key) -> dict[str, Any]:
    """Of imported material that is there and belongs to the key for good: when the first of it expires."""
    there = [m for m in materials.all_of(ctx, key) if m.sealed and m.number <= key.current]
    ends = [m.valid_to_ms for m in there if m.valid_to_ms]
    if not there:
        return {}
    return {
        "ValidTo": min(ends, default=None),
        "ExpirationModel": "KEY_MATERIAL_EXPIRES" if ends else "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }


@operation("DescribeKey")
def describe_key(ctx: Context, req: Any) -> Answer:
    """All there is to know of a key but aliases, tags, policy, grants and rotation.

    An alias of AWS's that has no key yet (`alias/aws/s3`) gets one. Errors: NotFoundException. Source: API reference, DescribeKey.
    """
    faults.check_tokens(ctx, req)
    return {"KeyMetadata": describe(ctx, key_at(ctx, req.KeyId))}


@operation("ListKeys")
def list_keys(ctx: Context, req: Any) -> Answer:
    """The account's keys in the region, by id; pages of 100 (at most 1,000). Errors: InvalidMarkerException.

    Source: API reference, ListKeys.
    """
    if req.ResourceOwners and "OTHER_ACCOUNTS_VIA_RAM" in req.ResourceOwners:
        raise NotImplementedOperation("kms", "ListKeys", "with ResourceOwners OTHER_ACCOUNTS_VIA_RAM: keys are not shared through RAM")
    size = faults.size(req, 100, 1000)
    found, more = paging.page(KEYS.scan(ctx, ctx.account, ctx.region, after=faults.marker(req)), size)
    entries = [{"KeyId": key.id, "KeyArn": key.arn} for key in found]
    return faults.paged("Keys", entries, more, found[-1].id if found else "")


@operation("UpdateKeyDescription")
def update_key_description(ctx: Context, req: Any) -> Answer:
    """Gives a key another description. Errors: NotFoundException, KMSInvalidStateException. Source: API reference, UpdateKeyDescription."""
    KEYS.put(ctx, change(key_at(ctx, req.KeyId), description=req.Description))
    return None


@operation("EnableKey")
def enable_key(ctx: Context, req: Any) -> Answer:
    """Lets a disabled key be used again; a rotation that fell due meanwhile is made up for at once.

    Errors: NotFoundException, KMSInvalidStateException. Source: API reference, EnableKey.
    """
    key = change(key_at(ctx, req.KeyId), state=ENABLED)
    if 0 < key.rotates_at_ms <= ctx.now:
        key = change(key, rotates_at_ms=ctx.now)
        ctx.later("kms.rotate", {"account": key.account, "region": key.region, "key": key.id})
    KEYS.put(ctx, key)
    return None


@operation("DisableKey")
def disable_key(ctx: Context, req: Any) -> Answer:
    """Keeps a key from being used in cryptography. Errors: NotFoundException, KMSInvalidStateException.

    Source: API reference, DisableKey.
    """
    KEYS.put(ctx, change(key_at(ctx, req.KeyId), state=DISABLED))
    return None


@operation("ScheduleKeyDeletion")
def schedule_key_deletion(ctx: Context, req: Any) -> Answer:
    """Has a key deleted after 7 to 30 days (30), with all that belongs to it; until then it cannot be used.

    A primary key's days begin when its last replica is gone. Errors: NotFoundException, KMSInvalidStateException,
    ValidationException. Source: API reference, ScheduleKeyDeletion.
    """
    key = key_at(ctx, req.KeyId)
    least, most = WINDOW_DAYS
    days = req.PendingWindowInDays if req.PendingWindowInDays is not None else most
    if not least <= days <= most:
        raise faults.invalid(f"PendingWindowInDays must be between {least} and {most}, inclusive.")
    key = change(key, window_days=days)
    key = doom(ctx, key) if not key.is_primary or len(materials.related(ctx, key)) == 1 else _wait_for_replicas(ctx, key)
    return {"KeyId": key.arn, "DeletionDate": key.deletion_at_ms or None, "KeyState": key.state, "PendingWindowInDays": days}


def doom(ctx: Context, key: Key) -> Key:
    """The waiting period begins."""
    key = change(key, state=PENDING_DELETION, deletion_at_ms=ctx.now + key.window_days * DAY_MS)
    KEYS.put(ctx, key)
    ctx.later("kms.delete", {"account": key.account, "region": key.region, "key": key.id}, at_ms=key.deletion_at_ms)
    return key


def _wait_for_replicas(ctx: Context, key: Key) -> Key:
    key = change(key, state=PENDING_REPLICA_DELETION)
    KEYS.put(ctx, key)
    return key


@operation("CancelKeyDeletion")
def cancel_key_deletion(ctx: Context, req: Any) -> Answer:
    """Calls the deletion off; the key is Disabled then (or PendingImport, where its material is not there).

    Errors: NotFoundException, KMSInvalidStateException. Source: API reference, CancelKeyDeletion.
    """
    key = key_at(ctx, req.KeyId)
    state = DISABLED if materials.complete(ctx, key) else PENDING_IMPORT
    KEYS.put(ctx, change(key, state=state, deletion_at_ms=0, window_days=0))
    return {"KeyId": key.arn}
