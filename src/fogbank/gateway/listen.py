"""HTTP: sockets and bytes on one side, requests and answers on the other.

A connection reads one request at a time: a head, then its body (in the connection's own buffer while it is small,
else through a `Spool`), then it waits for the answer before it looks at the next. Answers that lie in files go out by
sendfile.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from http import HTTPStatus
from typing import Any

from fogbank.gateway.cloud import Cloud
from fogbank.gateway.pipeline import Call, Gateway
from fogbank.gateway.spool import MEMORY_BYTES, Spool
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.store.blobs import Upload

HEAD_LIMIT = 64 * 1024
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}" for s in HTTPStatus}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BadRequest(Exception):
    """Not HTTP, or not an HTTP that we take: answered with 400 (or the status) and the end of the connection."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def read_head(head: str, client: str) -> HttpRequest:
    """Parses a request's head (without the empty line that ends it). Raises BadRequest."""
    lines = head.split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError:
        raise BadRequest("malformed request line") from None
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest("HTTP version not supported", 505)
    if target[:1] != "/":  # absolute form, as a proxy's client sends it
        _, _, rest = target.partition("://")
        slash = rest.find("/")
        target = rest[slash:] if slash >= 0 else "/"
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    known = _names.get
    for line in lines[1:]:
        name, _, value = line.partition(":")
        lower = known(name) or _header_name(name, line)
        headers[lower] = value.strip() if lower not in headers else f"{headers[lower]},{value.strip()}"
    if version == "HTTP/1.0" and "connection" not in headers:
        headers["connection"] = "close"
    return HttpRequest(method, path, query, headers, b"", client)


_names: dict[str, str] = {}


def _header_name(name: str, line: str) -> str:
    """A header's name in lower case; the spellings seen are remembered, since clients have few. Raises BadRequest."""
    if len(name) == len(line) or not _TOKEN(name):
        raise BadRequest("malformed header")
    if len(_names) < 1000:
        _names[name] = name.lower()
    return name.lower()


def body_length(headers: dict[str, str]) -> int:
    """The Content-Length, 0 where there is none, -1 for a chunked body. Raises BadRequest for what could be read in two ways."""
    length = headers.get("content-length")
    encoding = headers.get("transfer-encoding")
    if encoding is not None:
        if length is not None or encoding.lower() != "chunked":
            raise BadRequest("ambiguous message length")
        return -1
    if length is None:
        return 0
    if not length.isascii() or not length.isdigit():
        raise BadRequest("malformed Content-Length")
    return int(length)


