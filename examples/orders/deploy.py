"""Builds the application in a cloud: each hop under a role that may do just that.

uploads (S3) -> ingest (Lambda) -> orders (DynamoDB) -> its stream -> announce (Lambda) -> shop (EventBridge)
    -> packing (SQS, FIFO by customer)  -> notices (SNS) -> an HTTP subscriber  -> ledger (Kinesis) -> Firehose -> archive (S3)
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Client = Callable[[str], Any]


@dataclass
class Application:
    """What was built: names, ARNs and URLs, for who uses it."""

    account: str
    region: str = "us-east-1"
    roles: dict[str, str] = field(default_factory=dict)
    queues: dict[str, str] = field(default_factory=dict)
    topic: str = ""
    stream: str = ""

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def deploy(client: Client, endpoint: str | None = None) -> Application:
    """Builds everything. `endpoint`: an HTTP address that wants to hear of orders."""
    app = Application(client("sts").get_caller_identity()["Account"])
    _stores(client, app)
    _queues(client, app)
    _bus(client, app, endpoint)
    _archive(client, app)
    _functions(client, app)
    return app


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]})


def role(client: Client, app: Application, name: str, service: str, *allowed: tuple[str | list[str], str]) -> str:
    """A role that a service may take on, and what it may do: (actions, resource)."""
    iam = client("iam")
    trust = policy({"Principal": {"Service": service}, "Action": "sts:AssumeRole"})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    statements = [{"Action": actions, "Resource": resource} for actions, resource in allowed]
    iam.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=policy(*statements))
    app.roles[name] = arn
    return arn


def _stores(client: Client, app: Application) -> None:
    for bucket in ("uploads", "archive"):
        client("s3").create_bucket(Bucket=f"shop-{bucket}")
    client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "customer", "AttributeType": "S"}, {"AttributeName": "number", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    app.stream = client("dynamodb").describe_table(TableName="orders")["Table"]["LatestStreamArn"]


def _queues(client: Client, app: Application) -> None:
    """The queue that packers read, and a dead-letter queue for each hop."""
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    for name in ("packing.fifo", "lost-uploads", "lost-orders", "lost-packing", "lost-notices", "lost-ledger"):
        url = client("sqs").create_queue(QueueName=name, Attributes=fifo if name.endswith(".fifo") else {})["QueueUrl"]
        app.queues[name] = url


def _allow(client: Client, app: Application, queue: str, service: str) -> None:
    statement = {"Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": app.arn("sqs", queue)}
    client("sqs").set_queue_attributes(QueueUrl=app.queues[queue], Attributes={"Policy": policy(statement)})


def _bus(client: Client, app: Application, endpoint: str | None) -> None:
    events = client("events")
    events.create_event_bus(Name="shop")
    sns = client("sns")
    app.topic = sns.create_topic(Name="notices")["TopicArn"]
    statement = {"Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": app.topic}
    sns.set_topic_attributes(TopicArn=app.topic, AttributeName="Policy", AttributeValue=policy(statement))
    if endpoint:
        sns.subscribe(TopicArn=app.topic, Protocol="http", Endpoint=endpoint)
    client("kinesis").create_stream(StreamName="ledger", ShardCount=2)
    ledger = role(client, app, "to-ledger", "events.amazonaws.com", ("kinesis:PutRecord", app.arn("kinesis", "stream/ledger")))
    for queue in ("packing.fifo", "lost-packing", "lost-notices", "lost-ledger"):
        _allow(client, app, queue, "events.amazonaws.com")
    events.put_rule(Name="placed", EventBusName="shop", EventPattern=json.dumps({"source": ["shop.orders"]}))
    retries = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 600}

    def target(id: str, arn: str, lost: str, **more: Any) -> dict[str, Any]:
        return {"Id": id, "Arn": arn, "RetryPolicy": retries, "DeadLetterConfig": {"Arn": app.arn("sqs", lost)}, **more}

    events.put_targets(
        Rule="placed",
        EventBusName="shop",
        Targets=[
            target(
                "packing",
                app.arn("sqs", "packing.fifo"),
                "lost-packing",
                InputPath="$.detail",
                SqsParameters={"MessageGroupId": "orders"},
            ),
            target("notices", app.topic, "lost-notices", InputPath="$.detail"),
            target(
                "ledger",
                app.arn("kinesis", "stream/ledger"),
                "lost-ledger",
                RoleArn=ledger,
                KinesisParameters={"PartitionKeyPath": "$.detail.customer"},
            ),
        ],
    )


def _archive(client: Client, app: Application) -> None:
    """What the ledger holds goes to S3, gathered for a minute."""
    reads = ["kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"]
    arn = role(
        client,
        app,
        "archiving",
        "firehose.amazonaws.com",
        (reads, app.arn("kinesis", "stream/ledger")),
        (["s3:PutObject", "s3:GetBucketLocation"], "arn:aws:s3:::shop-archive*"),
    )
    client("firehose").create_delivery_stream(
        DeliveryStreamName="archive",
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": app.arn("kinesis", "stream/ledger"), "RoleARN": arn},
        ExtendedS3DestinationConfiguration={
            "RoleARN": arn,
            "BucketARN": "arn:aws:s3:::shop-archive",
            "Prefix": "orders/",
            "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1},
            "CompressionFormat": "GZIP",
            "ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord", "Parameters": []}]},
        },
    )


def _code(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(HERE / "functions" / f"{name}.py", f"{name}.py")
    return packed.getvalue()


def _functions(client: Client, app: Application) -> None:
    """Both functions, what triggers them, and where their failures go."""
    functions = client("lambda")
    told = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    logs = (told, "*")
    uploads = role(
        client,
        app,
        "ingesting",
        "lambda.amazonaws.com",
        ("s3:GetObject", "arn:aws:s3:::shop-uploads/*"),
        ("dynamodb:BatchWriteItem", app.arn("dynamodb", "table/orders")),
        ("sqs:SendMessage", app.arn("sqs", "lost-uploads")),
        logs,
    )
    reads = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
    announcing = role(
        client,
        app,
        "announcing",
        "lambda.amazonaws.com",
        (reads, app.stream),
        ("events:PutEvents", app.arn("events", "event-bus/shop")),
        ("sqs:SendMessage", app.arn("sqs", "lost-orders")),
        logs,
    )
    runtime = f"python3.{sys.version_info.minor}"
    for name, arn, variables in (("ingest", uploads, {"TABLE": "orders"}), ("announce", announcing, {"BUS": "shop"})):
        functions.create_function(
            FunctionName=name,
            Runtime=runtime,
            Role=arn,
            Handler=f"{name}.handler",
            Code={"ZipFile": _code(name)},
            Timeout=30,
            Environment={"Variables": variables},
            TracingConfig={"Mode": "Active"},
        )
        functions.get_waiter("function_active_v2").wait(FunctionName=name)
    lost = {"OnFailure": {"Destination": app.arn("sqs", "lost-uploads")}}
    functions.put_function_event_invoke_config(FunctionName="ingest", MaximumRetryAttempts=1, DestinationConfig=lost)
    functions.add_permission(
        FunctionName="ingest",
        StatementId="uploads",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::shop-uploads",
        SourceAccount=app.account,
    )
    client("s3").put_bucket_notification_configuration(
        Bucket="shop-uploads",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": app.arn("lambda", "function:ingest"), "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    functions.create_event_source_mapping(
        EventSourceArn=app.stream,
        FunctionName="announce",
        StartingPosition="TRIM_HORIZON",
        BatchSize=100,
        MaximumRetryAttempts=2,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": app.arn("sqs", "lost-orders")}},
    )
