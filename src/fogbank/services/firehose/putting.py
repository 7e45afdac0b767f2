"""PutRecord, PutRecordBatch."""

from __future__ import annotations

import base64
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.firehose import encrypting, ingesting, metrics
from fogbank.services.firehose.addresses import stream_at
from fogbank.services.firehose.faults import absent, invalid
from fogbank.services.firehose.state import MIB, Stream

BATCH_BYTES = 4 * MIB
QUOTA = {"calls": 1000.0, "records": 100_000.0, "bytes": 1.0 * MIB}
LARGE_QUOTA = {"calls": 2000.0, "records": 500_000.0, "bytes": 5.0 * MIB}
"""What a stream takes a second, and in the regions that have more. Source: Amazon Data Firehose endpoints and quotas."""
LARGE_REGIONS = frozenset({"us-east-1", "us-west-2", "eu-west-1"})
ID_BYTES = 164


def _writable(ctx: Context, req: Any) -> Stream:
    """The stream that records are put into. Raises ResourceNotFoundException (also while it is CREATING), InvalidArgumentException."""
    stream = stream_at(ctx, req.DeliveryStreamName)
    if stream.status == "CREATING":
        raise absent(stream.account, stream.name)
    if stream.type != "DirectPut":
        raise invalid("This operation is not permitted on KinesisStreamAsSource delivery stream type.")
    return stream


def _spend(ctx: Context, stream: Stream, count: int, size: int) -> None:
    """Takes what a call needs from the stream's quota. Raises ServiceUnavailableException."""
    quota = LARGE_QUOTA if stream.region in LARGE_REGIONS else QUOTA
    for what, units in (("calls", 1), ("records", count), ("bytes", size)):
        if not ctx.spend(f"firehose:{what}:{stream.id}", units, quota[what], quota[what]):
            metrics.tell(ctx, stream, ThrottledRecords=count)
            raise ServiceException("ServiceUnavailableException", "Slow down.")


def _record_ids(ctx: Context, count: int) -> list[str]:
    drawn = ctx.random.bytes(ID_BYTES * count)
    return [base64.b64encode(drawn[at : at + ID_BYTES]).decode() for at in range(0, len(drawn), ID_BYTES)]


@operation("PutRecord")
def put_record(ctx: Context, req: Any) -> Answer:
    """Takes one record of at most 1,000 KiB, to be delivered with others.

    Errors: ResourceNotFoundException, InvalidArgumentException, InvalidKMSResourceException, ServiceUnavailableException (2,000 calls,
    500,000 records, 5 MiB a second; in most regions 1,000 calls, 100,000 records, 1 MiB). Source: API reference, PutRecord.
    """
    stream = _writable(ctx, req)
    size = len(req.Record.Data)
    _spend(ctx, stream, 1, size)
    ingesting.take(ctx, stream, [req.Record.Data])
    metrics.tell(ctx, stream, IncomingBytes=size, IncomingRecords=1, IncomingPutRequests=1, PutRecord__Requests=1, PutRecord__Bytes=size)
    return {"RecordId": _record_ids(ctx, 1)[0], "Encrypted": encrypting.is_on(stream)}


@operation("PutRecordBatch")
def put_record_batch(ctx: Context, req: Any) -> Answer:
    """Takes up to 500 records of together at most 4 MiB, each of at most 1,000 KiB: all of them or none.

    Errors: ResourceNotFoundException, InvalidArgumentException, InvalidKMSResourceException, ServiceUnavailableException.
    Source: API reference, PutRecordBatch.
    """
    stream = _writable(ctx, req)
    records = [record.Data for record in req.Records]
    size = sum(map(len, records))
    if size > BATCH_BYTES:
        raise invalid(f"Records size exceeds {BATCH_BYTES // MIB} MB limit")
    _spend(ctx, stream, len(records), size)
    ingesting.take(ctx, stream, records)
    count = len(records)
    metrics.tell(
        ctx,
        stream,
        IncomingBytes=size,
        IncomingRecords=count,
        IncomingPutRequests=1,
        PutRecordBatch__Requests=1,
        PutRecordBatch__Bytes=size,
        PutRecordBatch__Records=count,
    )
    return {
        "FailedPutCount": 0,
        "Encrypted": encrypting.is_on(stream),
        "RequestResponses": [{"RecordId": one} for one in _record_ids(ctx, count)],
    }
