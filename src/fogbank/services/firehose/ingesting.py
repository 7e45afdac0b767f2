"""Records come in: to the backup, to the function, or, where there is none, processed at once and to the destination."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.services.firehose import lanes, processing
from fogbank.services.firehose.processing import Failed, Step
from fogbank.services.firehose.state import BACKUP, ERROR, IN, LANES, OUT, Origin, Stream

PARTITIONS_LIMIT = 500


def take(ctx: Context, stream: Stream, records: list[bytes], origins: list[Origin] | None = None) -> None:
    """Takes records in that have arrived."""
    if _backs_up(stream):
        lanes.add(ctx, stream, BACKUP, records)
    chain = processing.steps(stream.destination)
    if not chain:
        lanes.add(ctx, stream, OUT, records)
        return
    parts: list[bytes] = []
    places: list[Origin] = []
    for index, record in enumerate(records):
        try:
            found = processing.taken_apart(record, chain)
        except Failed as problem:
            fail(ctx, stream, "processing-failed", record, problem)
            continue
        parts += found
        places += [origins[index]] * len(found) if origins is not None else []
    if not parts:
        return
    if any(one.type == "Lambda" for one in chain):
        lanes.add(ctx, stream, IN, parts, origins=places)
    else:
        finish(ctx, stream, chain, [(part, {}) for part in parts], ctx.now)


def _backs_up(stream: Stream) -> bool:
    mode = stream.destination.get("S3BackupMode")
    return mode in ("Enabled", "AllData")


def finish(ctx: Context, stream: Stream, chain: tuple[Step, ...], records: list[tuple[bytes, dict[str, str]]], at_ms: int) -> None:
    """Records that a function is done with (and the partition keys that it gave) go to the destination's lanes."""
    dynamic = (stream.destination.get("DynamicPartitioningConfiguration") or {}).get("Enabled")
    if not dynamic:
        lanes.add(ctx, stream, OUT, [processing.ended(record, chain) for record, _ in records], at_ms=at_ms)
        return
    query = next((one.parameters["MetadataExtractionQuery"] for one in chain if one.type == "MetadataExtraction"), None)
    by_part: dict[str, list[bytes]] = {}
    for record, keys in records:
        try:
            found = {**keys, **(processing.keys_of(record, query) if query is not None else {})}
            part = _part(ctx, stream, found, by_part)
        except Failed as problem:
            fail(ctx, stream, "processing-failed", record, problem)
            continue
        by_part.setdefault(part, []).append(processing.ended(record, chain))
    for part, content in by_part.items():
        lanes.add(ctx, stream, OUT, content, part=part, at_ms=at_ms)


def _part(ctx: Context, stream: Stream, keys: Mapping[str, str], there: Mapping[str, Any]) -> str:
    """What a lane is called whose records have these keys. Raises Failed where there are too many."""
    part = msgspec.json.encode(keys, order="sorted").decode()
    if part not in there and LANES.get(ctx, stream.id, OUT, part) is None:
        active = sum(1 for _ in LANES.scan(ctx, stream.id, OUT)) + len(there)
        if active >= PARTITIONS_LIMIT:
            raise Failed("DynamicPartitioning.ActivePartitionLimitExceeded", f"Active partition limit of {PARTITIONS_LIMIT} exceeded.")
    return part


def fail(ctx: Context, stream: Stream, kind: str, record: bytes, problem: Failed, **further: Any) -> None:
    """A record goes to the error output, with why."""
    line = {
        "attemptsMade": further.pop("attempts", 1),
        "arrivalTimestamp": further.pop("arrived_ms", ctx.now),
        "errorCode": problem.code,
        "errorMessage": problem.message,
        "attemptEndingTimestamp": ctx.now,
        "rawData": base64.b64encode(record).decode(),
        **further,
    }
    lanes.add(ctx, stream, ERROR + kind, [msgspec.json.encode(line) + b"\n"])
