"""How a node learns from its peers what it missed: it asks each of them about twice a second while something moves, and at once when
it has been away.

First come epochs, cuts, beginnings and what was forgotten or dropped; then small files; then bytes. Bytes are fetched when a peer
had them a while ago and they are still not here: what the writer is just about to deliver is left to it.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Generator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from fogbank.engines.fleet import frames, reader
from fogbank.engines.fleet.about import FULL, No
from fogbank.engines.fleet.frames import ZONES, frame
from fogbank.engines.fleet.loop import IN, OUT, Asked, Task, lasting
from fogbank.engines.fleet.reader import Reader, port
from fogbank.engines.fleet.replica import Replica
from fogbank.engines.fleet.spans import Spans

if TYPE_CHECKING:
    from fogbank.engines.fleet.node import Node

_EVERY_S = 0.4
_QUIET_ROUNDS = 12
_RIPE_S = 0.2
"""How long a peer has had bytes before they are fetched."""
_PIECE_BYTES = 1 << 17
_PATIENCE_S = 1.0
_AWAY_S = 0.8
"""Who goes on this much later than it wanted to was stopped."""


class View(msgspec.Struct):
    """What a peer tells of a volume."""

    epoch: int
    spans: list[tuple[int, int, int, int]]
    starts: dict[int, tuple[int, int]]
    cuts: list[tuple[int, int, int]]
    forgotten: tuple[int, int]
    kept: dict[str, tuple[int, int]]
    segment_bytes: int
    group_bytes: int
    origin: tuple[str, list[tuple[int, int, int]]] | None = None


class Told(msgspec.Struct):
    """What a peer tells: of volumes that changed, and names of those that were dropped, since it told last."""

    boot: str
    now: int
    volumes: dict[str, View]
    dropped: list[str]


class Asking(msgspec.Struct):
    """Asks what changed. `node`: the folder of who is asked: by now another one may listen where it did."""

    node: str
    since: int = 0
    boot: str = ""


class _Seen:
    """The bytes of a volume that a peer had."""

    __slots__ = ("at", "settled", "spans")

    def __init__(self, spans: list[tuple[int, int, int, int]]) -> None:
        self.at = monotonic()
        self.spans = spans
        self.settled = -1
        """Our count of changes of the volume when nothing of these was missing."""


class Peer:
    """Another node, as seen from this one."""

    def __init__(self, node: Node, number: int) -> None:
        self.number = number
        self.folder = f"{os.path.dirname(node.folder)}/{reader.name(number)}"
        self.boot = ""
        self.since = 0
        self.seen: dict[str, _Seen] = {}
        self._node = node
        self._sock: socket.socket | None = None
        self._reader = Reader()
        self._out = b""
        self._asked: deque[Asked] = deque()
        self._opened = ""

    def ask(
        self, kind: int, payload: bytes = b"", timeline: int = 0, position: int = 0
    ) -> Generator[Asked, None, tuple[int, int, bytes] | None]:
        """The answer to a frame; None where there is none, or a refusal."""
        asked = Asked()
        if self._node.faults.partition or not self._connected():
            return None
        self._asked.append(asked)
        self._send(frame(kind, payload, timeline, position))
        yield asked
        return None if asked.answer is None or asked.answer[0] == frames.REFUSED else asked.answer

    def about(
        self, volume: str, kind: int, payload: bytes, timeline: int = 0, position: int = 0
    ) -> Generator[Asked, None, tuple[int, bytes] | None]:
        """The answer to a frame about a volume: position, payload."""
        if self._opened != volume:
            if (yield from self.ask(frames.OPEN, msgspec.msgpack.encode({"volume": volume}))) is None:
                return None
            self._opened = volume
        answer = yield from self.ask(kind, payload, timeline, position)
        return None if answer is None else answer[1:]

    def read(self, volume: str, timeline: int, start: int, end: int) -> Generator[Asked, None, bytes]:
        """Bytes that it has from there on, no more than a piece; none where it has none."""
        length = msgspec.msgpack.encode({"length": min(end - start, _PIECE_BYTES)})
        answer = yield from self.about(volume, frames.READ, length, timeline, start)
        return b"" if answer is None else answer[1]

    def look(self) -> None:
        """Gives up where it has not answered for too long."""
        if self._asked and self._asked[0].at < monotonic() - _PATIENCE_S:
            self.close()

    def close(self) -> None:
        if self._sock is not None:
            self._node.loop.leave(self._sock.fileno())
            self._sock.close()
            self._sock = None
        self._opened = ""
        self._out = b""
        self._reader = Reader()
        while self._asked:
            self._asked.popleft().set(None)

    def _connected(self) -> bool:
        if self._sock is None:
            where = port(Path(self._node.folder).parent, self.number)
            if not where:
                return False
            self._sock = socket.socket()
            self._sock.setblocking(False)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock.connect_ex(("127.0.0.1", where))
            self._node.loop.watch(self._sock.fileno(), self._ready, IN)
        return True

    def _send(self, content: bytes) -> None:
        assert self._sock is not None
        self._out += content
        try:
            self._out = self._out[self._sock.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        self._node.loop.change(self._sock.fileno(), IN | OUT if self._out else IN)

    def _ready(self, what: int) -> None:
        if self._sock is not None and what & OUT:
            self._send(b"")
        if self._sock is None or not what & ~OUT:
            return
        try:
            came = self._sock.recv_into(self._reader.buffer())
        except BlockingIOError:
            return
        except OSError:
            came = 0
        if not came:
            self.close()
            return
        for kind, _, position, payload in self._reader.frames(came):
            if self._asked:
                self._asked.popleft().set((kind, position, bytes(payload)))


class Gossip:
    """What a node tells its peers, and learns from them."""

    def __init__(self, node: Node) -> None:
        self.peers = [Peer(node, number) for number in range(len(ZONES)) if number != node.settings.number]
        self._node = node
        self._boot = os.urandom(8).hex()
        self._restless_until = 0.0
        self._eager_until = 0.0
        self._fetching: dict[tuple[str, int], Spans] = {}

    def start(self) -> None:
        self.wake()
        for peer in self.peers:
            self._node.loop.start(lasting(lambda peer=peer: self._talk(peer)))  # type: ignore[misc]
        self._node.loop.start(self._watch())

    def stir(self) -> None:
        """Something moves."""
        self._restless_until = monotonic() + 2.0

    def wake(self) -> None:
        """It has been away: what peers have is fetched at once."""
        self._eager_until = monotonic() + 1.5
        self.stir()

    def part(self) -> None:
        """Nobody is reached any more."""
        for peer in self.peers:
            peer.close()

    def tell(self, asking: Asking) -> bytes:
        """The answer to GOSSIP."""
        since = asking.since if asking.boot == self._boot else -1
        node = self._node
        if asking.node != node.folder:
            raise No(f"it is {node.folder}")
        volumes = {name: _view(replica) for name, replica in node.replicas.items() if replica.changed > since}
        dropped = [name for name, when in node.dropped.items() if when > since]
        return msgspec.msgpack.encode(Told(self._boot, node.changes, volumes, dropped))

    def _watch(self) -> Task:
        """Notices who does not answer, and that we were stopped ourselves."""
        while True:
            yield 0.25
            loop = self._node.loop
            if loop.late_s > _AWAY_S:
                self.wake()
            loop.late_s = 0.0
            for peer in self.peers:
                peer.look()

    def _talk(self, peer: Peer) -> Task:
        while True:
            try:
                yield from self._round(peer)
            except OSError as error:
                if error.errno not in FULL:
                    raise
            for _ in range(_QUIET_ROUNDS):
                yield _EVERY_S
                if monotonic() < self._restless_until:
                    break

    def _round(self, peer: Peer) -> Task:
        answer = yield from peer.ask(frames.GOSSIP, msgspec.msgpack.encode(Asking(peer.folder, peer.since, peer.boot)))
        if answer is None:
            return
        told = msgspec.msgpack.decode(answer[2], type=Told)
        if told.boot != peer.boot:
            peer.seen.clear()
        for name in told.dropped:
            self._node.drop(name)
        for name, view in told.volumes.items():
            yield from self._learn(peer, name, view)
        fresh = {name: _Seen(view.spans) for name, view in told.volumes.items()}
        if monotonic() < self._eager_until:
            peer.seen.update(fresh)
            fresh = {}
        peer.boot, peer.since = told.boot, told.now
        ripe = self._eager_until if monotonic() < self._eager_until else monotonic() - _RIPE_S
        for name, seen in list(peer.seen.items()):
            replica = self._node.replicas.get(name)
            if replica is None:
                peer.seen.pop(name, None)
            elif seen.at < ripe and seen.settled != replica.changed:
                yield from self._fetch(peer, replica, seen)
        peer.seen.update(fresh)

    def _learn(self, peer: Peer, name: str, view: View) -> Task:
        """All but the bytes."""
        node = self._node
        replica = node.replicas.get(name)
        if replica is None:
            if name in node.dropped:
                return
            replica = yield from self._adopt(name, view)
        before = replica.about
        if view.epoch > before.epoch:
            replica.open(view.epoch)
        for epoch, timeline, position in view.cuts:
            replica.cut(timeline, position, epoch)
        replica.forget(*view.forgotten)
        for timeline, (position, said) in view.starts.items():
            replica.learn_start(timeline, position, said)
        if replica.about is not before:
            node.touch(replica)
            for timeline in replica.about.starts:
                node.acknowledge(replica, timeline)
        for file, (at_ns, check) in view.kept.items():
            mine = replica.kept.get(file)
            if mine is None or (mine[1] != check and mine[0] < at_ns):
                answer = yield from peer.about(name, frames.GET, msgspec.msgpack.encode({"name": file}))
                if answer is not None and not replica.gone:
                    replica.keep(file, answer[1], answer[0])
                    node.touch(replica)

    def _adopt(self, name: str, view: View) -> Generator[float | Asked | None, None, Replica]:
        """A volume that we have not heard of: forked as the peers did where we have its origin."""
        node = self._node
        origin = node.replicas.get(view.origin[0]) if view.origin is not None else None
        if origin is not None and view.origin is not None:
            try:
                yield from node.fork(origin, name, view.origin[1])
            except (No, FileNotFoundError):
                pass
        return node.replicas.get(name) or node.create(name, view.segment_bytes, view.group_bytes)

    def _fetch(self, peer: Peer, replica: Replica, seen: _Seen) -> Task:
        """What a peer has and we have not."""
        if self._node.full is not None:
            return
        settled = replica.changed
        for timeline, start, end, epoch in seen.spans:
            for begin, stop in replica.allowed(timeline, start, end, epoch):
                settled = -1
                at = begin
                while at < stop:
                    came = yield from self._fetch_piece(peer, replica, timeline, at, min(at + _PIECE_BYTES, stop), epoch)
                    if not came:
                        break
                    at += came
        seen.settled = settled

    def _fetch_piece(
        self, peer: Peer, replica: Replica, timeline: int, start: int, end: int, epoch: int
    ) -> Generator[float | Asked | None, None, int]:
        """How many bytes it came further; 0 where the peer has none, or it is enough."""
        fetching = self._fetching.setdefault((replica.name, timeline), Spans())
        wanted = replica.allowed(timeline, start, end, epoch)
        if not wanted or fetching.within(start, end):
            return end - start  # it is here by now, or another peer is asked for it
        fetching.add(start, end)
        try:
            content = yield from peer.read(replica.name, timeline, start, end)
        finally:
            fetching.remove(start, end)
        if replica.gone or self._node.full is not None:
            return 0
        for begin, stop in replica.allowed(timeline, start, start + len(content), epoch):
            self._node.fill(replica, timeline, begin, content[begin - start : stop - start], epoch)
        yield None
        return len(content)


def _view(replica: Replica) -> View:
    about = replica.about
    spans = [(timeline, *piece) for timeline, pieces in replica.timelines.items() for piece in pieces]
    return View(
        about.epoch, spans, about.starts, about.cuts, about.forgotten, replica.kept, about.segment_bytes, about.group_bytes, about.origin
    )