class Dechunker:
    """HTTP's own chunked coding."""

    def __init__(self) -> None:
        self._line = b""
        self._left = 0
        self._after = False
        self._trailer = False
        self.finished = False

    def feed(self, view: memoryview) -> tuple[list[memoryview], int]:
        """The payload in these bytes, and how many of them belonged to the body."""
        pieces: list[memoryview] = []
        at = 0
        while at < len(view) and not self.finished:
            if self._left:
                piece = view[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._after = not self._left
                continue
            byte = bytes(view[at : at + 1])
            at += 1
            if byte != b"\n":
                self._line += byte
                if len(self._line) > 4096:
                    raise BadRequest("malformed chunk")
                continue
            self._end_line(self._line.rstrip(b"\r"))
            self._line = b""
        return pieces, at

    def _end_line(self, line: bytes) -> None:
        if self._trailer:
            self.finished = not line
        elif self._after:
            if line:
                raise BadRequest("malformed chunk")
            self._after = False
        else:
            size = line.split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
                raise BadRequest("malformed chunk")
            self._left = int(size, 16)
            self._trailer = not self._left


class Connection(asyncio.BufferedProtocol):
    """One client's connection."""

    __slots__ = (
        "_buffer",
        "_busy",
        "_call",
        "_close",
        "_cloud",
        "_continued",
        "_dechunker",
        "_filled",
        "_gateway",
        "_left",
        "_method",
        "_request",
        "_spool",
        "_transport",
        "client",
    )

    def __init__(self, gateway: Gateway, cloud: Cloud) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self._buffer = bytearray(8192)
        self._filled = 0
        self._spool: Spool | None = None
        self._dechunker: Dechunker | None = None
        self._call: Call | None = None
        self._request: HttpRequest | None = None
        self._left = 0
        self._busy = False
        self._close = False
        self._continued = False
        self._method = ""

    # the transport's side

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.client = peer[0] if isinstance(peer, tuple) else "127.0.0.1"

    def connection_lost(self, problem: Exception | None) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.abort()
        call, self._call = self._call, None
        if call is not None:
            call.abandon()
        self._busy = True

    def get_buffer(self, hint: int) -> memoryview:
        if self._spool is not None and self._dechunker is None:
            return self._spool.view()[: self._left]
        if self._filled == len(self._buffer):
            self._buffer = self._buffer + bytes(len(self._buffer))
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        try:
            if self._spool is not None and self._dechunker is None:
                self._received(count)
                return
            self._filled += count
            if not self._busy:
                self._read()
            elif self._filled > MEMORY_BYTES:
                self._transport.pause_reading()
        except BadRequest as problem:
            self._refuse_http(problem)

    def eof_received(self) -> bool:
        return False

    # reading

    def _read(self) -> None:
        """Takes as many requests out of the buffer as are there and may be answered now."""
        while self._filled and not self._busy:
            if self._dechunker is not None:
                self._dechunk()
                return
            request = self._request
            if request is None:
                end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
                if end < 0:
                    if self._filled > HEAD_LIMIT:
                        raise BadRequest("the request's head is too long", 431)
                    return
                request = read_head(self._buffer[:end].decode("latin-1").lstrip("\r\n"), self.client)
                self._consume(end + 4)
                length = body_length(request.headers)
                self._method = request.method
                self._close = request.headers.get("connection", "").lower() == "close"
                if length > MEMORY_BYTES or length < 0 or "x-amz-decoded-content-length" in request.headers:
                    self._begin_spool(request, length)
                    continue
                self._request, self._left, self._continued = request, length, False
            if self._filled < self._left:
                if "expect" in request.headers and not self._continued:
                    self._continued = True
                    self._transport.write(_CONTINUE)
                return
            request.body = bytes(memoryview(self._buffer)[: self._left])
            self._consume(self._left)
            self._request = None
            self._busy = True
            call = self._gateway.admit(self._cloud, request, self.reply)
            if call is not None:
                self._call = call
                call.perform(request.body)

    def _consume(self, count: int) -> None:
        left = self._filled - count
        if left:
            self._buffer[:left] = self._buffer[count : self._filled]
        self._filled = left

    def _begin_spool(self, request: HttpRequest, length: int) -> None:
        """A body that does not fit: who sends it is asked first, and it goes to a file."""
        request.body = None
        self._busy = True
        call = self._gateway.admit(self._cloud, request, self.reply)
        if call is None:
            self._close = True  # the body would follow: nobody wants it
            return
        self._busy = False
        self._call = call
        spool = Spool(request, self._gateway.blobs, self._gateway.loop, self._spooled, self._room)
        try:
            spool.chunks = call.chunks()
        except ServiceException as problem:
            self._stop(problem)
            return
        self._spool = spool
        self._left = length
        if "expect" in request.headers and not self._filled:
            self._transport.write(_CONTINUE)
        if length < 0:
            self._dechunker = Dechunker()
            return
        here = min(length, self._filled)
        content = bytes(memoryview(self._buffer)[:here])
        self._consume(here)
        self._feed(content)

    def _feed(self, content: bytes | memoryview) -> None:
        spool = self._spool
        assert spool is not None
        try:
            spool.put(content)
            if self._dechunker is None:
                self._left -= len(content)
                if not self._left:
                    self._whole(spool)
        except ServiceException as problem:
            self._stop(problem)

    def _received(self, count: int) -> None:
        """The socket has read into the spool's own buffer."""
        spool = self._spool
        assert spool is not None
        try:
            spool.got(count)
            self._left -= count
            if not self._left:
                self._whole(spool)
        except ServiceException as problem:
            self._stop(problem)

    def _dechunk(self) -> None:
        dechunker = self._dechunker
        assert dechunker is not None
        content = bytes(memoryview(self._buffer)[: self._filled])
        pieces, used = dechunker.feed(memoryview(content))
        self._consume(used)
        for piece in pieces:
            if self._spool is not None:
                self._feed(piece)
        if dechunker.finished and self._spool is not None:
            self._dechunker = None
            try:
                self._whole(self._spool)
            except ServiceException as problem:
                self._stop(problem)

    def _whole(self, spool: Spool) -> None:
        self._busy = True
        self._spool = None
        spool.end()

    def _spooled(self, upload: Upload | ServiceException) -> None:
        call = self._call
        if call is None:
            if isinstance(upload, Upload):
                upload.drop()
        elif isinstance(upload, Upload):
            call.perform(upload)
        else:
            call.refuse(upload)

    def _stop(self, problem: ServiceException) -> None:
        """The body is refused while it comes: answer, and let go of the connection."""
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.abort()
        self._dechunker = None
        self._busy = True
        self._close = True
        if self._call is not None:
            self._call.refuse(problem)

    def _room(self, there_is: bool) -> None:
        if not self._transport.is_closing():
            (self._transport.resume_reading if there_is else self._transport.pause_reading)()

    # answering

    def reply(self, response: HttpResponse) -> None:
        """Sends the answer to the request that is under way, and goes on with the next."""
        self._call = None
        transport = self._transport
        if transport.is_closing():
            return
        body = response.body
        parts = None if isinstance(body, (bytes, bytearray)) else body.parts()
        head = self._head(response, body.size if parts is not None else len(body))
        if parts and self._method != "HEAD":
            self._gateway.loop.create_task(self._send_files(head, parts))
            return
        transport.write(head if self._method == "HEAD" or parts is not None or not body else head + body)
        self._next()

    def _head(self, response: HttpResponse, size: int) -> bytes:
        status = response.status
        lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} Error", _date_line()]
        length: int | str | None = None if status == 204 or status == 304 else size
        for name, value in response.headers:
            if name == "Content-Length":
                length = value  # an answer to HEAD says how long the body would be
            else:
                lines.append(f"{name}: {value}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        if self._close:
            lines.append("Connection: close")
        text = "\r\n".join(lines)
        if text.count("\n") >= len(lines) or text.count("\r") >= len(lines):  # a value that would begin a header of its own
            text = "\r\n".join([line.replace("\r", " ").replace("\n", " ") for line in lines])
        return (text + "\r\n\r\n").encode("latin-1", "replace")

    def _next(self) -> None:
        if self._close:
            self._transport.close()
            return
        self._busy = False
        if self._filled:
            self._transport.resume_reading()
            self._gateway.loop.call_soon(self._again)

    def _again(self) -> None:
        try:
            if not self._busy:
                self._read()
        except BadRequest as problem:
            self._refuse_http(problem)

    async def _send_files(self, head: bytes, parts: list[tuple[Any, int, int]]) -> None:
        loop = self._gateway.loop
        transport = self._transport
        socket = os.dup(transport.get_extra_info("socket").fileno())
        try:
            await _send_all(loop, socket, head)
            for path, start, size in parts:
                with open(path, "rb") as file:
                    await _send_file(loop, socket, file.fileno(), start, size)
        except OSError:
            transport.abort()
            return
        finally:
            os.close(socket)
        self._next()

    def _refuse_http(self, problem: BadRequest) -> None:
        self._close = True
        self._busy = True
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.abort()
        self.reply(HttpResponse(problem.status, [("Content-Type", "text/plain")], f"{problem}\n".encode()))


async def _writable(loop: asyncio.AbstractEventLoop, socket: int) -> None:
    ready = loop.create_future()
    loop.add_writer(socket, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(socket)


async def _send_all(loop: asyncio.AbstractEventLoop, socket: int, content: bytes) -> None:
    while content:
        try:
            content = content[os.write(socket, content) :]
        except BlockingIOError:
            await _writable(loop, socket)


async def _send_file(loop: asyncio.AbstractEventLoop, socket: int, file: int, start: int, size: int) -> None:
    end = start + size
    while start < end:
        try:
            sent = os.sendfile(socket, file, start, min(end - start, 1 << 20))
            if not sent:
                raise OSError("the file is shorter than its record says")
            start += sent
        except BlockingIOError:
            await _writable(loop, socket)


_date: tuple[int, str] = (0, "")


def _date_line() -> str:
    """The Date header, made once a second. The machine's time: a client corrects its own clock by it."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, "Date: " + time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now)))
    return _date[1]
