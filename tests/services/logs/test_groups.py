"""Log groups and streams: made, described, changed, deleted; who may."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

ARN = "arn:aws:logs:us-east-1:000000000000:"

Refused = Callable[..., tuple[str, str]]


def test_a_group_is_described_as_it_was_made(cloud: Any, logs: Any) -> None:
    """A group has its name, class, both forms of its ARN, and no retention of its own accord."""
    logs.create_log_group(logGroupName="/app/a", tags={"team": "x"})
    assert logs.describe_log_groups()["logGroups"] == [
        {
            "logGroupName": "/app/a",
            "creationTime": cloud.now_ms,
            "metricFilterCount": 0,
            "arn": ARN + "log-group:/app/a:*",
            "logGroupArn": ARN + "log-group:/app/a",
            "storedBytes": 0,
            "logGroupClass": "STANDARD",
            "deletionProtectionEnabled": False,
        }
    ]


def test_a_group_is_made_once(logs: Any, refused: Refused) -> None:
    """A second group of a name is refused; so are names that AWS keeps for itself, and classes that are not here."""
    logs.create_log_group(logGroupName="g")
    assert refused(logs.create_log_group, logGroupName="g") == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    assert refused(logs.create_log_group, logGroupName="aws/x")[0] == "InvalidParameterException"
    assert refused(logs.create_log_group, logGroupName="d", logGroupClass="DELIVERY")[0] == "NotImplemented"


def test_groups_are_found_by_prefix_and_by_pattern(logs: Any, refused: Refused) -> None:
    """A prefix, or a substring (which answers less of each group); not both; pages by token."""
    for name in ("/aa/one", "/aa/two", "/bb/one"):
        logs.create_log_group(logGroupName=name)

    def names(**members: Any) -> list[str]:
        return [group["logGroupName"] for group in logs.describe_log_groups(**members)["logGroups"]]

    assert names(logGroupNamePrefix="/aa") == ["/aa/one", "/aa/two"]
    assert names(logGroupNamePattern="one") == ["/aa/one", "/bb/one"]
    assert set(logs.describe_log_groups(logGroupNamePattern="two")["logGroups"][0]) == {"arn", "creationTime", "logGroupName"}
    assert refused(logs.describe_log_groups, logGroupNamePrefix="a", logGroupNamePattern="b")[0] == "InvalidParameterException"
    pages = logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["logGroups"]) for page in pages] == [2, 1]
    listed = logs.list_log_groups(logGroupNamePattern="^/aa|two")["logGroups"]
    assert [group["logGroupName"] for group in listed] == ["/aa/one", "/aa/two"]


def test_only_some_retentions_are_valid(logs: Any, refused: Refused) -> None:
    """Days are those of AWS's list."""
    logs.create_log_group(logGroupName="g")
    code, message = refused(logs.put_retention_policy, logGroupName="g", retentionInDays=2)
    assert code == "InvalidParameterException"
    assert "[1, 3, 5, 7, 14, 30" in message
    logs.put_retention_policy(logGroupName="g", retentionInDays=7)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    logs.delete_retention_policy(logGroupName="g")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]


def test_a_protected_group_is_not_deleted(logs: Any, refused: Refused, put: Any) -> None:
    """While deletion protection is on, neither the group nor a stream goes."""
    put("x", group="g")
    logs.put_log_group_deletion_protection(logGroupIdentifier="g", deletionProtectionEnabled=True)
    assert refused(logs.delete_log_group, logGroupName="g")[0] == "ValidationException"
    assert refused(logs.delete_log_stream, logGroupName="g", logStreamName="stream")[0] == "ValidationException"
    logs.put_log_group_deletion_protection(logGroupIdentifier=ARN + "log-group:g", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="g")
    assert logs.describe_log_groups()["logGroups"] == []


def test_a_deleted_group_leaves_nothing(cloud: Any, logs: Any, put: Any) -> None:
    """A group that is made again has none of the old one's streams, and nothing of the old one is kept."""
    put("x", group="g")
    logs.delete_log_group(logGroupName="g")
    logs.create_log_group(logGroupName="g")
    assert logs.describe_log_streams(logGroupName="g")["logStreams"] == []
    cloud.settle()
    from fogbank.services.logs.state import CHUNKS, STREAMS

    assert cloud.house.on_loop(lambda: [*CHUNKS.scan(cloud.inner.reader()), *STREAMS.scan(cloud.inner.reader())]) == []


