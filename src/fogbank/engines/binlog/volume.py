"""The volume of a MariaDB cluster: `engines.volume`'s, whose log is a binlog.

Three things differ. What readers get, and what counts as acknowledged, ends with a whole transaction (`committed`). Places of the log
have names in MariaDB's words (`trail`), which the nodes keep beside the log (`FILES`). And a promoted writer says itself where its
timeline begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fogbank.engines.binlog import events
from fogbank.engines.binlog.events import GTID, HEADER
from fogbank.engines.binlog.serving import Readers
from fogbank.engines.binlog.source import Source
from fogbank.engines.binlog.times import Times
from fogbank.engines.binlog.trail import File, Trail
from fogbank.engines.fleet import frames
from fogbank.engines.volume.loop import Loop, Promise, Task
from fogbank.engines.volume.nodes import Link, Lost, Refused
from fogbank.engines.volume.quorum import Lineage, Turn
from fogbank.engines.volume.replication import Fenced
from fogbank.engines.volume.volume import Volume

FILES = "files"
TIMES = "times"
_KEEP_TIMES_S = 2.0
_SETTLE_S = 0.1
_SCAN_BYTES = 512 << 10
_LARGE_BYTES = 64 << 10
_Files = msgspec.msgpack.Decoder(tuple[int, list[File]])


class BinlogVolume(Volume):
    """See the module. `verbs`: what it can be asked beside what every volume can."""

    upstream: Source
    readers: Readers  # type: ignore[assignment]

    def __init__(self, folder: Path, name: str, fleet: Path, system: str, loop: Loop) -> None:
        self.trail = Trail(0)
        self.committed = 0
        """The end of the last whole transaction that is durable."""
        self.times = Times()
        self._looked = False
        """The trail is known: what the nodes keep of it may be replaced."""
        self._sealed = False
        """Whoever wrote writes no more, and who follows has what is committed."""
        super().__init__(folder, name, fleet, system, loop)
        self.verbs = {"until": self._until, "position": self._position, "age": self._age}
        loop.later(_KEEP_TIMES_S, self._keep_times)

    def _source(self) -> Source:
        return Source(self.loop, self)

    def _readers(self, folder: Path) -> Readers:  # type: ignore[override]
        return Readers(folder, self.loop, self)

    # what flows

    def _round(self) -> None:
        if self.trail.changed and self.live:
            self._keep_files()
        super()._round()

    def commit(self) -> None:
        """Transactions whose end is durable now are committed."""
        if self._sealed:
            return
        ends, durable, committed = self.trail.ends, self.tracker.durable, self.committed
        while ends and ends[0] <= durable:
            committed = ends.popleft()
        if committed != self.committed:
            self.committed = committed
            self.times.add(committed, time.time_ns() // 1_000_000)

    def served(self) -> int:
        """Up to where readers get the log."""
        return self.committed if self.limit is None else min(self.committed, self.limit.position)

    # what the nodes keep of it

    def instruct(self, link: Link) -> None:
        super().instruct(link)
        if self._looked:
            link.tell(frames.KEEP, self._files())

    def _keep_files(self) -> None:
        self.trail.changed = False
        self._spread_kept(self._files())

    def _files(self) -> bytes:
        return _kept(FILES, msgspec.msgpack.encode((self.epoch, self.trail.files)))

    def _keep_times(self) -> None:
        if self.times.changed and self.live:
            self._spread_kept(_kept(TIMES, self.times.thinned()))
        self.loop.later(_KEEP_TIMES_S, self._keep_times)

    def _spread_kept(self, message: bytes) -> None:
        for link in self.links:
            if link.up:
                link.tell(frames.KEEP, message)

    def recovered(self) -> Task[None]:
        """What is durable is known: looks through the end of it for files and transactions."""
        if not self.lineage.turns:
            self._looked = True
            return
        durable = self.tracker.durable
        start = self.lineage.turns[0].start
        known = [_Files.decode(content) for content in (yield from self._given(FILES))]
        _, files = max(known, key=lambda one: (one[0], len(one[1])), default=(0, []))
        self.trail.resume(files, start, durable)
        yield from self._walk(self.trail.at, durable, lambda event: self.trail.take(event) and False)
        newest = self.trail.timeline = self.lineage.newest.timeline
        for file in self.trail.files:
            file.timeline = file.timeline or self.lineage.holding(newest, file.start)[0]
        self.committed = self.trail.whole
        self.trail.ends.clear()
        self._looked = self.trail.changed = True
        times = yield from self._given(TIMES)
        if times:
            self.times.restore(max(times, key=len), self.committed)

    def _given(self, name: str) -> Task[list[bytes]]:
        """What the nodes keep under a name."""
        found: list[bytes] = []
        for number in list(self.states):
            try:
                answer = yield self.links[number].ask(frames.GET, msgspec.msgpack.encode({"name": name}))
            except (Refused, Lost):
                continue
            found.append(answer.payload)
        return found

    def _walk(self, at: int, end: int, take: Callable[[memoryview], bool]) -> Task[None]:
        """Goes through the events from one place to another; of large ones, through their beginnings. Ends early where `take` says so."""
        newest, part = self.lineage.newest.timeline, b""
        while at + len(part) < end:
            begin = at + len(part)
            holder, until = self.lineage.holding(newest, begin)
            piece = yield self.read(holder, begin, min(_SCAN_BYTES, (end if until is None else min(until, end)) - begin))
            data, taken = part + piece, 0
            for event in events.split(memoryview(data)):
                if take(event):
                    return
                taken += len(event)
            at, part = at + taken, data[taken:]
            if len(part) > _LARGE_BYTES:
                length = events.length(part)
                if at + length > end or take(memoryview(part)):
                    return
                at, part = at + length, b""

    # the log begins and turns

    def begin(self, timeline: int, position: int, system: str) -> None:
        super().begin(timeline, position, system)
        if not self.trail.files:
            self.trail = Trail(position, timeline)
            self.committed = position

    def _settle(self) -> Task[dict[str, Any]]:
        """(What is acknowledged is whole transactions: more than those need not become durable.)"""
        until = time.monotonic() + _SETTLE_S
        while self.tracker.durable < self.hot.end and time.monotonic() < until:
            yield self.loop.sleep(0.001)
        self.commit()
        self._sealed = True
        return self.status()

    def admit_writer(self, system: str, timeline: int, history: Callable[[], Task[bytes]]) -> Task[int]:
        sent = yield from super().admit_writer(system, timeline, history)
        self._sealed = False
        return sent

    def _admit_turns(self, timeline: int, history: bytes, attempt: int) -> Task[int]:
        """A promoted writer: its timeline begins where it had repeated the log to. A volume that we follow may have turned more than once:
        what came between comes first. Raises Fenced where the writer lacks what was acknowledged."""
        begins = dict(msgspec.json.decode(history, type=list[tuple[int, int]]))
        while (newest := self.lineage.newest.timeline) < timeline:
            following = min(number for number in begins if number > newest)
            switch = begins[following]
            if switch > self.hot.end:
                return newest
            while self.tracker.durable < switch:
                yield from self._moment(attempt)
            self.commit()
            if self.written and switch < self.committed:
                raise Fenced(f"the writer lacks {self.committed - switch} bytes of what was acknowledged")
            before = self.lineage
            if not self.written:  # (a fork may be taken to before its origin turned)
                before = Lineage(tuple(turn for turn in before.turns if turn.start <= switch))
            if not before.turns or switch < before.newest.start or (self.written and newest not in begins):
                raise Fenced(f"timeline {timeline} does not follow from the volume's ({newest})")
            self._begin_turn(before, Turn(following, switch))
        return timeline

    def _begin_turn(self, before: Lineage, turn: Turn) -> None:
        self.trail.cut(turn.start)
        self.trail.timeline = turn.timeline
        self.committed = turn.start
        self.times.cut(turn.start)
        self.readers.drop(turn.start)
        self._turn(before.grown(turn), (before.newest.timeline, turn.start))

    # what is asked and told

    def status(self) -> dict[str, Any]:
        told = super().status()
        file, offset = self.trail.place(self.committed)
        last = self.trail.files[-1].number if self.trail.files else 0
        return {**told, "durable": self.committed, "file": events.number(file), "offset": offset, "last_file": last}

    def _position(self, said: dict[str, Any]) -> dict[str, Any]:
        """The place of a file and offset in the log."""
        position = self.trail.position(int(said["file"]), int(said["offset"]))
        holder, _ = self.lineage.holding(self.lineage.newest.timeline, position)
        return {"timeline": holder, "position": position}

    def _age(self, said: dict[str, Any]) -> dict[str, Any]:
        """How long ago what follows a file and offset became durable; 0 where nothing follows."""
        position = self.trail.position(int(said["file"]), int(said["offset"]))
        if position >= self.committed:
            return {"ms": 0}
        return {"ms": self.times.age_ms(position, time.time_ns() // 1_000_000)}

    def _until(self, said: dict[str, Any]) -> Promise[dict[str, Any]]:
        """The end of the last transaction up to a position, and not after an instant: {"timeline", "position", "file", "offset"}."""
        return self.loop.run_task(self._find(int(said["position"]), int(said.get("at_ms") or 0)))

    def _find(self, position: int, at_ms: int) -> Task[dict[str, Any]]:
        limit = min(position, self.committed)
        known = self.times.before(at_ms) if at_ms else None
        if known is not None:
            limit, at_ms = min(limit, known), 0
        found = limit
        if limit < self.committed or at_ms:
            start = self.lineage.turns[0].start
            at, found = self.trail.boundary(start, self._instant(limit, at_ms) if at_ms else limit)
            found = yield from self._last_before(at, max(found, start), limit, at_ms)
        self.trail.mark(found)
        name, offset = self.trail.place(found)
        holder, _ = self.lineage.holding(self.lineage.newest.timeline, found)
        return {"timeline": holder, "position": found, "file": events.number(name), "offset": offset}

    def _instant(self, limit: int, at_ms: int) -> int:
        """A place before an instant, by when files were begun."""
        files = [file for file in self.trail.files if file.base <= limit and file.format]
        while files and int.from_bytes(files[-1].format[:4], "little") * 1000 > at_ms:
            files.pop()
        return files[-1].base if files else 0

    def _last_before(self, start: int, found: int, limit: int, at_ms: int) -> Task[int]:
        """The end of the last transaction up to a place, and not after an instant (0: whenever), from a place where the log can be read."""
        walk = Trail(start)
        walk.whole = found

        def take(event: memoryview) -> bool:
            if at_ms and event[4] == GTID and HEADER.unpack_from(event)[0] * 1000 > at_ms:
                return True
            walk.take(event)
            return False

        yield from self._walk(start, limit, take)
        return walk.whole


def _kept(name: str, content: bytes) -> bytes:
    return msgspec.msgpack.encode({"name": name}) + b"\0" + content
