"""Events as they are kept for LookupEvents: many in a row, packed as the door told them, sealed.

A call costs little when it is made: its JSON is made of it only when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fogbank.access.principal import Principal
from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import Heard, Recorded
from fogbank.services.cloudtrail import kinds
from fogbank.services.cloudtrail.event import Event
from fogbank.services.cloudtrail.state import CHUNKS, Chunk

CHUNK_EVENTS = 1000
_SEALED_FOR = b"cloudtrail events"


class _Content(msgspec.Struct, array_like=True):
    """What is sealed: callers and operations once, and each event by their numbers."""

    who: list[Principal]
    what: list[tuple[str, str]]
    events: list[tuple[int, int, bytes]]


_pack = msgspec.msgpack.Encoder().encode
_content = msgspec.msgpack.Decoder(_Content).decode
recorded = msgspec.msgpack.Decoder(Recorded).decode


class Writing:
    """A chunk that is being made, of one account and region."""

    def __init__(self, ctx: Context, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self._ctx = ctx
        self._begin()

    def _begin(self) -> None:
        self._id = self._ctx.random.uuid()[:24]
        self._numbers: dict[int, int] = {}
        self._who: list[Principal] = []
        self._what: dict[tuple[str, str], int] = {}
        self._events: list[tuple[int, int, bytes]] = []

    def add(self, what: tuple[str, str], who: Principal, packed: bytes) -> str:
        """Takes a call; gives the event's id."""
        events = self._events
        number = self._numbers.get(id(who))
        if number is None:
            number = self._numbers[id(who)] = len(self._who)
            self._who.append(who)
        events.append((number, self._what.setdefault(what, len(self._what)), packed))
        given = f"{self._id}{len(events) - 1:012x}"
        if len(events) == CHUNK_EVENTS:
            self.put()
        return given

    def put(self) -> None:
        """Writes the row, where there is something to write."""
        events = self._events
        if not events:
            return
        what = list(self._what)
        content = self._ctx.vault.seal(_pack((self._who, what, events)), _SEALED_FOR)
        CHUNKS.insert(
            self._ctx,
            Chunk(
                account=self.account,
                region=self.region,
                at_ms=recorded(events[0][2]).at_ms,
                number=self._ctx.tx.unique(),
                until_ms=recorded(events[-1][2]).at_ms,
                id=self._id,
                what=tuple(what),
                sealed=content,
            ),
        )
        self._begin()


def events(ctx: Context, chunk: Chunk, before: int | None = None) -> Iterator[tuple[int, Event]]:
    """A chunk's events with their numbers, latest first; those before a number."""
    content = _content(ctx.vault.open(chunk.sealed, _SEALED_FOR))
    for number in range(len(content.events) if before is None else before)[::-1]:
        who, what, packed = content.events[number]
        service, operation = content.what[what]
        id = f"{chunk.id}{number:012x}"
        yield number, Event(chunk.account, chunk.region, service, operation, id, None, content.who[who], recorded(packed))


def heard(told: Heard, region: str, id: str) -> Event:
    """The event of a call that was just told of."""
    account, _, (service, operation), who, packed = told
    return Event(account, region, service, operation, id, kinds.data_type(service, operation), who, recorded(packed))
