"""Subscriptions: events are brought to streams, delivery streams and functions, as AWS packs them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., tuple[str, str]]
LOGS = "arn:aws:logs:us-east-1:000000000000:"


def role(cloud: Any, name: str, *actions: str, account: str = "") -> str:
    """A role that trusts CloudWatch Logs and may do these things."""
    iam = cloud.client("iam", *([account, "test"] if account else []))
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "logs.us-east-1.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allow(cloud, name, *actions, account=account)
    return arn


def allow(cloud: Any, name: str, *actions: str, account: str = "") -> None:
    iam = cloud.client("iam", *([account, "test"] if account else []))
    statement = {"Effect": "Allow", "Action": list(actions) or ["sqs:Nothing"], "Resource": "*"}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


@pytest.fixture
def stream(cloud: Any) -> str:
    """A Kinesis stream."""
    kinesis = cloud.client("kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    cloud.advance(60)
    arn: str = kinesis.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]["StreamARN"]
    return arn


@pytest.fixture
def packages(cloud: Any) -> Callable[..., list[dict[str, Any]]]:
    """What has come into the stream."""

    def call(account: str = "") -> list[dict[str, Any]]:
        cloud.settle()
        kinesis = cloud.client("kinesis", *([account, "test"] if account else []))
        iterator = kinesis.get_shard_iterator(StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
        records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
        return [json.loads(gzip.decompress(record["Data"])) | {"key": record["PartitionKey"]} for record in records]

    return call


def test_events_go_to_a_stream(cloud: Any, logs: Any, put: Any, stream: str, packages: Any) -> None:
    """First a control message; then what matches, with everything that AWS tells, by the stream's own key."""
    put("before ERROR")
    arn = role(cloud, "r", "kinesis:PutRecord")
    logs.put_subscription_filter(logGroupName="group", filterName="f", filterPattern="ERROR", destinationArn=stream, roleArn=arn)
    put("ERROR 1", "fine", "ERROR 2")
    put("ERROR 3")
    control, first, second = packages()
    assert (control["messageType"], control["owner"]) == ("CONTROL_MESSAGE", "CloudwatchLogs")
    now = cloud.now_ms
    ids = [event.pop("id") for event in first["logEvents"]]
    assert all(len(one) == 56 for one in ids)
    assert ids == sorted(set(ids))
    assert first | {"key": ""} == {
        "messageType": "DATA_MESSAGE",
        "owner": "000000000000",
        "logGroup": "group",
        "logStream": "stream",
        "subscriptionFilters": ["f"],
        "logEvents": [{"timestamp": now, "message": "ERROR 1"}, {"timestamp": now + 2, "message": "ERROR 2"}],
        "key": "",
    }
    assert first["key"] == second["key"]
    described = logs.describe_subscription_filters(logGroupName="group")["subscriptionFilters"]
    assert [(one["filterName"], one["distribution"], one["roleArn"]) for one in described] == [("f", "ByLogStream", arn)]


def test_fields_are_taken_out(cloud: Any, logs: Any, put: Any, stream: str, packages: Any) -> None:
    """With a space-delimited pattern each event has its fields."""
    put("x")
    arn = role(cloud, "r", "kinesis:PutRecord")
    logs.put_subscription_filter(logGroupName="group", filterName="f", filterPattern="[ip, size > 1]", destinationArn=stream, roleArn=arn)
    put("1.2.3.4 5", "1.2.3.4 1")
    assert [event["extractedFields"] for event in packages()[1]["logEvents"]] == [{"ip": "1.2.3.4", "size": "5"}]


def test_what_cannot_be_brought_is_tried_again(cloud: Any, logs: Any, put: Any, stream: str, packages: Any) -> None:
    """Without the permission events wait; with it they come, in the end; a filter that is deleted brings nothing."""
    put("x")
    arn = role(cloud, "r", "kinesis:PutRecord")
    logs.put_subscription_filter(logGroupName="group", filterName="f", filterPattern="", destinationArn=stream, roleArn=arn)
    allow(cloud, "r")
    put("late")
    cloud.advance(3600)
    assert len(packages()) == 1
    allow(cloud, "r", "kinesis:PutRecord")
    cloud.advance(600)
    assert [event["message"] for event in packages()[1]["logEvents"]] == ["late"]
    allow(cloud, "r")
    put("never")
    logs.delete_subscription_filter(logGroupName="group", filterName="f")
    allow(cloud, "r", "kinesis:PutRecord")
    cloud.advance(86_400)
    assert len(packages()) == 0 or all(p["logEvents"][0]["message"] != "never" for p in packages())


