"""Imported key material: how to wrap it, bringing it in, taking it away.

An import token is stateless: what we need to know to open the wrapping, sealed by the vault.
Source: "Importing key material" in the KMS Developer Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import asymmetric, faults, materials, pairs
from fogbank.services.kms.names import find, key_at
from fogbank.services.kms.rotation import waiting
from fogbank.services.kms.rules import DISABLED, ENABLED, PENDING_IMPORT, RULES, UPDATING
from fogbank.services.kms.specs import SPECS, SYMMETRIC
from fogbank.services.kms.state import DAY_MS, KEYS, MATERIALS, Key, Material
from fogbank.store import change

TOKEN = b"import token"
TOKEN_MS = DAY_MS
VALID_DAYS = 365


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What an import token says: for which key, until when, how the material is wrapped, and the wrapping key's private half."""

    arn: str
    until_ms: int
    algorithm: str
    private: bytes


def _importing(ctx: Context, key_id: str) -> Key:
    """A key of imported material. Errors: UnsupportedOperationException, and those of `key_at`."""
    key = find(ctx, key_id, RULES[ctx.operation])
    if key.origin != "EXTERNAL":
        raise faults.unsupported(f"{key.arn} origin is {key.origin} which is not valid for this operation.")
    return key_at(ctx, key_id)


@operation("GetParametersForImport")
def get_parameters_for_import(ctx: Context, req: Any) -> Answer:
    """A new RSA key to wrap material with, and the token to send with it: good for 24 hours.

    RSAES_PKCS1_V1_5 is not supported any more (nor by AWS); SM2 is refused. Errors: NotFoundException,
    UnsupportedOperationException, KMSInvalidStateException, ValidationException. Source: API reference, GetParametersForImport.
    """
    key = _importing(ctx, req.KeyId)
    if "SM2PKE" in (req.WrappingAlgorithm, req.WrappingKeySpec) or req.WrappingKeySpec == "SM2":
        raise NotImplementedOperation("kms", ctx.operation, "with SM2")
    if req.WrappingAlgorithm == "RSAES_PKCS1_V1_5":
        raise faults.unsupported("Algorithm RSAES_PKCS1_V1_5 is not supported for wrapping key material.")
    wrapped_directly = req.WrappingAlgorithm.startswith("RSAES_OAEP")
    if wrapped_directly and (SPECS[key.spec].kind == "rsa" or (key.spec == "ECC_NIST_P521" and req.WrappingKeySpec == "RSA_2048")):
        raise faults.invalid(
            f"Wrapping algorithm {req.WrappingAlgorithm} with wrapping key spec {req.WrappingKeySpec} cannot wrap {key.spec} key material."
        )
    private, public = pairs.make(ctx, req.WrappingKeySpec)
    until_ms = ctx.now + TOKEN_MS
    token = msgspec.msgpack.encode(Token(key.arn, until_ms, req.WrappingAlgorithm, private))
    return {
        "KeyId": key.arn,
        "ImportToken": ctx.vault.seal(token, TOKEN),
        "PublicKey": public,
        "ParametersValidTo": until_ms,
    }


@operation("ImportKeyMaterial")
def import_key_material(ctx: Context, req: Any) -> Answer:
    """Brings material into a key, which is Enabled when all that it needs is there.

    What was imported first is the key's for good: only the same can be imported again. A symmetric key takes new material
    besides (NEW_KEY_MATERIAL), which waits for RotateKeyOnDemand; of a multi-Region set, the primary key first. ValidTo is at
    most 365 days from now.

    Errors: NotFoundException, UnsupportedOperationException, KMSInvalidStateException, InvalidImportTokenException,
    ExpiredImportTokenException, InvalidCiphertextException, IncorrectKeyMaterialException, ValidationException.
    Source: API reference, ImportKeyMaterial.
    """
    key = _importing(ctx, req.KeyId)
    valid_to_ms = _read_valid_to(ctx, req)
    _check_symmetric(key, req)
    secret = _unwrap(_read_token(ctx, key, req.ImportToken), req.EncryptedKeyMaterial)
    try:
        public = pairs.check(key.spec, secret)
    except ValueError:
        raise _incorrect("The key material is not valid for the key spec of the KMS key.") from None
    material_id = materials.material_id(key.id, secret)
    if req.KeyMaterialId is not None and req.KeyMaterialId != material_id:
        raise _incorrect("The key material does not match the specified key material ID.")
    number = _number(ctx, key, req, material_id)
    before = MATERIALS.get(ctx, key.account, key.region, key.id, number)
    material = materials.sealed(
        ctx,
        key,
        number,
        secret,
        public,
        valid_to_ms=valid_to_ms,
        description=req.KeyMaterialDescription or (before.description if before is not None else ""),
        rotated_at_ms=before.rotated_at_ms if before is not None else 0,
        made_by=before.made_by if before is not None else "",
    )
    MATERIALS.put(ctx, material)
    key = change(key, current=key.current or number, materials=max(key.materials, number))
    KEYS.put(ctx, key)
    if key.state == PENDING_IMPORT and materials.complete(ctx, key):
        KEYS.put(ctx, change(key, state=ENABLED))
    if valid_to_ms:
        ctx.later("kms.expire", {"account": key.account, "region": key.region, "key": key.id, "number": number}, at_ms=valid_to_ms)
    return {"KeyId": key.arn, "KeyMaterialId": material_id if key.spec == SYMMETRIC else None}


def _incorrect(message: str) -> ServiceException:
    return ServiceException("IncorrectKeyMaterialException", message)


