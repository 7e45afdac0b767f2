"""What a stream's function did not take is recorded at the mapping's destination, by the function's role."""

from __future__ import annotations

from typing import Any

from fogbank.delivery.sources.reading import Entry
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.services.lambda_ import events, metrics, running
from fogbank.services.lambda_.addresses import arn, iso
from fogbank.services.lambda_.sources import mappings
from fogbank.services.lambda_.sources.state import Mapping
from fogbank.services.lambda_.state import LATEST

_BATCH = {"kinesis": "KinesisBatchInfo", "dynamodb": "DDBStreamBatchInfo"}


def send(
    ctx: Context,
    mapping: Mapping,
    shard: str,
    entries: list[Entry],
    condition: str,
    role: Role,
    *,
    tries: int,
    request_id: str,
    ran: running.Ran | None = None,
) -> bool:
    """Records that they are given up, where the mapping has a destination; to a bucket go the records themselves too. Whether it was."""
    if not mapping.on_failure or not entries:
        return False
    where = mappings.function_of(mapping)
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": arn(*where._replace(qualifier=where.qualifier or LATEST)),
            "condition": condition,
            "approximateInvokeCount": tries,
        }
    }
    if ran is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": ran.version}
        if ran.outcome.error:
            context["functionError"] = ran.outcome.error
        record["responseContext"] = context
    record |= {
        "version": "1.0",
        "timestamp": iso(ctx.now),
        _BATCH[mapping.kind]: {
            "shardId": shard,
            "startSequenceNumber": entries[0].sequence,
            "endSequenceNumber": entries[-1].sequence,
            "approximateArrivalOfFirstRecord": iso(entries[0].at_ms),
            "approximateArrivalOfLastRecord": iso(entries[-1].at_ms),
            "batchSize": len(entries),
            "streamArn": mapping.source_arn,
        },
    }
    prefix = ""
    if ":s3:" in mapping.on_failure:
        record["payload"] = {"Records": [entry.event for entry in entries]}
        prefix = f"aws/lambda/{mapping.id}/{shard}"
    try:
        events.send_record(ctx, mapping.on_failure, record, role, where, success=False, prefix=prefix)
        return True
    except ServiceException:
        metrics.measure(ctx, where, "DestinationDeliveryFailures", 1, all_functions=False)
        return False
