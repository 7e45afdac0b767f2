"""The door's spans as segment documents: what a call was, and why it was refused. Pure."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.telemetry import Span
from fogbank.wire import model

_TYPES = {
    "apigateway": "AWS::ApiGateway::Stage",
    "dynamodb": "AWS::DynamoDB::Table",
    "events": "AWS::Events",
    "firehose": "AWS::KinesisFirehose::DeliveryStream",
    "kinesis": "AWS::Kinesis::Stream",
    "lambda": "AWS::Lambda",
    "s3": "AWS::S3::Bucket",
    "secretsmanager": "AWS::SecretsManager",
    "sns": "AWS::SNS",
    "sqs": "AWS::SQS::Queue",
    "ssm": "AWS::SSM",
    "stepfunctions": "AWS::StepFunctions::StateMachine",
}
_RESOURCES = {
    "TableName": "table_name",
    "QueueUrl": "queue_url",
    "TopicArn": "topic_arn",
    "FunctionName": "function_name",
    "StreamName": "stream_name",
    "DeliveryStreamName": "stream_name",
    "Bucket": "bucket_name",
    "Key": "key",
    "SecretId": "secret_id",
    "KeyId": "key_id",
    "QueueName": "queue_name",
}
"""A request's member -> what a segment's aws block calls it."""
_NAMED_BY = ("table_name", "queue_url", "topic_arn", "function_name", "stream_name", "bucket_name", "queue_name")
_THROTTLES = ("Throttl", "TooManyRequests", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "SlowDown", "LimitExceededException")


def type_of(service: str) -> str:
    """A service's node type on the map."""
    return _TYPES.get(service, f"AWS::{service.upper() if len(service) <= 3 else service.capitalize()}")


def document_of(span: Span) -> dict[str, Any]:
    """The segment of a call: named by what it was about, under the span that made it."""
    about = {_RESOURCES[member]: value for member, value in span.about.items() if value}
    named = next((about[key] for key in _NAMED_BY if key in about), "")
    document: dict[str, Any] = {
        "trace_id": span.trace,
        "id": span.id,
        "name": _short(named) or _display(span.service),
        "start_time": round(span.start_ms / 1000, 6),
        "end_time": round(span.end_ms / 1000, 6),
        "origin": type_of(span.service),
        "aws": {
            "account_id": span.account,
            "operation": span.operation.partition(".")[2] or span.operation,
            "region": span.region,
            "request_id": span.request_id,
            **about,
        },
        "user": span.principal or None,
    }
    if span.parent:
        document["parent_id"] = span.parent
    if span.kind == "call":
        document["http"] = {
            "request": {"method": span.method, "url": span.url, "client_ip": span.client, "user_agent": span.user_agent},
            "response": {"status": span.status},
        }
    if span.via:
        document["aws"]["via"] = list(span.via)
    if span.error:
        document["fault" if span.status >= 500 else "error"] = True
        if any(word in span.error for word in _THROTTLES):
            document["throttle"] = True
        document["cause"] = {"exceptions": [{"id": span.id, "type": span.error, "message": span.message, "remote": True}]}
    return {key: value for key, value in document.items() if value is not None}


def _short(name: str) -> str:
    """The last word of a URL or an ARN."""
    return name.rpartition("/")[2].rpartition(":")[2]


def _display(service: str) -> str:
    """A service's name as SDKs say it: "DynamoDB", "EventBridge"."""
    return model.service(service).service_id
