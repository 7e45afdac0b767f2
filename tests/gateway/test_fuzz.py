"""Anything at all on the socket: the cloud answers or closes, and goes on serving others."""

from __future__ import annotations

import socket
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fogbank.gateway.message import BadRequest, Dechunker, body_length, read_head

from .raw import Raw, connected, request
from .test_http import CALLER, WHO, is_root, who

TOKENS = [
    b"GET", b"PUT", b"POST", b"HEAD", b"OPTIONS", b" ", b"/", b"/bucket/key", b"/_fogbank/clock", b"/_fogbank/", b"*", b"?",
    b"?acl&uploads",
    b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b":", b": ", b"Host: localhost", b"Content-Length: ", b"0", b"5", b"99",
    b"100000", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Connection: close", b"X-Amz-Target: ", b"AmazonSQS.SendMessage",
    b"Authorization: AWS4-HMAC-SHA256 ", b"Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
    b"X-Amz-Content-SHA256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD", b"X-Amz-Decoded-Content-Length: 5", b"Content-Encoding: gzip",
    b"Content-Type: application/x-www-form-urlencoded", b"Action=", b"&", b"%", b"%zz",
    b"\0", b"\xff", b"Origin: http://localhost", b"{", b"}",
    b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=", b"X-Amz-Date: 20260101T000000Z", b"Range: bytes=-", b"smithy-protocol: rpc-v2-cbor",
    b"/service/AmazonSQS/operation/SendMessage",
]  # fmt: skip
ANYTHING = st.one_of(
    st.binary(max_size=200), st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=3)), max_size=40).map(b"".join)
)
SETTINGS = settings(max_examples=120)


def survives(cloud: Any, content: bytes) -> bytes:
    """What comes back for these bytes, up to the end of the connection; afterwards the cloud serves others."""
    got = b""
    with connected(cloud.endpoint) as raw:
        raw.send(content)
        raw.socket.shutdown(socket.SHUT_WR)
        try:
            while piece := raw.socket.recv(1 << 16):
                got += piece
        except ConnectionError:
            pass
    with connected(cloud.endpoint) as raw:
        assert is_root(raw.send(who(cloud.endpoint)).answer())
    return got


@SETTINGS
@given(content=ANYTHING)
@example(content=b"GET /_fogbank/clock HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
@example(content=b"POST /_fogbank/clock HTTP/1.1\r\nContent-Length: 1\r\n\r\n[")
def test_any_bytes_are_survived(cloud: Any, capfd: Any, content: bytes) -> None:
    """Whatever bytes come, what goes back (if anything) is HTTP and no 500, no traceback is printed, and others are served."""
    got = survives(cloud, content)
    assert not got or got.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 500" not in got
    printed = capfd.readouterr().err
    assert "Traceback" not in printed, printed
    assert "fogbank:" not in printed, printed


@SETTINGS
@given(at=st.integers(0, 400), instead=st.binary(max_size=4), cut=st.integers(0, 4))
def test_spoilt_requests_are_survived(cloud: Any, capfd: Any, at: int, instead: bytes, cut: int) -> None:
    """A good request with some bytes changed is answered (with a refusal, mostly) or closed, never with 500."""
    content = request(cloud.endpoint, "POST", "/", CALLER, **WHO)  # type: ignore[arg-type]
    got = survives(cloud, content[:at] + instead + content[at + cut :])
    assert not got or got.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 500" not in got
    printed = capfd.readouterr().err
    assert "Traceback" not in printed, printed
    assert "fogbank:" not in printed, printed


def test_many_connections_at_once(cloud: Any) -> None:
    """Three hundred connections, each with half a request, keep nobody from being served; then each is served too."""
    content = who(cloud.endpoint)
    waiting = [Raw(cloud.endpoint).send(content[:50]) for _ in range(300)]
    with connected(cloud.endpoint) as raw:
        assert is_root(raw.send(content).answer())
    for raw in waiting:
        assert is_root(raw.send(content[50:]).answer())
        raw.close()


# the grammar by itself


@settings(max_examples=300)
@given(content=ANYTHING)
def test_heads_are_read_or_refused(content: bytes) -> None:
    """Any head is either read or refused; what is read has a path, and no control characters."""
    try:
        made = read_head(content, "127.0.0.1")
        body_length(made.headers)
    except BadRequest:
        return
    assert made.path.startswith("/")
    assert not any(ord(c) < 32 and c != "\t" for value in made.headers.values() for c in value)


@settings(max_examples=300)
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=50), max_size=8),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=10),
    extension=st.sampled_from([b"", b";a=b", b' ; a="b"']),
    trailer=st.sampled_from([b"", b"X: y\r\n", b"X: y\r\nZ: \r\n"]),
    rest=st.binary(max_size=30),
)
def test_chunks_give_back_what_was_cut(pieces: list[bytes], cuts: list[int], extension: bytes, trailer: bytes, rest: bytes) -> None:
    """The chunked coding gives the same bytes back however they are fed, and takes nothing of what follows."""
    content = b"".join(b"%X%s\r\n%s\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"
    content, length, out, at, turn = content + rest, len(content), b"", 0, 0
    dechunker = Dechunker()
    while not dechunker.finished:
        got, used = dechunker.feed(memoryview(content)[at : at + cuts[turn % len(cuts)]])
        out += b"".join(got)
        at, turn = at + used, turn + 1
    assert (out, at) == (b"".join(pieces), length)


@settings(max_examples=300)
@given(content=st.binary(max_size=100))
def test_any_chunks_are_read_or_refused(content: bytes) -> None:
    """Any bytes as chunks are either decoded, wait for more, or are refused with BadRequest."""
    dechunker = Dechunker()
    try:
        _, used = dechunker.feed(memoryview(content))
    except BadRequest:
        return
    assert used == len(content) or dechunker.finished
