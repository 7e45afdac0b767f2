"""Pipes from queues: operations, states, filters, templates, targets, permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import Queue, allow, make_role, refused


def test_messages_go_through(pipe: Any, source: Queue, arrivals: Queue) -> None:
    """A pipe brings each message of a queue to another, in AWS's shape, and deletes it."""
    held = pipe(Description="d", Tags={"a": "b"})
    assert (held["CurrentState"], held["DesiredState"], held["Tags"]) == ("RUNNING", "RUNNING", {"a": "b"})
    assert held["Arn"] == f"arn:aws:pipes:us-east-1:{ACCOUNT}:pipe/p"
    source.send("one", {"n": 2})
    first, second = sorted(arrivals.bodies(), key=lambda one: one["body"])
    assert (first["body"], second["body"]) == ("one", '{"n": 2}')
    assert (first["eventSource"], first["eventSourceARN"]) == ("aws:sqs", source.arn)
    assert source.left() == 0


def test_states(cloud: Cloud, client: Any, pipe: Any, source: Queue, arrivals: Queue) -> None:
    """A pipe is stopped and started; what comes meanwhile waits in the source; each way there has its state."""
    assert pipe(DesiredState="STOPPED")["CurrentState"] == "STOPPED"
    source.send("a")
    assert arrivals.bodies() == []
    assert refused(client.stop_pipe, Name="p")[:2] == ("ConflictException", 409)
    started = client.start_pipe(Name="p")
    assert (started["CurrentState"], started["DesiredState"]) == ("STARTING", "RUNNING")
    assert [one["body"] for one in arrivals.bodies()] == ["a"]
    assert refused(client.start_pipe, Name="p")[0] == "ConflictException"
    assert client.stop_pipe(Name="p")["CurrentState"] == "STOPPING"
    cloud.settle()
    source.send("b")
    assert arrivals.bodies() == []
    assert client.list_pipes(CurrentState="STOPPED")["Pipes"][0]["Name"] == "p"
    assert client.list_pipes(CurrentState="RUNNING")["Pipes"] == []
    deleted = client.delete_pipe(Name="p")
    assert (deleted["CurrentState"], deleted["DesiredState"]) == ("DELETING", "DELETED")
    cloud.settle()
    assert refused(client.describe_pipe, Name="p") == ("NotFoundException", 404, "Pipe p does not exist.")


