"""What S3 does after a commit: events to whoever could not take them at once."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.s3 import destinations
from fogbank.services.s3.state import BUCKETS


@task("deliver")
def deliver(ctx: Context, payload: Any) -> Answer:
    """Sends one event to one target, at least once. The events of a bucket that is gone go with it."""
    bucket = BUCKETS.get(ctx, payload["bucket"])
    if bucket is not None:
        destinations.send(ctx, bucket, payload["target"], payload["message"])
    return None
