"""What happened: calls become events, which are found for ninety days and handed to the trails that want them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, operation, task
from fogbank.kernel.telemetry import Recorded
from fogbank.services.cloudtrail import kinds
from fogbank.services.cloudtrail.documents import document, name_of, source_of
from fogbank.services.cloudtrail.selectors import wants
from fogbank.services.cloudtrail.state import EVENTS, EVENTS_BY_AGE, KEPT_MS, PENDING, TRAILS, Event, Pending, Trail
from fogbank.store.tables import At

_FAR_MS = 1 << 52
_AT_ONCE = 500
_NAMING = (
    ("BucketName", "AWS::S3::Bucket"),
    ("Bucket", "AWS::S3::Bucket"),
    ("TableName", "AWS::DynamoDB::Table"),
    ("FunctionName", "AWS::Lambda::Function"),
    ("QueueUrl", "AWS::SQS::Queue"),
    ("QueueName", "AWS::SQS::Queue"),
    ("TopicArn", "AWS::SNS::Topic"),
    ("StreamName", "AWS::Kinesis::Stream"),
    ("StreamARN", "AWS::Kinesis::Stream"),
    ("KeyId", "AWS::KMS::Key"),
    ("RoleName", "AWS::IAM::Role"),
    ("RoleArn", "AWS::IAM::Role"),
    ("UserName", "AWS::IAM::User"),
    ("GroupName", "AWS::IAM::Group"),
    ("PolicyArn", "AWS::IAM::Policy"),
    ("SecretId", "AWS::SecretsManager::Secret"),
    ("TrailName", "AWS::CloudTrail::Trail"),
)
"""Members that name a resource, and of which type."""


def arn_of(trail: Trail) -> str:
    return f"arn:aws:cloudtrail:{trail.region}:{trail.account}:trail/{trail.name}"


def follows(at: At) -> tuple[Callable[[str, str], bool], Wait]:
    """Which calls become events: management always, data where a trail that logs has selected some of the type."""
    selected = {kind for trail in TRAILS.scan(at) if trail.logging for kind in kinds.TYPES if wants_type(trail, kind)}

    def follow(service: str, operation: str) -> bool:
        kind = kinds.data_type(service, operation)
        return kind is None or kind in selected

    return follow, Wait((TRAILS.watch(),), _FAR_MS)


def wants_type(trail: Trail, kind: str) -> bool:
    """Whether a trail's selectors speak of a type of data events."""
    for selector in trail.advanced:
        if any(f["Field"] == "resources.type" and kind in f.get("Equals", ()) for f in selector["FieldSelectors"]):
            return True
    return any(resource["Type"] == kind for selector in trail.basic for resource in selector.get("DataResources", ()))


def gather(ctx: Context, told: list[Any]) -> None:
    """Calls that are over become events."""
    trails = [trail for trail in TRAILS.scan(ctx) if trail.logging]
    first = next(EVENTS_BY_AGE.scan(ctx), None) is None
    for recorded in told:
        if recorded.account:
            _keep(ctx, recorded, trails)
    if first:
        ctx.later("cloudtrail.forget", None, at_ms=ctx.now + KEPT_MS)


def _keep(ctx: Context, recorded: Recorded, trails: list[Trail]) -> None:
    kind = kinds.data_type(recorded.service, recorded.operation)
    region = "us-east-1" if recorded.service in kinds.GLOBAL else recorded.region
    resources = _resources(recorded)
    event_id = ctx.random.uuid()
    written = document(recorded, event_id, region, kind, resources)
    event = Event(
        account=recorded.account,
        region=region,
        at_ms=recorded.at_ms,
        number=ctx.tx.unique(),
        id=event_id,
        name=name_of(recorded.service, recorded.operation),
        source=source_of(recorded.service),
        read=written["readOnly"],
        category=written["eventCategory"],
        user=recorded.principal.session_name or recorded.principal.name,
        user_arn=recorded.principal.arn,
        access_key=recorded.access_key,
        resources=resources,
        resource_type=kind or "",
        document=msgspec.json.encode(written),
    )
    if kind is None:
        EVENTS.put(ctx, event)
    for trail in trails:
        if trail.account == event.account and (trail.multi_region or trail.region == region) and wants(trail, event, recorded.service):
            PENDING.put(ctx, Pending(trail=arn_of(trail), region=region, at_ms=event.at_ms, number=event.number, document=event.document))


