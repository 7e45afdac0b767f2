"""What a pipe may be: its source, enrichment and target, and which settings each of them takes."""

from __future__ import annotations

from typing import Any

from fogbank.delivery import targets
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.languages import filters, patterns
from fogbank.services.pipes import events, inputs
from fogbank.services.pipes.addresses import PRINCIPAL, invalid, role_of
from fogbank.services.pipes.state import Pipe

Parameters = dict[str, Any]

SOURCES = {"sqs": "SqsQueueParameters", "kinesis": "KinesisStreamParameters", "dynamodb": "DynamoDBStreamParameters"}
"""Kinds of sources -> where their settings are."""
TARGETS = {
    "lambda": "LambdaFunctionParameters",
    "sqs": "SqsQueueParameters",
    "sns": "",
    "kinesis": "KinesisStreamParameters",
    "firehose": "",
    "events": "EventBridgeEventBusParameters",
    "logs": "CloudWatchLogsParameters",
}
"""Kinds of targets -> where their settings are."""
NOT_SOURCES = {"kafka": "Amazon MSK", "mq": "Amazon MQ"}
NOT_REACHED = {
    "states": "Step Functions",
    "execute-api": "API Gateway",
    "ecs": "Amazon ECS",
    "batch": "AWS Batch",
    "redshift": "Amazon Redshift",
    "redshift-serverless": "Amazon Redshift",
    "sagemaker": "Amazon SageMaker",
    "timestream": "Amazon Timestream",
    "inspector": "Amazon Inspector",
}
"""Enrichments and targets of services that are not here."""
FIFO_BATCH = PLAIN_BATCH = 10
_RETRIED = {
    "MaximumRecordAgeInSeconds": "max_age_s",
    "MaximumRetryAttempts": "retries",
    "ParallelizationFactor": "parallelization",
    "StartingPosition": "starting",
    "StartingPositionTimestamp": "starting_at_ms",
}


def kind_of(ctx: Context, source: str) -> str:
    """The kind of a source. Raises ValidationException, NotImplemented."""
    arn = Arn.parse(source)
    if source.startswith("smk://") or (arn is not None and arn.service in NOT_SOURCES):
        what = "self-managed Apache Kafka" if arn is None else NOT_SOURCES[arn.service]
        raise NotImplementedOperation("pipes", ctx.operation, f"with a source of {what}")
    if arn is None or arn.service not in SOURCES or (arn.service == "dynamodb" and "/stream/" not in arn.resource):
        raise invalid(f"Source {source} is not supported.")
    if (arn.account, arn.region) != (ctx.account, ctx.region):
        raise invalid(f"Source {source} must be in the account and region of the pipe.")
    return arn.service


def reading(pipe: Pipe, parameters: Parameters) -> dict[str, Any]:
    """The fields of a pipe that say how its source is read. Raises ValidationException."""
    source = parameters.get("SourceParameters", {})
    name = SOURCES[pipe.kind]
    for other in source:
        if other not in (name, "FilterCriteria"):
            raise invalid(f"{other} is not supported for source {pipe.source_arn}.")
    _check_filters(pipe.kind, filters_of(parameters))
    given = source.get(name, {})
    fields: dict[str, Any] = {
        "batch_size": given.get("BatchSize", 10 if pipe.kind == "sqs" else 100),
        "window_s": given.get("MaximumBatchingWindowInSeconds", 0),
        "bisect": given.get("OnPartialBatchItemFailure") == "AUTOMATIC_BISECT",
        "dead_letter_arn": given.get("DeadLetterConfig", {}).get("Arn", ""),
        "max_age_s": -1,
        "retries": -1,
        "parallelization": 1,
        "starting": "",
        "starting_at_ms": 0,
    }
    fields |= {field: given[member] for member, field in _RETRIED.items() if member in given}
    _check_reading(pipe, fields)
    return fields


def _check_reading(pipe: Pipe, fields: dict[str, Any]) -> None:
    if pipe.kind == "sqs":
        if pipe.source_arn.endswith(".fifo") and (fields["batch_size"] > FIFO_BATCH or fields["window_s"]):
            raise invalid(f"A FIFO queue as a source has batches of at most {FIFO_BATCH} and no batching window.")
        if fields["batch_size"] > PLAIN_BATCH and not fields["window_s"]:
            raise invalid("MaximumBatchingWindowInSeconds must be at least 1 where BatchSize is greater than 10.")
        return
    if not fields["starting"]:
        raise invalid(f"StartingPosition is required for source {pipe.source_arn}.")
    if (fields["starting"] == "AT_TIMESTAMP") != bool(fields["starting_at_ms"]):
        raise invalid("StartingPositionTimestamp belongs to the StartingPosition AT_TIMESTAMP.")
    arn = Arn.parse(fields["dead_letter_arn"])
    if fields["dead_letter_arn"] and (arn is None or arn.service not in ("sqs", "sns")):
        raise invalid("DeadLetterConfig must be the ARN of an SQS queue or an SNS topic.")


