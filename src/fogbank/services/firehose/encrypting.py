"""Server-side encryption: records that wait in buffers are sealed, under the root key or under a KMS key of the customer's.

A KMS key is used by a grant that whoever starts the encryption gives to the service. A data key opened is used for five minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.firehose.addresses import PRINCIPAL, arn, arn_of
from fogbank.services.firehose.state import DATA_KEYS, Batch, DataKey, Origin, Stream
from fogbank.store.vault import Openings, Seal

KEPT_MS = 300_000
ROOT = -1
GRANTED = ["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "DescribeKey"]
_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(tuple[tuple[bytes, ...], tuple[Origin, ...]]).decode
_open = Openings()
"""Data keys in the clear."""


def batch(ctx: Context, stream: Stream, lane: int, records: tuple[bytes, ...], origins: tuple[Origin, ...]) -> Batch:
    """Records as they are to be kept."""
    number = ctx.tx.unique()
    if not is_on(stream):
        return Batch(lane, number, records, origins)
    assert stream.encryption is not None
    key = stream.encryption.data_key or ROOT
    return Batch(lane, number, (), (), _seal(ctx, stream, key).seal(_encode((records, origins))), key)


def content(ctx: Context, stream: Stream, kept: Batch) -> tuple[tuple[bytes, ...], tuple[Origin, ...]]:
    """The records of a batch, and where they came from."""
    return _decode(_seal(ctx, stream, kept.data_key).open(kept.sealed)) if kept.data_key else (kept.records, kept.origins)


def is_on(stream: Stream) -> bool:
    return stream.encryption is not None and stream.encryption.status == "ENABLED"


def _seal(ctx: Context, stream: Stream, number: int) -> Seal:
    if number == ROOT:
        vault: Seal = ctx.vault
        return vault
    data_key = DATA_KEYS.get(ctx, stream.id, number)
    assert data_key is not None
    members = {"CiphertextBlob": data_key.ciphertext, "KeyId": data_key.key_arn, "EncryptionContext": _bound(stream)}
    return _open.seal(ctx, stream.id, data_key.ciphertext, ctx.now, KEPT_MS, lambda: ask_kms(ctx, stream, "Decrypt", members)["Plaintext"])


def _bound(stream: Stream) -> dict[str, str]:
    return {"aws:firehose:arn": arn_of(stream)}


def granted(ctx: Context, stream: Stream, key_arn: str) -> tuple[int, str]:
    """A new data key under a KMS key of the caller's, and the grant by which it is used. Errors: InvalidKMSResourceException."""
    grant = {
        "KeyId": key_arn,
        "GranteeServicePrincipal": PRINCIPAL,
        "RetiringServicePrincipal": PRINCIPAL,
        "Operations": GRANTED,
        "Constraints": {"SourceArn": arn_of(stream)},
    }
    made = _asked(ctx, "CreateGrant", grant, None)
    wanted = {"KeyId": key_arn, "KeySpec": "AES_256", "EncryptionContext": _bound(stream)}
    found = ask_kms(ctx, stream, "GenerateDataKey", wanted)
    number = ctx.tx.unique()
    DATA_KEYS.put(ctx, DataKey(stream.id, number, found["KeyId"], found["CiphertextBlob"]))
    return number, made["GrantId"]


def retire(ctx: Context, stream: Sequence[str], key_arn: str, grant: str) -> None:
    """Gives a grant back; of a stream (its account, region and name) that may be gone. Errors: InvalidKMSResourceException."""
    _asked(ctx, "RetireGrant", {"KeyId": key_arn, "GrantId": grant}, Acting(PRINCIPAL, arn(*stream), stream[0]))


def ask_kms(ctx: Context, stream: Stream, name: str, members: dict[str, Any]) -> Any:
    """KMS, as the service. Errors: InvalidKMSResourceException."""
    return _asked(ctx, name, members, Acting(PRINCIPAL, arn_of(stream), stream.account))


def _asked(ctx: Context, name: str, members: dict[str, Any], acting: Acting | None) -> Any:
    try:
        return ctx.call("kms", name, members, acting=acting)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        raise ServiceException("InvalidKMSResourceException", refused.message or refused.code, code=refused.code) from None
