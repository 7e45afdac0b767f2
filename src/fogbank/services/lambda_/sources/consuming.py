"""Lambda as a consumer of sources: batches go to functions, by whose role the sources are read."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.delivery.sources import batches, queues, shards, streams
from fogbank.delivery.sources import windows as spans
from fogbank.delivery.sources.batches import Unit
from fogbank.delivery.sources.reading import Checkpoint, Entry, Event, Handled, Item
from fogbank.kernel.context import Context, Role
from fogbank.kernel.operation import Answer, Wait, Watch, task
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.lambda_ import metrics, running
from fogbank.services.lambda_.addresses import version_at
from fogbank.services.lambda_.roles import role_of
from fogbank.services.lambda_.sources import failures, filters, mappings, windows
from fogbank.services.lambda_.sources.state import CHECKPOINTS, MAPPINGS, Mapping
from fogbank.services.lambda_.state import FUNCTIONS

LANES = 20
"""Pollers at a queue whose mapping has no maximum concurrency."""


class _Lambda:
    service = "lambda"
    checkpoints = CHECKPOINTS

    def current(self, ctx: Context, item: Item) -> Mapping | None:
        return mappings.current(ctx, item)

    def watch(self, item: Item) -> Watch:
        return MAPPINGS.watch(*item[:3])

    def role(self, ctx: Context, reading: Mapping) -> Role:
        return role_of(version_at(ctx, mappings.function_of(reading)))

    def wanted(self, ctx: Context, reading: Mapping, event: Event) -> bool:
        return filters.wanted(reading.kind, reading.filters, event)

    def most(self, ctx: Context, reading: Mapping) -> int:
        function = FUNCTIONS.get(ctx, *mappings.function_of(reading)[:3])
        reserved = function.reserved if function is not None and function.reserved is not None else LANES
        return reading.max_concurrency or max(1, min(LANES, reserved))

    def handle_messages(self, ctx: Context, reading: Mapping, role: Role, messages: list[Event], request_id: str) -> set[str]:
        payload = msgspec.json.encode({"Records": messages})
        ran = running.run(ctx, mappings.function_of(reading), payload, what=f"batch {request_id}", request_id=request_id)
        self.note(ctx, reading, "OK" if not ran.outcome.error else "PROBLEM: Function call failed")
        return _failed(reading, ran, messages)

    def handle_records(self, ctx: Context, reading: Mapping, role: Role, checkpoint: Checkpoint, unit: Unit) -> Handled:
        where = mappings.function_of(reading)
        ran = running.run(ctx, where, _event(reading, checkpoint, unit), what=unit.attempt, request_id=unit.request_id)
        if unit.entries:
            metrics.measure(ctx, where, "IteratorAge", max(0, ctx.now - unit.entries[-1].at_ms), "Milliseconds")
        self.note(ctx, reading, "PROBLEM: Function call failed" if ran.outcome.error else "OK")
        state = windows.state_of(ran.outcome.payload) if reading.tumbling_s else b""
        return Handled(_left(reading, unit, ran), bool(ran.outcome.error), state, ran)

    def give_up(
        self,
        ctx: Context,
        reading: Mapping,
        role: Role,
        shard: str,
        unit: Unit,
        entries: list[Entry],
        condition: str,
        handled: Handled | None,
    ) -> None:
        self.count(ctx, reading, "DroppedEventCount", len(entries))
        ran = handled.about if handled is not None else None
        tries = unit.tries + (ran is not None)
        if failures.send(ctx, reading, shard, entries, condition, role, tries=tries, request_id=unit.request_id, ran=ran):
            self.count(ctx, reading, "OnFailureDestinationDeliveredEventCount", len(entries))

    def note(self, ctx: Context, reading: Mapping, result: str) -> None:
        mappings.note(ctx, reading, result)

    def count(self, ctx: Context, reading: Mapping, name: str, value: float) -> None:
        """Of a mapping that wants metrics (EventCount)."""
        if reading.counted and value:
            by = (("EventSourceMappingUUID", reading.id),)
            ctx.tell(MEASURES, Measure(reading.account, reading.region, metrics.NAMESPACE, name, by, value, "Count", ctx.now))


CONSUMER = _Lambda()


@task("poll_queue")
def poll_queue(ctx: Context, item: list[Any]) -> Answer | Wait:
    """Reads a queue for a function."""
    return queues.poll(ctx, CONSUMER, item)


@task("find_shards")
def find_shards(ctx: Context, item: list[Any]) -> Answer | Wait:
    """Has the shards of a stream read."""
    return shards.find(ctx, CONSUMER, item)


@task("poll_shard")
def poll_shard(ctx: Context, item: list[Any]) -> Answer | Wait:
    """Reads a shard for a function."""
    return streams.poll(ctx, CONSUMER, item)


def _failed(mapping: Mapping, ran: running.Ran, batch: list[Event]) -> set[str]:
    """The ids of the messages that the function did not take: all of them, where it says so in a way that cannot be understood."""
    ids = {message["messageId"] for message in batch}
    if ran.outcome.error:
        return ids
    if not mapping.report_failures:
        return set()
    failed = batches.failed_items(ran.outcome.payload)
    return ids if failed is None or not ids.issuperset(failed) else set(failed)


def _event(mapping: Mapping, checkpoint: Checkpoint, unit: Unit) -> bytes:
    events = [entry.event for entry in unit.entries]
    if not mapping.tumbling_s:
        return msgspec.json.encode({"Records": events})
    start_ms = checkpoint.window_ms or spans.start_of(unit.entries[0], mapping)
    return windows.event(mapping, checkpoint, checkpoint.shard, events, start_ms, final=unit.final)


def _left(mapping: Mapping, unit: Unit, ran: running.Ran) -> list[Entry]:
    """The records that the function did not take."""
    if ran.outcome.error:
        return unit.entries
    if not mapping.report_failures:
        return []
    failed = batches.failed_items(ran.outcome.payload)
    left = None if failed is None else batches.left_after(unit, failed)
    return unit.entries if left is None else left
