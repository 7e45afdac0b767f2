"""Trails: where events are delivered to, and which."""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel import tags
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudtrail import selectors
from fogbank.services.cloudtrail.delivering import begin, prefix_of
from fogbank.services.cloudtrail.destinations import PRINCIPAL, arn_of
from fogbank.services.cloudtrail.state import DIGESTS, FILES, PENDING, STORES, TRAILS, Store, Trail
from fogbank.services.cloudtrail.stores import get_store
from fogbank.store.tables import Table, change

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_LIMIT = 5


def not_found(name: str) -> ServiceException:
    return ServiceException("TrailNotFoundException", f"Unknown trail: {name}")


def get_trail_of(ctx: Context, name: str) -> Trail | None:
    """A trail by its name (in its home region) or ARN; a multi-region trail is seen from every region."""
    arn = Arn.parse(name) if name.startswith("arn:") else None
    if arn is not None:
        return TRAILS.get(ctx, arn.account, arn.region, arn.resource.removeprefix("trail/"))
    found = TRAILS.get(ctx, ctx.account, ctx.region, name)
    return found or next((t for t in TRAILS.scan(ctx, ctx.account) if t.name == name and t.multi_region), None)


def trail_at(ctx: Context, name: str, *, home: bool = True) -> Trail:
    """Errors: TrailNotFoundException, InvalidHomeRegionException."""
    found = get_trail_of(ctx, name)
    if found is None or found.account != ctx.account:
        raise not_found(name)
    if home and found.region != ctx.region:
        message = f"Trail {name} can only be changed in its home region {found.region}."
        raise ServiceException("InvalidHomeRegionException", message)
    return found


def describe(trail: Trail) -> dict[str, Any]:
    return {
        "Name": trail.name,
        "S3BucketName": trail.bucket,
        "S3KeyPrefix": trail.prefix or None,
        "SnsTopicName": trail.topic or None,
        "SnsTopicARN": trail.topic or None,
        "IncludeGlobalServiceEvents": trail.global_events,
        "IsMultiRegionTrail": trail.multi_region,
        "TrailARN": arn_of(trail),
        "LogFileValidationEnabled": trail.validated,
        "CloudWatchLogsLogGroupArn": trail.log_group or None,
        "CloudWatchLogsRoleArn": trail.log_role or None,
        "KmsKeyId": trail.key or None,
        "IsOrganizationTrail": False,
    }


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """The trail that a request is about."""
    name = next((v for m in ("Name", "TrailName", "ResourceId") if isinstance(v := getattr(req, m, None), str)), None)
    if name is None or ":eventdatastore/" in name or ctx.operation.endswith("EventDataStore"):
        return None
    return name if name.startswith("arn:") else ctx.arn(f"trail/{name}")


@operation("CreateTrail")
def create_trail(ctx: Context, req: Any) -> Answer:
    """Makes a trail, which delivers nothing until StartLogging. Up to five a region.

    The bucket must let cloudtrail.amazonaws.com read its ACL and put objects, the topic publish, the key be used.
    Errors: TrailAlreadyExistsException, MaximumNumberOfTrailsExceededException, InvalidTrailNameException, S3BucketDoesNotExistException,
    InsufficientS3BucketPolicyException, InsufficientSnsTopicPolicyException, InvalidParameterCombinationException and others.
    Source: API reference, CreateTrail.
    """
    if not 3 <= len(req.Name) <= 128 or not _NAME.fullmatch(req.Name):
        message = "Trail name must be 3 to 128 letters, digits, periods, underscores or dashes, and begin and end with a letter or digit."
        raise ServiceException("InvalidTrailNameException", message)
    if TRAILS.get(ctx, ctx.account, ctx.region, req.Name) is not None:
        raise ServiceException("TrailAlreadyExistsException", f"Trail {req.Name} already exists for customer: {ctx.account}")
    if sum(1 for _ in TRAILS.scan(ctx, ctx.account, ctx.region)) >= _LIMIT:
        message = f"User: {ctx.account} already has {_LIMIT} trails in {ctx.region}."
        raise ServiceException("MaximumNumberOfTrailsExceededException", message)
    trail = Trail(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        bucket=req.S3BucketName,
        tags={tag.Key: tag.Value or "" for tag in req.TagsList or ()},
    )
    trail = _changed(ctx, trail, req)
    TRAILS.put(ctx, trail)
    return describe(trail)


