"""Encrypt and Decrypt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import asymmetric, faults, uses
from fogbank.services.kms.ciphertexts import maker
from fogbank.services.kms.faults import check_algorithm, check_dry_run, check_tokens, check_usage
from fogbank.services.kms.materials import current, opened
from fogbank.services.kms.names import key_at, key_of_ciphertext
from fogbank.services.kms.rules import RULES, wrong_state
from fogbank.services.kms.specs import ENCRYPT, SPECS, SYMMETRIC
from fogbank.services.kms.state import MATERIALS, Key

Pairs = Mapping[str, str] | None
IGNORED = "IGNORE_CIPHERTEXT"


class Sealed(NamedTuple):
    """A ciphertext, and the id of the material of a symmetric key that made it."""

    ciphertext: bytes
    material: str | None


def check_kind(ctx: Context, key: Key, algorithm: str, context: Pairs) -> None:
    """Raises InvalidKeyUsageException where key and algorithm do not go together, ValidationException for a context with RSA."""
    check_usage(ctx, key, ENCRYPT)
    if algorithm == "SM2PKE":
        raise NotImplementedOperation("kms", ctx.operation, "with SM2PKE")
    check_algorithm(key, algorithm, SPECS[key.spec].usages[ENCRYPT])
    if context and algorithm != SYMMETRIC:
        raise faults.invalid("EncryptionContext is not supported for asymmetric encryption algorithms.")


def seal(ctx: Context, key: Key, algorithm: str, plaintext: bytes, context: Pairs) -> Sealed:
    material = current(ctx, key)
    if algorithm != SYMMETRIC:
        return Sealed(asymmetric.encrypt(key.spec, material.public, algorithm, plaintext), None)
    return Sealed(opened(ctx, key, material).seal(ctx.random, plaintext, context), material.id)


def unseal(ctx: Context, key: Key, algorithm: str, ciphertext: bytes, context: Pairs) -> tuple[bytes, str | None]:
    """What was encrypted, and the id of the material. Errors: InvalidCiphertextException, IncorrectKeyException."""
    if algorithm != SYMMETRIC:
        found, material_id = asymmetric.decrypt(opened(ctx, key, current(ctx, key)), algorithm, ciphertext), None
    else:
        made = maker(ciphertext)
        if made is None:
            raise ServiceException("InvalidCiphertextException", "")
        if made.key != key.id or made.account != key.account:
            raise ServiceException(
                "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."
            )
        material = MATERIALS.get(ctx, key.account, key.region, key.id, made.number)
        if material is None or not material.sealed:
            raise ServiceException("InvalidCiphertextException", "")
        found, material_id = opened(ctx, key, material).open(ciphertext, context), material.id
    if found is None:
        raise ServiceException("InvalidCiphertextException", "")
    return found, material_id


@operation("Encrypt")
def encrypt(ctx: Context, req: Any) -> Answer:
    """Encrypts up to 4,096 bytes (with RSA, what its padding leaves room for). A symmetric key's context must be given again to decrypt.

    Errors: NotFoundException, DisabledException, KMSInvalidStateException, InvalidKeyUsageException, InvalidGrantTokenException,
    DryRunOperationException. Source: API reference, Encrypt.
    """
    key = key_at(ctx, req.KeyId)
    algorithm = req.EncryptionAlgorithm or SYMMETRIC
    check_kind(ctx, key, algorithm, req.EncryptionContext)
    check_tokens(ctx, req)
    check_dry_run(req)
    sealed = seal(ctx, key, algorithm, req.Plaintext, req.EncryptionContext)
    uses.note(ctx, key)
    return {"CiphertextBlob": sealed.ciphertext, "KeyId": key.arn, "EncryptionAlgorithm": algorithm}


@operation("Decrypt")
def decrypt(ctx: Context, req: Any) -> Answer:
    """Decrypts what a key encrypted; a symmetric key's ciphertext says which key that was, whatever it was rotated to since.

    Errors: NotFoundException, DisabledException, KMSInvalidStateException, InvalidCiphertextException (altered, or another
    context), IncorrectKeyException, InvalidKeyUsageException, InvalidGrantTokenException, AccessDeniedException,
    DryRunOperationException. Source: API reference, Decrypt.
    """
    faults.check_recipient(ctx, req)
    ignored = ciphertext_ignored(req)
    if ignored and req.KeyId is None:
        raise faults.invalid("KeyId is required when DryRunModifiers is IGNORE_CIPHERTEXT.")
    key = _source(ctx, req.KeyId, req.CiphertextBlob)
    algorithm = req.EncryptionAlgorithm or SYMMETRIC
    check_kind(ctx, key, algorithm, req.EncryptionContext)
    check_tokens(ctx, req)
    if ignored:
        check_dry_run(req)
    plaintext, material_id = unseal(ctx, key, algorithm, req.CiphertextBlob, req.EncryptionContext)
    check_dry_run(req)
    uses.note(ctx, key)
    return {"KeyId": key.arn, "Plaintext": plaintext, "EncryptionAlgorithm": algorithm, "KeyMaterialId": material_id}


def ciphertext_ignored(req: Any) -> bool:
    """Whether only the permissions are asked for. Raises ValidationException where there is no ciphertext and they are not."""
    ignored = IGNORED in (req.DryRunModifiers or ())
    if ignored and not req.DryRun:
        raise faults.invalid("DryRunModifiers can only be specified when DryRun is true.")
    if req.CiphertextBlob is None and not ignored:
        raise faults.invalid("1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")
    return ignored


def _source(ctx: Context, key_id: str | None, ciphertext: bytes | None) -> Key:
    """The key to decrypt with: the one that the caller names, else the one that the ciphertext names."""
    if key_id is not None:
        return key_at(ctx, key_id)
    key = key_of_ciphertext(ctx, ciphertext)
    if key.state not in RULES[ctx.operation].states:
        raise wrong_state(ctx.operation, key.arn, key.state)
    return key
