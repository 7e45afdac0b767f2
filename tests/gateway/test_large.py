"""Memory is constant: bodies of gigabytes go through, in and out, and the process does not grow with them."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from fogbank.testing import Process

from .raw import Raw, head, signed

MIB = 1 << 20
GROWTH_BYTES = 64 * MIB
BLOCK = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    made = Process(tmp_path_factory.mktemp("large") / "data").start()
    s3 = made.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="first", Body=BLOCK * 4)  # everything is imported, threads and buffers are there
    s3.get_object(Bucket="bucket", Key="first")["Body"].read()
    yield made
    made.stop()
    _forget(made.data)


def _forget(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def rss(pid: int) -> int:
    """Resident bytes of a process, by the kernel; 0 where it does not tell."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError


class Watch:
    """The most memory that a process had while something went on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.before = self.most = rss(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, rss(self._pid))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.most - self.before


def body(size: int) -> Iterator[bytes]:
    """`size` bytes, each block other than the one before."""
    for number in range(size // MIB):
        yield number.to_bytes(8, "big") + BLOCK[8:]


def upload_presigned(server: Process, key: str, size: int) -> str:
    """A put by a presigned URL, over a raw socket. Gives back the ETag."""
    url = urlsplit(server.client("s3").generate_presigned_url("put_object", {"Bucket": "bucket", "Key": key}))
    raw = Raw(server.endpoint, 300)
    raw.send(head("PUT", f"{url.path}?{url.query}", {"Host": url.netloc, "Content-Length": size}))
    for block in body(size):
        raw.send(block)
    answer = raw.answer()
    assert answer.status == 200, answer
    raw.close()
    return answer.headers["etag"].strip('"')


def upload_parts(server: Process, key: str, size: int, count: int) -> None:
    """A multipart upload whose parts come aws-chunked."""
    s3 = server.client("s3")
    upload, named = s3.create_multipart_upload(Bucket="bucket", Key=key)["UploadId"], []
    blocks, part = body(size), size // count
    for number in range(1, count + 1):
        target = f"/bucket/{key}?partNumber={number}&uploadId={upload}"
        headers = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(part), "X-Amz-Trailer": "x-amz-checksum-crc32"}
        made = signed(server.endpoint, "PUT", target, b"", headers, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        raw = Raw(server.endpoint, 300)
        raw.send(head("PUT", target, {**made, "Transfer-Encoding": "chunked"}))
        for _ in range(part // MIB):
            inner = b"%x\r\n%s\r\n" % (MIB, next(blocks))
            raw.send(b"%x\r\n%s\r\n" % (len(inner), inner))
        last = b"0\r\n\r\n"
        raw.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(last), last))
        answer = raw.answer()
        assert answer.status == 200, answer
        named.append({"PartNumber": number, "ETag": answer.headers["etag"]})
        raw.close()
    s3.complete_multipart_upload(Bucket="bucket", Key=key, UploadId=upload, MultipartUpload={"Parts": named})


def download(server: Process, key: str, size: int) -> str:
    """A get over a raw socket, into nothing. Gives back the MD5 of what came."""
    raw = Raw(server.endpoint, 300)
    raw.send(head("GET", f"/bucket/{key}", signed(server.endpoint, "GET", f"/bucket/{key}")))
    status, headers = raw.head()
    assert (status, headers["content-length"]) == (200, str(size))
    digest, buffer, first = hashlib.md5(), bytearray(MIB), raw.taken()
    digest.update(first)
    left = size - len(first)
    while left:
        count = raw.socket.recv_into(buffer)
        assert count, "cut off"
        digest.update(memoryview(buffer)[:count])
        left -= count
    raw.close()
    return digest.hexdigest()


def md5(size: int) -> str:
    digest = hashlib.md5()
    for block in body(size):
        digest.update(block)
    return digest.hexdigest()


def through(server: Process, size: int, size_in_parts: int, capsys: Any) -> None:
    """The whole way, with figures."""
    figures = []

    def watched(name: str, size: int, work: Callable[[], Any]) -> Any:
        began = time.monotonic()
        with Watch(server.pid) as watch:
            result = work()
        took = time.monotonic() - began
        figures.append(f"{name}: {size // MIB} MiB in {took:.1f} s ({size / MIB / took:.0f} MiB/s), +{watch.growth / MIB:.0f} MiB")
        assert watch.growth <= GROWTH_BYTES, figures
        return result

    try:
        expected = watched("upload", size, lambda: upload_presigned(server, "one", size))
        assert watched("download", size, lambda: download(server, "one", size)) == expected == md5(size)
        server.client("s3").delete_object(Bucket="bucket", Key="one")
        watched("upload in parts", size_in_parts, lambda: upload_parts(server, "parts", size_in_parts, 4))
        assert watched("download of parts", size_in_parts, lambda: download(server, "parts", size_in_parts)) == md5(size_in_parts)
    finally:
        with capsys.disabled():
            print("\n" + "\n".join(figures))


def test_a_gibibyte_in_constant_memory(server: Process, capsys: Any) -> None:
    """1 GiB at once, and 256 MiB in parts, go in and out unchanged, and the process grows by no more than 64 MiB."""
    through(server, 1024 * MIB, 256 * MIB, capsys)


@pytest.mark.slow
def test_five_gibibytes_in_constant_memory(server: Process, capsys: Any) -> None:
    """5 GiB (the most that one put may bring) goes in and out like 1 GiB."""
    through(server, 5 * 1024 * MIB, 5 * 1024 * MIB, capsys)


def test_ten_uploads_at_once_in_constant_memory(server: Process) -> None:
    """Ten uploads at the same time, and ten downloads that are read slowly, grow the process by no more than 64 MiB."""
    size = 32 * MIB
    with Watch(server.pid) as watch:
        threads = [threading.Thread(target=upload_presigned, args=(server, f"many-{n}", size), daemon=True) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        connections = []
        for number in range(10):
            raw = Raw(server.endpoint)
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            raw.send(head("GET", f"/bucket/many-{number}", signed(server.endpoint, "GET", f"/bucket/many-{number}")))
            assert raw.head()[0] == 200
            connections.append(raw)
        time.sleep(0.2)
        for raw in connections:
            raw.close()
    assert watch.growth <= GROWTH_BYTES, watch.growth / MIB


def test_decisions_that_are_remembered_are_small(server: Process) -> None:
    """That refusals can be explained afterwards does not keep the bodies of the requests in memory."""
    iam, url = server.client("iam"), server.client("sqs").create_queue(QueueName="queue")["QueueUrl"]
    iam.create_user(UserName="jane")
    key = iam.create_access_key(UserName="jane")["AccessKey"]
    jane = server.client("sqs", access_key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    text = "x" * 250_000
    with Watch(server.pid) as watch:
        for _ in range(400):
            with pytest.raises(ClientError, match="AccessDenied"):
                jane.send_message(QueueUrl=url, MessageBody=text)
    assert watch.growth <= GROWTH_BYTES, watch.growth / MIB
