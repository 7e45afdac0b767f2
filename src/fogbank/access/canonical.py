"""SigV4's canonical forms of a path and a query string.

S3 signs the path as it is sent. All other services sign it normalised and percent-encoded once more.
Source: "Create a signed AWS API request" in the IAM User Guide.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

# Percent-encoded as SigV4 wants it already: unreserved characters and upper-case escapes only.
_encoded_query = re.compile(r"(?:[A-Za-z0-9\-._~=&]|%[0-9A-F]{2})*").fullmatch


def service_path(path: str) -> str:
    """The canonical path for every service but S3: dot segments and double slashes removed, then encoded (again)."""
    return "/" if path == "/" or not path else _service_path(path)


@lru_cache(1024)
def _service_path(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment and segment != ".":
            kept.append(segment)
    normal = "/" + "/".join(kept)
    if kept and path.endswith(("/", "/.", "/..")):
        normal += "/"
    return quote(normal, safe="/~")


def encoded_path(path: str) -> str:
    """S3's canonical path of a client that sent characters it should have escaped: decoded, then encoded once."""
    return quote(unquote_to_bytes(path), safe="/-_.~")


def query_string(query: str, *, plus_is_space: bool = False) -> str:
    """Parameters encoded and sorted by name, then by value; a bare `uploads` becomes `uploads=`."""
    if not query:
        return ""
    if not _encoded_query(query):
        query = _encode(query, plus_is_space)
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    if len(pairs) > 1:
        pairs.sort()
    return "&".join([name + "=" + value.replace("=", "%3D") if "=" in value else name + "=" + value for name, _, value in pairs])


def _encode(query: str, plus_is_space: bool) -> str:
    if plus_is_space:
        query = query.replace("+", "%20")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(f"{quote(unquote_to_bytes(n), safe='-_.~')}={quote(unquote_to_bytes(v), safe='-_.~')}" for n, _, v in pairs)


def header_value(value: str) -> str:
    """Outer blanks removed and inner runs of blanks made one."""
    return " ".join(value.split()) if "  " in value or value[:1] == " " or value[-1:] == " " else value
