"""Server access logs: a record of every request to a bucket, delivered to another bucket as objects.

A record is a row from the moment the request was answered (`observe`) until the delivery, a few minutes after the first; delivery is
best effort, as on AWS: what the target bucket does not accept is dropped. The service writes as `logging.s3.amazonaws.com`, so the
target's policy or list must let it. Deliveries are not themselves logged.
Source: "Logging requests with server access logging" and "Amazon S3 server access log format" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.kernel.seen import Seen
from fogbank.services.s3 import checksums, grants, log_records, refusals, settings
from fogbank.services.s3.ownership import ENFORCED
from fogbank.services.s3.state import BUCKETS, LOG_LINES, Bucket, LogLine, bucket_at
from fogbank.store.tables import At

DELAY_S = 300
LINES = 10_000
"""The most records in one object."""


@operation("PutBucketLogging")
def put_bucket_logging(ctx: Context, req: Any) -> Answer:
    """Begins, changes or (without LoggingEnabled) ends logging. What is collected already goes to the target of before.

    The target is of the same account and region. Errors: MalformedXML, InvalidTargetBucketForLogging, and those of grantees;
    where the target has access control lists: if neither its list nor its policy speaks of the log-delivery group.
    Source: PutBucketLogging in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx, required=False)
    wanted = req.BucketLoggingStatus.LoggingEnabled
    if wanted is not None:
        _check(ctx, bucket, wanted)
    if "logging" in bucket.settings:
        deliver_all(ctx, bucket)
    settings.keep(ctx, bucket, "logging", settings.document(wanted))
    return None


def _check(ctx: Context, bucket: Bucket, wanted: Any) -> None:
    target = BUCKETS.get(ctx, wanted.TargetBucket or "")
    if target is None:
        raise _no_target(wanted, "The target bucket for logging does not exist")
    if target.account != bucket.account:
        raise _no_target(wanted, "The owner for the bucket to be logged and the target bucket must be the same")
    if target.region != bucket.region:
        message = "Cross S3 location logging not allowed."
        raise ServiceException(
            "CrossLocationLoggingProhibitted", message, status=403, SourceBucketLocation=bucket.region, TargetBucketLocation=target.region
        )
    granted = grants.listed(wanted.TargetGrants)
    if any(grant.permission not in ("FULL_CONTROL", "READ", "WRITE") for grant in granted):
        raise refusals.malformed_xml()
    if target.ownership == ENFORCED:
        if granted:
            raise _no_target(wanted, "The target bucket for logging has ACLs disabled, so target grants cannot be given")
    elif not _takes_logs(target):
        raise _no_target(wanted, "You must give the log-delivery group WRITE and READ_ACP permissions to the target bucket")
    form = wanted.TargetObjectKeyFormat
    if form is not None:
        if (form.SimplePrefix is None) == (form.PartitionedPrefix is None):
            raise refusals.malformed_xml()
        if form.PartitionedPrefix is not None and form.PartitionedPrefix.PartitionDateSource not in (None, "EventTime", "DeliveryTime"):
            raise refusals.malformed_xml()


def _takes_logs(target: Bucket) -> bool:
    """Whether a bucket's list lets the log-delivery group write, or its policy speaks of logging."""
    theirs = {grant.permission for grant in target.acl or () if grant.grantee == grants.LOG_DELIVERY}
    return "FULL_CONTROL" in theirs or theirs >= {"WRITE", "READ_ACP"} or grants.LOGGING in (target.policy or "")


def _no_target(wanted: Any, message: str) -> ServiceException:
    return ServiceException("InvalidTargetBucketForLogging", message, status=400, TargetBucket=wanted.TargetBucket)


@operation("GetBucketLogging")
def get_bucket_logging(ctx: Context, req: Any) -> Answer:
    """Where the bucket's logs go; nothing where they go nowhere."""
    return {"LoggingEnabled": bucket_at(ctx, req).settings.get("logging")}


# collecting


