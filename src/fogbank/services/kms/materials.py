"""Key material: made, kept sealed, opened for use."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.kms import pairs
from fogbank.services.kms.ciphertexts import Cipher
from fogbank.services.kms.specs import SPECS, SYMMETRIC
from fogbank.services.kms.state import KEYS, MATERIALS, RELATED, Key, Material
from fogbank.store import change

KEPT = 1024
_opened: dict[bytes, Any] = {}
"""What was opened last, by its sealed bytes: opening costs more than all the rest of an Encrypt."""


def material_id(key_id: str, secret: bytes) -> str:
    """AWS's KeyMaterialId: of the key and what is in it."""
    return sha256(key_id.encode() + secret).hexdigest()


def sealed(ctx: Context, key: Key, number: int, secret: bytes, public: bytes = b"", **fields: Any) -> Material:
    """A record of new material, sealed for its key."""
    return Material(
        account=key.account,
        region=key.region,
        key=key.id,
        number=number,
        id=material_id(key.id, secret),
        sealed=ctx.vault.seal(secret, key.id.encode()),
        public=public,
        **fields,
    )


def current(ctx: Context, key: Key) -> Material:
    """The material that encrypts. The key's state says that it is there."""
    material = MATERIALS.get(ctx, key.account, key.region, key.id, key.current)
    assert material is not None
    return material


def opened(ctx: Context, key: Key, material: Material) -> Any:
    """A symmetric key's `Cipher`, an HMAC key's bytes, or a private key."""
    found = _opened.get(material.sealed)
    if found is None:
        secret = ctx.vault.open(material.sealed, key.id.encode())
        if key.spec == SYMMETRIC:
            found = Cipher(secret, key.account, key.id, material.number)
        else:
            found = pairs.read(secret) if SPECS[key.spec].asymmetric else secret
        if len(_opened) >= KEPT:
            del _opened[next(iter(_opened))]
        _opened[material.sealed] = found
    return found


def related(ctx: Context, key: Key) -> list[Key]:
    """The keys of a multi-Region set, this one among them, in order of their regions; of any other key, itself."""
    return list(RELATED.scan(ctx, key.account, key.id)) if key.multi_region else [key]


def add(ctx: Context, key: Key, made_by: str = "", at_ms: int = 0) -> None:
    """Gives a key new material, which encrypts from now on, by a rotation of this kind and instant; its related keys get the same."""
    secret, public = pairs.make(ctx, key.spec)
    number = key.materials + 1
    material = sealed(ctx, key, number, secret, public, made_by=made_by, rotated_at_ms=at_ms)
    for each in related(ctx, key):
        MATERIALS.put(ctx, change(material, region=each.region))
        KEYS.put(ctx, change(each, current=number, materials=number))


def all_of(ctx: Context, key: Key) -> list[Material]:
    """Every material of a key, oldest first; the last may be one that waits to be rotated to."""
    return list(MATERIALS.scan(ctx, key.account, key.region, key.id))


def complete(ctx: Context, key: Key) -> bool:
    """Whether all the material that belongs to the key for good is there."""
    return key.current > 0 and all(material.sealed for material in all_of(ctx, key) if material.number <= key.current)
