"""When a key was last used, to the minute."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms.names import key_at
from fogbank.services.kms.state import DAY_MS, USES, Key, Use

NOTED_MS = 60_000


def note(ctx: Context, key: Key) -> None:
    """Remembers that an operation used a key; at most once a minute for each operation."""
    operation = ctx.operation
    last = USES.get(ctx, key.account, key.region, key.id, operation)
    if last is None or not 0 <= ctx.now - last.at_ms < NOTED_MS:
        USES.put(
            ctx,
            Use(account=key.account, region=key.region, key=key.id, operation=operation, at_ms=ctx.now, request_id=ctx.request_id),
        )


def last_use(ctx: Context, key: Key) -> Use | None:
    return max(USES.scan(ctx, key.account, key.region, key.id), key=lambda use: use.at_ms, default=None)


def days_unused(ctx: Context, key: Key) -> int:
    """kms:TrailingDaysWithoutKeyUsage: whole days since the key was used, or made."""
    use = last_use(ctx, key)
    return (ctx.now - (use.at_ms if use is not None else key.created_at_ms)) // DAY_MS


@operation("GetKeyLastUsage")
def get_key_last_usage(ctx: Context, req: Any) -> Answer:
    """The last successful cryptographic operation with a key, to the minute: an empty KeyLastUsage where there was none.

    KMS tracks a key from its creation on. There is no CloudTrail event to name. Errors: NotFoundException.
    Source: API reference, GetKeyLastUsage.
    """
    key = key_at(ctx, req.KeyId)
    use = last_use(ctx, key)
    return {
        "KeyId": key.id,
        "KeyLastUsage": {} if use is None else {"Operation": use.operation, "Timestamp": use.at_ms, "KmsRequestId": use.request_id},
        "TrackingStartDate": key.created_at_ms,
        "KeyCreationDate": key.created_at_ms,
    }
