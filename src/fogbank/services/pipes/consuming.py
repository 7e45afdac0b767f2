"""Pipes as a consumer of sources: batches are executed, and what is given up becomes a dead letter, all as the pipe's role."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.delivery import targets
from fogbank.delivery.sources import queues, shards, streams
from fogbank.delivery.sources.batches import Unit
from fogbank.delivery.sources.reading import Checkpoint, Entry, Event, Handled, Item
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, Watch, task
from fogbank.languages import filters
from fogbank.services.pipes import checks, encryption, events, pipes, stages
from fogbank.services.pipes.addresses import pipe_arn, role_of
from fogbank.services.pipes.state import CHECKPOINTS, PIPES, Pipe
from fogbank.store import change
from fogbank.wire import instants

LANES = 5
"""Pollers at a queue."""
_BATCH = {"kinesis": "KinesisBatchInfo", "dynamodb": "DDBStreamBatchInfo"}


class _Pipes:
    service = "pipes"
    checkpoints = CHECKPOINTS

    def current(self, ctx: Context, item: Item) -> Pipe | None:
        return pipes.current(ctx, item)

    def watch(self, item: Item) -> Watch:
        return PIPES.watch(*item[:3])

    def role(self, ctx: Context, reading: Pipe) -> Role:
        return role_of(reading)

    def wanted(self, ctx: Context, reading: Pipe, event: Event) -> bool:
        texts = checks.filters_of(encryption.parameters_of(ctx, reading, role_of(reading)))
        if not texts:
            return True
        return filters.wanted(events.CONTENT.get(reading.kind, ""), texts, events.seen(reading.kind, events.of(reading.kind, event)))

    def most(self, ctx: Context, reading: Pipe) -> int:
        return 1 if reading.source_arn.endswith(".fifo") else LANES

    def handle_messages(self, ctx: Context, reading: Pipe, role: Role, messages: list[Event], request_id: str) -> set[str]:
        self.note(ctx, reading, "OK")
        return {messages[place]["messageId"] for place in stages.execute(ctx, reading, messages)}

    def handle_records(self, ctx: Context, reading: Pipe, role: Role, checkpoint: Checkpoint, unit: Unit) -> Handled:
        self.note(ctx, reading, "OK")
        batch = [events.of(reading.kind, entry.event or {}) for entry in unit.entries]
        failed = stages.execute(ctx, reading, batch)
        return Handled(unit.entries[min(failed) :] if failed else [], len(failed) == len(batch))

    def give_up(
        self,
        ctx: Context,
        reading: Pipe,
        role: Role,
        shard: str,
        unit: Unit,
        entries: list[Entry],
        condition: str,
        handled: Handled | None,
    ) -> None:
        if reading.dead_letter_arn:
            try:
                targets.send(ctx, reading.dead_letter_arn, _letter(ctx, reading, shard, entries, condition), role)
            except ServiceException as refused:
                self.note(ctx, reading, f"PROBLEM: {reading.dead_letter_arn}: {refused.message}")

    def note(self, ctx: Context, reading: Pipe, result: str) -> None:
        """That the source cannot be read now, the pipe says until it can."""
        reason = result.removeprefix("PROBLEM: ")[:512] if result != "OK" else ""
        held = PIPES.get(ctx, reading.account, reading.region, reading.name)
        if held is not None and held.number == reading.number and held.reason != reason:
            PIPES.put(ctx, change(held, reason=reason))

    def count(self, ctx: Context, reading: Pipe, name: str, value: float) -> None:
        """Pipes has metrics of its own (`stages`)."""


CONSUMER = _Pipes()


def _letter(ctx: Context, pipe: Pipe, shard: str, entries: list[Entry], condition: str) -> str:
    """A dead letter: where in the stream the records are, not the records."""
    return msgspec.json.encode(
        {
            "context": {"partnerResourceArn": pipe_arn(pipe), "condition": condition},
            "version": "1.0",
            "timestamp": instants.iso8601_milliseconds(ctx.now),
            _BATCH[pipe.kind]: {
                "shardId": shard,
                "startSequenceNumber": entries[0].sequence,
                "endSequenceNumber": entries[-1].sequence,
                "approximateArrivalOfFirstRecord": instants.iso8601_milliseconds(entries[0].at_ms),
                "approximateArrivalOfLastRecord": instants.iso8601_milliseconds(entries[-1].at_ms),
                "batchSize": len(entries),
                "streamArn": pipe.source_arn,
            },
        }
    ).decode()


@task("poll_queue")
def poll_queue(ctx: Context, item: list[Any]) -> Answer | Wait:
    """Reads a queue for a pipe."""
    return queues.poll(ctx, CONSUMER, item)


@task("find_shards")
def find_shards(ctx: Context, item: list[Any]) -> Answer | Wait:
    """Has the shards of a stream read."""
    return shards.find(ctx, CONSUMER, item)


@task("poll_shard")
def poll_shard(ctx: Context, item: list[Any]) -> Answer | Wait:
    """Reads a shard for a pipe."""
    return streams.poll(ctx, CONSUMER, item)
