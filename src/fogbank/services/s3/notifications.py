"""Event notifications: which events go where, and the events themselves.

An event is written to the outbox in the transaction of the write that it tells of, and delivered by `tasks`.
Source: "Event message structure" and "Event notification types and destinations" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import refusals, rules
from fogbank.services.s3.state import BUCKETS, Bucket, Object, QueueNotification, bucket_at, canonical_id
from fogbank.store.tables import change
from fogbank.wire.writing import host_id

EVENTS = frozenset(
    {
        "s3:ObjectCreated:*",
        "s3:ObjectCreated:Put",
        "s3:ObjectCreated:Post",
        "s3:ObjectCreated:Copy",
        "s3:ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectRemoved:*",
        "s3:ObjectRemoved:Delete",
        "s3:ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectTagging:*",
        "s3:ObjectTagging:Put",
        "s3:ObjectTagging:Delete",
        "s3:ObjectAcl:Put",
        "s3:ObjectRetention:Put",
        "s3:ObjectRestore:*",
        "s3:ObjectRestore:Post",
        "s3:ObjectRestore:Completed",
        "s3:ObjectRestore:Delete",
        "s3:LifecycleTransition",
        "s3:LifecycleExpiration:*",
        "s3:LifecycleExpiration:Delete",
        "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:IntelligentTiering",
        "s3:ReducedRedundancyLostObject",  # never: none is lost
        "s3:Replication:*",
        "s3:Replication:OperationFailedReplication",
        "s3:Replication:OperationMissedThreshold",
        "s3:Replication:OperationReplicatedAfterThreshold",
        "s3:Replication:OperationNotTracked",
    }
)
"""What happens here; the others tell of what Fogbank's S3 does not do."""
_ELSEWHERE = ("s3:ObjectAnnotation:",)
PRINCIPAL = "s3.amazonaws.com"
_BARE = ("service", "anonymous")
"""Whose ids an event tells without AWS: before them."""


@operation("PutBucketNotificationConfiguration")
def put_bucket_notification_configuration(ctx: Context, req: Any) -> Answer:
    """Replaces a bucket's notifications. Each queue gets an s3:TestEvent, and is refused if it cannot.

    Destinations: SQS queues of the bucket's region; NotImplemented for topics, functions and EventBridge.
    Errors: InvalidArgument for unknown events, overlapping filters, and destinations that do not exist or do not let S3 send.
    """
    bucket = bucket_at(ctx, req)
    wanted = req.NotificationConfiguration
    for name in ("TopicConfigurations", "LambdaFunctionConfigurations"):
        if getattr(wanted, name):
            raise NotImplementedOperation("s3", "PutBucketNotificationConfiguration", f"with {name}")
    if wanted.EventBridgeConfiguration is not None:
        raise NotImplementedOperation("s3", "PutBucketNotificationConfiguration", "with EventBridgeConfiguration")
    configured = tuple([_configured(ctx, one) for one in wanted.QueueConfigurations or ()])
    _check_overlaps(configured)
    if not req.SkipDestinationValidation:
        for queue_arn in dict.fromkeys(one.queue_arn for one in configured):
            _test(ctx, bucket, queue_arn)
    BUCKETS.put(ctx, change(bucket, notifications=configured))
    return None


@operation("GetBucketNotificationConfiguration")
def get_bucket_notification_configuration(ctx: Context, req: Any) -> Answer:
    """A bucket's notifications; empty where it has none."""
    shown = []
    for one in bucket_at(ctx, req).notifications:
        entry: dict[str, Any] = {"Id": one.id, "QueueArn": one.queue_arn, "Events": list(one.events)}
        rules_ = [{"Name": name, "Value": value} for name, value in (("Prefix", one.prefix), ("Suffix", one.suffix)) if value]
        if rules_:
            entry["Filter"] = {"Key": {"FilterRules": rules_}}
        shown.append(entry)
    return {"QueueConfigurations": shown or None}


def _configured(ctx: Context, one: Any) -> QueueNotification:
    """One QueueConfiguration, checked."""
    if not one.Events:
        raise refusals.malformed_xml()
    for event in one.Events:
        if event.startswith(_ELSEWHERE):
            raise NotImplementedOperation("s3", "PutBucketNotificationConfiguration", f"with the event {event}")
        if event not in EVENTS:
            raise refusals.invalid_argument("The event is not supported for notifications", "Event", event)
    filters = {"prefix": "", "suffix": ""}
    listed = one.Filter.Key.FilterRules or () if one.Filter is not None and one.Filter.Key is not None else ()
    for rule in listed:
        name = (rule.Name or "").lower()
        if name not in filters:
            raise refusals.invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", rule.Name)
        if filters[name]:
            message = f"Cannot specify more than one {name} rule in a filter."
            raise refusals.invalid_argument(message, "FilterRule.Name", rule.Name)
        filters[name] = rule.Value or ""
    if len(one.Id or "") > 255:
        raise refusals.invalid_argument("The Id must be at most 255 characters long", "Id", one.Id)
    return QueueNotification(one.Id or ctx.random.uuid(), one.QueueArn, tuple(one.Events), filters["prefix"], filters["suffix"])


