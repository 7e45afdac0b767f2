"""A consumer as the Kinesis Client Library does it: workers that share the shards by leases in DynamoDB, read by enhanced fan-out, and
note how far they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .test_subscriptions import shut

PATIENCE_S = 20


class Worker:
    """Takes leases that nobody has, and reads their shards until they end; a child only after its parents."""

    def __init__(self, cloud: Any, name: str, stream: str, consumer: str, done: list[tuple[str, bytes]]) -> None:
        self.name = name
        self._db, self._kinesis = cloud.client("dynamodb"), cloud.client("kinesis")
        self._stream, self._consumer, self._done = stream, consumer, done
        self.stopping = threading.Event()
        self.streams: list[Any] = []
        self.threads: list[threading.Thread] = []

    def look(self) -> None:
        """Takes what is to be taken."""
        shards = {one["ShardId"]: one for one in self._kinesis.list_shards(StreamARN=self._stream)["Shards"]}
        leases = {one["leaseKey"]["S"]: one for one in self._db.scan(TableName="leases")["Items"]}
        for name, shard in shards.items():
            parents = [shard[key] for key in ("ParentShardId", "AdjacentParentShardId") if key in shard]
            ready = all(leases.get(parent, {}).get("checkpoint", {}).get("S") == "SHARD_END" for parent in parents)
            if name not in leases and ready and self._take(name):
                self.threads.append(threading.Thread(target=self._read, args=(name,)))
                self.threads[-1].start()
                return

    def _take(self, shard: str) -> bool:
        item = {"leaseKey": {"S": shard}, "leaseOwner": {"S": self.name}, "checkpoint": {"S": "TRIM_HORIZON"}}
        try:
            self._db.put_item(TableName="leases", Item=item, ConditionExpression="attribute_not_exists(leaseKey)")
        except self._db.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _read(self, shard: str) -> None:
        asked = {"ConsumerARN": self._consumer, "ShardId": shard, "StartingPosition": {"Type": "TRIM_HORIZON"}}
        stream = self._kinesis.subscribe_to_shard(**asked)["EventStream"]
        self.streams.append(stream)
        try:
            for event in stream:
                for record in event["SubscribeToShardEvent"]["Records"]:
                    self._done.append((record["PartitionKey"], record["Data"]))
                ended = "ChildShards" in event["SubscribeToShardEvent"]
                place = "SHARD_END" if ended else event["SubscribeToShardEvent"]["ContinuationSequenceNumber"]
                self._note(shard, place)
        except Exception:
            assert self.stopping.is_set()

    def _note(self, shard: str, place: str) -> None:
        self._db.update_item(
            TableName="leases",
            Key={"leaseKey": {"S": shard}},
            UpdateExpression="SET checkpoint = :c",
            ConditionExpression="leaseOwner = :o",
            ExpressionAttributeValues={":c": {"S": place}, ":o": {"S": self.name}},
        )

    def stop(self) -> None:
        self.stopping.set()
        for stream in self.streams:
            shut(stream)
        for thread in self.threads:
            thread.join(PATIENCE_S)


@contextmanager
def working(*workers: Worker) -> Iterator[None]:
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


def test_two_workers(kinesis: Any, make: Any, cloud: Any) -> None:
    """Two workers get every record once, each key's in order, while shards are split and merged under them."""
    arn = make(shards=2)
    attribute = [{"AttributeName": "leaseKey", "AttributeType": "S"}]
    schema = [{"AttributeName": "leaseKey", "KeyType": "HASH"}]
    db = cloud.client("dynamodb")
    db.create_table(TableName="leases", AttributeDefinitions=attribute, KeySchema=schema, BillingMode="PAY_PER_REQUEST")
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="app")["Consumer"]["ConsumerARN"]
    cloud.settle()
    done: list[tuple[str, bytes]] = []
    workers = [Worker(cloud, name, arn, consumer, done) for name in ("one", "two")]
    put = 0

    def step() -> None:
        nonlocal put
        records = [{"PartitionKey": f"k{n % 7}", "Data": b"%06d" % (put + n)} for n in range(30)]
        assert kinesis.put_records(StreamARN=arn, Records=records)["FailedRecordCount"] == 0
        put += 30
        waited = threading.Event()
        for _ in range(PATIENCE_S * 100):
            for worker in workers:
                worker.look()
            if len(done) == put:
                return
            waited.wait(0.01)
        raise AssertionError(f"{len(done)} of {put} records have come")

    with working(*workers):
        step()
        kinesis.split_shard(StreamName="stream", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 126))
        cloud.settle()
        step()
        kinesis.merge_shards(StreamName="stream", ShardToMerge="shardId-000000000003", AdjacentShardToMerge="shardId-000000000001")
        cloud.settle()
        step()
    assert len(set(done)) == put
    for key in {key for key, _ in done}:
        mine = [data for one, data in done if one == key]
        assert mine == sorted(mine)
    owners = {one["leaseOwner"]["S"] for one in db.scan(TableName="leases")["Items"]}
    assert owners == {"one", "two"}