def test_streams_are_ordered_by_name_or_by_their_latest_event(cloud: Any, logs: Any, put: Any, refused: Refused) -> None:
    """By name, or by time either way; a stream without events has no instants; pages by token in both orders."""
    now = cloud.now_ms
    for name, age in (("a", 3), ("b", 1), ("c", 2)):
        put("x", stream=name, at_ms=now - age * 1000)
    logs.create_log_stream(logGroupName="group", logStreamName="d")

    def names(**members: Any) -> list[str]:
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName="group", PaginationConfig={"PageSize": 2}, **members)
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    assert names() == ["a", "b", "c", "d"]
    assert names(descending=True) == ["d", "c", "b", "a"]
    assert names(orderBy="LastEventTime", descending=True) == ["b", "c", "a", "d"]
    assert names(orderBy="LastEventTime") == ["d", "a", "c", "b"]
    assert names(logStreamNamePrefix="b") == ["b"]
    assert refused(logs.describe_log_streams, logGroupName="group", orderBy="LastEventTime", logStreamNamePrefix="b")[0] == (
        "InvalidParameterException"
    )
    first, *_, last = logs.describe_log_streams(logGroupIdentifier=ARN + "log-group:group")["logStreams"]
    assert (first["firstEventTimestamp"], first["lastEventTimestamp"], first["lastIngestionTime"]) == (now - 3000, now - 3000, now)
    assert first["arn"] == ARN + "log-group:group:log-stream:a"
    assert "lastEventTimestamp" not in last


def test_streams_are_named_without_colons_and_stars(logs: Any, refused: Refused) -> None:
    """A name with `:` or `*` is refused, a name that is there, and a group that is not."""
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    assert refused(logs.create_log_stream, logGroupName="g", logStreamName="a:b")[0] == "InvalidParameterException"
    assert refused(logs.create_log_stream, logGroupName="g", logStreamName="s")[0] == "ResourceAlreadyExistsException"
    assert refused(logs.create_log_stream, logGroupName="h", logStreamName="s") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )


def test_tags_have_two_forms(logs: Any, refused: Refused) -> None:
    """TagResource and TagLogGroup put the same tags; an ARN with `:*` names no resource for tags."""
    logs.create_log_group(logGroupName="g", tags={"a": "1"})
    arn = ARN + "log-group:g"
    logs.tag_resource(resourceArn=arn, tags={"b": "2"})
    logs.tag_log_group(logGroupName="g", tags={"c": "3"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == logs.list_tags_log_group(logGroupName="g")["tags"]
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.untag_log_group(logGroupName="g", tags=["b", "nope"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "3"}
    assert refused(logs.tag_resource, resourceArn=ARN + "log-group:h", tags={"a": "b"})[0] == "ResourceNotFoundException"
    assert refused(logs.tag_resource, resourceArn=arn, tags={f"k{n}": "" for n in range(50)})[0] == "TooManyTagsException"
    listed = logs.list_log_groups(logGroupTags=[{"key": "c", "values": ["!4"]}])["logGroups"]
    assert [group["logGroupName"] for group in listed] == ["g"]


POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "%s", "Resource": "%s"}]}'


@pytest.mark.parametrize("resource", ["log-group:/aws/lambda/f:*", "log-group:/aws/lambda/f:log-stream:s", "log-group:/aws/*"])
def test_a_policy_of_a_group_lets_events_in(cloud: Any, put: Any, person: Any, refused: Refused, resource: str) -> None:
    """The ARN of a group with `:*`, or of a stream, lets a writer in there and nowhere else."""
    put("x", group="/aws/lambda/f", stream="s")
    put("x", group="/other", stream="s")
    writer = person("writer", POLICY % ("logs:PutLogEvents", ARN + resource))
    event = [{"timestamp": cloud.now_ms, "message": "y"}]
    writer.put_log_events(logGroupName="/aws/lambda/f", logStreamName="s", logEvents=event)
    code, message = refused(writer.put_log_events, logGroupName="/other", logStreamName="s", logEvents=event)
    assert code == "AccessDeniedException"
    assert f"logs:PutLogEvents on resource: {ARN}log-group:/other:log-stream:s" in message


def test_tags_decide_about_groups(logs: Any, person: Any, refused: Refused) -> None:
    """aws:ResourceTag of a group, and aws:RequestTag of one that is to be made, are what conditions see."""
    logs.create_log_group(logGroupName="mine", tags={"team": "x"})
    logs.create_log_group(logGroupName="theirs", tags={"team": "y"})
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "logs:PutRetentionPolicy",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:ResourceTag/team": "x"}},
            },
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:TagResource"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestTag/team": "x"}},
            },
        ],
    }
    user = person("u", json.dumps(document))
    user.put_retention_policy(logGroupName="mine", retentionInDays=1)
    assert refused(user.put_retention_policy, logGroupName="theirs", retentionInDays=1)[0] == "AccessDeniedException"
    user.create_log_group(logGroupName="new", tags={"team": "x"})
    assert refused(user.create_log_group, logGroupName="newer", tags={"team": "y"})[0] == "AccessDeniedException"
