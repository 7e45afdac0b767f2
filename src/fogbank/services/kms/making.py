"""Keys made: the record, its policy and its first material."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.kms import documents, materials
from fogbank.services.kms.rules import ENABLED, PENDING_IMPORT
from fogbank.services.kms.specs import ENCRYPT, SYMMETRIC
from fogbank.services.kms.state import KEYS, Key


def make(ctx: Context, *, origin: str = "AWS_KMS", multi_region: bool = False, **fields: Any) -> Key:
    """Puts a new key of the caller's account; one that KMS makes the material of has it at once."""
    key_id = f"mrk-{ctx.random.hex(32)}" if multi_region else ctx.random.uuid()
    fields.setdefault("policy", documents.default(ctx.account, ctx.region))
    key = Key(
        account=ctx.account,
        region=ctx.region,
        id=key_id,
        arn=ctx.arn(f"key/{key_id}", service="kms"),
        origin=origin,
        created_at_ms=ctx.now,
        state=PENDING_IMPORT if origin == "EXTERNAL" else ENABLED,
        primary=ctx.region if multi_region else "",
        **{"spec": SYMMETRIC, "usage": ENCRYPT, **fields},
    )
    KEYS.put(ctx, key)
    if origin == "AWS_KMS":
        materials.add(ctx, key)
    made = KEYS.get(ctx, key.account, key.region, key.id)
    assert made is not None
    return made