@operation("UpdateTrail")
def update_trail(ctx: Context, req: Any) -> Answer:
    """Changes what is given of a trail, in its home region. Errors: those of CreateTrail. Source: API reference, UpdateTrail."""
    trail = _changed(ctx, trail_at(ctx, req.Name), req)
    TRAILS.put(ctx, trail)
    return describe(trail)


def _changed(ctx: Context, trail: Trail, req: Any) -> Trail:
    """The trail with what a request gives, shown to work."""
    if req.IsOrganizationTrail:
        raise NotImplementedOperation("cloudtrail", ctx.operation, "with IsOrganizationTrail")
    fields: dict[str, Any] = {
        "bucket": req.S3BucketName,
        "prefix": None if req.S3KeyPrefix is None else req.S3KeyPrefix.strip("/"),
        "topic": None if req.SnsTopicName is None else _topic(ctx, req.SnsTopicName),
        "multi_region": req.IsMultiRegionTrail,
        "global_events": req.IncludeGlobalServiceEvents,
        "validated": req.EnableLogFileValidation,
        "log_group": req.CloudWatchLogsLogGroupArn,
        "log_role": req.CloudWatchLogsRoleArn,
        "key": None if req.KmsKeyId is None else _key(ctx, req.KmsKeyId),
    }
    trail = change(trail, **{name: value for name, value in fields.items() if value is not None})
    if trail.multi_region and not trail.global_events:
        message = "Multi-Region trail must include global service events."
        raise ServiceException("InvalidParameterCombinationException", message)
    if bool(trail.log_group) != bool(trail.log_role):
        message = "CloudWatchLogsLogGroupArn and CloudWatchLogsRoleArn must be given together."
        raise ServiceException("InvalidParameterCombinationException", message)
    if len(trail.prefix) > 200:
        raise ServiceException("InvalidS3PrefixException", "Prefix is longer than maximum length: 200")
    if req.S3BucketName is not None or req.S3KeyPrefix is not None or req.KmsKeyId is not None:
        _show_bucket(ctx, trail)
    return trail


def acting(trail: Trail) -> Acting:
    return Acting(PRINCIPAL, arn_of(trail), trail.account)


def _show_bucket(ctx: Context, trail: Trail) -> None:
    """The bucket takes objects. Errors: S3BucketDoesNotExistException, InsufficientS3BucketPolicyException."""
    members = {"Bucket": trail.bucket, "Key": f"{prefix_of(trail)}AWSLogs/{trail.account}/CloudTrail/", "ACL": "bucket-owner-full-control"}
    try:
        ctx.call("s3", "GetBucketAcl", {"Bucket": trail.bucket}, acting=acting(trail))
        ctx.call("s3", "PutObject", {**members, "Body": b""}, acting=acting(trail))
    except ServiceException as refused:
        if refused.code == "NoSuchBucket":
            message = f"S3 bucket {trail.bucket} does not exist!"
            raise ServiceException("S3BucketDoesNotExistException", message) from None
        message = f"Incorrect S3 bucket policy is detected for bucket: {trail.bucket}"
        raise ServiceException("InsufficientS3BucketPolicyException", message) from None


def _topic(ctx: Context, name: str) -> str:
    """A topic's ARN; it must be there. Errors: InvalidSnsTopicNameException, InsufficientSnsTopicPolicyException."""
    if not name:
        return ""
    arn = name if name.startswith("arn:") else ctx.arn(name, service="sns")
    try:
        ctx.call("sns", "GetTopicAttributes", {"TopicArn": arn})
    except ServiceException as refused:
        code = "InvalidSnsTopicNameException" if refused.code in ("NotFound", "InvalidParameter") else "InsufficientSnsTopicPolicyException"
        raise ServiceException(code, f"SNS Topic {name} does not exist or the topic policy is incorrect!") from None
    return arn


