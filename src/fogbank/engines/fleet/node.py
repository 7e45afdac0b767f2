"""One storage node: `python -m fogbank.engines.fleet.node FOLDER`.

FOLDER/settings.json says who it is ({"zone", "number"}, see `Settings`); FOLDER/port where it listens; FOLDER/volumes is what it
holds. Its peers are the folders beside its own.

In front: what came from all connections is taken together, runs of WRITEs that follow on one another become one, each file that is
touched is written and synced once, and one ACK goes to whoever writes. All else happens in the background (`gossip.py`,
`upkeep.py`), in slices.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from collections.abc import Generator
from typing import Any

import msgspec

from fogbank.engines.fleet.about import About, No, Run
from fogbank.engines.fleet.connection import NO_SPACE, Connection, Waiting
from fogbank.engines.fleet.disk import load, remove, store
from fogbank.engines.fleet.forking import fork
from fogbank.engines.fleet.frames import ACK, DONE, REFUSED, frame
from fogbank.engines.fleet.gossip import Gossip
from fogbank.engines.fleet.handlers import handle
from fogbank.engines.fleet.holds import Books
from fogbank.engines.fleet.loop import Loop, lasting
from fogbank.engines.fleet.replica import Replica
from fogbank.engines.fleet.upkeep import Upkeep
from fogbank.engines.prompt import be_prompt

_SOON_S = 0.01
_PATIENCE_S = 30.0


class Settings(msgspec.Struct):
    """What a node is told about itself. Sizes are those of volumes that are made from now on."""

    number: int
    zone: str = ""
    segment_bytes: int = 16 << 20
    group_bytes: int = 10 << 30
    scrub_every_s: float = 600.0
    scrub_bytes_per_s: int = 8 << 20


class Faults(msgspec.Struct):
    """How it fails on purpose.

    `slow`: each batch takes so many ms longer. `partition`: nobody reaches it, nor it them. `full`: so is its disk.
    """

    slow: float = 0.0
    partition: bool = False
    full: bool = False


class Node:
    """A storage node."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.realpath(folder)
        self.volumes_folder = f"{self.folder}/volumes"
        self.settings = msgspec.json.decode(load(f"{self.folder}/settings.json") or b"", type=Settings)
        self.loop = Loop()
        self.batch: list[Waiting] = []
        self.connections: set[Connection] = set()
        self.writers: dict[Replica, list[Connection]] = {}
        self.replicas: dict[str, Replica] = {}
        self.dropped: dict[str, int] = {}
        """Names -> the count of changes when it was."""
        self.changes = 1
        self.books = Books()
        self.faults = Faults()
        self.full: tuple[Replica, tuple[int, int]] | None = None
        """Where the disk had no space."""
        self.counts = dict.fromkeys(("batches", "bytes", "refused", "filled_bytes", "checked_bytes", "bad", "repaired"), 0)
        self._at = time.time()
        self._forking: set[str] = set()
        self._load()
        self.gossip = Gossip(self)
        self.upkeep = Upkeep(self)

    def _load(self) -> None:
        os.makedirs(self.volumes_folder, exist_ok=True)
        for name in (load(f"{self.folder}/dropped") or b"").decode().split():
            self.dropped[name] = 1
        for name in os.listdir(self.volumes_folder):
            folder = f"{self.volumes_folder}/{name}"
            if name in self.dropped:
                self.loop.start(remove(folder))
            elif name.endswith(".new") or (replica := Replica.load(folder)) is None:
                self.clear(folder)
            else:
                self.add(replica)

    def run(self) -> None:
        """For ever."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        listening.setblocking(False)
        self.loop.watch(listening.fileno(), lambda _: self._accept(listening))
        store(f"{self.folder}/port", str(listening.getsockname()[1]).encode())
        self.gossip.start()
        self.loop.start(lasting(self.upkeep.run))
        self.loop.start(lasting(self.upkeep.scrub_now_and_then))
        self.loop.run(self.flush)

    def _accept(self, listening: socket.socket) -> None:
        try:
            sock, _ = listening.accept()
        except OSError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.add(Connection(self, sock))

    # In front

    def flush(self) -> None:
        """Writes what waits, and acknowledges it."""
        if not self.batch:
            return
        batch, self.batch = self.batch, []
        if self.faults.slow:
            time.sleep(self.faults.slow / 1000)
        if len(batch) > 1:
            by: dict[tuple[bool, Replica], list[Waiting]] = {}
            for waiting in batch:  # what a writer says comes before what peers give: of that only what is missing is taken
                by.setdefault((waiting.connection is None, waiting.replica), []).append(waiting)
            for (_, replica), some in sorted(by.items(), key=lambda item: item[0][0]):
                self._write(replica, some)
        else:
            self._write(batch[0].replica, batch)

    def _write(self, replica: Replica, batch: list[Waiting]) -> None:
        if replica.gone:
            return
        runs = []
        for waiting in batch:
            pieces = waiting.pieces
            content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            runs.append(Run(waiting.timeline, waiting.start, content, waiting.epoch, waiting.connection is None))
            self.counts["bytes"] += len(content)
        full = {(run.timeline, run.start // replica.about.segment_bytes) for run in runs} if self.faults.full else replica.write(runs)
        if full:
            self._refuse(replica, batch, full)
        self.counts["batches"] += 1
        self.touch(replica)
        for timeline in {waiting.timeline for waiting in batch}:
            self.acknowledge(replica, timeline)

    def _refuse(self, replica: Replica, batch: list[Waiting], full: set[tuple[int, int]]) -> None:
        self.full = (replica, min(full))
        for waiting in batch:
            size = replica.about.segment_bytes
            if waiting.connection is not None and any(
                timeline == waiting.timeline and waiting.start < number * size + size and number * size < waiting.end
                for timeline, number in full
            ):
                self.counts["refused"] += 1
                waiting.connection.send(frame(REFUSED, NO_SPACE.encode(), waiting.timeline, waiting.start))

    def acknowledge(self, replica: Replica, timeline: int) -> None:
        """Tells whoever writes how far it is."""
        writers = self.writers.get(replica)
        end = replica.end(timeline)
        if writers and end is not None:
            answer = frame(ACK, b"", timeline, end)
            for connection in tuple(writers):
                if connection.epoch == replica.about.epoch:
                    connection.send(answer)

    def fill(self, replica: Replica, timeline: int, start: int, content: bytes, epoch: int) -> None:
        """Bytes that came from a peer: they go with the next batch."""
        waiting = Waiting(None, replica, timeline, start, epoch)
        waiting.pieces.append(content)
        waiting.end += len(content)
        self.batch.append(waiting)
        self.counts["filled_bytes"] += len(content)

    def touch(self, replica: Replica) -> None:
        """Something of it has changed: peers are to hear of it."""
        self.changes += 1
        replica.changed = self.changes
        self.gossip.stir()

    def leave(self, connection: Connection) -> None:
        """It writes no more."""
        writers = self.writers.get(connection.replica) if connection.replica is not None else None
        if writers and connection in writers:
            writers.remove(connection)

    def handle(self, connection: Connection, kind: int, timeline: int, position: int, payload: memoryview) -> None:
        """Answers a frame that is not a WRITE."""
        handle(self, connection, kind, timeline, position, payload)

    # What there is

    def add(self, replica: Replica) -> None:
        self.replicas[replica.name] = replica
        self.changes += 1
        replica.changed = self.changes

    def check_name(self, name: str) -> None:
        if name in self.dropped:
            raise No(f"volume {name} was dropped; a name is used once")
        if not name or len(name) > 200 or not all(letter.isalnum() or letter in "_-" for letter in name):
            raise No(f"{name!r} cannot be the name of a volume")

    def create(self, name: str, segment_bytes: int, group_bytes: int) -> Replica:
        """A new volume. No where there was one of the name."""
        self.check_name(name)
        folder = f"{self.volumes_folder}/{name}"
        self.clear(folder)
        self.add(Replica.create(folder, About(segment_bytes, group_bytes)))
        return self.replicas[name]

    def drop(self, name: str) -> None:
        """There is no such volume any more, and there will be none."""
        if name in self.dropped:
            return
        store(f"{self.folder}/dropped", "".join(f"{gone}\n" for gone in [*self.dropped, name]).encode())
        self.changes += 1
        self.dropped[name] = self.changes
        replica = self.replicas.pop(name, None)
        if replica is not None:
            replica.gone = True
            replica.close()
            self.writers.pop(replica, None)
            self.loop.start(remove(replica.folder))
        self.gossip.stir()

    def fork(self, origin: Replica, name: str, spans: list[tuple[int, int, int]]) -> Generator[float | None, None, bytes]:
        """Makes a volume of another's spans: the answer to FORK. Where it has been made: when it has all that the other has here."""
        while name in self._forking:
            yield _SOON_S
        made = self.replicas.get(name)
        if made is None:
            self.check_name(name)
            self._forking.add(name)
            try:
                made = yield from self._make_fork(origin, name, spans)
            finally:
                self._forking.discard(name)
        elif made.about.origin != (origin.name, spans):
            raise No(f"there is a volume {name} already")
        until = time.monotonic() + _PATIENCE_S
        while not origin.gone and not made.gone and made.lacks(origin, spans):
            if time.monotonic() > until:
                raise No(f"volume {name} does not get what {origin.name} has")
            yield _SOON_S
        return frame(DONE)

    def _make_fork(self, origin: Replica, name: str, spans: list[tuple[int, int, int]]) -> Generator[None, None, Replica]:
        folder = f"{self.volumes_folder}/{name}"
        self.clear(folder + ".new")
        try:
            yield from fork(origin, folder, spans)
        except BaseException:
            self.clear(folder + ".new")
            raise
        made = Replica.load(folder)
        if made is None or name in self.dropped:
            self.clear(folder)
            raise No(f"volume {name} was dropped; a name is used once")
        self.add(made)
        self.gossip.stir()
        return made

    def clear(self, folder: str) -> None:
        """Deletes what is left of something that was not made to its end."""
        if os.path.isdir(folder):
            for _ in remove(folder):
                pass

    def fail(self, faults: Faults) -> None:
        """Fails on purpose, or no longer."""
        self.faults = faults
        if faults.partition:
            self.gossip.part()
            for connection in tuple(self.connections):
                if not connection.outside:
                    connection.close()
        else:
            self.gossip.wake()

    def status(self) -> dict[str, Any]:
        """As in STATUS."""
        disk = os.statvfs(self.folder)
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "zone": self.settings.zone,
            "number": self.settings.number,
            "pid": os.getpid(),
            "started": self._at,
            "cpu_s": used.ru_utime + used.ru_stime,
            "full": self.full is not None or self.faults.full,
            "faults": msgspec.to_builtins(self.faults),
            "free_bytes": disk.f_bavail * disk.f_frsize,
            "connections": len(self.connections),
            "counts": self.counts,
            "held": self.books.status(),
            "volumes": {name: replica.status() for name, replica in self.replicas.items()},
        }


def main(folder: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    be_prompt()
    Node(folder).run()


if __name__ == "__main__":
    main(sys.argv[1])
