"""Receiving a body: in memory while small, then into a file of the store's, digested on the way, beside the loop.

Memory is constant: a chunk at a time is filled by the socket, and at most PENDING chunks wait for the threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from fogbank.access.chunks import Chunks
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest
from fogbank.store.blobs import ALGORITHMS, CHUNK_BYTES, Blobs, Spooled, Upload, digest

Done = Callable[["Upload | ServiceException"], None]

MEMORY_BYTES = 64 * 1024
PENDING = 8


class Lane:
    """Work on the chunks of one body, in order, on a thread of the pool."""

    def __init__(self, work: Callable[[memoryview], Any], spool: Spool) -> None:
        self._work = work
        self._spool = spool
        self._chunks: deque[memoryview] = deque()
        self._running = False
        self._lock = threading.Lock()
        self.problem: OSError | None = None

    def put(self, chunk: memoryview) -> None:
        with self._lock:
            self._chunks.append(chunk)
            if self._running:
                return
            self._running = True
        self._spool.blobs.pool.submit(self._run)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._chunks:
                    self._running = False
                    break
                chunk = self._chunks.popleft()
            try:
                if self.problem is None:
                    self._work(chunk)
            except OSError as problem:  # a full disk: told when the body is whole
                self.problem = problem
        self._spool.stirred()

    @property
    def pending(self) -> int:
        return len(self._chunks)

    @property
    def idle(self) -> bool:
        with self._lock:
            return not self._running


def checksums(request: HttpRequest) -> set[str]:
    """The digests that a request's headers ask for, and the ETag's."""
    wanted = {"md5"}
    headers = request.headers
    if len(headers.get("x-amz-content-sha256", "")) == 64 or "x-amz-content-sha256" not in headers:
        wanted.add("sha256")  # the signature is checked with it
    named = [headers.get("x-amz-sdk-checksum-algorithm", ""), *headers.get("x-amz-trailer", "").split(",")]
    named += [name for name in headers if name.startswith("x-amz-checksum-")]
    for name in named:
        algorithm = name.strip().lower().removeprefix("x-amz-checksum-")
        if algorithm in ALGORITHMS:
            wanted.add(algorithm)
    if wanted <= {"md5", "sha256"}:
        wanted.add("crc64nvme")  # S3's own choice where the caller makes none
    return wanted


class Spool:
    """One body on its way in.

    `view()` is where the socket reads to, `got(n)` says that it did; `end()` that the body is over. Then `done(upload)` is
    called, once: from the loop, when all digests are there (or with what kept it from being stored). Raises
    ServiceException for a bad aws-chunked body.
    """

    def __init__(
        self, request: HttpRequest, blobs: Blobs, loop: asyncio.AbstractEventLoop, done: Done, room: Callable[[bool], None]
    ) -> None:
        self.blobs = blobs
        self.chunks: Chunks | None = None
        self._request = request
        self._loop = loop
        self._done: Done | None = done
        self._room = room
        self._full = False
        self._buffer = bytearray(MEMORY_BYTES)
        self._filled = 0
        self._small: list[bytes] = []
        self._size = 0
        self._digests: dict[str, Any] = {}
        self._lanes: list[Lane] = []
        self._spooled: Spooled | None = None
        self._ended = False

    def view(self) -> memoryview:
        return memoryview(self._buffer)[self._filled :]

    def got(self, count: int) -> None:
        self._filled += count
        if self._filled == len(self._buffer):
            self._flush()

    def put(self, content: bytes | memoryview) -> None:
        """Bytes that were read elsewhere."""
        while content:
            view = self.view()
            count = min(len(view), len(content))
            view[:count] = content[:count]
            self.got(count)
            content = content[count:]

    def _flush(self) -> None:
        """Hands the filled buffer on, and takes a new one."""
        filled = memoryview(self._buffer)[: self._filled]
        pieces = [filled] if self.chunks is None else self.chunks.feed(filled)
        grown = self._size + self._filled > MEMORY_BYTES
        self._filled = 0
        for piece in pieces:
            self._size += len(piece)
            if self._spooled is None and self._size <= MEMORY_BYTES:
                self._small.append(bytes(piece))
                continue
            if self._spooled is None:
                self._open()
            for lane in self._lanes:
                lane.put(piece)
        if self._spooled is not None or grown:
            self._buffer = bytearray(CHUNK_BYTES)
        if any(lane.pending >= PENDING for lane in self._lanes):
            self._full = True
            self._room(False)

    def _open(self) -> None:
        spooled = self._spooled = self.blobs.spooled()
        self._digests = {name: digest(name) for name in checksums(self._request)}
        md5 = self._digests["md5"]
        others = [made.update for name, made in self._digests.items() if name != "md5"]

        def rest(chunk: memoryview) -> None:
            for update in others:
                update(chunk)
            spooled.write(chunk)

        self._lanes = [Lane(md5.update, self), Lane(rest, self)]
        for small in self._small:
            for lane in self._lanes:
                lane.put(memoryview(small))
        self._small = []

    def stirred(self) -> None:
        """A lane has run dry (from its thread)."""
        self._loop.call_soon_threadsafe(self._look)

    def end(self) -> None:
        """The body is whole."""
        self._flush()
        if self.chunks is not None:
            self.chunks.end()
        self._ended = True
        self._look()

    def abort(self) -> None:
        """The client went away, or the body is refused: nothing stays."""
        self._done = None
        self._ended = True
        self._look()

    def _look(self) -> None:
        if self._full and all(lane.pending < PENDING // 2 for lane in self._lanes):
            self._full = False
            self._room(True)
        if not self._ended or not all(lane.idle for lane in self._lanes):
            return
        self._ended = False  # a lane that stirs late must not end it again: the file is somebody else's by then
        done, self._done = self._done, None
        if self._spooled is not None:
            self._spooled.close()
            if done is None:
                self._spooled.path.unlink(missing_ok=True)
        if done is not None:
            done(self._upload())

    def _upload(self) -> Upload | ServiceException:
        if self._spooled is None:
            content = b"".join(self._small)
            upload = Upload(content, None, len(content))
        else:
            upload = self._spooled.upload({name: made.digest() for name, made in self._digests.items()})
            problem = next((lane.problem for lane in self._lanes if lane.problem), None)
            if problem is not None:
                upload.drop()
                return ServiceException("InternalFailure", f"The body could not be stored: {problem.strerror}.", status=507)
        if self.chunks is not None:
            upload.trailers = self.chunks.trailers
        return upload
