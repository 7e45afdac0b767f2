"""Event notifications: which events go where, and the events themselves.

An event is delivered in the transaction of the write that it tells of (`destinations`); where that fails, by `tasks`, again and again.
Source: "Event message structure" and "Event notification types and destinations" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, Waiting, operation
from fogbank.services.s3 import destinations, refusals, rules
from fogbank.services.s3.destinations import EVENT_BRIDGE
from fogbank.services.s3.state import BUCKETS, Bucket, Notification, Object, bucket_at, canonical_id
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
_BARE = ("service", "anonymous")
"""Whose ids an event tells without AWS: before them."""


@operation("PutBucketNotificationConfiguration")
def put_bucket_notification_configuration(ctx: Context, req: Any) -> Answer:
    """Replaces a bucket's notifications. Each queue and topic gets an s3:TestEvent, and is refused if it cannot; so is a function
    that S3 may not invoke.

    Destinations: queues, topics and functions of the bucket's region, and EventBridge.
    Errors: InvalidArgument for unknown events, overlapping filters, and destinations that do not exist or do not let S3 in.
    """
    bucket = bucket_at(ctx, req)
    wanted = req.NotificationConfiguration
    configured = tuple(
        [
            _configured(ctx, one, destinations.checked(bucket, kind, getattr(one, kind.member)))
            for kind in destinations.KINDS.values()
            for one in getattr(wanted, kind.configurations) or ()
        ]
    )
    _check_overlaps(configured)
    if not req.SkipDestinationValidation:
        test = _test_event(ctx, bucket)
        for target in dict.fromkeys(one.target for one in configured):
            destinations.check_reach(ctx, bucket, target, test)
    if wanted.EventBridgeConfiguration is not None:
        configured += (Notification(EVENT_BRIDGE, EVENT_BRIDGE, ("s3:*",)),)
    BUCKETS.put(ctx, change(bucket, notifications=configured))
    return None


@operation("GetBucketNotificationConfiguration")
def get_bucket_notification_configuration(ctx: Context, req: Any) -> Answer:
    """A bucket's notifications; empty where it has none."""
    shown: dict[str, Any] = {}
    for one in bucket_at(ctx, req).notifications:
        if one.target == EVENT_BRIDGE:
            shown["EventBridgeConfiguration"] = {}
            continue
        kind, _ = destinations.kind_of(one.target)
        entry: dict[str, Any] = {"Id": one.id, kind.member: one.target, "Events": list(one.events)}
        rules_ = [{"Name": name, "Value": value} for name, value in (("Prefix", one.prefix), ("Suffix", one.suffix)) if value]
        if rules_:
            entry["Filter"] = {"Key": {"FilterRules": rules_}}
        shown.setdefault(kind.configurations, []).append(entry)
    return shown


def _configured(ctx: Context, one: Any, target: str) -> Notification:
    """One configuration, checked."""
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
    return Notification(one.Id or ctx.random.uuid(), target, tuple(one.Events), filters["prefix"], filters["suffix"])


def _check_overlaps(configured: Sequence[Notification]) -> None:
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


def _test_event(ctx: Context, bucket: Bucket) -> str:
    event = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso_instant(ctx.now),
        "Bucket": bucket.name,
        "RequestId": ctx.request_id,
        "HostId": host_id(ctx.request_id),
    }
    return msgspec.json.encode(event).decode()


def iso_instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def tell(ctx: Context, bucket: Bucket, event: str, about: Object, sequence: int | None = None, **more: Any) -> None:
    """Tells an event ("ObjectCreated:Put") to everybody who asked for it, in this transaction; who cannot take it now is tried again.

    `sequence` is the number of a write that made no version (a deletion), for the event's sequencer; `more` are further members of
    the event (glacierEventData).
    """
    name = f"s3:{event}"
    sequencer = about.sequencer if sequence is None else f"{sequence:016X}"
    for one in bucket.notifications:
        if not about.key.startswith(one.prefix) or not about.key.endswith(one.suffix):
            continue
        if not any(_covers(pattern, name) for pattern in one.events):
            continue
        message: str | None
        if one.target == EVENT_BRIDGE:
            message = destinations.entry(ctx, bucket, event, about, sequencer, more)
        else:
            record = _record(ctx, bucket, one.id, event, about, sequencer) | more
            message = msgspec.json.encode({"Records": [record]}).decode()
        if message is not None:
            _deliver(ctx, bucket, one.target, message)


def _deliver(ctx: Context, bucket: Bucket, target: str, message: str) -> None:
    """A target takes an event by writing some rows: at once is quicker than a task, and as safe."""
    try:
        destinations.send(ctx, bucket, target, message)
    except (ServiceException, Waiting):
        ctx.later("s3.deliver", {"bucket": bucket.name, "target": target, "message": message})


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
