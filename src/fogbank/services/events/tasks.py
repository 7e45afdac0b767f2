"""What EventBridge does after a commit: events on their way to targets that take their time, or that refused them for now."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, task
from fogbank.services.events import delivering, destinations, forwarding


@task("deliver")
def deliver(ctx: Context, payload: Any) -> Answer | Wait:
    """One attempt to bring an event to a target. An event whose rule or target is gone goes with it."""
    waits = delivering.read(payload)
    try:
        job = delivering.taken_up(ctx, waits)
    except ServiceException:
        delivering.not_opened(ctx, waits)
        return None
    if job is None:
        return None
    if ":api-destination/" in job.target.arn:
        if not waits.admitted:
            return _admit(ctx, job, waits)
        delivering.attempt(ctx, job, destinations.send)
    else:
        delivering.attempt(ctx, job, forwarding.send if ":event-bus/" in job.target.arn else delivering.straight)
    return None


def _admit(ctx: Context, job: delivering.Job, waits: delivering.Waits) -> Wait | None:
    """Lets a request through at the destination's rate. It is another task then, because one that waits for HTTP begins again."""
    wait_ms = destinations.waits_ms(ctx, job)
    if wait_ms:
        return Wait((), ctx.now + wait_ms)
    delivering.put(ctx, msgspec.structs.replace(waits, admitted=True), ctx.now)
    return None
