"""Bodies: streamed, chunked and signed on the way in, checked, compressed; and out of files again."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from .raw import Raw, ask, connected, head, request, signed

LARGE = bytes(range(256)) * 2048  # 512 KiB


def stored(cloud: Any, key: str = "key") -> bytes:
    content: bytes = cloud.client("s3").get_object(Bucket="bucket", Key=key)["Body"].read()
    return content


def kept(cloud: Any) -> list[str]:
    return [each["Key"] for each in cloud.client("s3").list_objects_v2(Bucket="bucket").get("Contents", [])]


def vanished(spool: Any) -> bool:
    """The spool folder is empty, or soon is: threads finish what they are at."""
    end = time.monotonic() + 60
    while spool() and time.monotonic() < end:
        time.sleep(0.01)
    return not spool()


# on the way in


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 32 * 1024 + 1, 64 * 1024, 64 * 1024 + 1, 1 << 20, (5 << 20) + 1])
def test_bodies_of_every_size(cloud: Any, bucket: str, spool: Any, size: int) -> None:
    """Whatever way a body takes (a row, memory, a file), what comes out is what went in, and nothing is left on the way."""
    body = (LARGE * 12)[:size]
    answer = cloud.client("s3").put_object(Bucket=bucket, Key="key", Body=body)
    assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert stored(cloud) == body
    assert not spool()


def aws_chunked(body: bytes, trailer: str, chunk: int = 64 * 1024) -> bytes:
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer.encode() + b"\r\n\r\n"


def streaming(cloud: Any, body: bytes, kind: str, trailer: str = "x-amz-checksum-sha256") -> dict[str, str]:
    """The headers of a put of an aws-chunked body."""
    given_headers = {"Content-Encoding": "aws-chunked", "X-Amz-Trailer": trailer, "X-Amz-Decoded-Content-Length": str(len(body))}
    return signed(cloud.endpoint, "PUT", "/bucket/key", b"", given_headers, payload=kind)


def unsigned_trailer(cloud: Any, body: bytes, content: bytes, trailer: str = "x-amz-checksum-sha256") -> bytes:
    """A put of `content`, which says that it is `body` in chunks that are not signed."""
    made = streaming(cloud, body, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", trailer)
    return head("PUT", "/bucket/key", {**made, "Content-Length": len(content)}) + content


def signed_trailer(cloud: Any, body: bytes, trailer: str) -> bytes:
    """A put of a body in chunks that are signed one after the other, and its trailer at last."""
    made = streaming(cloud, body, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", trailer.partition(":")[0])
    previous = made["Authorization"].rpartition("=")[2]
    date, key = made["X-Amz-Date"], b"AWS4test"
    for part in (date[:8], "us-east-1", "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    scope, empty, content = f"{date}\n{date[:8]}/us-east-1/s3/aws4_request", hashlib.sha256(b"").hexdigest(), b""
    for at in range(0, len(body) + 65536, 65536):
        piece = body[at : at + 65536]
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{scope}\n{previous}\n{empty}\n{hashlib.sha256(piece).hexdigest()}"
        previous = hmac.digest(key, text.encode(), "sha256").hex()
        content += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + (b"\r\n" if piece else b"")
        if not piece:
            break
    of_trailer = hashlib.sha256(f"{trailer}\n".encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256-TRAILER\n{scope}\n{previous}\n{of_trailer}"
    content += f"{trailer}\r\nx-amz-trailer-signature:{hmac.digest(key, text.encode(), 'sha256').hex()}\r\n\r\n".encode()
    return head("PUT", "/bucket/key", {**made, "Content-Length": len(content)}) + content


def sha256_trailer(body: bytes) -> str:
    return "x-amz-checksum-sha256:" + base64.b64encode(hashlib.sha256(body).digest()).decode()


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"])
@pytest.mark.parametrize("size", [0, 10, len(LARGE)])
def test_trailing_checksums(cloud: Any, raw: Raw, bucket: str, algorithm: str, size: int) -> None:
    """An aws-chunked body, its chunks signed or not, is stored without the coding, with the checksum from its trailer."""
    body = LARGE[:size]
    checksum = base64.b64encode(made_digest(algorithm, body)).decode()
    name = f"x-amz-checksum-{algorithm}"
    for content in (
        unsigned_trailer(cloud, body, aws_chunked(body, f"{name}:{checksum}"), name),
        signed_trailer(cloud, body, f"{name}:{checksum}"),
    ):
        assert raw.send(content).answer().status == 200
        answer = cloud.client("s3").get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert (answer["Body"].read(), answer[f"Checksum{algorithm.upper()}"]) == (body, checksum)
        assert answer.get("ContentEncoding") is None
        cloud.client("s3").delete_object(Bucket=bucket, Key="key")


def made_digest(algorithm: str, body: bytes) -> bytes:
    from awscrt import checksums

    if algorithm in ("sha1", "sha256"):
        return hashlib.new(algorithm, body).digest()
    value: int = getattr(checksums, algorithm)(body)
    return value.to_bytes(8 if algorithm == "crc64nvme" else 4, "big")


@pytest.mark.parametrize("at", [200, len(LARGE) // 2, -100, -10])
def test_a_wrong_chunk_signature_is_refused(cloud: Any, raw: Raw, bucket: str, spool: Any, at: int) -> None:
    """A byte changed anywhere in a signed body, its last chunk and its trailer included, is refused, and nothing is kept."""
    content = signed_trailer(cloud, LARGE, sha256_trailer(LARGE))
    first, _, rest = content.partition(b"\r\n\r\n")
    spoilt = bytearray(rest)
    spoilt[at] = ord("0") if spoilt[at] != ord("0") else ord("1")
    answer = raw.send(first + b"\r\n\r\n" + bytes(spoilt)).answer()
    assert answer.status in (400, 403), answer
    assert kept(cloud) == []
    assert vanished(spool)


SPOILT = {
    "wrong checksum": lambda body: aws_chunked(body, sha256_trailer(body + b"x")),
    "changed byte": lambda body: aws_chunked(b"X" + body[1:], sha256_trailer(body)),
    "too short": lambda body: aws_chunked(body[1:], sha256_trailer(body[1:])),
    "too long": lambda body: aws_chunked(body + b"x", sha256_trailer(body + b"x")),
    "cut": lambda body: aws_chunked(body, sha256_trailer(body))[: len(body) // 2],
    "without its end": lambda body: aws_chunked(body, "").removesuffix(b"0\r\n\r\n\r\n"),
    "more after its end": lambda body: aws_chunked(body, sha256_trailer(body)) + b"more",
    "malformed chunk": lambda body: aws_chunked(body, sha256_trailer(body)).replace(b"\r\n", b"\r\nzz", 1),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
@pytest.mark.parametrize("size", [100, len(LARGE)])
def test_spoilt_chunks_are_refused(cloud: Any, raw: Raw, bucket: str, spool: Any, spoil: Any, size: int) -> None:
    """A body that is not what its chunks, lengths or checksum say is refused with 400, and nothing of it is kept."""
    body = LARGE[:size]
    answer = raw.send(unsigned_trailer(cloud, body, spoil(body))).answer()
    assert answer.status == 400, answer
    assert kept(cloud) == []
    assert vanished(spool)


@pytest.mark.parametrize("size", [100, len(LARGE)])
def test_a_wrong_hash_is_refused(cloud: Any, raw: Raw, bucket: str, spool: Any, size: int) -> None:
    """A body whose SHA-256 is not the one that was signed is refused with XAmzContentSHA256Mismatch, and nothing is kept."""
    made = signed(cloud.endpoint, "PUT", "/bucket/key", LARGE[:size])
    content = head("PUT", "/bucket/key", {**made, "Content-Length": size}) + b"X" + LARGE[1:size]
    answer = raw.send(content).answer()
    assert (answer.status, b"<Code>XAmzContentSHA256Mismatch</Code>" in answer.body) == (400, True)
    assert kept(cloud) == []
    assert vanished(spool)


@pytest.mark.parametrize("size", [100, len(LARGE)])
@pytest.mark.parametrize(("member", "code"), [("ContentMD5", "BadDigest"), ("ChecksumSHA256", "BadDigest"), ("ChecksumCRC32", "BadDigest")])
def test_a_wrong_checksum_is_refused(cloud: Any, bucket: str, spool: Any, member: str, code: str, size: int) -> None:
    """A body that does not have the checksum or the MD5 that the request names is refused, and nothing is kept."""
    sizes = {"ContentMD5": 16, "ChecksumSHA256": 32, "ChecksumCRC32": 4}
    with pytest.raises(ClientError) as caught:
        wrong = base64.b64encode(bytes(sizes[member])).decode()
        cloud.client("s3").put_object(Bucket=bucket, Key="key", Body=LARGE[:size], **{member: wrong})
    assert caught.value.response["Error"]["Code"] == code
    assert kept(cloud) == []
    assert vanished(spool)


@pytest.mark.parametrize("way", ["length", "chunked", "aws-chunked"])
def test_an_upload_that_breaks_off_leaves_nothing(cloud: Any, bucket: str, spool: Any, way: str) -> None:
    """A client that goes away in the middle of a large body leaves no file and no object."""
    with connected(cloud.endpoint) as raw:
        if way == "length":
            content = request(cloud.endpoint, "PUT", "/bucket/key", LARGE)
        elif way == "chunked":
            made = signed(cloud.endpoint, "PUT", "/bucket/key", LARGE)
            content = head("PUT", "/bucket/key", {**made, "Transfer-Encoding": "chunked"}) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(LARGE), LARGE)
        else:
            content = unsigned_trailer(cloud, LARGE, aws_chunked(LARGE, sha256_trailer(LARGE)))
        raw.send(content[:-20])
        end = time.monotonic() + 60
        while not spool() and time.monotonic() < end:
            time.sleep(0.01)
        assert spool()
    assert vanished(spool)
    assert kept(cloud) == []


@settings(max_examples=25)
@given(
    size=st.sampled_from([0, 1, 1000, 70_000, 200_000]),
    chunks=st.lists(st.integers(1, 100_000), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 70_000), min_size=1, max_size=6),
)
def test_bytes_may_come_in_any_pieces(cloud: Any, bucket: str, size: int, chunks: list[int], cuts: list[int]) -> None:
    """However a chunked body is cut, into chunks and into packets, what is stored is the body, and the next request is found."""
    body, content, turn, at = LARGE[:size], b"", 0, 0
    while at < size:
        piece = body[at : at + chunks[turn % len(chunks)]]
        content += b"%x\r\n%s\r\n" % (len(piece), piece)
        turn, at = turn + 1, at + len(piece)
        if turn > 200:
            chunks = [100_000]
    made = signed(cloud.endpoint, "PUT", "/bucket/key", body)
    content = head("PUT", "/bucket/key", {**made, "Transfer-Encoding": "chunked"}) + content + b"0\r\n\r\n"
    content += request(cloud.endpoint, "GET", "/bucket/key")
    with connected(cloud.endpoint) as raw:
        turn = 0
        while content:
            cut = cuts[turn % len(cuts)] if turn < 100 else len(content)
            raw.send(content[:cut])
            content, turn = content[cut:], turn + 1
        assert raw.answer().status == 200
        assert raw.answer().body == body


# large calls of other protocols


def test_large_calls(cloud: Any) -> None:
    """A JSON call and a form of several hundred kilobytes are read like small ones, with and without their hash in a header."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    text = "text " * 40_000
    assert sqs.send_message(QueueUrl=url, MessageBody=text)["MD5OfMessageBody"] == hashlib.md5(text.encode()).hexdigest()
    headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
    body = json.dumps({"QueueUrl": url, "MessageBody": text}).encode()
    hashed = {**headers, "X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
    assert ask(cloud.endpoint, "POST", "/", body, hashed, service="sqs").status == 200
    form = b"Action=SendMessage&Version=2012-11-05&QueueUrl=" + url.encode() + b"&MessageBody=" + text.replace(" ", "%20").encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = ask(cloud.endpoint, "POST", "/", form, headers, service="sqs")
    assert (answer.status, b"<MessageId>" in answer.body) == (200, True)
    hashed = {**headers, "X-Amz-Content-SHA256": hashlib.sha256(form).hexdigest()}
    assert ask(cloud.endpoint, "POST", "/", form, hashed, service="sqs").status == 200


def test_a_tampered_large_call_is_refused(cloud: Any, raw: Raw) -> None:
    """The signature covers a large JSON body too, also where a header brings its hash."""
    url = cloud.client("sqs").create_queue(QueueName="queue")["QueueUrl"]
    body = json.dumps({"QueueUrl": url, "MessageBody": "text " * 40_000}).encode()
    for extra in ({}, {"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}):
        headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0", **extra}
        content = request(cloud.endpoint, "POST", "/", body, headers, service="sqs").replace(b"text ", b"tExt ", 1)
        answer = raw.send(content).answer()
        assert (answer.status, b"SignatureDoesNotMatch" in answer.body) == (403, True)
    assert "Messages" not in cloud.client("sqs").receive_message(QueueUrl=url)


@pytest.mark.parametrize("size", [100, 150_000])
def test_compressed_calls(cloud: Any, size: int) -> None:
    """A gzip'd call (SDKs compress large ones; the signature is the compressed body's) is read as what it was."""
    import random

    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    text = random.Random(1).randbytes(size // 2).hex()
    content = gzip.compress(json.dumps({"QueueUrl": url, "MessageBody": text}).encode())
    headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0", "Content-Encoding": "gzip"}
    assert ask(cloud.endpoint, "POST", "/", content, headers, service="sqs").status == 200
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == text
    spoilt = ask(cloud.endpoint, "POST", "/", content[:-5], headers, service="sqs")
    assert 400 <= spoilt.status < 500
    no_gzip = ask(cloud.endpoint, "POST", "/", b"no gzip", headers, service="sqs")
    assert (no_gzip.status, b"SerializationException" in no_gzip.body) == (400, True)


def test_compressed_forms(cloud: Any) -> None:
    """A gzip'd form is read too: its Action is inside."""
    content = gzip.compress(b"Action=GetCallerIdentity&Version=2011-06-15")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    answer = ask(cloud.endpoint, "POST", "/", content, headers, service="sts")
    assert (answer.status, b":root</Arn>" in answer.body) == (200, True)


def test_compressed_objects_stay_compressed(cloud: Any, bucket: str) -> None:
    """On S3, gzip is the object's own encoding: it is stored and given as it came."""
    content = gzip.compress(LARGE)
    cloud.client("s3").put_object(Bucket=bucket, Key="key", Body=content, ContentEncoding="gzip")
    answer = ask(cloud.endpoint, "GET", "/bucket/key")
    assert (answer.body, answer.headers["content-encoding"]) == (content, "gzip")


# on the way out


def test_ranges_of_a_multipart_object(cloud: Any, bucket: str) -> None:
    """Any range of an object of several parts, the last one small, is that range of their concatenation."""
    s3 = cloud.client("s3")
    parts = [LARGE * 10, LARGE[::-1] * 10 + b"x", b"a small last part"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    etags = [
        s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=n, Body=part)["ETag"] for n, part in enumerate(parts, start=1)
    ]
    named = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, start=1)]
    s3.complete_multipart_upload(Bucket=bucket, Key="key", UploadId=upload, MultipartUpload={"Parts": named})
    whole, first = b"".join(parts), len(parts[0])
    second = first + len(parts[1])
    assert stored(cloud) == whole
    for start, end in [
        (0, 0),
        (0, first - 1),
        (first - 1, first),
        (first, second - 1),
        (first - 5, second + 5),
        (second, len(whole) - 1),
        (1, len(whole) + 100),
    ]:
        answer = s3.get_object(Bucket=bucket, Key="key", Range=f"bytes={start}-{end}")
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()) == (206, whole[start : end + 1])
    assert s3.get_object(Bucket=bucket, Key="key", Range="bytes=-7")["Body"].read() == whole[-7:]


def test_a_client_that_does_not_read_does_not_stop_others(cloud: Any, raw: Raw, bucket: str) -> None:
    """A client that asks for a large object and does not read it keeps nobody waiting, and may go away."""
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="key", Body=LARGE * 40)
    lazy = Raw(cloud.endpoint)
    lazy.send(request(cloud.endpoint, "GET", "/bucket/key") * 3)
    lazy.head()
    began = time.monotonic()
    for _ in range(20):
        assert raw.send(request(cloud.endpoint, "GET", "/bucket/missing")).answer().status == 404
    assert time.monotonic() - began < 60
    lazy.close()
    assert stored(cloud) == LARGE * 40
