"""What a node does in the background with what it holds: finishes segments, makes the next ones ready, deletes, scrubs and repairs."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING

from fogbank.engines.fleet.about import FULL, Broken, Key
from fogbank.engines.fleet.loop import Asked, Task
from fogbank.engines.fleet.replica import Replica
from fogbank.engines.fleet.segment import CHUNK, Damaged

if TYPE_CHECKING:
    from fogbank.engines.fleet.node import Node

_EVERY_S = 0.1
_CLOSE_ROUNDS = 100


class Upkeep:
    """The background of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def run(self) -> Task:
        """For ever."""
        rounds = 0
        while True:
            for replica in list(self._node.replicas.values()):
                if replica.grown or replica.garbage or replica.broken:
                    yield from self._tend(replica)
            self._space()
            rounds += 1
            if rounds % _CLOSE_ROUNDS == 0:
                for replica in list(self._node.replicas.values()):
                    for segment in replica.segments.values():
                        segment.close()  # it is opened again where it is written to
                    yield None
            yield _EVERY_S

    def _tend(self, replica: Replica) -> Task:
        while replica.garbage:
            segment = replica.garbage.pop()
            segment.delete()
            with suppress(OSError):
                os.rmdir(os.path.dirname(segment.path))  # where it was the group's last
            yield None
        for key in sorted(replica.grown):
            replica.grown.discard(key)
            try:
                yield from self._grown(replica, key)
            except Damaged as damaged:
                self._node.counts["bad"] += 1
                if (yield from self.repair(replica, replica.locate(key, damaged))):
                    replica.grown.add(key)
            except FileNotFoundError:
                pass  # cut, forgotten or dropped meanwhile
            except OSError as error:
                if error.errno not in FULL:
                    raise
        while replica.broken:
            broken = replica.broken.pop()
            self._node.counts["bad"] += 1
            yield from self.repair(replica, broken)

    def _grown(self, replica: Replica, key: Key) -> Task:
        """Blanks what comes next in a segment; finishes one that is whole; makes the next one ready when it is half full."""
        segment = replica.segments.get(key)
        if segment is None or segment.finished:
            return
        yield from segment.blank()
        size = segment.size
        pieces = replica.pieces(key)
        if sum(end - start for start, end, _ in pieces) == size:
            yield from segment.finish(pieces, lambda: replica.segments.get(key) is segment and replica.pieces(key) == pieces)
        timeline, number = key
        if pieces and pieces[-1][1] > size // 2 and (timeline, number + 1) not in replica.segments and timeline == max(replica.timelines):
            yield from replica.prepare((timeline, number + 1)).blank()

    def _space(self) -> None:
        """Looks whether there is space again."""
        node = self._node
        if node.full is None or node.faults.full:
            return
        replica, key = node.full
        try:
            if not replica.gone and key not in replica.segments:
                replica.prepare(key)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return
        node.full = None
        node.gossip.wake()

    # Checksums

    def scrub_now_and_then(self) -> Task:
        while True:
            yield self._node.settings.scrub_every_s
            yield from self.scrub(CHUNK / self._node.settings.scrub_bytes_per_s)

    def scrub(self, pause_s: float | None) -> Generator[float | Asked | None, None, dict[str, int]]:
        """Looks at every byte that is held, and repairs; rests so long after each chunk."""
        found = {"checked": 0, "bad": 0, "repaired": 0}
        for replica in list(self._node.replicas.values()):
            for key in sorted(replica.segments):
                segment = replica.segments.get(key)
                if segment is None or replica.gone:
                    continue
                try:
                    for looked, damaged in segment.check():
                        found["checked"] += looked
                        self._node.counts["checked_bytes"] += looked
                        if damaged is not None and replica.holds(replica.locate(key, damaged)):
                            found["bad"] += 1
                            self._node.counts["bad"] += 1
                            found["repaired"] += yield from self.repair(replica, replica.locate(key, damaged))
                        yield pause_s
                except FileNotFoundError:
                    continue
        return found

    def repair(self, replica: Replica, broken: Broken) -> Generator[float | Asked | None, None, bool]:
        """Gets bytes from a peer that has those that were written."""
        for peer in self._node.gossip.peers:
            content = b""
            while len(content) < broken.end - broken.start:
                piece = yield from peer.read(replica.name, broken.timeline, broken.start + len(content), broken.end)
                if not piece:
                    break
                content += piece
            if not replica.gone and replica.repair(broken, content):
                self._node.counts["repaired"] += 1
                return True
        return False


def flip(replica: Replica, count: int, seed: int) -> None:
    """Changes bytes on disk behind the node's back."""
    from random import Random

    chance = Random(seed)
    pieces = [(timeline, start, end) for timeline, spans in sorted(replica.timelines.items()) for start, end, _ in spans]
    for place in sorted(chance.sample(range(sum(end - start for _, start, end in pieces)), count)):
        for timeline, start, end in pieces:
            if place < end - start:
                number, offset = divmod(start + place, replica.about.segment_bytes)
                segment = replica.segments[timeline, number]
                with open(segment.path, "r+b", buffering=0) as file:
                    byte = segment.plain(offset, offset + 1)[0]
                    os.pwrite(file.fileno(), bytes([byte ^ chance.randint(1, 255)]), segment.place(offset))
                break
            place -= end - start
