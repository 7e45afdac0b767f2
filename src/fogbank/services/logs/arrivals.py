"""What follows from events that came in: CloudWatch Logs' own metrics, metrics in them (filters, EMF), and subscriptions.

All of it sees events as everybody sees them: masked, where they are protected.
"""

from __future__ import annotations

from collections.abc import Sequence

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.logs import emf, metric_filters, subscriptions, tails
from fogbank.services.logs.chunks import Event
from fogbank.services.logs.state import STANDARD, Group, Stream

NAMESPACE = "AWS/Logs"


def follow(ctx: Context, group: Group, stream: Stream, events: Sequence[Event], size: int) -> None:
    by = (("LogGroupName", group.name),)
    _measure(ctx, group, "IncomingLogEvents", by, len(events), "None")
    _measure(ctx, group, "IncomingBytes", by, size, "Bytes")
    if group.log_class != STANDARD:
        return
    if group.metric_filters:
        metric_filters.emit(ctx, group, events)
    for event in events:
        if emf.MARK in event.message:
            measures, faults = emf.measures(group.account, group.region, event.seen, ctx.now)
            for measure in measures:
                ctx.tell(MEASURES, measure)
            for fault in faults:
                _measure(ctx, group, fault, by, 1, "None")
    subscriptions.forward(ctx, group, stream, events)
    if tails.sessions:
        seen = tuple((event.at_ms, event.ingested_at_ms, event.seen) for event in events)
        ctx.tell("logs", tails.Arrived(tails.here(ctx), group.id, stream.name, seen))


def _measure(ctx: Context, group: Group, name: str, by: tuple[tuple[str, str], ...], value: float, unit: str) -> None:
    ctx.tell(MEASURES, Measure(group.account, group.region, NAMESPACE, name, by, value, unit, ctx.now))
    ctx.tell(MEASURES, Measure(group.account, group.region, NAMESPACE, name, (), value, unit, ctx.now))
