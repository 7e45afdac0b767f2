"""The six storage nodes, as connections: what is sent to whom and when.

Four copies make a write, so four nodes get the log at once and two somewhat later, in bigger pieces: they serve when one of the four does
not answer in time, and then change places with it. Nobody is waited for: a node that lags behind the memory of the log (`hot`) is let go
of, and when it is back begins at the present position; what lies between it gets from its peers.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import msgspec

from fogbank.engines.fleet import frames
from fogbank.engines.fleet.frames import ACK, HEADER, OPEN, REFUSED, WRITE, ZONES
from fogbank.engines.volume import loop as events
from fogbank.engines.volume.hot import Hot
from fogbank.engines.volume.loop import Loop, Promise
from fogbank.engines.volume.quorum import WRITE_QUORUM, Held, Tracker

_FRAME_BYTES = 1 << 20
_NEARLY_BYTES = 1 << 20
_SLOW_S = 0.1
_RETRY_S = 0.03
_HEADER_BYTES = HEADER.size
_pack = HEADER.pack
_unpack = HEADER.unpack_from


class Lost(Exception):
    """The node went away before it answered."""


class Refused(Exception):
    """The node refused."""


class Answer(NamedTuple):
    kind: int
    timeline: int
    position: int
    payload: bytes


class State(NamedTuple):
    """What a node says of its copy."""

    epoch: int
    held: Held

    @classmethod
    def of(cls, payload: bytes) -> State:
        said = msgspec.msgpack.decode(payload)
        timeline, position = said["acknowledged"]
        return cls(said["epoch"], Held(tuple((t, a, b) for t, a, b in said["spans"]), timeline, position))


class Link:
    """A connection to one node, about one volume. It connects again by itself.

    opened   called with what the node says of its copy, each time that it is there
    acked    called with each acknowledgement
    """

    def __init__(self, number: int, volume: str, fleet: Path, loop: Loop, hot: Hot) -> None:
        self.number = number
        self.zone = ZONES[number]
        self.epoch = 0
        self.up = False
        self.live = False
        """It gets the log."""
        self.cursor = 0
        """Up to where it has been sent the log."""
        self.sent_bytes = 0
        self.acks = 0
        self.opened: Callable[[Link, State], None] = lambda link, state: None
        self.acked: Callable[[Link, int, int], None] = lambda link, timeline, position: None
        self.lost: Callable[[Link], None] = lambda link: None
        self._volume = volume
        self._port_file = fleet / f"{self.zone}{number}" / "port"
        self._loop = loop
        self._hot = hot
        self._socket: socket.socket | None = None
        self._connecting = False
        self._goal = 0
        self._rest = b""
        self._part = b""
        self._asked: deque[Promise[Answer]] = deque()
        self._listening = True
        self._mask = 0
        self._closed = False

    def connect(self) -> None:
        """Begins to connect; goes on trying."""
        if self._closed or self._socket is not None:
            return
        try:
            port = int(self._port_file.read_text())
        except (OSError, ValueError):
            self._loop.later(_RETRY_S, self.connect)
            return
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = link
        self._connecting = True
        link.connect_ex(("127.0.0.1", port))
        self._mask = events.WRITE
        self._loop.watch(link.fileno(), self._ready, self._mask)

    def open(self) -> None:
        """Tells for which volume and in which epoch we write; `opened` is called with its answer."""
        epoch = self.epoch
        body = msgspec.msgpack.encode({"volume": self._volume, "epoch": epoch, "create": True})
        self.ask(OPEN, body).then(lambda answer: self._opened(answer, epoch))

    def ask(self, kind: int, payload: bytes = b"", timeline: int = 0, position: int = 0) -> Promise[Answer]:
        """Sends a request; its answer comes after those of earlier ones. Fails with Refused or Lost."""
        promise: Promise[Answer] = Promise()
        if self._socket is None or self._connecting:
            promise.fail(Lost(f"node {self.number} is not there"))
        else:
            self._asked.append(promise)
            self._remask()
            self._send(frames.frame(kind, payload, timeline, position))
        return promise

    def tell(self, kind: int, payload: bytes = b"", timeline: int = 0, position: int = 0) -> None:
        """A request without which the node is of no use: it is let go of when it refuses."""
        self.ask(kind, payload, timeline, position).then(lambda answer: None if answer.error is None else self.drop())

    def begin(self, cursor: int) -> None:
        """From here on it gets the log, from memory."""
        self.cursor = self._goal = cursor
        self.live = True

    def write(self, timeline: int, position: int, payload: bytes) -> None:
        """A piece of the log that is not sent from memory."""
        self._send(frames.frame(WRITE, payload, timeline, position))

    def pump(self, end: int) -> None:
        """Sends the log from where this node is, up to a position, as far as it takes it."""
        link, hot = self._socket, self._hot
        self._goal = end
        if self._rest or link is None or not self.live:
            return
        while self.cursor < end:
            length = min(end - self.cursor, _FRAME_BYTES)
            parts = hot.parts(self.cursor, length)
            parts.insert(0, _pack(WRITE, hot.timeline, self.cursor, length))  # type: ignore[arg-type]
            try:
                sent = link.sendmsg(parts)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.drop()
                return
            self.cursor += length
            self.sent_bytes += length
            if sent < length + _HEADER_BYTES:
                self._rest = b"".join(parts)[sent:]
                self._remask()
                return

    def listen(self, on: bool) -> None:
        """Whether it is read as soon as it says something; answers to questions are, anyway."""
        self._listening = on
        self._remask()

    def _remask(self) -> None:
        mask = (events.READ if self._listening or self._asked else 0) | (events.WRITE if self._rest else 0)
        if mask != self._mask and self._socket is not None and not self._connecting:
            self._mask = mask
            self._loop.change(self._socket.fileno(), mask)

    def drop(self) -> None:
        """Lets go of the connection; another one is tried."""
        link = self._socket
        if link is None:
            return
        self._loop.leave(link.fileno())
        link.close()
        self._socket = None
        self.up = self.live = self._connecting = False
        self._rest = self._part = b""
        asked, self._asked = self._asked, deque()
        for promise in asked:
            promise.fail(Lost(f"node {self.number} went away"))
        self.lost(self)
        if not self._closed:
            self._loop.later(_RETRY_S, self.connect)

    def close(self) -> None:
        """For good."""
        self._closed = True
        self.drop()

    def _send(self, data: bytes) -> None:
        link = self._socket
        if link is None:
            return
        if self._rest:
            self._rest += data
            return
        try:
            sent = link.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.drop()
            return
        if sent < len(data):
            self._rest = data[sent:]
            self._remask()

    def _ready(self, mask: int) -> None:
        link = self._socket
        if link is None:
            return
        if self._connecting:
            self._connected(link)
            return
        if mask & events.WRITE and self._rest:
            self._flush(link)
        if mask & ~events.WRITE and self._socket is not None:
            self.take()

    def _connected(self, link: socket.socket) -> None:
        if link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
            self.drop()
            return
        self._connecting = False
        self._listening = True
        self._remask()
        self.open()

    def _opened(self, answer: Promise[Answer], epoch: int) -> None:
        if answer.error is not None or answer.value is None:
            self.drop()
            return
        if epoch != self.epoch:  # another one has begun since: that is told too, or has to be
            if not self.up:
                self.open()
            return
        self.up = True
        self.opened(self, State.of(answer.value.payload))

    def _flush(self, link: socket.socket) -> None:
        try:
            sent = link.send(self._rest)
        except BlockingIOError:
            return
        except OSError:
            self.drop()
            return
        self._rest = self._rest[sent:]
        if not self._rest:
            self._remask()
            self.pump(self._goal)

    def take(self) -> None:
        """Reads what it has said."""
        link = self._socket
        if link is None or self._connecting:
            return
        try:
            got = link.recv(1 << 20 if self._asked else 4096)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        if not got:
            self.drop()
            return
        if self._part:
            got = self._part + got
        at, end = 0, len(got)
        while end - at >= _HEADER_BYTES:
            kind, timeline, position, length = _unpack(got, at)
            if end - at < _HEADER_BYTES + length:
                break
            at += _HEADER_BYTES
            if kind == ACK:
                self.acks += 1
                self.acked(self, timeline, position)
            elif kind == REFUSED and timeline:
                pass  # a write: its disk is full. It has a gap, which its peers fill when there is space again
            else:
                self._answered(Answer(kind, timeline, position, got[at : at + length]))
                if self._socket is None:
                    return
            at += length
        self._part = got[at:] if at < end else b""
        if not self._asked and not self._listening:
            self._remask()

    def _answered(self, answer: Answer) -> None:
        promise = self._asked.popleft()
        if answer.kind == REFUSED:
            promise.fail(Refused(answer.payload.decode(errors="replace")))
        else:
            promise.keep(answer)


class Copies:
    """The six together.

    One piece of the log is on its way at a time (`flight`: its end); what comes meanwhile goes together as the next one. All four in front
    have to answer, so one of them is listened to: when it has answered most others have too, and are read without being waited for.
    """

    REAR_S = 0.02
    """The rear gets the log at least so often."""
    REAR_BYTES = 256 << 10
    LATE_S = 0.008
    """What has not arrived by then (or four times the usual) the rear gets too."""

    def __init__(self, links: list[Link], loop: Loop, hot: Hot, tracker: Tracker) -> None:
        self.links = links
        self.front: list[Link] = []
        self.rear: list[Link] = []
        self.flight = 0
        self.longest_s = 0.0
        self._since = 0.0
        self._usual_s = 0.0
        self._rear_at = 0.0
        self._listened: Link | None = None
        self._loop = loop
        self._hot = hot
        self._tracker = tracker
        self._ticking = False
        self._late = False

    def begin(self) -> None:
        """A timeline has begun: nothing is on its way."""
        self.flight = 0
        self._late = False

    def join(self, link: Link, cursor: int) -> None:
        """A node gets the log from a position on."""
        link.begin(cursor)
        self.arrange()

    def arrange(self) -> None:
        """Who is in front: four that have nearly all, of all zones as far as can be, those that were there first."""
        live = [link for link in self.front if link.live]
        live += [link for link in self.links if link.live and link not in live]
        live.sort(key=self._lags)
        zones = [link.zone for link in live]
        order = {link.number: (self._lags(link), zones[:at].count(link.zone)) for at, link in enumerate(live)}
        self._place(sorted(live, key=lambda link: order[link.number]))

    def _lags(self, link: Link) -> bool:
        return self._tracker.ends[link.number] + _NEARLY_BYTES < self._tracker.durable

    def waited_s(self) -> float:
        """The longest time that a piece of the log waited for its quorum."""
        return max(self.longest_s, monotonic() - self._since) if self.flight else self.longest_s

    def make_room(self, length: int) -> None:
        """Before the memory of the log takes more: lets go of those whose place in it would be overwritten."""
        lowest = self._hot.end + length - self._hot.size
        for link in self.links:
            if link.live and link.cursor < lowest:
                link.drop()

    def spread(self) -> None:
        """Sends on what there is."""
        end = self._hot.end
        if self.flight or end <= self._tracker.durable:
            return
        self.flight = end
        self._since = monotonic()
        for link in self.front:
            link.pump(end)
        if not self._ticking:
            self._ticking = True
            self._loop.later(self.LATE_S, self._tick)

    def land(self) -> None:
        """Looks whether what is on its way has arrived."""
        flight, tracker, listened = self.flight, self._tracker, self._listened
        if tracker.durable < flight and listened is not None and tracker.ends[listened.number] >= flight:
            for link in (*self.front,):
                if tracker.ends[link.number] < flight:
                    link.take()
                    if tracker.ends[link.number] < flight and link.live:
                        self._listen(link)
                        break
        if tracker.durable >= flight:
            self.flight = 0
            took = monotonic() - self._since
            self._usual_s += (min(took, _SLOW_S) - self._usual_s) / 16
            if took > self.longest_s:
                self.longest_s = took
            if self._late:
                self._late = False
                self._place(sorted(self.front + self.rear, key=lambda link: tracker.ends[link.number] < flight))

    def _listen(self, link: Link | None) -> None:
        """To this one of the front, and to the rear; None: to all."""
        self._listened = link
        for other in self.front:
            other.listen(link is None or other is link)
        for other in self.rear:
            other.listen(True)

    def _place(self, order: list[Link]) -> None:
        """The first four are the front; those who are new there get what is on its way."""
        self.front, self.rear = order[:WRITE_QUORUM], order[WRITE_QUORUM:]
        self._listen(None if self._late or not self.front else self.front[-1])
        for link in (*self.front,):
            link.pump(self.flight or self._tracker.durable)

    def _tick(self) -> None:
        """The rear gets what it lacks. When the front is late, at once: who has answered first when that has arrived is the front then."""
        self._ticking = False
        now, end = monotonic(), self._hot.end
        if self.flight and now - self._since > max(self.LATE_S, min(4 * self._usual_s, _SLOW_S)):
            self._late = True
            self._listen(None)
        if self._late or now - self._rear_at >= self.REAR_S or any(end - link.cursor > self.REAR_BYTES for link in self.rear):
            self._rear_at = now
            for link in (*self.rear,):
                link.pump(end)
        if self.flight or any(link.cursor < end for link in self.rear if link.live):
            self._ticking = True
            self._loop.later(self.LATE_S, self._tick)
