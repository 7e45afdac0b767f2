"""What a signature and a decision cost, in microseconds: `python bench/access.py`."""

from __future__ import annotations

import hmac
import json
import timeit
from collections.abc import Callable
from hashlib import sha256

from fogbank.access.context import Context
from fogbank.access.evaluate import Named, Policies, Query, decide
from fogbank.access.policy import Policy, parse
from fogbank.access.principal import Credential, Principal
from fogbank.access.signature import Chunks, Verifier, peek
from fogbank.access.signing import EMPTY_SHA256, Signed, signing_key
from fogbank.kernel.http import HttpRequest

NOW_MS = 1_767_225_600_000
DATE, DAY = "20260101T000000Z", "20260101"
USER = Principal(kind="user", account="111111111111", arn="arn:aws:iam::111111111111:user/ann", user_id="AIDA1", name="ann")
CREDENTIAL = Credential(access_key_id="AKIA1", secret="secret", principal=USER)
QUEUE = "arn:aws:sqs:eu-west-1:111111111111:orders"


def signed_post(body: bytes) -> HttpRequest:
    """A POST with five signed headers."""
    headers = {
        "host": "localhost:4566",
        "content-type": "application/x-amz-json-1.0",
        "x-amz-date": DATE,
        "x-amz-target": "AmazonSQS.SendMessage",
        "x-amzn-query-mode": "true",
    }
    names = sorted(headers)
    signed = ";".join(names)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical = f"POST\n/\n\n{lines}\n{signed}\n{sha256(body).hexdigest()}"
    scope = f"{DAY}/eu-west-1/sqs/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{DATE}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(signing_key("secret", DAY, "eu-west-1", "sqs"), to_sign.encode(), "sha256").hex()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential=AKIA1/{scope}, SignedHeaders={signed}, Signature={signature}"
    headers |= {"user-agent": "Boto3/1.43", "accept-encoding": "identity", "content-length": str(len(body)), "amz-sdk-request": "attempt=1"}
    return HttpRequest("POST", "/", "", headers, body)


def policy(*statements: dict[str, object]) -> Named:
    """A compiled identity policy."""
    return Named("p", parse(json.dumps({"Version": "2012-10-17", "Statement": statements}), "identity"))


# Three policies, six statements.
POLICIES = (
    policy(
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": "arn:aws:dynamodb:*:*:table/orders*"},
        {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}},
        },
    ),
    policy(
        {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:111111111111:orders*"},
        {"Effect": "Deny", "Action": "sqs:DeleteQueue", "Resource": "*"},
    ),
    policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
)


def measure(name: str, call: Callable[[], object], unit: str = "us") -> float:
    """Prints the best of seven rounds."""
    timer = timeit.Timer(call)
    count, _ = timer.autorange()
    best = min(timer.repeat(7, max(1, count // 4))) / max(1, count // 4) * 1e6
    print(f"{name:<58}{best:9.2f} {unit}")
    return best


def unsigned_chunks(size: int) -> tuple[bytes, Signed]:
    """A body of one MiB in chunks of 64 KiB, with its request."""
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    signed = Signed(CREDENTIAL, "AKIA1", "eu-west-1", "s3", "header", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "", b"", "", DATE)
    return chunk * (size // 65536) + b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", signed


def signed_chunks(size: int) -> tuple[bytes, Signed]:
    """The same, each chunk signed."""
    key, scope, previous = signing_key("secret", DAY, "eu-west-1", "s3"), f"{DAY}/eu-west-1/s3/aws4_request", "0" * 64
    signed = Signed(CREDENTIAL, "AKIA1", "eu-west-1", "s3", "header", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", previous, key, scope, DATE)
    out: list[bytes] = []
    for data in [bytes(65536)] * (size // 65536) + [b""]:
        to_sign = f"AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{scope}\n{previous}\n{EMPTY_SHA256}\n{sha256(data).hexdigest()}"
        previous = hmac.digest(key, to_sign.encode(), "sha256").hex()
        out.append(f"{len(data):x};chunk-signature={previous}\r\n".encode() + data + b"\r\n")
    return b"".join(out), signed


def decode(body: bytes, signed: Signed) -> None:
    """Feeds a body as a socket would: 256 KiB at a time."""
    chunks = Chunks(signed)
    view = memoryview(body)
    for at in range(0, len(view), 262_144):
        chunks.feed(view[at : at + 262_144])
    chunks.end()


def main() -> None:
    """Prints the table."""
    verifier, request = Verifier(), signed_post(b'{"QueueUrl":"http://localhost:4566/111111111111/orders","MessageBody":"hello"}')
    find = {"AKIA1": CREDENTIAL}.get
    measure("peek", lambda: peek(request))
    measure("authenticate a POST with five signed headers", lambda: verifier.authenticate(request, NOW_MS, find, "json"))
    policies = Policies(identity=POLICIES)

    def question() -> Query:
        return Query(USER, "sqs:SendMessage", QUEUE, Context(USER, request, "eu-west-1", NOW_MS))

    ready = question()
    measure("make a question", question)
    measure("decide: three policies, six statements", lambda: decide(ready, policies))
    measure("make a question and decide", lambda: decide(question(), policies))
    document = POLICIES[0].policy.document
    measure("compile a policy of three statements", lambda: Policy(document, "identity"))
    size = 16 * 1024 * 1024
    for name, (body, signed) in (("unsigned", unsigned_chunks(size)), ("signed", signed_chunks(size))):
        measure(f"decode 16 MiB in {name} chunks", lambda body=body, signed=signed: decode(body, signed))  # type: ignore[misc]


if __name__ == "__main__":
    main()
