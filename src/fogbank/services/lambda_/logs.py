"""Log lines of functions, on their way to CloudWatch Logs: written by the function's role, or not at all where it may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.sandbox.function import Lines
from fogbank.services.lambda_.addresses import arn
from fogbank.services.lambda_.making import of_key
from fogbank.services.lambda_.roles import session

BATCH_EVENTS = 10_000
BATCH_BYTES = 900_000
EVENT_BYTES = 1_000_000
_OVERHEAD_BYTES = 26
_MISSING = "ResourceNotFoundException"

Event = dict[str, Any]


def gather(ctx: Context, items: list[Any]) -> None:
    """Writes what environments have printed, stream by stream."""
    streams: dict[tuple[str, str, str, str], list[Lines]] = {}
    for lines in items:
        streams.setdefault((lines.region, lines.log_group, lines.log_stream, lines.function_key), []).append(lines)
    for (region, group, stream, key), parts in streams.items():
        where, role_arn = of_key(key)
        role = session(where.name, role_arn, arn(where.account, where.region, where.name), where.account)
        events: list[Event] = [
            {"timestamp": ctx.at_machine(at_ms), "message": text[:EVENT_BYTES] or " "} for part in parts for at_ms, text in part.lines
        ]
        events.sort(key=lambda event: event["timestamp"])
        for batch in _batches(events):
            if not _write(ctx, role, region, group, stream, batch):
                break


def _batches(events: list[Event]) -> Iterator[list[Event]]:
    """Events in the portions that PutLogEvents takes."""
    batch: list[Event] = []
    size = 0
    for event in events:
        weight = len(event["message"].encode()) + _OVERHEAD_BYTES
        if batch and (len(batch) == BATCH_EVENTS or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += weight
    if batch:
        yield batch


def _write(ctx: Context, role: Role, region: str, group: str, stream: str, events: list[Event]) -> bool:
    """Whether the role could write them; group and stream are made where they are not there."""
    where = {"logGroupName": group, "logStreamName": stream}
    steps: tuple[tuple[str, dict[str, Any]], ...] = (
        ("PutLogEvents", {**where, "logEvents": events}),
        ("CreateLogStream", where),
        ("CreateLogGroup", {"logGroupName": group}),
    )
    at = 0
    while at >= 0:
        operation, members = steps[at]
        try:
            ctx.call("logs", operation, members, acting=role, region=region)
        except ServiceException as refused:
            if refused.code == "ResourceAlreadyExistsException":
                at -= 1
                continue
            if refused.code != _MISSING or at == len(steps) - 1:
                return False
            at += 1
        else:
            at -= 1
    return True
