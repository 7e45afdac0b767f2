"""Tumbling windows: records of the same span of time share a state that the function hands on, until the window is closed.

Source: "Implementing stateful Kinesis Data Streams processing in Lambda" in the Lambda Developer Guide.
"""

from __future__ import annotations

from fogbank.delivery.sources.reading import Checkpoint, Entry, Reading

STATE_BYTES = 1 << 20


def start_of(entry: Entry, reading: Reading) -> int:
    """The beginning of the window that a record is in."""
    span_ms = reading.tumbling_s * 1000
    return entry.at_ms // span_ms * span_ms


def end_of(start_ms: int, reading: Reading) -> int:
    return start_ms + reading.tumbling_s * 1000


def first(entries: list[Entry], reading: Reading, open_ms: int) -> list[Entry]:
    """The records at the beginning that are in one window: in the open one, where there is one."""
    if not entries:
        return []
    start_ms = open_ms or start_of(entries[0], reading)
    taken: list[Entry] = []
    for entry in entries:
        if start_of(entry, reading) > start_ms:
            break
        taken.append(entry)
    return taken


def closes(checkpoint: Checkpoint, reading: Reading, entries: list[Entry], now_ms: int, *, ended: bool) -> bool:
    """Whether the open window is to be closed: records of a later one are there, or nothing more can come."""
    start_ms = checkpoint.window_ms
    if not start_ms:
        return False
    if entries:
        return start_of(entries[0], reading) > start_ms
    return ended or now_ms >= end_of(start_ms, reading) or len(checkpoint.window_state) > STATE_BYTES
