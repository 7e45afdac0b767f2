"""What the cloud measures of itself: the values that services tell of, and the calls that the door counts."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import Counted, Measure
from fogbank.services.cloudwatch import points
from fogbank.services.cloudwatch.distribution import Summary, of_values
from fogbank.services.cloudwatch.state import Dimensions, packed

USAGE = {
    "cloudwatch": "CloudWatch",
    "dynamodb": "DynamoDB",
    "events": "EventBridge",
    "firehose": "Firehose",
    "iam": "IAM",
    "kinesis": "Kinesis Data Streams",
    "kms": "KMS",
    "lambda": "Lambda",
    "logs": "Logs",
    "s3control": "S3",
    "scheduler": "EventBridge Scheduler",
    "secretsmanager": "Secrets Manager",
    "sns": "SNS",
    "sqs": "SQS",
    "ssm": "SSM",
    "sts": "STS",
    "xray": "X-Ray",
}
"""The services whose API calls are counted in AWS/Usage, by their names there."""


ALSO_COUNTED = {("AWS/SQS", "SentMessageSize"): "NumberOfMessagesSent"}
"""Metrics of which each value is one of another, a count: told once."""
THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")
NO_FAULTS = ("", "ConditionalCheckFailedException", *THROTTLED)


def gather(ctx: Context, items: list[Any]) -> None:
    """Adds all of it to metrics; added up by metric, unit and minute (or second) first, so that each row is written once.

    Under load most values are the same as others of the same millisecond: those are counted before they are looked at.
    """
    measured: dict[tuple[Any, ...], dict[float, float]] = {}
    for item, often in Counter(items).items():
        if type(item) is Measure:
            account, region, namespace, name, dimensions, value, unit, at_ms, step_s = item
            key = (account, region, namespace, name, dimensions, unit, step_s, at_ms // (step_s * 1000))
            values = measured.get(key)
            if values is None:
                measured[key] = {value: float(often)}
            else:
                values[value] = values.get(value, 0.0) + often
        elif type(item) is Counted:
            _count(ctx, item)
    for (account, region, namespace, name, dimensions, unit, step_s, step), values in measured.items():
        if (also := ALSO_COUNTED.get((namespace, name))) is not None:
            counts = of_values({1.0: sum(values.values())})
            points.add(ctx, (account, region, namespace, also, packed(dimensions)), step * step_s, step_s, "Count", counts)
        points.add(ctx, (account, region, namespace, name, packed(dimensions)), step * step_s, step_s, unit, of_values(values))


def _count(ctx: Context, counted: Counted) -> None:
    service = USAGE.get(counted.service)
    if service is None or not counted.account:
        return
    dimensions = (("Class", "None"), ("Resource", counted.operation), ("Service", service), ("Type", "API"))
    _add(ctx, counted, "AWS/Usage", "CallCount", dimensions, "None")
    if counted.service == "dynamodb":
        _count_of_table(ctx, counted)


def _count_of_table(ctx: Context, counted: Counted) -> None:
    """DynamoDB's figures that the door knows: latency, errors, throttled requests; of the calls that name one table."""
    table = counted.about.rpartition("/")[2]
    by = (("Operation", counted.operation), ("TableName", table))
    if counted.error in ("InternalServerError", "InternalFailure"):
        _add(ctx, counted, "AWS/DynamoDB", "SystemErrors", by if table else ())
    elif counted.error not in NO_FAULTS:
        _add(ctx, counted, "AWS/DynamoDB", "UserErrors", ())
    elif table and counted.error in THROTTLED:
        _add(ctx, counted, "AWS/DynamoDB", "ThrottledRequests", by)
    elif table and not counted.error:
        mean = counted.took_ms / counted.calls
        latency = Summary(counted.calls, counted.took_ms, mean, mean, True, {mean: float(counted.calls)})
        _put(ctx, counted, "AWS/DynamoDB", "SuccessfulRequestLatency", by, "Milliseconds", latency)


def _add(ctx: Context, counted: Counted, namespace: str, name: str, dimensions: Dimensions, unit: str = "Count") -> None:
    """One for each call."""
    calls = float(counted.calls)
    _put(ctx, counted, namespace, name, dimensions, unit, Summary(calls, calls, 1.0, 1.0, True, {1.0: calls}))


def _put(ctx: Context, counted: Counted, namespace: str, name: str, dimensions: Dimensions, unit: str, of: Summary) -> None:
    metric = (counted.account, counted.region, namespace, name, packed(dimensions))
    points.add(ctx, metric, counted.at_ms // 1000, 60, unit, of)
