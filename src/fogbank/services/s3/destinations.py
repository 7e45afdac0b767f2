"""Where events go: queues, topics, functions and EventBridge, each as S3 on behalf of the bucket.

Source: "Event notification types and destinations" and "EventBridge event message structure" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from fogbank.delivery import targets
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.s3 import refusals
from fogbank.services.s3.state import Bucket, Object

PRINCIPAL = "s3.amazonaws.com"
EVENT_BRIDGE = "eventbridge"
SUBJECT = "Amazon S3 Notification"


class Kind(NamedTuple):
    """A kind of destination: its member in a configuration, how it is tried, what its absence is called."""

    service: str
    configurations: str
    member: str
    noun: str
    look: Callable[[Context, Arn], tuple[str, str, dict[str, Any]]]
    """An operation that tells the caller whether it is there."""
    absent: str


def _acting(bucket: Bucket) -> Acting:
    return Acting(PRINCIPAL, bucket.arn, bucket.account)


KINDS = {
    kind.service: kind
    for kind in (
        Kind(
            "sqs",
            "QueueConfigurations",
            "QueueArn",
            "queue",
            lambda ctx, arn: ("sqs", "GetQueueUrl", {"QueueName": arn.resource, "QueueOwnerAWSAccountId": arn.account}),
            "QueueDoesNotExist",
        ),
        Kind(
            "sns",
            "TopicConfigurations",
            "TopicArn",
            "topic",
            lambda ctx, arn: ("sns", "GetTopicAttributes", {"TopicArn": str(arn)}),
            "NotFoundException",
        ),
        Kind(
            "lambda",
            "LambdaFunctionConfigurations",
            "LambdaFunctionArn",
            "Lambda function",
            lambda ctx, arn: ("lambda", "GetFunction", {"FunctionName": str(arn)}),
            "ResourceNotFoundException",
        ),
    )
}


def kind_of(target: str) -> tuple[Kind, Arn]:
    """The kind of a destination by its ARN."""
    arn = Arn.parse(target)
    assert arn is not None, target
    return KINDS[arn.service], arn


def send(ctx: Context, bucket: Bucket, target: str, message: str) -> None:
    """Sends a message as S3, on behalf of the bucket. Errors: those of the target."""
    if target == EVENT_BRIDGE:
        entry = msgspec.json.decode(message)
        ctx.call("events", "PutEvents", {"Entries": [entry]}, acting=_acting(bucket), region=bucket.region)
        return
    targets.send(ctx, target, message, _acting(bucket), parameters={"Subject": SUBJECT})


def checked(bucket: Bucket, kind: Kind, target: str) -> str:
    """A destination's ARN, if it has the form and the region that it must. Errors: InvalidArgument."""
    arn = Arn.parse(target)
    if arn is None or arn.service != kind.service:
        raise refusals.invalid_argument("The ARN is not well formed", kind.member, target)
    if arn.region != bucket.region:
        message = "The notification destination service region is not valid for the bucket location constraint"
        raise refusals.invalid_argument(message, kind.member, target)
    return target


def check_reach(ctx: Context, bucket: Bucket, target: str, test: str) -> None:
    """Sends s3:TestEvent. Errors: InvalidArgument saying why it could not."""
    kind, arn = kind_of(target)
    try:
        if arn.resource.endswith(".fifo"):
            raise ServiceException("InvalidArgument", "FIFO")
        if kind.service == "lambda":  # it is sent no test event: whether S3 may invoke is asked with a dry run
            how = {"FunctionName": target, "InvocationType": "DryRun"}
            ctx.call("lambda", "Invoke", how, acting=_acting(bucket), region=arn.region)
        else:
            send(ctx, bucket, target, test)
    except ServiceException as refused:
        why = f"Permissions on the destination {kind.noun} do not allow S3 to publish notifications from this bucket"
        if kind.service == "lambda":
            why = f"Not authorized to invoke function [{target}]"
        if refused.code == kind.absent or not _exists(ctx, kind, arn):
            why = f"The destination {kind.noun} does not exist"
        elif arn.resource.endswith(".fifo"):
            why = f"FIFO {kind.noun}s are not supported as a destination"
        message = "Unable to validate the following destination configurations"
        raise ServiceException(
            "InvalidArgument", message, status=400, ArgumentName1=target, ArgumentValue1=why, ArgumentName=target, ArgumentValue=why
        ) from None


