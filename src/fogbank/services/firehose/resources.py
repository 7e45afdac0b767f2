"""Delivery streams as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Names, Naming, Part, Properties, ResourceType, found, given, pairs, tags, unpaired

ABSENT = ("ResourceNotFoundException",)
DESTINATIONS = ("S3DestinationConfiguration", "ExtendedS3DestinationConfiguration", "HttpEndpointDestinationConfiguration")
_described = Names("S3BackupConfiguration=S3BackupDescription S3Configuration=S3DestinationDescription")
_updated = Names("S3BackupConfiguration=S3BackupUpdate S3Configuration=S3Update")


def _call(ctx: Context, operation: str, name: str, **members: Any) -> Any:
    return ctx.call("firehose", operation, {"DeliveryStreamName": name, **given(**members)})


def _described_at(ctx: Context, name: str) -> Any:
    return _call(ctx, "DescribeDeliveryStream", name)["DeliveryStreamDescription"]


def _create(ctx: Context, properties: Properties) -> str:
    name: str = properties["DeliveryStreamName"]
    members = {key: properties.get(key) for key in (*MADE_WITH, "Tags") if key != "DeliveryStreamName"}
    _call(ctx, "CreateDeliveryStream", name, **members)
    return name


def _read(ctx: Context, name: str) -> Properties:
    held = _described_at(ctx, name)
    (destination,) = held["Destinations"]
    endpoint = destination.get("HttpEndpointDestinationDescription")
    encryption = held["DeliveryStreamEncryptionConfiguration"]
    return {
        "DeliveryStreamName": name,
        "Arn": held["DeliveryStreamARN"],
        "DeliveryStreamType": held["DeliveryStreamType"],
        "ExtendedS3DestinationConfiguration": _described.back(destination.get("ExtendedS3DestinationDescription")),
        "HttpEndpointDestinationConfiguration": _described.back(endpoint),
        "DeliveryStreamEncryptionConfigurationInput": _encryption(encryption),
    }


def _encryption(held: Properties) -> Properties | None:
    if held["Status"] not in ("ENABLED", "ENABLING"):
        return None
    return given(KeyType=held["KeyType"], KeyARN=held.get("KeyARN"))


def _put_destination(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    held = _described_at(ctx, name)
    members = {key.replace("Configuration", "Update"): _updated.there(after[key]) for key in DESTINATIONS if after.get(key) is not None}
    where = {"DestinationId": held["Destinations"][0]["DestinationId"], "CurrentDeliveryStreamVersionId": held["VersionId"]}
    _call(ctx, "UpdateDestination", name, **where, **members)


def _put_encryption(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    wanted = after.get("DeliveryStreamEncryptionConfigurationInput")
    if wanted is None:
        _call(ctx, "StopDeliveryStreamEncryption", name)
    else:
        _call(ctx, "StartDeliveryStreamEncryption", name, DeliveryStreamEncryptionConfigurationInput=wanted)


def _settled(ctx: Context, name: str) -> bool:
    held = _described_at(ctx, name)
    encryption = held["DeliveryStreamEncryptionConfiguration"]["Status"]
    return held["DeliveryStreamStatus"] == "ACTIVE" and encryption in ("ENABLED", "DISABLED")


def _names(ctx: Context) -> Any:
    after: dict[str, str] = {}
    while True:
        page = ctx.call("firehose", "ListDeliveryStreams", {"Limit": 1000, **after})
        yield from page["DeliveryStreamNames"]
        if not page["HasMoreDeliveryStreams"]:
            return
        after = {"ExclusiveStartDeliveryStreamName": page["DeliveryStreamNames"][-1]}


MADE_WITH = (
    "DeliveryStreamName",
    "DeliveryStreamType",
    "DirectPutSourceConfiguration",
    "KinesisStreamSourceConfiguration",
    "DeliveryStreamEncryptionConfigurationInput",
    *DESTINATIONS,
)

DELIVERY_STREAM = ResourceType(
    "AWS::KinesisFirehose::DeliveryStream",
    create=_create,
    made_with=(*MADE_WITH, "Tags"),
    read=_read,
    delete=lambda ctx, name, properties: _call(ctx, "DeleteDeliveryStream", name),
    list=_names,
    parts=(
        Part(DESTINATIONS, _put_destination),
        Part(("DeliveryStreamEncryptionConfigurationInput",), _put_encryption),
        tags(
            read=lambda ctx, name: pairs(_call(ctx, "ListTagsForDeliveryStream", name)["Tags"]),
            add=lambda ctx, name, added: _call(ctx, "TagDeliveryStream", name, Tags=unpaired(added)),
            remove=lambda ctx, name, keys: _call(ctx, "UntagDeliveryStream", name, TagKeys=keys),
        ),
    ),
    naming=Naming("DeliveryStreamName", 64),
    absent=ABSENT,
    present=("ResourceInUseException",),
    settled=_settled,
    gone=lambda ctx, name: found(lambda: _described_at(ctx, name), *ABSENT) is None,
)

TYPES = (DELIVERY_STREAM,)
