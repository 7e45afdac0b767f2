"""Export tasks: the events of a group, as gzipped lines, to a bucket that lets CloudWatch Logs write.

    <prefix>/aws-logs-write-test                     put when the task is made: may CloudWatch Logs write there?
    <prefix>/<task id>/<stream>/000000.gz            lines "2024-05-01T12:00:00.000Z message"; `/` in a stream's name becomes `-`

Source: API reference, CreateExportTask; "Exporting log data to Amazon S3" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.logs import chunks
from fogbank.services.logs.faults import bad_token, invalid, missing
from fogbank.services.logs.names import arn_of, group_at
from fogbank.services.logs.reading import check_readable
from fogbank.services.logs.state import BY_ID, EXPORTS, STREAMS, Export, Group, Stream, expired_before_ms
from fogbank.store import change

PREFIX = "exportedlogs"
FILE_BYTES = 16 << 20
PAGE_LIMIT = 50
BEGINS_MS = 1000
"""After it was asked for: so that a task can be cancelled."""
PENDING, RUNNING, CANCELLING, CANCELLED, COMPLETED, FAILED = "PENDING", "RUNNING", "PENDING_CANCEL", "CANCELLED", "COMPLETED", "FAILED"


@operation("CreateExportTask")
def create_export_task(ctx: Context, req: Any) -> Answer:
    """Begins to export a group's events from one instant to another (both included) to a bucket of this region.

    The bucket's policy must let logs.<region>.amazonaws.com get its ACL and put objects. One task at a time.

    Errors: ResourceNotFoundException, InvalidParameterException, LimitExceededException. Source: API reference, CreateExportTask.
    """
    group = group_at(ctx, req.logGroupName)
    check_readable(group)
    if req.to < req.from_:
        raise invalid("The specified time range is not valid: to is earlier than from.")
    if req.to < group.created_at_ms:
        raise invalid("The specified time range ends before the log group was created.")
    if any(one.status in (PENDING, RUNNING, CANCELLING) for one in EXPORTS.scan(ctx, ctx.account, ctx.region, reverse=True)):
        raise ServiceException("LimitExceededException", "Resource limit exceeded.")
    export = Export(
        account=ctx.account,
        region=ctx.region,
        number=ctx.tx.unique(),
        id=ctx.random.uuid(),
        name=req.taskName or "",
        group=group.id,
        group_name=group.name,
        stream_prefix=req.logStreamNamePrefix or "",
        from_ms=req.from_,
        to_ms=req.to,
        bucket=req.destination,
        prefix=req.destinationPrefix or PREFIX,
        status=PENDING,
        message="",
        created_at_ms=ctx.now,
    )
    _probe(ctx, group, export)
    EXPORTS.put(ctx, export)
    ctx.later("logs.export", {"number": export.number}, at_ms=ctx.now + BEGINS_MS)
    return {"taskId": export.id}


def _acting(group: Group) -> Acting:
    return Acting(f"logs.{group.region}.amazonaws.com", f"{arn_of(group)}:*", group.account)


def _probe(ctx: Context, group: Group, export: Export) -> None:
    """Errors: InvalidParameterException."""
    acting = _acting(group)
    written = {"Key": f"{export.prefix}/aws-logs-write-test", "Body": b"Permission Check Successful", "ACL": "bucket-owner-full-control"}
    for operation_, members in (("GetBucketAcl", {}), ("PutObject", written)):
        try:
            ctx.call("s3", operation_, {"Bucket": export.bucket, **members}, acting=acting)
        except NotImplementedOperation:
            raise
        except ServiceException as refused:
            if refused.code == "NoSuchBucket":
                raise invalid("The specified bucket does not exist.") from None
            raise invalid(
                f"{operation_} call on the given bucket failed. Please check if CloudWatch Logs has been granted permission"
                " to perform this operation."
            ) from None


@task("export")
def export_stream(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Writes the files of one stream, and comes again for the next."""
    export = EXPORTS.get(ctx, ctx.account, ctx.region, payload["number"])
    group = BY_ID.first(ctx, export.group) if export is not None else None
    if export is None or export.status not in (PENDING, RUNNING, CANCELLING):
        return None
    if export.status == CANCELLING:
        return _end(ctx, export, CANCELLED, "Cancelled by user")
    if group is None:
        return _end(ctx, export, FAILED, "The log group does not exist any more")
    stream = next(STREAMS.scan(ctx, group.id, starting=export.stream_prefix, after=export.after or None), None)
    if stream is None:
        return _end(ctx, export, COMPLETED, "Completed successfully")
    try:
        _write(ctx, group, stream, export)
    except ServiceException as refused:
        return _end(ctx, export, FAILED, refused.message)
    EXPORTS.put(ctx, change(export, status=RUNNING, after=stream.name))
    ctx.later("logs.export", payload)
    return None


