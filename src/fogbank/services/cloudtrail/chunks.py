"""Events as they are kept for LookupEvents: many in a row, packed as the door told them, sealed.

A call costs little when it is made: its JSON is made of it only when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from fogbank.access.principal import Principal
from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import Caller, Heard, Recorded
from fogbank.services.cloudtrail import kinds
from fogbank.services.cloudtrail.event import Event
from fogbank.services.cloudtrail.state import CHUNKS, Chunk

CHUNK_EVENTS = 1000
_SEALED_FOR = b"cloudtrail events"


class _Stored(msgspec.Struct, array_like=True):
    """A `Caller` as it is kept."""

    who: Principal
    access_key: str
    client: str
    user_agent: str
    host: str


class _Content(msgspec.Struct, array_like=True):
    """What is sealed: callers and operations once, and each event by their numbers."""

    callers: list[_Stored]
    what: list[tuple[str, str]]
    events: list[tuple[int, int, bytes]]


_pack = msgspec.msgpack.Encoder().encode
_content = msgspec.msgpack.Decoder(_Content).decode
recorded = msgspec.msgpack.Decoder(Recorded).decode


def id_of(chunk: str, number: int) -> str:
    """An event's id."""
    return f"{chunk}{number:012x}"


class Writing:
    """A chunk that is being made, of one account and region."""

    def __init__(self, ctx: Context, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self._ctx = ctx
        self._begin()

    def _begin(self) -> None:
        self._id = self._ctx.random.uuid()[:24]
        self._numbers: dict[tuple[object, ...], int] = {}
        self._callers: list[tuple[Any, str, str, str, str]] = []
        self._what: dict[tuple[str, str], int] = {}
        self._events: list[tuple[int, int, bytes]] = []

    def add(self, what: tuple[str, str], caller: tuple[Any, str, str, str, str], packed: bytes) -> tuple[str, int]:
        """Takes a call; gives the chunk's id and the event's number."""
        events, numbers, known = self._events, self._numbers, self._what
        who, *origin = caller
        number = numbers.setdefault((id(who), *origin), len(numbers))
        if number == len(self._callers):
            self._callers.append(caller)
        events.append((number, known.setdefault(what, len(known)), packed))
        place = self._id, len(events) - 1
        if len(events) == CHUNK_EVENTS:
            self.put()
        return place

    def put(self) -> None:
        """Writes the row, where there is something to write."""
        events = self._events
        if not events:
            return
        what = tuple(self._what)
        content = self._ctx.vault.seal(_pack((self._callers, what, events)), _SEALED_FOR)
        CHUNKS.insert(
            self._ctx,
            Chunk(
                account=self.account,
                region=self.region,
                at_ms=recorded(events[0][2]).at_ms,
                number=self._ctx.tx.unique(),
                until_ms=recorded(events[-1][2]).at_ms,
                id=self._id,
                what=what,
                sealed=content,
            ),
        )
        self._begin()


def events(ctx: Context, chunk: Chunk, before: int | None = None) -> Iterator[tuple[int, Event]]:
    """A chunk's events with their numbers, latest first; those before a number."""
    content = _content(ctx.vault.open(chunk.sealed, _SEALED_FOR))
    callers = [Caller(c.who, c.access_key, c.client, c.user_agent, c.host) for c in content.callers]
    for number in range(len(content.events) if before is None else before)[::-1]:
        caller, what, packed = content.events[number]
        service, operation = content.what[what]
        id = id_of(chunk.id, number)
        yield number, Event(chunk.account, chunk.region, service, operation, id, None, callers[caller], recorded(packed))


def heard(told: Heard, region: str, id: str) -> Event:
    """The event of a call that was just told of."""
    account, _, (service, operation), caller, packed = told
    return Event(account, region, service, operation, id, kinds.data_type(service, operation), Caller(*caller), recorded(packed))