def test_create_fails(cloud: Cloud, client: Any, pipe: Any, source: Queue, arrivals: Queue) -> None:
    """A pipe whose role may not read the source fails to be created and says why; with the permission it can be started."""
    role = make_role(cloud, "weak", ("sqs:SendMessage", arrivals.arn))
    held = pipe(RoleArn=role)
    assert held["CurrentState"] == "CREATE_FAILED"
    assert "sqs:ReceiveMessage" in held["StateReason"]
    allow(
        cloud,
        "weak",
        ("sqs:SendMessage", arrivals.arn),
        (["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], source.arn),
    )
    client.start_pipe(Name="p")
    source.send("a")
    assert [one["body"] for one in arrivals.bodies()] == ["a"]
    other = pipe(Name="q", RoleArn=make_role(cloud, "other", ("sqs:*", "*"), service="events.amazonaws.com"))
    assert "cannot be assumed" in other["StateReason"]


def test_filters(pipe: Any, source: Queue, arrivals: Queue) -> None:
    """Only what a filter matches goes through; the rest is deleted."""
    pattern = json.dumps({"body": {"n": [{"numeric": [">", 1]}]}})
    pipe(SourceParameters={"FilterCriteria": {"Filters": [{"Pattern": pattern}]}})
    source.send({"n": 1}, {"n": 2}, "text")
    assert [json.loads(one["body"]) for one in arrivals.bodies()] == [{"n": 2}]
    assert source.left() == 0


TEMPLATE = '{"n": <$.body.n>, "who": "<aws.pipes.pipe-name> of <$.body.s>", "none": <$.body.x>, "all": <aws.pipes.event.json>}'


def test_template(pipe: Any, source: Queue, arrivals: Queue) -> None:
    """A template's paths lead into the body; its variables are of the pipe."""
    pipe(TargetParameters={"InputTemplate": TEMPLATE})
    source.send({"n": 7, "s": 'a"b'})
    [made] = arrivals.bodies()
    assert (made["n"], made["who"], made["none"]) == (7, 'p of a"b', None)
    assert made["all"]["body"] == {"n": 7, "s": 'a"b'}


def test_update(cloud: Cloud, client: Any, pipe: Any, source: Queue, arrivals: Queue, role: str) -> None:
    """What is given is changed, the rest stays; an empty template and no filters take them away."""
    pattern = {"Filters": [{"Pattern": '{"body": ["a"]}'}]}
    pipe(TargetParameters={"InputTemplate": "1"}, SourceParameters={"FilterCriteria": pattern, "SqsQueueParameters": {"BatchSize": 3}})
    assert client.update_pipe(Name="p", RoleArn=role, Description="new")["CurrentState"] == "UPDATING"
    cloud.settle()
    held = client.describe_pipe(Name="p")
    assert held["SourceParameters"] == {"FilterCriteria": pattern, "SqsQueueParameters": {"BatchSize": 3}}
    assert (held["Description"], held["TargetParameters"], held["CurrentState"]) == ("new", {"InputTemplate": "1"}, "RUNNING")
    nothing = {"SourceParameters": {"FilterCriteria": {"Filters": []}}, "TargetParameters": {"InputTemplate": ""}}
    client.update_pipe(Name="p", RoleArn=role, **nothing)
    cloud.settle()
    source.send("b")
    assert [one["body"] for one in arrivals.bodies()] == ["b"]


def test_failing_target(cloud: Cloud, pipe: Any, source: Queue, arrivals: Queue) -> None:
    """What the target does not take stays in the queue, and comes again when it is visible: here the permission was missing."""
    reading = (["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], source.arn)
    pipe(RoleArn=make_role(cloud, "weak", reading))
    source.send("a")
    assert arrivals.bodies() == []
    assert source.left() == 1
    allow(cloud, "weak", reading, ("sqs:SendMessage", arrivals.arn))
    cloud.advance(31)
    assert [one["body"] for one in arrivals.bodies()] == ["a"]
    assert source.left() == 0


def test_batch_window(cloud: Cloud, pipe: Any, source: Queue, function: Any, stage: Any) -> None:
    """A function gets what came within the window as one batch."""
    target = function("f", "def handler(event, context):\n    return None\n")
    parameters = {"SqsQueueParameters": {"BatchSize": 100, "MaximumBatchingWindowInSeconds": 5}}
    pipe(Target=target, SourceParameters=parameters)
    source.send("a", "b")
    cloud.settle()
    assert stage.invocations == []
    cloud.advance(5)
    cloud.settle()
    [(_, invocation)] = stage.invocations
    assert sorted(one["body"] for one in json.loads(invocation.payload)) == ["a", "b"]
    assert source.left() == 0


def test_partial_batch(cloud: Cloud, pipe: Any, source: Queue, function: Any, stage: Any) -> None:
    """Messages that a function reports as failed stay; the others go."""
    text = (
        "def handler(event, context):\n"
        "    return {'batchItemFailures': [{'itemIdentifier': one['messageId']} for one in event if one['body'] == 'bad']}\n"
    )
    pipe(Target=function("f", text))
    source.send("good", "bad")
    cloud.settle()
    assert source.left() == 1
    cloud.advance(31)
    cloud.settle()
    last = json.loads(stage.invocations[-1][1].payload)
    assert [one["body"] for one in last] == ["bad"]


def test_enrichment(cloud: Cloud, pipe: Any, source: Queue, arrivals: Queue, function: Any, stage: Any) -> None:
    """What the enrichment answers is what the target gets: an array is events, nothing is none; what it raises fails the batch."""
    text = (
        "import json\n"
        "def handler(event, context):\n"
        "    if event[0] == 'boom':\n"
        "        raise ValueError('boom')\n"
        "    return [{'seen': one, 'id': n} for one in event for n in (1, 2) if one != 'skip']\n"
    )
    pipe(
        Enrichment=function("e", text),
        EnrichmentParameters={"InputTemplate": '"<$.body>"'},
        TargetParameters={"InputTemplate": "[<$.seen>, <$.id>]"},
    )
    source.send("x")
    assert sorted(arrivals.bodies()) == [["x", 1], ["x", 2]]
    source.send("skip")
    assert arrivals.bodies() == []
    assert source.left() == 0
    source.send("boom")
    assert arrivals.bodies() == []
    assert source.left() == 1


def test_asynchronous_function(cloud: Cloud, pipe: Any, source: Queue, function: Any, stage: Any) -> None:
    """FIRE_AND_FORGET gives the function an event and goes on."""
    parameters = {"LambdaFunctionParameters": {"InvocationType": "FIRE_AND_FORGET"}}
    pipe(Target=function("f", "def handler(event, context):\n    raise ValueError\n"), TargetParameters=parameters)
    source.send("a")
    cloud.settle()
    assert source.left() == 0
    assert len(stage.invocations) >= 1


def test_event_bus(cloud: Cloud, pipe: Any, source: Queue, arrivals: Queue) -> None:
    """On a bus an event says which pipe it came by, or what the parameters say, by paths into the event."""
    events, bus = cloud.client("events"), f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arrivals.arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arrivals.sqs.set_queue_attributes(QueueUrl=arrivals.url, Attributes={"Policy": policy})
    events.put_rule(Name="all", EventPattern='{"version": ["0"]}')
    events.put_targets(Rule="all", Targets=[{"Id": "q", "Arn": arrivals.arn}])
    pipe(Target=bus)
    source.send("a")
    [event] = arrivals.bodies()
    assert (event["source"], event["detail-type"], event["detail"]["body"]) == ("Pipe p", "Event from aws:sqs", "a")
    parameters = {"Source": "shop", "DetailType": "$.body.kind", "Resources": ["$.body.arn"], "Time": "$.body.at"}
    cloud.client("pipes").stop_pipe(Name="p")
    cloud.settle()
    pipe(Name="q", Target=bus, TargetParameters={"EventBridgeEventBusParameters": parameters, "InputTemplate": '{"k": "<$.body.kind>"}'})
    source.send({"kind": "Order", "arn": source.arn, "at": "2024-01-02T03:04:05Z"})
    [event] = arrivals.bodies()
    assert (event["source"], event["detail-type"], event["resources"]) == ("shop", "Order", [source.arn])
    assert (event["time"], event["detail"]) == ("2024-01-02T03:04:05Z", {"k": "Order"})


def test_other_targets(cloud: Cloud, pipe: Any, source: Queue, arrivals: Queue, client: Any) -> None:
    """A topic, a Kinesis stream, a log group and a FIFO queue get the events, with keys by paths."""
    sns, kinesis, logs = cloud.client("sns"), cloud.client("kinesis"), cloud.client("logs")
    topic = sns.create_topic(Name="t")["TopicArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arrivals.arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arrivals.sqs.set_queue_attributes(QueueUrl=arrivals.url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arrivals.arn, Attributes={"RawMessageDelivery": "true"})
    kinesis.create_stream(StreamName="s", ShardCount=1)
    cloud.advance(60)
    logs.create_log_group(logGroupName="g")
    fifo = Queue(cloud, "ordered.fifo", {"FifoQueue": "true"})
    members = {
        topic: {},
        f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s": {"KinesisStreamParameters": {"PartitionKey": "$.body.k"}},
        f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g": {"CloudWatchLogsParameters": {"LogStreamName": "l"}},
        fifo.arn: {"SqsQueueParameters": {"MessageGroupId": "$.body.k", "MessageDeduplicationId": "$.messageId"}},
    }
    for number, (target, parameters) in enumerate(members.items()):
        held = pipe(Name=f"p{number}", Target=target, TargetParameters={"InputTemplate": '{"n": <$.body.n>}', **parameters})
        assert held["CurrentState"] == "RUNNING", held
        source.send({"k": "key", "n": number})
        cloud.settle()
        client.stop_pipe(Name=f"p{number}")
        cloud.settle()
    assert source.left() == 0
    assert arrivals.bodies() == [{"n": 0}]
    shard = kinesis.get_shard_iterator(StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    [record] = kinesis.get_records(ShardIterator=shard)["Records"]
    assert (record["PartitionKey"], json.loads(record["Data"])) == ("key", {"n": 1})
    [line] = logs.get_log_events(logGroupName="g", logStreamName="l")["events"]
    assert json.loads(line["message"]) == {"n": 2}
    [message] = fifo.messages()
    assert (message["Attributes"]["MessageGroupId"], json.loads(message["Body"])) == ("key", {"n": 3})


@pytest.mark.parametrize(
    ("members", "code", "why"),
    [
        ({"Source": "arn:aws:kafka:us-east-1:000000000000:cluster/c"}, "NotImplemented", "Amazon MSK"),
        ({"Source": "smk://broker:9092"}, "NotImplemented", "self-managed Apache Kafka"),
        ({"Source": "arn:aws:sns:us-east-1:000000000000:t"}, "ValidationException", "not supported"),
        ({"Target": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}, "NotImplemented", "Step Functions"),
        ({"Target": "arn:aws:events:us-east-1:000000000000:api-destination/d/1"}, "NotImplemented", "an API destination"),
        ({"Enrichment": "arn:aws:execute-api:us-east-1:000000000000:a/b/GET/"}, "NotImplemented", "API Gateway"),
        ({"Enrichment": "arn:aws:sqs:us-east-1:000000000000:q"}, "ValidationException", "not supported"),
        ({"Target": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}, "ValidationException", "PartitionKey"),
        ({"Target": "arn:aws:sqs:us-east-1:000000000000:q.fifo"}, "ValidationException", "MessageGroupId"),
        ({"TargetParameters": {"InputTemplate": "<aws.pipes.other>"}}, "ValidationException", "aws.pipes.other"),
        ({"TargetParameters": {"KinesisStreamParameters": {"PartitionKey": "a"}}}, "ValidationException", "KinesisStreamParameters"),
        ({"SourceParameters": {"SqsQueueParameters": {"BatchSize": 11}}}, "ValidationException", "MaximumBatchingWindowInSeconds"),
        ({"SourceParameters": {"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}}, "ValidationException", "filter"),
        (
            {"SourceParameters": {"KinesisStreamParameters": {"StartingPosition": "LATEST"}}},
            "ValidationException",
            "KinesisStreamParameters",
        ),
        ({"Source": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}, "ValidationException", "StartingPosition"),
        ({"LogConfiguration": {"Level": "INFO"}}, "ValidationException", "log destination"),
    ],
)
def test_refusals(client: Any, source: Queue, arrivals: Queue, role: str, members: Any, code: str, why: str) -> None:
    """What a pipe cannot be is refused at once; what is not here, by name."""
    given = {"Name": "p", "Source": source.arn, "Target": arrivals.arn, "RoleArn": role, **members}
    got = refused(client.create_pipe, **given)
    assert got[0] == code
    assert why in got[2]


def test_permissions(cloud: Cloud, client: Any, pipe: Any, source: Queue, arrivals: Queue, role: str) -> None:
    """A user needs iam:PassRole, and may be let in by a pipe's tags."""
    pipe(Tags={"team": "a"})
    pipe(Name="other", DesiredState="STOPPED")
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    tagged = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    statements = [
        {"Effect": "Allow", "Action": "pipes:DescribePipe", "Resource": "*", "Condition": tagged},
        {"Effect": "Allow", "Action": "pipes:CreatePipe", "Resource": "*"},
    ]
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("pipes", key["AccessKeyId"], key["SecretAccessKey"])
    assert user.describe_pipe(Name="p")["Name"] == "p"
    assert refused(user.describe_pipe, Name="other")[1] in (400, 403)
    code, _, message = refused(user.create_pipe, Name="new", Source=source.arn, Target=arrivals.arn, RoleArn=role)
    assert code.startswith("AccessDenied")
    assert "iam:PassRole" in message


def test_tags(client: Any, pipe: Any) -> None:
    """A pipe's tags are added, read and taken away."""
    arn = pipe(Tags={"a": "1"})["Arn"]
    client.tag_resource(resourceArn=arn, tags={"b": "2"})
    client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    assert refused(client.list_tags_for_resource, resourceArn=arn + "x")[0] == "NotFoundException"


def test_kms_key(cloud: Cloud, client: Any, pipe: Any, source: Queue, arrivals: Queue) -> None:
    """With a KMS key the filters and templates lie sealed, and the pipe works with them only as long as its role may decrypt."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    held = pipe(KmsKeyIdentifier=key, TargetParameters={"InputTemplate": '{"secret": <$.body>}'})
    assert held["TargetParameters"] == {"InputTemplate": '{"secret": <$.body>}'}
    assert held["KmsKeyIdentifier"] == key
    source.send("a")
    assert arrivals.bodies() == [{"secret": "a"}]
    cloud.client("kms").disable_key(KeyId=key)
    cloud.advance(301)
    source.send("b")
    assert arrivals.bodies() == []
    assert refused(client.describe_pipe, Name="p")[0] == "ValidationException"


def test_logs(cloud: Cloud, client: Any, pipe: Any, source: Queue, arrivals: Queue, role: str) -> None:
    """Steps are logged by the level, with the execution's data where that is wanted; failures at every level."""
    logs, s3 = cloud.client("logs"), cloud.client("s3")
    logs.create_log_group(logGroupName="g")
    s3.create_bucket(Bucket="logs-of-pipes")
    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g"
    configuration = {
        "Level": "INFO",
        "IncludeExecutionData": ["ALL"],
        "CloudwatchLogsLogDestination": {"LogGroupArn": group},
        "S3LogDestination": {"BucketName": "logs-of-pipes", "BucketOwner": ACCOUNT, "Prefix": "x/"},
    }
    assert pipe(LogConfiguration=configuration)["LogConfiguration"]["Level"] == "INFO"
    source.send("a")
    assert len(arrivals.bodies()) == 1
    records = [json.loads(one["message"]) for one in logs.get_log_events(logGroupName="g", logStreamName="p")["events"]]
    assert [one["messageType"] for one in records] == [
        "EXECUTION_STARTED",
        "TARGET_STAGE_ENTERED",
        "TARGET_STAGE_EXITED",
        "EXECUTION_SUCCEEDED",
    ]
    assert json.loads(records[0]["payload"])[0]["body"] == "a"
    [key] = [one["Key"] for one in s3.list_objects_v2(Bucket="logs-of-pipes")["Contents"]]
    assert key.startswith(f"x/AWSLogs/{ACCOUNT}/pipes/us-east-1/p/")
    body = s3.get_object(Bucket="logs-of-pipes", Key=key)["Body"].read().decode()
    assert [json.loads(line)["executionId"] for line in body.splitlines()] == [records[0]["executionId"]] * 4
    client.update_pipe(Name="p", RoleArn=role, LogConfiguration={"Level": "ERROR", "CloudwatchLogsLogDestination": {"LogGroupArn": group}})
    cloud.settle()
    source.send("b")
    assert len(arrivals.bodies()) == 1
    arrivals.sqs.delete_queue(QueueUrl=arrivals.url)
    source.send("c")
    cloud.settle()
    records = [json.loads(one["message"]) for one in logs.get_log_events(logGroupName="g", logStreamName="p")["events"]][4:]
    assert [one["messageType"] for one in records] == ["TARGET_INVOCATION_FAILED", "EXECUTION_FAILED"]
    assert records[0]["error"]["awsService"] == "sqs"