def _end(ctx: Context, export: Export, status: str, message: str) -> Answer:
    EXPORTS.put(ctx, change(export, status=status, message=message, completed_at_ms=ctx.now))
    return None


def _write(ctx: Context, group: Group, stream: Stream, export: Export) -> None:
    low = max(export.from_ms, expired_before_ms(group, ctx.now))
    if not stream.events or stream.last_event_ms < low or stream.first_event_ms > export.to_ms:
        return
    source = chunks.held(ctx, group, stream, low, export.to_ms + 1)
    files = ctx.beside(f"export {export.id} {stream.name}", lambda: _files(source, low, export.to_ms + 1))
    folder = f"{export.prefix}/{export.id}/{stream.name.replace('/', '-')}"
    for number, content in enumerate(files):
        members = {"Bucket": export.bucket, "Key": f"{folder}/{number:06}.gz", "Body": content, "ACL": "bucket-owner-full-control"}
        ctx.call("s3", "PutObject", members, acting=_acting(group))


def _files(source: chunks.Source, from_ms: int, to_ms: int) -> list[bytes]:
    files: list[bytes] = []
    lines: list[str] = []
    size = 0
    for event in chunks.forward(source, from_ms, to_ms):
        at = datetime.fromtimestamp(event.at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        lines.append(f"{at}.{event.at_ms % 1000:03}Z {event.seen}\n")
        size += len(lines[-1])
        if size >= FILE_BYTES:
            files.append(gzip.compress("".join(lines).encode(), mtime=0))
            lines, size = [], 0
    if lines:
        files.append(gzip.compress("".join(lines).encode(), mtime=0))
    return files


@operation("CancelExportTask")
def cancel_export_task(ctx: Context, req: Any) -> Answer:
    """Stops a task that is pending or running; what it has written stays.

    Errors: ResourceNotFoundException, InvalidOperationException (it is over). Source: API reference, CancelExportTask.
    """
    export = next((one for one in EXPORTS.scan(ctx, ctx.account, ctx.region, reverse=True) if one.id == req.taskId), None)
    if export is None:
        raise missing("The specified export task does not exist.")
    if export.status not in (PENDING, RUNNING):
        raise ServiceException("InvalidOperationException", "The specified export task has already finished")
    EXPORTS.put(ctx, change(export, status=CANCELLING))
    return None


@operation("DescribeExportTasks")
def describe_export_tasks(ctx: Context, req: Any) -> Answer:
    """Export tasks, newest first: all, one, or those in a status; at most 50 a page. Source: API reference, DescribeExportTasks."""
    if req.taskId is not None and req.statusCode is not None:
        raise invalid("You can't specify both taskId and statusCode.")
    place = paging.place(req.nextToken, bad_token)
    before = paging.number(place, bad_token) if place is not None else None
    found = (
        one
        for one in EXPORTS.scan(ctx, ctx.account, ctx.region, before=before, reverse=True)
        if req.taskId in (None, one.id) and req.statusCode in (None, one.status)
    )
    page, more = paging.page(found, req.limit or PAGE_LIMIT)
    return {"exportTasks": [_described(one) for one in page], "nextToken": paging.token(str(page[-1].number)) if more else None}


def _described(one: Export) -> dict[str, Any]:
    return {
        "taskId": one.id,
        "taskName": one.name or None,
        "logGroupName": one.group_name,
        "from": one.from_ms,
        "to": one.to_ms,
        "destination": one.bucket,
        "destinationPrefix": one.prefix,
        "status": {"code": one.status, "message": one.message or None},
        "executionInfo": {"creationTime": one.created_at_ms, "completionTime": one.completed_at_ms or None},
    }
