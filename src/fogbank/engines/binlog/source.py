"""The log of a writer, as a semi-synchronous replica gets it: MySQL's replication protocol over the writer's unix socket. Or that of
another volume, which speaks the same, and ends the stream where a timeline ends.

With semi-synchronous replication a COMMIT returns when we reply with its place in the binlog, that is when four nodes have it. So a
writer is fenced by not being replied to: one of an older timeline, of another database, or promoted from less than was acknowledged.
"""

from __future__ import annotations

import socket
from collections import deque
from pathlib import Path
from typing import Protocol

import msgspec

from fogbank.engines.binlog import events, packets
from fogbank.engines.binlog.events import FORMAT, HEADER, HEARTBEAT, MAGIC_BYTES, ROTATE
from fogbank.engines.binlog.packets import DUMP, LONGEST, REGISTER, SAY
from fogbank.engines.binlog.trail import Trail
from fogbank.engines.volume import replication
from fogbank.engines.volume.loop import Loop, Promise, Task

USER = "rdsrepladmin"
WHO = "SELECT system, timeline FROM mysql.rds_timelines ORDER BY timeline DESC LIMIT 1"
TURNS = "SELECT timeline, begins FROM mysql.rds_timelines"
FATAL = 1236
PLACE = "SELECT file, offset FROM log WHERE position = "
"""(A volume can be asked that.)"""
_SERVER = 0xFFFFFF00
_ALIVE_NS = 5_000_000_000
_ANNOTATED = 2
"""Also what a replica may do without: a place is a count of all that is in the file."""
_SEMI_SYNC = 0xEF
_END = 0xFE
_LARGE_BYTES = 128 << 10
"""A longer event goes on as it comes."""
_HEAD_BYTES = 4096
"""So much of it says what it is."""


class Log(replication.Log, Protocol):
    """What the volume is to its writer."""

    trail: Trail
    committed: int

    def commit(self) -> None: ...


