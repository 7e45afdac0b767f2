"""HTTP/1.1 as a runtime speaks it, out of bytes as they come: requests, pieces of chunked bodies, trailers. Pure.

It has a reader of its own because it lies on the path of every invocation, and because answers come pipelined: the runtime
that is kept here posts an answer and asks for the next event in one go.
"""

from __future__ import annotations

from typing import NamedTuple

HEAD_LIMIT = 64 << 10
TRAILERS_LIMIT = 4 * HEAD_LIMIT
"""A trailer may carry a failure's whole JSON."""
_AT_ONCE = 64
_DIGITS = 16


class Malformed(ValueError):
    """These bytes are not HTTP."""


class Request(NamedTuple):
    """A request. Where `chunked`, its body follows as `Piece`s and an `End`.

    headers    by lower-case name
    too_large  its body was longer than the reader's limit, and is not here
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    chunked: bool = False
    too_large: bool = False


class Piece(NamedTuple):
    """Some of a chunked body, as it came."""

    content: bytes


class End(NamedTuple):
    """A chunked body is over."""

    trailers: dict[str, str]


class Expected(NamedTuple):
    """The client waits for "100 Continue" before it sends the body."""


Message = Request | Piece | End | Expected


class Reader:
    """Takes bytes as they come on one connection and gives what is complete; equal however they are cut.

    more   there may be further messages in what has come: `feed` gives a few at a time
    held   bytes that are kept until more comes
    """

    __slots__ = ("_body_so_far", "_limit", "_looked", "_missing", "_request", "_rest", "_step", "more")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._request: Request | None = None
        """The one whose body is coming."""
        self._body_so_far = bytearray()
        self._missing = 0
        self._looked = 0
        """How much of the rest has no end of a head in it."""
        self._step = self._head
        self.more = False

    @property
    def held(self) -> int:
        return len(self._rest) + len(self._body_so_far)

    def keep(self, arrived: bytes) -> None:
        """Keeps what came, to be read later."""
        self._rest += arrived
        self.more = True

    def feed(self, arrived: bytes) -> list[Message]:
        """Raises Malformed; nothing can be read after that."""
        given: list[Message] = []
        data = self._rest + arrived if self._rest else arrived
        at, end = 0, len(data)
        while at < end and len(given) < _AT_ONCE:
            after = self._step(data, at, given)
            if after < 0:
                self._looked = end - at
                break
            at = after
            self._looked = 0
        self.more = at < end and len(given) >= _AT_ONCE
        self._rest = data[at:]
        return given

    # one step each: where it went on to read, or -1 where more must come first

    def _head(self, data: bytes, at: int, given: list[Message]) -> int:
        end = data.find(b"\r\n\r\n", at + max(self._looked - 3, 0))
        if end < 0 or end - at > HEAD_LIMIT:
            if len(data) - at > HEAD_LIMIT:
                raise Malformed("the head is too long")
            return -1
        first, *lines = data[at:end].decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Malformed("no request line")
        headers = _fields(lines)
        start = end + 4
        if "chunked" in headers.get("transfer-encoding", ""):
            given.append(Request(words[0], words[1], headers, chunked=True))
            self._step = self._size
        elif (length := _length(headers)) <= len(data) - start and length <= self._limit:
            given.append(Request(words[0], words[1], headers, data[start : start + length]))
            return start + length
        else:
            self._request = Request(words[0], words[1], headers, too_large=length > self._limit)
            self._missing = length
            self._step = self._body
        if "expect" in headers:
            given.append(Expected())
        return start

    def _body(self, data: bytes, at: int, given: list[Message]) -> int:
        request = self._request
        assert request is not None
        take = min(self._missing, len(data) - at)
        if not request.too_large:
            self._body_so_far += data[at : at + take]
        self._missing -= take
        if not self._missing:
            given.append(request._replace(body=bytes(self._body_so_far)))
            self._body_so_far = bytearray()
            self._request = None
            self._step = self._head
        return at + take

    def _size(self, data: bytes, at: int, given: list[Message]) -> int:
        end = data.find(b"\r\n", at)
        if end < 0:
            if len(data) - at > 1024:
                raise Malformed("a chunk's size is too long")
            return -1
        digits = data[at:end].partition(b";")[0].strip()
        if not digits or len(digits) > _DIGITS or digits.strip(b"0123456789abcdefABCDEF"):
            raise Malformed("a chunk's size is no number")
        self._missing = int(digits, 16)
        self._step = self._chunk if self._missing else self._trailers
        return end + 2

    def _chunk(self, data: bytes, at: int, given: list[Message]) -> int:
        take = min(self._missing, len(data) - at)
        given.append(Piece(data[at : at + take]))
        self._missing -= take
        if not self._missing:
            self._step = self._after_chunk
        return at + take

    def _after_chunk(self, data: bytes, at: int, given: list[Message]) -> int:
        if len(data) - at < 2:
            return -1
        if data[at : at + 2] != b"\r\n":
            raise Malformed("a chunk is longer than it said")
        self._step = self._size
        return at + 2

    def _trailers(self, data: bytes, at: int, given: list[Message]) -> int:
        if data.startswith(b"\r\n", at):
            end, after = at, at + 2
        else:
            end = data.find(b"\r\n\r\n", at + max(self._looked - 3, 0))
            after = end + 4
        if end < 0:
            if len(data) - at > TRAILERS_LIMIT:
                raise Malformed("the trailers are too long")
            return -1
        given.append(End(_fields(data[at:end].decode("latin-1").split("\r\n") if end > at else [])))
        self._step = self._head
        return after


def _fields(lines: list[str]) -> dict[str, str]:
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed("a header without a colon")
        fields[name.lower()] = value.strip()
    return fields


def _length(headers: dict[str, str]) -> int:
    said = headers.get("content-length", "0")
    if not (said.isascii() and said.isdigit()) or len(said) > _DIGITS:
        raise Malformed("Content-Length is no number")
    return int(said)
