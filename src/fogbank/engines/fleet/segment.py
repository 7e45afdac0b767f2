"""One file of the hot log, and how a node knows what in it is surely on disk.

A segment file is preallocated. It consists of pages of 4096 bytes: 4032 of the log, each at its place, and two *claims* of 32 bytes (from
where to where the page has the log, epoch, number of the batch, checksum of those bytes, checksum of the claim). A batch that goes on where
the log ends writes its bytes and the claims of its pages together, at once and past the page cache (`front.py`): for a small commit one
page and one synced write, and knowing what is there costs nothing more. Only then is the batch acknowledged. What comes out of order is
written to its place too, but claimed by a record in a journal at the end of the file, because a page can say one thing only.

Why that is exact, whatever moment we are killed at:
  - what was acknowledged was synced together with its claim: the claim is there, so it is claimed again.
  - a page's claims are written in turn: the one that was synced stands until the one after it was synced too.
  - the next batch of a file is written only after the sync of the one before. So of all claims only those of the last batch can stand
    for bytes that did not come to disk (a power failure writes the pages of an unsynced batch in any order, or a part of them). Their
    bytes are read and compared with the checksum; where they differ the claim before it counts. All older ones count as they are.
  - what is claimed may not have been synced yet (we were killed between write and sync; the machine went on): so it is synced before it
    is claimed.
  - a torn claim has a wrong checksum and is passed over, as are the zeros of what was never written; what follows the journal's last
    whole record is cut off before the next batch, so that it cannot come back. Zeros in the log itself say nothing, and nothing is
    concluded from them.
  - where bytes were written twice, the later batch says whose they are.

A segment that is whole is *finished*: a file beside it, written at once or not at all, holds the checksum of each 64 KiB and whose
epoch's bytes they are; then the journal is cut off. A finished file is never written again (but for the repair of what was flipped
on disk), so that forks can share it by hard links. To be written again it is copied first (`reopen`); until the copy has taken its
place the old one stands, and both say the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from zlib import crc32

import msgspec

from fogbank.engines.fleet.claims import CHECK, LENGTH, NONE, PAGE, ROOM, Claim, claimed, in_order, stated
from fogbank.engines.fleet.disk import load, store, sync_folder, whole
from fogbank.engines.fleet.front import Front
from fogbank.engines.fleet.spans import Piece, Spans

CHUNK = 1 << 16
"""Bytes of a finished segment that have a checksum."""
_JOURNAL_BYTES = 1 << 16
"""So much is preallocated for it."""
_SLICE = 4 * CHUNK
"""What is copied at a time by what must not hold up others."""
_AT_ONCE = 256
_SEAL = ".crc"
_turns = count()


class _Seal(msgspec.Struct, array_like=True):
    pieces: list[Piece]
    checks: list[int]


class Damaged(Exception):
    """Bytes on disk are not those that were written: (first byte, end, their checksum), counted from the segment's beginning.

    `turn`: the segment's when that was said.
    """

    def __init__(self, start: int, end: int, check: int, turn: int) -> None:
        super().__init__(start, end, check)
        self.start, self.end, self.check, self.turn = start, end, check, turn


class Segment:
    """A segment; bytes are counted from its own beginning. OSError where the disk refuses: then nothing is claimed of that call."""

    __slots__ = ("_batch", "_end", "_fd", "_front", "_journal", "_pages_bytes", "_unsynced", "checks", "path", "size", "turn")

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size
        self.checks: list[int] | None = None
        """Of each chunk, when it is finished."""
        self._fd = -1
        self._unsynced = False
        self._front = Front()
        self._pages_bytes = -(-size // ROOM) * PAGE
        self._journal = self._pages_bytes
        self._batch = 0
        self._end = 0
        """Behind it nothing was ever written."""
        self.turn = next(_turns)
        """Another one when bytes that were there may have become others."""

    @property
    def finished(self) -> bool:
        return self.checks is not None

    @property
    def fd(self) -> int:
        """To be written with; `close` may be called at any time."""
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        return self._fd

    def close(self) -> None:
        self._front.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def create(self) -> None:
        """Makes the file; it is on disk when its folder is synced too."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._pages_bytes + _JOURNAL_BYTES)
            os.fsync(fd)
        except OSError:
            os.close(fd)
            os.unlink(self.path)
            raise
        self._fd = fd

    def write(self, runs: list[tuple[int, bytes | memoryview, int]]) -> None:
        """A batch: (first byte, bytes, epoch) of each run. To be claimed after `sync`."""
        self._batch += 1
        records = b""
        try:
            for start, content, epoch in runs:
                if self._front.append(self.path, start, content, epoch, self._batch, self._end):
                    self._end = start + len(content)
                else:
                    self._unsynced = True
                    self._put(self.fd, start, content)
                    records += stated(start, start + len(content), epoch, self._batch, crc32(content))
                    self._disturb(start, start + len(content))
            if records:
                self._record(records)
        except OSError:
            self._front.tail = None
            raise

    def sync(self) -> None:
        """After `write`: what went to the front is on disk already."""
        if self._unsynced:
            os.fdatasync(self.fd)
            self._unsynced = False

    def blank(self) -> Iterator[None]:
        """Makes what comes next cheap to write, a slice at a time."""
        while self._front.blank(self.path, self._end, self._pages_bytes):
            yield

    def mark(self, start: int, end: int, epoch: int) -> None:
        """Bytes that are there were written again, the same, in a later epoch."""
        self._batch += 1
        self._record(stated(start, end, epoch, self._batch, crc32(self.plain(start, end))))
        self._disturb(start, end)
        self.sync()

    def _disturb(self, start: int, end: int) -> None:
        """Something was written or claimed beside the pages' own claims: where the log ends that is so from now on."""
        tail = self._front.tail
        if tail is not None and end > tail.page * ROOM:
            self._front.tail = None
        self._end = max(self._end, end)
        self.turn = next(_turns)

    def _record(self, records: bytes) -> None:
        """Writes to the journal."""
        self._unsynced = True
        try:
            whole(self.fd, records, self._journal)
        except OSError:
            os.ftruncate(self.fd, self._journal)  # nothing of it is left
            raise
        self._journal += len(records)

    def recover(self) -> list[Piece]:
        """What is surely there, in the order in which it was written. To be called once, before anything else."""
        seal = self._seal()
        if seal is not None:
            self.checks = seal.checks
            if os.stat(self.path).st_size > self._pages_bytes:
                os.truncate(self.path, self._pages_bytes)
            return seal.pieces
        fd = self.fd
        pages = [claims for some in self._page_claims() for claims in some]
        journal = self._journal_claims()
        every = [placed for claims in [*pages, journal] for placed in claims]
        self._batch = max((claim.batch for claim, _ in every), default=0)
        self._end = max((claim.end for claim, _ in every), default=0)
        torn = {at for claim, at in every if not self._stands(claim)}
        for at in torn:
            whole(fd, NONE, at)
        sure = [claim for claims in pages for claim in [claim for claim, at in claims if at not in torn][:1]]
        sure += [claim for claim, at in journal if at not in torn]
        self._journal = journal[-1][1] + LENGTH if journal else self._pages_bytes
        os.ftruncate(fd, self._journal)
        os.posix_fallocate(fd, 0, max(self._journal, self._pages_bytes + _JOURNAL_BYTES))
        os.fdatasync(fd)
        return [(claim.start, claim.end, claim.epoch) for claim in in_order(sure)]

    def _stands(self, claim: Claim) -> bool:
        """Whether what a claim says came to disk: of the last batch that is to be seen."""
        return claim.batch != self._batch or crc32(self.plain(claim.start, claim.end)) == claim.check

    def read(self, start: int, end: int) -> bytes:
        """Bytes that are there. Damaged where their checksum is wrong.

        Not known before the segment is finished where some came out of order: the journal is not looked through for each read.
        """
        if self.checks is None:
            if self._journal == self._pages_bytes and start < end:
                self._verify(start // ROOM, (end - 1) // ROOM)
            return self.plain(start, end)
        first = start - start % CHUNK
        content = self.plain(first, min(-(-end // CHUNK) * CHUNK, self.size))
        view = memoryview(content)
        for at in range(0, len(content), CHUNK):
            begin = first + at
            if crc32(view[at : at + CHUNK]) != self.checks[begin // CHUNK]:
                raise Damaged(begin, min(begin + CHUNK, self.size), self.checks[begin // CHUNK], self.turn)
        return content[start - first : end - first]

    def _verify(self, first: int, last: int) -> None:
        """Compares pages with what they say of themselves."""
        raw = os.pread(self.fd, (last + 1 - first) * PAGE, first * PAGE)
        view = memoryview(raw)
        for page in range(first, last + 1):
            at = (page - first) * PAGE
            claims = [claim for place in (ROOM, ROOM + LENGTH) if (claim := claimed(raw, at + place)) is not None]
            if claims:
                _, start, end, _, check = max(claims)
                if crc32(view[at + start - page * ROOM : at + end - page * ROOM]) != check:
                    raise Damaged(start, end, check, self.turn)

    def plain(self, start: int, end: int) -> bytes:
        """Bytes as they are on disk now."""
        if start >= end:
            return b""
        first, last = start // ROOM, (end - 1) // ROOM
        if self.checks is None:
            raw = os.pread(self.fd, (last + 1 - first) * PAGE, first * PAGE)
        else:  # there are many of them: none is kept open
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                raw = os.pread(fd, (last + 1 - first) * PAGE, first * PAGE)
            finally:
                os.close(fd)
        begin = start - first * ROOM
        if first == last:
            return raw[begin : begin + end - start]
        view = memoryview(raw)
        parts = [view[at : at + ROOM] for at in range(0, len(raw), PAGE)]
        parts[0] = parts[0][begin:]
        parts[-1] = parts[-1][: end - last * ROOM]
        return b"".join(parts)

    def repair(self, start: int, content: bytes) -> None:
        """Puts back bytes that were changed on disk."""
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._put(fd, start, content)
            os.fdatasync(fd)
        finally:
            os.close(fd)

    @staticmethod
    def place(at: int) -> int:
        """Where a byte is in the file."""
        page, offset = divmod(at, ROOM)
        return page * PAGE + offset

    def _put(self, fd: int, start: int, content: bytes | memoryview) -> None:
        """Writes bytes to their places, and leaves the pages' claims as they are."""
        at = 0
        while at < len(content):
            offset = (start + at) % ROOM
            piece = content[at : at + ROOM - offset]
            whole(fd, piece, self.place(start + at))
            at += len(piece)

    def check(self) -> Iterator[tuple[int, Damaged | None]]:
        """Looks at all that was written, about a chunk at a time: how many bytes, and what is wrong with them."""
        if self.checks is not None:
            for index, check in enumerate(self.checks):
                start, end = index * CHUNK, min(index * CHUNK + CHUNK, self.size)
                yield end - start, None if crc32(self.plain(start, end)) == check else Damaged(start, end, check, self.turn)
            return
        turn = self.turn
        claims = []
        for some in self._page_claims():
            claims += [page[0][0] for page in some]
            yield 0, None
        claims = in_order(claims + [claim for claim, _ in self._journal_claims()])
        whose = Spans()
        for number, claim in enumerate(claims):
            whose.add(claim.start, claim.end, number)
            if number % _AT_ONCE == 0:
                yield 0, None
        looked = 0
        for number, claim in enumerate(claims):
            if whose.within(claim.start, claim.end) != [(claim.start, claim.end, number)]:
                continue  # some of it was written again
            looked += claim.end - claim.start
            damaged = crc32(self.plain(claim.start, claim.end)) != claim.check
            if damaged or looked >= CHUNK:
                yield looked, Damaged(claim.start, claim.end, claim.check, turn) if damaged else None
                looked = 0
        yield looked, None

    def finish(self, pieces: list[Piece], still: Callable[[], bool]) -> Iterator[None]:
        """For a segment that is whole: its checksums, a slice at a time.

        Damaged where it is; not done where it is `still` so no more at the end.
        """
        batch = self._batch
        for _, damaged in self.check():
            if damaged is not None:
                raise damaged
            yield
        checks = []
        for start in range(0, self.size, CHUNK):
            checks.append(crc32(self.plain(start, min(start + CHUNK, self.size))))
            yield
        if self._batch != batch or not still():
            return
        seal = msgspec.msgpack.encode(_Seal(pieces, checks))
        store(self.path + _SEAL, seal + CHECK.pack(crc32(seal)))
        self.checks = checks
        os.ftruncate(self.fd, self._pages_bytes)
        self.close()

    def copy(self, path: str, pieces: list[Piece]) -> Iterator[None]:
        """Makes another segment that has these pieces of this one, a slice at a time; it is on disk when its folder is.

        Damaged ones are left out.
        """
        made = Segment(path, self.size)
        made.create()
        try:
            for start, end, epoch in pieces:
                for at in range(start, end, _SLICE):
                    stop = min(at + _SLICE, end)
                    try:
                        content = self.read(at, stop)
                    except Damaged:
                        continue
                    made.write([(at, content, epoch)])
                    made.sync()
                    yield
        finally:
            made.close()

    def reopen(self) -> list[Piece]:
        """Makes a finished segment one that can be written to. Gives what is there (less than before where it was damaged)."""
        seal = self._seal()
        if seal is not None:
            for _ in self.copy(self.path + ".new", seal.pieces):
                pass
            self.close()
            os.rename(self.path + ".new", self.path)
            sync_folder(os.path.dirname(self.path))
            os.unlink(self.path + _SEAL)
            sync_folder(os.path.dirname(self.path))
        self.checks = None
        self.turn = next(_turns)
        return self.recover()

    def share(self, path: str) -> None:
        """Makes a finished segment another volume's too."""
        os.link(self.path, path)
        os.link(self.path + _SEAL, path + _SEAL)

    def delete(self) -> None:
        self.close()
        for path in (self.path, self.path + _SEAL):
            with suppress(FileNotFoundError):
                os.unlink(path)
        self.path = self.path + ".gone"  # whoever is busy with it finds nothing

    def _seal(self) -> _Seal | None:
        content = load(self.path + _SEAL)
        if content is None or len(content) < CHECK.size or crc32(content[: -CHECK.size]) != CHECK.unpack_from(content[-CHECK.size :])[0]:
            return None
        return msgspec.msgpack.decode(content[: -CHECK.size], type=_Seal)

    def _page_claims(self) -> Iterator[list[list[tuple[Claim, int]]]]:
        """The claims of each page that has any, the latest first, and where they are; a slice of pages at a time."""
        at = 0
        while at < self._pages_bytes:
            try:
                at = os.lseek(self.fd, at, os.SEEK_DATA) // PAGE * PAGE
            except OSError:
                return  # nothing was ever written behind it
            raw = os.pread(self.fd, min(_SLICE, self._pages_bytes - at), at)
            found = []
            for page in range(0, len(raw), PAGE):
                places = page + ROOM, page + ROOM + LENGTH
                claims = [(claim, at + place) for place in places if (claim := claimed(raw, place)) is not None]
                if len(claims) > 1:
                    claims.sort(reverse=True)
                if claims:
                    found.append(claims)
            yield found
            at += len(raw)

    def _journal_claims(self) -> list[tuple[Claim, int]]:
        """The records of the journal, and where they are."""
        first = self._pages_bytes
        raw = os.pread(self.fd, max(os.fstat(self.fd).st_size - first, 0), first).rstrip(b"\0")
        raw += bytes(-len(raw) % LENGTH)
        return [(claim, first + at) for at in range(0, len(raw), LENGTH) if (claim := claimed(raw, at)) is not None]
