"""Envelope encryption: each value under a data key of its own, the data key under a KMS key, called as the caller.

The encryption context binds a data key to its secret and version. After a change of the secret's key the data keys of labelled
versions are kept under the new key and the old ones, as AWS does: either opens them.

Source: "Secret encryption and decryption in AWS Secrets Manager" in the AWS Secrets Manager User Guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.secretsmanager.addresses import arn_of
from fogbank.services.secretsmanager.state import Secret, Version, WrappedKey
from fogbank.store import change
from fogbank.store.vault import Seal

DEFAULT_KEY = "alias/aws/secretsmanager"
Members = Mapping[str, Any]


def key_id(given: str | None) -> str:
    """A key as a secret keeps it: empty for the account's aws/secretsmanager."""
    return "" if given is None or given == DEFAULT_KEY or given.endswith(f":{DEFAULT_KEY}") else given


def _key_of(secret: Secret) -> str:
    """The secret's key, named so that KMS finds it whoever calls."""
    given = secret.kms_key_id or DEFAULT_KEY
    if given.startswith("arn:"):
        return given
    path = given if given.startswith("alias/") else f"key/{given}"
    return f"arn:{partition_of(secret.region)}:kms:{secret.region}:{secret.account}:{path}"


def _check_reach(ctx: Context, secret: Secret, key: str) -> None:
    if not key and ctx.account != secret.account and ctx.principal.kind != "service":
        raise ServiceException(
            "InvalidRequestException",
            "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
        )


def _kms(ctx: Context, secret: Secret, operation: str, failure: str, members: Members) -> Any:
    """Calls KMS in the secret's region. What it refuses becomes Secrets Manager's own refusal."""
    try:
        return ctx.call("kms", operation, members, region=secret.region)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        if refused.code == "AccessDeniedException":
            raise ServiceException("AccessDeniedException", "Access to KMS is not allowed") from None
        done = "encrypt" if failure == "EncryptionFailure" else "decrypt"
        raise ServiceException(
            failure, f"Secrets Manager can't {done} the protected secret text using the provided KMS key. {refused.message}".rstrip()
        ) from None


def _bound(secret: Secret, version_id: str) -> Members:
    return {"SecretARN": arn_of(secret), "SecretVersionId": version_id}


def seal(ctx: Context, secret: Secret, version_id: str, value: bytes, *, binary: bool) -> Version:
    """A new version that holds a value. Errors: EncryptionFailure, AccessDeniedException, InvalidRequestException."""
    _check_reach(ctx, secret, secret.kms_key_id)
    members = {"KeyId": _key_of(secret), "KeySpec": "AES_256", "EncryptionContext": _bound(secret, version_id)}
    made = _kms(ctx, secret, "GenerateDataKey", "EncryptionFailure", members)
    return Version(
        secret=secret.id,
        id=version_id,
        number=ctx.tx.unique(),
        created_at_ms=ctx.now,
        sealed=Seal(made["Plaintext"]).seal(value),
        keys=(_wrapped(secret, made["KeyId"], made["CiphertextBlob"]),),
        binary=binary,
    )


def open_(ctx: Context, secret: Secret, version: Version) -> bytes:
    """A version's value. Errors: DecryptionFailure, AccessDeniedException, InvalidRequestException."""
    return Seal(_data_key(ctx, secret, version)).open(version.sealed)


def _data_key(ctx: Context, secret: Secret, version: Version) -> bytes:
    """A version's data key: by the first of the keys it is under that lets the caller have it."""
    refused: ServiceException | None = None
    for key in version.keys:
        try:
            _check_reach(ctx, secret, key.key_arn)
            members = {"CiphertextBlob": key.blob, "EncryptionContext": _bound(secret, version.id)}
            opened: bytes = _kms(ctx, secret, "Decrypt", "DecryptionFailure", members)["Plaintext"]
            return opened
        except ServiceException as no:
            refused = refused or no
    assert refused is not None
    raise refused


def rewrap(ctx: Context, secret: Secret, version: Version) -> Version:
    """The version with its data key also under the secret's key, as it is now; unchanged where the caller may not do that."""
    try:
        data_key = _data_key(ctx, secret, version)
        members = {"KeyId": _key_of(secret), "Plaintext": data_key, "EncryptionContext": _bound(secret, version.id)}
        made = _kms(ctx, secret, "Encrypt", "EncryptionFailure", members)
    except ServiceException as refused:
        if refused.code in ("AccessDeniedException", "DecryptionFailure"):
            return version
        raise
    key = _wrapped(secret, made["KeyId"], made["CiphertextBlob"])
    return change(version, keys=(key, *(k for k in version.keys if k.key_arn != key.key_arn)))


def _wrapped(secret: Secret, key_arn: str, blob: bytes) -> WrappedKey:
    return WrappedKey(key_arn if secret.kms_key_id else "", blob)