def _read_valid_to(ctx: Context, req: Any) -> int:
    """When the material expires; 0: never."""
    if req.ExpirationModel == "KEY_MATERIAL_DOES_NOT_EXPIRE":
        if req.ValidTo is not None:
            raise faults.invalid("You cannot specify ValidTo when ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE.")
        return 0
    if req.ValidTo is None:
        raise faults.invalid("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
    at_ms: int = req.ValidTo
    if not ctx.now < at_ms <= ctx.now + VALID_DAYS * DAY_MS:
        raise faults.invalid(f"ValidTo must be in the future, and at most {VALID_DAYS} days from now.")
    return at_ms


def _check_symmetric(key: Key, req: Any) -> None:
    if key.spec != SYMMETRIC:
        for member in ("ImportType", "KeyMaterialDescription", "KeyMaterialId"):
            if getattr(req, member) is not None:
                raise faults.invalid(f"{member} is only supported for symmetric encryption KMS keys.")
    if req.ImportType == "NEW_KEY_MATERIAL" and req.KeyMaterialId is not None:
        raise faults.invalid("You cannot specify KeyMaterialId when ImportType is NEW_KEY_MATERIAL.")


def _read_token(ctx: Context, key: Key, sealed: bytes) -> Token:
    try:
        token = msgspec.msgpack.decode(ctx.vault.open(sealed, TOKEN), type=Token)
    except ValueError:
        raise ServiceException("InvalidImportTokenException", "") from None
    if token.arn != key.arn:
        raise ServiceException("InvalidImportTokenException", "")
    if token.until_ms <= ctx.now:
        raise ServiceException("ExpiredImportTokenException", "")
    return token


def _unwrap(token: Token, wrapped: bytes) -> bytes:
    """Errors: InvalidCiphertextException."""
    private = pairs.read(token.private)
    algorithm = token.algorithm
    found: bytes | None
    if algorithm.startswith("RSAES_OAEP"):
        found = asymmetric.decrypt(private, algorithm, wrapped)
    else:
        size = private.key_size // 8
        wrapping = asymmetric.decrypt(private, algorithm, wrapped[:size])
        try:
            found = aes_key_unwrap_with_padding(wrapping, wrapped[size:]) if wrapping is not None else None
        except (InvalidUnwrap, ValueError):
            found = None
    if found is None:
        raise ServiceException("InvalidCiphertextException", "")
    return found


def _number(ctx: Context, key: Key, req: Any, material_id: str) -> int:
    """Under which number the material goes. Errors: IncorrectKeyMaterialException, UnsupportedOperationException."""
    known = {material.id: material.number for material in materials.all_of(ctx, key)}
    pattern = _of_primary(ctx, key)
    new = (req.ImportType or ("EXISTING_KEY_MATERIAL" if known or pattern else "NEW_KEY_MATERIAL")) == "NEW_KEY_MATERIAL"
    if not new:
        number = known.get(material_id) or pattern.get(material_id)
        if number is None:
            raise _incorrect("The key material is not the same that was previously imported into the KMS key.")
        return number
    if material_id in known:
        raise _incorrect("The key material is already associated with the KMS key.")
    if key.multi_region and not key.is_primary:
        raise faults.unsupported(f"{key.arn} is a multi-Region replica key: import new key material into its primary key first.")
    unused = waiting(ctx, key)
    if unused is not None:
        _drop_waiting(ctx, key, unused)
        return unused.number
    return key.materials + 1


def _of_primary(ctx: Context, key: Key) -> dict[str, int]:
    """The materials that a replica may import: its primary's, by their ids."""
    if not key.multi_region or key.is_primary:
        return {}
    primary = next(each for each in materials.related(ctx, key) if each.is_primary)
    return {material.id: material.number for material in materials.all_of(ctx, primary)}


def _drop_waiting(ctx: Context, key: Key, material: Material) -> None:
    """Material that waits to be rotated to is not the key's for good: it may be taken away, from the whole set if from the primary."""
    for each in materials.related(ctx, key) if key.is_primary else [key]:
        MATERIALS.delete(ctx, change(material, region=each.region))
        KEYS.put(ctx, change(each, materials=material.number - 1))


@operation("DeleteImportedKeyMaterial")
def delete_imported_key_material(ctx: Context, req: Any) -> Answer:
    """Takes imported material away (the current one, or the one named); the key is PendingImport until the same comes back.

    Errors: NotFoundException, UnsupportedOperationException, KMSInvalidStateException. Source: API reference, DeleteImportedKeyMaterial.
    """
    key = _importing(ctx, req.KeyId)
    there = materials.all_of(ctx, key)
    if req.KeyMaterialId is None:
        material = next((m for m in there if m.number == key.current), None)
    else:
        material = next((m for m in there if m.id == req.KeyMaterialId), None)
        if material is None:
            raise faults.not_found(f"Key material {req.KeyMaterialId} is not associated with {key.arn}")
    if material is not None and material.sealed:
        take_away(ctx, key, material)
    return {"KeyId": key.arn, "KeyMaterialId": material.id if material is not None and key.spec == SYMMETRIC else None}


def take_away(ctx: Context, key: Key, material: Material) -> None:
    """The material is not here any more: whatever the key needs, it waits for."""
    if material.number > key.current:
        _drop_waiting(ctx, key, material)
        return
    MATERIALS.put(ctx, change(material, sealed=b"", valid_to_ms=0))
    if key.state in (ENABLED, DISABLED, UPDATING):
        KEYS.put(ctx, change(key, state=PENDING_IMPORT))
