"""Encryption: segments lie under a data key of the account's KMS key, or as all rows do.

X-Ray asks KMS as itself, by a grant that PutEncryptionConfig makes with the caller's permission; a data key that was opened serves for
five minutes. Segments stay under the key that was there when they came.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.xray.state import ENCRYPTION, Encryption
from fogbank.store.vault import Openings, Seal

PRINCIPAL = "xray.amazonaws.com"
_REUSE_MS = 300_000
_SEALED_FOR = b"xray segment"
_open = Openings()


def _arn(ctx: Context, account: str, region: str) -> str:
    return ctx.arn("*", service="xray", account=account, region=region)


def _seal(ctx: Context, account: str, region: str, data_key: bytes) -> Seal:
    """Errors: those of kms:Decrypt."""
    arn = _arn(ctx, account, region)

    def opened() -> bytes:
        members = {"CiphertextBlob": data_key, "EncryptionContext": {"aws:xray:arn": arn}}
        plaintext: bytes = ctx.call("kms", "Decrypt", members, acting=Acting(PRINCIPAL, arn, account), region=region)["Plaintext"]
        return plaintext

    return _open.seal(ctx, arn, data_key, ctx.now, _REUSE_MS, opened)


def sealed(ctx: Context, account: str, region: str, plaintext: bytes) -> tuple[bytes, bytes]:
    """What is written down, and the sealed data key under which it lies (b"": none). Errors: those of kms:Decrypt."""
    kept = ENCRYPTION.get(ctx, account, region)
    if kept is None:
        return plaintext, b""
    return _seal(ctx, account, region, kept.data_key).seal(plaintext, _SEALED_FOR), kept.data_key


def opened(ctx: Context, account: str, region: str, content: bytes, key: bytes) -> bytes:
    """Errors: InvalidRequestException, where KMS does not open it."""
    if not key:
        return content
    try:
        return _seal(ctx, account, region, key).open(content, _SEALED_FOR)
    except ServiceException as refused:
        raise ServiceException(
            "InvalidRequestException", f"The trace is encrypted under a key that cannot be used: {refused.message}"
        ) from None


@operation("GetEncryptionConfig")
def get_encryption_config(ctx: Context, req: Any) -> Answer:
    """How traces are encrypted: under the cloud's own key (NONE), or one of KMS."""
    kept = ENCRYPTION.get(ctx, ctx.account, ctx.region)
    return {"EncryptionConfig": {"Status": "ACTIVE", "Type": "NONE" if kept is None else "KMS", "KeyId": kept.key if kept else None}}


@operation("PutEncryptionConfig")
def put_encryption_config(ctx: Context, req: Any) -> Answer:
    """Has segments that come from now on lie under a key of KMS, or no more. The caller must be allowed to grant X-Ray its use.

    Errors: InvalidRequestException. Source: API reference, PutEncryptionConfig.
    """
    if (req.Type == "KMS") != bool(req.KeyId):
        raise ServiceException("InvalidRequestException", "KeyId is required for the type KMS, and for it alone.")
    kept = ENCRYPTION.get(ctx, ctx.account, ctx.region)
    if req.Type == "NONE":
        if kept is not None:
            ENCRYPTION.delete(ctx, kept)
        return get_encryption_config(ctx, req)
    arn = _arn(ctx, ctx.account, ctx.region)
    grant = {
        "GranteeServicePrincipal": PRINCIPAL,
        "RetiringServicePrincipal": PRINCIPAL,
        "Operations": ["GenerateDataKeyWithoutPlaintext", "Decrypt", "DescribeKey"],
        "Constraints": {"SourceArn": arn},
        "Name": "xray",
    }
    acting = Acting(PRINCIPAL, arn, ctx.account)
    try:
        key = ctx.call("kms", "DescribeKey", {"KeyId": req.KeyId})["KeyMetadata"]["Arn"]
        ctx.call("kms", "CreateGrant", {"KeyId": key, **grant})
        members = {"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": {"aws:xray:arn": arn}}
        made = ctx.call("kms", "GenerateDataKeyWithoutPlaintext", members, acting=acting)
    except ServiceException as refused:
        raise ServiceException("InvalidRequestException", f"The KMS key {req.KeyId} cannot be used: {refused.message}") from None
    ENCRYPTION.put(ctx, Encryption(account=ctx.account, region=ctx.region, key=key, data_key=made["CiphertextBlob"]))
    return get_encryption_config(ctx, req)
