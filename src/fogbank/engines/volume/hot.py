"""The last megabytes of the log, in memory: what the nodes are sent from, and the readers, each at their own pace."""

from __future__ import annotations


class Hot:
    """A ring that holds [start, end) of one timeline. A slow receiver costs nothing: it has a place in it until the ring has gone round."""

    __slots__ = ("_bytes", "end", "size", "start", "timeline")

    def __init__(self, size: int) -> None:
        self.size = size
        self._bytes = memoryview(bytearray(size))
        self.timeline = 0
        self.start = 0
        self.end = 0

    def begin(self, timeline: int, position: int) -> None:
        """Empty, from here on."""
        self.timeline, self.start, self.end = timeline, position, position

    def append(self, position: int, piece: memoryview) -> None:
        """Takes what comes next (what it has already is passed over). Raises ValueError where something is missing before it."""
        if position != self.end:
            if position > self.end:
                raise ValueError(f"{position - self.end} bytes of the log are missing")
            piece = piece[self.end - position :]
        length = len(piece)
        at = self.end % self.size
        room = self.size - at
        if length <= room:
            self._bytes[at : at + length] = piece
        else:
            self._bytes[at:] = piece[:room]
            self._bytes[: length - room] = piece[room:]
        self.end += length
        if self.end - self.start > self.size:
            self.start = self.end - self.size

    def parts(self, position: int, length: int) -> list[memoryview]:
        """A span of it, in one piece or two, without copying."""
        at = position % self.size
        if at + length <= self.size:
            return [self._bytes[at : at + length]]
        return [self._bytes[at:], self._bytes[: at + length - self.size]]