def test_after_a_day_they_are_given_up(cloud: Any, logs: Any, put: Any, stream: str, packages: Any) -> None:
    """What could not be brought for 24 hours is dropped."""
    cloud.client("kinesis").increase_stream_retention_period(StreamName="s", RetentionPeriodHours=100)
    put("x")
    arn = role(cloud, "r", "kinesis:PutRecord")
    logs.put_subscription_filter(logGroupName="group", filterName="f", filterPattern="", destinationArn=stream, roleArn=arn)
    allow(cloud, "r")
    put("lost")
    cloud.advance(86_400)
    allow(cloud, "r", "kinesis:PutRecord")
    cloud.advance(3600)
    assert len(packages()) == 1


def test_wrong_destinations(cloud: Any, logs: Any, put: Any, stream: str, refused: Refused) -> None:
    """A stream needs a role, the role has to be open to Logs and to the stream; a third filter is too much."""
    put("x")
    subscribe = {"logGroupName": "group", "filterName": "f", "filterPattern": ""}
    invalid = "InvalidParameterException"
    assert refused(logs.put_subscription_filter, **subscribe, destinationArn=stream) == (
        invalid,
        "destinationArn for vendor kinesis cannot be used without roleArn",
    )
    closed = role(cloud, "closed")
    assert refused(logs.put_subscription_filter, **subscribe, destinationArn=stream, roleArn=closed) == (
        invalid,
        "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state.",
    )
    queue = "arn:aws:sqs:us-east-1:000000000000:q"
    assert refused(logs.put_subscription_filter, **subscribe, destinationArn=queue)[0] == invalid
    arn = role(cloud, "r", "kinesis:PutRecord")
    for name in ("a", "b"):
        logs.put_subscription_filter(**{**subscribe, "filterName": name}, destinationArn=stream, roleArn=arn)
    assert refused(logs.put_subscription_filter, **subscribe, destinationArn=stream, roleArn=arn)[0] == "LimitExceededException"
    assert refused(logs.put_subscription_filter, **subscribe, destinationArn=stream, emitSystemFields=["@aws.account"])[0] == (
        "NotImplemented"
    )


def test_a_role_has_to_be_passed(cloud: Any, put: Any, stream: str, person: Any, refused: Refused) -> None:
    """iam:PassRole to logs.<region>.amazonaws.com is asked for."""
    put("x")
    arn = role(cloud, "r", "kinesis:PutRecord")
    statement = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    user = person("u", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    members = {"logGroupName": "group", "filterName": "f", "filterPattern": "", "destinationArn": stream, "roleArn": arn}
    code, message = refused(user.put_subscription_filter, **members)
    assert (code, "iam:PassRole" in message) == ("AccessDeniedException", True)


OTHER = "111111111111"


def test_events_go_to_another_account(cloud: Any, logs: Any, put: Any, packages: Any, refused: Refused) -> None:
    """A destination lets an account subscribe by its policy, and brings events into its own stream as its own role."""
    kinesis = cloud.client("kinesis", OTHER, "test")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    cloud.advance(60)
    target = kinesis.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]["StreamARN"]
    theirs = cloud.client("logs", OTHER, "test")
    arn = role(cloud, "r", "kinesis:PutRecord", account=OTHER)
    destination = theirs.put_destination(destinationName="d", targetArn=target, roleArn=arn)["destination"]["arn"]
    put("x")
    members = {"logGroupName": "group", "filterName": "f", "filterPattern": "", "destinationArn": destination}
    assert refused(logs.put_subscription_filter, **members)[0] == "AccessDeniedException"
    allow_us = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "logs:PutSubscriptionFilter", "Resource": destination}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow_us]})
    theirs.put_destination_policy(destinationName="d", accessPolicy=policy)
    logs.put_subscription_filter(**members)
    put("over there")
    assert [p["owner"] for p in packages(OTHER)] == ["CloudwatchLogs", "000000000000"]
    assert theirs.describe_destinations()["destinations"][0]["accessPolicy"] == policy
    theirs.delete_destination(destinationName="d")
    assert theirs.describe_destinations()["destinations"] == []


