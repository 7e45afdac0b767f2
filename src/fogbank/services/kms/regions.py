"""Multi-Region keys: replicas with the same id and material in other regions, and which of the set is the primary.

Source: "Multi-Region keys in AWS KMS" in the KMS Developer Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import conditions, documents, faults, materials, policies, tags
from fogbank.services.kms.keys import describe
from fogbank.services.kms.names import key_at
from fogbank.services.kms.rules import CREATING, ENABLED, PENDING_IMPORT, UPDATING, wrong_state
from fogbank.services.kms.state import KEYS, MATERIALS, Key
from fogbank.store import change
from fogbank.wire.regions import regions


def _primary_at(ctx: Context, key_id: str) -> Key:
    """A multi-Region primary key. Errors: UnsupportedOperationException, and those of `key_at`."""
    key = key_at(ctx, key_id)
    if not key.is_primary:
        raise faults.unsupported(f"{key.arn} is not a multi-Region primary key.")
    return key


def _settle_later(ctx: Context, key: Key) -> None:
    ctx.later("kms.settle", {"account": key.account, "region": key.region, "key": key.id})


@operation("ReplicateKey")
def replicate_key(ctx: Context, req: Any) -> Answer:
    """Makes a replica of a primary key in another region: same id and material; its own policy, description and tags.

    It is Creating for a moment. Imported material has to be imported there, too. The caller needs kms:CreateKey there.

    Errors: AlreadyExistsException, NotFoundException, DisabledException, KMSInvalidStateException, UnsupportedOperationException,
    MalformedPolicyDocumentException, TagException, ValidationException. Source: API reference, ReplicateKey.
    """
    primary = _primary_at(ctx, req.KeyId)
    region = req.ReplicaRegion
    if region == primary.region or region not in regions() or partition_of(region) != partition_of(primary.region):
        raise faults.invalid(f"ReplicaRegion {region} must be another Region of the same partition as that of {primary.arn}.")
    if any(each.region == region for each in materials.related(ctx, primary)):
        raise ServiceException("AlreadyExistsException", f"{primary.arn} has a related key in {region} already.")
    ctx.authorize("kms:CreateKey", "*", aws__requestedregion=region)
    labels = tags.read_tags({}, req.Tags or ())
    if labels:
        ctx.authorize("kms:TagResource", "*", aws__requestedregion=region)
    imported = primary.origin == "EXTERNAL"
    replica = Key(
        account=primary.account,
        region=region,
        id=primary.id,
        arn=primary.arn.replace(f":{primary.region}:", f":{region}:", 1),
        spec=primary.spec,
        usage=primary.usage,
        origin=primary.origin,
        policy=policies.checked(req.Policy) if req.Policy is not None else documents.default(primary.account, region),
        created_at_ms=ctx.now,
        state=CREATING,
        becomes=PENDING_IMPORT if imported else ENABLED,
        description=req.Description or "",
        primary=primary.region,
        current=primary.current,
        materials=primary.materials,
        rotation_days=primary.rotation_days,
        rotates_at_ms=primary.rotates_at_ms,
        tags=labels,
    )
    if req.Policy is not None:
        policies.check_lockout(ctx, req, replica.arn, replica.account)
    KEYS.put(ctx, replica)
    for material in materials.all_of(ctx, primary):
        MATERIALS.put(ctx, change(material, region=region, **({"sealed": b"", "valid_to_ms": 0} if imported else {})))
    _settle_later(ctx, replica)
    return {"ReplicaKeyMetadata": describe(ctx, replica), "ReplicaPolicy": replica.policy, "ReplicaTags": tags.pairs(labels)}


@operation("UpdatePrimaryRegion")
def update_primary_region(ctx: Context, req: Any) -> Answer:
    """Makes the replica in another region the primary key of the set; both are Updating for a moment, and can be used meanwhile.

    The caller needs kms:UpdatePrimaryRegion on both keys.

    Errors: NotFoundException, DisabledException, KMSInvalidStateException, UnsupportedOperationException, ValidationException.
    Source: API reference, UpdatePrimaryRegion.
    """
    primary = _primary_at(ctx, req.KeyId)
    region = req.PrimaryRegion
    if region == primary.region:
        raise faults.invalid(f"{primary.arn} is the primary key already.")
    replica = next((each for each in materials.related(ctx, primary) if each.region == region), None)
    if replica is None:
        raise faults.not_found(f"{primary.arn} has no replica key in {region}.")
    ctx.authorize("kms:UpdatePrimaryRegion", replica.arn, **conditions.of_key(ctx, replica))
    if replica.state != ENABLED:
        raise wrong_state(ctx.operation, replica.arn, replica.state)
    for key in materials.related(ctx, primary):
        moving = {"state": UPDATING, "becomes": key.state} if key.region in (region, primary.region) else {}
        KEYS.put(ctx, change(key, primary=region, **moving))
        if moving:
            _settle_later(ctx, key)
    if replica.rotates_at_ms:
        ctx.later("kms.rotate", {"account": replica.account, "region": region, "key": replica.id}, at_ms=replica.rotates_at_ms)
    return None
