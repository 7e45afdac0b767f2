"""The cloud moved through time: clones, backtrack, snapshots and the clock, over the command line as people use it."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.testing import Process
from fogbank.testing.cloud import boto

from .conftest import Fogbank

LARGE = bytes(range(256)) * 4096  # 1 MiB: a file, not a row


class Shell:
    """Commands to one cloud that must succeed; their output."""

    def __init__(self, fogbank: Fogbank, endpoint: str) -> None:
        self._fogbank = fogbank
        self.endpoint = endpoint

    def __call__(self, *arguments: str | Path) -> str:
        answer = self._fogbank(*arguments, FOGBANK_ENDPOINT=self.endpoint)
        assert (answer.returncode, answer.stderr) == (0, ""), answer
        return answer.stdout.strip()

    def wrong(self, *arguments: str | Path) -> str:
        """Of a command that must be refused in one line: the line."""
        answer = self._fogbank(*arguments, FOGBANK_ENDPOINT=self.endpoint)
        assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (1, "", 1), answer
        return answer.stderr


@pytest.fixture
def shell(server: Process, fogbank: Fogbank) -> Shell:
    """The command line on an empty cloud, by the wall's time as far as the test leaves it so."""
    made = Shell(fogbank, server.endpoint)
    made("reset")
    return made


@pytest.fixture
def s3(server: Process, shell: Shell) -> Any:
    return server.client("s3")


def filled(s3: Any, bucket: str = "bucket") -> None:
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="small", Body=b"small")
    s3.put_object(Bucket=bucket, Key="large", Body=LARGE)


def is_whole(s3: Any, bucket: str = "bucket") -> bool:
    """The bucket and its objects are there, byte by byte."""
    return (
        s3.get_object(Bucket=bucket, Key="small")["Body"].read() == b"small"
        and s3.get_object(Bucket=bucket, Key="large")["Body"].read() == LARGE
    )


def buckets(s3: Any) -> set[str]:
    return {b["Name"] for b in s3.list_buckets()["Buckets"]}


def emptied(s3: Any) -> None:
    for key in ("small", "large"):
        s3.delete_object(Bucket="bucket", Key=key)
    s3.delete_bucket(Bucket="bucket")


def sequence(shell: Shell) -> int:
    found = re.search(r"@(\d+)", shell("status"))
    assert found
    return int(found[1])


# clones


def test_a_clone_and_its_source_change_independently(shell: Shell, s3: Any) -> None:
    """A clone has a port of its own and everything that was there; what changes on one side is not seen on the other."""
    filled(s3)
    where = shell("clone", "copy")
    try:
        assert where != shell.endpoint
        copy = boto(where, "s3")
        assert is_whole(copy)
        emptied(copy)
        copy.create_bucket(Bucket="only-in-the-copy")
        s3.create_bucket(Bucket="only-in-the-source")
        assert is_whole(s3)
        assert buckets(s3) == {"bucket", "only-in-the-source"}
        assert buckets(copy) == {"only-in-the-copy"}
        assert f"copy: {where}" in shell("status")
        assert "already" in shell.wrong("clone", "copy")
    finally:
        shell("clone", "copy", "--drop")
    assert "copy" not in shell("status")
    assert "no clone named copy" in shell.wrong("clone", "copy", "--drop")
    assert "main" in shell.wrong("clone", "main", "--drop")


def test_a_dropped_clone_answers_no_more(shell: Shell, s3: Any) -> None:
    """After --drop nobody can connect, and a connection that was open is closed without serving; its name is free again."""
    where = shell("clone", "copy")
    open_connection = http.client.HTTPConnection(where.removeprefix("http://"), timeout=60)
    open_connection.request("GET", "/_fogbank/health")
    assert json.loads(open_connection.getresponse().read())["cloud"] == "copy"
    shell("clone", "copy", "--drop")
    with pytest.raises(OSError):
        http.client.HTTPConnection(where.removeprefix("http://"), timeout=60).connect()
    open_connection.request("GET", "/_fogbank/health")
    assert open_connection.getresponse().status == 410
    s3.create_bucket(Bucket="later")
    again = shell("clone", "copy")
    assert buckets(boto(again, "s3")) == {"later"}
    shell("clone", "copy", "--drop")


