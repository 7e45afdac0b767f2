"""What happens with time: traces are forgotten after thirty days."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import task
from fogbank.services.xray.state import KEPT_MS, SEGMENTS, TOLD, TOLD_BY_AGE, TRACES, TRACES_BY_AGE

_AT_ONCE = 200


@task("forget")
def forget(ctx: Context, payload: Any) -> None:
    """Forgets traces that are too old, and comes back when the next one will be."""
    due = [due_ms for due_ms in (_forget_told(ctx), _forget_traces(ctx)) if due_ms is not None]
    if due:
        ctx.later("xray.forget", None, at_ms=max(min(due), ctx.now))


def _forget_told(ctx: Context) -> int | None:
    """Forgets spans that nobody has looked at; gives when the next ones will be too old."""
    for count, old in enumerate(TOLD_BY_AGE.scan(ctx)):
        if old.at_ms + KEPT_MS > ctx.now or count == _AT_ONCE:
            return old.at_ms + KEPT_MS
        TOLD.delete(ctx, old)
    return None


def _forget_traces(ctx: Context) -> int | None:
    for count, old in enumerate(TRACES_BY_AGE.scan(ctx)):
        if old.at_ms + KEPT_MS > ctx.now or count == _AT_ONCE:
            return old.at_ms + KEPT_MS
        for segment in list(SEGMENTS.scan(ctx, old.account, old.region, old.trace)):
            SEGMENTS.delete(ctx, segment)
        TRACES.delete(ctx, old)
    return None
