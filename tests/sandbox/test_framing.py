"""The reader of HTTP takes the same out of the same bytes, however they are cut."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.sandbox.framing import End, Expected, Malformed, Message, Piece, Reader, Request

LIMIT = 100

names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).filter(
    lambda n: n not in ("content-length", "transfer-encoding", "expect")
)
values = st.text("abcdefghijklmnop ;=:0123456789", max_size=20).map(str.strip)
fields = st.dictionaries(names, values, max_size=4)
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "PUT"]),
        "path": st.text("abc/-0", min_size=1, max_size=20),
        "headers": fields,
        "body": st.one_of(st.binary(max_size=2 * LIMIT), st.lists(st.binary(min_size=1, max_size=50), max_size=5)),
        "trailers": fields,
    }
)


def written(request: dict[str, Any]) -> bytes:
    body = request["body"]
    headers = dict(request["headers"])
    if isinstance(body, bytes):
        headers["Content-Length"] = str(len(body))
    else:
        headers["Transfer-Encoding"] = "chunked"
        trailers = "".join(f"{name}: {value}\r\n" for name, value in request["trailers"].items())
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in body) + b"0\r\n" + trailers.encode() + b"\r\n"
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request['method']} {request['path']} HTTP/1.1\r\n{head}\r\n".encode() + body


def joined(messages: list[Message]) -> list[Any]:
    """What was said, without where it was cut."""
    said: list[Any] = []
    for message in messages:
        if isinstance(message, Piece) and said and isinstance(said[-1], bytes):
            said[-1] += message.content
        else:
            said.append(message.content if isinstance(message, Piece) else message)
    return said


@given(st.lists(requests, max_size=4), st.lists(st.integers(0, 2000), max_size=12))
def test_cuts_do_not_matter(every: list[dict[str, Any]], cuts: list[int]) -> None:
    """Requests, bodies and trailers are the same whole and in any pieces; a body over the limit is passed over."""
    data = b"".join(map(written, every))
    reader = Reader(LIMIT)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    messages = [m for start, end in itertools.pairwise(places) for m in reader.feed(data[start:end])]
    expected: list[Any] = []
    for request in every:
        body = request["body"]
        whole = isinstance(body, bytes)
        headers = dict(request["headers"]) | ({"content-length": str(len(body))} if whole else {"transfer-encoding": "chunked"})
        large = whole and len(body) > LIMIT
        kept = body if whole and not large else b""
        expected.append(Request(request["method"], request["path"], headers, kept, not whole, large))
        if not whole:
            expected += [b"".join(body)] if body else []
            expected.append(End(request["trailers"]))
    assert joined(messages) == expected


@given(st.binary(max_size=300))
def test_nonsense(data: bytes) -> None:
    """Whatever comes is read or refused."""
    reader = Reader(LIMIT)
    try:
        for at in range(len(data)):
            reader.feed(data[at : at + 1])
    except Malformed:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"GET /\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"x" * 70000,
    ],
)
def test_malformed(data: bytes) -> None:
    """What is not HTTP is refused."""
    with pytest.raises(Malformed):
        Reader(LIMIT).feed(data)


def test_expectation() -> None:
    """A client that waits for "100 Continue" is known before its body comes."""
    messages = Reader(LIMIT).feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert messages == [Expected()]
