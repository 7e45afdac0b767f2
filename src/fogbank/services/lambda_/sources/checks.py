"""What a mapping may be: which settings its kind of source takes, in what bounds, and what the function's role must be allowed."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.lambda_.event_invokes import check_destination
from fogbank.services.lambda_.faults import invalid
from fogbank.services.lambda_.roles import role_of
from fogbank.services.lambda_.sources import filters
from fogbank.services.lambda_.sources.state import Mapping
from fogbank.services.lambda_.state import Version

KINDS = ("sqs", "kinesis", "dynamodb")
BATCH = 10_000
FIFO_BATCH = 10
PLAIN_BATCH = 10
"""What a batch of messages may have without a window."""
_ELSEWHERE = {
    "SelfManagedEventSource": "Apache Kafka",
    "SelfManagedKafkaEventSourceConfig": "Apache Kafka",
    "AmazonManagedKafkaEventSourceConfig": "Amazon MSK",
    "Topics": "Apache Kafka",
    "Queues": "Amazon MQ",
    "SourceAccessConfigurations": "Amazon MQ and Apache Kafka",
    "DocumentDBEventSourceConfig": "Amazon DocumentDB",
    "ProvisionedPollerConfig": "provisioned pollers",
    "LoggingConfig": "Apache Kafka",
    "KMSKeyArn": "filter criteria under a KMS key",
}
_OF_STREAMS = (
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "TumblingWindowInSeconds",
    "DestinationConfig",
)


def unmet(ctx: Context, req: Any) -> None:
    """Refuses by name what belongs to sources that are not here."""
    for member, why in _ELSEWHERE.items():
        if getattr(req, member, None):
            raise NotImplementedOperation("lambda", ctx.operation, f"with {member} ({why})")


def kind_of(ctx: Context, source_arn: str | None) -> str:
    """The kind of a source. Errors: InvalidParameterValueException, NotImplemented."""
    parsed = Arn.parse(source_arn or "")
    if parsed is None:
        raise invalid("EventSourceArn is required and must be the ARN of a queue or stream.")
    if parsed.service in ("kafka", "mq", "rds", "docdb"):
        raise NotImplementedOperation("lambda", ctx.operation, f"with an event source of {parsed.service}")
    if parsed.service not in KINDS or (parsed.service == "dynamodb" and "/stream/" not in parsed.resource):
        raise invalid(f"Unrecognized event source, must be kinesis, dynamodb stream, or sqs. Unsupported source arn: {source_arn}")
    if "/consumer/" in parsed.resource:
        raise NotImplementedOperation("lambda", ctx.operation, "with an enhanced fan-out consumer: name the stream")
    if parsed.region != ctx.region:
        raise invalid(f"The event source {source_arn} is in another region than the function.")
    return parsed.service


def fields(ctx: Context, kind: str, version: Version, req: Any) -> dict[str, Any]:
    """The fields of a mapping that a request sets. Errors: InvalidParameterValueException."""
    if kind == "sqs":
        for member in _OF_STREAMS:
            if getattr(req, member, None) is not None:
                raise invalid(f"{member} is not supported for event sources of SQS.")
    elif req.ScalingConfig is not None:
        raise invalid("ScalingConfig is only supported for event sources of SQS.")
    found: dict[str, Any] = {}
    for member, field in (
        ("BatchSize", "batch_size"),
        ("MaximumBatchingWindowInSeconds", "window_s"),
        ("ParallelizationFactor", "parallelization"),
        ("MaximumRecordAgeInSeconds", "max_age_s"),
        ("BisectBatchOnFunctionError", "bisect"),
        ("MaximumRetryAttempts", "retries"),
        ("TumblingWindowInSeconds", "tumbling_s"),
        ("StartingPosition", "starting"),
        ("StartingPositionTimestamp", "starting_at_ms"),
    ):
        value = getattr(req, member, None)
        if value is not None:
            found[field] = value
    if req.FilterCriteria is not None:
        found["filters"] = tuple(one.Pattern or "" for one in req.FilterCriteria.Filters or ())
        filters.check(kind, found["filters"])
    if req.FunctionResponseTypes is not None:
        found["report_failures"] = "ReportBatchItemFailures" in req.FunctionResponseTypes
    if req.ScalingConfig is not None:
        found["max_concurrency"] = req.ScalingConfig.MaximumConcurrency or 0
    if req.MetricsConfig is not None:
        if "KafkaMetrics" in (req.MetricsConfig.Metrics or ()):
            raise invalid("KafkaMetrics are only supported for event sources of Kafka.")
        found["counted"] = "EventCount" in (req.MetricsConfig.Metrics or ())
    if req.DestinationConfig is not None:
        found["on_failure"] = _on_failure(ctx, version, req.DestinationConfig)
    return found


def _on_failure(ctx: Context, version: Version, given: Any) -> str:
    if given.OnSuccess is not None and given.OnSuccess.Destination:
        raise invalid("OnSuccess is not supported for event source mappings.")
    target = (given.OnFailure.Destination if given.OnFailure is not None else None) or ""
    if target:
        check_destination(ctx, version, target, ("sqs", "sns", "s3"))
    return target


def whole(ctx: Context, mapping: Mapping, version: Version) -> None:
    """Settings go together, and the role may read the source. Errors: InvalidParameterValueException."""
    if mapping.batch_size > BATCH:
        raise invalid(f"BatchSize must be at most {BATCH}.")
    age = mapping.max_age_s
    if age not in (-1, 0) and age < 60:
        raise invalid("MaximumRecordAgeInSeconds must be -1, or from 60 to 604800.")
    if mapping.kind == "sqs":
        _check_queue(ctx, mapping, version)
        return
    if mapping.tumbling_s and mapping.parallelization > 1:
        raise invalid("TumblingWindowInSeconds cannot be combined with a ParallelizationFactor.")
    if not mapping.starting:
        raise invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."
        )
    if mapping.starting == "AT_TIMESTAMP":
        if mapping.kind == "dynamodb":
            raise invalid(f"Unsupported starting position for arn type: {mapping.source_arn}")
        if not mapping.starting_at_ms:
            raise invalid("StartingPositionTimestamp must be given with the starting position AT_TIMESTAMP.")
    elif mapping.starting_at_ms:
        raise invalid("StartingPositionTimestamp belongs to the starting position AT_TIMESTAMP.")
    _check_stream(ctx, mapping, version)


def _check_queue(ctx: Context, mapping: Mapping, version: Version) -> None:
    fifo = mapping.source_arn.endswith(".fifo")
    if fifo and mapping.window_s:
        raise invalid("Batching window is not supported for FIFO queues.")
    if fifo and mapping.batch_size > FIFO_BATCH:
        raise invalid(f"FIFO queues support a maximum batch size of {FIFO_BATCH}.")
    if mapping.batch_size > PLAIN_BATCH and not mapping.window_s:
        raise invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    own = ctx.as_role(role_of(version))
    for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        if not own.may(f"sqs:{action}", mapping.source_arn):
            raise invalid(f"The provided execution role does not have permissions to call {action} on SQS")
    _, _, _, region, account, name = mapping.source_arn.split(":", 5)
    members = {"QueueUrl": f"{ctx.endpoint}/{account}/{name}", "AttributeNames": ["VisibilityTimeout"]}
    try:
        found = ctx.call("sqs", "GetQueueAttributes", members, acting=role_of(version), region=region)
    except ServiceException as refused:
        raise invalid(
            f"Error occurred while ReceiveMessage. SQS Error Code: {refused.code}. SQS Error Message: {refused.message}"
        ) from None
    visible_s = int(found["Attributes"]["VisibilityTimeout"])
    if visible_s < version.timeout_s:
        raise invalid(f"Queue visibility timeout: {visible_s} seconds is less than Function timeout: {version.timeout_s} seconds")


_NEEDED = {
    "kinesis": ("DescribeStream", "GetRecords", "GetShardIterator", "ListShards"),
    "dynamodb": ("DescribeStream", "GetRecords", "GetShardIterator"),
}


def _check_stream(ctx: Context, mapping: Mapping, version: Version) -> None:
    own = ctx.as_role(role_of(version))
    if not all(own.may(f"{mapping.kind}:{action}", mapping.source_arn) for action in _NEEDED[mapping.kind]):
        where = "Kinesis" if mapping.kind == "kinesis" else "DynamoDB"
        raise invalid(
            f"Cannot access stream {mapping.source_arn}. Please ensure the role can perform the GetRecords, GetShardIterator, "
            f"DescribeStream, ListShards, and ListStreams Actions on your stream in {where}."
        )
    service, member = ("kinesis", "StreamARN") if mapping.kind == "kinesis" else ("dynamodbstreams", "StreamArn")
    try:
        ctx.call(service, "DescribeStream", {member: mapping.source_arn}, acting=role_of(version))
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        if refused.code == "ResourceNotFoundException":
            raise invalid(f"Stream not found: {mapping.source_arn}") from None
        raise invalid(f"Cannot access stream {mapping.source_arn}. {refused.message}") from None
