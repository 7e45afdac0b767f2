"""An event: its JSON text as targets get it, and the parsed text that patterns are matched against."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from fogbank.wire import instants

_encode = msgspec.json.Encoder().encode


class Event(NamedTuple):
    """`text` is AWS's envelope; `body` the same, parsed. `forwarded`: it came from another bus."""

    id: str
    at_ms: int
    ingested_at_ms: int
    text: bytes
    body: dict[str, Any]
    forwarded: bool = False

    @classmethod
    def made(
        cls,
        *,
        id: str,
        source: str,
        detail_type: str,
        account: str,
        region: str,
        at_ms: int,
        resources: list[str],
        detail: dict[str, Any],
        detail_text: bytes,
        ingested_at_ms: int,
    ) -> Event:
        """`detail_text` is the compact text of `detail`: numbers stay as they were written."""
        body: dict[str, Any] = {
            "version": "0",
            "id": id,
            "detail-type": detail_type,
            "source": source,
            "account": account,
            "time": instants.iso8601_seconds(at_ms),
            "region": region,
            "resources": resources,
            "detail": msgspec.Raw(detail_text),
        }
        text = _encode(body)
        body["detail"] = detail
        return cls(id, at_ms, ingested_at_ms, text, body)

    @classmethod
    def read(cls, text: bytes, at_ms: int, ingested_at_ms: int) -> Event:
        body = msgspec.json.decode(text)
        return cls(body["id"], at_ms, ingested_at_ms, text, body)

    def replayed(self, replay: str) -> Event:
        """The event as a replay sends it again."""
        body = {**self.body, "replay-name": replay}
        return self._replace(text=self.text[:-1] + b',"replay-name":' + _encode(replay) + b"}", body=body)
