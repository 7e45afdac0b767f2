"""What can be changed about a stream: retention, mode, record size, distribution, warm throughput, monitoring, encryption."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis import scaling, shards
from fogbank.services.kinesis.addresses import active_stream_at, arn_of, own_stream_at, where
from fogbank.services.kinesis.encrypting import ask_kms
from fogbank.services.kinesis.faults import invalid, named, too_many
from fogbank.services.kinesis.limits import ON_DEMAND_LIMIT, check_warm, on_demand_count
from fogbank.services.kinesis.state import DAY_MS, HOUR_MS, STREAMS, Encryption, Stream
from fogbank.store import change

RETENTION_H = (24, 8760)
SWITCHES_LIMIT = 2
METRICS = (
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
)


# retention


@operation("IncreaseStreamRetentionPeriod")
def increase_stream_retention_period(ctx: Context, req: Any) -> Answer:
    """Keeps records for longer, up to 8,760 hours; those past the old period stay out of reach.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), InvalidArgumentException.
    Source: API reference, IncreaseStreamRetentionPeriod.
    """
    stream, hours = _retention(ctx, req)
    if hours < stream.retention_h:
        raise invalid(
            f"Requested retention period ({hours} hours) for {named(stream)} can not be shorter than existing retention period "
            f"({stream.retention_h} hours). Use DecreaseRetentionPeriod API."
        )
    past_ms = max(stream.readable_from_ms, ctx.now - stream.retention_h * HOUR_MS)
    shards.changing(ctx, change(stream, retention_h=hours, readable_from_ms=past_ms))
    return None


@operation("DecreaseStreamRetentionPeriod")
def decrease_stream_retention_period(ctx: Context, req: Any) -> Answer:
    """Keeps records for less long, at least 24 hours; what is older is out of reach at once.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), InvalidArgumentException.
    Source: API reference, DecreaseStreamRetentionPeriod.
    """
    stream, hours = _retention(ctx, req)
    if hours > stream.retention_h:
        raise invalid(
            f"Requested retention period ({hours} hours) for {named(stream)} can not be longer than existing retention period "
            f"({stream.retention_h} hours). Use IncreaseRetentionPeriod API."
        )
    stream = change(stream, retention_h=hours, trimming=True, trim=stream.trim + 1)
    shards.changing(ctx, stream)
    ctx.later("kinesis.trim", {**where(stream), "trim": stream.trim})
    return None


def _retention(ctx: Context, req: Any) -> tuple[Stream, int]:
    stream, hours = active_stream_at(ctx, req), req.RetentionPeriodHours
    low, high = RETENTION_H
    if hours < low:
        raise invalid(f"Minimum allowed retention period is {low} hours. Requested retention period ({hours} hours) is too short.")
    if hours > high:
        raise invalid(f"Maximum allowed retention period is {high} hours. Requested retention period ({hours} hours) is too long.")
    return stream, hours


# capacity


@operation("UpdateStreamMode")
def update_stream_mode(ctx: Context, req: Any) -> Answer:
    """Turns a provisioned stream into one on demand, or back, twice in 24 hours; it keeps its shards.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), LimitExceededException, ValidationException.
    Source: API reference, UpdateStreamMode.
    """
    stream, mode = active_stream_at(ctx, req), req.StreamModeDetails.StreamMode
    if mode == stream.mode:
        raise ServiceException("ValidationException", f"{named(stream).capitalize()} is already in {mode} mode.")
    if mode == "ON_DEMAND" and on_demand_count(ctx) >= ON_DEMAND_LIMIT:
        raise too_many(f"Limit of {ON_DEMAND_LIMIT} on-demand streams reached for account {ctx.account}.")
    if mode == "PROVISIONED" and stream.distribution == "AUTO":
        raise invalid("A stream with RecordDistributionStrategy AUTO cannot be switched to PROVISIONED mode.")
    lately = tuple(at_ms for at_ms in stream.switched_at_ms if at_ms + DAY_MS > ctx.now)
    if len(lately) >= SWITCHES_LIMIT:
        raise too_many(f"{named(stream).capitalize()} has been switched between modes {SWITCHES_LIMIT} times in the last 24 hours.")
    warm = check_warm(ctx, mode, req.WarmThroughputMiBps) if req.WarmThroughputMiBps is not None else 0
    changed = _warmed(ctx, change(stream, mode=mode, switched_at_ms=(*lately, ctx.now)), warm)
    shards.changing(ctx, scaling.calmed(ctx, changed) if mode == "ON_DEMAND" else changed)
    return None


def _warmed(ctx: Context, stream: Stream, mibps: int) -> Stream:
    """The stream with at least as many shards as this throughput needs (each takes 1 MiB a second)."""
    shards.check_limit(ctx, stream.account, stream.region, max(0, mibps - len(stream.open)))
    return change(shards.scaled(ctx, stream, mibps) if mibps > len(stream.open) else stream, warm_mibps=mibps)


@operation("UpdateStreamWarmThroughput")
def update_stream_warm_throughput(ctx: Context, req: Any) -> Answer:
    """Has an on-demand stream ready to take so many MiB a second; a lower value does not close shards.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), InvalidArgumentException, ValidationException (not on demand,
    or no MinimumThroughputBillingCommitment). Source: API reference, UpdateStreamWarmThroughput.
    """
    stream = active_stream_at(ctx, req)
    changed = scaling.calmed(ctx, _warmed(ctx, stream, check_warm(ctx, stream.mode, req.WarmThroughputMiBps)))
    shards.changing(ctx, changed)
    warm = {"TargetMiBps": changed.warm_mibps, "CurrentMiBps": len(stream.open)}
    return {"StreamARN": arn_of(stream), "StreamName": stream.name, "WarmThroughput": warm}


@operation("UpdateMaxRecordSize")
def update_max_record_size(ctx: Context, req: Any) -> Answer:
    """How large a record may be that is put from now on: 1,024 to 10,240 KiB.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE). Source: API reference, UpdateMaxRecordSize.
    """
    shards.changing(ctx, change(active_stream_at(ctx, req), max_record_kib=req.MaxRecordSizeInKiB))
    return None


@operation("UpdateStreamRecordDistributionStrategy")
def update_stream_record_distribution_strategy(ctx: Context, req: Any) -> Answer:
    """Whether an on-demand stream's records go to shards by their partition keys, or evenly whatever their keys are.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, UpdateStreamRecordDistributionStrategy.
    """
    stream = own_stream_at(ctx, req)
    if stream.mode != "ON_DEMAND":
        raise invalid("RecordDistributionStrategy is only supported for streams in ON_DEMAND mode.")
    STREAMS.put(ctx, change(stream, distribution=req.RecordDistributionStrategy))
    return None


# monitoring


def _monitoring(ctx: Context, req: Any, *, on: bool) -> Answer:
    stream = own_stream_at(ctx, req)
    named = set(METRICS if "ALL" in req.ShardLevelMetrics else req.ShardLevelMetrics)
    after = tuple(name for name in METRICS if (name in named and on) or (name in stream.metrics and name not in named))
    STREAMS.put(ctx, change(stream, metrics=after))
    return {
        "StreamName": stream.name,
        "StreamARN": arn_of(stream),
        "CurrentShardLevelMetrics": list(stream.metrics),
        "DesiredShardLevelMetrics": list(after),
    }


@operation("EnableEnhancedMonitoring")
def enable_enhanced_monitoring(ctx: Context, req: Any) -> Answer:
    """Has metrics also measured by shard. Errors: ResourceNotFoundException. Source: API reference, EnableEnhancedMonitoring."""
    return _monitoring(ctx, req, on=True)


@operation("DisableEnhancedMonitoring")
def disable_enhanced_monitoring(ctx: Context, req: Any) -> Answer:
    """Has metrics not measured by shard any more.

    Errors: ResourceNotFoundException. Source: API reference, DisableEnhancedMonitoring.
    """
    return _monitoring(ctx, req, on=False)


# encryption


@operation("StartStreamEncryption")
def start_stream_encryption(ctx: Context, req: Any) -> Answer:
    """Has records that are put from now on encrypted under a KMS key, or under another one than before.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), KMSNotFoundException, KMSDisabledException,
    KMSInvalidStateException, KMSAccessDeniedException, InvalidArgumentException. Source: API reference, StartStreamEncryption.
    """
    stream = active_stream_at(ctx, req)
    if req.EncryptionType != "KMS":
        raise invalid("EncryptionType must be KMS.")
    found = ask_kms(ctx, "DescribeKey", {"KeyId": req.KeyId})["KeyMetadata"]
    if found["KeyState"] != "Enabled":
        code = "KMSDisabledException" if found["KeyState"] == "Disabled" else "KMSInvalidStateException"
        raise ServiceException(code, f"{found['Arn']} is {found['KeyState'].lower()}.")
    if found["KeySpec"] != "SYMMETRIC_DEFAULT" or found["KeyUsage"] != "ENCRYPT_DECRYPT":
        raise invalid(f"The KMS key {found['Arn']} is not a symmetric encryption key.")
    shards.changing(ctx, change(stream, encryption=Encryption(req.KeyId, found["Arn"])))
    return None


@operation("StopStreamEncryption")
def stop_stream_encryption(ctx: Context, req: Any) -> Answer:
    """Has records that are put from now on not encrypted any more; those that are there stay as they are.

    Errors: ResourceNotFoundException, ResourceInUseException (not ACTIVE), InvalidArgumentException (another key).
    Source: API reference, StopStreamEncryption.
    """
    stream = active_stream_at(ctx, req)
    if req.EncryptionType != "KMS":
        raise invalid("EncryptionType must be KMS.")
    if stream.encryption is None:
        return None
    if req.KeyId not in (stream.encryption.named, stream.encryption.key_arn):
        found = ask_kms(ctx, "DescribeKey", {"KeyId": req.KeyId})["KeyMetadata"]
        if found["Arn"] != stream.encryption.key_arn:
            raise invalid(f"{named(stream).capitalize()} is not encrypted under key {req.KeyId}.")
    shards.changing(ctx, change(stream, encryption=None))
    return None
