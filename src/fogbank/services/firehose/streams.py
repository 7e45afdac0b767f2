"""Delivery streams: made, described, listed, changed, deleted; their encryption and tags."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging, tags
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.firehose import destinations, encrypting
from fogbank.services.firehose.addresses import arn, arn_of, stream_at, where
from fogbank.services.firehose.destinations import Destination
from fogbank.services.firehose.faults import in_use, invalid
from fogbank.services.firehose.state import STREAMS, Encryption, Source, Stream
from fogbank.services.firehose.tags import checked
from fogbank.store import change

STREAMS_LIMIT = 5000
PAGE_LIMIT = 10


@operation("CreateDeliveryStream")
def create_delivery_stream(ctx: Context, req: Any) -> Answer:
    """Makes a stream that takes records by PutRecord (DirectPut) or reads them from a Kinesis stream. It is CREATING at first.

    Roles need iam:PassRole, and must trust firehose.amazonaws.com. Destinations: S3, and HTTP endpoints.

    Errors: ResourceInUseException (it exists), LimitExceededException (5,000 streams), InvalidArgumentException,
    InvalidKMSResourceException. Source: API reference, CreateDeliveryStream.
    """
    kind = req.DeliveryStreamType or "DirectPut"
    if req.MSKSourceConfiguration is not None or req.DatabaseSourceConfiguration is not None or kind in ("MSKAsSource", "DatabaseAsSource"):
        raise NotImplementedOperation("firehose", "CreateDeliveryStream", "with MSK or a database as its source")
    if STREAMS.get(ctx, ctx.account, ctx.region, req.DeliveryStreamName) is not None:
        raise in_use(f"Firehose {req.DeliveryStreamName} under accountId {ctx.account} already exists")
    if sum(1 for _ in STREAMS.scan(ctx, ctx.account, ctx.region)) >= STREAMS_LIMIT:
        raise ServiceException("LimitExceededException", f"Limit of {STREAMS_LIMIT} Firehose streams reached.")
    destination = destinations.made(ctx, arn(ctx.account, ctx.region, req.DeliveryStreamName), *destinations.asked(req, "Configuration"))
    stream = Stream(
        account=ctx.account,
        region=ctx.region,
        name=req.DeliveryStreamName,
        id=ctx.tx.unique(),
        created_at_ms=ctx.now,
        status="CREATING",
        type=kind,
        kind=destination.kind,
        destination=destination.description,
        secret=_sealed(ctx, destination),
        source=_source(ctx, req, kind),
        hint_mbs=req.DirectPutSourceConfiguration.ThroughputHintInMBs if req.DirectPutSourceConfiguration is not None else 0,
        tags=checked(req.Tags or (), {}),
    )
    if req.DeliveryStreamEncryptionConfigurationInput is not None:
        stream = _encrypted(ctx, stream, req.DeliveryStreamEncryptionConfigurationInput)
    STREAMS.put(ctx, stream)
    ctx.later("firehose.settle", where(stream))
    return {"DeliveryStreamARN": arn_of(stream)}


def _sealed(ctx: Context, destination: Destination) -> bytes:
    return ctx.vault.seal(destination.access_key.encode()) if destination.access_key else b""


def _source(ctx: Context, req: Any, kind: str) -> Source | None:
    given = req.KinesisStreamSourceConfiguration
    if kind == "DirectPut":
        if given is not None:
            raise invalid("KinesisSourceStreamConfig is only applicable for KinesisStreamAsSource stream type.")
        return None
    if given is None:
        raise invalid("KinesisStreamSourceConfiguration must be specified for a stream of type KinesisStreamAsSource.")
    if req.DirectPutSourceConfiguration is not None:
        raise invalid("DirectPutSourceConfiguration is only applicable for DirectPut stream type.")
    destinations.check_role(ctx, arn(ctx.account, ctx.region, req.DeliveryStreamName), given.RoleARN)
    return Source(given.KinesisStreamARN, given.RoleARN, ctx.now)


@operation("DescribeDeliveryStream")
def describe_delivery_stream(ctx: Context, req: Any) -> Answer:
    """A stream with its source and its one destination. Errors: ResourceNotFoundException.

    Source: API reference, DescribeDeliveryStream.
    """
    stream = stream_at(ctx, req.DeliveryStreamName)
    source: dict[str, Any] | None = None
    if stream.source is not None:
        source = {
            "KinesisStreamSourceDescription": {
                "KinesisStreamARN": stream.source.stream_arn,
                "RoleARN": stream.source.role_arn,
                "DeliveryStartTimestamp": stream.source.start_ms,
            }
        }
    elif stream.hint_mbs:
        source = {"DirectPutSourceDescription": {"ThroughputHintInMBs": stream.hint_mbs}}
    return {
        "DeliveryStreamDescription": {
            "DeliveryStreamName": stream.name,
            "DeliveryStreamARN": arn_of(stream),
            "DeliveryStreamStatus": stream.status,
            "DeliveryStreamType": stream.type,
            "DeliveryStreamEncryptionConfiguration": _encryption(stream),
            "VersionId": str(stream.version),
            "CreateTimestamp": stream.created_at_ms,
            "LastUpdateTimestamp": stream.updated_at_ms or None,
            "Source": source,
            "Destinations": [destinations.described(stream)],
            "HasMoreDestinations": False,
        }
    }


def _encryption(stream: Stream) -> dict[str, Any]:
    held = stream.encryption
    if held is None:
        return {"Status": "DISABLED"}
    return {"Status": held.status, "KeyType": held.key_type, "KeyARN": held.key_arn or None}


@operation("ListDeliveryStreams")
def list_delivery_streams(ctx: Context, req: Any) -> Answer:
    """The account's streams in the region, by name, ten a page unless Limit says otherwise. Source: API reference, ListDeliveryStreams."""
    found = STREAMS.scan(ctx, ctx.account, ctx.region, after=req.ExclusiveStartDeliveryStreamName)
    wanted = (stream for stream in found if req.DeliveryStreamType in (None, stream.type))
    listed, more = paging.page(wanted, req.Limit or PAGE_LIMIT)
    return {"DeliveryStreamNames": [stream.name for stream in listed], "HasMoreDeliveryStreams": more}


