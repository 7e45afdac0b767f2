"""The sending side of MariaDB's replication protocol: readers get the log from the volume, not from the writer.

They get what is durable, in whole transactions, and nothing else. A reader says a file and an offset; from there the log is one line
to it, across files and timelines. The last of it comes from memory, older log from a storage node.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import time
from pathlib import Path
from typing import Any, Protocol

from fogbank.engines.binlog import events, packets
from fogbank.engines.binlog.events import HEADER, HEADER_BYTES, MAGIC_BYTES, ROTATE
from fogbank.engines.binlog.packets import DUMP, LONGEST, PING, QUIT, REGISTER, SAY
from fogbank.engines.binlog.source import FATAL, PLACE, TURNS, USER, WHO
from fogbank.engines.binlog.trail import Trail
from fogbank.engines.volume import loop as events_of
from fogbank.engines.volume.hot import Hot
from fogbank.engines.volume.loop import Loop, Promise
from fogbank.engines.volume.quorum import Lineage

VERSION = "5.5.5-10.11.0-MariaDB-fogbank-log"
"""Replicas speak the protocol of the version that they see."""
_PIECE_BYTES = 128 << 10
_LARGE_BYTES = 64 << 10
"""A longer event is sent as it is read."""
_ALIVE_S = 2.0
_SET = re.compile(r"\s*SET\s+@(\w+)\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_SELECT = re.compile(r"\s*SELECT\s+(.*?)\s*;?\s*", re.IGNORECASE | re.DOTALL)
_VARIABLE = re.compile(r"\s*SHOW\s+VARIABLES\s+LIKE\s+'(\w+)'\s*;?\s*", re.IGNORECASE)
_GLOBALS = {
    "server_id": "1", "gtid_domain_id": "0", "collation_server": "utf8mb4_general_ci", "time_zone": "+00:00", "binlog_checksum": "CRC32",
    "rpl_semi_sync_master_enabled": "OFF", "version": VERSION,
}  # fmt: skip


class Log(Protocol):
    """What the volume is to its readers."""

    hot: Hot
    trail: Trail
    system: str

    def visible(self) -> Lineage: ...
    def served(self) -> int: ...
    def read(self, timeline: int, position: int, length: int) -> Promise[bytes]: ...


class Readers:
    """Everybody who reads the volume's log: over `volume.sock`, and over TCP at `port`, as MariaDB's own replicas cannot do otherwise."""

    def __init__(self, folder: Path, loop: Loop, log: Log) -> None:
        self.all: list[Reader] = []
        self.secret = b""
        self._folder = folder
        self._loop = loop
        self._log = log
        self._listeners: list[socket.socket] = []

    def listen(self) -> None:
        """From now on they may come; at the port of the last time, where it is free."""
        secret, file = self._folder / "secret", self._folder / "port"
        with contextlib.suppress(FileNotFoundError):
            self.secret = secret.read_bytes()
        if not self.secret:
            self.secret = secrets.token_hex(24).encode()
            os.close(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600))
            secret.write_bytes(self.secret)
        path = self._folder / "volume.sock"
        path.unlink(missing_ok=True)
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        local.bind(str(path))
        remote = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        remote.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        before = int(file.read_text()) if file.exists() else 0
        try:
            remote.bind(("127.0.0.1", before))
        except OSError:
            remote.bind(("127.0.0.1", 0))
        for listener in (local, remote):
            listener.listen(64)
            self._listeners.append(listener)
            self._loop.watch(listener.fileno(), lambda _, listener=listener: self._accept(listener))  # type: ignore[misc]
        fresh = file.with_suffix(".new")
        fresh.write_text(str(remote.getsockname()[1]))
        fresh.rename(file)
        self._loop.later(_ALIVE_S, self._alive)

    def advance(self) -> None:
        """More is durable, or the limit has changed."""
        for reader in self.all:
            if reader.streaming:
                reader.advance()

    def drop(self, position: int) -> None:
        """What lies beyond never happened: who was sent some of it has to come again."""
        for reader in [*self.all]:
            if reader.streaming and reader.cursor > position:
                reader.close()

    def status(self, durable: int) -> list[dict[str, Any]]:
        return [
            {"name": reader.name, "position": reader.cursor, "behind_bytes": max(0, durable - reader.cursor)}
            for reader in self.all
            if reader.streaming
        ]

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            link, _address = listener.accept()
            link.setblocking(False)
            if link.family == socket.AF_INET:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
        self.cursor = 0
        """Up to where it was sent the log."""
        self._number = 0
        """Of the next packet."""
        self._file, self._offset = "", 0
        self._wanted: tuple[int, int] | None = None
        """It waits for this file and offset to be there."""
        self._timeline = 0
        """It is another volume, and gets this timeline."""
        self._reading = False
        self._link: socket.socket | None = link
        self._loop = loop
        self._log = log
        self._readers = readers
        self._came = b""
        self._rest = b""
        self._part = b""
        """The beginning of an event whose end was not read yet."""
        self._left = self._total = self._room = 0
        """Of a large event: what of it was not read yet, what of its packets was not sent yet, and of the present one."""
        self._full = False
        self._salt = bytes(1 + byte % 126 for byte in secrets.token_bytes(20))
        self._known = False
        self._variables: dict[str, str] = {}
        loop.watch(link.fileno(), self._ready)
        self._send(packets.packet(packets.greeting(VERSION, self._salt)))

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
        if mask & events_of.WRITE:
            self._flush()
        link = self._link
        if link is None or not mask & ~events_of.WRITE:
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
        found, self._came = packets.whole(self._came + came)
        for number, body in found:
            if self._link is None:
                return
            self._number = number + 1
            if not self._known:
                self._login(body)
            elif body:
                self._command(body[0], body[1:])

    def _login(self, body: bytes) -> None:
        try:
            user, proof = packets.shown(body)
        except (ValueError, IndexError):
            self.close()
            return
        if user != USER or not secrets.compare_digest(proof, packets.scrambled(self._readers.secret, self._salt)):
            self._answer([packets.error(1045, "28000", f"Access denied for user '{user}'")])
            self.close()
            return
        self._known = True
        self._answer([packets.OK])

    def _command(self, kind: int, body: bytes) -> None:
        if kind == QUIT:
            self.close()
        elif kind in (PING, REGISTER):
            if kind == REGISTER and len(body) >= 4:
                self.name = str(int.from_bytes(body[:4], "little"))
            self._answer([packets.OK])
        elif kind == SAY:
            self._answer(self._say(body.decode(errors="replace")))
        elif kind == DUMP and len(body) >= 10:
            self._wanted = events.number(body[10:].decode(errors="replace")), int.from_bytes(body[:4], "little")
            self._timeline = int(self._variables.get("timeline", 0))
            self._begin()
        else:
            self._answer([packets.error(1047, "08S01", "a volume has no such command")])

    def _say(self, text: str) -> list[bytes]:
        """What a replica, or another volume, says and asks before it begins."""
        lineage = self._log.visible()
        if text == WHO:
            return packets.result(["system", "timeline"], [[self._log.system, str(lineage.newest.timeline)]])
        if text == TURNS:
            return packets.result(["timeline", "begins"], [[str(number), str(start)] for number, start in lineage.turns])
        if text.startswith(PLACE):
            file, offset = self._log.trail.place(int(text.removeprefix(PLACE)))
            return packets.result(["file", "offset"], [[file, str(offset)]])
        if (found := _SET.fullmatch(text)) is not None:
            value = found[2].strip().rstrip(";").strip("'")
            self._variables[found[1].lower()] = _GLOBALS.get(value.lower().removeprefix("@@global."), value)
            return [packets.OK]
        if text.lstrip().upper().startswith("SET "):
            return [packets.OK]
        if (found := _VARIABLE.fullmatch(text)) is not None:
            value = _GLOBALS.get(found[1].lower())
            return packets.result(["Variable_name", "Value"], [[found[1], value]] if value is not None else [])
        if (found := _SELECT.fullmatch(text)) is not None:
            asked = found[1].lower().replace(" ", "")
            if asked == "unix_timestamp()":
                return packets.result([found[1]], [[str(int(time.time()))]])
            if asked == "version()":
                return packets.result([found[1]], [[VERSION]])
            if asked.startswith("@@"):
                value = _GLOBALS.get(asked.removeprefix("@@").removeprefix("global."))
                if value is not None:
                    return packets.result([found[1]], [[value]])
            elif asked.startswith("@"):
                return packets.result([found[1]], [[self._variables.get(asked[1:])]])
        return [packets.error(1193, "HY000", f"a volume does not know: {text[:80]}")]

    def _begin(self) -> None:
        """Sends the log from the file and offset that it wants, once they are there."""
        log, trail = self._log, self._log.trail
        assert self._wanted is not None
        number, offset = self._wanted
        if not trail.files:
            self.streaming = True  # (there is no log yet)
            return
        try:
            start = trail.position(number, offset)
            if not log.visible().turns[0].start <= start <= log.served():
                raise LookupError(f"file {number} of the binlog, offset {offset}, is not durable, or is kept no more")
        except LookupError as problem:
            self._answer([packets.error(FATAL, "HY000", str(problem))])
            return
        self._wanted = None
        self.streaming = True
        file = trail.file(number)
        if file is None:
            file, offset = trail.files[0], MAGIC_BYTES
        self._file, self._offset = file.name, offset
        self.cursor = file.start if offset <= MAGIC_BYTES else start
        if offset > MAGIC_BYTES:
            self._send(self._packed(events.rotation(file.name, offset)) + self._packed(events.resumed(file.format)))
        self.advance()

    # -- what it gets

    def advance(self) -> None:
        """Sends what it does not have yet, as far as it takes it."""
        if self._wanted is not None:
            if self._log.trail.files:
                self.streaming = False
                self._begin()
            return
        log, hot, end = self._log, self._log.hot, self._end()
        while self.cursor < end and not self._rest and not self._reading and self._link is not None:
            length = min(end - self.cursor, _PIECE_BYTES)
            lineage = log.visible()
            holder, until = lineage.holding(lineage.newest.timeline, self.cursor)
            if until is not None:
                length = min(length, until - self.cursor)
            if holder == hot.timeline and self.cursor >= hot.start:
                self._piece(b"".join(hot.parts(self.cursor, length)))
            else:
                self._reading = True
                log.read(holder, self.cursor, length).then(self._came_back)
        if self._timeline and self.cursor >= end and end < log.served() and not self._rest:
            self.close()  # it asks for the next timeline

    def _end(self) -> int:
        """Up to where it gets the log now."""
        served = self._log.served()
        following = self._log.visible().after(self._timeline) if self._timeline else None
        return served if following is None else min(served, following.start)

    def alive(self) -> None:
        """Tells it that nothing happened."""
        if self._wanted is None and not self._rest and not self._part and not self._left:
            self._send(self._packed(events.heartbeat(self._file, self._offset)))

    def _came_back(self, promise: Promise[bytes]) -> None:
        self._reading = False
        if promise.value is None:
            self.close()
        elif self.streaming:
            self._piece(promise.value)
            self.advance()

    def _piece(self, data: bytes) -> None:
        self.cursor += len(data)
        view, at = memoryview(self._part + data if self._part else data), 0
        out: list[bytes | memoryview] = []
        if self._left:
            at = min(self._left, len(view))
            self._more(view[:at], out)
        for event in events.split(view[at:]):
            at += len(event)
            self._pass(event)
            number, self._number = self._number, (self._number + 1) & 0xFF
            out += ((len(event) + 1 | number << 24).to_bytes(4, "little"), b"\0", event)
        if len(view) - at > HEADER_BYTES and (length := events.length(view[at:])) > _LARGE_BYTES:
            self._pass(view[at:])
            self._left, self._total = length, length + 1
            self._open(out)
            out.append(b"\0")
            self._room, self._total = self._room - 1, self._total - 1
            self._more(view[at:], out)
            at = len(view)
        self._part = bytes(view[at:])
        self._send(b"".join(out))

    def _pass(self, event: memoryview) -> None:
        """An event is about to be sent: that is where the reader is then, as it counts itself (or it would not take a heartbeat)."""
        _, kind, _, length, _, _ = HEADER.unpack_from(event)
        if kind == ROTATE:
            self._file, self._offset = events.rotated(event)
        else:
            self._offset += length

    def _more(self, piece: memoryview, out: list[bytes | memoryview]) -> None:
        """A piece of an event that is sent as it is read, in as many packets as it needs."""
        at = 0
        while at < len(piece):
            if not self._room:
                self._open(out)
            size = min(self._room, len(piece) - at)
            out.append(piece[at : at + size])
            at, self._room, self._total = at + size, self._room - size, self._total - size
        self._left -= len(piece)
        if not self._left and not self._room and self._full:
            self._open(out)

    def _open(self, out: list[bytes | memoryview]) -> None:
        """The next packet of a large event."""
        self._room = min(self._total, LONGEST)
        self._full = self._room == LONGEST
        out.append((self._room | self._number << 24).to_bytes(4, "little"))
        self._number = (self._number + 1) & 0xFF

    def _packed(self, event: bytes) -> bytes:
        """An event of ours as a packet."""
        number, self._number = self._number, (self._number + 1) & 0xFF
        return packets.packet(b"\0" + event, number)

    def _answer(self, bodies: list[bytes]) -> None:
        self._send(packets.packets(bodies, self._number))
        self._number += len(bodies)

    def _send(self, data: bytes) -> None:
        link = self._link
        if link is None or not data:
            return
        if self._rest:
            self._rest += data
            return
        try:
            sent = link.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._rest = data[sent:]
            self._loop.change(link.fileno(), events_of.READ | events_of.WRITE)

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
            self._loop.change(link.fileno(), events_of.READ)
            if self.streaming:
                self.advance()
