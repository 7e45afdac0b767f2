"""Records put, and read in order."""

from __future__ import annotations

import base64
from hashlib import md5
from typing import Any

import pytest

from fogbank.delivery.outbox import OUTBOX
from fogbank.services.kinesis.state import BATCHES


def test_record_comes_through(kinesis: Any, make: Any, read: Any, cloud: Any) -> None:
    """A record is read as it was put, with its key, its arrival and a sequence number of 56 digits."""
    make()
    put = kinesis.put_record(StreamName="stream", PartitionKey="key", Data=b"\x00\xffdata")
    assert put["ShardId"] == "shardId-000000000000"
    assert len(put["SequenceNumber"]) == 56
    assert put["SequenceNumber"].startswith("49")
    assert put["EncryptionType"] == "NONE"
    (record,) = read()
    assert record["Data"] == b"\x00\xffdata"
    assert record["PartitionKey"] == "key"
    assert record["SequenceNumber"] == put["SequenceNumber"]
    assert int(record["ApproximateArrivalTimestamp"].timestamp() * 1000) == cloud.now_ms


def test_many_records_keep_their_order(kinesis: Any, make: Any, read: Any) -> None:
    """PutRecords answers in order; within a shard sequence numbers grow in the order of the records, across calls too."""
    make(shards=3)
    put: dict[str, list[tuple[str, bytes]]] = {}
    for call in range(4):
        entries = [{"PartitionKey": f"k{n % 7}", "Data": b"%d-%d" % (call, n)} for n in range(50)]
        answer = kinesis.put_records(StreamName="stream", Records=entries)
        assert answer["FailedRecordCount"] == 0
        for entry, result in zip(entries, answer["Records"], strict=True):
            put.setdefault(result["ShardId"], []).append((result["SequenceNumber"], entry["Data"]))
    for number in range(3):
        got = [(record["SequenceNumber"], record["Data"]) for record in read(number)]
        assert got == put.get(f"shardId-{number:012d}", [])
        assert [int(one) for one, _ in got] == sorted(int(one) for one, _ in got)
    assert sum(len(one) for one in put.values()) == 200


def test_shard_of_a_key(kinesis: Any, make: Any) -> None:
    """A record goes to the shard whose range has its key's MD5, or its explicit hash."""
    make(shards=4)
    ranges = [shard["HashKeyRange"] for shard in kinesis.list_shards(StreamName="stream")["Shards"]]
    for key in ("a", "b", "c", "ü", "x" * 256):
        number = int(md5(key.encode()).hexdigest(), 16)
        shard = int(kinesis.put_record(StreamName="stream", PartitionKey=key, Data=b"")["ShardId"][-12:])
        assert int(ranges[shard]["StartingHashKey"]) <= number <= int(ranges[shard]["EndingHashKey"])
    for shard, one in enumerate(ranges):
        for hash in one.values():
            put = kinesis.put_record(StreamName="stream", PartitionKey="a", Data=b"", ExplicitHashKey=hash)
            assert int(put["ShardId"][-12:]) == shard


def test_what_cannot_be_put(kinesis: Any, make: Any, refused: Any) -> None:
    """A hash outside of the space, a record that is too large, and a number that comes from nowhere are refused."""
    make()
    put = {"StreamName": "stream", "PartitionKey": "a", "Data": b"x"}
    code, message = refused(kinesis.put_record, **put, ExplicitHashKey=str(1 << 128))
    assert code == "InvalidArgumentException"
    assert message == f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {1 << 128}"
    assert refused(kinesis.put_record, **{**put, "Data": bytes(1 << 20)})[0] == "InvalidArgumentException"
    assert refused(kinesis.put_record, **put, SequenceNumberForOrdering="49")[0] == "InvalidArgumentException"
    last = kinesis.put_record(**put)["SequenceNumber"]
    assert int(kinesis.put_record(**put, SequenceNumberForOrdering=last)["SequenceNumber"]) > int(last)
    assert refused(kinesis.put_record, **{**put, "StreamName": "no"}) == (
        "ResourceNotFoundException",
        "Stream no under account 000000000000 not found.",
    )


