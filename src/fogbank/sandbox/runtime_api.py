"""AWS's Runtime API (2018-06-01) on the listener of a box: the only way a runtime and the workshop speak with one another.

A runtime asks for the next event and waits; it posts an answer or an error and asks again. Where it does both in one go, the
receipt for the answer goes out together with the next event: one system call less on either side.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

from fogbank.sandbox.allowance import CONNECTION, CONNECTIONS, HELD_BYTES, MESSAGE, PIECE, READ
from fogbank.sandbox.framing import HEAD_LIMIT, End, Expected, Malformed, Message, Piece, Reader, Request
from fogbank.sandbox.reports import named
from fogbank.sandbox.turn import ANSWER_BYTES

if TYPE_CHECKING:
    from fogbank.sandbox.environment import Environment
    from fogbank.sandbox.turn import Turn

_ROOT = "/2018-06-01/runtime/"
_NEXT = f"{_ROOT}invocation/next"
_INVOCATION = f"{_ROOT}invocation/"
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PHRASES = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 413: "Payload Too Large"}
_APART = 1 << 16
"""Payloads from this size on are not copied once more to be sent with their head."""


class Connection(asyncio.Protocol):
    """One connection out of a box: of the runtime, or of an extension."""

    __slots__ = ("_choked", "_environment", "_held", "_out", "_posting", "_reader", "_still", "_transport", "_waiting", "parked")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._reader = Reader(ANSWER_BYTES)
        self._transport: Any = None
        self._out: list[bytes] = []
        """Answers that go out with the next ones."""
        self._posting: Turn | None = None
        """Whose chunked body is coming."""
        self.parked = False
        """Its last request is answered later; until then the next is not looked at."""
        self._held = 0
        self._choked = False
        """It does not read what we write."""
        self._waiting: asyncio.TimerHandle | None = None
        """It asked for more than its share of our time: when it goes on."""
        self._still = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        allowance = self._environment.allowance
        allowance.connections += 1
        allowance.spend(CONNECTION)
        stranger = self._environment.peer and transport.get_extra_info("peername")[0] != self._environment.peer
        if stranger or allowance.connections > CONNECTIONS:
            transport.abort()
        if allowance.spent():
            self._environment.flooding()

    def connection_lost(self, problem: Exception | None) -> None:
        self._transport = None
        allowance = self._environment.allowance
        allowance.connections -= 1
        allowance.held -= self._held
        self._held = 0
        if self._waiting is not None:
            self._waiting.cancel()
        if self._posting is not None and self._posting.answer is None:
            self._posting.cut_off()
        self._environment.left(self)

    def pause_writing(self) -> None:
        self._choked = True

    def resume_writing(self) -> None:
        self._choked = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._environment.allowance.spend(READ)
        if self.parked or self._choked or self._waiting is not None:
            self._reader.keep(data)
            self._regulate()
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """Takes what requests are there, as many as may be."""
        reader, allowance = self._reader, self._environment.allowance
        try:
            while True:
                for message in reader.feed(data):
                    self._take(message)
                if not reader.more or self.parked or self._choked:
                    break
                data = b""
                if wait_s := allowance.wait_s():
                    self._waiting = self._environment.house.loop.call_later(wait_s, self._waited)
                    break
        except Malformed as problem:
            self.refuse(400, "InvalidRequest", str(problem))
            self.flush()
            if self._transport is not None:
                self._transport.close()
            return
        if not self.parked:
            self.flush()
        self._regulate()

    def _waited(self) -> None:
        self._waiting = None
        self._go_on()

    def _go_on(self) -> None:
        if self._transport is not None and not self.parked and not self._choked and self._waiting is None:
            if self._reader.more:
                self._read(b"")
            else:
                self._regulate()

    def _regulate(self) -> None:
        """Counts what is kept here, and reads on only where it can be made use of."""
        held, allowance = self._reader.held, self._environment.allowance
        if held != self._held:
            allowance.held += held - self._held
            self._held = held
            if allowance.held > HELD_BYTES and self._transport is not None:
                self._transport.abort()
                return
        if self._waiting is None and not self.parked and (wait_s := allowance.wait_s()):
            self._waiting = self._environment.house.loop.call_later(wait_s, self._waited)
        still = self._choked or self._waiting is not None or (self.parked and held > HEAD_LIMIT)
        if still != self._still and self._transport is not None and not self._transport.is_closing():
            self._still = still
            (self._transport.pause_reading if still else self._transport.resume_reading)()

    # answers

    def reply(self, status: int, document: Any, headers: str = "") -> None:
        body = json.dumps(document, separators=(",", ":")).encode()
        head = f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self._out.append(head.encode() + body)

    def refuse(self, status: int, kind: str, message: str) -> None:
        self.reply(status, {"errorMessage": message, "errorType": kind})

    def accept(self) -> None:
        self._out.append(_ACCEPTED)

    def unpark(self) -> None:
        """Sends what was replied to a request that had been parked."""
        self.parked = False
        self.flush()
        self._next()

    def flush(self) -> None:
        out = self._out
        if out and self._transport is not None:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()

    def deliver(self, head: bytes, payload: bytes) -> None:
        """The answer to a parked request for the next event."""
        self.parked = False
        out = self._out
        if self._transport is not None:
            if len(payload) < _APART:
                self._transport.write(b"".join((*out, head, payload)))
            else:
                self._transport.writelines((*out, head, payload))
        out.clear()
        self._next()

    def _next(self) -> None:
        """What came while the last request was parked is looked at soon."""
        if self._reader.more or self._still:
            self._environment.house.loop.call_soon(self._go_on)

    # requests

    def _take(self, message: Message) -> None:
        environment = self._environment
        environment.allowance.spend(PIECE if isinstance(message, Piece) else MESSAGE)
        if isinstance(message, Request):
            path = message.path
            if path == _NEXT:
                self.parked = True
                if not environment.asked(self):
                    self.parked = False
                    self._not_now("The event has been handed over")
            elif path.startswith(_INVOCATION):
                self._posted(message)
            elif path.startswith(_ROOT):
                self._other(message)
            elif not environment.extensions.take(self, message):
                self.refuse(404, "ResourceNotFound", f"There is no {message.path}")
        elif isinstance(message, Piece):
            self._piece(message.content)
        elif isinstance(message, End):
            self._end(message)
        elif isinstance(message, Expected) and self._transport is not None:
            self._transport.write(_CONTINUE)

    def _posted(self, request: Request) -> None:
        """An answer, or an error, of the invocation that is named."""
        request_id, _, verb = request.path[len(_INVOCATION) :].partition("/")
        turn = self._environment.turn
        if turn is None or turn.invocation.request_id != request_id:
            self.refuse(400, "InvalidRequestID", "Invalid request ID")
            return
        if turn.answer is not None or turn.posting or not turn.delivered:
            self._not_now("The invocation has been answered" if turn.delivered else "The event has not been handed over")
            return
        headers = request.headers
        if verb == "error":
            error_type = headers.get("lambda-runtime-function-error-type", "")
            self._environment.answered(turn, request.body, named(error_type or _kind(request.body)))
            self.accept()
        elif request.chunked:
            turn.streamed = headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming"
            turn.content_type = headers.get("content-type", turn.content_type)
            if turn.streamed and turn.invocation.began is not None:
                turn.invocation.began(turn.content_type)
            turn.posting = True
            self._posting = turn
        elif request.too_large:
            turn.too_large()
            self.refuse(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({ANSWER_BYTES} bytes).")
        else:
            turn.content_type = headers.get("content-type", turn.content_type)
            self._environment.answered(turn, request.body, "")
            self.accept()

    def _not_now(self, message: str) -> None:
        self.refuse(403, "InvalidStateTransition", message)

    def _other(self, request: Request) -> None:
        path = request.path[len(_ROOT) :]
        if path == "init/error":
            error_type = request.headers.get("lambda-runtime-function-error-type", "") or _kind(request.body)
            self._environment.failed_to_begin(request.body, named(error_type))
            self.accept()
        else:
            self.refuse(404, "ResourceNotFound", f"There is no {request.path}")

    def _piece(self, content: bytes) -> None:
        turn = self._posting
        if turn is None or turn.answer is not None:
            return
        try:
            turn.piece(content)
        except OverflowError:
            turn.too_large()

    def _end(self, message: End) -> None:
        turn, self._posting = self._posting, None
        if turn is None:
            return
        if turn.answer is not None:
            if turn.error_type == "Function.ResponseSizeTooLarge":
                self.refuse(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({ANSWER_BYTES} bytes).")
            else:
                self._not_now("The invocation is over")
            return
        error_type = message.trailers.get("lambda-runtime-function-error-type", "")
        if error_type:
            failure = _decoded(message.trailers.get("lambda-runtime-function-error-body", ""))
            self._environment.answered(turn, failure, named(error_type))
        else:
            self._environment.answered(turn, bytes(turn.pieces), "")
        self.accept()


def event_head(turn: Turn, arn: str, deadline_ms: int) -> bytes:
    """The head of the answer that hands over an event."""
    invocation = turn.invocation
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\nLambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {invocation.arn or arn}\r\n"
    )
    if invocation.trace:
        head += f"Lambda-Runtime-Trace-Id: {_one_line(invocation.trace)}\r\n"
    if invocation.client_context:
        head += f"Lambda-Runtime-Client-Context: {_client_context(invocation.client_context)}\r\n"
    if invocation.identity:
        head += f"Lambda-Runtime-Cognito-Identity: {_one_line(invocation.identity)}\r\n"
    return f"{head}Content-Length: {len(invocation.payload)}\r\n\r\n".encode("latin-1", "replace")


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")


def _client_context(said: str) -> str:
    """As JSON in ASCII, from that or from base64 of it."""
    try:
        text = said if said.lstrip().startswith("{") else base64.b64decode(said)
        return json.dumps(json.loads(text))
    except (ValueError, RecursionError):
        return _one_line(said)


def _kind(body: bytes) -> str:
    """The type that an error gives itself."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return "Runtime.Unknown"
    return str(said.get("errorType") or "Runtime.Unknown") if isinstance(said, dict) else "Runtime.Unknown"


def _decoded(trailer: str) -> bytes:
    try:
        return base64.b64decode(trailer, validate=True)
    except ValueError:
        return trailer.encode("latin-1")
