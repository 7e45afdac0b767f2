"""One node's copy of a volume: its timelines, in segments, in protection groups; and what must be remembered of it.

    FOLDER/about              epoch, beginnings, cuts, how far it is forgotten (written at once or not at all)
    FOLDER/kept/NAME          small files: when they were kept (8 bytes), content
    FOLDER/TIMELINE-GROUP/    a protection group: `group_bytes` of a timeline, as segment files named by their number, and their
    checksums

The volume grows by adding groups; which bytes are in which group is the same on all six nodes.

A cut is remembered with the epoch that made it, and bytes with the epoch that wrote them: a cut takes away what older epochs wrote
there. So it can be learned late (from a peer, by a node that was dead) without taking what was written since, and what it took is
never adopted again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import msgspec

from fogbank.engines.fleet.about import FULL, About, Broken, Key, No, Run
from fogbank.engines.fleet.disk import load, store, sync_folder
from fogbank.engines.fleet.segment import Damaged, Segment
from fogbank.engines.fleet.spans import Spans

_NEWEST_EPOCH = 1 << 63


class Replica:
    """What a node holds of a volume."""

    def __init__(self, folder: str, about: About) -> None:
        self.folder = folder
        self.name = os.path.basename(folder)
        self.about = about
        self.timelines: dict[int, Spans] = {}
        self.segments: dict[Key, Segment] = {}
        self.kept: dict[str, tuple[int, int]] = {}
        """Name -> when it was kept (ns), checksum."""
        self.grown: set[Key] = set()
        """Segments that may have become whole."""
        self.garbage: list[Segment] = []
        """Segments to be deleted."""
        self.broken: list[Broken] = []
        """Found by a read; to be repaired."""
        self.changed = 0
        """The node's count of changes when this one changed last."""
        self.gone = False
        """It was dropped."""

    # Its life

    @classmethod
    def create(cls, folder: str, about: About) -> Replica:
        os.mkdir(folder)
        os.mkdir(f"{folder}/kept")
        made = cls(folder, about)
        made.save()
        sync_folder(os.path.dirname(folder))
        return made

    @classmethod
    def load(cls, folder: str) -> Replica | None:
        """What is surely on disk of a volume; None where it was not made to its end."""
        about = load(f"{folder}/about")
        if about is None:
            return None
        found = cls(folder, msgspec.msgpack.decode(about, type=About))
        for file in os.listdir(f"{folder}/kept"):
            content = load(f"{folder}/kept/{file}") or b""
            if not file.endswith(".new"):
                found.kept[file] = (int.from_bytes(content[:8], "big"), crc32(content[8:]))
        for group in os.listdir(folder):
            if "-" in group:
                found._load_group(group)
        for cut in found.about.cuts:
            found._take_away(*cut)
        found._let_go()
        return found

    def _load_group(self, group: str) -> None:
        timeline = int(group.partition("-")[0], 16)
        for file in os.listdir(f"{self.folder}/{group}"):
            path = f"{self.folder}/{group}/{file}"
            if file.endswith(".new"):
                os.unlink(path)
            elif not file.endswith(".crc"):
                key = (timeline, int(file, 16))
                segment = self.segments[key] = Segment(path, self.about.segment_bytes)
                self._there(key, segment.recover())
                self.grown.add(key)

    def save(self) -> None:
        """What is remembered is on disk after this."""
        store(f"{self.folder}/about", msgspec.msgpack.encode(self.about))

    def close(self) -> None:
        for segment in self.segments.values():
            segment.close()

    # Writing

    def write(self, runs: list[Run]) -> set[Key]:
        """Writes and syncs, a file once. Gives the segments for which the disk has no space: nothing of these runs is claimed there."""
        size = self.about.segment_bytes
        parts: dict[Key, list[tuple[int, bytes | memoryview, int]]] = {}
        for run in runs:
            timeline, start, content, epoch, _ = run
            spans = self.timelines.get(timeline)
            if spans is None:
                spans = self.timelines[timeline] = Spans()
            news = [(start, content)] if start >= spans.end else self._news(spans, run)
            for begin, piece in news:
                number, offset = divmod(begin, size)
                while offset + len(piece) > size:
                    parts.setdefault((timeline, number), []).append((offset, piece[: size - offset], epoch))
                    piece = piece[size - offset :]
                    number, offset = number + 1, 0
                if piece:
                    parts.setdefault((timeline, number), []).append((offset, piece, epoch))
        full: set[Key] = set()
        for key, pieces in parts.items():
            try:
                segment = self._writable(key)
                segment.write(pieces)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                full.add(key)
                continue
            segment.sync()  # where this fails nobody can say what is on disk: we end, and begin anew from what is
            base = key[1] * size
            spans = self.timelines[key[0]]
            for offset, piece, epoch in pieces:
                spans.add(base + offset, base + offset + len(piece), epoch)
            self.grown.add(key)
        return full

    def _news(self, spans: Spans, run: Run) -> list[tuple[int, bytes | memoryview]]:
        """What of a run is not there yet, or another than is there. What is there already becomes the newer epoch's."""
        timeline, start, content, epoch, fill = run
        end = start + len(content)
        news: list[tuple[int, bytes | memoryview]] = []
        if not fill:
            for begin, stop, wrote in spans.within(start, end):
                piece = content[begin - start : stop - start]
                if self._plain(timeline, begin, stop) != piece:
                    news.append((begin, piece))
                elif wrote < epoch:
                    for key, first, last in self.places(timeline, begin, stop):
                        base = key[1] * self.about.segment_bytes
                        self._writable(key).mark(first, last, epoch)
                        spans.add(base + first, base + last, epoch)
        return news + [(begin, content[begin - start : stop - start]) for begin, stop in spans.missing(start, end)]

    def _writable(self, key: Key) -> Segment:
        """A segment that can be written to: made, or copied, where need be."""
        segment = self.segments.get(key)
        if segment is None:
            return self.prepare(key)
        if segment.finished:
            base = key[1] * self.about.segment_bytes
            self.timelines[key[0]].remove(base, base + self.about.segment_bytes)
            self._there(key, segment.reopen())
            for cut in self.about.cuts:
                self._remove_cut(*cut)
        return segment

    def prepare(self, key: Key) -> Segment:
        """Makes the file of a segment, and its group where that is new."""
        timeline, number = key
        group = f"{self.folder}/{timeline:08x}-{number * self.about.segment_bytes // self.about.group_bytes:04x}"
        if not os.path.isdir(group):
            os.mkdir(group)
            sync_folder(self.folder)
        segment = Segment(f"{group}/{number:010x}", self.about.segment_bytes)
        segment.create()
        sync_folder(group)
        self.segments[key] = segment
        return segment

    # Reading

    def read(self, timeline: int, position: int, length: int) -> bytes:
        """What is there from a position on, without a gap and undamaged, at most `length`."""
        spans = self.timelines.get(timeline)
        if spans is None:
            return b""
        pieces = []
        for key, first, last in self.places(timeline, position, min(spans.contiguous(position), position + length)):
            try:
                pieces.append(self.segments[key].read(first, last))
            except Damaged as damaged:
                self.broken.append(self.locate(key, damaged))
                if damaged.start > first:
                    pieces.append(self.segments[key].read(first, damaged.start))
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def locate(self, key: Key, damaged: Damaged) -> Broken:
        base = key[1] * self.about.segment_bytes
        return Broken(key[0], base + damaged.start, base + damaged.end, damaged.check, damaged.turn)

    def repair(self, broken: Broken, content: bytes) -> bool:
        """Puts bytes back, where they have the checksum of those that were written, and nothing else was since."""
        number, first = divmod(broken.start, self.about.segment_bytes)
        segment = self.segments.get((broken.timeline, number))
        if segment is None or segment.turn != broken.turn:
            return False
        if len(content) != broken.end - broken.start or crc32(content) != broken.check:
            return False
        segment.repair(first, content)
        return True

    def pieces(self, key: Key) -> list[tuple[int, int, int]]:
        """What is there of a segment, counted from its beginning."""
        base = key[1] * self.about.segment_bytes
        held = self.timelines.get(key[0], Spans()).within(base, base + self.about.segment_bytes)
        return [(start - base, end - base, epoch) for start, end, epoch in held]

    def holds(self, broken: Broken) -> bool:
        """Whether all these bytes count as being there."""
        return not self.timelines.get(broken.timeline, Spans()).missing(broken.start, broken.end)

    def lacks(self, origin: Replica, spans: list[tuple[int, int, int]]) -> bool:
        """Whether another copy has something of these spans that is not here."""
        return any(
            self.timelines.get(timeline, Spans()).missing(begin, stop)
            for timeline, start, end in spans
            for begin, stop, _ in origin.timelines.get(timeline, Spans()).within(start, end)
        )

    def end(self, timeline: int) -> int | None:
        """The end of what is there of a timeline from its beginning without a gap; None where it has not begun."""
        begun = self.about.starts.get(timeline)
        if begun is None:
            return None
        start = begun[0]
        if self.about.forgotten[0] == timeline:
            start = max(start, self.about.forgotten[1])
        spans = self.timelines.get(timeline)
        return start if spans is None else spans.contiguous(start)

    def state(self) -> dict[str, Any]:
        """As in a STATE frame."""
        newest = max(self.about.starts, default=0)
        return {
            "volume": self.name,
            "epoch": self.about.epoch,
            "spans": [[timeline, *span] for timeline, spans in sorted(self.timelines.items()) for span in spans.joined()],
            "acknowledged": [newest, self.end(newest) or 0],
        }

    def status(self) -> dict[str, Any]:
        """As in STATUS."""
        return {
            "epoch": self.about.epoch,
            "acknowledged": self.state()["acknowledged"],
            "bytes": sum(spans.bytes for spans in self.timelines.values()),
            "gaps": sum(len(spans.joined()) - 1 for spans in self.timelines.values() if spans),
            "groups": len({(timeline, at) for timeline, spans in self.timelines.items() for at in self._groups(spans)}),
            "segments": len(self.segments),
            "finished": sum(segment.finished for segment in self.segments.values()),
            "origin": self.about.origin[0] if self.about.origin else "",
        }

    # What is said of it

    def open(self, epoch: int) -> None:
        """Somebody writes in this epoch; all older ones are over."""
        if epoch < self.about.epoch:
            raise No(f"epoch {epoch} is over: it is epoch {self.about.epoch}")
        if epoch > self.about.epoch:
            self._remember(epoch=epoch)

    def begin(self, timeline: int, position: int, epoch: int) -> None:
        if self.about.starts.get(timeline) != (position, epoch):
            self._remember(starts={**self.about.starts, timeline: (position, epoch)})

    def learn_start(self, timeline: int, position: int, said: int) -> None:
        """What a peer was told of a beginning, where that is news."""
        mine = self.about.starts.get(timeline)
        if (
            (mine is None or mine[1] < said)
            and timeline >= self.about.forgotten[0]
            and not any(said < epoch and (timeline, position) > (where, at) for epoch, where, at in self.about.cuts)
        ):
            self.begin(timeline, position, said)

    def cut(self, timeline: int, position: int, epoch: int) -> None:
        """Again, or learned late: nothing more happens to what was written since."""
        cut = (epoch, timeline, position)
        if cut in self.about.cuts:
            return
        starts = {
            other: (start, said)
            for other, (start, said) in self.about.starts.items()
            if said >= epoch or other < timeline or (other == timeline and start <= position)
        }
        self._remember(cuts=sorted([*self.about.cuts, cut]), starts=starts)
        self._take_away(*cut)

    def written_since(self, timeline: int, position: int, epoch: int) -> bool:
        """Whether an epoch wrote anything from there on."""
        return any(
            wrote >= epoch
            for other, spans in self.timelines.items()
            if other >= timeline
            for _, _, wrote in spans.within(position if other == timeline else 0, _NEWEST_EPOCH)
        )

    def allowed(self, timeline: int, start: int, end: int, epoch: int) -> list[tuple[int, int]]:
        """What of a peer's piece is missing here and was neither cut nor forgotten."""
        for made, where, position in self.about.cuts:
            if epoch < made and timeline >= where:
                end = min(end, position) if timeline == where else start
        if timeline < self.about.forgotten[0]:
            return []
        if timeline == self.about.forgotten[0]:
            start = max(start, self._floor(self.about.forgotten[1]))
        spans = self.timelines.get(timeline)
        return (spans or Spans()).missing(start, end)

    def forget(self, timeline: int, position: int) -> None:
        if (timeline, position) > self.about.forgotten:
            starts = {other: start for other, start in self.about.starts.items() if other >= timeline}
            self._remember(forgotten=(timeline, position), starts=starts)
            self._let_go()

    def keep(self, file: str, content: bytes, at_ns: int) -> None:
        store(f"{self.folder}/kept/{file}", at_ns.to_bytes(8, "big") + content)
        self.kept[file] = (at_ns, crc32(content))

    def get(self, file: str) -> tuple[int, bytes]:
        content = load(f"{self.folder}/kept/{file}")
        if content is None:
            raise No(f"nothing is kept as {file}")
        return int.from_bytes(content[:8], "big"), content[8:]

    # Inside

    def _remember(self, **what: Any) -> None:
        before = self.about
        self.about = msgspec.structs.replace(before, **what)
        try:
            self.save()
        except OSError:
            self.about = before
            raise

    def _there(self, key: Key, pieces: list[tuple[int, int, int]]) -> None:
        base = key[1] * self.about.segment_bytes
        spans = self.timelines.setdefault(key[0], Spans())
        for start, end, epoch in pieces:
            spans.add(base + start, base + end, epoch)

    def _remove_cut(self, epoch: int, timeline: int, position: int) -> None:
        for other, spans in self.timelines.items():
            if other >= timeline:
                spans.remove_older(position if other == timeline else 0, epoch)

    def _take_away(self, epoch: int, timeline: int, position: int) -> None:
        """Carries out a cut."""
        self._remove_cut(epoch, timeline, position)
        size = self.about.segment_bytes
        for key in [key for key in self.segments if key >= (timeline, position // size)]:
            base = key[1] * size
            missing = self.timelines.get(key[0], Spans()).missing(base, base + size)
            if missing == [(base, base + size)]:
                self.segments.pop(key).delete()
            elif missing and self.segments[key].finished:
                self._writable(key)

    def _let_go(self) -> None:
        """Of all that is forgotten."""
        timeline, position = self.about.forgotten
        for other in [other for other in self.timelines if other < timeline]:
            del self.timelines[other]
        if timeline in self.timelines:
            self.timelines[timeline].remove(0, self._floor(position))
        gone = [key for key in self.segments if key < (timeline, position // self.about.segment_bytes)]
        self.garbage += [self.segments.pop(key) for key in gone]
        self.grown.difference_update(gone)

    def _groups(self, spans: Spans) -> Iterator[int]:
        """Numbers of the groups that have something of these."""
        size = self.about.group_bytes
        for start, end, _ in spans:
            yield from range(start // size, -(-end // size))

    def _floor(self, position: int) -> int:
        return position - position % self.about.segment_bytes

    def places(self, timeline: int, start: int, end: int) -> Iterator[tuple[Key, int, int]]:
        """The segments of a range: which, and from where to where in it."""
        size = self.about.segment_bytes
        while start < end:
            number, first = divmod(start, size)
            last = min(size, first + end - start)
            yield (timeline, number), first, last
            start += last - first

    def _plain(self, timeline: int, start: int, end: int) -> bytes:
        return b"".join(self.segments[key].plain(first, last) for key, first, last in self.places(timeline, start, end))
