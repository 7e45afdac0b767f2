"""Encryption at rest: what of a message lies on disk is sealed, under the cloud's root key or under data keys of the topic's KMS key.

A data key serves one principal on one topic for five minutes; only then is KMS asked again. It is opened as whoever had it made.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.sns.addresses import arn_of
from fogbank.services.sns.state import TOPIC_KEYS, DataKey, Message, Topic, TopicKey
from fogbank.store.vault import Openings, Seal

REUSE_MS = 5 * 60 * 1000
_open = Openings()
"""Data keys in the clear."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode

_REFUSALS = {
    "AccessDeniedException": "KMSAccessDeniedException",
    "DisabledException": "KMSDisabledException",
    "KMSInvalidStateException": "KMSInvalidStateException",
    "InvalidKeyUsageException": "KMSInvalidStateException",
    "NotFoundException": "KMSNotFoundException",
    "InvalidArnException": "KMSNotFoundException",
    "ThrottlingException": "KMSThrottlingException",
}


def data_key_for(ctx: Context, topic: Topic) -> DataKey | None:
    """The data key that a new message is under; None where the topic has no KMS key.

    Needs kms:GenerateDataKey and kms:Decrypt. Errors: KMSAccessDenied, KMSDisabled, KMSInvalidState, KMSNotFound.
    """
    if not topic.kms_key:
        return None
    row = TOPIC_KEYS.get(ctx, topic.id, ctx.principal.user_id)
    if row is not None and row.kms_key == topic.kms_key and row.made_at_ms <= ctx.now < row.made_at_ms + REUSE_MS:
        seal_of(ctx, row.data_key)
        return row.data_key
    arn = arn_of(topic)
    members = {"KeyId": topic.kms_key, "KeySpec": "AES_256", "EncryptionContext": {"aws:sns:topicArn": arn}}
    made = _ask_kms(ctx, topic.region, "GenerateDataKey", members)
    data_key = DataKey(key_arn=made["KeyId"], ciphertext=made["CiphertextBlob"], topic_arn=arn, caller=ctx.door.caller(ctx))
    row = TopicKey(topic=topic.id, principal=ctx.principal.user_id, kms_key=topic.kms_key, data_key=data_key, made_at_ms=ctx.now)
    TOPIC_KEYS.put(ctx, row)
    seal_of(ctx, data_key)  # AWS, too, decrypts it once before it trusts it
    return data_key


def seal_of(ctx: Context, data_key: DataKey | None) -> Seal:
    """What opens a message, for this caller. Needs kms:Decrypt on the KMS key that it is under."""
    if data_key is None:
        vault: Seal = ctx.vault
        return vault
    members = {
        "CiphertextBlob": data_key.ciphertext,
        "EncryptionContext": {"aws:sns:topicArn": data_key.topic_arn},
        "KeyId": data_key.key_arn,
    }
    me = (ctx.principal.user_id, ctx.principal.session)
    region = data_key.topic_arn.split(":")[3]
    return _open.seal(ctx, me, data_key.ciphertext, ctx.now, REUSE_MS, lambda: _ask_kms(ctx, region, "Decrypt", members)["Plaintext"])


def sealed(ctx: Context, message: Message, data_key: DataKey | None) -> bytes:
    return _as_publisher(ctx, data_key).seal(_encode(message))


def opened(ctx: Context, content: bytes, data_key: DataKey | None) -> Message:
    """A message that was kept, opened as who published it. Errors: those of KMS, ExpiredToken."""
    return _decode(_as_publisher(ctx, data_key).open(content))


def _as_publisher(ctx: Context, data_key: DataKey | None) -> Seal:
    """The seal of a message, in a task as well."""
    return seal_of(ctx if data_key is None else ctx.as_caller(data_key.caller), data_key)


def _ask_kms(ctx: Context, region: str, name: str, members: dict[str, Any]) -> Any:
    try:
        return ctx.call("kms", name, members, region=region)
    except ServiceException as refused:
        if refused.code not in _REFUSALS:
            raise
        raise ServiceException(_REFUSALS[refused.code], refused.message) from None
