"""HTTP by hand: bytes on a socket, and requests signed as any SDK signs them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Answer(NamedTuple):
    """An HTTP answer as it came: `headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes


class Raw:
    """A connection. Reads answers by their Content-Length."""

    def __init__(self, endpoint: str, timeout_s: float = 60) -> None:
        parts = urlsplit(endpoint)
        self.socket = socket.create_connection((parts.hostname or "localhost", parts.port or 80), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def send(self, content: bytes) -> Raw:
        self.socket.sendall(content)
        return self

    def _more(self) -> None:
        got = self.socket.recv(1 << 16)
        if not got:
            raise EOFError(self._read)
        self._read += got

    def head(self) -> tuple[int, dict[str, str]]:
        """The next status line and headers."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/1.1 "), first
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon, line
            headers[name.lower()] = value.strip()
        return int(first.split(" ")[1]), headers

    def take(self, size: int) -> bytes:
        while len(self._read) < size:
            self._more()
        content, self._read = self._read[:size], self._read[size:]
        return content

    def taken(self) -> bytes:
        """What was read too far."""
        content, self._read = self._read, b""
        return content

    def answer(self, *, head: bool = False) -> Answer:
        """The next answer. `head`: it answers a HEAD, so there is no body."""
        status, headers = self.head()
        if head or status in (100, 204, 304):
            return Answer(status, headers, b"")
        return Answer(status, headers, self.take(int(headers["content-length"])))

    def closed(self) -> bool:
        """The other side has closed, after nothing more."""
        assert not self._read, self._read
        try:
            return not self.socket.recv(1)
        except ConnectionError:
            return True

    def silent(self, for_s: float = 0.2) -> bool:
        """Nothing comes."""
        before = self.socket.gettimeout()
        self.socket.settimeout(for_s)
        try:
            return not self._read and not self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)

    def close(self) -> None:
        self.socket.close()


@contextlib.contextmanager
def connected(endpoint: str) -> Iterator[Raw]:
    raw = Raw(endpoint)
    try:
        yield raw
    finally:
        raw.close()


def head(method: str, target: str, headers: dict[str, Any], version: str = "HTTP/1.1") -> bytes:
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def signed(
    endpoint: str,
    method: str,
    target: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    service: str = "s3",
    secret: str = "test",
    access_key: str = "test",
    payload: str | None = None,
) -> dict[str, str]:
    """The headers of a signed request. `payload` stands for the body's hash (UNSIGNED-PAYLOAD, STREAMING-...)."""
    given = {"Host": urlsplit(endpoint).netloc, **(headers or {})}
    if payload is not None:
        given["X-Amz-Content-SHA256"] = payload
    request = AWSRequest(method, f"http://{given['Host']}{target}", headers=given, data=body)
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(access_key, secret), service, "us-east-1")
    if payload is not None:
        signer.payload = lambda _: payload  # type: ignore[method-assign]
    signer.add_auth(request)
    return dict(request.headers.items())


def request(endpoint: str, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None, **how: Any) -> bytes:
    """A whole signed request with a Content-Length."""
    made = signed(endpoint, method, target, body, headers, **how)
    if body or method in ("PUT", "POST"):
        made["Content-Length"] = str(len(body))
    return head(method, target, made) + body


def ask(endpoint: str, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None, **how: Any) -> Answer:
    """One signed request, and its answer."""
    with connected(endpoint) as raw:
        return raw.send(request(endpoint, method, target, body, headers, **how)).answer(head=method == "HEAD")
