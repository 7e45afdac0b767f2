"""One HTTP request out of the cloud: to a subscriber, an API destination, an endpoint that takes deliveries."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from fogbank.kernel.context import Context

LIMIT_BYTES = 1 << 20
"""Of an answer; what is more is not read."""


class Fetched(NamedTuple):
    """The answer, with header names in lower case; or `problem`: why there is none (status 0)."""

    status: int
    headers: dict[str, str]
    body: bytes
    problem: str = ""


def fetch(
    ctx: Context, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, timeout_s: float = 15, what: str = ""
) -> Fetched:
    """Sends it beside the loop (Waiting is raised meanwhile). Redirects are not followed, a certificate must hold.

    `what` tells two requests of one task to the same address apart.
    """
    return ctx.beside(what or f"{method} {url}", lambda: _fetch(method, url, dict(headers), body, timeout_s))


def _fetch(method: str, url: str, headers: dict[str, str], body: bytes, timeout_s: float) -> Fetched:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Fetched(0, {}, b"", f"{url} is not an address")
    connection: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            content = answer.read(LIMIT_BYTES)
            return Fetched(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Fetched(0, {}, b"", f"{type(problem).__name__}: {problem}")