def _key(ctx: Context, name: str) -> str:
    """A key's ARN. Errors: KmsKeyNotFoundException, KmsKeyDisabledException."""
    if not name:
        return ""
    try:
        found = ctx.call("kms", "DescribeKey", {"KeyId": name})["KeyMetadata"]
    except ServiceException as refused:
        raise ServiceException("KmsKeyNotFoundException", refused.message) from None
    if not found["Enabled"]:
        raise ServiceException("KmsKeyDisabledException", f"{found['Arn']} is disabled.")
    arn: str = found["Arn"]
    return arn


@operation("DeleteTrail")
def delete_trail(ctx: Context, req: Any) -> Answer:
    """Removes a trail in its home region; what it delivered stays. Errors: TrailNotFoundException, InvalidHomeRegionException."""
    trail = trail_at(ctx, req.Name)
    tables: tuple[Table[Any], ...] = (PENDING, FILES, DIGESTS)
    for table in tables:
        for row in list(table.scan(ctx, arn_of(trail))):
            table.delete(ctx, row)
    TRAILS.delete(ctx, trail)
    return {}


@operation("GetTrail")
def get_trail(ctx: Context, req: Any) -> Answer:
    """A trail. Errors: TrailNotFoundException."""
    trail = trail_at(ctx, req.Name, home=False)
    custom = bool(trail.basic or trail.advanced)
    return {"Trail": {**describe(trail), "HomeRegion": trail.region, "HasCustomEventSelectors": custom, "HasInsightSelectors": False}}


def _seen(ctx: Context) -> list[Trail]:
    return [t for t in TRAILS.scan(ctx, ctx.account) if t.region == ctx.region or t.multi_region]


@operation("DescribeTrails")
def describe_trails(ctx: Context, req: Any) -> Answer:
    """Trails of this region, with the shadows of multi-region trails unless includeShadowTrails is false."""
    if req.trailNameList:
        found = [t for name in req.trailNameList if (t := get_trail_of(ctx, name)) is not None and t.account == ctx.account]
    else:
        found = _seen(ctx)
    if req.includeShadowTrails is False:
        found = [t for t in found if t.region == ctx.region]
    return {"trailList": [{**describe(t), "HomeRegion": t.region, "HasCustomEventSelectors": bool(t.basic or t.advanced)} for t in found]}


@operation("ListTrails")
def list_trails(ctx: Context, req: Any) -> Answer:
    """All trails of the account. Source: API reference, ListTrails."""
    return {"Trails": [{"TrailARN": arn_of(t), "Name": t.name, "HomeRegion": t.region} for t in TRAILS.scan(ctx, ctx.account)]}


@operation("StartLogging")
def start_logging(ctx: Context, req: Any) -> Answer:
    """Begins to deliver: files every five minutes, digests every hour. Errors: TrailNotFoundException, InvalidHomeRegionException."""
    trail = trail_at(ctx, req.Name)
    if not trail.logging:
        trail = change(trail, logging=True, started_at_ms=ctx.now)
        TRAILS.put(ctx, trail)
        begin(ctx, trail)
    return {}


@operation("StopLogging")
def stop_logging(ctx: Context, req: Any) -> Answer:
    """Records no further events; those before are still delivered. Errors: TrailNotFoundException, InvalidHomeRegionException."""
    trail = trail_at(ctx, req.Name)
    if trail.logging:
        TRAILS.put(ctx, change(trail, logging=False, stopped_at_ms=ctx.now))
    return {}


@operation("GetTrailStatus")
def get_trail_status(ctx: Context, req: Any) -> Answer:
    """Whether a trail logs, and how its last deliveries went. Errors: TrailNotFoundException."""
    trail = trail_at(ctx, req.Name, home=False)
    return {
        "IsLogging": trail.logging,
        "StartLoggingTime": trail.started_at_ms or None,
        "StopLoggingTime": trail.stopped_at_ms or None,
        "LatestDeliveryTime": trail.delivered_at_ms or None,
        "LatestDeliveryError": trail.error or None,
        "LatestNotificationTime": trail.notified_at_ms or None,
        "LatestNotificationError": trail.notification_error or None,
        "LatestCloudWatchLogsDeliveryTime": trail.logged_at_ms or None,
        "LatestCloudWatchLogsDeliveryError": trail.log_error or None,
        "LatestDigestDeliveryTime": trail.digested_at_ms or None,
        "LatestDigestDeliveryError": trail.digest_error or None,
    }


