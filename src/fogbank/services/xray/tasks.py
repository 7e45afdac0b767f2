"""What happens with time: traces are forgotten after thirty days."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import task
from fogbank.services.xray.state import KEPT_MS, SEGMENTS, TRACES, TRACES_BY_AGE

_AT_ONCE = 200


@task("forget")
def forget(ctx: Context, payload: Any) -> None:
    """Forgets traces that are too old, and comes back when the next one will be."""
    for count, old in enumerate(TRACES_BY_AGE.scan(ctx)):
        due_ms = old.at_ms + KEPT_MS
        if due_ms > ctx.now or count == _AT_ONCE:
            ctx.later("xray.forget", None, at_ms=max(due_ms, ctx.now))
            return
        for segment in list(SEGMENTS.scan(ctx, old.account, old.region, old.trace)):
            SEGMENTS.delete(ctx, segment)
        TRACES.delete(ctx, old)
