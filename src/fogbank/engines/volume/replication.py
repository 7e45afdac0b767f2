"""The writer's log, as a physical standby gets it: PostgreSQL's replication protocol over the writer's unix socket.

With `synchronous_standby_names = 'volume'` a COMMIT returns when we report its place as flushed, that is when four nodes have it. So a
writer is fenced by not being reported to: one of an older timeline, of another database, or promoted from less than what was
acknowledged, is refused.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Protocol

from fogbank.engines.volume import loop as events
from fogbank.engines.volume import messages
from fogbank.engines.volume.hot import Hot
from fogbank.engines.volume.loop import Loop, Promise, Task
from fogbank.engines.volume.messages import FEEDBACK, NEEDED, ServerError

_RETRY_S, _LONGER, _LONGEST_RETRY_S = 0.01, 1.1, 0.25
_PATIENCE_S = 5.0
_STATUS_S = 1.0
_BUFFER_BYTES = 1 << 20
_FRAME = Struct(">BI")
_PIECE = Struct(">BQ")
_DATA, _XLOG, _KEEP = b"dwk"
_HEADER_BYTES = 30
_LONGEST = 1 << 30


class Fenced(Exception):
    """This writer may not write to this volume."""


class Detached(Exception):
    """It was told to follow somebody else, or nobody, meanwhile."""


class Log(Protocol):
    """What the volume is to its writer."""

    hot: Hot

    def durable(self) -> int: ...
    def needed(self) -> tuple[int, int]: ...
    def busy(self) -> bool:
        """Whether what comes now has to wait."""
        ...

    def make_room(self, length: int) -> None: ...
    def admit_writer(self, system: str, timeline: int, history: Callable[[], Task[bytes]]) -> Task[int]:
        """The timeline that it is to send. Raises Fenced; a newer timeline's history is asked for, and begun."""
        ...

    noticed: Callable[..., None]