def _resources(recorded: Recorded) -> tuple[tuple[str, str], ...]:
    """What the request names, by type."""
    found: dict[str, str] = {}
    for member, kind in _NAMING:
        value = getattr(recorded.members, member, None)
        if isinstance(value, str) and value:
            found.setdefault(kind, value)
    if recorded.service == "s3" and recorded.members is not None and (key := getattr(recorded.members, "Key", None)):
        found["AWS::S3::Object"] = f"arn:aws:s3:::{recorded.members.Bucket}/{key}"
    return tuple(found.items())


@task("forget")
def forget(ctx: Context, payload: Any) -> None:
    """Forgets events older than ninety days, and comes back when the next one will be."""
    for count, old in enumerate(EVENTS_BY_AGE.scan(ctx)):
        due_ms = old.at_ms + KEPT_MS
        if due_ms > ctx.now or count == _AT_ONCE:
            ctx.later("cloudtrail.forget", None, at_ms=max(due_ms, ctx.now))
            return
        EVENTS.delete(ctx, old)


_ATTRIBUTES: dict[str, Callable[[Event, str], bool]] = {
    "EventId": lambda e, v: e.id == v,
    "EventName": lambda e, v: e.name == v,
    "ReadOnly": lambda e, v: e.read == (v.lower() == "true"),
    "Username": lambda e, v: e.user == v,
    "ResourceType": lambda e, v: any(kind == v for kind, _ in e.resources),
    "ResourceName": lambda e, v: any(v in (name, name.rpartition("/")[2], name.rpartition(":")[2]) for _, name in e.resources),
    "EventSource": lambda e, v: e.source == v,
    "AccessKeyId": lambda e, v: e.access_key == v,
}


@operation("LookupEvents")
def lookup_events(ctx: Context, req: Any) -> Answer:
    """Management events of the last ninety days in this region, latest first; by at most one attribute. 1 to 50 a page.

    Errors: InvalidLookupAttributesException, InvalidTimeRangeException, InvalidMaxResultsException, InvalidNextTokenException.
    Source: API reference, LookupEvents.
    """
    if req.EventCategory is not None:
        return {"Events": []}  # insights: no trail makes any
    attributes = req.LookupAttributes or ()
    if len(attributes) > 1:
        raise ServiceException("InvalidLookupAttributesException", "You can only specify one lookup attribute.")
    start_ms, end_ms = req.StartTime or 0, req.EndTime or ctx.now
    if start_ms > end_ms:
        raise ServiceException("InvalidTimeRangeException", "Start time must be before end time.")
    after = paging.place(req.NextToken, _bad_token)
    before: tuple[int, ...] = (int(end_ms) + 1,)
    if after is not None:
        parts = after.split(".")
        if len(parts) != 2:
            raise _bad_token()
        before = (paging.number(parts[0], _bad_token), int(parts[1]))
    tests = [(_ATTRIBUTES[a.AttributeKey], a.AttributeValue) for a in attributes]
    events = EVENTS.scan(ctx, ctx.account, ctx.region, at=int(start_ms), before=before, reverse=True)
    found, more = paging.page((e for e in events if all(test(e, value) for test, value in tests)), req.MaxResults or 50)
    token = paging.token(f"{found[-1].at_ms}.{found[-1].number}") if more else None
    return {"Events": [_described(event) for event in found], "NextToken": token}


def _bad_token() -> ServiceException:
    return ServiceException("InvalidNextTokenException", "Invalid next token.")


def _described(event: Event) -> dict[str, Any]:
    return {
        "EventId": event.id,
        "EventName": event.name,
        "ReadOnly": "true" if event.read else "false",
        "AccessKeyId": event.access_key or None,
        "EventTime": event.at_ms // 1000 * 1000,
        "EventSource": event.source,
        "Username": event.user or None,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in event.resources],
        "CloudTrailEvent": event.document.decode(),
    }
