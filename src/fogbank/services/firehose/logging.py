"""What goes wrong on the way is told to CloudWatch Logs, where the destination's CloudWatchLoggingOptions say so."""

from __future__ import annotations

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.firehose.addresses import arn_of, role
from fogbank.services.firehose.processing import Failed
from fogbank.services.firehose.state import Stream


def say(ctx: Context, stream: Stream, problem: Failed, destination: str) -> None:
    """One line, as the destination's role; what Logs refuses is let be."""
    options = stream.destination.get("CloudWatchLoggingOptions") or {}
    role_arn = stream.destination.get("RoleARN")
    if not options.get("Enabled") or not role_arn:
        return
    line = {
        "deliveryStreamARN": arn_of(stream),
        "destination": destination,
        "deliveryStreamVersionId": stream.version,
        "message": problem.message,
        "errorCode": problem.code,
    }
    members = {
        "logGroupName": options.get("LogGroupName"),
        "logStreamName": options.get("LogStreamName"),
        "logEvents": [{"timestamp": ctx.now, "message": msgspec.json.encode(line).decode()}],
    }
    try:
        ctx.call("logs", "PutLogEvents", members, acting=role(stream, role_arn))
    except ServiceException:
        return
