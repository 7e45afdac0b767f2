"""One HTTP exchange, as every room sees it: a request whose head has been read, and the answer to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class HttpRequest:
    """A request as the socket gave it.

    `path` and `query` are raw (still percent-encoded, without the `?`); `headers` has lower-case names,
    a repeated header joined with `,`. `body` is bytes, or an `Upload` (see `store.blobs`) where the
    operation streams. `inside`: it was sent by people's code, out of a box.
    """

    __slots__ = ("body", "client", "headers", "inside", "method", "path", "query")

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], body: Any = b"", client: str = "127.0.0.1") -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.client = client
        self.inside = False


class HttpResponse:
    """An answer. `body` is bytes, or an object with `size` and `parts()` that the listener streams from disk."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[tuple[str, str]], body: Any = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Visit(NamedTuple):
    """A request to a site; `names` are what its host says besides whose site it is."""

    request: HttpRequest
    names: Mapping[str, str]
