"""What an account may have, and its settings."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis.faults import invalid
from fogbank.services.kinesis.state import DAY_MS, SETTINGS, STREAMS, Settings
from fogbank.store import change

ON_DEMAND_LIMIT = 50
SHARD_LIMIT = 20_000
WARM_LIMIT_MIBPS = 10_240


def on_demand_count(ctx: Context) -> int:
    return sum(1 for stream in STREAMS.scan(ctx, ctx.account, ctx.region) if stream.mode == "ON_DEMAND")


@operation("DescribeLimits")
def describe_limits(ctx: Context, req: Any) -> Answer:
    """How many shards and on-demand streams the account has in the region, and may have. Source: API reference, DescribeLimits."""
    return {
        "ShardLimit": SHARD_LIMIT,
        "OpenShardCount": sum(len(stream.open) for stream in STREAMS.scan(ctx, ctx.account, ctx.region)),
        "OnDemandStreamCount": on_demand_count(ctx),
        "OnDemandStreamCountLimit": ON_DEMAND_LIMIT,
    }


# the commitment to a minimum throughput


def committed(ctx: Context) -> bool:
    """Whether the account is committed to a minimum throughput now."""
    settings = SETTINGS.get(ctx, ctx.account, ctx.region)
    return settings is not None and not 0 < settings.ends_at_ms <= ctx.now


def check_warm(ctx: Context, mode: str, wanted_mibps: int) -> int:
    """A warm throughput that a stream may have. Raises ValidationException, InvalidArgumentException."""
    if mode != "ON_DEMAND":
        raise ServiceException("ValidationException", "WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.")
    if not committed(ctx):
        raise ServiceException(
            "ValidationException", "Warm throughput requires MinimumThroughputBillingCommitment to be enabled for the account."
        )
    if wanted_mibps > WARM_LIMIT_MIBPS:
        raise invalid(f"WarmThroughputMiBps {wanted_mibps} exceeds the limit of {WARM_LIMIT_MIBPS} MiB per second.")
    return wanted_mibps


@operation("DescribeAccountSettings")
def describe_account_settings(ctx: Context, req: Any) -> Answer:
    """The account's commitment to a minimum throughput. Source: API reference, DescribeAccountSettings."""
    return {"MinimumThroughputBillingCommitment": _commitment(ctx)}


@operation("UpdateAccountSettings")
def update_account_settings(ctx: Context, req: Any) -> Answer:
    """Commits the account to a minimum throughput for at least 24 hours, or has the commitment end as soon as it may.

    It unlocks warm throughput and 50 consumers for on-demand streams. Source: API reference, UpdateAccountSettings.
    """
    settings = SETTINGS.get(ctx, ctx.account, ctx.region)
    if req.MinimumThroughputBillingCommitment.Status == "ENABLED":
        if settings is None or not committed(ctx):
            settings = Settings(account=ctx.account, region=ctx.region, started_at_ms=ctx.now)
        SETTINGS.put(ctx, change(settings, ends_at_ms=0))
    elif settings is not None and committed(ctx):
        SETTINGS.put(ctx, change(settings, ends_at_ms=max(ctx.now, settings.started_at_ms + DAY_MS)))
    return {"MinimumThroughputBillingCommitment": _commitment(ctx)}


def _commitment(ctx: Context) -> dict[str, Any]:
    settings = SETTINGS.get(ctx, ctx.account, ctx.region)
    if settings is None:
        return {"Status": "DISABLED"}
    if not committed(ctx):
        return {"Status": "DISABLED", "StartedAt": settings.started_at_ms, "EndedAt": settings.ends_at_ms}
    status = "ENABLED_UNTIL_EARLIEST_ALLOWED_END" if settings.ends_at_ms else "ENABLED"
    return {"Status": status, "StartedAt": settings.started_at_ms, "EarliestAllowedEndAt": settings.started_at_ms + DAY_MS}
