"""Which bytes of the log are which file and offset of the binlog, and where transactions end. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque

import msgspec

from fogbank.engines.binlog import events
from fogbank.engines.binlog.events import FORMAT, GTID, HEADER, MAGIC_BYTES, QUERY, ROTATE, XA_PREPARE, XID

_APART_BYTES = 4 << 20


class File(msgspec.Struct, array_like=True):
    """A file of the binlog, as it lies in the log.

    start   where the event lies that names it
    base    where its first event lies
    whole   the end of the last transaction before it
    format  its description (its first event), once it is there
    marks   ends of transactions in it, some way apart: from where the log can be read
    timeline  whose it is; 0: it has to be found out
    """

    start: int
    base: int
    name: str
    whole: int
    format: bytes = b""
    marks: list[int] = []
    timeline: int = 0

    @property
    def number(self) -> int:
        return events.number(self.name)


class Trail:
    """See the module. `take` is told each event of the log, in order.

    at     the end of the last event
    whole  the end of the last transaction
    ends   ends of transactions that were taken and not let go of yet
    """

    def __init__(self, start: int, timeline: int = 0) -> None:
        self.timeline = timeline
        self.files: list[File] = []
        self.at = start
        self.whole = start
        self.ends: deque[int] = deque()
        self.changed = False
        """There is another file, or more is known of it."""
        self._within = False
        self._standalone = False

    def resume(self, files: list[File], start: int, end: int) -> None:
        """Goes on from what is known already of a log that begins and ends there: from the last place to read from. (Of files before, no
        more need be known.)"""
        for file in files:
            file.marks = [mark for mark in file.marks if mark <= end]
        ends = [following.start for following in files[1:]] + [end + 1]
        self.files = [file for file, last in zip(files, ends, strict=False) if file.base <= end and last > start]
        self.at, self.whole = self.boundary(start, end)
        self.ends.clear()
        self._within = self._standalone = False

    def boundary(self, start: int, end: int) -> tuple[int, int]:
        """The last place up to `end` that the log can be read from, and the end of the transaction before it."""
        for file in reversed(self.files):
            for mark in reversed(file.marks):
                if start <= mark <= end:
                    return mark, mark
            if start <= file.base <= end:
                return file.base, file.whole
        return start, start

    def mark(self, position: int) -> None:
        """A transaction ends there: a place to read from."""
        for file in reversed(self.files):
            if file.base <= position:
                if position not in file.marks:
                    insort(file.marks, position)
                    self.changed = True
                return

    def enter(self, name: str, offset: int) -> None:
        """The log begins in the middle of a file."""
        base = self.at - offset + MAGIC_BYTES
        self.files.append(File(base, base, name, self.at, timeline=self.timeline))
        self.changed = True

    def describe(self, event: bytes | memoryview) -> None:
        """The description of the last file, where it is not known yet."""
        if self.files and not self.files[-1].format:
            self.files[-1].format = bytes(event)
            self.changed = True

    def take(self, event: bytes | memoryview) -> bool:
        """An event (of a large one, its beginning): whether a transaction ends with it."""
        _, kind, _, length, end, flags = HEADER.unpack_from(event)
        self.at += length
        if kind == GTID:
            self._within, self._standalone = True, events.standalone(event)
        elif self._within:
            if kind in (XID, XA_PREPARE) or (kind == QUERY and (self._standalone or events.ends(event))):
                self._within = False
                self.whole = self.at
                self.ends.append(self.at)
                self._mark()
                return True
        elif kind == ROTATE and events.artificial(kind, end, flags):
            name, _ = events.rotated(event)
            self.files.append(File(self.at - length, self.at, name, self.whole, timeline=self.timeline))
            self.changed = True
        elif kind == FORMAT:
            self.describe(event)
        return False

    def _mark(self) -> None:
        """Now and then."""
        if self.files:
            marks = self.files[-1].marks
            if self.at - (marks[-1] if marks else self.files[-1].base) >= _APART_BYTES:
                marks.append(self.at)
                self.changed = True

    def cut(self, position: int) -> None:
        """What lies beyond never happened."""
        while self.files and self.files[-1].start >= position:
            self.files.pop()
        if self.files:
            self.files[-1].marks = [mark for mark in self.files[-1].marks if mark <= position]
        self.at = self.whole = position
        self.ends.clear()
        self._within = self._standalone = False
        self.changed = True

    def within(self, timeline: int, position: int) -> tuple[str, int]:
        """File and offset of a byte of the log; ("", 0) where no file of a timeline has begun."""
        return self.place(position) if self.files and self.files[-1].timeline == timeline else ("", 0)

    def place(self, position: int) -> tuple[str, int]:
        """File and offset of a byte of the log; ("", 0) where nothing is known of it."""
        index = bisect_right(self.files, position, key=lambda file: file.base) - 1
        if index < 0:
            return (self.files[0].name, MAGIC_BYTES) if self.files and position >= self.files[0].start else ("", 0)
        file = self.files[index]
        return file.name, position - file.base + MAGIC_BYTES

    def position(self, number: int, offset: int) -> int:
        """The byte of the log of a file and offset: its beginning where the file is another log's (an image's). Raises LookupError where
        the log does not have it."""
        if self.files and number < self.files[0].number:
            return self.files[0].start
        index = bisect_right(self.files, number, key=lambda file: file.number) - 1
        if index < 0 or self.files[index].number != number:
            raise LookupError(f"file {number} of the binlog is not in the volume's log")
        found = self.files[index].base + offset - MAGIC_BYTES
        end = self.files[index + 1].start if index + 1 < len(self.files) else self.at
        if offset < MAGIC_BYTES or found > end:
            raise LookupError(f"offset {offset} of file {number} of the binlog is not in the volume's log")
        return found

    def file(self, number: int) -> File | None:
        """A file by its number."""
        return next((file for file in self.files if file.number == number), None)
