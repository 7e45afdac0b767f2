"""What happens with time: keys are deleted and rotated, imported material expires, multi-Region keys settle."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.kms import keys, materials
from fogbank.services.kms.importing import take_away
from fogbank.services.kms.rotation import waiting
from fogbank.services.kms.rules import CREATING, ENABLED, PENDING_DELETION, PENDING_REPLICA_DELETION, UPDATING
from fogbank.services.kms.state import BY_TARGET, DAY_MS, GRANTS, KEYS, MATERIALS, USES, Key
from fogbank.store import Table, change

PORTION = 500
"""Rows deleted in one transaction, so that other calls get their turn."""


def _key(ctx: Context, payload: dict[str, Any]) -> Key | None:
    return KEYS.get(ctx, payload["account"], payload["region"], payload["key"])


@task("delete")
def delete(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes a key whose waiting period is over, its material first; the last replica's end begins its primary's waiting."""
    key = _key(ctx, payload)
    if key is None or key.state != PENDING_DELETION or key.deletion_at_ms > ctx.now:
        return None
    for material in materials.all_of(ctx, key):
        MATERIALS.delete(ctx, material)
    for alias in list(BY_TARGET.scan(ctx, key.account, key.region, key.id)):
        BY_TARGET.table.delete(ctx, alias)
    KEYS.delete(ctx, key)
    left = materials.related(ctx, key) if key.multi_region else []
    if len(left) == 1 and left[0].state == PENDING_REPLICA_DELETION:
        keys.doom(ctx, left[0])
    return drop(ctx, payload)


@task("drop")
def drop(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Clears up the grants and uses of a key that is gone (unless a replica has taken its place meanwhile)."""
    if _key(ctx, payload) is not None:
        return None
    left = PORTION
    tables: tuple[Table[Any], ...] = (GRANTS, USES)
    for table in tables:
        for row in list(islice(table.scan(ctx, payload["account"], payload["region"], payload["key"]), left)):
            table.delete(ctx, row)
            left -= 1
    if not left:
        ctx.later("kms.drop", payload)
    return None


@task("rotate")
def rotate(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Rotates a key that is due, and comes again when it next is. A disabled key is made up for when it is enabled."""
    key = _key(ctx, payload)
    if key is None or not 0 < key.rotates_at_ms <= ctx.now or key.state not in (ENABLED, UPDATING):
        return None
    if key.multi_region and not key.is_primary:
        return None
    materials.add(ctx, key, "AUTOMATIC", key.rotates_at_ms)
    at_ms = key.rotates_at_ms + key.rotation_days * DAY_MS
    for each in materials.related(ctx, key):
        now = KEYS.get(ctx, each.account, each.region, each.id)
        assert now is not None
        KEYS.put(ctx, change(now, rotates_at_ms=at_ms))
    ctx.later("kms.rotate", payload, at_ms=at_ms)
    return None


@task("rotate_on_demand")
def rotate_on_demand(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Carries out a rotation that was asked for: with new material, or with what was imported for it."""
    key = _key(ctx, payload)
    if key is None or not key.on_demand_at_ms:
        return None
    key = change(key, on_demand_at_ms=0)
    KEYS.put(ctx, key)
    if key.state not in (ENABLED, UPDATING):
        return None
    key = change(key, on_demand_count=key.on_demand_count + 1)
    KEYS.put(ctx, key)
    if key.origin == "AWS_KMS":
        materials.add(ctx, key, "ON_DEMAND", ctx.now)
        return None
    for each in materials.related(ctx, key):
        material = waiting(ctx, each)
        if material is not None:
            MATERIALS.put(ctx, change(material, made_by="ON_DEMAND", rotated_at_ms=ctx.now))
            KEYS.put(ctx, change(each, current=material.number))
    return None


@task("expire")
def expire(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Takes imported material away whose time is over."""
    key = _key(ctx, payload)
    if key is None:
        return None
    material = MATERIALS.get(ctx, key.account, key.region, key.id, payload["number"])
    if material is not None and material.sealed and 0 < material.valid_to_ms <= ctx.now:
        take_away(ctx, key, material)
    return None


@task("settle")
def settle(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Ends the state in which a multi-Region key is being made or moved."""
    key = _key(ctx, payload)
    if key is not None and key.state in (CREATING, UPDATING):
        KEYS.put(ctx, change(key, state=key.becomes, becomes=""))
    return None
