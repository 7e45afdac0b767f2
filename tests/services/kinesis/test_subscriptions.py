"""SubscribeToShard: records pushed as they come."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from fogbank.control import client as control

SHARD = "shardId-000000000000"
END = object()


class Subscriber:
    """Reads a subscription on a thread, so that a test can ask for what came."""

    def __init__(self, kinesis: Any, consumer: str, shard: str = SHARD, **position: Any) -> None:
        start = {"Type": "LATEST", **position}
        self._stream = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition=start)["EventStream"]
        self._came: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for event in self._stream:
                self._came.put(event["SubscribeToShardEvent"])
            self._came.put(END)
        except EventStreamError as problem:
            self._came.put(problem)
        except Exception:
            self._came.put(END)

    def next(self) -> Any:
        """The next event, END, or the error that the stream ended with."""
        return self._came.get(timeout=60)

    def data(self) -> list[bytes]:
        """The data of the next event that has some."""
        while not (records := self.next()["Records"]):
            pass
        return [record["Data"] for record in records]

    def close(self) -> None:
        """Goes away. (Closing the stream itself would wait for its reader.)"""
        shut(self._stream)


def shut(stream: Any) -> None:
    """Ends the connection that a stream is read from."""
    connection = stream._raw_stream._connection
    if connection is not None and connection.sock is not None:  # else it has ended by itself
        connection.sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def consumer(kinesis: Any, arn: str, cloud: Any) -> str:
    made: str = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    cloud.settle()
    return made


@contextmanager
def subscribed(*arguments: Any, **members: Any) -> Iterator[Subscriber]:
    made = Subscriber(*arguments, **members)
    try:
        yield made
    finally:
        made.close()


def put(kinesis: Any, *data: bytes) -> None:
    kinesis.put_records(StreamName="stream", Records=[{"PartitionKey": "a", "Data": one} for one in data])


def test_records_are_pushed(kinesis: Any, consumer: str, cloud: Any) -> None:
    """A subscription gives what is there from its position on, then what comes, at once; every five seconds it says how far it is."""
    put(kinesis, b"0", b"1")
    with subscribed(kinesis, consumer, Type="TRIM_HORIZON") as subscriber:
        assert subscriber.data() == [b"0", b"1"]
        put(kinesis, b"2")
        assert subscriber.data() == [b"2"]
        cloud.advance(5)
        event = subscriber.next()
        assert (event["Records"], event["MillisBehindLatest"]) == ([], 0)
        cloud.advance(295)
        while (event := subscriber.next()) is not END:
            assert event["Records"] == []


def test_a_subscription_is_resumed(kinesis: Any, consumer: str, cloud: Any) -> None:
    """ContinuationSequenceNumber is where the next subscription goes on: nothing twice, nothing missed."""
    put(kinesis, b"0", b"1")
    with subscribed(kinesis, consumer, Type="TRIM_HORIZON") as subscriber:
        event = subscriber.next()
        assert len(event["Records"]) == 2
    put(kinesis, b"2")
    cloud.advance(5)
    place = {"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": event["ContinuationSequenceNumber"]}
    with subscribed(kinesis, consumer, **place) as subscriber:
        assert subscriber.data() == [b"2"]


def test_one_subscription_at_a_time(kinesis: Any, consumer: str, cloud: Any, refused: Any) -> None:
    """Within five seconds a second one is refused; later it takes over, and the first ends with ResourceInUseException."""
    with subscribed(kinesis, consumer, Type="TRIM_HORIZON") as first:
        first.next()
        start = {"Type": "LATEST"}
        asked = {"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": start}
        assert refused(kinesis.subscribe_to_shard, **asked)[0] == "ResourceInUseException"
        cloud.advance(5)
        with subscribed(kinesis, consumer) as second:
            while not isinstance(problem := first.next(), EventStreamError):
                pass
            assert problem.response["Error"]["Code"] == "ResourceInUseException"
            put(kinesis, b"x")
            assert second.data() == [b"x"]


def test_the_end_of_a_shard(kinesis: Any, consumer: str, cloud: Any) -> None:
    """At the end of a closed shard the last event names its children, and the subscription is over."""
    with subscribed(kinesis, consumer, Type="TRIM_HORIZON") as subscriber:
        subscriber.next()
        kinesis.split_shard(StreamName="stream", ShardToSplit=SHARD, NewStartingHashKey=str(1 << 127))
        last = subscriber.next()
        assert [child["ShardId"] for child in last["ChildShards"]] == ["shardId-000000000001", "shardId-000000000002"]
        assert subscriber.next() is END


def test_deregistering_ends_it(kinesis: Any, consumer: str, cloud: Any) -> None:
    """A consumer that is taken away gets nothing any more."""
    with subscribed(kinesis, consumer, Type="TRIM_HORIZON") as subscriber:
        subscriber.next()
        kinesis.deregister_stream_consumer(ConsumerARN=consumer)
        problem = subscriber.next()
        assert isinstance(problem, EventStreamError)
        assert problem.response["Error"]["Code"] == "ResourceNotFoundException"


def test_many_records(kinesis: Any, make: Any, consumer: str, cloud: Any) -> None:
    """More than an event holds comes in several events, in order; a consumer gets 2 MiB a second."""
    data = [b"%04d" % n + bytes(100_000) for n in range(30)]
    for n in range(0, 30, 10):
        put(kinesis, *data[n : n + 10])
        cloud.advance(1)
    came: list[bytes] = []
    with subscribed(kinesis, consumer, Type="TRIM_HORIZON") as subscriber:
        while len(came) < 20:
            came += subscriber.data()
        cloud.advance(1)
        while len(came) < 30:
            came += subscriber.data()
    assert came == data


def test_taken_back(kinesis: Any, consumer: str, cloud: Any) -> None:
    """A subscription goes on in a cloud that is taken back, with what is put from then on; to before its consumer, it ends."""
    number = cloud.house.on_loop(lambda: cloud.inner.store.sequence)
    with subscribed(kinesis, consumer, Type="TRIM_HORIZON") as subscriber:
        put(kinesis, b"undone")
        assert subscriber.data() == [b"undone"]
        control.ask(cloud.endpoint, "POST", "/backtrack", {"to": f"@{number}"})
        put(kinesis, b"kept")
        assert subscriber.data() == [b"kept"]
        kinesis.deregister_stream_consumer(ConsumerARN=consumer)
        assert isinstance(subscriber.next(), EventStreamError)


def test_who_may_subscribe(kinesis: Any, arn: str, consumer: str, cloud: Any, user: Any, refused: Any) -> None:
    """SubscribeToShard is asked of the consumer: by its ARN in a policy, or, for another account, by the consumer's own policy."""
    kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="d")
    cloud.settle()
    other = kinesis.describe_stream_consumer(StreamARN=arn, ConsumerName="d")["ConsumerDescription"]["ConsumerARN"]
    asked = {"ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}}
    reader = user({"Effect": "Allow", "Action": "kinesis:SubscribeToShard", "Resource": consumer})
    put(kinesis, b"x")
    with subscribed(reader, consumer, Type="TRIM_HORIZON") as subscriber:
        assert subscriber.data() == [b"x"]
    assert refused(reader.subscribe_to_shard, ConsumerARN=other, **asked)[0] == "AccessDeniedException"
    assert refused(reader.describe_stream_consumer, ConsumerARN=consumer)[0] == "AccessDeniedException"
    stranger = cloud.client("kinesis", access_key="111111111111")
    assert refused(stranger.subscribe_to_shard, ConsumerARN=other, **asked)[0] == "AccessDeniedException"
    statement = {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "kinesis:SubscribeToShard", "Resource": other}
    kinesis.put_resource_policy(ResourceARN=other, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    with subscribed(stranger, other, Type="TRIM_HORIZON") as subscriber:
        assert subscriber.data() == [b"x"]