def test_commands_act_on_the_cloud_that_they_are_sent_to(shell: Shell, s3: Any, fogbank: Fogbank) -> None:
    """Reset and clock of a clone leave the source alone; a clone of a clone is a clone."""
    filled(s3)
    copy = Shell(fogbank, shell("clone", "copy"))
    try:
        third = Shell(fogbank, copy("clone", "third"))
        copy("clock", "advance", "1 day")
        copy("reset")
        assert buckets(boto(copy.endpoint, "s3")) == set()
        assert is_whole(s3)
        assert is_whole(boto(third.endpoint, "s3"))
        days = [datetime.fromisoformat(each("clock").split()[0]) for each in (shell, third)]
        assert days[1] - days[0] < timedelta(minutes=1)
    finally:
        shell("clone", "third", "--drop")
        shell("clone", "copy", "--drop")


def test_clones_are_there_after_a_restart(tmp_path: Path, fogbank: Fogbank) -> None:
    """After kill -9 and a new start the clones are back, each with what it had, at the address that `status` tells."""
    server = Process(tmp_path / "data").start()
    try:
        shell = Shell(fogbank, server.endpoint)
        filled(server.client("s3"))
        copy = boto(shell("clone", "copy"), "s3")
        copy.create_bucket(Bucket="only-in-the-copy")
        server.client("s3").create_bucket(Bucket="only-in-the-source")
        shell("clone", "gone")
        shell("clone", "gone", "--drop")
        server.kill()
        server.start()
        found = re.search(r"copy: (\S+),", shell("status"))
        assert found
        copy = boto(found[1], "s3")
        assert buckets(copy) == {"bucket", "only-in-the-copy"}
        assert is_whole(copy)
        assert buckets(server.client("s3")) == {"bucket", "only-in-the-source"}
        assert "gone" not in shell("status")
    finally:
        server.stop()


# backtrack


def test_backtrack_to_a_sequence_number_and_undo(shell: Shell, s3: Any) -> None:
    """`--to @N` brings a deleted bucket back with its objects, and prints the number that undoes it; so on, to and fro."""
    filled(s3)
    before = sequence(shell)
    emptied(s3)
    s3.create_bucket(Bucket="later")
    said = shell("backtrack", "--to", f"@{before}")
    assert f"@{before}" in said
    assert is_whole(s3)
    assert buckets(s3) == {"bucket"}
    undo = said.rpartition("--to ")[2]
    s3.create_bucket(Bucket="meanwhile")
    shell("backtrack", "--to", undo)
    assert buckets(s3) == {"later"}
    shell("backtrack", "--to", f"@{before}")
    assert buckets(s3) == {"bucket"}
    assert is_whole(s3)


@pytest.mark.parametrize("form", ["ago", "timestamp", "unix time"])
def test_backtrack_to_an_instant(shell: Shell, s3: Any, form: str) -> None:
    """'2 seconds ago', a timestamp and a Unix time bring the cloud back to how it was then."""
    filled(s3)
    at = datetime.now(UTC)
    shell("clock", "advance", "10 minutes")  # the cloud's time, not the wall's
    at += timedelta(minutes=5)
    emptied(s3)
    to = {"ago": "5 minutes ago", "timestamp": at.isoformat(), "unix time": f"{at.timestamp():.3f}"}[form]
    shell("backtrack", "--to", to)
    assert is_whole(s3)
    now = datetime.fromisoformat(shell("clock").split()[0])
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=11)


def test_backtrack_survives_a_kill(tmp_path: Path, fogbank: Fogbank) -> None:
    """A cloud that was taken back is so after kill -9 too, and can still be undone."""
    server = Process(tmp_path / "data").start()
    try:
        shell = Shell(fogbank, server.endpoint)
        s3 = server.client("s3")
        filled(s3)
        before = sequence(shell)
        emptied(s3)
        undo = shell("backtrack", "--to", f"@{before}").rpartition("--to ")[2]
        server.kill()
        server.start()
        assert is_whole(s3)
        shell("backtrack", "--to", undo)
        assert buckets(s3) == set()
    finally:
        server.stop()


