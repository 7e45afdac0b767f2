"""The sending side of PostgreSQL's replication protocol: readers, and nodes that recover, get the log from the volume, not from the
writer.

They get what is durable and nothing else. The last of it comes from memory, older log from a storage node. A timeline that has ended is
ended for its readers too, who then ask for the next.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path
from typing import Any, Protocol

from fogbank.engines.volume import loop as events
from fogbank.engines.volume import messages
from fogbank.engines.volume.hot import Hot
from fogbank.engines.volume.loop import Loop, Promise
from fogbank.engines.volume.messages import INT, KEEPALIVE, SEGMENT_BYTES, XLOG, lsn
from fogbank.engines.volume.quorum import Lineage

_PIECE_BYTES = 128 << 10
_ALIVE_S = 10.0
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_SHOWN = {"wal_segment_size": "16MB", "data_directory_mode": "0700", "server_version": "18.6"}
_START = re.compile(
    r'START_REPLICATION\s+(?:SLOT\s+"?(\w+)"?\s+)?(?:PHYSICAL\s+)?([0-9A-F]+/[0-9A-F]+)(?:\s+TIMELINE\s+(\d+))?', re.IGNORECASE
)


class Log(Protocol):
    """What the volume is to its readers."""

    hot: Hot
    system: str

    def visible(self) -> Lineage: ...
    def end(self, timeline: int) -> int: ...
    def read(self, timeline: int, position: int, length: int) -> Promise[bytes]: ...


class Readers:
    """Everybody who reads the volume's log."""

    def __init__(self, path: Path, loop: Loop, log: Log) -> None:
        self.all: list[Reader] = []
        self._path = path
        self._loop = loop
        self._log = log
        self._listener: socket.socket | None = None

    def listen(self) -> None:
        """From now on they may come."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.bind(str(self._path))
        os.chmod(self._path, 0o777)
        listener.listen(64)
        self._listener = listener
        self._loop.watch(listener.fileno(), self._accept)
        self._loop.later(_ALIVE_S, self._alive)

    def advance(self) -> None:
        """More is durable, or the limit has changed."""
        for reader in self.all:
            if reader.streaming:
                reader.advance()

    def needed(self) -> tuple[int, int]:
        """The oldest transactions that some reader's queries need (`hot_standby_feedback`): of rows, of catalogs."""
        rows, catalogs = ([reader.needed[kind] for reader in self.all if reader.streaming and reader.needed[kind]] for kind in (0, 1))
        return min(rows, default=0), min(catalogs, default=0)

    def status(self, durable: int) -> list[dict[str, Any]]:
        return [
            {"name": reader.name, "timeline": reader.timeline, "position": reader.applied, "behind_bytes": max(0, durable - reader.applied)}
            for reader in self.all
            if reader.streaming
        ]

    def close(self) -> None:
        for reader in [*self.all]:
            reader.close()
        if self._listener is not None:
            self._loop.leave(self._listener.fileno())
            self._listener.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    def _accept(self, _: int) -> None:
        if self._listener is not None:
            with contextlib.suppress(BlockingIOError):
                link, _address = self._listener.accept()
                link.setblocking(False)
                self.all.append(Reader(link, self._loop, self._log, self))

    def _alive(self) -> None:
        for reader in self.all:
            if reader.streaming:
                reader.alive()
        self._loop.later(_ALIVE_S, self._alive)


