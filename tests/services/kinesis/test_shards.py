"""Streams and their shards: split, merged, scaled, listed."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.services.kinesis import ranges, sequences

HALF = 1 << 127
ACCOUNT = "000000000000"


def open_ranges(kinesis: Any, name: str = "stream") -> list[tuple[int, int]]:
    shards = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    return sorted((int(one["HashKeyRange"]["StartingHashKey"]), int(one["HashKeyRange"]["EndingHashKey"])) for one in shards)


def covers(found: list[tuple[int, int]]) -> bool:
    """Whether ranges cover the hash space exactly."""
    return found[0][0] == 0 and found[-1][1] == (1 << 128) - 1 and all(a[1] + 1 == b[0] for a, b in pairwise(found))


lows = st.lists(st.integers(1, (1 << 128) - 1), max_size=12, unique=True).map(
    lambda numbers: [ranges.packed(number) for number in sorted([0, *numbers])]
)


@given(lows, lows)
def test_any_division_becomes_any_other(there: list[bytes], wanted: list[bytes]) -> None:
    """The steps from one division of the hash space to another are splits inside of ranges and merges of neighbours, and end there."""
    now = list(there)
    for step in ranges.steps(there, wanted):
        if isinstance(step, ranges.Split):
            high = now[step.position + 1] if step.position + 1 < len(now) else b"\xff" * 17
            assert now[step.position] < step.at < high
            now.insert(step.position + 1, step.at)
        else:
            del now[step.position + 1]
    assert now == wanted


@given(st.integers(1, 4_000_000_000_000), st.integers(0, 99_999), st.integers(0, sequences.LARGEST_PLACE))
def test_sequence_numbers_are_read_back(made_ms: int, shard: int, place: int) -> None:
    """A sequence number says when its shard was made, which shard it is, and the place; a later place has a larger number."""
    text = sequences.shown(made_ms, shard, place)
    assert len(text) == 56
    assert sequences.read(text) == (made_ms // 1000, place, shard)
    assert int(sequences.shown(made_ms, shard, place + 1)) > int(text)


@settings(max_examples=15)
@given(st.data())
def test_shards_cover_the_space(cloud: Any, data: st.DataObject) -> None:
    """After any splits, merges and scalings the open shards cover the hash space exactly, and each key's records are in order."""
    kinesis = cloud.client("kinesis")
    name = f"s{cloud.inner.chance.hex(12)}"
    kinesis.create_stream(StreamName=name, ShardCount=data.draw(st.integers(1, 4)))
    cloud.settle()
    put = 0
    for _ in range(data.draw(st.integers(1, 6))):
        entries = [{"PartitionKey": f"k{n}", "Data": b"%06d" % (put + n)} for n in range(5)]
        assert kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0
        put += 5
        shards = sorted(
            kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"],
            key=lambda one: int(one["HashKeyRange"]["StartingHashKey"]),
        )
        kind = data.draw(st.sampled_from(["split", "merge", "scale"]))
        wide = [one for one in shards if int(one["HashKeyRange"]["EndingHashKey"]) - int(one["HashKeyRange"]["StartingHashKey"]) > 2]
        if kind == "split" and wide:
            one = data.draw(st.sampled_from(wide))
            low, high = (int(one["HashKeyRange"][key]) for key in ("StartingHashKey", "EndingHashKey"))
            at = data.draw(st.integers(low + 2, high - 1))
            kinesis.split_shard(StreamName=name, ShardToSplit=one["ShardId"], NewStartingHashKey=str(at))
        elif kind == "merge" and len(shards) > 1:
            index = data.draw(st.integers(0, len(shards) - 2))
            pair = [shards[index]["ShardId"], shards[index + 1]["ShardId"]]
            first, second = data.draw(st.permutations(pair))
            kinesis.merge_shards(StreamName=name, ShardToMerge=first, AdjacentShardToMerge=second)
        elif kind == "scale":
            target = data.draw(st.integers(-(-len(shards) // 2), len(shards) * 2))
            kinesis.update_shard_count(StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
            cloud.settle()
            sizes = {high - low for low, high in open_ranges(kinesis, name)}
            assert max(sizes) - min(sizes) <= 1
        cloud.settle()
        assert covers(open_ranges(kinesis, name))
        cloud.advance(1)
    _check_order(kinesis, name, put)
    kinesis.delete_stream(StreamName=name)
    cloud.settle()


def _check_order(kinesis: Any, name: str, put: int) -> None:
    """Reads parents before children: then every key's records come in the order in which they were put."""
    by_key: dict[str, list[tuple[int, bytes]]] = {}
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        asked = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
        for record in kinesis.get_records(ShardIterator=iterator)["Records"]:
            by_key.setdefault(record["PartitionKey"], []).append((int(record["SequenceNumber"]), record["Data"]))
    assert sum(len(records) for records in by_key.values()) == put
    for records in by_key.values():
        assert records == sorted(records)
        assert [data for _, data in records] == sorted(data for _, data in records)


def test_split_and_merge(kinesis: Any, make: Any, cloud: Any, read: Any) -> None:
    """A split closes a shard and opens two; a merge closes two and opens one; records of the closed ones stay and lead to the children."""
    make(shards=1)
    kinesis.put_record(StreamName="stream", PartitionKey="a", Data=b"before")
    kinesis.split_shard(StreamName="stream", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(HALF))
    assert kinesis.describe_stream_summary(StreamName="stream")["StreamDescriptionSummary"]["StreamStatus"] in ("UPDATING", "ACTIVE")
    cloud.settle()
    shards = {one["ShardId"][-1]: one for one in kinesis.list_shards(StreamName="stream")["Shards"]}
    assert "EndingSequenceNumber" in shards["0"]["SequenceNumberRange"]
    assert [shards[n]["ParentShardId"] for n in "12"] == ["shardId-000000000000"] * 2
    assert int(shards["1"]["SequenceNumberRange"]["StartingSequenceNumber"]) > int(
        shards["0"]["SequenceNumberRange"]["EndingSequenceNumber"]
    )
    kinesis.merge_shards(StreamName="stream", ShardToMerge="shardId-000000000002", AdjacentShardToMerge="shardId-000000000001")
    cloud.settle()
    merged = kinesis.list_shards(StreamName="stream")["Shards"][-1]
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == ("shardId-000000000001", "shardId-000000000002")
    assert [record["Data"] for record in read(0)] == [b"before"]
    asked = {"StreamName": "stream", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    last = kinesis.get_records(ShardIterator=kinesis.get_shard_iterator(**asked)["ShardIterator"])
    assert "NextShardIterator" not in last
    assert [child["ShardId"] for child in last["ChildShards"]] == ["shardId-000000000001", "shardId-000000000002"]
    assert last["ChildShards"][0]["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(HALF - 1)}


def test_closed_shards_go_with_their_records(kinesis: Any, make: Any, cloud: Any, refused: Any) -> None:
    """A closed shard is listed until its retention is over; then it is gone."""
    make()
    kinesis.split_shard(StreamName="stream", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(HALF))
    cloud.settle()
    assert len(kinesis.list_shards(StreamName="stream")["Shards"]) == 3
    cloud.advance(24 * 3600 + 1)
    assert len(kinesis.list_shards(StreamName="stream")["Shards"]) == 2
    asked = {"StreamName": "stream", "ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"}
    assert refused(kinesis.get_shard_iterator, **asked)[0] == "ResourceNotFoundException"


def test_what_cannot_be_split_or_merged(kinesis: Any, make: Any, cloud: Any, refused: Any) -> None:
    """A hash outside of the shard, shards that are no neighbours, and closed ones are refused in AWS's words."""
    make(shards=3)
    third = (1 << 128) // 3
    code, message = refused(kinesis.split_shard, StreamName="stream", ShardToSplit="shardId-000000000000", NewStartingHashKey="1")
    assert code == "InvalidArgumentException"
    assert message == (
        "NewStartingHashKey 1 used in SplitShard() on shard shardId-000000000000 in stream stream under account 000000000000 is not both "
        f"greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey {third - 2}."
    )
    pair = {"ShardToMerge": "shardId-000000000000", "AdjacentShardToMerge": "shardId-000000000002"}
    assert refused(kinesis.merge_shards, StreamName="stream", **pair) == (
        "InvalidArgumentException",
        "Shards shardId-000000000000 and shardId-000000000002 in stream stream under account 000000000000 are not an adjacent pair of "
        "shards eligible for merging",
    )
    kinesis.split_shard(StreamName="stream", ShardToSplit="shardId-000000000000", NewStartingHashKey="1000")
    cloud.settle()
    again = {"ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "2000"}
    assert "has already been merged or split" in refused(kinesis.split_shard, StreamName="stream", **again)[1]


def test_scaling_limits(kinesis: Any, make: Any, cloud: Any, refused: Any) -> None:
    """At most double, at least half; ten times in 24 hours."""
    make(shards=2)
    scale = {"StreamName": "stream", "ScalingType": "UNIFORM_SCALING"}
    assert refused(kinesis.update_shard_count, **scale, TargetShardCount=5) == (
        "LimitExceededException",
        "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 2 Target shard count: 5",
    )
    answer = kinesis.update_shard_count(**scale, TargetShardCount=4)
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (2, 4)
    cloud.settle()
    assert refused(kinesis.update_shard_count, **scale, TargetShardCount=1)[0] == "LimitExceededException"
    for n in range(9):
        kinesis.update_shard_count(**scale, TargetShardCount=3 + n % 2)
        cloud.settle()
    assert refused(kinesis.update_shard_count, **scale, TargetShardCount=4)[0] == "LimitExceededException"
    cloud.advance(24 * 3600)
    kinesis.update_shard_count(**scale, TargetShardCount=4)


def test_list_filters(kinesis: Any, make: Any, cloud: Any, refused: Any) -> None:
    """Filters choose shards by when they were open; pages go on by a token that is good for 300 seconds."""
    make(shards=2)
    cloud.advance(100)
    kinesis.split_shard(StreamName="stream", ShardToSplit="shardId-000000000000", NewStartingHashKey="1000")
    cloud.settle()
    cloud.advance(100)
    now = cloud.now_ms / 1000

    def names(**chosen: Any) -> str:
        return "".join(one["ShardId"][-1] for one in kinesis.list_shards(StreamName="stream", ShardFilter=chosen)["Shards"])

    assert names(Type="FROM_TRIM_HORIZON") == "0123"
    assert names(Type="AT_TRIM_HORIZON") == "01"
    assert names(Type="AT_LATEST") == "123"
    assert names(Type="AT_TIMESTAMP", Timestamp=now - 150) == "01"
    assert names(Type="AT_TIMESTAMP", Timestamp=now - 50) == "123"
    assert names(Type="FROM_TIMESTAMP", Timestamp=now - 50) == "123"
    assert names(Type="FROM_TIMESTAMP", Timestamp=now - 150) == "0123"
    assert names(Type="AFTER_SHARD_ID", ShardId="shardId-000000000001") == "23"
    first = kinesis.list_shards(StreamName="stream", MaxResults=3)
    assert "".join(one["ShardId"][-1] for one in kinesis.list_shards(NextToken=first["NextToken"])["Shards"]) == "3"
    assert refused(kinesis.list_shards, NextToken=first["NextToken"], StreamName="stream")[0] == "InvalidArgumentException"
    assert refused(kinesis.list_shards, NextToken="nonsense")[0] == "InvalidArgumentException"
    cloud.advance(301)
    assert refused(kinesis.list_shards, NextToken=first["NextToken"])[0] == "ExpiredNextTokenException"


def test_on_demand_grows(kinesis: Any, make: Any, cloud: Any) -> None:
    """An on-demand stream splits a shard that gets more than half of what it can take."""
    make(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    entries = [{"PartitionKey": "a", "Data": bytes(200_000)} for _ in range(4)]
    assert len(open_ranges(kinesis)) == 4
    for _ in range(3):
        kinesis.put_records(StreamName="stream", Records=entries)
        cloud.settle()
        cloud.advance(1)
    assert len(open_ranges(kinesis)) > 4
    assert covers(open_ranges(kinesis))


def hot(kinesis: Any, cloud: Any, seconds: int) -> None:
    """Most of what a shard can take, of one key, for some seconds."""
    entries = [{"PartitionKey": "a", "Data": bytes(200_000)} for _ in range(4)]
    for _ in range(seconds):
        kinesis.put_records(StreamName="stream", Records=entries)
        cloud.settle()
        cloud.advance(1)


def test_on_demand_grows_by_and_by(kinesis: Any, make: Any, cloud: Any) -> None:
    """One hot key does not have its shard split for ever: a shard that was split off rests for 15 minutes."""
    make(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    hot(kinesis, cloud, 10)
    assert len(open_ranges(kinesis)) == 5
    cloud.advance(15 * 60)
    hot(kinesis, cloud, 10)
    assert len(open_ranges(kinesis)) == 6


def test_on_demand_goes_back(kinesis: Any, make: Any, cloud: Any) -> None:
    """An on-demand stream that has not needed half of its shards for 30 days merges them, down to four; one that does keeps them."""
    arn = make(shards=16)
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    cloud.settle()
    cloud.advance(29 * 86400)
    assert len(open_ranges(kinesis)) == 16
    for _ in range(3):
        kinesis.put_records(StreamName="stream", Records=[{"PartitionKey": "a", "Data": bytes(200_000)} for _ in range(2)])
        cloud.advance(1)
    cloud.advance(2 * 86400)
    assert len(open_ranges(kinesis)) == 16
    cloud.advance(30 * 86400)
    assert len(open_ranges(kinesis)) == 8
    cloud.advance(31 * 86400)
    assert len(open_ranges(kinesis)) == 4
    cloud.advance(365 * 86400)
    assert len(open_ranges(kinesis)) == 4
    assert covers(open_ranges(kinesis))


def test_thousands_of_shards(kinesis: Any, make: Any, cloud: Any, refused: Any) -> None:
    """Thousands of shards are made in one go; never more than 10,000 by hand."""
    kinesis.create_stream(StreamName="stream", ShardCount=3001)
    cloud.settle()
    scale = {"StreamName": "stream", "ScalingType": "UNIFORM_SCALING"}
    kinesis.update_shard_count(**scale, TargetShardCount=6002)
    cloud.settle()
    assert refused(kinesis.update_shard_count, **scale, TargetShardCount=10_001)[0] == "LimitExceededException"
    assert kinesis.describe_stream_summary(StreamName="stream")["StreamDescriptionSummary"]["OpenShardCount"] == 6002
    pages = kinesis.get_paginator("list_shards").paginate(StreamARN=f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/stream")
    assert sum(len(page["Shards"]) for page in pages) == 3001 + 6002


def test_forged_pages(kinesis: Any, make: Any, refused: Any) -> None:
    """A token that we cannot have made is refused, whatever is in it."""
    make(shards=3)
    token = kinesis.list_shards(StreamName="stream", MaxResults=1)["NextToken"]
    page = json.loads(base64.urlsafe_b64decode(token))
    for index, value in ((4, 1 << 63), (4, -(1 << 63)), (4, -2), (3, 1), (5, "NONE"), (6, None), (0, 7)):
        forged = base64.urlsafe_b64encode(json.dumps([*page[:index], value, *page[index + 1 :]]).encode()).decode()
        assert refused(kinesis.list_shards, NextToken=forged)[0] in ("InvalidArgumentException", "ResourceNotFoundException")