def test_moments_that_cannot_be_reached(shell: Shell, s3: Any) -> None:
    """What is no moment, still to come, or before the beginning is refused in one line, and nothing changes."""
    filled(s3)
    assert "moment" in shell.wrong("backtrack", "--to", "yesterday-ish")
    assert "still to come" in shell.wrong("backtrack", "--to", "@999999999")
    assert "still to come" in shell.wrong("backtrack", "--to", "2999-01-01")
    assert "before the beginning" in shell.wrong("backtrack", "--to", "2001-01-01")
    assert is_whole(s3)


def test_who_waits_is_asked_again_after_a_backtrack(server: Process, shell: Shell) -> None:
    """A long poll that a backtrack meets goes on with the queue as it was then: the message of then comes."""
    sqs = server.client("sqs")
    shell("clock", "freeze")  # no poll ends of itself
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    before = sequence(shell)
    sqs.purge_queue(QueueUrl=url)
    shell("clock", "advance", "2m")
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)), daemon=True)
    thread.start()
    time.sleep(0.3)
    shell("backtrack", "--to", f"@{before}")
    thread.join(60)
    assert [m["Body"] for m in got[0]["Messages"]] == ["hello"]


# snapshots


def test_a_snapshot_goes_into_another_cloud(shell: Shell, s3: Any, server: Process, tmp_path: Path, fogbank: Fogbank) -> None:
    """A snapshot has everything, large values too; another cloud that loads it is the same; the loading can be undone."""
    filled(s3)
    server.client("iam").create_user(UserName="jane")
    file = tmp_path / "cloud.fogbank"
    shell("snapshot", "save", file)
    emptied(s3)
    other = Process(tmp_path / "other").start()
    try:
        there = Shell(fogbank, other.endpoint)
        other.client("s3").create_bucket(Bucket="goes")
        before = sequence(there)
        damaged = tmp_path / "damaged"
        content = bytearray(file.read_bytes())
        content[content.index(b"blobs/") + 2000] ^= 1
        damaged.write_bytes(content)
        assert "damaged" in there.wrong("snapshot", "load", damaged)
        assert buckets(other.client("s3")) == {"goes"}
        there("snapshot", "load", file)
        assert buckets(other.client("s3")) == {"bucket"}
        assert is_whole(other.client("s3"))
        assert other.client("iam").get_user(UserName="jane")["User"]["UserName"] == "jane"
        other.kill()
        other.start()
        assert is_whole(other.client("s3"))
        there("backtrack", "--to", f"@{before}")
        assert buckets(other.client("s3")) == {"goes"}
    finally:
        other.stop()
    shell("snapshot", "load", file)
    assert is_whole(s3)


def test_files_that_are_no_snapshots(shell: Shell, s3: Any, tmp_path: Path) -> None:
    """A file that is missing, no snapshot or cut off is refused in one line, and nothing changes."""
    filled(s3)
    file = tmp_path / "file"
    assert str(file) in shell.wrong("snapshot", "load", file)
    file.write_bytes(b"no snapshot")
    assert "not a snapshot" in shell.wrong("snapshot", "load", file)
    shell("snapshot", "save", file)
    whole = file.read_bytes()
    for spoilt in (whole[:-600_000], whole[:3000]):
        file.write_bytes(spoilt)
        assert " is not a " in shell.wrong("snapshot", "load", file)
    assert "missing" in shell.wrong("snapshot", "save", tmp_path / "missing" / "file")
    assert is_whole(s3)
    assert "loading" not in shell("status")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# the clock


def test_the_clock_is_moved_and_stopped(shell: Shell) -> None:
    """`advance` moves it, `freeze` stops it, `resume` has it run on from there; moments make sense of it."""

    def now() -> datetime:
        return datetime.fromisoformat(shell("clock").split()[0])

    assert abs(now() - datetime.now(UTC)) < timedelta(minutes=1)
    shell("clock", "advance", "1h30m")
    assert abs(now() - datetime.now(UTC) - timedelta(minutes=90)) < timedelta(minutes=1)
    assert shell("clock", "freeze").endswith("(frozen)")
    stood = now()
    time.sleep(0.05)
    assert now() == stood
    shell("clock", "advance", "10s")
    assert now() - stood == timedelta(seconds=10)
    assert "frozen" not in shell("clock", "resume")
    first = now()
    assert timedelta() <= first - stood - timedelta(seconds=10) < timedelta(minutes=1)
    time.sleep(0.01)
    assert now() > first
    assert "span of time" in shell.wrong("clock", "advance", "soon")
    assert "hundred years" in shell.wrong("clock", "advance", "5000w5000w")


