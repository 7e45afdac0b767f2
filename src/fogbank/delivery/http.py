"""One HTTP request out of the cloud: to a subscriber, an API destination, an endpoint that takes deliveries."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from fogbank.kernel.context import Context

LIMIT_BYTES = 1 << 20
"""Of an answer; what is more is not read."""
_CONTROL = ("/_fogbank/", "/_localstack/", "/moto-api/")
"""Where clouds are controlled by whoever is on their machine: what a cloud sends for its users must not get there."""


class Fetched(NamedTuple):
    """The answer, with header names in lower case; or `problem`: why there is none (status 0)."""

    status: int
    headers: dict[str, str]
    body: bytes
    problem: str = ""


def address(url: str) -> SplitResult | None:
    """The parts of an address that can be asked: http or https, with a host; None for what is no such address."""
    try:
        parts = urlsplit(url)
        possible = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if possible else None


def fetch(
    ctx: Context, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, timeout_s: float = 15, what: str = ""
) -> Fetched:
    """Sends it beside the loop (Waiting is raised meanwhile). Redirects are not followed, a certificate must hold.

    `timeout_s` is for all of it. `what` tells two requests of one task to the same address apart.
    """
    return ctx.beside(what or f"{method} {url}", lambda: _fetch(method, url, dict(headers), body, timeout_s))


def _fetch(method: str, url: str, headers: dict[str, str], body: bytes, timeout_s: float) -> Fetched:
    parts = address(url)
    if parts is None or unquote(parts.path).startswith(_CONTROL):
        return Fetched(0, {}, b"", f"{url} is not an address that can be asked")
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with _Deadline(connection, timeout_s):
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            content = answer.read(LIMIT_BYTES)
        return Fetched(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Fetched(0, {}, b"", f"{type(problem).__name__}: {problem}")


class _Deadline:
    """A connection that is cut off when its time is over: a socket's own timeout begins anew with every byte."""

    def __init__(self, connection: http.client.HTTPConnection, timeout_s: float) -> None:
        self._connection = connection
        self._over = False
        self._timer = threading.Timer(timeout_s, self._cut)

    def __enter__(self) -> None:
        self._connection.connect()
        self._socket: socket.socket = self._connection.sock
        self._timer.start()

    def _cut(self) -> None:
        self._over = True
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return  # the other side was quicker

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()
        if self._over:
            raise TimeoutError("timed out")
