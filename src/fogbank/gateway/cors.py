"""Cross-origin calls from a browser: pages of this machine may call the cloud, pages of the internet may not.

Unless what they call says otherwise for itself (`Service.origins`: a bucket with CORS rules): then its rules speak, for all pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fogbank.kernel.http import HttpRequest, HttpResponse

Reply = Callable[[HttpResponse], None]

_OURS = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\]|[a-z0-9.-]+\.localhost)(?::\d+)?")


def allowed(request: HttpRequest) -> str | None:
    """The Origin header where it may call, else None."""
    origin = request.headers.get("origin")
    return origin if origin and _OURS.fullmatch(origin) else None


def headers(origin: str) -> list[tuple[str, str]]:
    """What lets a page read an answer."""
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", "*, ETag, x-amz-request-id, x-amzn-RequestId"),
        ("Vary", "Origin"),
    ]


def is_preflight(request: HttpRequest) -> bool:
    """Whether a browser asks if a page's request to come may be made."""
    return request.method == "OPTIONS" and "access-control-request-method" in request.headers


def readable(reply: Reply, told: list[tuple[str, str]]) -> Reply:
    """A reply whose answers, whatever they are, have the headers that let a page read them."""

    def answer(response: HttpResponse) -> None:
        response.headers = [*response.headers, *told]
        reply(response)

    return answer


def refusal() -> HttpResponse:
    """The answer to a page of the internet: everybody knows our key, so a signature says nothing of who made the page."""
    return HttpResponse(403, [("Content-Type", "text/plain")], b"this origin may not call the cloud\n")


def preflight(request: HttpRequest) -> HttpResponse:
    """The answer to OPTIONS."""
    origin = allowed(request)
    if origin is None:
        return refusal()
    answer = headers(origin)
    answer.append(("Access-Control-Allow-Methods", "GET, PUT, POST, DELETE, HEAD, PATCH"))
    answer.append(("Access-Control-Allow-Headers", request.headers.get("access-control-request-headers", "*")))
    answer.append(("Access-Control-Max-Age", "3600"))
    return HttpResponse(200, answer)