class Source(replication.Upstream):
    """The connection to the writer. It is made again by itself until `detach`."""

    def __init__(self, loop: Loop, log: Log) -> None:
        super().__init__(loop, log)
        self._volume = log
        self._repeats = False
        """It is a volume that is followed, no writer."""
        self._waits: deque[tuple[int, bytes]] = deque()
        """What the writer wants a reply for: the end of a transaction in the log, and the reply."""
        self._head, self._asked, self._at = b"", False, 0
        """Of a large event: its beginning, whether it wants a reply, up to where it is there."""
        self._file = 0
        """The number of the file that is being sent; 0: it was not said yet."""
        self._left, self._goes_on = 0, False
        """Of a large packet: what is still to come, and whether another one belongs to it."""

    def feedback(self) -> None:
        """More is durable: replies with the last transaction that is, which stands for those before."""
        self._volume.commit()
        waits, durable = self._waits, self._volume.durable()
        reply = b""
        while waits and waits[0][0] <= durable:
            reply = waits.popleft()[1]
        if reply and self.attached:
            self._send(reply)

    # -- attaching

    def _attach(self, directory: str, port: int, user: str) -> Task[None]:
        """(A writer is followed by its socket, a volume by its process's folder.)"""
        place = Path(directory)
        self._repeats = place.is_dir()
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            link.connect(str(place / "volume.sock") if self._repeats else directory)
        except OSError:
            link.close()
            raise
        self._socket, self._have = link, 0
        self._messages.clear()
        self._waits.clear()
        self._left, self._goes_on, self._file = 0, False, 0
        self._loop.watch(link.fileno(), self._greeting)
        salt = packets.greeted((yield from self._message())[1])
        secret = (place / "secret" if self._repeats else place.parent.parent / "data" / "fogbank.secret").read_text()
        self._send(packets.packet(packets.login(USER, secret, salt), 1))
        yield from self._message()
        found = yield from self._say(WHO)
        number = int(found[0][1] or 0)
        sent = yield from self._volume.admit_writer(str(found[0][0]), number, lambda: self._history(number))
        if sent < number and not self._repeats:
            raise replication.Fenced(f"the writer has more of the log than the volume, which ends in timeline {sent}")
        yield from self._subscribe(sent, *(yield from self._place(sent)))
        self._loop.leave(link.fileno())
        self._loop.watch(link.fileno(), self._streaming)
        self.attached, self._paused = True, False
        self._volume.noticed("attached", timeline=sent)
        self._catch_up()
        self._take(0)

    def _history(self, timeline: int) -> Task[bytes]:
        """Where each of its timelines begins in the log, and those before."""
        return msgspec.json.encode([(int(number or 0), int(begins or 0)) for number, begins in (yield from self._say(TURNS))])

    def _place(self, timeline: int) -> Task[tuple[str, int]]:
        """Where the log goes on, in its words."""
        trail = self._volume.trail
        if not self._repeats:
            file, offset = trail.within(timeline, trail.at)
            return (file, offset) if file else (str((yield from self._say("SHOW BINARY LOGS"))[0][0]), MAGIC_BYTES)
        if trail.files:
            return trail.place(trail.at)
        found = yield from self._say(f"{PLACE}{trail.at}")
        return str(found[0][0]), int(found[0][1] or 0)

    def _subscribe(self, timeline: int, file: str, offset: int) -> Task[None]:
        for said in (
            "SET @master_binlog_checksum = @@global.binlog_checksum",
            "SET @mariadb_slave_capability = 4",
            "SET @rpl_semi_sync_slave = 1",
            f"SET @master_heartbeat_period = {_ALIVE_NS}",
            f"SET @timeline = {timeline}",
        ):
            yield from self._say(said)
        self._send(packets.packet(bytes((REGISTER,)) + _SERVER.to_bytes(4, "little") + bytes(3 + 2 + 8)))
        yield from self._message()
        head = bytes((DUMP,)) + offset.to_bytes(4, "little") + _ANNOTATED.to_bytes(2, "little") + _SERVER.to_bytes(4, "little")
        self._send(packets.packet(head + file.encode()))

    def _catch_up(self) -> None:
        """Replies with where the log is: the writer may wait for what came before the connection broke."""
        file, offset = self._volume.trail.within(self._volume.trail.timeline, self._volume.committed)
        if file and not self._repeats:
            self._send(_reply(file, offset))

    def _say(self, text: str) -> Task[list[list[str | None]]]:
        """A statement, and its rows."""
        self._send(packets.packet(bytes((SAY,)) + text.encode()))
        first = (yield from self._message())[1]
        rows: list[list[str | None]] = []
        if first[0] == 0:
            return rows
        ends = 0
        while True:
            body = (yield from self._message())[1]
            if body[0] == _END and len(body) < 9:
                ends += 1
                if ends == 2:
                    return rows
            elif ends:
                rows.append(packets.row(body))

    def _message(self) -> Task[tuple[bytes, bytes]]:
        if not self._messages:
            if self._socket is None:
                raise packets.Refused("the connection is closed")
            self._waiting = Promise()
            yield self._waiting
        kind, body = self._messages.popleft()
        if body[:1] == b"\xff":
            raise packets.failure(body)
        return kind, body

    def _greeting(self, _: int) -> None:
        """Before the log flows: whole packets for the task. (What comes after the request for the log stays: nobody listens then.)"""
        if not self._receive():
            return
        found, rest = packets.whole(bytes(self._view[: self._have]))
        self._messages.extend((bytes((number,)), body) for number, body in found)
        self._keep(self._have - len(rest))
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            if self._messages:
                waiting.keep(self._messages[0])
            else:
                self._waiting = waiting

    # -- flowing

    def _take(self, at: int) -> None:
        try:
            self._parse(at)
        except replication.Fenced as why:
            self._target = None
            self._close(str(why))

    def _parse(self, at: int) -> None:
        """What has come, into the memory of the log. (The hottest loop there is.)"""
        buffer, view, have = self._bytes, self._view, self._have
        while True:
            if self._left:
                came = min(self._left, have - at)
                self._more(view[at : at + came])
                at += came
                if self._left:
                    break
            if have - at < 4:
                break
            length = buffer[at] | buffer[at + 1] << 8 | buffer[at + 2] << 16
            end = at + 4 + length
            if self._goes_on:
                self._left, self._goes_on = length, length == LONGEST
                at += 4
                if not length:
                    self._whole()
                continue
            if end > have and (length < _LARGE_BYTES or have - at < _HEAD_BYTES):
                break
            if length and buffer[at + 4] != 0:
                self._ended(b"", bytes(view[at + 4 : min(end, have)]))
                return
            asked, begin = False, at + 5
            if not self._repeats:  # (two bytes more before each event of a semi-synchronous source)
                asked, begin = buffer[begin + 1] == 1, begin + 2
            if end <= have and length < LONGEST:
                self._event(view[begin:end], asked)
                at = end
            else:
                self._head, self._asked, self._at = bytes(view[begin : begin + _HEAD_BYTES]), asked, self._volume.trail.at
                self._left, self._goes_on = end - begin, length == LONGEST
                at = begin
        self._keep(at)

    def _more(self, piece: memoryview) -> None:
        """A piece of a large event."""
        if piece:
            self._volume.make_room(len(piece))
            self._hot.append(self._at, piece)
            self._at += len(piece)
            self._left -= len(piece)
            if not self._left and not self._goes_on:
                self._whole()

    def _whole(self) -> None:
        """A large event is there."""
        self._taken(memoryview(self._head), self._asked)

    def _event(self, event: memoryview, asked: bool) -> None:
        _, kind, _, _, end, flags = HEADER.unpack_from(event)
        trail = self._volume.trail
        if kind == HEARTBEAT:
            return
        if events.artificial(kind, end, flags):
            if kind == FORMAT:
                trail.describe(event)
            if kind != ROTATE:
                return
            file, offset = events.rotated(event)
            self._check(events.number(file))
            if offset > MAGIC_BYTES and not trail.files:
                trail.enter(file, offset)
            if trail.files and trail.files[-1].name == file:
                return
        self._volume.make_room(len(event))
        self._hot.append(trail.at, event)
        self._taken(event, asked)

    def _check(self, file: int) -> None:
        """A file follows the one before, or is where the stream begins. Raises Fenced where the writer's log was begun anew."""
        if self._file and not self._repeats and file != self._file + 1:
            raise replication.Fenced("the writer's log is not what it was")
        self._file = file

    def _taken(self, event: memoryview, asked: bool) -> None:
        trail = self._volume.trail
        trail.take(event)
        if asked:
            self._waits.append((trail.at, _reply(trail.files[-1].name, HEADER.unpack_from(event)[4])))

    def _ended(self, kind: bytes, body: bytes) -> None:
        """The writer stops: it shuts down, or refuses to go on. Raises Fenced where it does not have the log any more."""
        failure = packets.failure(body) if body[:1] == b"\xff" else None
        if failure is not None and failure.number == FATAL and not self._repeats:
            raise replication.Fenced(str(failure))
        self._break("it ended the stream" if failure is None else str(failure))

    def _status(self, link: socket.socket) -> None:
        """(A writer asks when it wants to know.)"""


def _reply(file: str, offset: int) -> bytes:
    return packets.packet(bytes((_SEMI_SYNC,)) + offset.to_bytes(8, "little") + file.encode())