@operation("PutEventSelectors")
def put_event_selectors(ctx: Context, req: Any) -> Answer:
    """Says which events a trail delivers: by basic selectors or by advanced ones, not both.

    Errors: InvalidEventSelectorsException, TrailNotFoundException, InvalidHomeRegionException. Source: API reference, PutEventSelectors.
    """
    trail = trail_at(ctx, req.TrailName)
    if bool(req.EventSelectors) == bool(req.AdvancedEventSelectors):
        raise selectors.refused("Specify either EventSelectors or AdvancedEventSelectors.")
    if req.EventSelectors:
        trail = change(trail, basic=selectors.basic(req.EventSelectors), advanced=())
    else:
        trail = change(trail, basic=(), advanced=selectors.advanced(req.AdvancedEventSelectors))
    TRAILS.put(ctx, trail)
    return _selectors(trail)


def _selectors(trail: Trail) -> dict[str, Any]:
    if trail.advanced:
        return {"TrailARN": arn_of(trail), "AdvancedEventSelectors": list(trail.advanced)}
    return {"TrailARN": arn_of(trail), "EventSelectors": list(trail.basic or selectors.DEFAULT)}


@operation("GetEventSelectors")
def get_event_selectors(ctx: Context, req: Any) -> Answer:
    """A trail's selectors. Errors: TrailNotFoundException."""
    return _selectors(trail_at(ctx, req.TrailName, home=False))


def _tagged(ctx: Context, arn: str) -> Trail | Store:
    """Errors: CloudTrailARNInvalidException, ResourceNotFoundException."""
    if not arn.startswith("arn:"):
        raise ServiceException("CloudTrailARNInvalidException", f"{arn} is not a valid ARN.")
    found = get_store(ctx, arn) if ":eventdatastore/" in arn else get_trail_of(ctx, arn)
    if found is None or found.account != ctx.account:
        raise ServiceException("ResourceNotFoundException", f"The resource {arn} does not exist.")
    return found


def _retag(ctx: Context, tagged: Trail | Store, after: dict[str, str]) -> None:
    if isinstance(tagged, Trail):
        TRAILS.put(ctx, change(tagged, tags=after))
    else:
        STORES.put(ctx, change(tagged, tags=after))


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    found = get_trail_of(ctx, arn)
    return found.tags if found is not None else None


@operation("AddTags")
def add_tags(ctx: Context, req: Any) -> Answer:
    """Adds tags to a trail or an event data store, up to 50. Errors: ResourceNotFoundException, TagsLimitExceededException."""
    tagged = _tagged(ctx, req.ResourceId)
    after = tagged.tags | {tag.Key: tag.Value or "" for tag in req.TagsList}
    if len(after) > 50:
        raise ServiceException("TagsLimitExceededException", "The number of tags exceeds the limit of 50.")
    _retag(ctx, tagged, after)
    return {}


@operation("RemoveTags")
def remove_tags(ctx: Context, req: Any) -> Answer:
    """Removes tags. Errors: ResourceNotFoundException."""
    tagged = _tagged(ctx, req.ResourceId)
    gone = {tag.Key for tag in req.TagsList}
    _retag(ctx, tagged, {k: v for k, v in tagged.tags.items() if k not in gone})
    return {}


@operation("ListTags")
def list_tags(ctx: Context, req: Any) -> Answer:
    """The tags of up to 20 trails and event data stores. Errors: ResourceNotFoundException."""
    found = [{"ResourceId": arn, "TagsList": tags.pairs(_tagged(ctx, arn).tags)} for arn in req.ResourceIdList]
    return {"ResourceTagList": found}
