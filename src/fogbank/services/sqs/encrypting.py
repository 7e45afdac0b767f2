"""Encryption at rest: SSE-SQS (under the cloud's root key) and SSE-KMS (under data keys of a KMS key).

A data key serves one principal in one queue for the queue's KmsDataKeyReusePeriodSeconds; only then is KMS asked again, so a
permission that is taken away counts after that time at the latest, as in AWS. A message knows the data key that it lies under,
and keeps it wherever it is moved.
"""

from __future__ import annotations

from typing import Any, NoReturn

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.sqs.addresses import arn_of
from fogbank.services.sqs.state import QUEUE_KEYS, DataKey, Message, Queue, QueueKey
from fogbank.store.vault import Openings, Seal

_open = Openings()
"""Data keys in the clear."""

_REFUSALS = {
    "AccessDeniedException": "KmsAccessDenied",
    "DisabledException": "KmsDisabled",
    "KMSInvalidStateException": "KmsInvalidState",
    "InvalidKeyUsageException": "KmsInvalidKeyUsage",
    "NotFoundException": "KmsNotFound",
    "InvalidArnException": "KmsNotFound",
}


def seal_for(ctx: Context, queue: Queue) -> tuple[Seal | None, DataKey | None]:
    """What seals a new message of a queue, and the data key that it is then under; nothing where the queue has no encryption.

    Needs kms:GenerateDataKey and kms:Decrypt on the queue's KMS key. Errors: KmsAccessDenied, KmsDisabled, KmsInvalidState ...
    """
    if not queue.kms_key:
        return (ctx.vault if queue.sqs_managed_sse else None), None
    row = QUEUE_KEYS.get(ctx, queue.id, ctx.principal.user_id)
    if row is not None and row.kms_key == queue.kms_key and row.made_at_ms <= ctx.now < row.made_at_ms + queue.kms_reuse_s * 1000:
        return seal_of(ctx, queue, row.data_key), row.data_key
    arn = arn_of(queue)
    members = {"KeyId": queue.kms_key, "KeySpec": "AES_256", "EncryptionContext": {"aws:sqs:arn": arn}}
    made = _ask_kms(ctx, queue, "GenerateDataKey", members)
    data_key = DataKey(key_arn=made["KeyId"], ciphertext=made["CiphertextBlob"], queue_arn=arn)
    QUEUE_KEYS.put(
        ctx, QueueKey(queue=queue.id, principal=ctx.principal.user_id, kms_key=queue.kms_key, data_key=data_key, made_at_ms=ctx.now)
    )
    return seal_of(ctx, queue, data_key), data_key  # AWS, too, decrypts it once before it trusts it


def seal_of(ctx: Context, queue: Queue, data_key: DataKey | None) -> Seal:
    """What opens a message, for this caller. Needs kms:Decrypt on the KMS key that it is under."""
    if data_key is None:
        vault: Seal = ctx.vault
        return vault
    members = {
        "CiphertextBlob": data_key.ciphertext,
        "EncryptionContext": {"aws:sqs:arn": data_key.queue_arn},
        "KeyId": data_key.key_arn,
    }
    me = (ctx.principal.user_id, ctx.principal.session)
    kept_ms = queue.kms_reuse_s * 1000
    return _open.seal(ctx, me, data_key.ciphertext, ctx.now, kept_ms, lambda: _ask_kms(ctx, queue, "Decrypt", members)["Plaintext"])


def opened(ctx: Context, queue: Queue, message: Message) -> bytes:
    """The content of a sealed message."""
    return seal_of(ctx, queue, message.data_key).open(message.sealed)


def _ask_kms(ctx: Context, queue: Queue, name: str, members: dict[str, Any]) -> Any:
    try:
        return ctx.call("kms", name, members, region=queue.region)
    except ServiceException as refused:
        _refuse(refused)


def _refuse(refused: ServiceException) -> NoReturn:
    if refused.code not in _REFUSALS:
        raise refused
    raise ServiceException(_REFUSALS[refused.code], refused.message) from None
