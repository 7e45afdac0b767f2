"""Speaking with storage nodes from fogbank's loop: for what is done now and then (forks, points, status), not for the stream of commits.

What whoever writes must know beyond frames.py:
  - After OPEN of an epoch it was not in, a node may hold a tail that a recovery has CUT while it was away. So the first frame after
    OPEN, on every connection of an epoch, is the CUT of that epoch's recovery (the same timeline and position each time): the node
    does it once per epoch, and only to what older epochs wrote; said again, it does nothing.
  - CUT of bytes that the same epoch wrote is REFUSED: OPEN the next epoch first (on all nodes).
  - BEGIN may be said again too. A node that missed it (or anything else) learns it from its peers within about half a second.
  - An ACK also comes unasked, when a gap was filled from peers. One ACK is for one timeline. A REFUSED that answers a WRITE has its
    timeline and position in the header (that of any other answer is 0, 0). It does not end the connection: where the disk was full
    the node holds a gap from then on, which it fills from its peers when there is space again, and then it acknowledges.
  - READ gives at most 512 KiB a frame, and stops before bytes whose checksum is wrong (until they are repaired): ask another node.
  - A name of a volume is of letters, digits, "_" and "-", and is used once: after DROP it is refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from fogbank.engines.fleet import frames
from fogbank.engines.fleet.frames import WRITE_QUORUM, ZONES, frame
from fogbank.engines.fleet.reader import Reader, name, port
from fogbank.engines.spec import Failed

_T = TypeVar("_T")
_GRACE_S = 0.25


class Refused(Failed):
    """A node said no; the message is its reason."""


class Span(NamedTuple):
    """A piece of a timeline without a gap."""

    timeline: int
    start: int
    end: int


class State(NamedTuple):
    """What a node holds of a volume."""

    volume: str
    epoch: int
    spans: list[Span]
    acknowledged: tuple[int, int]
    """The newest timeline that has begun, and the end of what it has of it without a gap. (0, 0): none has begun."""


class Connection(asyncio.Protocol):
    """A connection with one node; its answers come in the order of the questions. ConnectionError when it breaks."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.acknowledged: Callable[[int, int], None] = lambda timeline, position: None
        """Called for each ACK."""
        self.refused: Callable[[int, int, str], None] = lambda timeline, position, reason: None
        """Called for each WRITE that is refused."""
        self.gone: Callable[[], None] = lambda: None
        """Called when the connection is lost, before what was asked fails."""
        self._reader = Reader()
        self._asked: deque[asyncio.Future[tuple[int, int, bytes]]] = deque()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def to(cls, fleet: Path, number: int, timeout_s: float = 2.0) -> Connection:
        """Connects to a node of the fleet in this folder."""
        loop = asyncio.get_running_loop()
        try:
            where = port(fleet, number)
            async with asyncio.timeout(timeout_s):
                _, made = await loop.create_connection(lambda: cls(number), "127.0.0.1", where)
        except (TimeoutError, OSError) as error:
            raise ConnectionError(f"storage node {name(number)} cannot be reached: {error}") from error
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # (uvloop's is none by its class)

    def data_received(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            room = self._reader.buffer()
            piece = data[at : at + len(room)]
            room[: len(piece)] = piece
            at += len(piece)
            for kind, timeline, position, payload in self._reader.frames(len(piece)):
                if kind == frames.ACK:
                    self.acknowledged(timeline, position)
                elif kind == frames.REFUSED and timeline:
                    self.refused(timeline, position, bytes(payload).decode())
                elif self._asked:
                    asked = self._asked.popleft()
                    if not asked.done():
                        asked.set_result((kind, position, bytes(payload)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.gone()
        while self._asked:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(ConnectionError(f"storage node {name(self.number)} has gone"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, kind: int, payload: bytes = b"", timeline: int = 0, position: int = 0) -> bytes:
        """Sends a frame, and waits for its answer's payload. Refused where the node refuses."""
        answer, _, got = await self.put(kind, payload, timeline, position)
        if answer == frames.REFUSED:
            raise Refused(f"storage node {name(self.number)}: {got.decode()}")
        return got

    def put(self, kind: int, payload: bytes = b"", timeline: int = 0, position: int = 0) -> asyncio.Future[tuple[int, int, bytes]]:
        """Sends a frame: its answer is to come, as kind, position and payload."""
        if self._transport is None:
            raise ConnectionError(f"storage node {name(self.number)} has gone")
        asked: asyncio.Future[tuple[int, int, bytes]] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._transport.write(frame(kind, payload, timeline, position))
        return asked

    def write(self, timeline: int, position: int, payload: bytes) -> None:
        """Sends a piece of the log; `acknowledged` is called once it is on disk."""
        if self._transport is None:
            raise ConnectionError(f"storage node {name(self.number)} has gone")
        self._transport.write(frame(frames.WRITE, payload, timeline, position))

    async def open(self, volume: str, epoch: int = 0, create: bool = False) -> State:
        return _state(await self.ask(frames.OPEN, msgspec.msgpack.encode({"volume": volume, "epoch": epoch, "create": create})))

    async def state(self) -> State:
        return _state(await self.ask(frames.ASK))

    async def read(self, timeline: int, position: int, length: int) -> bytes:
        return await self.ask(frames.READ, msgspec.msgpack.encode({"length": length}), timeline, position)

    async def begin(self, timeline: int, position: int) -> None:
        await self.ask(frames.BEGIN, b"", timeline, position)

    async def cut(self, timeline: int, position: int) -> None:
        await self.ask(frames.CUT, b"", timeline, position)

    async def forget(self, timeline: int, position: int) -> None:
        await self.ask(frames.FORGET, b"", timeline, position)

    async def fork(self, volume: str, spans: Sequence[tuple[int, int, int]]) -> None:
        """Done when the new volume is on disk. Again for the same volume and spans: nothing more happens."""
        await self.ask(frames.FORK, msgspec.msgpack.encode({"volume": volume, "spans": [list(span) for span in spans]}))

    async def keep(self, file: str, content: bytes) -> None:
        await self.ask(frames.KEEP, msgspec.msgpack.encode({"name": file}) + b"\0" + content)

    async def get(self, file: str) -> bytes:
        return await self.ask(frames.GET, msgspec.msgpack.encode({"name": file}))

    async def drop(self) -> None:
        await self.ask(frames.DROP)

    async def status(self) -> dict[str, Any]:
        status: dict[str, Any] = msgspec.msgpack.decode(await self.ask(frames.STATUS))
        return status

    async def fault(self, **what: Any) -> None:
        await self.ask(frames.FAULT, msgspec.msgpack.encode(what))

    async def scrub(self) -> dict[str, int]:
        """Looks at every byte the node holds now, and repairs: {"checked", "bad", "repaired"}."""
        found: dict[str, int] = msgspec.msgpack.decode(await self.ask(frames.SCRUB))
        return found


async def everywhere(
    fleet: Path,
    volume: str,
    do: Callable[[Connection], Awaitable[_T]],
    *,
    create: bool = False,
    quorum: int = WRITE_QUORUM,
    timeout_s: float = 30.0,
) -> dict[int, _T]:
    """Does something with a volume on all six nodes at once: `do(connection)`, with the volume opened (not to write).

    Gives what came of it by node. Ends a moment after `quorum` nodes have done it: the others learn of it from their peers. Failed
    where that many cannot; what some of them did is not undone.
    """

    async def one(number: int) -> _T:
        connection = await Connection.to(fleet, number)
        try:
            await connection.open(volume, create=create)
            return await do(connection)
        finally:
            connection.close()

    return await gather(one, quorum, timeout_s)


async def gather(one: Callable[[int], Awaitable[_T]], quorum: int, timeout_s: float = 30.0) -> dict[int, _T]:
    """`one(number)` for all six nodes at once; see `everywhere`."""
    loop = asyncio.get_running_loop()
    waiting = {asyncio.ensure_future(one(number)): number for number in range(len(ZONES))}
    done: dict[int, _T] = {}
    failed: list[Exception] = []
    until = loop.time() + timeout_s
    try:
        while waiting and loop.time() < until:
            ended, _ = await asyncio.wait(waiting, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                number = waiting.pop(task)
                try:
                    done[number] = task.result()
                except (OSError, Failed) as error:
                    failed.append(error)
            if len(done) >= quorum:
                until = min(until, loop.time() + _GRACE_S)
    finally:
        for task in waiting:
            task.cancel()
        for task in waiting:
            with suppress(asyncio.CancelledError, OSError, Failed):
                await task
    if len(done) < quorum:
        silent = [f"storage node {name(number)} does not answer" for number in waiting.values()]
        raise Failed(f"{len(done)} of {quorum} storage nodes that it needs did it: " + "; ".join([*map(str, failed), *silent]))
    return done


def _state(payload: bytes) -> State:
    got = msgspec.msgpack.decode(payload)
    timeline, position = got["acknowledged"]
    return State(got["volume"], got["epoch"], [Span(*span) for span in got["spans"]], (timeline, position))
