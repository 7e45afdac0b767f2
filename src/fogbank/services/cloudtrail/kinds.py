"""What kind of event a call is: management, data of a resource type, or none that a trail knows. Pure.

Source: "Logging data events" and "Logging management events" in the CloudTrail User Guide.
"""

from __future__ import annotations

from functools import cache

from fogbank.access import authorization

_OBJECTS = (
    "AbortMultipartUpload CompleteMultipartUpload CopyObject CreateMultipartUpload DeleteObject DeleteObjectTagging "
    "DeleteObjects GetObject GetObjectAcl GetObjectAttributes GetObjectLegalHold GetObjectRetention "
    "GetObjectTagging GetObjectTorrent HeadObject HeadBucket ListMultipartUploads ListObjectVersions ListObjects "
    "ListObjectsV2 ListParts PutObject PutObjectAcl PutObjectLegalHold PutObjectRetention PutObjectTagging "
    "RestoreObject SelectObjectContent UploadPart UploadPartCopy "
)
_ITEMS = (
    "BatchExecuteStatement BatchGetItem BatchWriteItem DeleteItem ExecuteStatement ExecuteTransaction GetItem PutItem Query Scan "
    "TransactGetItems TransactWriteItems UpdateItem"
)
_DATA: dict[str, tuple[str, str]] = {
    "s3": ("AWS::S3::Object", _OBJECTS),
    "dynamodb": ("AWS::DynamoDB::Table", _ITEMS),
    "dynamodbstreams": ("AWS::DynamoDB::Stream", "GetRecords GetShardIterator"),
    "lambda": ("AWS::Lambda::Function", "Invoke InvokeAsync InvokeWithResponseStream"),
    "sns": ("AWS::SNS::Topic", "Publish PublishBatch"),
    "sqs": (
        "AWS::SQS::Queue",
        "SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility ChangeMessageVisibilityBatch",
    ),
    "kinesis": ("AWS::Kinesis::Stream", "PutRecord PutRecords GetRecords GetShardIterator SubscribeToShard"),
    "firehose": ("AWS::KinesisFirehose::DeliveryStream", "PutRecord PutRecordBatch"),
    "events": ("AWS::Events::EventBus", "PutEvents PutPartnerEvents"),
    "cloudwatch": (
        "AWS::CloudWatch::Metric",
        "GetMetricData GetMetricStatistics GetMetricWidgetImage ListMetrics PutMetricData",
    ),
    "xray": ("AWS::XRay::Trace", "PutTraceSegments PutTelemetryRecords GetSamplingTargets GetTraceSummaries BatchGetTraces"),
    "logs": ("", "PutLogEvents GetLogEvents FilterLogEvents StartLiveTail GetLogRecord"),
}
"""Service -> the resource type of its data events, and the operations that are such. Without a type: recorded by nobody."""
TYPES = frozenset(kind for kind, _ in _DATA.values() if kind)
_DATA_TYPES = {(service, name): kind for service, (kind, names) in _DATA.items() for name in names.split()}
_READING = frozenset(
    {
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:GenerateDataKeyPair",
        "kms:GenerateRandom",
        "kms:ReEncrypt",
        "kms:Sign",
        "kms:Verify",
        "sts:AssumeRole",
        "sts:AssumeRoleWithSAML",
        "sts:AssumeRoleWithWebIdentity",
        "sts:GetCallerIdentity",
        "sts:GetSessionToken",
        "sts:GetFederationToken",
    }
)
"""What CloudTrail calls read-only though IAM does not."""
GLOBAL = frozenset({"iam", "cloudfront", "route53", "organizations"})
"""Their events are told of in us-east-1."""


def data_type(service: str, operation: str) -> str | None:
    """The resource type of a data event, "" where nobody records the call; None for a management event."""
    return _DATA_TYPES.get((service, operation))


@cache
def reads(service: str, operation: str) -> bool:
    """Whether the call changes nothing."""
    if f"{service}:{operation}" in _READING:
        return True
    names = authorization.actions(service, operation)
    levels = [level for name in names if (found := authorization.action(name)) is not None for level in found.levels]
    if not levels:
        return operation.startswith(("Get", "List", "Describe", "Head", "Lookup", "BatchGet"))
    return all(level in ("Read", "List") for level in levels)