def test_the_clock_ends_presigned_urls_and_sessions(server: Process, shell: Shell, s3: Any) -> None:
    """Advancing the clock expires a presigned URL and the credentials of a session, as time would."""
    filled(s3)
    url = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "small"}, ExpiresIn=600)
    iam = server.client("iam")
    iam.create_user(UserName="jane")
    key = iam.create_access_key(UserName="jane")["AccessKey"]
    jane = server.client("sts", access_key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    made = jane.get_session_token(DurationSeconds=900)["Credentials"]
    session = server.client("sts", access_key=made["AccessKeyId"], secret=made["SecretAccessKey"], token=made["SessionToken"])
    shell("clock", "advance", "9m")
    assert urllib.request.urlopen(url).read() == b"small"
    assert session.get_caller_identity()["Arn"].endswith(":user/jane")
    shell("clock", "advance", "2m")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    assert (caught.value.code, b"expired" in caught.value.read()) == (403, True)
    assert session.get_caller_identity()["Arn"].endswith(":user/jane")
    fresh = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "small"}, ExpiresIn=600)
    assert urllib.request.urlopen(fresh).read() == b"small"
    shell("clock", "advance", "5m")
    with pytest.raises(ClientError) as refused:
        session.get_caller_identity()
    assert refused.value.response["Error"]["Code"] == "ExpiredToken"


def test_the_clock_brings_messages_back(server: Process, shell: Shell) -> None:
    """Advancing the clock returns messages that were invisible, and wakes a long poll that waits for them."""
    sqs = server.client("sqs")
    shell("clock", "freeze")
    url = sqs.create_queue(QueueName="queue", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    shell("clock", "advance", "59m50s")
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)), daemon=True)
    thread.start()
    time.sleep(0.3)
    assert not got
    shell("clock", "advance", "10s")
    thread.join(60)
    assert [m["Body"] for m in got[0]["Messages"]] == ["hello"]


def test_the_clock_is_kept_over_a_restart(tmp_path: Path, fogbank: Fogbank) -> None:
    """How the clock was moved is part of the cloud: after kill -9 it goes on from there."""
    server = Process(tmp_path / "data").start()
    try:
        shell = Shell(fogbank, server.endpoint)
        shell("clock", "advance", "2 days")
        server.kill()
        server.start()
        ahead = datetime.fromisoformat(shell("clock").split()[0]) - datetime.now(UTC)
        assert abs(ahead - timedelta(days=2)) < timedelta(minutes=1)
    finally:
        server.stop()


# explain


def test_explain_names_what_refused(server: Process, shell: Shell) -> None:
    """`explain` of a refused request shows the policy, its statement, and the condition that did not hold, with what it found."""
    iam = server.client("iam")
    iam.create_user(UserName="jane")
    key = iam.create_access_key(UserName="jane")["AccessKey"]
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Elsewhere", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"},
            {
                "Sid": "OnlyInFrankfurt",
                "Effect": "Allow",
                "Action": "sqs:CreateQueue",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}},
            },
        ],
    }
    iam.put_user_policy(UserName="jane", PolicyName="regions", PolicyDocument=json.dumps(document))
    jane = {"access_key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    with pytest.raises(ClientError) as caught:
        server.client("sqs", **jane).create_queue(QueueName="queue")
    response = caught.value.response
    assert "no identity-based policy allows the sqs:createqueue action" in response["Error"]["Message"]
    said = shell("explain", response["ResponseMetadata"]["RequestId"])
    for word in (
        "user/jane",
        "sqs:CreateQueue",
        "arn:aws:sqs:us-east-1:000000000000:queue",
        "regions",
        "OnlyInFrankfurt",
        "StringEquals",
        "aws:RequestedRegion",
        "eu-central-1",
        "us-east-1",
    ):
        assert word in said, said
    allowed = server.client("sqs", **jane, region="eu-central-1").create_queue(QueueName="queue")["ResponseMetadata"]["RequestId"]
    assert "allowed: True" in shell("explain", allowed)
    assert "nothing is remembered" in shell.wrong("explain", "no-such-request")
