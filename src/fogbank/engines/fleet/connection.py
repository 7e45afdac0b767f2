"""Somebody who is connected to a storage node, and asks."""

from __future__ import annotations

import socket
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from fogbank.engines.fleet.about import FULL, No
from fogbank.engines.fleet.frames import LONGEST_BYTES, REFUSED, WRITE, frame
from fogbank.engines.fleet.loop import IN, OUT, Task
from fogbank.engines.fleet.reader import Reader
from fogbank.engines.fleet.replica import Replica

if TYPE_CHECKING:
    from fogbank.engines.fleet.node import Node

_MOST_OUT_BYTES = 1 << 20
NO_SPACE = "no space is left on its disk"


class Waiting:
    """A run of WRITEs of one connection, until they are on disk."""

    __slots__ = ("connection", "end", "epoch", "pieces", "replica", "start", "timeline")

    def __init__(self, connection: Connection | None, replica: Replica, timeline: int, start: int, epoch: int) -> None:
        self.connection = connection
        self.replica = replica
        self.timeline = timeline
        self.start = start
        self.end = start
        self.epoch = epoch
        self.pieces: list[memoryview | bytes] = []


class Connection:
    """Somebody who asks."""

    def __init__(self, node: Node, sock: socket.socket) -> None:
        self.node = node
        self.sock = sock
        self.fd = sock.fileno()
        self.replica: Replica | None = None
        self.epoch = 0
        self.outside = False
        """It only asks how the node is, or makes it fail: a partition does not part it."""
        self._reader = Reader()
        self._out = bytearray()
        self._held = False
        node.loop.watch(self.fd, self._ready)

    def _ready(self, what: int) -> None:
        if what & OUT:
            self.send(b"")
            if not self._stalled:
                self._take(0)
                self.node.flush()  # what waits to be written lies in the buffer that is filled next
        if what & ~OUT and self.fd >= 0:
            try:
                came = self.sock.recv_into(self._reader.buffer())
            except BlockingIOError:
                return
            except OSError:
                came = 0
            if not came:
                self.close()
                return
            self._take(came)

    @property
    def _stalled(self) -> bool:
        """It does not take its answers: no more is asked of us before it does."""
        return len(self._out) > _MOST_OUT_BYTES

    def _take(self, came: int) -> None:
        batch, waiting = self.node.batch, None
        for kind, timeline, position, payload in self._reader.frames(came):
            if kind == WRITE:
                if waiting is not None and waiting.end == position and waiting.timeline == timeline:
                    waiting.pieces.append(payload)
                    waiting.end += len(payload)
                    continue
                waiting = None
                replica = self.replica
                if replica is None or not self.epoch or self.epoch != replica.about.epoch or replica.gone:
                    self.send(frame(REFUSED, self.why_not().encode(), timeline, position))
                    continue
                waiting = Waiting(self, replica, timeline, position, self.epoch)
                waiting.pieces.append(payload)
                waiting.end += len(payload)
                batch.append(waiting)
            else:
                waiting = None
                self.node.flush()
                batch = self.node.batch
                self.node.handle(self, kind, timeline, position, payload)
                if self._held or self.fd < 0 or self._stalled:
                    return
        if self._reader.wanted > LONGEST_BYTES:
            self.close()

    def why_not(self) -> str:
        """The reason why it cannot do what it asks for."""
        if self.replica is None:
            return "no volume is open"
        if self.replica.gone:
            return f"volume {self.replica.name} is gone"
        return f"epoch {self.epoch} is over: it is epoch {self.replica.about.epoch}" if self.epoch else "it is open to read only"

    def hold(self, task: Generator[Any, None, bytes]) -> None:
        """Answers with what comes of a task; no later frame is looked at before."""
        self._held = True
        self.node.loop.leave(self.fd)
        self.node.loop.start(self._answer(task))

    def _answer(self, task: Generator[Any, None, bytes]) -> Task:
        answer = yield from refusing(task)
        if self.fd >= 0:
            self._held = False
            self.node.loop.watch(self.fd, self._ready, self._interest)
            self.send(answer)
            self._take(0)

    def send(self, content: bytes) -> None:
        if self.fd < 0:
            return
        before = bool(self._out)
        if before:
            self._out += content
            content = bytes(self._out)
        try:
            sent = self.sock.send(content) if content else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent == len(content) and not before:
            return
        self._out = bytearray(content[sent:])
        self.node.loop.change(self.fd, self._interest)

    @property
    def _interest(self) -> int:
        return (0 if self._stalled else IN) | (OUT if self._out else 0)

    def close(self) -> None:
        if self.fd >= 0:
            self.node.loop.leave(self.fd)
            self.sock.close()
            self.fd = -1
            self.node.connections.discard(self)
            self.node.leave(self)


def refusing(task: Generator[Any, None, bytes]) -> Generator[Any, None, bytes]:
    """A task, or the REFUSED that comes of it."""
    try:
        return (yield from task)
    except No as no:
        return frame(REFUSED, str(no).encode())
    except FileNotFoundError:
        return frame(REFUSED, b"it was deleted meanwhile")
    except OSError as error:
        if error.errno not in FULL:
            raise
        return frame(REFUSED, NO_SPACE.encode())
