"""Where the log goes on in a segment file: whole pages, written past the page cache, on disk when the call returns."""

from __future__ import annotations

import os
from errno import EINVAL
from mmap import mmap

from fogbank.engines.fleet.claims import PAGE, ROOM, Tail
from fogbank.engines.fleet.disk import whole

_AHEAD_BYTES = 2 << 20
_pages = memoryview(mmap(-1, 1 << 20))
"""Where pages are put together: memory that begins at a page of the machine's, as writing past the page cache needs it."""
_ZEROS = memoryview(mmap(-1, 1 << 17))


class Front:
    """The front of one file. Bytes are counted as the segment counts them."""

    __slots__ = ("_blank", "_fd", "tail")

    def __init__(self) -> None:
        self.tail: Tail | None = None
        """The page in which the log ends, where it ends by pages' own claims."""
        self._fd = -1
        self._blank = 0
        """Before this page all were written once."""

    def append(self, path: str, start: int, content: bytes | memoryview, epoch: int, batch: int, end: int) -> bool:
        """Writes bytes with which the log goes on, or that begin a page behind its end. False where it cannot."""
        tail = self.tail
        page, offset = divmod(start, ROOM)
        if tail is None or tail.page != page or tail.end != offset or start != end or tail.epoch != epoch:
            if start < end or (end and page <= (end - 1) // ROOM):
                return False
            tail = Tail(page, offset, epoch)
        at, first, held = 0, page, 0
        while at < len(content):
            if tail.end == ROOM:
                tail = Tail(tail.page + 1, 0, epoch)
                first = first if held else tail.page
            piece = content[at : at + ROOM - tail.end]
            tail.take(piece, batch)
            at += len(piece)
            _pages[held : held + PAGE] = tail.raw
            held += PAGE
            if held == len(_pages) or at == len(content):
                whole(self._open(path), _pages[:held], first * PAGE)
                held = 0
        self.tail = tail
        return True

    def blank(self, path: str, end: int, pages_bytes: int) -> bool:
        """Writes zeros ahead of the log: to write a page again costs half of one that the file never had. False: there are enough."""
        at = max(self._blank, -(-end // ROOM)) * PAGE
        if at >= min(end // ROOM * PAGE + _AHEAD_BYTES, pages_bytes):
            return False
        length = min(len(_ZEROS), pages_bytes - at)
        whole(self._open(path), _ZEROS[:length], at)
        self._blank = (at + length) // PAGE
        return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self, path: str) -> int:
        if self._fd < 0:
            flags = os.O_RDWR | os.O_DSYNC | os.O_CLOEXEC
            try:
                self._fd = os.open(path, flags | os.O_DIRECT)
            except OSError as error:
                if error.errno != EINVAL:
                    raise
                self._fd = os.open(path, flags)  # a file system that cannot
        return self._fd