def test_larger_records(kinesis: Any, make: Any, read: Any, cloud: Any) -> None:
    """A stream takes records up to its MaxRecordSizeInKiB, which can be changed."""
    arn = make()
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=5120)
    cloud.settle()
    large = bytes(range(256)) * 4096 * 4
    kinesis.put_record(StreamName="stream", PartitionKey="a", Data=large)
    assert [record["Data"] for record in read()] == [large]
    assert kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]["MaxRecordSizeInKiB"] == 5120


def test_positions(kinesis: Any, make: Any, read: Any, cloud: Any, refused: Any) -> None:
    """Each of the five iterator types begins where it says."""
    make()
    numbers = []
    for n in range(3):
        numbers.append(kinesis.put_record(StreamName="stream", PartitionKey="a", Data=b"%d" % n)["SequenceNumber"])
        cloud.advance(10)
    start_s = cloud.now_ms / 1000 - 30
    kinesis.put_records(StreamName="stream", Records=[{"PartitionKey": "a", "Data": b"%d" % n} for n in (3, 4, 5)])

    def data(kind: str, **members: Any) -> bytes:
        cloud.advance(1)
        return b"".join(record["Data"] for record in read(kind=kind, **members))

    assert data("TRIM_HORIZON") == b"012345"
    assert data("LATEST") == b""
    assert data("AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]) == b"12345"
    assert data("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]) == b"2345"
    assert data("AT_TIMESTAMP", Timestamp=start_s) == b"012345"
    assert data("AT_TIMESTAMP", Timestamp=start_s + 0.001) == b"12345"
    assert data("AT_TIMESTAMP", Timestamp=start_s + 25) == b"345"
    middle = str(int(read()[4]["SequenceNumber"]))
    assert data("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=middle) == b"5"
    cloud.advance(1)
    members = {"StreamName": "stream", "ShardId": "shardId-000000000000"}
    kind = {"ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    code, message = refused(kinesis.get_shard_iterator, **members, **kind, StartingSequenceNumber="1234")
    assert code == "InvalidArgumentException"
    assert message == (
        "StartingSequenceNumber 1234 used in GetShardIterator on shard shardId-000000000000 in stream stream under account 000000000000 "
        "is invalid."
    )
    assert refused(kinesis.get_shard_iterator, **members, **kind)[0] == "InvalidArgumentException"
    late = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": cloud.now_ms / 1000 + 5}
    assert refused(kinesis.get_shard_iterator, **members, **late)[0] == "InvalidArgumentException"
    other = {**members, "ShardId": "shardId-000000000009", "ShardIteratorType": "LATEST"}
    assert refused(kinesis.get_shard_iterator, **other) == (
        "ResourceNotFoundException",
        "Shard shardId-000000000009 in stream stream under account 000000000000 does not exist",
    )


def test_iterators_expire(kinesis: Any, arn: str, cloud: Any, refused: Any) -> None:
    """An iterator is good for five minutes of the cloud's clock."""
    kinesis.put_record(StreamARN=arn, PartitionKey="a", Data=b"x")
    asked = {"StreamARN": arn, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
    cloud.advance(300)
    again = kinesis.get_records(ShardIterator=iterator)["NextShardIterator"]
    cloud.advance(1)
    code, message = refused(kinesis.get_records, ShardIterator=iterator)
    assert code == "ExpiredIteratorException"
    assert message.startswith("Iterator expired. The iterator was created at time ")
    assert kinesis.get_records(ShardIterator=again)["Records"] == []
    assert refused(kinesis.get_records, ShardIterator="nonsense") == ("InvalidArgumentException", "Invalid ShardIterator.")


def test_limit_and_lag(kinesis: Any, arn: str, cloud: Any) -> None:
    """Limit cuts an answer; MillisBehindLatest says for how long the next record has been waiting."""
    for n in range(3):
        kinesis.put_record(StreamARN=arn, PartitionKey="a", Data=b"%d" % n)
        cloud.advance(7)
    asked = {"StreamARN": arn, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    first = kinesis.get_records(ShardIterator=kinesis.get_shard_iterator(**asked)["ShardIterator"], Limit=2)
    assert [record["Data"] for record in first["Records"]] == [b"0", b"1"]
    assert first["MillisBehindLatest"] == 7000
    rest = kinesis.get_records(ShardIterator=first["NextShardIterator"])
    assert [record["Data"] for record in rest["Records"]] == [b"2"]
    assert rest["MillisBehindLatest"] == 0


def test_dry_runs(kinesis: Any, arn: str, read: Any, refused: Any) -> None:
    """DryRun says that it would succeed, and does nothing."""
    said = ("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")
    assert refused(kinesis.put_record, StreamARN=arn, PartitionKey="a", Data=b"x", DryRun=True) == said
    assert refused(kinesis.put_records, StreamARN=arn, Records=[{"PartitionKey": "a", "Data": b"x"}], DryRun=True) == said
    assert read() == []


@pytest.mark.parametrize("together", [True, False])
def test_writes_are_throttled(kinesis: Any, make: Any, cloud: Any, refused: Any, together: bool) -> None:
    """A shard takes 1,000 records and 1 MiB a second; what is too much is refused by itself, and goes through a second later."""
    arn = make()
    entries = [{"PartitionKey": "a", "Data": bytes(300_000)} for _ in range(5)]
    sentence = "Rate exceeded for shard shardId-000000000000 in stream stream under account 000000000000."
    if together:
        answer = kinesis.put_records(StreamARN=arn, Records=entries)
        assert answer["FailedRecordCount"] == 2
        assert [("ErrorCode" in one) for one in answer["Records"]] == [False, False, False, True, True]
        assert answer["Records"][4] == {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": sentence}
        cloud.advance(1)
        small = [{"PartitionKey": "a", "Data": b""}] * 500
        assert [kinesis.put_records(StreamARN=arn, Records=small)["FailedRecordCount"] for _ in range(3)] == [0, 0, 500]
    else:
        for entry in entries[:3]:
            kinesis.put_record(StreamARN=arn, **entry)
        assert refused(kinesis.put_record, StreamARN=arn, **entries[3]) == ("ProvisionedThroughputExceededException", sentence)
        cloud.advance(1)
        kinesis.put_record(StreamARN=arn, **entries[3])


def test_reads_are_throttled(kinesis: Any, arn: str, cloud: Any, refused: Any) -> None:
    """A shard answers GetRecords five times a second, whoever asks."""
    asked = {"StreamARN": arn, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
    for _ in range(5):
        kinesis.get_records(ShardIterator=iterator)
    sentence = "Rate exceeded for shard shardId-000000000000 in stream stream under account 000000000000."
    assert refused(kinesis.get_records, ShardIterator=iterator) == ("ProvisionedThroughputExceededException", sentence)
    cloud.advance(0.2)
    kinesis.get_records(ShardIterator=iterator)


def test_ten_megabytes(kinesis: Any, make: Any, cloud: Any, refused: Any) -> None:
    """An answer has at most 10 MiB; after it the shard gives nothing for five seconds."""
    arn = make()
    for _ in range(12):
        kinesis.put_record(StreamARN=arn, PartitionKey="a", Data=bytes(1_000_000))
        cloud.advance(1)
    asked = {"StreamARN": arn, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    first = kinesis.get_records(ShardIterator=kinesis.get_shard_iterator(**asked)["ShardIterator"])
    assert len(first["Records"]) == 10
    assert refused(kinesis.get_records, ShardIterator=first["NextShardIterator"])[0] == "ProvisionedThroughputExceededException"
    cloud.advance(5)
    assert len(kinesis.get_records(ShardIterator=first["NextShardIterator"])["Records"]) == 2


def test_retention(kinesis: Any, make: Any, read: Any, cloud: Any) -> None:
    """Records go after the retention; a longer one does not bring back what was gone, a shorter one takes at once."""
    arn = make()
    kinesis.put_record(StreamARN=arn, PartitionKey="a", Data=b"old")
    cloud.advance(23 * 3600)
    kinesis.put_record(StreamARN=arn, PartitionKey="a", Data=b"new")
    assert [record["Data"] for record in read()] == [b"old", b"new"]
    cloud.advance(2 * 3600)
    assert [record["Data"] for record in read()] == [b"new"]
    kinesis.increase_stream_retention_period(StreamARN=arn, RetentionPeriodHours=48)
    cloud.settle()
    cloud.advance(30 * 3600)
    assert [record["Data"] for record in read()] == [b"new"]
    kinesis.decrease_stream_retention_period(StreamARN=arn, RetentionPeriodHours=24)
    cloud.settle()
    assert read() == []


def test_retention_bounds(kinesis: Any, arn: str, refused: Any) -> None:
    """24 to 8,760 hours; each operation goes its own way only."""
    longer, shorter = kinesis.increase_stream_retention_period, kinesis.decrease_stream_retention_period
    assert refused(longer, StreamARN=arn, RetentionPeriodHours=8761) == (
        "InvalidArgumentException",
        "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
    )
    assert refused(shorter, StreamARN=arn, RetentionPeriodHours=23) == (
        "InvalidArgumentException",
        "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
    )
    assert refused(shorter, StreamARN=arn, RetentionPeriodHours=25)[0] == "InvalidArgumentException"


def test_even_distribution(kinesis: Any, make: Any) -> None:
    """An on-demand stream with AUTO spreads records over its shards, and needs no keys."""
    arn = make(StreamModeDetails={"StreamMode": "ON_DEMAND"}, RecordDistributionStrategy="AUTO")
    answer = kinesis.put_records(StreamARN=arn, Records=[{"PartitionKey": "a", "Data": b""} for _ in range(200)])
    assert len({one["ShardId"] for one in answer["Records"]}) == 4
    kinesis.put_record(StreamARN=arn, Data=b"")
    kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="USER_PARTITION_KEY")
    answer = kinesis.put_records(StreamARN=arn, Records=[{"PartitionKey": "a", "Data": b""} for _ in range(20)])
    assert len({one["ShardId"] for one in answer["Records"]}) == 1


def test_forged_iterators(kinesis: Any, arn: str, refused: Any) -> None:
    """An iterator is good as it was given, and in no other form."""
    iterator = kinesis.get_shard_iterator(StreamName="stream", ShardId="shardId-000000000000", ShardIteratorType="LATEST")["ShardIterator"]
    raw = base64.b64decode(iterator)
    for at in range(0, len(raw), 7):
        forged = base64.b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).decode()
        assert refused(kinesis.get_records, ShardIterator=forged) == ("InvalidArgumentException", "Invalid ShardIterator.")
    for wrong in ("AAAA", "A", iterator[:-4], iterator + "AAAA", "é"):
        assert refused(kinesis.get_records, ShardIterator=wrong)[0] == "InvalidArgumentException"
    kinesis.get_records(ShardIterator=iterator)


def test_trimmed_once(kinesis: Any, make: Any, cloud: Any, read: Any) -> None:
    """However often retention is shortened, one task trims the stream; and it goes on doing so for months."""
    make()
    for _ in range(3):
        kinesis.put_record(StreamName="stream", PartitionKey="a", Data=b"x")
        kinesis.increase_stream_retention_period(StreamName="stream", RetentionPeriodHours=48)
        cloud.settle()
        kinesis.decrease_stream_retention_period(StreamName="stream", RetentionPeriodHours=24)
        cloud.settle()
    for _ in range(3):
        cloud.advance(20 * 3600)
        kinesis.put_record(StreamName="stream", PartitionKey="a", Data=b"x")
    assert [item.task for item in OUTBOX.scan(cloud.inner.reader())].count("kinesis.trim") == 1
    for _ in range(3):
        kinesis.put_record(StreamName="stream", PartitionKey="a", Data=b"y")
        cloud.advance(20 * 86400)
        assert read() == []
        assert not list(BATCHES.scan(cloud.inner.reader()))
