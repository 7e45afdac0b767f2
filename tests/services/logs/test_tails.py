"""Live Tail: events as they come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

Refused = Callable[..., tuple[str, str]]
ARN = "arn:aws:logs:us-east-1:000000000000:log-group:"


def test_events_come_live(cloud: Any, put: Any) -> None:
    """A start, then every second what came in and fits; nothing of other streams or from before."""
    put("before")
    client = cloud.client("logs", inject_host_prefix=False)
    stream = client.start_live_tail(logGroupIdentifiers=[ARN + "group"], logStreamNames=["stream"], logEventFilterPattern="ERROR")
    events = iter(stream["responseStream"])
    start = next(events)["sessionStart"]
    assert start["logGroupIdentifiers"] == ["000000000000:group"]
    put("ERROR 1", "fine")
    put("ERROR 2", stream="other")
    cloud.settle()
    cloud.advance(1)
    update = next(events)["sessionUpdate"]
    now = cloud.now_ms - 1000
    assert update == {
        "sessionMetadata": {"sampled": False},
        "sessionResults": [
            {
                "logStreamName": "stream",
                "logGroupIdentifier": "000000000000:group",
                "message": "ERROR 1",
                "timestamp": now,
                "ingestionTime": now,
            }
        ],
    }
    cloud.advance(1)
    assert next(events)["sessionUpdate"]["sessionResults"] == []
    stream["responseStream"].close()


def test_many_events_are_sampled(cloud: Any, put: Any) -> None:
    """Of more than 500 in a second, 500 are shown, and it is said."""
    put("x")
    client = cloud.client("logs", inject_host_prefix=False)
    stream = client.start_live_tail(logGroupIdentifiers=[ARN + "group"])
    events = iter(stream["responseStream"])
    next(events)
    put(*[str(n) for n in range(1200)])
    cloud.settle()
    cloud.advance(1)
    update = next(events)["sessionUpdate"]
    assert (update["sessionMetadata"]["sampled"], len(update["sessionResults"])) == (True, 500)
    stream["responseStream"].close()


def test_groups_are_named_by_arn(cloud: Any, logs: Any, put: Any, refused: Refused) -> None:
    """A name, an ARN with a star, streams of two groups, and a class that has no tail."""
    put("x")
    put("x", group="other")
    logs.create_log_group(logGroupName="ia", logGroupClass="INFREQUENT_ACCESS")
    tail = cloud.client("logs", inject_host_prefix=False).start_live_tail
    invalid = "InvalidParameterException"
    assert refused(tail, logGroupIdentifiers=["group"])[0] == invalid
    assert refused(tail, logGroupIdentifiers=[ARN + "group", ARN + "other"], logStreamNames=["s"])[0] == invalid
    assert refused(tail, logGroupIdentifiers=[ARN + "nope"])[0] == "ResourceNotFoundException"
    assert refused(tail, logGroupIdentifiers=[ARN + "ia"])[0] == "InvalidOperationException"


def test_a_session_ends_after_three_hours(cloud: Any, put: Any) -> None:
    """The client is told that the session has timed out, and nobody listens any more."""
    from fogbank.services.logs import tails

    put("x")
    stream = cloud.client("logs", inject_host_prefix=False).start_live_tail(logGroupIdentifiers=[ARN + "group"])
    events = iter(stream["responseStream"])
    next(events)
    cloud.advance(3 * 3600)
    with pytest.raises(EventStreamError, match="SessionTimeoutException"):
        list(events)
    assert not cloud.house.on_loop(lambda: tails.sessions)
