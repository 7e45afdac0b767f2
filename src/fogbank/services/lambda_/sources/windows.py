"""Tumbling windows: records of the same span of time share a state that the function hands on, until the window is closed.

Source: "Implementing stateful Kinesis Data Streams processing in Lambda" in the Lambda Developer Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.services.lambda_.addresses import iso
from fogbank.services.lambda_.sources.batches import Entry
from fogbank.services.lambda_.sources.state import Checkpoint, Mapping

STATE_BYTES = 1 << 20
_EMPTY = b"{}"


def start_of(entry: Entry, mapping: Mapping) -> int:
    """The beginning of the window that a record is in."""
    span_ms = mapping.tumbling_s * 1000
    return entry.at_ms // span_ms * span_ms


def end_of(start_ms: int, mapping: Mapping) -> int:
    return start_ms + mapping.tumbling_s * 1000


def first(entries: list[Entry], mapping: Mapping, open_ms: int) -> list[Entry]:
    """The records at the beginning that are in one window: in the open one, where there is one."""
    if not entries:
        return []
    start_ms = open_ms or start_of(entries[0], mapping)
    taken: list[Entry] = []
    for entry in entries:
        if start_of(entry, mapping) > start_ms:
            break
        taken.append(entry)
    return taken


def closes(checkpoint: Checkpoint, mapping: Mapping, entries: list[Entry], now_ms: int, *, ended: bool) -> bool:
    """Whether the open window is to be closed: records of a later one are there, or nothing more can come."""
    start_ms = checkpoint.window_ms
    if not start_ms:
        return False
    if entries:
        return start_of(entries[0], mapping) > start_ms
    return ended or now_ms >= end_of(start_ms, mapping) or len(checkpoint.window_state) > STATE_BYTES


def event(mapping: Mapping, checkpoint: Checkpoint, shard: str, records: list[Any], start_ms: int, *, final: bool) -> bytes:
    """What the function gets: records, and what it handed on."""
    early = final and len(checkpoint.window_state) > STATE_BYTES
    return msgspec.json.encode(
        {
            "Records": records,
            "window": {"start": _instant(start_ms), "end": _instant(end_of(start_ms, mapping))},
            "state": msgspec.Raw(_EMPTY if early else checkpoint.window_state or _EMPTY),
            "shardId": shard,
            "eventSourceARN": mapping.source_arn,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": early,
        }
    )


def _instant(at_ms: int) -> str:
    return f"{iso(at_ms)[:19]}Z"


def state_of(payload: bytes) -> bytes:
    """What a function hands on."""
    try:
        said = msgspec.json.decode(payload or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _EMPTY
    state = said.get("state") if isinstance(said, dict) else None
    return msgspec.json.encode(state) if isinstance(state, dict) else _EMPTY
