"""What a function gets and gives of a tumbling window (see `delivery.sources.windows`).

Source: "Implementing stateful Kinesis Data Streams processing in Lambda" in the Lambda Developer Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.delivery.sources.reading import Checkpoint
from fogbank.delivery.sources.windows import STATE_BYTES, end_of
from fogbank.services.lambda_.addresses import iso
from fogbank.services.lambda_.sources.state import Mapping

_EMPTY = b"{}"


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