def filters_of(parameters: Parameters) -> tuple[str, ...]:
    criteria = parameters.get("SourceParameters", {}).get("FilterCriteria", {})
    return tuple(one["Pattern"] for one in criteria.get("Filters", ()) if one.get("Pattern"))


def _check_filters(kind: str, texts: tuple[str, ...]) -> None:
    try:
        filters.compiled(events.CONTENT.get(kind, ""), texts)
    except patterns.InvalidPattern as wrong:
        raise invalid(f"Invalid filter pattern: {wrong}.") from None


def enrichment(ctx: Context, arn: str, parameters: Parameters) -> None:
    """Raises ValidationException, NotImplemented."""
    given = parameters.get("EnrichmentParameters", {})
    if not arn:
        return
    parts = Arn.parse(arn)
    if parts is not None and (parts.service in NOT_REACHED or ":api-destination/" in arn):
        what = "an API destination" if parts.service == "events" else NOT_REACHED[parts.service]
        raise NotImplementedOperation("pipes", ctx.operation, f"with an enrichment by {what}")
    if parts is None or parts.service != "lambda":
        raise invalid(f"Enrichment {arn} is not supported.")
    if "HttpParameters" in given:
        raise invalid(f"HttpParameters are not supported for enrichment {arn}.")
    inputs.check(given.get("InputTemplate", ""))


def target(ctx: Context, arn: str, parameters: Parameters) -> None:
    """Raises ValidationException, NotImplemented."""
    given = parameters.get("TargetParameters", {})
    parts = Arn.parse(arn)
    if parts is not None and (parts.service in NOT_REACHED or ":api-destination/" in arn):
        what = "an API destination" if parts.service == "events" else NOT_REACHED[parts.service]
        raise NotImplementedOperation("pipes", ctx.operation, f"with {what} as the target")
    if parts is None or parts.service not in TARGETS:
        raise invalid(f"Target {arn} is not supported.")
    targets.check(arn)
    name = TARGETS[parts.service]
    for other in given:
        if other not in (name, "InputTemplate"):
            raise invalid(f"{other} is not supported for target {arn}.")
    inputs.check(given.get("InputTemplate", ""))
    settings = given.get(name, {})
    if "EndpointId" in settings:
        raise NotImplementedOperation("pipes", ctx.operation, "with EndpointId (global endpoints)")
    if parts.service == "kinesis" and not settings.get("PartitionKey"):
        raise invalid("PartitionKey is required for a Kinesis stream as the target.")
    if parts.service == "sqs" and arn.endswith(".fifo") and not settings.get("MessageGroupId"):
        raise invalid("MessageGroupId is required for a FIFO queue as the target.")
    for value in settings.values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and one.startswith("$"):
                inputs.check_path(one)


def role(ctx: Context, role_arn: str) -> None:
    """Raises AccessDenied."""
    ctx.authorize("iam:PassRole", role_arn, iam__PassedToService=PRINCIPAL)


# When it begins

_NEEDED = {
    "sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
    "kinesis": ("DescribeStream", "GetRecords", "GetShardIterator", "ListShards"),
    "dynamodb": ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"),
}


def hindered(ctx: Context, pipe: Pipe) -> str:
    """Why a pipe can't be started; "" where nothing hinders it: its role, and what the role may do with the source."""
    try:
        own = ctx.as_role(role_of(pipe))
    except ServiceException:
        return f"The pipe's role {pipe.role_arn} cannot be assumed by EventBridge Pipes."
    lacking = [f"{pipe.kind}:{action}" for action in _NEEDED[pipe.kind] if not own.may(f"{pipe.kind}:{action}", _authorized(pipe, action))]
    if lacking:
        return f"The pipe's role {pipe.role_arn} is not authorized to perform: {', '.join(lacking)} on {pipe.source_arn}."
    try:
        if pipe.kind == "sqs":
            name = pipe.source_arn.rpartition(":")[2]
            members: Parameters = {"QueueUrl": f"{ctx.endpoint}/{pipe.account}/{name}", "AttributeNames": ["VisibilityTimeout"]}
            ctx.call("sqs", "GetQueueAttributes", members, acting=role_of(pipe), region=pipe.region)
        else:
            service, member = ("kinesis", "StreamARN") if pipe.kind == "kinesis" else ("dynamodbstreams", "StreamArn")
            ctx.call(service, "DescribeStream", {member: pipe.source_arn}, acting=role_of(pipe), region=pipe.region)
    except ServiceException as refused:
        return f"The source {pipe.source_arn} cannot be read: {refused.message}"
    return ""


def _authorized(pipe: Pipe, action: str) -> str:
    return "*" if action == "ListStreams" else pipe.source_arn
