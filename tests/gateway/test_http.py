"""HTTP, byte by byte: connections, lengths, chunks, expectations, and what is no HTTP at all."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .raw import Answer, Raw, ask, connected, head, request, signed
from .test_bodies import vanished

HOST = {"Host": "localhost"}
WHO = {"service": "sts", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
CALLER = b"Action=GetCallerIdentity&Version=2011-06-15"
BIG = bytes(range(256)) * 1024  # 256 KiB


def who(endpoint: str) -> bytes:
    return request(endpoint, "POST", "/", CALLER, **WHO)  # type: ignore[arg-type]


def is_root(answer: Answer) -> bool:
    return answer.status == 200 and b"arn:aws:iam::000000000000:root" in answer.body


# connections


def test_a_connection_takes_many_requests_one_after_the_other(cloud: Any, raw: Raw) -> None:
    """A connection stays open: a hundred requests get a hundred answers over it."""
    for _ in range(100):
        assert is_root(raw.send(who(cloud.endpoint)).answer())


def test_pipelined_requests_are_answered_in_order(cloud: Any, raw: Raw, bucket: str) -> None:
    """Requests sent without waiting are answered in the order in which they came."""
    for number in range(20):
        cloud.client("s3").put_object(Bucket=bucket, Key=f"k{number}", Body=f"value {number}".encode())
    raw.send(b"".join(request(cloud.endpoint, "GET", f"/{bucket}/k{number}") for number in range(20)))
    assert [raw.answer().body for _ in range(20)] == [f"value {number}".encode() for number in range(20)]


def test_pipelined_files_do_not_mix(cloud: Any, raw: Raw, bucket: str) -> None:
    """An answer from memory and an answer from a file that follow each other come whole, however slowly they are read."""
    small, large = b"s" * 30_000, BIG * 8
    cloud.client("s3").put_object(Bucket=bucket, Key="small", Body=small)
    cloud.client("s3").put_object(Bucket=bucket, Key="large", Body=large)
    names = ["small"] * 600 + ["large", "small"] * 5
    raw.send(b"".join(request(cloud.endpoint, "GET", f"/{bucket}/{name}") for name in names))
    time.sleep(0.3)
    for name in names:
        assert raw.answer().body == (small if name == "small" else large)


def test_connection_close_is_kept(cloud: Any, raw: Raw) -> None:
    """After `Connection: close` (among other tokens, in any case) the answer says close, and the connection is closed."""
    signed_request = who(cloud.endpoint).replace(b"\r\n\r\n", b"\r\nConnection: TE, Close\r\n\r\n", 1)
    answer = raw.send(signed_request).answer()
    assert is_root(answer)
    assert answer.headers["connection"] == "close"
    assert raw.closed()


def test_http_1_0_closes(cloud: Any, raw: Raw) -> None:
    """HTTP/1.0 closes after the answer, which has a length."""
    answer = raw.send(who(cloud.endpoint).replace(b"HTTP/1.1", b"HTTP/1.0", 1)).answer()
    assert is_root(answer)
    assert raw.closed()


def test_http_1_0_keep_alive_is_kept(cloud: Any, raw: Raw) -> None:
    """HTTP/1.0 with `Connection: keep-alive` stays open, and is told so."""
    kept = who(cloud.endpoint).replace(b"HTTP/1.1", b"HTTP/1.0", 1).replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n", 1)
    for _ in range(2):
        answer = raw.send(kept).answer()
        assert is_root(answer)
        assert answer.headers["connection"].lower() == "keep-alive"


def test_half_closed_clients_get_their_answers(cloud: Any, raw: Raw) -> None:
    """A client that says that it will send no more (as `nc -N`) still gets the answers to what it has sent."""
    import socket

    raw.send(who(cloud.endpoint) * 3)
    raw.socket.shutdown(socket.SHUT_WR)
    for _ in range(3):
        assert is_root(raw.answer())
    assert raw.closed()


def test_a_slow_client_is_waited_for(cloud: Any, raw: Raw) -> None:
    """A request that comes one byte at a time is a request, and others are answered in between."""
    content = who(cloud.endpoint)
    with connected(cloud.endpoint) as other:
        for at in range(len(content)):
            raw.send(content[at : at + 1])
            if at % 100 == 0:
                assert is_root(other.send(content).answer())
    assert is_root(raw.answer())


def test_empty_lines_before_a_request_are_skipped(cloud: Any, raw: Raw) -> None:
    """An empty line before a request line is skipped (RFC 9112, 2.2)."""
    assert is_root(raw.send(b"\r\n" + who(cloud.endpoint)).answer())
    assert is_root(raw.send(b"\r\n\r\n" + who(cloud.endpoint)).answer())


def test_the_absolute_form_is_a_path(cloud: Any, raw: Raw, bucket: str) -> None:
    """A target with scheme and host, as clients of a proxy send it, is read as its path."""
    cloud.client("s3").put_object(Bucket=bucket, Key="key", Body=b"here")
    content = request(cloud.endpoint, "GET", f"/{bucket}/key").replace(b"GET /", b"GET " + cloud.endpoint.encode() + b"/", 1)
    assert raw.send(content).answer().body == b"here"


# expectations


def put(cloud: Any, body: bytes, headers: dict[str, str] | None = None, key: str = "key", **how: Any) -> tuple[bytes, bytes]:
    """The head of a put that waits for 100 Continue, and its body."""
    made = signed(cloud.endpoint, "PUT", f"/bucket/{key}", body, headers, **how)
    return head("PUT", f"/bucket/{key}", {**made, "Content-Length": len(body), "Expect": "100-continue"}), body


@pytest.mark.parametrize("body", [b"small", BIG], ids=["small", "large"])
def test_expect_100_continue(cloud: Any, raw: Raw, bucket: str, body: bytes) -> None:
    """A client that expects 100 Continue gets it before it has sent its body, once; then the answer."""
    first, rest = put(cloud, body)
    assert raw.send(first).head()[0] == 100
    assert raw.send(rest).answer().status == 200
    assert cloud.client("s3").get_object(Bucket=bucket, Key="key")["Body"].read() == body


def test_who_does_not_wait_for_continue_is_served(cloud: Any, raw: Raw, bucket: str) -> None:
    """A client that sends its body at once, though it said that it would wait, is not told to continue."""
    first, rest = put(cloud, b"small")
    assert raw.send(first + rest).head()[0] == 200


def test_a_wrong_signature_is_refused_before_the_body(cloud: Any, raw: Raw, bucket: str) -> None:
    """Where the signature is wrong, the refusal comes instead of 100 Continue: no byte of the body is sent."""
    first, _ = put(cloud, BIG, secret="wrong")
    answer = raw.send(first).answer()
    assert (answer.status, b"<Code>SignatureDoesNotMatch</Code>" in answer.body) == (403, True)
    assert raw.closed()


def test_a_refused_body_is_not_read_as_requests(cloud: Any, raw: Raw, bucket: str) -> None:
    """What follows a refused head is its body, never another request: one answer, which the client can read, and the end."""
    first, _ = put(cloud, BIG, secret="wrong")
    hidden = who(cloud.endpoint) * (len(BIG) // len(who(cloud.endpoint)))
    raw.send(first.replace(b"Expect: 100-continue\r\n", b"") + hidden)
    assert raw.answer().status == 403
    assert raw.closed()


def test_a_refusal_can_be_read_after_a_large_body(cloud: Any, raw: Raw, bucket: str) -> None:
    """A client that sends all of a large body before it looks for the answer finds the refusal, not a broken connection."""
    body = BIG * 40  # 10 MiB: more than the sockets hold
    first, _ = put(cloud, body, secret="wrong")
    raw.send(first.replace(b"Expect: 100-continue\r\n", b""))
    raw.send(body)
    assert raw.answer().status == 403


# what is no HTTP

MALFORMED = {
    "a word": b"hello\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no token": b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a control character in the target": b"GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
    "a bare line feed": b"GET / HTTP/1.1\r\nHost: x\nEvil: y\r\n\r\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: x\rEvil: y\r\n\r\n",
    "a null": b"GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n",
    "a negative length": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a length with a sign": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
    "two lengths": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length that is no number": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: one\r\n\r\n",
    "an endless length": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "length and chunks": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "another encoding": b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunks twice": b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests_get_400(cloud: Any, raw: Raw, content: bytes, capfd: Any) -> None:
    """What is not HTTP, or could be read in two ways, is answered with 400 and the end of the connection; no traceback."""
    answer = raw.send(content).answer()
    assert answer.status == 400
    assert answer.headers["connection"] == "close"
    assert raw.closed()
    assert "Traceback" not in capfd.readouterr().err


def test_other_versions_get_505(raw: Raw) -> None:
    """A version of HTTP that we do not speak gets 505."""
    assert raw.send(b"GET / HTTP/3.0\r\nHost: x\r\n\r\n").answer().status == 505


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["unfinished", "finished"])
def test_long_heads_get_431(raw: Raw, end: bytes) -> None:
    """A head of more than 64 KiB gets 431, whether or not it ends."""
    raw.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (100 * 1024) + end)
    assert raw.answer().status == 431
    assert raw.closed()


def test_long_heads_within_the_limit_are_read(cloud: Any, raw: Raw) -> None:
    """A head of 60 KiB is read."""
    headers = {**WHO["headers"], "X-Long": "a" * 60_000}  # type: ignore[dict-item]
    assert is_root(raw.send(request(cloud.endpoint, "POST", "/", CALLER, headers, service="sts")).answer())


# chunked transfer-encoding


def chunked(cloud: Any, body: bytes, sizes: list[int], key: str = "chunked", trailer: bytes = b"") -> bytes:
    """A put of a body in chunks of these sizes, over and over."""
    made = signed(cloud.endpoint, "PUT", f"/bucket/{key}", body)
    content, at, turn = head("PUT", f"/bucket/{key}", {**made, "Transfer-Encoding": "chunked"}), 0, 0
    while at < len(body):
        piece = body[at : at + sizes[turn % len(sizes)]]
        content += f"{len(piece):x}".encode() + (b";name=value" if turn % 3 == 1 else b"") + b"\r\n" + piece + b"\r\n"
        at, turn = at + len(piece), turn + 1
    return content + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("body", [b"", b"x", b"abc" * 1000, BIG], ids=["empty", "one byte", "small", "large"])
def test_chunked_bodies(cloud: Any, raw: Raw, bucket: str, body: bytes) -> None:
    """A body with `Transfer-Encoding: chunked`, extensions and trailers is the joined chunks; the next request follows it."""
    content = chunked(cloud, body, [1, 7, 4096, 100_000], trailer=b"X-Trailer: ignored\r\n")
    assert raw.send(content + request(cloud.endpoint, "GET", f"/{bucket}/chunked")).answer().status == 200
    assert raw.answer().body == body


def test_chunked_calls_of_every_kind(cloud: Any, raw: Raw) -> None:
    """A form and a JSON body may come in chunks too, as large ones do from clients that compute them on the way."""
    made = signed(cloud.endpoint, "POST", "/", CALLER, WHO["headers"], service="sts")  # type: ignore[arg-type]
    content = head("POST", "/", {**made, "Transfer-Encoding": "chunked"})
    assert is_root(raw.send(content + b"%x\r\n%s\r\n0\r\n\r\n" % (len(CALLER), CALLER)).answer())
    body = b'{"QueueName":"queue"}'
    headers = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
    made = signed(cloud.endpoint, "POST", "/", body, headers, service="sqs")
    content = head("POST", "/", {**made, "Transfer-Encoding": "chunked"})
    assert b"/queue" in raw.send(content + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)).answer().body


@pytest.mark.parametrize("spoilt", [b"zz\r\n", b"-1\r\nx", b"1\r\nabc\r\n", b"\r\n", b"1" * 5000, b"f" * 17 + b"\r\n"])
def test_malformed_chunks_get_400(cloud: Any, raw: Raw, bucket: str, spoilt: bytes, spool: Any) -> None:
    """A chunk without a proper size, or longer than it, gets 400 and leaves no file."""
    made = signed(cloud.endpoint, "PUT", "/bucket/key", b"", payload="UNSIGNED-PAYLOAD")
    raw.send(head("PUT", "/bucket/key", {**made, "Transfer-Encoding": "chunked"}) + b"20000\r\n" + b"a" * 0x20000 + b"\r\n" + spoilt)
    assert raw.answer().status == 400
    assert raw.closed()
    assert vanished(spool)


# answers


def test_answers_to_head_have_no_body(cloud: Any, raw: Raw, bucket: str) -> None:
    """An answer to HEAD tells the length of what a GET would give, and has no body; so do refusals. The connection goes on."""
    cloud.client("s3").put_object(Bucket=bucket, Key="small", Body=b"12345")
    cloud.client("s3").put_object(Bucket=bucket, Key="large", Body=BIG)
    raw.send(b"".join(request(cloud.endpoint, "HEAD", f"/{bucket}/{key}") for key in ("small", "large", "missing")))
    assert raw.answer(head=True).headers["content-length"] == "5"
    assert raw.answer(head=True).headers["content-length"] == str(len(BIG))
    assert raw.answer(head=True).status == 404
    assert is_root(raw.send(who(cloud.endpoint)).answer())


def test_answers_without_content(cloud: Any, raw: Raw, bucket: str) -> None:
    """A 204 and a 304 have neither body nor length."""
    cloud.client("s3").put_object(Bucket=bucket, Key="key", Body=b"12345")
    etag = cloud.client("s3").head_object(Bucket=bucket, Key="key")["ETag"]
    answer = raw.send(request(cloud.endpoint, "GET", f"/{bucket}/key", headers={"If-None-Match": etag})).answer()
    assert (answer.status, answer.headers.get("content-length")) == (304, None)
    answer = raw.send(request(cloud.endpoint, "DELETE", f"/{bucket}/key")).answer()
    assert (answer.status, answer.headers.get("content-length")) == (204, None)
    assert is_root(raw.send(who(cloud.endpoint)).answer())


def test_every_answer_has_a_request_id_and_a_date(cloud: Any, raw: Raw, bucket: str) -> None:
    """Answers carry the request id where their protocol has it, each its own, and the date."""
    answer = raw.send(who(cloud.endpoint)).answer()
    assert answer.headers["x-amzn-requestid"].encode() in answer.body
    assert answer.headers["date"].endswith(" GMT")
    first, second = (ask(cloud.endpoint, "GET", f"/{bucket}/missing") for _ in range(2))
    assert b"<RequestId>" + first.headers["x-amz-request-id"].encode() + b"</RequestId>" in first.body
    assert first.headers["x-amz-request-id"] != second.headers["x-amz-request-id"]
    assert first.headers["x-amz-id-2"]


@pytest.mark.parametrize(
    "header", ["content-disposition", "content-type", "cache-control", "content-language", "expires", "content-encoding"]
)
def test_no_header_can_be_put_into_an_answer(cloud: Any, bucket: str, header: str) -> None:
    """A line end in a `response-*` parameter does not begin a header of its own, nor a body."""
    cloud.client("s3").put_object(Bucket=bucket, Key="key", Body=b"body")
    evil = "a%0D%0AEvil%3A%20yes%0D%0A%0D%0A%3Cscript%3E%0AMore%3A%20x%0DLess%3A%20y"
    answer = ask(cloud.endpoint, "GET", f"/{bucket}/key?response-{header}={evil}")
    assert not {"evil", "more", "less"} & set(answer.headers)
    assert answer.status == 400 or answer.body == b"body"