def observe(ctx: Context, seen: Seen) -> None:
    """Writes a request down, in every bucket that it was about and that logs: see `Service.observe`."""
    for name in log_records.buckets(seen):
        bucket = BUCKETS.get(ctx, name)
        if bucket is None or "logging" not in bucket.settings:
            continue
        if not _is_collecting(ctx, bucket.name):
            ctx.later("s3.deliver_logs", {"bucket": bucket.name}, delay_s=DELAY_S)
        for line in log_records.lines(ctx, bucket, seen):
            LOG_LINES.put(ctx, LogLine(bucket=bucket.name, number=ctx.tx.unique(), at_ms=seen.at_ms, text=line))


def _is_collecting(at: At, name: str) -> bool:
    return next(LOG_LINES.scan(at, name), None) is not None


# delivering


@task("deliver_logs")
def deliver_logs(ctx: Context, payload: Any) -> Answer:
    """Delivers what a bucket has collected. Of a bucket that does not log any more it has been delivered already."""
    bucket = BUCKETS.get(ctx, payload["bucket"])
    if bucket is not None and "logging" in bucket.settings:
        deliver_all(ctx, bucket)
    return None


def deliver_all(ctx: Context, bucket: Bucket) -> None:
    """Puts all that is collected into objects of the target, and forgets it, whether the target took it or not."""
    enabled = bucket.settings["logging"]
    partitioned = (enabled.get("TargetObjectKeyFormat") or {}).get("PartitionedPrefix")
    by_event = partitioned is not None and partitioned.get("PartitionDateSource") == "EventTime"
    lines = list(LOG_LINES.scan(ctx, bucket.name))
    for line in lines:
        LOG_LINES.delete(ctx, line)
    day_of = (lambda line: line.at_ms // 86_400_000) if by_event else (lambda line: 0)
    for day, group in groupby(sorted(lines, key=day_of) if by_event else lines, key=day_of):
        of_day = list(group)
        at_ms = day * 86_400_000 if by_event else ctx.now
        for start in range(0, len(of_day), LINES):
            _deliver(ctx, bucket, _key(ctx, bucket, at_ms), of_day[start : start + LINES])


def _key(ctx: Context, bucket: Bucket, at_ms: int) -> str:
    """What a log object is called: TargetPrefix, with a partition where the format says so, the time, and something unique."""
    enabled = bucket.settings["logging"]
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    partition = ""
    if (enabled.get("TargetObjectKeyFormat") or {}).get("PartitionedPrefix") is not None:
        partition = f"{bucket.account}/{bucket.region}/{bucket.name}/{at:%Y/%m/%d}/"
    return f"{enabled.get('TargetPrefix', '')}{partition}{at:%Y-%m-%d-%H-%M-%S}-{ctx.random.hex(16).upper()}"


def _deliver(ctx: Context, bucket: Bucket, key: str, lines: list[LogLine]) -> None:
    enabled = bucket.settings["logging"]
    target = BUCKETS.get(ctx, enabled["TargetBucket"])
    if target is None:
        return
    members: dict[str, Any] = {
        "Bucket": target.name,
        "Key": key,
        "Body": "".join([line.text for line in lines]).encode(),
        "ContentType": "text/plain",
    }
    if target.ownership != ENFORCED:
        members |= _granting(target, enabled.get("TargetGrants") or ())
    try:
        ctx.call("s3", "PutObject", members, acting=Acting(grants.LOGGING, bucket.arn, bucket.account), region=target.region)
    except ServiceException:
        pass  # best effort: the target does not let us, and AWS would not tell either


def _granting(target: Bucket, granted: Any) -> dict[str, str]:
    """The grant headers of a log object: the owner's full control, and the target grants. Log files cannot be written to."""
    said = {"GrantFullControl": [f"id={grants.id_of(target.account)}"]}
    for grant in granted:
        grantee = grant["Grantee"]
        named = f"uri={grantee['URI']}" if grantee["Type"] == "Group" else f"id={grantee['ID']}"
        member = {"FULL_CONTROL": "GrantFullControl", "READ": "GrantRead", "WRITE": None}[grant["Permission"]]
        if member is not None:
            said.setdefault(member, []).append(named)
    return {member: ", ".join(named) for member, named in said.items()}
