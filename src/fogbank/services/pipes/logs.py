"""What a pipe logs: a record per step of an execution, to a log group, a Firehose stream or a bucket, as the pipe's role.

Source: "Logging Amazon EventBridge Pipes performance" and "EventBridge Pipes log schema reference" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.delivery import targets
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.pipes.addresses import invalid, pipe_arn, role_of
from fogbank.services.pipes.state import Pipe
from fogbank.wire import instants
from fogbank.wire.given import plain

DESTINATIONS = ("S3LogDestination", "FirehoseLogDestination", "CloudwatchLogsLogDestination")
LEVELS = ("ERROR", "INFO", "TRACE")
FIELD_BYTES, RECORD_BYTES = 256_000, 1_000_000
_LEVEL_OF = {
    "EXECUTION_STARTED": "INFO",
    "EXECUTION_SUCCEEDED": "INFO",
    "ENRICHMENT_STAGE_ENTERED": "INFO",
    "ENRICHMENT_STAGE_EXITED": "INFO",
    "TARGET_STAGE_ENTERED": "INFO",
    "TARGET_STAGE_EXITED": "INFO",
    "ENRICHMENT_INVOCATION_STARTED": "TRACE",
    "ENRICHMENT_INVOCATION_SUCCEEDED": "TRACE",
    "ENRICHMENT_INVOCATION_SKIPPED": "TRACE",
    "TARGET_INVOCATION_STARTED": "TRACE",
    "TARGET_INVOCATION_SUCCEEDED": "TRACE",
    "TARGET_INVOCATION_SKIPPED": "TRACE",
}
"""Steps -> the level from which on they are logged; the others (of failures) are logged at every level."""


def checked(ctx: Context, given: Any) -> dict[str, Any]:
    """A configuration, with its destinations. Raises ValidationException, NotImplemented."""
    if given is None:
        return {}
    configuration: dict[str, Any] = plain(given)
    there = [name for name in DESTINATIONS if name in configuration]
    if configuration["Level"] != "OFF" and not there:
        raise invalid("A log destination is required where the log level is not OFF.")
    s3 = configuration.get("S3LogDestination")
    if s3 is not None:
        if s3.get("OutputFormat", "json") != "json":
            raise NotImplementedOperation("pipes", ctx.operation, f"with OutputFormat {s3['OutputFormat']}")
        s3.setdefault("OutputFormat", "json")
    return configuration


class Steps:
    """The steps of one execution, as far as the pipe's level wants them."""

    def __init__(self, ctx: Context, pipe: Pipe) -> None:
        level = pipe.logs.get("Level", "OFF")
        self._level = LEVELS.index(level) if level in LEVELS else -1
        self._data = "ALL" in (pipe.logs.get("IncludeExecutionData") or ())
        self._pipe = pipe
        self._at = instants.iso8601_milliseconds(ctx.now)
        self._id = ctx.random.uuid() if self._level >= 0 else ""
        self._records: list[dict[str, Any]] = []

    def add(self, step: str, problem: ServiceException | None = None, service: str = "", **data: Any) -> None:
        """One more. `data`: payload, awsRequest, awsResponse, which are kept where the pipe includes its execution's data."""
        level = _LEVEL_OF.get(step, "ERROR")
        if LEVELS.index(level) > self._level:
            return
        record: dict[str, Any] = {
            "resourceArn": pipe_arn(self._pipe),
            "timestamp": self._at,
            "executionId": self._id,
            "messageType": step,
            "logLevel": level,
        }
        cut = []
        for name, value in data.items() if self._data else ():
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            if len(text) > FIELD_BYTES:
                text = text[:FIELD_BYTES]
                cut.append(name)
            record[name] = text
        if cut:
            record["truncatedFields"] = cut
        if problem is not None:
            error = {"httpStatusCode": problem.status, "message": problem.message, "details": "", "awsService": service}
            record["error"] = {**error, "requestId": self._id}
        self._records.append(record)

    def written(self, ctx: Context) -> None:
        """Sends the records. What a destination does not take is lost."""
        if not self._records:
            return
        lines = [msgspec.json.encode(record).decode() for record in self._records]
        for name in DESTINATIONS:
            if name in self._pipe.logs:
                try:
                    _send(ctx, self._pipe, name, self._pipe.logs[name], lines, self._id)
                except ServiceException:
                    continue


def _send(ctx: Context, pipe: Pipe, name: str, where: dict[str, Any], lines: list[str], id: str) -> None:
    role = role_of(pipe)
    if name == "CloudwatchLogsLogDestination":
        for line in lines:
            targets.log(ctx, where["LogGroupArn"], pipe.name, line, role)
    elif name == "FirehoseLogDestination":
        for line in lines:
            targets.send(ctx, where["DeliveryStreamArn"], line + "\n", role)
    else:
        day = instants.iso8601_seconds(ctx.now)[:13].replace("-", "/").replace("T", "/")
        key = f"{where.get('Prefix', '')}AWSLogs/{pipe.account}/pipes/{pipe.region}/{pipe.name}/{day}/{id}.log"
        members = {"Bucket": where["BucketName"], "Key": key, "Body": "".join(line + "\n" for line in lines).encode()}
        ctx.call("s3", "PutObject", {**members, "ExpectedBucketOwner": where["BucketOwner"]}, acting=role, region=pipe.region)
