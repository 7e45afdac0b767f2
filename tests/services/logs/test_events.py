"""Events: taken, refused, read by stream and across streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., tuple[str, str]]
HOUR = 3_600_000
DAY = 24 * HOUR


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_what_was_put_is_read(cloud: Any, logs: Any, put: Any) -> None:
    """An event has its timestamp, its message and the instant at which it came in; the group has its bytes, and 26 for each."""
    assert len(put("one", "zwölf")["nextSequenceToken"]) == 56
    now = cloud.now_ms
    got = logs.get_log_events(logGroupName="group", logStreamName="stream", startFromHead=True)
    assert got["events"] == [
        {"timestamp": now, "message": "one", "ingestionTime": now},
        {"timestamp": now + 1, "message": "zwölf", "ingestionTime": now},
    ]
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 3 + 6 + 2 * 26


def test_batches_have_rules(cloud: Any, logs: Any, put: Any, refused: Refused) -> None:
    """Order, the span of a day and the size of 1 MiB are checked, and nothing of a wrong batch is kept."""
    put("x")
    now = cloud.now_ms

    def batch(*events: tuple[int, str]) -> tuple[str, str]:
        given = [{"timestamp": at_ms, "message": message} for at_ms, message in events]
        return refused(logs.put_log_events, logGroupName="group", logStreamName="stream", logEvents=given)

    invalid = "InvalidParameterException"
    order = "Log events in a single PutLogEvents request must be in chronological order."
    span = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
    assert batch((now, "b"), (now - 1, "a")) == (invalid, order)
    assert batch((now - DAY - 1, "a"), (now, "b")) == (invalid, span)
    assert batch((now, "a" * 600_000), (now, "b" * 600_000)) == (invalid, "Upload too large: 1200052 bytes exceeds limit of 1048576")
    assert batch((now, "ü" * 600_000)) == (invalid, "Log event too large: 1200026 bytes exceeds limit of 1048576")
    assert messages(logs.filter_log_events(logGroupName="group")) == ["x"]


def test_events_out_of_time_are_rejected_alone(cloud: Any, logs: Any, put: Any) -> None:
    """Too old, expired and too new ones are told by their indexes; the others are taken, also when they are none."""
    put("x")
    logs.put_retention_policy(logGroupName="group", retentionInDays=3)
    now = cloud.now_ms
    times = [now - 15 * DAY, now - 4 * DAY, now - 1, now, now + 3 * HOUR]
    events = [{"timestamp": at_ms, "message": str(n)} for n, at_ms in enumerate(times)]
    answer = logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=events, sequenceToken="whatever")
    assert answer["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1,
        "expiredLogEventEndIndex": 2,
        "tooNewLogEventStartIndex": 4,
    }
    assert messages(logs.filter_log_events(logGroupName="group")) == ["2", "x", "3"]
    answer = logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=events[:1])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 1}


def test_an_entity_is_checked(cloud: Any, logs: Any, put: Any) -> None:
    """A wrong entity is told, and the events are taken all the same."""
    put("x")

    def entity(**keys: str) -> Any:
        event = [{"timestamp": cloud.now_ms, "message": "y"}]
        answer = logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=event, entity={"keyAttributes": keys})
        return answer.get("rejectedEntityInfo", {}).get("errorType")

    assert entity(Type="Service", Name="n", Environment="e") is None
    assert entity(Type="Nope", Name="n") == "InvalidTypeValue"
    assert entity(Type="Service", Name="n") == "MissingRequiredFields"
    assert entity(Type="Service", Nope="n") == "InvalidKeyAttributes"
    assert len(messages(logs.filter_log_events(logGroupName="group"))) == 5


def test_a_stream_is_paged_both_ways(cloud: Any, logs: Any, put: Any) -> None:
    """Without a token the last events come, with startFromHead the first; at the end a token is answered again."""
    put(*"abcdefg")

    def get(**members: Any) -> Any:
        return logs.get_log_events(logGroupName="group", logStreamName="stream", limit=3, **members)

    last = get()
    assert messages(last) == list("efg")
    back = get(nextToken=last["nextBackwardToken"])
    assert messages(back) == list("bcd")
    assert messages(get(nextToken=back["nextForwardToken"], startFromHead=True)) == list("efg")
    first = get(startFromHead=True)
    assert messages(first) == list("abc")
    end = get(nextToken=last["nextForwardToken"], startFromHead=True)
    assert (messages(end), end["nextForwardToken"]) == ([], last["nextForwardToken"])
    assert messages(get(nextToken=end["nextBackwardToken"])) == list("efg")
    start = get(nextToken=get(nextToken=back["nextBackwardToken"])["nextBackwardToken"])
    assert (messages(start), start["nextBackwardToken"]) == ([], get(nextToken=start["nextBackwardToken"])["nextBackwardToken"])
    put("h", at_ms=cloud.now_ms + 100)
    assert messages(get(nextToken=end["nextForwardToken"], startFromHead=True)) == ["h"]


def test_an_empty_stream_can_be_followed(cloud: Any, logs: Any, put: Any, refused: Refused) -> None:
    """The forward token of an empty stream gives what comes later; a token that we did not make is refused."""
    put("x", stream="other")
    logs.create_log_stream(logGroupName="group", logStreamName="stream")
    for head in (True, False):
        empty = logs.get_log_events(logGroupName="group", logStreamName="stream", startFromHead=head)
        assert empty["events"] == []
    put("y")
    follow = logs.get_log_events(logGroupName="group", logStreamName="stream", nextToken=empty["nextForwardToken"])
    assert messages(follow) == ["y"]
    assert refused(logs.get_log_events, logGroupName="group", logStreamName="stream", nextToken="nope") == (
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    )


def test_times_bound_what_is_read(cloud: Any, logs: Any, put: Any) -> None:
    """GetLogEvents takes startTime in and leaves endTime out; FilterLogEvents takes both in."""
    put(*"abcd")
    now = cloud.now_ms
    got = logs.get_log_events(logGroupName="group", logStreamName="stream", startTime=now + 1, endTime=now + 3, startFromHead=True)
    assert messages(got) == ["b", "c"]
    assert messages(logs.filter_log_events(logGroupName="group", startTime=now + 1, endTime=now + 3)) == ["b", "c", "d"]


def test_events_of_streams_are_interleaved(cloud: Any, logs: Any, put: Any, refused: Refused) -> None:
    """FilterLogEvents gives all streams in order of time, those named, or those of a prefix; forward or backward; by pages."""
    now = cloud.now_ms
    put("1", "3", stream="a1", at_ms=now)
    put("2", stream="a2", at_ms=now)
    put("4", stream="b", at_ms=now + 2)

    def read(**members: Any) -> list[str]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="group", **members)
        return [event["message"] for page in pages for event in page["events"]]

    assert read() == ["1", "2", "3", "4"]
    assert read(PaginationConfig={"PageSize": 1}) == ["1", "2", "3", "4"]
    assert read(startFromHead=False, startTime=now, PaginationConfig={"PageSize": 1}) == ["4", "3", "2", "1"]
    assert read(logStreamNamePrefix="a") == ["1", "2", "3"]
    assert read(logStreamNames=["b", "a2"]) == ["2", "4"]
    assert read(filterPattern="?2 ?4", PaginationConfig={"PageSize": 1}) == ["2", "4"]
    found = logs.filter_log_events(logGroupName="group", limit=1)["events"][0]
    assert (found["logStreamName"], found["timestamp"], len(found["eventId"])) == ("a1", now, 56)
    assert refused(logs.filter_log_events, logGroupName="group", logStreamNames=["nope"])[0] == "ResourceNotFoundException"
    assert refused(logs.filter_log_events, logGroupName="group", logStreamNames=["b"], logStreamNamePrefix="b")[0] == (
        "InvalidParameterException"
    )


def test_infrequently_accessed_groups_do_less(cloud: Any, logs: Any, refused: Refused) -> None:
    """Their events come in, but only Logs Insights reads them, and they have no filters."""
    logs.create_log_group(logGroupName="ia", logGroupClass="INFREQUENT_ACCESS")
    logs.create_log_stream(logGroupName="ia", logStreamName="s")
    logs.put_log_events(logGroupName="ia", logStreamName="s", logEvents=[{"timestamp": cloud.now_ms, "message": "x"}])
    assert refused(logs.get_log_events, logGroupName="ia", logStreamName="s")[0] == "InvalidParameterException"
    assert refused(logs.filter_log_events, logGroupName="ia")[0] == "InvalidParameterException"
    transformation = [{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}]
    assert (
        refused(logs.put_metric_filter, logGroupName="ia", filterName="f", filterPattern="", metricTransformations=transformation)[0]
        == "InvalidOperationException"
    )


def test_events_expire_by_the_clock(cloud: Any, logs: Any, put: Any) -> None:
    """An event is out of sight when its retention is over; soon after, its bytes are gone, too."""
    put("old")
    logs.put_retention_policy(logGroupName="group", retentionInDays=1)
    cloud.advance(DAY / 1000 - 1)
    put("new")
    assert messages(logs.filter_log_events(logGroupName="group")) == ["old", "new"]
    cloud.advance(2)
    assert messages(logs.filter_log_events(logGroupName="group")) == ["new"]
    cloud.advance(3600)
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 3 + 26
    cloud.advance(DAY / 1000)
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 0


@pytest.mark.parametrize("name", ["group", "arn:aws:logs:us-east-1:000000000000:log-group:group"])
def test_groups_are_named_by_identifier(logs: Any, put: Any, refused: Refused, name: str) -> None:
    """A name or an ARN will do; both ways at once, or none, will not."""
    put("x")
    assert messages(logs.filter_log_events(logGroupIdentifier=name)) == ["x"]
    assert refused(logs.filter_log_events, logGroupIdentifier=name, logGroupName="group")[0] == "InvalidParameterException"
    assert refused(logs.filter_log_events)[0] == "InvalidParameterException"


def test_a_group_without_events_is_not_swept(cloud: Any, logs: Any, put: Any) -> None:
    """Sweeps are set for when something expires, and for nothing else; a shorter retention counts at once."""
    from fogbank.delivery.outbox import OUTBOX

    def due() -> list[int]:
        return cloud.house.on_loop(lambda: [item.due_ms for item in OUTBOX.scan(cloud.inner.reader()) if item.task == "logs.sweep"])

    put("x")
    now = cloud.now_ms
    logs.create_log_group(logGroupName="empty")
    logs.put_retention_policy(logGroupName="empty", retentionInDays=1)
    assert due() == []
    logs.put_retention_policy(logGroupName="group", retentionInDays=30)
    cloud.settle()
    assert due() == [now + 30 * DAY + 1]
    logs.put_retention_policy(logGroupName="group", retentionInDays=1)
    cloud.advance(DAY / 1000 + 1)
    assert logs.describe_log_groups(logGroupNamePrefix="group")["logGroups"][0]["storedBytes"] == 0
    cloud.advance(365 * DAY / 1000)
    assert due() == []
