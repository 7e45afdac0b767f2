"""HTTP/1.1's grammar (RFC 9112): a request's head, its body's length, the chunked coding, an answer's head. Bytes only, no sockets."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import Literal

from fogbank.kernel.http import HttpRequest, HttpResponse

HEAD_LIMIT = 64 * 1024
_METHODS = frozenset({"GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_VISIBLE = bytes([9, *range(32, 127), *range(128, 256)])
_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}").fullmatch
_LINE_LIMIT = 4096
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}" for s in HTTPStatus}


class BadRequest(Exception):
    """Not HTTP, or not an HTTP that we take: answered with 400 (or the status) and the end of the connection."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def read_head(head: bytes | bytearray, client: str) -> HttpRequest:
    """Parses a request's head (without the empty line that ends it). Raises BadRequest."""
    lines = head.decode("latin-1").split("\r\n")
    if head.translate(None, _VISIBLE) != b"\r\n" * (len(lines) - 1):
        raise BadRequest("control characters in the request's head")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError:
        raise BadRequest("malformed request line") from None
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest("HTTP version not supported", 505)
    if method not in _METHODS and not _TOKEN(method):
        raise BadRequest("malformed method")
    if target[:1] != "/":  # absolute form, as a proxy's client sends it
        _, _, rest = target.partition("://")
        slash = rest.find("/")
        target = rest[slash:] if slash >= 0 else "/"
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    known = _names.get
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest("malformed header")
        lower = known(name) or _header_name(name)
        headers[lower] = value.strip() if lower not in headers else f"{headers[lower]},{value.strip()}"
    if version == "HTTP/1.0" and "connection" not in headers:
        headers["connection"] = "close"
    return HttpRequest(method, path, query, headers, b"", client)


_names: dict[str, str] = {}


def _header_name(name: str) -> str:
    """A header's name in lower case; the spellings seen are remembered, since clients have few. Raises BadRequest."""
    if not _TOKEN(name):
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
    if not length.isascii() or not length.isdigit() or len(length) > 18:
        raise BadRequest("malformed Content-Length")
    return int(length)


def connection_header(headers: dict[str, str]) -> str:
    """What the answer's Connection header must say: nothing, "close", or "keep-alive" where the client needs to hear it."""
    given = headers.get("connection")
    if given is None:
        return ""
    tokens = [token.strip() for token in given.lower().split(",")]
    return "close" if "close" in tokens else "keep-alive" if "keep-alive" in tokens else ""


class Dechunker:
    """HTTP's own chunked coding."""

    def __init__(self) -> None:
        self._line = b""
        self._left = 0
        self._after = False
        self._trailer = False
        self.finished = False

    def feed(self, view: memoryview) -> tuple[list[memoryview], int]:
        """The payload in these bytes, and how many of them belonged to the body. Raises BadRequest."""
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
                if len(self._line) > _LINE_LIMIT:
                    raise BadRequest("malformed chunk")
                continue
            line, self._line = self._line.removesuffix(b"\r"), b""
            self._end_line(line)
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
            if not _SIZE(size):
                raise BadRequest("malformed chunk")
            self._left = int(size, 16)
            self._trailer = not self._left


def answer_head(response: HttpResponse, size: int | Literal["chunked"] | None, connection: str) -> bytes:
    """An answer's head; `size` is None where the end of the connection is the end of the body."""
    status = response.status
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} Error", _date_line()]
    length: int | str | None = None if status == 204 or status == 304 else size
    for name, value in response.headers:
        if name == "Content-Length":
            length = value  # an answer to HEAD says how long the body would be
        else:
            lines.append(f"{name}: {value}")
    if length is not None:
        lines.append("Transfer-Encoding: chunked" if length == "chunked" else f"Content-Length: {length}")
    if connection:
        lines.append(f"Connection: {connection}")
    text = "\r\n".join(lines)
    if text.count("\n") >= len(lines) or text.count("\r") >= len(lines):  # a value that would begin a header of its own
        text = "\r\n".join([line.replace("\r", " ").replace("\n", " ") for line in lines])
    return (text + "\r\n\r\n").encode("latin-1", "replace")


_date: tuple[int, str] = (0, "")


def _date_line() -> str:
    """The Date header, made once a second. The machine's time: a client corrects its own clock by it."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, "Date: " + time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now)))
    return _date[1]