def _exists(ctx: Context, kind: Kind, arn: Arn) -> bool:
    """Whether it is there, as far as the caller may know: one that is not there has no policy to let S3 in."""
    service, operation, members = kind.look(ctx, arn)
    try:
        ctx.call(service, operation, members, region=arn.region)
    except ServiceException as refused:
        return refused.code != kind.absent
    return True


# EventBridge

_REASONS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectRemoved:Delete": "DeleteObject",
    "ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
    "LifecycleExpiration:Delete": "Lifecycle Expiration",
    "LifecycleExpiration:DeleteMarkerCreated": "Lifecycle Expiration",
}
_DETAIL_TYPES = {
    "ObjectCreated": "Object Created",
    "ObjectRemoved": "Object Deleted",
    "LifecycleExpiration": "Object Deleted",
    "ObjectRestore:Post": "Object Restore Initiated",
    "ObjectRestore:Completed": "Object Restore Completed",
    "ObjectRestore:Delete": "Object Restore Expired",
    "LifecycleTransition": "Object Storage Class Changed",
    "IntelligentTiering": "Object Access Tier Changed",
    "ObjectAcl:Put": "Object ACL Updated",
    "ObjectTagging:Put": "Object Tags Added",
    "ObjectTagging:Delete": "Object Tags Deleted",
}


def entry(ctx: Context, bucket: Bucket, event: str, about: Object, sequencer: str, more: dict[str, Any]) -> str | None:
    """An event as an entry of PutEvents; None for those that EventBridge is not told."""
    detail_type = _DETAIL_TYPES.get(event) or _DETAIL_TYPES.get(event.partition(":")[0])
    if detail_type is None:
        return None
    of_object: dict[str, Any] = {"key": about.key}
    if detail_type != "Object Deleted":
        of_object |= {"size": about.size, "etag": about.etag.strip('"')}
    if bucket.versioning:
        of_object["version-id"] = about.version_id
    of_object["sequencer"] = sequencer
    principal = ctx.principal
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": of_object,
        "request-id": ctx.request_id,
        "requester": principal.account if principal.kind != "service" else principal.service,
    }
    if ctx.request is not None:
        detail["source-ip-address"] = ctx.request.client
    if event in _REASONS:
        detail["reason"] = _REASONS[event]
    if detail_type == "Object Deleted":
        marker = event.endswith("DeleteMarkerCreated")
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    detail |= _said(event, about, more)
    told = {
        "Source": "aws.s3",
        "DetailType": detail_type,
        "Detail": msgspec.json.encode(detail).decode(),
        "Resources": [bucket.arn],
        "Time": ctx.now,
    }
    return msgspec.json.encode(told).decode()


def _said(event: str, about: Object, more: dict[str, Any]) -> dict[str, Any]:
    """What only some events tell."""
    if event == "LifecycleTransition":
        return {"destination-storage-class": about.storage_class}
    if event == "IntelligentTiering":
        return {"destination-access-tier": more["intelligentTieringEventData"]["destinationAccessTier"]}
    if not event.startswith("ObjectRestore"):
        return {}
    of_copy = more.get("glacierEventData", {}).get("restoreEventData", {})
    expires = {"restore-expiry-time": of_copy["lifecycleRestorationExpiryTime"]} if "lifecycleRestorationExpiryTime" in of_copy else {}
    return {"source-storage-class": about.storage_class, **(expires if event == "ObjectRestore:Completed" else {})}
