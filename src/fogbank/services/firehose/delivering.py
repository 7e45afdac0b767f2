"""Parcels brought to where they go: to the function, to a bucket, to an endpoint. What fails is tried again for 24 hours.

Source: developer guide, Understand data delivery in Amazon Data Firehose; Handle data delivery failure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, Wait, task
from fogbank.services.firehose import endpoints, ingesting, lanes, logging, metrics, prefixes, transforming
from fogbank.services.firehose.addresses import role, stream_of
from fogbank.services.firehose.compressing import COMPRESSED
from fogbank.services.firehose.processing import Failed
from fogbank.services.firehose.state import DAY_MS, ERROR, IN, OUT, PARCELS, Lane, Origin, Stream
from fogbank.store import change

PAUSE_MS = 5000
LONGEST_PAUSE_MS = 300_000
RETRY_S = 300
"""For how long the delivery of a partition is tried again, unless RetryOptions say otherwise."""
LOCKED = "KMS.AccessDenied"
"""The code of a parcel that cannot be opened."""
_REFUSALS = {
    "AccessDenied": (
        "S3.AccessDenied",
        "Access was denied. Ensure that the trust policy for the provided IAM role allows Firehose to assume the role, and the access "
        "policy allows access to the S3 bucket.",
    ),
    "NoSuchBucket": (
        "S3.NoSuchBucket",
        "The specified bucket does not exist. Create the bucket or use a different bucket that does exist.",
    ),
}


@task("deliver")
def deliver(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """Delivers a parcel."""
    stream = stream_of(ctx, payload)
    parcel = PARCELS.get(ctx, payload["id"], payload["parcel"])
    if stream is None or parcel is None:
        return None
    try:
        records = _records(ctx, stream, parcel)
        if parcel.kind == IN:
            return transforming.transform(ctx, stream, parcel, records)
        if parcel.kind == OUT and stream.kind == "HttpEndpoint":
            return endpoints.send(ctx, stream, parcel, [record for record, _ in records])
        _put_object(ctx, stream, parcel, [record for record, _ in records])
    except Failed as problem:
        _again(ctx, stream, parcel, problem, payload)
        return None
    lanes.done(ctx, parcel)
    return None


def _records(ctx: Context, stream: Stream, parcel: Lane) -> list[tuple[bytes, Origin | None]]:
    """Raises Failed where the key under which they wait may not be used."""
    try:
        return list(lanes.records_of(ctx, stream, parcel))
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        raise Failed(LOCKED, refused.message) from None


def _put_object(ctx: Context, stream: Stream, parcel: Lane, records: list[bytes]) -> None:
    """Writes a parcel as one object, as the bucket's role. Raises Failed."""
    where = lanes.bucket_of(stream, parcel.kind)
    kind = parcel.kind.removeprefix(ERROR) if parcel.kind.startswith(ERROR) else ""
    prefix = where.get("Prefix") or ""
    keys: dict[str, str] = msgspec.json.decode(parcel.part) if parcel.part else {}
    zone = where.get("CustomTimeZone") or ""
    if kind:
        prefix = prefixes.error_prefix(prefix, where.get("ErrorOutputPrefix"))
    folder = prefixes.evaluated(prefix, parcel.since_ms, zone, ctx.random.text, keys, kind)
    format = where.get("CompressionFormat") or "UNCOMPRESSED"
    extension = where.get("FileExtension") or prefixes.EXTENSIONS[format]
    name = folder + prefixes.suffix(stream.name, stream.version, parcel.since_ms, zone, ctx.random.uuid(), extension)
    body = b"".join(records)
    if format != "UNCOMPRESSED":
        name, body = ctx.beside(f"packing {parcel.id}", lambda: (name, COMPRESSED[format](body, name)))
    members: dict[str, Any] = {"Bucket": where["BucketARN"].rpartition(":")[2], "Key": name, "Body": body}
    encryption = (where.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig")
    if encryption:
        members |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": encryption["AWSKMSKeyARN"]}
    try:
        ctx.call("s3", "PutObject", members, acting=role(stream, where["RoleARN"]))
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        metrics.delivered(ctx, stream, parcel, success=False)
        code, message = _REFUSALS.get(refused.code, (f"S3.{refused.code}", refused.message))
        raise Failed(code, message) from None
    metrics.delivered(ctx, stream, parcel, success=True)


def _again(ctx: Context, stream: Stream, parcel: Lane, problem: Failed, payload: dict[str, Any]) -> None:
    """A bucket did not take a parcel: later, until its records are 24 hours old; then they are gone, as in AWS.

    Those of a partition go to the error output before, when its RetryOptions say so.
    """
    logging.say(ctx, stream, problem, lanes.bucket_of(stream, parcel.kind)["BucketARN"], of=parcel.kind)
    since_ms = parcel.failing_since_ms or ctx.now
    until_ms = parcel.since_ms + DAY_MS if problem.code == LOCKED else _until_ms(stream, parcel, since_ms)
    if ctx.now < until_ms:
        PARCELS.put(ctx, change(parcel, attempts=parcel.attempts + 1, failing_since_ms=since_ms))
        ctx.later("firehose.deliver", payload, at_ms=min(ctx.now + min(PAUSE_MS * 2**parcel.attempts, LONGEST_PAUSE_MS), until_ms))
        return
    if until_ms < parcel.since_ms + DAY_MS:
        for record, _ in lanes.records_of(ctx, stream, parcel):
            ingesting.fail(ctx, stream, "processing-failed", record, problem, arrived_ms=parcel.since_ms, attempts=parcel.attempts + 1)
    lanes.done(ctx, parcel)


def _until_ms(stream: Stream, parcel: Lane, since_ms: int) -> int:
    """Until when a parcel is tried again that has failed since an instant."""
    dynamic = stream.destination.get("DynamicPartitioningConfiguration") or {}
    end_ms = parcel.since_ms + DAY_MS
    if parcel.kind != OUT or not dynamic.get("Enabled"):
        return end_ms
    duration_s: int = (dynamic.get("RetryOptions") or {}).get("DurationInSeconds", RETRY_S)
    return min(end_ms, since_ms + duration_s * 1000)
