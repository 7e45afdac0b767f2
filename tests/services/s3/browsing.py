"""Requests as browsers and visitors make them: plain HTTP, nobody's signature."""

from __future__ import annotations

import http.client
from typing import NamedTuple
from urllib.parse import urlsplit


class Page(NamedTuple):
    """An answer; `headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes


def visit(endpoint: str, host: str, target: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Page:
    """One request to a host in front of the endpoint ("" is the endpoint itself); underscores in header names are hyphens."""
    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port, timeout=60)
    named = f"{host}.localhost:{parts.port}" if host else parts.netloc
    sent = {"Host": named} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, target, body, sent)
    answer = connection.getresponse()
    page = Page(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    connection.close()
    return page
