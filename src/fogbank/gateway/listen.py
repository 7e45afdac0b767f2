"""HTTP: sockets and bytes on one side, requests and answers on the other.

A connection reads one request at a time: a head, then its body (in the connection's own buffer while it is small,
else through a `Spool`), then it waits for the answer before it looks at the next. Answers that lie in files go out by
sendfile.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fogbank.gateway.call import Call, report
from fogbank.gateway.cloud import Cloud
from fogbank.gateway.forms import FormCall
from fogbank.gateway.message import HEAD_LIMIT, BadRequest, Dechunker, answer_head, body_length, connection_header, read_head
from fogbank.gateway.pipeline import Gateway
from fogbank.gateway.sendfile import send_files
from fogbank.gateway.spool import MEMORY_BYTES, Spool
from fogbank.gateway.streaming import Streaming
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.flow import Body
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.store.blobs import Piece, Upload

GATHERED_LIMIT_BYTES = 128 << 20
"""Bodies that must be in memory to be named or authenticated; AWS's largest is a function's code, in base64."""
LINGER_S = 30
_BUFFER_BYTES = 8192
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.BufferedProtocol):
    """One client's connection."""

    __slots__ = (
        "_answer",
        "_buffer",
        "_busy",
        "_call",
        "_choked",
        "_cloud",
        "_connection",
        "_continued",
        "_dechunker",
        "_draining",
        "_filled",
        "_gateway",
        "_gathered",
        "_left",
        "_method",
        "_request",
        "_spool",
        "_streaming",
        "_transport",
        "_unread",
        "client",
    )

    inside = False
    """People's code is at the other end."""

    def __init__(self, gateway: Gateway, cloud: Cloud) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self._buffer = bytearray(_BUFFER_BYTES)
        self._filled = 0
        self._spool: Spool | None = None
        self._dechunker: Dechunker | None = None
        self._gathered: bytearray | None = None
        """A chunked body that must be in memory, as far as it has come."""
        self._call: Call | FormCall | None = None
        self._request: HttpRequest | None = None
        self._left = 0
        self._busy = False
        self._connection = ""
        """The answer's Connection header: "close" ends the connection after it."""
        self._continued = False
        self._unread = False
        """A body that nobody wants may still be coming."""
        self._draining = False
        self._choked = False
        self._answer: asyncio.Task[None] | None = None
        self._streaming: Streaming | None = None
        self._method = ""

    @property
    def held(self) -> int:
        """How much memory a request takes here that has not come whole."""
        return len(self._buffer) + (len(self._gathered) if self._gathered is not None else 0)

    # the transport's side

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._cloud.connections.add(self)
        peer = transport.get_extra_info("peername")
        self.client = peer[0] if isinstance(peer, tuple) else "127.0.0.1"

    def leave(self) -> None:
        """The cloud is no more: a call that is under way is not answered."""
        if self._call is not None:
            self._transport.close()

    def connection_lost(self, problem: Exception | None) -> None:
        self._cloud.connections.discard(self)
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.abort()
        call, self._call = self._call, None
        if call is not None:
            call.abandon()
        if self._streaming is not None:
            self._streaming.leave()
        self._busy = True

    def get_buffer(self, hint: int) -> memoryview:
        if self._spool is not None and self._dechunker is None:
            return self._spool.view()[: self._left]
        if self._filled == len(self._buffer):
            self._buffer = self._buffer + bytes(len(self._buffer))
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        if self._draining:
            return
        try:
            if self._spool is not None and self._dechunker is None:
                self._received(self._spool, count)
                return
            self._filled += count
            if not self._busy:
                self._read()
            if self._filled > MEMORY_BYTES and (self._busy or self._choked):
                self._transport.pause_reading()
        except BadRequest as problem:
            self._refuse_http(problem)
        except Exception:
            self._fail()

    def eof_received(self) -> bool:
        """The client will send no more. It gets the answer to a body that is being digested; one that waits counts as gone."""
        if self._call is not None and self._busy and self._call.request.body is None:
            self._connection = "close"
            return True
        return False

    def pause_writing(self) -> None:
        """The client does not read: no further request is begun."""
        self._choked = True
        if self._streaming is not None:
            self._streaming.pause()

    def resume_writing(self) -> None:
        self._choked = False
        if self._streaming is not None:
            self._streaming.resume()
        if not self._busy:
            self._next()

    # reading

    def _read(self) -> None:
        """Takes as many requests out of the buffer as are there and may be answered now."""
        while self._filled and not self._busy:
            if self._dechunker is not None:
                self._dechunk(self._dechunker)
                continue
            request = self._request
            if request is None:
                if self._choked or (request := self._read_head()) is None:
                    return
                length = body_length(request.headers)
                self._method = request.method
                self._connection = connection_header(request.headers)
                if length > MEMORY_BYTES or length < 0 or "x-amz-decoded-content-length" in request.headers:
                    if not _whole_first(request.headers):
                        self._begin_body(request, length)
                        continue
                    if length > GATHERED_LIMIT_BYTES:
                        raise BadRequest("the body is too long", 413)
                    if length < 0:
                        self._request, self._gathered, self._dechunker = request, bytearray(), Dechunker()
                        if "expect" in request.headers and not self._filled:
                            self._transport.write(_CONTINUE)
                        continue
                self._request, self._left, self._continued = request, length, False
            if self._filled < self._left:
                if "expect" in request.headers and not self._continued:
                    self._continued = True
                    self._transport.write(_CONTINUE)
                return
            content = bytes(memoryview(self._buffer)[: self._left])
            self._consume(self._left)
            self._perform(request, content)

    def _read_head(self) -> HttpRequest | None:
        """The next head in the buffer, or None where it has not all come."""
        while self._filled and self._buffer[0] in b"\r\n":
            self._consume(1)
        end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
        if end > HEAD_LIMIT or (end < 0 and self._filled > HEAD_LIMIT):
            raise BadRequest("the request's head is too long", 431)
        if end < 0:
            return None
        request = read_head(self._buffer[:end], self.client)
        request.inside = self.inside
        self._consume(end + 4)
        if self._gateway.clouds.get(self._cloud.name) is not self._cloud:
            raise BadRequest("this cloud is no more", 410)
        return request

    def _consume(self, count: int) -> None:
        left = self._filled - count
        if left:
            self._buffer[:left] = self._buffer[count : self._filled]
        elif len(self._buffer) > 2 * MEMORY_BYTES:
            self._buffer = bytearray(_BUFFER_BYTES)
        self._filled = left

    def _perform(self, request: HttpRequest, content: bytes) -> None:
        """A request that is whole."""
        request.body = content
        self._request = None
        self._busy = True
        call = self._gateway.admit(self._cloud, request, self.reply)
        if call is not None:
            self._call = call
            call.perform(content)

    def _begin_body(self, request: HttpRequest, length: int) -> None:
        """A body that does not fit, or whose length is not known: who sends it is asked first, and it goes to a file."""
        request.body = None
        self._busy = True
        connection, self._connection, self._unread = self._connection, "close", True
        call = self._gateway.admit(self._cloud, request, self.reply)
        if call is None:
            return
        self._busy, self._connection, self._unread = False, connection, False
        self._call = call
        self._dechunker = Dechunker() if length < 0 else None
        self._spool = spool = Spool(request, self._gateway.blobs, self._gateway.loop, self._spooled, self._room)
        self._left = length
        try:
            spool.chunks = call.chunks()
            if "expect" in request.headers and not self._filled:
                self._transport.write(_CONTINUE)
            if length >= 0:
                here = min(length, self._filled)
                content = bytes(memoryview(self._buffer)[:here])
                self._consume(here)
                spool.put(content)
                self._arrived(spool, here)
        except ServiceException as problem:
            self._stop(problem)

    def _received(self, spool: Spool, count: int) -> None:
        """The socket has read into the spool's own buffer."""
        try:
            spool.got(count)
            self._arrived(spool, count)
        except ServiceException as problem:
            self._stop(problem)

    def _arrived(self, spool: Spool, count: int) -> None:
        self._left -= count
        if not self._left:
            self._whole(spool)

    def _dechunk(self, dechunker: Dechunker) -> None:
        content = bytes(memoryview(self._buffer)[: self._filled])
        pieces, used = dechunker.feed(memoryview(content))
        self._consume(used)
        if dechunker.finished:
            self._dechunker = None
        spool, gathered, request = self._spool, self._gathered, self._request
        if gathered is not None and request is not None:
            for piece in pieces:
                gathered += piece
            if len(gathered) > GATHERED_LIMIT_BYTES:
                raise BadRequest("the body is too long", 413)
            if dechunker.finished:
                self._gathered = None
                self._perform(request, bytes(gathered))
            return
        assert spool is not None
        try:
            for piece in pieces:
                spool.put(piece)
            if dechunker.finished:
                self._whole(spool)
        except ServiceException as problem:
            self._stop(problem)

    def _whole(self, spool: Spool) -> None:
        self._busy = True
        spool.end()
        self._spool = None

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
        self._drop_body()
        if self._call is not None:
            self._call.refuse(problem)

    def _drop_body(self) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.abort()
        self._dechunker = None
        self._busy = True
        self._connection = "close"
        self._unread = True

    def _room(self, there_is: bool) -> None:
        if not self._transport.is_closing():
            (self._transport.resume_reading if there_is else self._transport.pause_reading)()

    # answering

    def reply(self, response: HttpResponse) -> None:
        """Sends the answer to the request that is under way, and goes on with the next."""
        call, self._call = self._call, None
        transport = self._transport
        if transport.is_closing():
            return
        body = response.body
        if isinstance(body, Body):
            assert isinstance(call, Call)
            self._stream(call, response, body)
            return
        pieces = None if isinstance(body, (bytes, bytearray)) else body.pieces
        head = answer_head(response, body.size if pieces is not None else len(body), self._connection)
        if pieces and self._method != "HEAD":
            self._answer = self._gateway.loop.create_task(self._send_files(head, pieces))
            return
        transport.write(head if self._method == "HEAD" or pieces is not None or not body else head + body)
        self._next()

    def _stream(self, call: Call, response: HttpResponse, body: Body) -> None:
        """Sends an answer that goes on; the next request is read when it is over."""
        chunked = self._connection != "close"
        self._transport.write(answer_head(response, "chunked" if chunked else None, self._connection))
        self._streaming = Streaming(call, body, self._transport, chunked=chunked, when_over=self._streamed)
        if self._choked:
            self._streaming.pause()
        self._streaming.start()

    def _streamed(self, whole: bool) -> None:
        self._streaming = None
        if whole:
            self._next()
        else:
            self._transport.abort()

    def _next(self) -> None:
        if self._connection == "close":
            self._end()
            return
        self._busy = False
        if self._filled:
            self._transport.resume_reading()
            self._gateway.loop.call_soon(self._again)

    def _end(self) -> None:
        """Closes, once the client has had time to read the answer: closing on bytes that were not read would reset the connection."""
        transport = self._transport
        if not self._unread or not transport.can_write_eof():
            transport.close()
            return
        self._draining = True
        self._filled = 0
        transport.write_eof()
        transport.resume_reading()
        self._gateway.loop.call_later(LINGER_S, transport.close)

    def _again(self) -> None:
        try:
            if not self._busy:
                self._read()
        except BadRequest as problem:
            self._refuse_http(problem)
        except Exception:
            self._fail()

    async def _send_files(self, head: bytes, pieces: list[Piece]) -> None:
        try:
            await send_files(self._gateway.loop, self._transport, head, pieces)
        except OSError:
            self._transport.abort()
            return
        self._answer = None
        self._next()

    def _refuse_http(self, problem: BadRequest) -> None:
        self._drop_body()
        self.reply(HttpResponse(problem.status, [("Content-Type", "text/plain")], f"{problem}\n".encode()))

    def _fail(self) -> None:
        """A mistake of ours that nobody else caught."""
        report("connection", "", self._gateway.debug)
        self._drop_body()
        self._transport.abort()


def _whole_first(headers: dict[str, str]) -> bool:
    """Whether a body must be in memory before anybody knows what it is: a form names its operation, and a signature that
    does not say the body's hash cannot be verified without it."""
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return True
    return "authorization" in headers and "x-amz-content-sha256" not in headers
