"""Rotation of symmetric keys: by the calendar, or on demand. A ciphertext made before opens after it.

Source: "Rotate AWS KMS keys" in the KMS Developer Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import faults, materials
from fogbank.services.kms.names import find, key_at
from fogbank.services.kms.rules import PENDING_DELETION, PENDING_REPLICA_DELETION, RULES
from fogbank.services.kms.specs import SYMMETRIC
from fogbank.services.kms.state import DAY_MS, KEYS, Key, Material
from fogbank.store import change

DEFAULT_DAYS = 365
ON_DEMAND_LIMIT = 25
SOON_MS = 20 * 60_000
"""How near an automatic rotation may be when one on demand is asked for."""


def check_rotates(key: Key) -> None:
    """Raises UnsupportedOperationException unless the key may have more than one material."""
    if key.spec != SYMMETRIC:
        raise faults.unsupported(f"{key.arn} key spec is {key.spec} which is not valid for this operation.")


def _rotating(ctx: Context, key_id: str) -> Key:
    """A key whose automatic rotation the caller may set."""
    key = find(ctx, key_id, RULES[ctx.operation])
    check_rotates(key)
    if key.origin != "AWS_KMS":
        raise faults.unsupported(f"{key.arn} origin is {key.origin} which is not valid for this operation.")
    _check_primary(key)
    return key_at(ctx, key_id)


def _check_primary(key: Key) -> None:
    if key.multi_region and not key.is_primary:
        raise faults.unsupported(f"{key.arn} is a multi-Region replica key: rotate its primary key.")


@operation("EnableKeyRotation")
def enable_key_rotation(ctx: Context, req: Any) -> Answer:
    """Rotates a key every 90 to 2,560 days (365) from now on; on a multi-Region primary key, the whole set.

    Errors: NotFoundException, DisabledException, KMSInvalidStateException, UnsupportedOperationException.
    Source: API reference, EnableKeyRotation.
    """
    key = _rotating(ctx, req.KeyId)
    days = req.RotationPeriodInDays or DEFAULT_DAYS
    if days != key.rotation_days:
        set_rotation(ctx, key, days)
    return None


def set_rotation(ctx: Context, key: Key, days: int) -> None:
    """Rotates a key, with those related to it, every so many days from now on (0: not at all)."""
    at_ms = ctx.now + days * DAY_MS if days else 0
    for each in materials.related(ctx, key):
        KEYS.put(ctx, change(each, rotation_days=days, rotates_at_ms=at_ms))
    if days:
        ctx.later("kms.rotate", {"account": key.account, "region": key.region, "key": key.id}, at_ms=at_ms)


@operation("DisableKeyRotation")
def disable_key_rotation(ctx: Context, req: Any) -> Answer:
    """Rotates a key no more by itself. Errors: those of EnableKeyRotation. Source: API reference, DisableKeyRotation."""
    set_rotation(ctx, _rotating(ctx, req.KeyId), 0)
    return None


@operation("GetKeyRotationStatus")
def get_key_rotation_status(ctx: Context, req: Any) -> Answer:
    """Whether and when a key rotates by itself (false while its deletion is pending), and a rotation on demand that is under way.

    Errors: NotFoundException, UnsupportedOperationException. Source: API reference, GetKeyRotationStatus.
    """
    key = key_at(ctx, req.KeyId)
    check_rotates(key)
    enabled = key.rotation_days > 0 and key.state not in (PENDING_DELETION, PENDING_REPLICA_DELETION)
    return {
        "KeyRotationEnabled": enabled,
        "KeyId": key.arn,
        "RotationPeriodInDays": key.rotation_days if enabled else None,
        "NextRotationDate": key.rotates_at_ms if enabled else None,
        "OnDemandRotationStartDate": key.on_demand_at_ms or None,
    }


@operation("RotateKeyOnDemand")
def rotate_key_on_demand(ctx: Context, req: Any) -> Answer:
    """Begins to rotate a key, whatever its calendar says; at most 25 times. Imported material must wait for it already.

    Errors: NotFoundException, DisabledException, KMSInvalidStateException, UnsupportedOperationException,
    LimitExceededException, ConflictException. Source: API reference, RotateKeyOnDemand.
    """
    key = find(ctx, req.KeyId, RULES[ctx.operation])
    check_rotates(key)
    if key.manager:
        raise faults.unsupported(f"{key.arn} is an AWS managed key: AWS rotates it every year.")
    _check_primary(key)
    key = key_at(ctx, req.KeyId)
    if key.on_demand_at_ms or 0 < key.rotates_at_ms <= ctx.now + SOON_MS:
        raise ServiceException("ConflictException", f"A rotation of {key.arn} is in progress or due within the next 20 minutes.")
    if key.on_demand_count >= ON_DEMAND_LIMIT:
        raise ServiceException(
            "LimitExceededException",
            "The on-demand rotations limit has been reached for the given keyId."
            f" No more on-demand rotations can be performed for this key: {key.id}",
        )
    if key.origin == "EXTERNAL" and waiting_state(ctx, key) != "PENDING_ROTATION":
        raise ServiceException("KMSInvalidStateException", f"{key.arn} has no imported key material pending rotation.")
    KEYS.put(ctx, change(key, on_demand_at_ms=ctx.now))
    ctx.later("kms.rotate_on_demand", {"account": key.account, "region": key.region, "key": key.id})
    return {"KeyId": key.arn}


def waiting(ctx: Context, key: Key) -> Material | None:
    """Imported material that waits to be rotated to."""
    last = materials.all_of(ctx, key)[-1:]
    return last[0] if last and last[0].number > key.current > 0 else None


def waiting_state(ctx: Context, key: Key) -> str | None:
    """How far waiting material has come: every region of a set must import it first."""
    related = materials.related(ctx, key)
    there = [waiting(ctx, each) for each in related]
    own = waiting(ctx, key)
    if own is None:
        return None
    if not own.sealed:
        return "PENDING_MULTI_REGION_IMPORT_AND_ROTATION" if len(related) > 1 else "PENDING_ROTATION"
    whole = all(material is not None and material.sealed for material in there)
    return "PENDING_ROTATION" if whole else "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"


@operation("ListKeyRotations")
def list_key_rotations(ctx: Context, req: Any) -> Answer:
    """The rotations of a key, oldest first; with ALL_KEY_MATERIAL also its first material and what waits to be rotated to.

    Pages of 100 (at most 1,000). Errors: NotFoundException, InvalidMarkerException, UnsupportedOperationException.
    Source: API reference, ListKeyRotations.
    """
    key = key_at(ctx, req.KeyId)
    check_rotates(key)
    size = faults.size(req, 100, 1000)
    after = paging.number(faults.marker(req) or "0", faults.wrong_marker)
    everything = req.IncludeKeyMaterial == "ALL_KEY_MATERIAL"
    listed = (m for m in materials.all_of(ctx, key) if m.number > after and (everything or m.rotated_at_ms))
    found, more = paging.page(listed, size)
    return faults.paged("Rotations", [_describe(ctx, key, m) for m in found], more, str(found[-1].number) if found else "")


def _describe(ctx: Context, key: Key, material: Material) -> dict[str, Any]:
    if material.number == key.current:
        state: str | None = "CURRENT"
    else:
        state = "NON_CURRENT" if material.number < key.current else waiting_state(ctx, key)
    found: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyMaterialId": material.id,
        "KeyMaterialState": state,
        "RotationDate": material.rotated_at_ms or None,
        "RotationType": material.made_by or None,
    }
    if key.origin == "EXTERNAL":
        there = bool(material.sealed)
        model = "KEY_MATERIAL_EXPIRES" if material.valid_to_ms else "KEY_MATERIAL_DOES_NOT_EXPIRE"
        found |= {
            "KeyMaterialDescription": material.description or None,
            "ImportState": "IMPORTED" if there else "PENDING_IMPORT",
            "ExpirationModel": model if there else None,
            "ValidTo": material.valid_to_ms or None,
        }
    return found