@operation("DeleteDeliveryStream")
def delete_delivery_stream(ctx: Context, req: Any) -> Answer:
    """Deletes a stream and what waits in it. Errors: ResourceNotFoundException, ResourceInUseException (CREATING).

    Source: API reference, DeleteDeliveryStream.
    """
    stream = stream_at(ctx, req.DeliveryStreamName)
    if stream.status == "CREATING":
        raise in_use(f"Firehose {stream.name} under accountId {stream.account} is in the CREATING state")
    STREAMS.put(ctx, change(stream, status="DELETING"))
    ctx.later("firehose.settle", {**where(stream), "force": bool(req.AllowForceDelete)})
    return {}


@operation("UpdateDestination")
def update_destination(ctx: Context, req: Any) -> Answer:
    """Changes the destination: what is not given stays as it is, unless the destination becomes one of another kind.

    Errors: ResourceNotFoundException, ConcurrentModificationException (another version), InvalidArgumentException.
    Source: API reference, UpdateDestination.
    """
    stream = stream_at(ctx, req.DeliveryStreamName)
    if stream.status != "ACTIVE":
        raise in_use(f"Firehose {stream.name} under accountId {stream.account} is not in the ACTIVE state")
    if req.CurrentDeliveryStreamVersionId != str(stream.version):
        message = f"Cannot update firehose: {stream.name} since the current version id: {stream.version} and specified version id: "
        raise ServiceException("ConcurrentModificationException", f"{message}{req.CurrentDeliveryStreamVersionId} do not match")
    if req.DestinationId != "destinationId-000000000001":
        raise invalid(f"Destination Id {req.DestinationId} not found")
    destination = destinations.merged(ctx, stream, *destinations.asked(req, "Update"))
    changed = change(
        stream,
        kind=destination.kind,
        destination=destination.description,
        secret=_sealed(ctx, destination) or (stream.secret if destination.kind == stream.kind else b""),
        version=stream.version + 1,
        updated_at_ms=ctx.now,
    )
    STREAMS.put(ctx, changed)
    return {}


# encryption


