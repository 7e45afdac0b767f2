"""What goes wrong on the way is told to CloudWatch Logs, where the destination's CloudWatchLoggingOptions say so."""

from __future__ import annotations

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.firehose import lanes
from fogbank.services.firehose.addresses import arn_of, role
from fogbank.services.firehose.processing import Failed
from fogbank.services.firehose.state import BACKUP, OUT, Stream


def say(ctx: Context, stream: Stream, problem: Failed, destination: str, *, of: str = OUT) -> None:
    """One line, as the role of the destination (or of the backup, `of` whose records it is); what Logs refuses is let be."""
    told = stream.destination if of != BACKUP else lanes.bucket_of(stream, of)
    options = told.get("CloudWatchLoggingOptions") or {}
    role_arn = told.get("RoleARN")
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