class Upstream:
    """The connection to the writer. It is made again by itself until `detach`."""

    def __init__(self, loop: Loop, log: Log) -> None:
        self.attached = False
        self.attempt = 0
        """Another one with each that it is told to follow, or not to."""
        self.gate: int | None = None
        """A commit beyond it is not acknowledged, though it is durable; None: every one that is durable is."""
        self._loop = loop
        self._log = log
        self._hot = log.hot
        self._target: tuple[str, int, str] | None = None
        self._retry_s = _RETRY_S
        self._followed: Promise[None] | None = None
        self._socket: socket.socket | None = None
        self._bytes = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._bytes)
        self._have = 0
        self._messages: deque[tuple[bytes, bytes]] = deque()
        self._waiting: Promise[tuple[bytes, bytes]] | None = None
        self._backlog = b""
        self._paused = False
        self._needed = (0, 0)

    def follow(self, directory: str, port: int, user: str) -> Promise[None]:
        """Attaches to a writer, and again whenever the connection breaks. Done when attached; fails with Fenced."""
        self.detach()
        self._target = (directory, port, user)
        self._retry_s = _RETRY_S
        promise = self._followed = Promise()
        self._try(self.attempt)
        return promise

    def detach(self) -> None:
        """Follows nobody."""
        self.attempt += 1
        self._target = None
        if self._followed is not None:
            self._followed.fail(Detached("detached"))
            self._followed = None
        self._close("detached")

    def feedback(self) -> None:
        """Reports what is durable."""
        link = self._socket
        if link is None or not self.attached:
            return
        durable = self._log.durable()
        passed = durable if self.gate is None else min(durable, self.gate)
        told = FEEDBACK.pack(b"d", 38, b"r", durable, passed, passed, messages.clock(), 0)
        self._send(told)

    # -- attaching

    def _try(self, attempt: int) -> None:
        if attempt != self.attempt or self._target is None:
            return
        task = self._loop.run_task(self._attach(*self._target))
        self._loop.later(_PATIENCE_S, lambda: None if task.done else self._close("it does not answer"))

        def tried(done: Promise[None]) -> None:
            if attempt != self.attempt:
                return
            if isinstance(done.error, Fenced):
                followed, self._followed, self._target = self._followed, None, None
                self._close(str(done.error))
                self._log.noticed("lost", reason=str(done.error), fenced=True)
                if followed is not None:
                    followed.fail(done.error)
            elif done.error is not None:
                self._close(str(done.error))
                self._loop.later(self._retry_s, lambda: self._try(attempt))
                self._retry_s = min(self._retry_s * _LONGER, _LONGEST_RETRY_S)
            else:
                self._retry_s = _RETRY_S
                followed, self._followed = self._followed, None
                if followed is not None:
                    followed.keep(None)

        task.then(tried)

    def _attach(self, directory: str, port: int, user: str) -> Task[None]:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            link.connect(f"{directory}/.s.PGSQL.{port}")
        except OSError:
            link.close()
            raise
        self._socket, self._have = link, 0
        self._messages.clear()
        self._loop.watch(link.fileno(), self._greeting)
        self._send(messages.startup(user=user, replication="true", application_name="volume"))
        yield from self._until(b"Z")
        system, timeline = (yield from self._query("IDENTIFY_SYSTEM"))[:2]
        if system is None or timeline is None:
            raise ServerError("it does not say who it is")
        number = int(timeline)
        sent = yield from self._log.admit_writer(system.decode(), number, lambda: self._history(number))
        self._send(messages.query(f"START_REPLICATION PHYSICAL {messages.lsn(self._hot.end)} TIMELINE {sent}"))
        yield from self._until(b"W")
        self._loop.leave(link.fileno())
        self._loop.watch(link.fileno(), self._streaming)
        self.attached, self._paused, self._needed = True, False, (0, 0)
        self._log.noticed("attached", timeline=sent)
        self.feedback()
        self._loop.later(_STATUS_S, lambda: self._status(link))
        self._take(0)

    def _history(self, timeline: int) -> Task[bytes]:
        values = yield from self._query(f"TIMELINE_HISTORY {timeline}")
        return values[1] or b""

    def _query(self, text: str) -> Task[list[bytes | None]]:
        self._send(messages.query(text))
        row: list[bytes | None] = []
        while True:
            kind, body = yield from self._message()
            if kind == b"D":
                row = messages.row(body)
            elif kind == b"Z":
                return row

    def _until(self, wanted: bytes) -> Task[None]:
        while (yield from self._message())[0] != wanted:
            pass

    def _message(self) -> Task[tuple[bytes, bytes]]:
        if not self._messages:
            if self._socket is None:
                raise ServerError("the connection is closed")
            self._waiting = Promise()
            yield self._waiting
        kind, body = self._messages.popleft()
        if kind == b"E":
            raise messages.failure(body)
        if kind == b"R" and body != b"\0\0\0\0":
            raise Fenced("the writer asks the volume for a password")
        return kind, body

    def _greeting(self, _: int) -> None:
        """Before the log flows: whole messages for the task. What comes after the one that starts the flow stays."""
        if not self._receive():
            return
        at = 0
        while self._have - at >= 5:
            kind, length = _FRAME.unpack_from(self._bytes, at)
            if self._have - at <= length:
                break
            self._messages.append((bytes((kind,)), bytes(self._view[at + 5 : at + 1 + length])))
            at += 1 + length
            if kind == ord("W"):
                break
        self._keep(at)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            if self._messages:
                waiting.keep(self._messages[0])
            else:
                self._waiting = waiting

    # -- flowing

    def _streaming(self, mask: int) -> None:
        if self._backlog:
            self._send(b"")
        if mask == events.READ and self._log.busy() and self._socket is not None:
            self._paused = True  # it stays where it is; what comes together goes together
            self._loop.change(self._socket.fileno(), 0)
        elif self._receive():
            self._take(0)

    def resume(self) -> None:
        """It is not busy any more: takes what has come meanwhile; where that is nothing, waits for it."""
        link = self._socket
        if not self._paused or link is None:
            return
        had = self._hot.end
        if self._receive():
            self._take(0)
        if self._hot.end == had and link is self._socket:
            self._paused = False
            self._loop.change(link.fileno(), events.READ)

    def _take(self, at: int) -> None:
        """What has come, into the memory of the log. (The hottest loop there is.)"""
        buffer, view, have, hot = self._bytes, self._view, self._have, self._hot
        asked = False
        while have - at >= 5:
            kind, length = _FRAME.unpack_from(buffer, at)
            if have - at <= length:
                break
            end = at + 1 + length
            if kind != _DATA:
                self._ended(bytes((kind,)), bytes(view[at + 5 : end]))
                return
            what, start = _PIECE.unpack_from(buffer, at + 5)
            if what == _XLOG:
                piece = view[at + _HEADER_BYTES : end]
                self._log.make_room(len(piece))
                hot.append(start, piece)
            elif what == _KEEP and buffer[end - 1]:
                asked = True
            at = end
        self._keep(at)
        if asked:
            self.feedback()

    def _ended(self, kind: bytes, body: bytes) -> None:
        """The writer stops: it shuts down, or refuses to go on; or a timeline ends, and the next one is asked for."""
        self._break(str(messages.failure(body)) if kind == b"E" else "it ended the stream")

    def _receive(self) -> bool:
        link = self._socket
        if link is None:
            return False
        try:
            got = link.recv_into(self._view[self._have :])
        except BlockingIOError:
            return False
        except OSError:
            got = 0
        if not got:
            self._break("it closed the connection")
            return False
        self._have += got
        return True

    def _keep(self, at: int) -> None:
        """What is left of a message moves to the front; room is made for a long one."""
        left = self._have - at
        if at and left:
            self._view[:left] = self._view[at : self._have]
        self._have = left
        if left == len(self._bytes):
            if left >= _LONGEST:
                raise ServerError("a message is too long")
            self._bytes = self._bytes + bytearray(left)
            self._view = memoryview(self._bytes)

    def _send(self, data: bytes) -> None:
        link = self._socket
        if link is None:
            return
        data = self._backlog + data
        try:
            sent = link.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the next reading says so
        self._backlog = data[sent:]

    def _status(self, link: socket.socket) -> None:
        if link is self._socket and self.attached:
            self.feedback()
            needed = self._log.needed()
            if needed != self._needed:  # what readers' queries need the writer does not clean up
                self._needed = needed
                rows, catalogs = needed
                parts = (rows & 0xFFFFFFFF, rows >> 32, catalogs & 0xFFFFFFFF, catalogs >> 32)
                self._send(NEEDED.pack(b"d", 29, b"h", messages.clock(), *parts))
            self._loop.later(_STATUS_S, lambda: self._status(link))

    def _break(self, why: str) -> None:
        attempt = self.attempt
        was = self.attached
        self._close(why)
        if was:
            self._loop.later(_RETRY_S, lambda: self._try(attempt))

    def _close(self, why: str) -> None:
        link, self._socket = self._socket, None
        was, self.attached = self.attached, False
        self._backlog = b""
        if link is not None:
            self._loop.leave(link.fileno())
            link.close()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.fail(ServerError(why))
        if was:
            self._log.noticed("lost", reason=why)
