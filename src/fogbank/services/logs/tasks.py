"""What was deleted is cleared up, in portions."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.logs.state import (
    CHUNKS,
    DATA_KEYS,
    METRIC_FILTERS,
    STREAM_NAMES,
    STREAMS,
    SUBSCRIPTION_FILTERS,
    TALLIES,
)
from fogbank.store import Table

PORTION = 500
"""Rows deleted in one transaction, so that other calls get their turn."""


@task("drop")
def drop(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Clears up what was filed under a group that is not there any more."""
    number = payload["group"]
    streams = list(islice(STREAMS.scan(ctx, number), PORTION))
    for stream in streams:
        STREAMS.delete(ctx, stream)
        ctx.later("logs.drop_stream", {"stream": stream.id})
    tables: tuple[Table[Any], ...] = (DATA_KEYS, METRIC_FILTERS, SUBSCRIPTION_FILTERS)
    for table in tables:
        for row in list(table.scan(ctx, number)):
            table.delete(ctx, row)
    if (tally := TALLIES.get(ctx, number)) is not None:
        TALLIES.delete(ctx, tally)
    if len(streams) == PORTION:
        ctx.later("logs.drop", payload)
    return None


@task("drop_stream")
def drop_stream(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Clears up the chunks of a stream that is not there any more."""
    if (named := STREAM_NAMES.get(ctx, payload["stream"])) is not None:
        STREAM_NAMES.delete(ctx, named)
    chunks = list(islice(CHUNKS.scan(ctx, payload["stream"]), PORTION))
    for chunk in chunks:
        CHUNKS.delete(ctx, chunk)
    if len(chunks) == PORTION:
        ctx.later("logs.drop_stream", payload)
    return None
