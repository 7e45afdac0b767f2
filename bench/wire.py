"""How long the wire takes per request, in microseconds: `python bench/wire.py`.

Each line is processor time, the best of twenty runs, and the goal it is held against.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fogbank.kernel.http import HttpRequest
from fogbank.wire.codec import codec
from fogbank.wire.identify import identify
from fogbank.wire.model import service

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
PUT_ITEM = (
    b'{"TableName":"orders","Item":{"pk":{"S":"customer#17"},"sk":{"S":"order#2024-01-01"},"total":{"N":"12.50"},'
    b'"tags":{"SS":["a","b"]},"paid":{"BOOL":true}},"ReturnConsumedCapacity":"TOTAL"}'
)
SEND_MESSAGE = b'{"QueueUrl":"http://localhost:4566/000000000000/jobs","MessageBody":"hello, world","DelaySeconds":0}'
GET_USER = b"Action=GetUser&Version=2010-05-08&UserName=bob"
GET_HEADERS = {
    "host": "localhost:4566",
    "user-agent": "Boto3/1.43 md/Botocore#1.43",
    "x-amz-checksum-mode": "ENABLED",
    "x-amz-date": "20240101T000000Z",
    "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "authorization": "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
    "amz-sdk-invocation-id": "7d0f5b0a-6a0e-4e3e-8f0a-0d4b1b9b7a55",
    "range": "bytes=0-1023",
}
LISTING = {
    "Name": "bucket",
    "Prefix": "",
    "MaxKeys": 1000,
    "KeyCount": 50,
    "IsTruncated": False,
    "Contents": [
        {
            "Key": f"photos/2024/{number:06}.jpg",
            "LastModified": 1_704_067_200_000 + number * 1000,
            "ETag": '"9b2cf535f27731c974343645a3985328"',
            "Size": 1024 + number,
            "StorageClass": "STANDARD",
            "ChecksumAlgorithm": ["CRC64NVME"],
            "ChecksumType": "FULL_OBJECT",
        }
        for number in range(50)
    ],
}


def microseconds(work: Callable[[], Any], rounds: int = 20_000) -> float:
    """The processor time of one call, best of twenty short runs."""
    best = float("inf")
    each = range(rounds // 20)
    for _ in range(20):
        start = time.process_time()
        for _ in each:
            work()
        best = min(best, time.process_time() - start)
    return best / len(each) * 1e6


def memory_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def report(name: str, goal: float, work: Callable[[], Any], rounds: int = 20_000) -> None:
    """Print one line."""
    print(f"{name:<46}{microseconds(work, rounds):>8.2f} us   goal {goal:g}")


def main() -> int:
    """Print every figure."""
    before = memory_mb()
    start = time.perf_counter()
    for name in ("s3", "sqs", "iam", "sts"):
        service(name)
    elapsed = (time.perf_counter() - start) * 1e3
    print(f"{'load s3, sqs, iam, sts':<46}{elapsed:>8.2f} ms   {memory_mb() - before:.1f} MB (goal 12)")
    start = time.perf_counter()
    ec2 = codec("ec2", "RunInstances", "ec2")
    ec2_form = b"Action=RunInstances&Version=2016-11-15&ImageId=ami-1&MinCount=1&MaxCount=1"
    ec2.decode(HttpRequest("POST", "/", "", FORM, ec2_form), None)
    print(f"{'first RunInstances, its model included':<46}{(time.perf_counter() - start) * 1e3:>8.2f} ms")

    put = HttpRequest("POST", "/", "", {"x-amz-target": "DynamoDB_20120810.PutItem"}, PUT_ITEM)
    send = HttpRequest("POST", "/", "", {"x-amz-target": "AmazonSQS.SendMessage"}, SEND_MESSAGE)
    user = HttpRequest("POST", "/", "", FORM, GET_USER)
    get = HttpRequest("GET", "/bucket/photos/2024/000001.jpg", "", GET_HEADERS)
    listing = HttpRequest("GET", "/bucket", "list-type=2&prefix=photos%2F&max-keys=50", GET_HEADERS)
    labels = {"Bucket": "bucket", "Key": "photos/2024/000001.jpg"}
    report("identify DynamoDB PutItem", 0.5, lambda: identify(put, "dynamodb"))
    report("identify IAM GetUser", 2, lambda: identify(user, "iam"))
    report("identify S3 GetObject", 4, lambda: identify(get, "s3"))
    report("identify S3 ListObjectsV2", 6, lambda: identify(listing, "s3"))

    decode = codec("dynamodb", "PutItem", "json").decode
    report("decode DynamoDB PutItem (json)", 2.5, lambda: decode(put, None))
    decode_send = codec("sqs", "SendMessage", "json").decode
    report("decode SQS SendMessage (json)", 1.5, lambda: decode_send(send, None))
    decode_user = codec("iam", "GetUser", "query").decode
    report("decode IAM GetUser (query)", 4, lambda: decode_user(user, None))
    decode_get = codec("s3", "GetObject", "rest-xml").decode
    report("decode S3 GetObject (rest-xml)", 4, lambda: decode_get(get, labels))

    sent = {"MessageId": "0f3ab2c1-1111-2222-3333-444455556666", "MD5OfMessageBody": "5eb63bbbe01eeda093cb22bb8f5acdc3"}
    encode_send = codec("sqs", "SendMessage", "json").encode
    report("encode SQS SendMessage (json)", 1.5, lambda: encode_send(sent, "id"))
    found = {
        "User": {
            "UserName": "bob",
            "UserId": "AIDA0000000000000BOB",
            "Path": "/",
            "Arn": "arn:aws:iam::000000000000:user/bob",
            "CreateDate": 1_704_067_200_000,
        }
    }
    encode_user = codec("iam", "GetUser", "query").encode
    report("encode IAM GetUser (query)", 4, lambda: encode_user(found, "id"))
    encode_list = codec("s3", "ListObjectsV2", "rest-xml").encode
    report("encode S3 ListObjectsV2 of 50 (rest-xml)", 60, lambda: encode_list(LISTING, "id"), 2000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
