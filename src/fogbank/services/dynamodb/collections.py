"""Item collections: the items with one partition key of a table that has local secondary indexes, at most 10 GB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb.state import COLLECTION_LIMIT_BYTES, COLLECTIONS, Collection

if TYPE_CHECKING:
    from fogbank.services.dynamodb.changes import Change

GIB = 1 << 30


def follow(ctx: Context, change: Change) -> None:
    """Keeps the size of the collection of a changed item. Raises ItemCollectionSizeLimitExceededException."""
    schema = change.schema
    before = schema.measured(change.old, change.old_size) if change.old is not None else 0
    grown = (schema.measured(change.new, change.size) if change.new is not None else 0) - before
    contents, partition = change.table.contents, change.place[0]
    known = COLLECTIONS.get(ctx, contents, partition)
    size = (known.size if known is not None else 0) + grown
    if grown > 0 and size > COLLECTION_LIMIT_BYTES:
        raise ServiceException("ItemCollectionSizeLimitExceededException", "Collection size exceeded.")
    collection = Collection(contents, partition, size)
    if size:
        COLLECTIONS.put(ctx, collection)
    else:
        COLLECTIONS.delete(ctx, collection)


def describe(ctx: Context, change: Change) -> dict[str, Any] | None:
    """ItemCollectionMetrics after a change; None where the table has no local index."""
    if not change.schema.collected:
        return None
    known = COLLECTIONS.get(ctx, change.table.contents, change.place[0])
    low = (known.size if known is not None else 0) // GIB
    key = change.schema.partition
    return {"ItemCollectionKey": {key: change.key[key]}, "SizeEstimateRangeGB": [float(low), float(low + 1)]}
