"""What a node does with each kind of frame but WRITE."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import msgspec

from fogbank.engines.fleet import frames
from fogbank.engines.fleet.about import FULL, No
from fogbank.engines.fleet.connection import NO_SPACE, Connection
from fogbank.engines.fleet.frames import DATA, DONE, REFUSED, STATE, frame
from fogbank.engines.fleet.gossip import Asking
from fogbank.engines.fleet.holds import Claim, Holder, Release, Tell
from fogbank.engines.fleet.replica import Replica
from fogbank.engines.fleet.upkeep import flip

if TYPE_CHECKING:
    from fogbank.engines.fleet.node import Node

_LONGEST_READ = 1 << 19
_DONE = frame(DONE)


class _Opening(msgspec.Struct):
    volume: str
    epoch: int = 0
    create: bool = False


class _Length(msgspec.Struct):
    length: int


class _Fork(msgspec.Struct):
    volume: str
    spans: list[tuple[int, int, int]]


class _Name(msgspec.Struct):
    name: str


class _Fault(msgspec.Struct):
    """What FAULT can say; what it does not name stays as it is. `flip`: bytes of this volume, so many."""

    slow: float | None = None
    partition: bool | None = None
    full: bool | None = None
    flip: str | None = None
    count: int = 1
    seed: int = 0


def handle(node: Node, connection: Connection, kind: int, timeline: int, position: int, payload: memoryview) -> None:
    """Answers a frame."""
    if kind in (frames.STATUS, frames.FAULT):
        connection.outside = True
    elif node.faults.partition:
        connection.close()
        return
    try:
        answer = _answer(node, connection, kind, timeline, position, payload)
    except No as no:
        answer = frame(REFUSED, str(no).encode())
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        answer = frame(REFUSED, f"malformed: {error}".encode())
    except OSError as error:
        if error.errno not in FULL:
            raise
        answer = frame(REFUSED, NO_SPACE.encode())
    if answer is not None:
        connection.send(answer)


def _answer(node: Node, connection: Connection, kind: int, timeline: int, position: int, payload: memoryview) -> bytes | None:
    """None where the answer comes later."""
    if kind in _OF_NODE:
        return _OF_NODE[kind](node, connection, payload)
    handler = _OF_VOLUME.get(kind)
    if handler is None:
        raise No(f"there is no frame {kind}")
    if connection.replica is None or connection.replica.gone:
        raise No(connection.why_not())
    return handler(node, connection, connection.replica, timeline, position, payload)


def _open(node: Node, connection: Connection, payload: memoryview) -> bytes:
    wanted = msgspec.msgpack.decode(payload, type=_Opening)
    replica = node.replicas.get(wanted.volume)
    if replica is None:
        if not wanted.create:
            raise No(f"there is no volume {wanted.volume}")
        replica = node.create(wanted.volume, node.settings.segment_bytes, node.settings.group_bytes)
    if wanted.epoch:
        before = replica.about.epoch
        replica.open(wanted.epoch)
        if replica.about.epoch != before:
            node.touch(replica)
    node.leave(connection)
    connection.replica, connection.epoch = replica, wanted.epoch
    if wanted.epoch:
        node.writers.setdefault(replica, []).append(connection)
    return frame(STATE, msgspec.msgpack.encode(replica.state()))


def _status(node: Node, connection: Connection, payload: memoryview) -> bytes:
    return frame(DATA, msgspec.msgpack.encode(node.status()))


def _fault(node: Node, connection: Connection, payload: memoryview) -> bytes:
    fault = msgspec.msgpack.decode(payload, type=_Fault)
    if fault.flip is not None:
        replica = node.replicas.get(fault.flip)
        if replica is None:
            raise No(f"there is no volume {fault.flip}")
        flip(replica, fault.count, fault.seed)
    said = {what: value for what in ("slow", "partition", "full") if (value := getattr(fault, what)) is not None}
    if said:
        node.fail(msgspec.structs.replace(node.faults, **said))
    return _DONE


def _gossip(node: Node, connection: Connection, payload: memoryview) -> bytes:
    return frame(DATA, node.gossip.tell(msgspec.msgpack.decode(payload, type=Asking)))


def _scrub(node: Node, connection: Connection, payload: memoryview) -> None:
    def scrub() -> Generator[Any, None, bytes]:
        return frame(DATA, msgspec.msgpack.encode((yield from node.upkeep.scrub(None))))

    connection.hold(scrub())


def _tell(node: Node, connection: Connection, payload: memoryview) -> bytes:
    node.books.tell(msgspec.msgpack.decode(payload, type=Tell))
    return _DONE


def _claim(node: Node, connection: Connection, payload: memoryview) -> bytes:
    asked = msgspec.msgpack.decode(payload, type=Claim)
    book = node.books.find(asked.cluster, asked.generation)
    if book is None or not book.votes:
        raise No(f"not all writers of {asked.cluster} have told what they hold")
    other = book.claim(Holder(asked.writer, asked.claim), asked.keys)
    return frame(DATA, b"" if other is None else msgspec.msgpack.encode(other))


def _release(node: Node, connection: Connection, payload: memoryview) -> bytes:
    asked = msgspec.msgpack.decode(payload, type=Release)
    book = node.books.find(asked.cluster, asked.generation)
    if book is not None:
        for claim in asked.claims:
            book.release(Holder(asked.writer, claim))
    return _DONE


def _ask(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> bytes:
    return frame(STATE, msgspec.msgpack.encode(replica.state()))


def _read(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> bytes:
    length = msgspec.msgpack.decode(payload, type=_Length).length
    return frame(DATA, replica.read(timeline, position, min(length, _LONGEST_READ)), timeline, position)


def _begin(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> None:
    _must_write(connection, replica)
    replica.begin(timeline, position, connection.epoch)
    node.touch(replica)
    connection.send(_DONE)
    node.acknowledge(replica, timeline)


def _cut(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> bytes:
    _must_write(connection, replica)
    if (connection.epoch, timeline, position) not in replica.about.cuts:
        if replica.written_since(timeline, position, connection.epoch):
            raise No(f"epoch {connection.epoch} wrote there itself: a newer one is to be opened first")
        replica.cut(timeline, position, connection.epoch)
        node.touch(replica)
    return _DONE


def _forget(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> bytes:
    replica.forget(timeline, position)
    node.touch(replica)
    return _DONE


def _fork(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> None:
    wanted = msgspec.msgpack.decode(payload, type=_Fork)
    connection.hold(node.fork(replica, wanted.volume, wanted.spans))


def _keep(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> bytes:
    head, _, content = bytes(payload).partition(b"\0")
    replica.keep(_file(head), content, time.time_ns())
    node.touch(replica)
    return _DONE


def _get(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> bytes:
    at_ns, content = replica.get(_file(payload))
    return frame(DATA, content, 0, at_ns)


def _drop(node: Node, connection: Connection, replica: Replica, timeline: int, position: int, payload: memoryview) -> bytes:
    node.drop(replica.name)
    return _DONE


def _file(payload: bytes | memoryview) -> str:
    file = msgspec.msgpack.decode(payload, type=_Name).name
    if not file or len(file) > 200 or file[0] == "." or file.endswith(".new") or not all(c.isalnum() or c in "._-" for c in file):
        raise No(f"{file!r} cannot be the name of a file")
    return file


def _must_write(connection: Connection, replica: Replica) -> None:
    if not connection.epoch or connection.epoch != replica.about.epoch:
        raise No(connection.why_not())


_OF_NODE: dict[int, Callable[[Node, Connection, memoryview], bytes | None]] = {
    frames.OPEN: _open,
    frames.STATUS: _status,
    frames.FAULT: _fault,
    frames.GOSSIP: _gossip,
    frames.SCRUB: _scrub,
    frames.TELL: _tell,
    frames.CLAIM: _claim,
    frames.RELEASE: _release,
}
_OF_VOLUME: dict[int, Callable[[Node, Connection, Replica, int, int, memoryview], bytes | None]] = {
    frames.ASK: _ask,
    frames.READ: _read,
    frames.BEGIN: _begin,
    frames.CUT: _cut,
    frames.FORGET: _forget,
    frames.FORK: _fork,
    frames.KEEP: _keep,
    frames.GET: _get,
    frames.DROP: _drop,
}
