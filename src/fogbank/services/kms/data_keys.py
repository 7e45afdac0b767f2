"""Data keys, data key pairs and random bytes: made here, used elsewhere."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import faults, pairs, uses
from fogbank.services.kms.encryption import Sealed, seal
from fogbank.services.kms.names import key_at
from fogbank.services.kms.specs import ENCRYPT, SPECS, SYMMETRIC
from fogbank.services.kms.state import Key

_BYTES = {"AES_128": 16, "AES_256": 32}


def _sealing_key(ctx: Context, req: Any) -> Key:
    """The symmetric key that is to seal. Errors: InvalidKeyUsageException, and those of `key_at`."""
    key = key_at(ctx, req.KeyId)
    faults.check_usage(ctx, key, ENCRYPT)
    faults.check_algorithm(key, SYMMETRIC, SPECS[key.spec].usages[ENCRYPT])
    faults.check_tokens(ctx, req)
    return key


def _data_key(ctx: Context, req: Any) -> tuple[bytes, Key, Sealed]:
    """A new data key: itself, the key that sealed it, and the seal."""
    if (req.KeySpec is None) == (req.NumberOfBytes is None):
        raise faults.invalid("Please specify either number of bytes or key spec.")
    key = _sealing_key(ctx, req)
    faults.check_dry_run(req)
    plaintext = ctx.random.bytes(req.NumberOfBytes or _BYTES[req.KeySpec])
    sealed = seal(ctx, key, SYMMETRIC, plaintext, req.EncryptionContext)
    uses.note(ctx, key)
    return plaintext, key, sealed


@operation("GenerateDataKey")
def generate_data_key(ctx: Context, req: Any) -> Answer:
    """A new data key, plain and sealed under a symmetric key: AES_128, AES_256, or of 1 to 1,024 bytes.

    Errors: NotFoundException, DisabledException, KMSInvalidStateException, InvalidKeyUsageException, ValidationException,
    InvalidGrantTokenException, DryRunOperationException. Source: API reference, GenerateDataKey.
    """
    faults.check_recipient(ctx, req)
    plaintext, key, sealed = _data_key(ctx, req)
    return {"CiphertextBlob": sealed.ciphertext, "Plaintext": plaintext, "KeyId": key.arn, "KeyMaterialId": sealed.material}


@operation("GenerateDataKeyWithoutPlaintext")
def generate_data_key_without_plaintext(ctx: Context, req: Any) -> Answer:
    """A new data key, sealed only. Errors: those of GenerateDataKey. Source: API reference, GenerateDataKeyWithoutPlaintext."""
    _, key, sealed = _data_key(ctx, req)
    return {"CiphertextBlob": sealed.ciphertext, "KeyId": key.arn, "KeyMaterialId": sealed.material}


def _data_key_pair(ctx: Context, req: Any) -> tuple[bytes, dict[str, Any]]:
    """A new private key, and the answer of GenerateDataKeyPairWithoutPlaintext."""
    if req.KeyPairSpec not in SPECS:
        raise NotImplementedOperation("kms", ctx.operation, f"with the KeyPairSpec {req.KeyPairSpec}")
    key = _sealing_key(ctx, req)
    faults.check_dry_run(req)
    private, public = pairs.make(ctx, req.KeyPairSpec)
    sealed = seal(ctx, key, SYMMETRIC, private, req.EncryptionContext)
    uses.note(ctx, key)
    return private, {
        "PrivateKeyCiphertextBlob": sealed.ciphertext,
        "PublicKey": public,
        "KeyId": key.arn,
        "KeyPairSpec": req.KeyPairSpec,
        "KeyMaterialId": sealed.material,
    }


@operation("GenerateDataKeyPair")
def generate_data_key_pair(ctx: Context, req: Any) -> Answer:
    """A new key pair (PKCS #8 and SubjectPublicKeyInfo, DER), its private half also sealed under a symmetric key.

    SM2 and ML_KEM_512 are refused. Errors: those of GenerateDataKey. Source: API reference, GenerateDataKeyPair.
    """
    faults.check_recipient(ctx, req)
    private, answer = _data_key_pair(ctx, req)
    return {**answer, "PrivateKeyPlaintext": private}


@operation("GenerateDataKeyPairWithoutPlaintext")
def generate_data_key_pair_without_plaintext(ctx: Context, req: Any) -> Answer:
    """The same without the plain private half. Errors: those of GenerateDataKey.

    Source: API reference, GenerateDataKeyPairWithoutPlaintext.
    """
    return _data_key_pair(ctx, req)[1]


@operation("GenerateRandom")
def generate_random(ctx: Context, req: Any) -> Answer:
    """1 to 1,024 random bytes. Errors: ValidationException. Source: API reference, GenerateRandom."""
    faults.check_recipient(ctx, req)
    if req.CustomKeyStoreId is not None:
        raise NotImplementedOperation("kms", "GenerateRandom", "with CustomKeyStoreId: there are no custom key stores")
    if req.NumberOfBytes is None:
        raise faults.invalid("NumberOfBytes is required.")
    return {"Plaintext": ctx.random.bytes(req.NumberOfBytes)}