def _encrypted(ctx: Context, stream: Stream, given: Any) -> Stream:
    """The stream with the encryption that is asked for, on its way. Errors: InvalidArgumentException, InvalidKMSResourceException."""
    if stream.type != "DirectPut":
        raise invalid("Server-side encryption can only be enabled for streams of type DirectPut.")
    kind = given.KeyType if given is not None else "AWS_OWNED_CMK"
    key_arn = given.KeyARN if given is not None else None
    if kind == "AWS_OWNED_CMK":
        if key_arn is not None:
            raise invalid("KeyARN must not be specified when KeyType is AWS_OWNED_CMK.")
        return change(stream, encryption=Encryption("ENABLING", kind))
    if key_arn is None:
        raise invalid("KeyARN must be specified when KeyType is CUSTOMER_MANAGED_CMK.")
    number, grant = encrypting.granted(ctx, stream, key_arn)
    return change(stream, encryption=Encryption("ENABLING", kind, key_arn, number, grant))


@operation("StartDeliveryStreamEncryption")
def start_delivery_stream_encryption(ctx: Context, req: Any) -> Answer:
    """Has records that are put from now on sealed while they wait, under a key of the service's or of the customer's.

    Errors: ResourceNotFoundException, ResourceInUseException, InvalidArgumentException, InvalidKMSResourceException.
    Source: API reference, StartDeliveryStreamEncryption.
    """
    stream = stream_at(ctx, req.DeliveryStreamName)
    if stream.status != "ACTIVE":
        raise in_use(f"Firehose {stream.name} under accountId {stream.account} is not in the ACTIVE state")
    changed = _encrypted(ctx, stream, req.DeliveryStreamEncryptionConfigurationInput)
    STREAMS.put(ctx, changed)
    _retire_later(ctx, stream)
    ctx.later("firehose.settle_encryption", where(stream))
    return {}


@operation("StopDeliveryStreamEncryption")
def stop_delivery_stream_encryption(ctx: Context, req: Any) -> Answer:
    """Has records not sealed any more; the grant is given back when those that were have been delivered.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, StopDeliveryStreamEncryption.
    """
    stream = stream_at(ctx, req.DeliveryStreamName)
    if stream.type != "DirectPut":
        raise invalid("Server-side encryption can only be disabled for streams of type DirectPut.")
    if stream.encryption is not None:
        STREAMS.put(ctx, change(stream, encryption=Encryption("DISABLING", stream.encryption.key_type, stream.encryption.key_arn)))
        _retire_later(ctx, stream)
        ctx.later("firehose.settle_encryption", where(stream))
    return {}


def _retire_later(ctx: Context, stream: Stream) -> None:
    held = stream.encryption
    if held is not None and held.grant:
        ctx.later("firehose.retire", {**where(stream), "key": held.key_arn, "grant": held.grant})


# tags


@operation("TagDeliveryStream")
def tag_delivery_stream(ctx: Context, req: Any) -> Answer:
    """Adds tags, or gives them new values. Errors: ResourceNotFoundException, InvalidArgumentException.

    Source: API reference, TagDeliveryStream.
    """
    stream = stream_at(ctx, req.DeliveryStreamName)
    STREAMS.put(ctx, change(stream, tags=checked(req.Tags, stream.tags)))
    return {}


@operation("UntagDeliveryStream")
def untag_delivery_stream(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: ResourceNotFoundException.

    Source: API reference, UntagDeliveryStream.
    """
    stream = stream_at(ctx, req.DeliveryStreamName)
    STREAMS.put(ctx, change(stream, tags={key: value for key, value in stream.tags.items() if key not in req.TagKeys}))
    return {}


@operation("ListTagsForDeliveryStream")
def list_tags_for_delivery_stream(ctx: Context, req: Any) -> Answer:
    """A stream's tags in order of their keys. Errors: ResourceNotFoundException. Source: API reference, ListTagsForDeliveryStream."""
    stream = stream_at(ctx, req.DeliveryStreamName)
    listed = [tag for tag in tags.pairs(stream.tags) if tag["Key"] > (req.ExclusiveStartTagKey or "")]
    limit = req.Limit or len(listed)
    return {"Tags": listed[:limit], "HasMoreTags": len(listed) > limit}
