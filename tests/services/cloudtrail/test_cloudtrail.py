"""CloudTrail: what happened is found, delivered to S3, and proved by digests."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"


@pytest.fixture
def trails(cloud: Any) -> Any:
    return cloud.client("cloudtrail")


def code(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def found(trails: Any, **by: str) -> list[dict[str, Any]]:
    attributes = [{"AttributeKey": key, "AttributeValue": value} for key, value in by.items()]
    return [json.loads(e["CloudTrailEvent"]) for e in trails.lookup_events(LookupAttributes=attributes)["Events"]]


@pytest.fixture
def bucket(cloud: Any) -> str:
    """A bucket that CloudTrail may write to."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="trails")
    principal = {"Service": "cloudtrail.amazonaws.com"}
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": "s3:GetBucketAcl", "Resource": "arn:aws:s3:::trails"},
        {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::trails/AWSLogs/{ACCOUNT}/*",
            "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
        },
    ]
    s3.put_bucket_policy(Bucket="trails", Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return "trails"


@pytest.fixture
def trail(trails: Any, bucket: str) -> str:
    trails.create_trail(Name="main", S3BucketName=bucket, EnableLogFileValidation=True)
    trails.start_logging(Name="main")
    return "main"


def files(cloud: Any, folder: str = "CloudTrail/") -> list[str]:
    listed = cloud.client("s3").list_objects_v2(Bucket="trails", Prefix=f"AWSLogs/{ACCOUNT}/{folder}").get("Contents", [])
    return [o["Key"] for o in listed if o["Size"]]


def read(cloud: Any, key: str) -> Any:
    return json.loads(gzip.decompress(cloud.client("s3").get_object(Bucket="trails", Key=key)["Body"].read()))


def test_what_happened_is_found(cloud: Any, trails: Any) -> None:
    """A call is found by its name, with who made it, what it asked for and what it got."""
    cloud.client("sqs").create_queue(QueueName="orders", tags={"team": "a"})
    (event,) = found(trails, EventName="CreateQueue")
    assert event["userIdentity"] == {
        "type": "Root",
        "principalId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:root",
        "accountId": ACCOUNT,
        "accessKeyId": "test",
    }
    assert (event["eventSource"], event["readOnly"], event["managementEvent"]) == ("sqs.amazonaws.com", False, True)
    assert event["requestParameters"] == {"queueName": "orders", "tags": {"team": "a"}}
    assert event["responseElements"]["queueUrl"].endswith("/orders")


def test_who_a_role_s_session_is(cloud: Any, trails: Any) -> None:
    """An event of a role's session names the role that issued it."""
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"]["Arn"]
    keys = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    session = cloud.client("sqs", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    with pytest.raises(ClientError):
        session.create_queue(QueueName="q")
    (event,) = found(trails, EventName="CreateQueue")
    assert event["errorCode"] == "AccessDenied"
    assert "is not authorized to perform: sqs:createqueue" in event["errorMessage"].lower()
    assert event["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == arn
    assert event["userIdentity"]["accessKeyId"] == keys["AccessKeyId"]
    assert [e["eventName"] for e in found(trails, EventSource="iam.amazonaws.com")] == ["CreateRole"]


def test_secrets_are_hidden(cloud: Any, trails: Any) -> None:
    """What is secret is not told."""
    cloud.client("secretsmanager").create_secret(Name="s", SecretString="hunter2")
    cloud.client("ssm").put_parameter(Name="p", Value="hunter2", Type="SecureString")
    assert "hunter2" not in json.dumps(found(trails, ReadOnly="false"))


def test_pages_and_attributes(cloud: Any, trails: Any) -> None:
    """Events come latest first, in pages; two attributes are refused."""
    for number in range(5):
        cloud.client("sqs").create_queue(QueueName=f"q{number}")
        cloud.advance(1)
    first = trails.lookup_events(MaxResults=2, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}])
    names = [json.loads(e["CloudTrailEvent"])["requestParameters"]["queueName"] for e in first["Events"]]
    assert names == ["q4", "q3"]
    pages = trails.get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 2})
    assert len([e for page in pages for e in page["Events"] if e["EventName"] == "CreateQueue"]) == 5
    two = [{"AttributeKey": "EventName", "AttributeValue": "x"}, {"AttributeKey": "ReadOnly", "AttributeValue": "true"}]
    with pytest.raises(ClientError) as caught:
        trails.lookup_events(LookupAttributes=two)
    assert code(caught) == "InvalidLookupAttributesException"


def test_events_end_after_ninety_days(cloud: Any, trails: Any) -> None:
    """After ninety days an event is found no more."""
    cloud.client("sqs").create_queue(QueueName="q")
    assert found(trails, EventName="CreateQueue")
    cloud.advance(90 * 86_400 + 1)
    assert not found(trails, EventName="CreateQueue")


def test_files_are_delivered(cloud: Any, trails: Any, trail: str) -> None:
    """Every five minutes what happened lies in the bucket, under AWS's names; a stopped trail records nothing."""
    cloud.client("sqs").create_queue(QueueName="q")
    cloud.advance(301)
    (key,) = files(cloud)
    assert key.startswith(f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{datetime.fromtimestamp(cloud.now_ms / 1000, UTC):%Y}")
    assert "CreateQueue" in [r["eventName"] for r in read(cloud, key)["Records"]]
    trails.stop_logging(Name=trail)
    cloud.client("sqs").create_queue(QueueName="q2")
    cloud.advance(600)
    events = [r["eventName"] for k in files(cloud) for r in read(cloud, k)["Records"]]
    assert (events.count("CreateQueue"), trails.get_trail_status(Name=trail)["IsLogging"]) == (1, False)


def test_data_events_where_selected(cloud: Any, trails: Any, trail: str) -> None:
    """Object-level calls are recorded for the prefixes that a trail has selected, and are never found by LookupEvents."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="inputs")
    s3.put_object(Bucket="inputs", Key="before", Body=b"")
    resource = {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::inputs/a"]}
    trails.put_event_selectors(TrailName=trail, EventSelectors=[{"ReadWriteType": "WriteOnly", "DataResources": [resource]}])
    for key in ("a1", "b1"):
        s3.put_object(Bucket="inputs", Key=key, Body=b"")
        s3.get_object(Bucket="inputs", Key=key)
    cloud.advance(301)
    records = [r for k in files(cloud) for r in read(cloud, k)["Records"] if r["eventCategory"] == "Data"]
    assert [(r["eventName"], r["requestParameters"]["key"]) for r in records] == [("PutObject", "a1")]
    assert not found(trails, EventName="PutObject")


def test_advanced_selectors(cloud: Any, trails: Any, trail: str) -> None:
    """Advanced selectors take what all their fields allow."""
    fields = [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": ["AWS::SQS::Queue"]},
        {"Field": "eventName", "NotStartsWith": ["Receive"]},
    ]
    trails.put_event_selectors(TrailName=trail, AdvancedEventSelectors=[{"Name": "x", "FieldSelectors": fields}])
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.receive_message(QueueUrl=url)
    cloud.advance(301)
    records = [r for k in files(cloud) for r in read(cloud, k)["Records"] if r["eventCategory"] == "Data"]
    assert [r["eventName"] for r in records] == ["SendMessage"]


def test_a_bucket_without_a_policy(cloud: Any, trails: Any) -> None:
    """A trail needs a bucket that is there, and that lets CloudTrail write."""
    for name, expected in (("missing", "S3BucketDoesNotExistException"), ("closed", "InsufficientS3BucketPolicyException")):
        if name == "closed":
            cloud.client("s3").create_bucket(Bucket=name)
        with pytest.raises(ClientError) as caught:
            trails.create_trail(Name="t-1", S3BucketName=name)
        assert code(caught) == expected


def test_digests_are_valid(cloud: Any, trails: Any, trail: str) -> None:
    """`aws cloudtrail validate-logs` accepts what was delivered, and notices a file that was changed."""
    cloud.client("sqs").create_queue(QueueName="q")
    cloud.advance(3700)
    cloud.client("sqs").create_queue(QueueName="q2")
    cloud.advance(3700)
    assert len(files(cloud, "CloudTrail-Digest/")) == 2
    said = validate(cloud)
    assert "2/2 digest files valid" in said, said
    assert "2/2 log files valid" in said, said
    key = files(cloud)[0]
    cloud.client("s3").put_object(Bucket="trails", Key=key, Body=gzip.compress(b'{"Records":[]}'))
    assert "1/2 log files valid" in validate(cloud)


def validate(cloud: Any) -> str:
    start = datetime.fromtimestamp(cloud.now_ms / 1000 - 3 * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    end = datetime.fromtimestamp(cloud.now_ms / 1000 + 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1", "PATH": os.environ["PATH"]}
    command = ["cloudtrail", "validate-logs", "--trail-arn", arn, "--start-time", start, "--end-time", end, "--verbose"]
    whole = [sys.executable, "-m", "awscli", "--endpoint-url", cloud.endpoint, *command]
    done = subprocess.run(whole, env={**keys, "AWS_ENDPOINT_URL": cloud.endpoint}, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_only_who_may_looks(cloud: Any, trails: Any) -> None:
    """LookupEvents needs its permission."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    with pytest.raises(ClientError) as caught:
        cloud.client("cloudtrail", key["AccessKeyId"], key["SecretAccessKey"]).lookup_events()
    assert code(caught) in ("AccessDenied", "AccessDeniedException")


def received(cloud: Any, url: str) -> list[dict[str, Any]]:
    cloud.settle()
    messages = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(m["Body"]) for m in messages]


def rule_to_queue(cloud: Any, source: str, state: str = "ENABLED") -> str:
    """A rule for CloudTrail's events of a source, and the queue that gets them."""
    sqs, events = cloud.client("sqs"), cloud.client("events")
    url = str(sqs.create_queue(QueueName="told")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})})
    pattern = {"source": [source], "detail-type": ["AWS API Call via CloudTrail"]}
    events.put_rule(Name="calls", EventPattern=json.dumps(pattern), State=state)
    events.put_targets(Rule="calls", Targets=[{"Id": "1", "Arn": arn}])
    return url


def test_events_reach_event_bridge(cloud: Any, trail: str) -> None:
    """While a trail logs, what changes something reaches the default bus; what only reads does not."""
    url = rule_to_queue(cloud, "aws.iam")
    cloud.client("iam").create_user(UserName="u")
    cloud.client("iam").get_user(UserName="u")
    (event,) = received(cloud, url)
    assert (event["source"], event["detail"]["eventName"]) == ("aws.iam", "CreateUser")
    assert event["detail"]["requestParameters"] == {"userName": "u"}


def test_reads_reach_rules_that_want_all(cloud: Any, trail: str) -> None:
    """A rule that wants all of CloudTrail's management events gets those that only read as well."""
    url = rule_to_queue(cloud, "aws.iam", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    cloud.client("iam").list_users()
    assert [e["detail"]["eventName"] for e in received(cloud, url)] == ["ListUsers"]


def test_deliveries_are_no_events(cloud: Any, trails: Any, trail: str) -> None:
    """A rule on the data events of the queue that it sends to does not go round in circles."""
    fields = [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::SQS::Queue"]}]
    trails.put_event_selectors(TrailName=trail, AdvancedEventSelectors=[{"FieldSelectors": fields}])
    url = rule_to_queue(cloud, "aws.sqs")
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody='{"own": true}')
    first, second = received(cloud, url)
    assert first == {"own": True}
    assert second["detail"]["eventName"] == "SendMessage"


def test_without_a_trail_no_events(cloud: Any) -> None:
    """EventBridge hears of calls only where a trail logs."""
    url = rule_to_queue(cloud, "aws.iam")
    cloud.client("iam").create_user(UserName="u")
    assert received(cloud, url) == []