def test_an_account_subscribes_all_its_groups(cloud: Any, logs: Any, put: Any, stream: str, packages: Any, refused: Refused) -> None:
    """Groups that the criteria except are left out; the package says where it comes from."""
    arn = role(cloud, "r", "kinesis:PutRecord")
    document = json.dumps({"DestinationArn": stream, "RoleArn": arn, "FilterPattern": "ERROR", "Distribution": "Random"})
    logs.put_account_policy(
        policyName="all",
        policyType="SUBSCRIPTION_FILTER_POLICY",
        policyDocument=document,
        selectionCriteria='LogGroupName NOT IN ["quiet"]',
    )
    put("ERROR 1", group="loud")
    put("ERROR 2", group="quiet")
    _, package = packages()
    assert (package["logGroup"], package["policyLevel"]) == ("loud", "ACCOUNT_LEVEL_POLICY")
    wrong = {"policyName": "all", "policyType": "SUBSCRIPTION_FILTER_POLICY", "policyDocument": document}
    assert refused(logs.put_account_policy, **wrong, selectionCriteria="LogGroupNamePrefix = x")[0] == "InvalidParameterException"
    assert refused(logs.put_account_policy, **{**wrong, "policyDocument": "{}"})[0] == "InvalidParameterException"


def test_events_go_to_a_function(cloud: Any, logs: Any, put: Any, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    """A function is invoked with {"awslogs": {"data": ...}}, if its policy lets logs.amazonaws.com in."""
    function = make_function(cloud)
    put("x")
    subscribe = {"logGroupName": "group", "filterName": "f", "filterPattern": "", "destinationArn": function}
    assert refused(logs.put_subscription_filter, **subscribe) == (
        "InvalidParameterException",
        "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.",
    )
    cloud.client("lambda").add_permission(
        FunctionName="f",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="logs.amazonaws.com",
        SourceArn=LOGS + "log-group:group:*",
        SourceAccount="000000000000",
    )
    logs.put_subscription_filter(**subscribe)
    manifest = cloud.house.app.gateway.manifest("lambda")
    invoked: list[Any] = []
    entry = cloud.house.app.gateway.inner_entry("lambda", "Invoke")
    monkeypatch.setattr(entry, "function", lambda ctx, req: invoked.append(req) or {"StatusCode": 202})
    assert manifest is not None
    put("to the function")
    cloud.settle()
    (request,) = invoked
    assert (request.FunctionName, request.InvocationType) == (function, "Event")
    package = json.loads(gzip.decompress(base64.b64decode(json.loads(request.Payload)["awslogs"]["data"])))
    assert [event["message"] for event in package["logEvents"]] == ["to the function"]


def make_function(cloud: Any) -> str:
    import io
    import zipfile

    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return event")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = cloud.client("iam").create_role(RoleName="fr", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    made: str = cloud.client("lambda").create_function(
        FunctionName="f", Runtime="python3.12", Role=arn, Handler="index.handler", Code={"ZipFile": code.getvalue()}
    )["FunctionArn"]
    return made


def test_events_go_to_a_delivery_stream(cloud: Any, logs: Any, put: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery stream gets each package as a record, as the role."""
    entry = cloud.house.app.gateway.inner_entry("firehose", "PutRecord")
    if entry.manifest is None:
        pytest.skip("there is no Firehose here")
    records: list[bytes] = []
    monkeypatch.setattr(entry, "function", lambda ctx, req: records.append(req.Record.Data) or {"RecordId": "1"})
    put("x")
    arn = role(cloud, "r", "firehose:PutRecord")
    destination = "arn:aws:firehose:us-east-1:000000000000:deliverystream/d"
    logs.put_subscription_filter(logGroupName="group", filterName="f", filterPattern="", destinationArn=destination, roleArn=arn)
    put("y")
    cloud.settle()
    assert [json.loads(gzip.decompress(record))["messageType"] for record in records] == ["CONTROL_MESSAGE", "DATA_MESSAGE"]
