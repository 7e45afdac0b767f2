"""Streams under a KMS key: batches of records are sealed under data keys, which the KMS key wraps.

A data key serves one principal in one stream for five minutes; only then is KMS asked again, so a permission that is taken away
counts after that time at the latest, as in AWS. Producers need kms:GenerateDataKey on the key, consumers kms:Decrypt.

Source: developer guide, Data protection in Kinesis Data Streams.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.kinesis.addresses import arn_of
from fogbank.services.kinesis.state import DATA_KEYS, KEYS_IN_USE, Batch, Content, DataKey, Encryption, KeyInUse, Stream
from fogbank.store.vault import Openings, Seal

KEPT_MS = 300_000
_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Content).decode
_open = Openings()
"""Data keys in the clear."""

_REFUSALS = {
    "AccessDeniedException": "KMSAccessDeniedException",
    "DisabledException": "KMSDisabledException",
    "KMSInvalidStateException": "KMSInvalidStateException",
    "NotFoundException": "KMSNotFoundException",
    "InvalidArnException": "KMSNotFoundException",
    "ThrottlingException": "KMSThrottlingException",
}


def batch(ctx: Context, stream: Stream, shard: int, first: int, keys: tuple[str, ...], contents: tuple[bytes, ...]) -> Batch:
    """Records as they are to be kept."""
    if stream.encryption is None:
        return Batch(shard, first, len(keys), ctx.now, keys, contents)
    data_key = _data_key(ctx, stream, stream.encryption)
    sealed = _seal_of(ctx, stream, data_key).seal(_encode(Content(keys, contents)))
    return Batch(shard, first, len(keys), ctx.now, (), (), data_key.number, sealed)


def content_of(ctx: Context, stream: Stream, kept: Batch) -> Batch | Content:
    """The records of a batch, in the clear. Errors: KMSAccessDeniedException, KMSDisabledException, KMSInvalidStateException ..."""
    if not kept.data_key:
        return kept
    data_key = DATA_KEYS.get(ctx, stream.id, kept.data_key)
    assert data_key is not None
    return _decode(_seal_of(ctx, stream, data_key).open(kept.sealed))


def _data_key(ctx: Context, stream: Stream, encryption: Encryption) -> DataKey:
    """The data key that the caller's records are sealed under now."""
    me = ctx.principal.user_id
    used = KEYS_IN_USE.get(ctx, stream.id, me)
    if used is not None and used.key_arn == encryption.key_arn and used.made_at_ms <= ctx.now < used.made_at_ms + KEPT_MS:
        kept = DATA_KEYS.get(ctx, stream.id, used.number)
        if kept is not None:
            return kept
    members = {"KeyId": encryption.key_arn, "KeySpec": "AES_256", "EncryptionContext": {"aws:kinesis:arn": arn_of(stream)}}
    made = ask_kms(ctx, "GenerateDataKey", members)
    data_key = DataKey(stream.id, ctx.tx.unique(), made["KeyId"], made["CiphertextBlob"], arn_of(stream))
    DATA_KEYS.put(ctx, data_key)
    KEYS_IN_USE.put(ctx, KeyInUse(stream.id, me, data_key.number, encryption.key_arn, ctx.now))
    plaintext: bytes = made["Plaintext"]
    _open.seal(ctx, _me(ctx), data_key.ciphertext, ctx.now, KEPT_MS, lambda: plaintext)
    return data_key


def _me(ctx: Context) -> tuple[str, str]:
    return ctx.principal.user_id, ctx.principal.session


def _seal_of(ctx: Context, stream: Stream, data_key: DataKey) -> Seal:
    members = {
        "CiphertextBlob": data_key.ciphertext,
        "EncryptionContext": {"aws:kinesis:arn": data_key.stream_arn},
        "KeyId": data_key.key_arn,
    }
    return _open.seal(ctx, _me(ctx), data_key.ciphertext, ctx.now, KEPT_MS, lambda: ask_kms(ctx, "Decrypt", members)["Plaintext"])


def ask_kms(ctx: Context, name: str, members: dict[str, Any]) -> Any:
    """KMS, as the caller. What it refuses becomes Kinesis's own refusal."""
    try:
        return ctx.call("kms", name, members)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        raise ServiceException(_REFUSALS.get(refused.code, "KMSInvalidStateException"), refused.message) from None
