"""Events in an event data store: batches, sealed under the cloud's root key or a data key of the store's KMS key."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.cloudtrail.state import BATCHES, Batch, Store
from fogbank.store.vault import Seal

DAY_MS = 86_400_000
_SEALED_FOR = b"cloudtrail event data store"
_documents = msgspec.msgpack.Decoder(list[tuple[int, bytes]]).decode


def arn_of(store: Store) -> str:
    return f"arn:aws:cloudtrail:{store.region}:{store.account}:eventdatastore/{store.id}"


def acting(store: Store) -> Acting:
    return Acting("cloudtrail.amazonaws.com", arn_of(store), store.account)


def encryption(store: Store) -> dict[str, str]:
    """The encryption context under which KMS seals a store's data key."""
    return {"aws:cloudtrail:arn": arn_of(store)}


def _seal(ctx: Context, store: Store) -> Seal:
    """What seals a store's events. Errors: those of kms:Decrypt."""
    if not store.key:
        vault: Seal = ctx.vault
        return vault
    members = {"CiphertextBlob": store.data_key, "EncryptionContext": encryption(store)}
    return Seal(ctx.call("kms", "Decrypt", members, acting=acting(store), region=store.region)["Plaintext"])


def keep(ctx: Context, store: Store, documents: list[tuple[int, bytes]]) -> None:
    """Adds events. Where the store's key cannot be used they are lost, as there."""
    try:
        seal = _seal(ctx, store)
    except ServiceException:
        return
    at_ms = [at for at, _ in documents]
    if next(BATCHES.scan(ctx, store.account, store.region, store.id), None) is None:
        payload = {"region": store.region, "id": store.id}
        ctx.of(store.account, store.region).later("cloudtrail.retain", payload, at_ms=max(at_ms) + store.retention_days * DAY_MS)
    BATCHES.insert(
        ctx,
        Batch(
            account=store.account,
            region=store.region,
            store=store.id,
            at_ms=min(at_ms),
            number=ctx.tx.unique(),
            until_ms=max(at_ms),
            count=len(documents),
            sealed=seal.seal(msgspec.msgpack.encode(documents), _SEALED_FOR),
        ),
    )


def kept(ctx: Context, store: Store) -> Iterator[bytes]:
    """All events of a store, in the order in which they came. Errors: those of kms:Decrypt."""
    seal = _seal(ctx, store)
    for batch in BATCHES.scan(ctx, store.account, store.region, store.id):
        for at_ms, document in _documents(seal.open(batch.sealed, _SEALED_FOR)):
            if at_ms + store.retention_days * DAY_MS > ctx.now:
                yield document
