"""The real `aws` command line, after `eval "$(fogbank env)"` and with nothing else said."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from .conftest import Shell

MB = 1_000_000


@pytest.fixture(scope="module")
def big(aws: Shell) -> Path:
    """A file of 100 MB that does not repeat."""
    file = aws.home / "big"
    with file.open("wb") as out:
        for number in range(100):
            out.write(hashlib.shake_128(number.to_bytes(4, "big")).digest(MB))
    return file


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def test_s3_files_both_ways(aws: Shell, big: Path) -> None:
    """`s3 mb`, `cp` of 100 MB up (in parts) and down, `ls`, `presign` and a plain GET: the same bytes."""
    assert "make_bucket: files" in aws("s3", "mb", "s3://files")
    aws("s3", "cp", big, "s3://files/folder/big", "--no-progress")
    assert f"{100 * MB} folder/big" in aws("s3", "ls", "s3://files", "--recursive")
    assert aws("s3", "ls", "s3://files/").split() == ["PRE", "folder/"]
    aws("s3", "cp", "s3://files/folder/big", aws.home / "back", "--no-progress")
    assert digest(aws.home / "back") == digest(big)
    url = aws("s3", "presign", "s3://files/folder/big")
    assert url.startswith(aws.server.endpoint)
    with urllib.request.urlopen(url) as answer:
        assert hashlib.sha256(answer.read()).hexdigest() == digest(big)
    assert "NoSuchKey" in aws.refused("s3api", "get-object", "--bucket", "files", "--key", "missing", "x")


def test_s3_sync_and_removal(aws: Shell) -> None:
    """`s3 sync` up and down, with changes and `--delete`; `rm --recursive`; `rb`."""
    here, there = aws.home / "here", aws.home / "there"
    (here / "sub").mkdir(parents=True)
    for name in ("a.txt", "b c.txt", "sub/ü.txt"):
        (here / name).write_text(name)
    for file in here.rglob("*.txt"):
        os.utime(file, (1_700_000_000, 1_700_000_000))  # S3's times are whole seconds: a file of this second would look newer
    aws("s3", "mb", "s3://synced")
    aws("s3", "sync", here, "s3://synced/x", "--no-progress")
    assert aws("s3", "sync", here, "s3://synced/x", "--no-progress") == ""
    (here / "a.txt").unlink()
    (here / "b c.txt").write_text("changed, and longer")
    said = aws("s3", "sync", here, "s3://synced/x", "--delete", "--no-progress")
    assert sorted(line.split(":")[0] for line in said.splitlines()) == ["delete", "upload"]
    aws("s3", "sync", "s3://synced/x", there, "--no-progress")
    assert {p.name: p.read_text() for p in there.rglob("*.txt")} == {"b c.txt": "changed, and longer", "ü.txt": "sub/ü.txt"}
    aws("s3", "rm", "s3://synced", "--recursive")
    assert "remove_bucket: synced" in aws("s3", "rb", "s3://synced")


def test_sqs_messages(aws: Shell) -> None:
    """`sqs create-queue`, `send-message`, `receive-message`, `delete-message`."""
    url = aws.json("sqs", "create-queue", "--queue-name", "queue")["QueueUrl"]
    assert url.startswith(aws.server.endpoint)
    attributes = '{"kind":{"DataType":"String","StringValue":"greeting"}}'
    sent = aws.json("sqs", "send-message", "--queue-url", url, "--message-body", "hello", "--message-attributes", attributes)
    got = aws.json("sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "5", "--message-attribute-names", "All")[
        "Messages"
    ][0]
    assert (got["MessageId"], got["Body"], got["MD5OfBody"]) == (sent["MessageId"], "hello", sent["MD5OfMessageBody"])
    assert got["MessageAttributes"]["kind"]["StringValue"] == "greeting"
    aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", got["ReceiptHandle"])
    assert aws("sqs", "receive-message", "--queue-url", url) == ""
    assert "NonExistentQueue" in aws.refused("sqs", "get-queue-url", "--queue-name", "missing")


def test_s3_events_arrive_in_a_queue(aws: Shell) -> None:
    """With `put-bucket-notification-configuration`, an object's creation arrives as a message, once the queue's policy lets S3 in."""
    aws("s3", "mb", "s3://events")
    url = aws.json("sqs", "create-queue", "--queue-name", "events")["QueueUrl"]
    arn = aws.json("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "QueueArn")["Attributes"]["QueueArn"]
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    configure = ("s3api", "put-bucket-notification-configuration", "--bucket", "events", "--notification-configuration", json.dumps(wanted))
    assert "Unable to validate the following destination configurations" in aws.refused(*configure)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::events"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws("sqs", "set-queue-attributes", "--queue-url", url, "--attributes", json.dumps({"Policy": policy}))
    aws(*configure)
    (aws.home / "note").write_text("hello")
    aws("s3", "cp", aws.home / "note", "s3://events/a note", "--no-progress")
    records: list[dict[str, Any]] = []
    end = time.monotonic() + 60
    while not records and time.monotonic() < end:
        answer = aws(
            "sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "5", "--max-number-of-messages", "10", "--output", "json"
        )
        for message in json.loads(answer)["Messages"] if answer else ():
            records += json.loads(message["Body"]).get("Records", [])
    assert records[0]["eventName"] == "ObjectCreated:Put"
    assert records[0]["s3"]["bucket"]["name"] == "events"
    assert (records[0]["s3"]["object"]["key"], records[0]["s3"]["object"]["size"]) == ("a+note", 5)


def test_a_user_may_what_the_policy_says(aws: Shell) -> None:
    """A new user's key may nothing; with a policy it may what that allows, and every refusal says what, on what, and why."""
    (aws.home / "file").write_text("shared")
    s3 = aws.server.client("s3")
    s3.create_bucket(Bucket="shared")
    for key in ("public/file", "secret/file"):
        s3.put_object(Bucket="shared", Key=key, Body=b"shared")
    aws("iam", "create-user", "--user-name", "jane")
    key = aws.json("iam", "create-access-key", "--user-name", "jane")["AccessKey"]
    jane = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    assert aws("sts", "get-caller-identity", "--query", "Arn", "--output", "text", **jane) == "arn:aws:iam::000000000000:user/jane"
    said = aws.refused("s3api", "get-object", "--bucket", "shared", "--key", "public/file", "x", **jane)
    why = "because no identity-based policy allows the s3:GetObject action"
    who = "User: arn:aws:iam::000000000000:user/jane is not authorized to perform: s3:GetObject"
    assert f'{who} on resource: "arn:aws:s3:::shared/public/file" {why}' in said
    statements = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shared/*"},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::shared",
            "Condition": {"StringLike": {"s3:prefix": "public/*"}},
        },
        {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::shared/secret/*"},
        {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:jane-*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    aws("iam", "put-user-policy", "--user-name", "jane", "--policy-name", "reader", "--policy-document", document)
    assert aws("s3", "cp", "s3://shared/public/file", "-", **jane) == "shared"
    assert "file" in aws("s3", "ls", "s3://shared/public/", **jane)
    assert "not authorized to perform: s3:ListBucket" in aws.refused("s3", "ls", "s3://shared/", **jane)
    said = aws.refused("s3api", "get-object", "--bucket", "shared", "--key", "secret/file", "x", **jane)
    assert "with an explicit deny in an identity-based policy" in said
    assert "not authorized to perform: s3:PutObject" in aws.refused("s3", "cp", aws.home / "file", "s3://shared/public/new", **jane)
    assert "not authorized to perform: iam:ListUsers" in aws.refused("iam", "list-users", **jane)
    assert aws.json("sqs", "create-queue", "--queue-name", "jane-s", **jane)["QueueUrl"]
    assert "not authorized to perform: sqs:createqueue" in aws.refused("sqs", "create-queue", "--queue-name", "other", **jane).lower()
    aws("iam", "delete-user-policy", "--user-name", "jane", "--policy-name", "reader")
    assert "403" in aws.refused("s3", "cp", "s3://shared/public/file", "-", **jane)


def test_a_kill_in_the_middle(aws: Shell, big: Path) -> None:
    """kill -9 of the cloud during an upload: after a new start what was acknowledged is there, and the upload works."""
    aws("s3", "mb", "s3://durable")
    aws("s3", "cp", big, "s3://durable/before", "--no-progress")
    sqs = aws.server.client("sqs")
    url = sqs.create_queue(QueueName="durable")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="still here")
    aws.server.client("iam").create_user(UserName="durable")
    upload = subprocess.Popen(
        aws.command("s3", "cp", big, "s3://durable/during", "--no-progress", AWS_MAX_ATTEMPTS="1"),
        env=aws.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    s3 = aws.server.client("s3")
    end = time.monotonic() + 60
    while not s3.list_multipart_uploads(Bucket="durable").get("Uploads"):
        assert time.monotonic() < end
        time.sleep(0.01)
    aws.server.kill()
    assert upload.wait(60) != 0
    aws.server.start()
    assert aws("s3", "ls", "s3://durable").split()[2:] == [str(100 * MB), "before"]
    aws("s3", "cp", "s3://durable/before", aws.home / "again", "--no-progress")
    assert digest(aws.home / "again") == digest(big)
    assert aws.json("sqs", "receive-message", "--queue-url", url)["Messages"][0]["Body"] == "still here"
    assert aws.json("iam", "get-user", "--user-name", "durable")["User"]["UserName"] == "durable"
    aws("s3", "cp", big, "s3://durable/during", "--no-progress")
    assert not list((aws.server.data / "blobs" / "incoming").iterdir())