class Reader:
    """One connection."""

    def __init__(self, link: socket.socket, loop: Loop, log: Log, readers: Readers) -> None:
        self.name = ""
        self.streaming = False
        self.timeline = 0
        self.needed = (0, 0)
        """The oldest transactions that its queries need: of rows, of catalogs; 0: none."""
        self.applied = 0
        """What it says it has applied, or at least has."""
        self._cursor = 0
        self._reading = False
        self._ending = False
        self._link: socket.socket | None = link
        self._loop = loop
        self._log = log
        self._readers = readers
        self._came = b""
        self._rest = b""
        self._greeted = False
        loop.watch(link.fileno(), self._ready)

    def close(self) -> None:
        """It is gone, or has to go."""
        link, self._link = self._link, None
        if link is not None:
            self._loop.leave(link.fileno())
            link.close()
            self.streaming = False
            self._readers.all.remove(self)

    # -- what it says

    def _ready(self, mask: int) -> None:
        if mask & events.WRITE:
            self._flush()
        link = self._link
        if link is None or not mask & ~events.WRITE:
            return
        try:
            came = link.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        if not came:
            self.close()
            return
        self._came += came
        while self._link is not None and self._next():
            pass

    def _next(self) -> bool:
        """Takes one message, if a whole one is there."""
        came, head = self._came, 1 if self._greeted else 0
        if len(came) < head + 4:
            return False
        end = head + INT.unpack_from(came, head)[0]
        if len(came) < end:
            return False
        kind, body, self._came = came[:head], came[head + 4 : end], came[end:]
        if not self._greeted:
            self._greet(body)
        elif kind == b"Q":
            self._query(body.rstrip(b"\0").decode())
        elif kind == b"d":
            self._feedback(body)
        elif kind == b"c":
            self._stopped()
        elif kind == b"X":
            self.close()
        return True

    def _greet(self, body: bytes) -> None:
        code = INT.unpack_from(body)[0]
        if code in (_SSL, _GSS):
            self._send(b"N")
            return
        if code == _CANCEL:
            self.close()
            return
        self._greeted = True
        words = body[4:].decode(errors="replace").split("\0")
        given = dict(zip(words[::2], words[1::2], strict=False))
        self.name = given.get("application_name") or given.get("user", "")
        if code >> 16 != 3 or given.get("replication", "").lower() not in ("true", "on", "yes", "1"):
            self._send(messages.error("this is a volume: it speaks physical replication only", "0A000", "FATAL"))
            self.close()
            return
        told = {"server_version": "18.6", "server_encoding": "UTF8", "client_encoding": "UTF8", "integer_datetimes": "on"}
        parts = [messages.message(b"S", f"{name}\0{value}\0".encode()) for name, value in told.items()]
        self._send(messages.message(b"R", b"\0\0\0\0") + b"".join(parts) + messages.message(b"Z", b"I"))

    def _query(self, text: str) -> None:
        words = text.rstrip("; ").split()
        command = words[0].upper() if words else ""
        lineage = self._log.visible()
        if command == "IDENTIFY_SYSTEM" and lineage.turns:
            newest = lineage.newest.timeline
            values = [self._log.system.encode(), str(newest).encode(), lsn(self._log.end(newest)).encode(), None]
            self._send(messages.rows(["systemid", "timeline", "xlogpos", "dbname"], values, "IDENTIFY_SYSTEM"))
        elif command == "TIMELINE_HISTORY" and len(words) == 2 and words[1].isdigit():
            number = int(words[1])
            content = messages.history(lineage.until(number))
            self._send(messages.rows(["filename", "content"], [f"{number:08X}.history".encode(), content], "TIMELINE_HISTORY"))
        elif command == "SHOW" and len(words) == 2 and words[1] in _SHOWN:
            self._send(messages.rows([words[1]], [_SHOWN[words[1]].encode()], "SHOW"))
        elif (start := _START.match(text)) is not None and lineage.turns:
            self._start(lineage, int(start[3] or lineage.newest.timeline), messages.position(start[2]))
        else:
            self._send(messages.error(f"a volume has no such command: {text[:60]}") + messages.message(b"Z", b"I"))

    def _start(self, lineage: Lineage, timeline: int, position: int) -> None:
        try:
            end = self._log.end(timeline)
        except LookupError as problem:
            self._send(messages.error(str(problem), "55000") + messages.message(b"Z", b"I"))
            return
        if position > end and position - position % SEGMENT_BYTES > end:
            refusal = f"requested starting point {lsn(position)} is ahead of what is durable on timeline {timeline}: {lsn(end)}"
            self._send(messages.error(refusal, "55000") + messages.message(b"Z", b"I"))
            return
        self.timeline, self._cursor, self.applied = timeline, position, position
        self._ending = False
        if lineage.after(timeline) is not None and position >= end:
            self._tell_next()
            return
        self.streaming = True
        self._send(messages.message(b"W", b"\0\0\0"))
        self.advance()

    def _feedback(self, body: bytes) -> None:
        if body[:1] == b"r" and len(body) >= 34:
            written, flushed, applied = (int.from_bytes(body[at : at + 8], "big") for at in (1, 9, 17))
            self.applied = applied or flushed or written
            if body[33]:
                self.alive()
        elif body[:1] == b"h" and len(body) >= 25:
            rows, epoch, catalogs, other = (int.from_bytes(body[at : at + 4], "big") for at in (9, 13, 17, 21))
            self.needed = (epoch << 32 | rows if rows else 0, other << 32 | catalogs if catalogs else 0)

    def _stopped(self) -> None:
        """It ends the flow; when we did, it learns what comes next."""
        if not self.streaming:
            return
        self.streaming = False
        if not self._ending:
            self._send(messages.message(b"c"))
        self._ending = False
        try:
            ended = self._log.visible().after(self.timeline) is not None and self._cursor >= self._log.end(self.timeline)
        except LookupError:
            ended = False
        if ended:
            self._tell_next()
        else:
            self._send(messages.message(b"C", b"COPY 0\0") + messages.message(b"C", b"START_REPLICATION\0") + messages.message(b"Z", b"I"))

    def _tell_next(self) -> None:
        following = self._log.visible().after(self.timeline)
        if following is not None:
            values: list[bytes | None] = [str(following.timeline).encode(), lsn(following.start).encode()]
            self._send(messages.rows(["next_tli", "next_tli_startpos"], values, "START_STREAMING"))

    # -- what it gets

    def advance(self) -> None:
        """Sends what it does not have yet, as far as it takes it."""
        log, hot = self._log, self._log.hot
        try:
            end = log.end(self.timeline)
        except LookupError:  # its timeline never happened
            self.close()
            return
        while self._cursor < end and not self._rest and not self._reading and not self._ending and self._link is not None:
            length = min(end - self._cursor, _PIECE_BYTES)
            holder, until = log.visible().holding(self.timeline, self._cursor)
            if until is not None:
                length = min(length, until - self._cursor)
            if holder == hot.timeline and self._cursor >= hot.start:
                self._piece(hot.parts(self._cursor, length), length, end)
            else:
                self._reading = True
                log.read(holder, self._cursor, length).then(lambda promise, end=end: self._came_back(promise, end))  # type: ignore[misc]
        if self._cursor >= end and not self._ending and not self._rest and log.visible().after(self.timeline) is not None:
            self._ending = True
            self._send(messages.message(b"c"))

    def alive(self) -> None:
        """Tells it how far the log goes."""
        if self._link is not None and not self._rest and not self._ending:
            with contextlib.suppress(LookupError):
                self._send(KEEPALIVE.pack(b"d", 22, b"k", self._log.end(self.timeline), messages.clock(), 0))

    def _came_back(self, promise: Promise[bytes], end: int) -> None:
        self._reading = False
        if promise.value is None:
            self.close()
        elif self.streaming:
            self._piece([memoryview(promise.value)], len(promise.value), end)
            self.advance()

    def _piece(self, parts: list[memoryview], length: int, end: int) -> None:
        head = XLOG.pack(b"d", length + 29, b"w", self._cursor, end, messages.clock())
        self._cursor += length
        self._send(head, parts)

    def _send(self, head: bytes, parts: list[memoryview] | None = None) -> None:
        link = self._link
        if link is None:
            return
        if self._rest:
            self._rest += b"".join((head, *(parts or ())))
            return
        try:
            sent = link.sendmsg((head, *(parts or ())))
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(head) + sum(map(len, parts or ())):
            self._rest = b"".join((head, *(parts or ())))[sent:]
            self._loop.change(link.fileno(), events.READ | events.WRITE)

    def _flush(self) -> None:
        link = self._link
        if link is None or not self._rest:
            return
        try:
            sent = link.send(self._rest)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._rest = self._rest[sent:]
        if not self._rest:
            self._loop.change(link.fileno(), events.READ)
            if self.streaming:
                self.advance()