def _check_overlaps(configured: Sequence[QueueNotification]) -> None:
    """No event of no key may go to two destinations."""
    if len({one.id for one in configured}) != len(configured):
        message = "Same ID used for multiple configurations. IDs must be unique"
        raise refusals.invalid_argument(message, "Id", "")
    for a, b in combinations(configured, 2):
        prefixes = a.prefix.startswith(b.prefix) or b.prefix.startswith(a.prefix)
        suffixes = a.suffix.endswith(b.suffix) or b.suffix.endswith(a.suffix)
        if prefixes and suffixes and any(_covers(x, y) or _covers(y, x) for x in a.events for y in b.events):
            message = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
            raise ServiceException("InvalidArgument", message, status=400)


def _covers(pattern: str, event: str) -> bool:
    return pattern == event or (pattern.endswith("*") and event.startswith(pattern[:-1]))


def _test(ctx: Context, bucket: Bucket, queue_arn: str) -> None:
    """Sends s3:TestEvent. Errors: InvalidArgument saying why it could not."""
    arn = Arn.parse(queue_arn)
    if arn is None or arn.service != "sqs":
        raise refusals.invalid_argument("The ARN is not well formed", "QueueArn", queue_arn)
    if arn.region != bucket.region:
        message = "The notification destination service region is not valid for the bucket location constraint"
        raise refusals.invalid_argument(message, "QueueArn", queue_arn)
    event = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso_instant(ctx.now),
        "Bucket": bucket.name,
        "RequestId": ctx.request_id,
        "HostId": host_id(ctx.request_id),
    }
    try:
        send(ctx, bucket, queue_arn, msgspec.json.encode(event).decode())
    except ServiceException as refused:
        why = "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"
        if refused.code == "QueueDoesNotExist" or not _exists(ctx, arn):
            why = "The destination queue does not exist"
        elif arn.resource.endswith(".fifo"):
            why = "FIFO queues are not supported as a destination"
        message = "Unable to validate the following destination configurations"
        raise ServiceException(
            "InvalidArgument", message, status=400, ArgumentName1=queue_arn, ArgumentValue1=why, ArgumentName=queue_arn, ArgumentValue=why
        ) from None


def _exists(ctx: Context, arn: Arn) -> bool:
    """Whether the queue is there, as far as the caller may know: one that is not there has no policy to let S3 send."""
    try:
        ctx.call("sqs", "GetQueueUrl", {"QueueName": arn.resource, "QueueOwnerAWSAccountId": arn.account}, region=arn.region)
    except ServiceException as refused:
        return refused.code != "QueueDoesNotExist"
    return True


def send(ctx: Context, bucket: Bucket, queue_arn: str, message: str) -> None:
    """Sends a message as S3, on behalf of the bucket. Errors: those of SQS's SendMessage."""
    arn = Arn.parse(queue_arn)
    assert arn is not None, queue_arn
    ctx.call(
        "sqs",
        "SendMessage",
        {"QueueUrl": f"{ctx.endpoint}/{arn.account}/{arn.resource}", "MessageBody": message},
        acting=Acting(PRINCIPAL, bucket.arn, bucket.account),
        region=arn.region,
    )


def iso_instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def tell(ctx: Context, bucket: Bucket, event: str, about: Object, sequence: int | None = None, **more: Any) -> None:
    """Puts an event ("ObjectCreated:Put") into the outbox for everybody who asked for it.

    `sequence` is the number of a write that made no version (a deletion), for the event's sequencer; `more` are further members of
    the event (glacierEventData).
    """
    name = f"s3:{event}"
    for one in bucket.notifications:
        if not about.key.startswith(one.prefix) or not about.key.endswith(one.suffix):
            continue
        if any(_covers(pattern, name) for pattern in one.events):
            record = _record(ctx, bucket, one.id, event, about, about.sequencer if sequence is None else f"{sequence:016X}") | more
            message = msgspec.json.encode({"Records": [record]}).decode()
            ctx.later("s3.deliver", {"bucket": bucket.name, "queue_arn": one.queue_arn, "message": message})


_VERSIONS = (("ObjectCreated", "2.1"), ("ObjectRemoved", "2.1"), ("ObjectRestore", "2.1"), ("Replication", "2.2"))
"""The version of an event's structure; 2.3 for all others."""


def _record(ctx: Context, bucket: Bucket, configuration: str, event: str, about: Object, sequencer: str) -> dict[str, Any]:
    about_object: dict[str, Any] = {"key": rules.url_encoded(about.key)}
    if not event.startswith(("ObjectRemoved", "LifecycleExpiration")):
        about_object["size"] = about.size
        about_object["eTag"] = about.etag.strip('"')
    if bucket.versioning:
        about_object["versionId"] = about.version_id
    about_object["sequencer"] = sequencer
    principal = ctx.principal
    return {
        "eventVersion": next((version for start, version in _VERSIONS if event.startswith(start)), "2.3"),
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso_instant(ctx.now),
        "eventName": event,
        "userIdentity": {"principalId": principal.user_id if principal.kind in _BARE else f"AWS:{principal.user_id}"},
        "requestParameters": {"sourceIPAddress": ctx.request.client if ctx.request is not None else principal.service},
        "responseElements": {"x-amz-request-id": ctx.request_id, "x-amz-id-2": host_id(ctx.request_id)},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {"name": bucket.name, "ownerIdentity": {"principalId": canonical_id(bucket.account)}, "arn": bucket.arn},
            "object": about_object,
        },
    }
