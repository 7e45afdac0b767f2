"""Request bodies that the client compressed: SDKs do so with large ones."""

from __future__ import annotations

import zlib

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest

UNZIPPED_LIMIT_BYTES = 256 << 20


def plain_form(request: HttpRequest) -> HttpRequest:
    """The request with its form unzipped, where it is one: its Action is inside. (What was signed is the zipped one.)"""
    headers = request.headers
    if headers.get("content-encoding", "").lower() != "gzip":
        return request
    if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return request
    return HttpRequest(request.method, request.path, request.query, headers, unzipped(request.body), request.client)


def unzipped(body: bytes) -> bytes:
    """A gzip'd request body (SDKs compress large ones), up to a limit."""
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = inflate.decompress(body, UNZIPPED_LIMIT_BYTES)
    except zlib.error:
        raise ServiceException("SerializationException", "The request body is not valid gzip.") from None
    if inflate.unconsumed_tail or not inflate.eof:
        raise ServiceException("RequestEntityTooLarge", "The request body is too large, or cut off.", status=413)
    return plain
