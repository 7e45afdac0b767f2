"""What happens with time: states that were on their way arrive, grants are given back, what is abandoned is cleared up."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, task
from fogbank.services.firehose import encrypting, lanes
from fogbank.services.firehose.addresses import stream_of
from fogbank.services.firehose.state import BATCHES, CURSORS, DATA_KEYS, LANES, PARCELS, STREAMS
from fogbank.store import change

PORTION = 500
PAUSE_MS = 60_000


@task("settle")
def settle(ctx: Context, payload: dict[str, Any]) -> Answer:
    """CREATING becomes ACTIVE, and the source is read from then on; DELETING becomes nothing."""
    stream = stream_of(ctx, payload)
    if stream is None:
        return None
    if stream.status != "DELETING":
        held = stream.encryption
        encryption = change(held, status="ENABLED") if held is not None and held.status == "ENABLING" else held
        STREAMS.put(ctx, change(stream, status="ACTIVE", encryption=encryption))
        if stream.source is not None and stream.status == "CREATING":
            ctx.later("firehose.read", payload)
        return None
    held = stream.encryption
    if held is not None and held.grant:
        try:
            encrypting.retire(ctx, (stream.account, stream.region, stream.name), held.key_arn, held.grant)
        except ServiceException:
            if not payload.get("force"):
                STREAMS.put(ctx, change(stream, status="DELETING_FAILED"))
                return None
    STREAMS.delete(ctx, stream)
    ctx.later("firehose.drop", {"id": stream.id})
    return None


@task("settle_encryption")
def settle_encryption(ctx: Context, payload: dict[str, Any]) -> Answer:
    """ENABLING becomes ENABLED, DISABLING becomes DISABLED."""
    stream = stream_of(ctx, payload)
    if stream is not None and stream.encryption is not None:
        going = stream.encryption.status == "DISABLING"
        STREAMS.put(ctx, change(stream, encryption=None if going else change(stream.encryption, status="ENABLED")))
    return None


@task("retire")
def retire(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """Gives back a grant that is not used for new records, once nothing that was sealed by it waits any more."""
    stream = stream_of(ctx, payload)
    if stream is not None and not lanes.empty(ctx, stream):
        return Wait((), ctx.now + PAUSE_MS)
    try:
        encrypting.retire(ctx, payload["stream"], payload["key"], payload["grant"])
    except ServiceException:
        return None  # the key's owner has taken it away
    return None


@task("drop")
def drop(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes what a stream that is gone held."""
    left = PORTION
    for table in (LANES, PARCELS):
        for lane in list(table.scan(ctx, payload["id"])):
            batches = list(islice(BATCHES.scan(ctx, lane.id), left))
            for batch in batches:
                BATCHES.delete(ctx, batch)
            left -= len(batches)
            if not left:
                ctx.later("firehose.drop", payload)
                return None
            table.delete(ctx, lane)
    for cursor in list(CURSORS.scan(ctx, payload["id"])):
        CURSORS.delete(ctx, cursor)
    for key in list(DATA_KEYS.scan(ctx, payload["id"])):
        DATA_KEYS.delete(ctx, key)
    return None
