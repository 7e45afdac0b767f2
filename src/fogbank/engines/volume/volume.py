"""The volume: the log of one cluster on six nodes, as its writer, its readers and the fleet meet in it.

Once a round (`_round`): what has become durable is reported to the writer, what came from the writer is sent to the nodes, what is
durable is sent to the readers. In this order: commits wait for the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fogbank.engines.fleet import frames
from fogbank.engines.volume import messages
from fogbank.engines.volume.hot import Hot
from fogbank.engines.volume.loop import Loop, Promise, Task
from fogbank.engines.volume.nodes import Answer, Copies, Link, State
from fogbank.engines.volume.quorum import COPIES, WRITE_QUORUM, Lineage, Tracker, Turn
from fogbank.engines.volume.recovery import recover
from fogbank.engines.volume.replication import Detached, Fenced, Upstream
from fogbank.engines.volume.serving import Readers

HOT_BYTES = 32 << 20
LINEAGE = "lineage"
_READ_BYTES = 512 << 10
_READ_RETRY_S = 0.02
_MOMENT_S = 0.002


class Known(msgspec.Struct, frozen=True):
    """What the nodes keep about the volume beside its log.

    written  the name of the volume that a writer attached to (a fork has this from its origin)
    """

    system: str
    turns: list[tuple[int, int]]
    written: str = ""


class Limit(NamedTuple):
    """No reader gets anything from there on."""

    timeline: int
    position: int


class Volume:
    """See the module. `noticed` is called with each event for whoever controls us."""

    def __init__(self, folder: Path, name: str, fleet: Path, system: str, loop: Loop) -> None:
        self.name = name
        self.system = system
        self.loop = loop
        self.lineage = Lineage(())
        self.written = False
        self.epoch = 0
        self.cut = (0, 0)
        """What this epoch began with: what older epochs wrote from there on never happened."""
        self.states: dict[int, State] = {}
        """What each node said when it was opened, in this epoch."""
        self.live = False
        self.limit: Limit | None = None
        self.durable_at_ms = 0
        self.tracker = Tracker()
        self.hot = Hot(HOT_BYTES)
        self.links = [Link(number, name, fleet, loop, self.hot) for number in range(COPIES)]
        self.copies = Copies(self.links, loop, self.hot, self.tracker)
        self.upstream = self._source()
        self.readers = self._readers(folder)
        self.noticed: Callable[..., None] = lambda event, **what: None
        self.verbs: dict[str, Callable[[dict[str, Any]], Promise[Any] | dict[str, Any]]] = {}
        """What it can be asked beside what every volume can."""
        self.ready: Promise[None] = Promise()
        """Done when it can be read."""
        self._told = 0
        for link in self.links:
            link.opened, link.acked, link.lost = self._opened, self._acked, self._lost
            link.connect()
        loop.after = self._round
        self.recovering = loop.run_task(recover(self))

    # what is the engine's own (`engines.binlog` is another)

    def _source(self) -> Upstream:
        return Upstream(self.loop, self)

    def _readers(self, folder: Path) -> Readers:
        return Readers(folder / ".s.PGSQL.5432", self.loop, self)

    def recovered(self) -> Task[None]:
        """What is durable is known; before anybody is served."""
        yield from ()

    # what flows

    def _acked(self, link: Link, timeline: int, position: int) -> None:
        self.tracker.acknowledge(link.number, timeline, position)

    def _round(self) -> None:
        copies = self.copies
        if copies.flight:
            copies.land()
        durable = self.tracker.durable
        moved = durable != self._told
        if moved:
            self._told = durable
            self.upstream.feedback()
        if self.live and not self.busy():
            self.upstream.resume()
            copies.spread()
        if moved:
            self.durable_at_ms = time.time_ns() // 1_000_000
            self.readers.advance()

    def busy(self) -> bool:
        """Whether more of the log would only wait."""
        return self.copies.flight != 0

    def durable(self) -> int:
        return self.tracker.durable

    def needed(self) -> tuple[int, int]:
        return self.readers.needed()

    def make_room(self, length: int) -> None:
        """Before so much more log comes in."""
        if self.hot.end + length - self.hot.start > self.hot.size:
            self.copies.make_room(length)

    # nodes that come and go

    def _opened(self, link: Link, state: State) -> None:
        self.states[link.number] = state
        if self.live and not link.live:
            self.admit(link, state)

    def _lost(self, link: Link) -> None:
        self.states.pop(link.number, None)
        self.copies.arrange()

    def admit(self, link: Link, state: State) -> None:
        """A node is there (again): it learns what happened, and gets the log from where it is; when that is too far back, from now on."""
        self.instruct(link)
        timeline, position = state.held.timeline, state.held.position
        if timeline == self.cut[0]:
            position = min(position, self.cut[1]) if state.epoch < self.epoch else position
        self.tracker.acknowledge(link.number, timeline, position)
        known = timeline == self.hot.timeline and self.hot.start <= position <= self.hot.end
        self.copies.join(link, position if known else self.hot.end)

    def instruct(self, link: Link) -> None:
        """What every node has to know in this epoch; said again, it does nothing."""
        link.tell(frames.CUT, b"", *self.cut)
        for turn in self.lineage.turns:
            link.tell(frames.BEGIN, b"", turn.timeline, turn.start)
        self._keep(link)

    def _keep(self, link: Link) -> None:
        known = Known(self.system, [tuple(turn) for turn in self.lineage.turns], self.name if self.written else "")  # type: ignore[misc]
        link.tell(frames.KEEP, msgspec.msgpack.encode({"name": LINEAGE}) + b"\0" + msgspec.json.encode(known))

    def reopen(self, cut: tuple[int, int]) -> None:
        """A new epoch, that begins with a cut; in the order in which the nodes get it."""
        self.epoch += 1
        self.cut = cut
        for link in self.links:
            link.epoch = self.epoch
            if link.up:
                link.open()
                self.instruct(link)

    # the log begins, turns, and is read

    def begin(self, timeline: int, position: int, system: str) -> None:
        """An empty log begins. Raises ValueError where there is one."""
        if not self.live:
            raise ValueError("fewer than four storage nodes are there")
        if self.lineage.turns and (self.lineage.turns[0] != (timeline, position) or self.system not in ("", system)):
            raise ValueError("this volume has begun already")
        self.system = system
        if not self.lineage.turns:
            self._turn(Lineage((Turn(timeline, position),)), (timeline, position))
        else:
            self._keep_all()

    def admit_writer(self, system: str, timeline: int, history: Callable[[], Task[bytes]]) -> Task[int]:
        """A writer wants to write, or a volume that we follow has more: the timeline that it is to send. Raises Fenced where it may not;
        asks for a newer timeline's history, and begins it when all before it is here."""
        attempt = self.upstream.attempt
        while not self.live:
            yield from self._moment(attempt)
        if not self.lineage.turns:
            raise Fenced("the volume has not begun")
        if self.system and system != self.system:
            raise Fenced(f"the writer is of another database ({system}) than the volume ({self.system})")
        newest = self.lineage.newest.timeline
        if timeline < newest:
            raise Fenced(f"the writer is on timeline {timeline}, the volume is on {newest}")
        if timeline > newest:
            timeline = yield from self._admit_turns(timeline, (yield from history()), attempt)
        if not self.written or self.system != system:
            self.system, self.written = system, True
            self._keep_all()
        return timeline

    def _moment(self, attempt: int) -> Task[None]:
        """Waits a little for what has to be here first. Raises Detached."""
        yield self.loop.sleep(_MOMENT_S)
        if attempt != self.upstream.attempt:
            raise Detached("another writer has come meanwhile")

    def _keep_all(self) -> None:
        for link in self.links:
            if link.up:
                self._keep(link)

    def _admit_turns(self, timeline: int, history: bytes, attempt: int) -> Task[int]:
        """A promoted writer: its timeline begins where the present one ends. Where that goes on further than we have it, its end comes
        first, and so does what came between. Raises Fenced where the writer lacks what was acknowledged."""
        ends = {turn.timeline: turn.start for turn in messages.parents(history)}
        ours = [(here.timeline, following.start) for here, following in pairwise(self.lineage.turns)]
        while (newest := self.lineage.newest.timeline) < timeline:
            switch = ends.get(newest)
            if switch is None or any(ends.get(number) not in (None, end) for number, end in ours):
                raise Fenced(f"timeline {timeline} does not follow from the volume's ({newest})")
            if switch > self.hot.end:
                return newest
            while (durable := self.tracker.durable) < switch:
                yield from self._moment(attempt)
            if self.written and switch < durable:
                lacking = yield from self._whole_record(newest, switch, durable)
                if lacking:
                    raise Fenced(f"the writer lacks {durable - switch} bytes of what was acknowledged")
            following = min(number for number in (*ends, timeline) if number > newest)
            self._turn(self.lineage.grown(Turn(following, switch)), (newest, switch))
        return timeline

    def seal(self) -> Promise[dict[str, Any]]:
        """Before a reader becomes the writer: nothing more is taken from the one before. `status`, when all that it sent is durable."""
        self.upstream.detach()
        return self.loop.run_task(self._settle())

    def _settle(self) -> Task[dict[str, Any]]:
        while self.tracker.durable < self.hot.end:
            yield self.loop.sleep(_MOMENT_S)
        return self.status()

    def _whole_record(self, timeline: int, start: int, end: int) -> Task[bool]:
        """Whether a record that begins at a position ends within the log. (A promoted reader drops the last one, which is not whole.)"""
        at = start + messages.page_header(start)
        if at + 4 > end:
            return False
        length = int.from_bytes((yield self.read(timeline, at, 4)), "little")
        return length > 0 and messages.record_end(at, length) <= end

    def _turn(self, lineage: Lineage, cut: tuple[int, int]) -> None:
        self.lineage = lineage
        newest = lineage.newest
        self.tracker.begin(*newest)
        self.hot.begin(*newest)
        self.copies.begin()
        self.reopen(cut)
        for link in self.links:
            if link.up and link.live:
                link.begin(newest.start)
        self._told = newest.start
        self.readers.advance()

    def read(self, timeline: int, position: int, length: int) -> Promise[bytes]:
        """A piece of the log, from memory or from a node that has it; less than asked for, but something. Waits until one has."""
        if timeline == self.hot.timeline and self.hot.start <= position and position + length <= self.hot.end:
            promise: Promise[bytes] = Promise()
            promise.keep(b"".join(self.hot.parts(position, length)))
            return promise
        return self.loop.run_task(self._read(timeline, position, min(length, _READ_BYTES)))

    def _read(self, timeline: int, position: int, length: int) -> Task[bytes]:
        wanted = msgspec.msgpack.encode({"length": length})
        while True:
            for link in sorted((link for link in self.links if link.up), key=lambda link: link in self.copies.front):
                answer: Promise[Answer] = link.ask(frames.READ, wanted, timeline, position)
                waited: Promise[Any] = Promise()
                answer.then(waited.keep)
                self.loop.later(1.0, lambda waited=waited: waited.keep(None))  # type: ignore[misc]
                yield waited
                if answer.value is not None and answer.value.payload:
                    return answer.value.payload
            yield self.loop.sleep(_READ_RETRY_S)

    # what readers see

    def visible(self) -> Lineage:
        """The timelines that readers may know of."""
        return self.lineage if self.limit is None else self.lineage.until(self.limit.timeline)

    def end(self, timeline: int) -> int:
        """Up to where readers get a timeline. Raises LookupError where it is none of ours."""
        end = self.lineage.end(timeline)
        if end is None:
            end = self.tracker.durable
        return min(end, self.limit.position) if self.limit is not None and timeline == self.limit.timeline else end

    def hold(self, limit: Limit | None) -> None:
        """Sets or removes the limit."""
        self.limit = limit
        self.readers.advance()

    # what is told

    def status(self) -> dict[str, Any]:
        durable, ends = self.tracker.durable, self.tracker.ends
        nodes = [
            {
                "zone": link.zone,
                "number": link.number,
                "up": link.up,
                "acknowledged": ends[link.number],
                "behind_bytes": max(0, self.hot.end - ends[link.number]),
            }
            for link in self.links
        ]
        return {
            "timeline": self.tracker.timeline,
            "durable": durable,
            "sent": self.hot.end,
            "attached": self.upstream.attached,
            "system": self.system,
            "epoch": self.epoch,
            "nodes": nodes,
            "readers": self.readers.status(durable),
            "durable_at_ms": self.durable_at_ms,
            "stopped_ms": round(self.copies.waited_s() * 1000, 1),
            "writable": self.live and sum(link.live for link in self.links) >= WRITE_QUORUM,
            "readable": self.ready.done and any(link.up for link in self.links),
            "bytes_written": sum(link.sent_bytes for link in self.links),
            "syncs": sum(link.acks for link in self.links),
        }
