"""Points of metrics: adding values to them, reading them by the period, making them coarser as they grow old."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, task
from fogbank.services.cloudwatch.distribution import Summary, merged
from fogbank.services.cloudwatch.state import (
    BY_DUE,
    HOUR_MS,
    KEEPING,
    METRICS,
    MINUTE_MS,
    POINTS,
    SEEN_MS,
    STEPS,
    Keeping,
    Metric,
    Point,
)
from fogbank.store import change

PORTION = 2000
"""Points that become coarser in one transaction, so that other calls get their turn."""
_TIDY_MS = {1: 10 * MINUTE_MS, 60: HOUR_MS, 300: 6 * HOUR_MS, 3600: 24 * HOUR_MS}
"""How much longer than they must points may stay, so that a metric is not looked at for each of them."""


def add(ctx: Context, metric: tuple[str, str, str, str, str], at_s: int, step_s: int, unit: str, of: Summary) -> None:
    """Adds values to a metric, which is made if it is new. `at_s` is in the point: it begins at a multiple of its step."""
    if step_s == 1 and at_s * 1000 < ctx.now - STEPS[0][1]:
        step_s = 60
    at_s -= at_s % step_s
    due_ms = _due_ms(step_s, at_s)
    row = METRICS.get(ctx, *metric)
    if row is None:
        account, region, namespace, name, dimensions = metric
        row = Metric(
            account=account,
            region=region,
            namespace=namespace,
            name=name,
            dimensions=dimensions,
            id=ctx.tx.unique(),
            created_at_ms=ctx.now,
            seen_ms=ctx.now,
            due_ms=due_ms,
        )
        METRICS.put(ctx, row)
        _come(ctx, due_ms)
    elif ctx.now - row.seen_ms >= SEEN_MS or due_ms < row.due_ms:
        METRICS.put(ctx, change(row, seen_ms=max(ctx.now, row.seen_ms), due_ms=min(row.due_ms, due_ms)))
        _come(ctx, due_ms)
    there = POINTS.get(ctx, row.id, step_s, at_s, unit)
    POINTS.put(ctx, Point(metric=row.id, step_s=step_s, at_s=at_s, unit=unit, of=of if there is None else merged((there.of, of))))


def read(
    ctx: Context,
    metric: Metric,
    start_s: int,
    end_s: int,
    period_s: int,
    unit: str | None,
    *,
    distribution: bool,
    now_ms: int,
) -> dict[tuple[int, str], Summary]:
    """What was put from `start_s` to before `end_s`, by (begin of the period, unit); periods are counted from `start_s`."""
    found: dict[tuple[int, str], list[Summary]] = {}
    for step_s, kept_ms in STEPS:
        if step_s > period_s or period_s % step_s:
            continue
        first_s = start_s
        if step_s == 1 and period_s < 60:  # finer points may still be there, waiting to become coarser
            first_s = max(start_s, (now_ms - kept_ms) // 1000)
        for point in POINTS.scan(ctx, metric.id, step_s, at=first_s, before=end_s):
            if unit is None or point.unit == unit:
                key = (point.at_s - (point.at_s - start_s) % period_s, point.unit)
                found.setdefault(key, []).append(point.of)
    return {key: merged(parts, distribution=distribution) for key, parts in found.items()}


def _due_ms(step_s: int, at_s: int) -> int:
    kept_ms = next(kept for step, kept in STEPS if step == step_s)
    return (at_s + step_s) * 1000 + kept_ms + _TIDY_MS[step_s]


def _come(ctx: Context, at_ms: int) -> None:
    """Has `keep` come at an instant, if it does not come earlier."""
    kept = KEEPING.get(ctx, "keep")
    if kept is None or not kept.at_ms or at_ms < kept.at_ms:
        KEEPING.put(ctx, Keeping(at_ms=at_ms))
        ctx.later("cloudwatch.keep", {"at_ms": at_ms}, at_ms=max(at_ms, ctx.now))


@task("keep", looks=True)
def keep(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Makes points coarser that are old enough, and comes again when the next are."""
    kept = KEEPING.get(ctx, "keep")
    if kept is None or kept.at_ms != payload["at_ms"]:
        return None
    left = PORTION
    while left > 0 and (metric := next(BY_DUE.scan(ctx, before=ctx.now + 1), None)) is not None:
        left = _coarsen(ctx, metric, left)
    following = next(BY_DUE.scan(ctx), None)
    at_ms = 0 if following is None else max(following.due_ms, ctx.now)
    KEEPING.put(ctx, Keeping(at_ms=at_ms))
    if at_ms:
        ctx.later("cloudwatch.keep", {"at_ms": at_ms}, at_ms=at_ms)
    return None


def _coarsen(ctx: Context, metric: Metric, left: int) -> int:
    """A metric's points that are old enough become coarser, at most `left` of them; how many may follow."""
    coarser = (*(step for step, _ in STEPS[1:]), 0)
    for (step_s, kept_ms), into_s in zip(STEPS, coarser, strict=True):
        until_s = (ctx.now - kept_ms) // 1000
        until_s -= until_s % (into_s or step_s)  # only whole ones of the coarser points
        old = list(islice(POINTS.scan(ctx, metric.id, step_s, before=until_s), max(left, 0)))
        left -= len(old) + 1
        for point in old:
            POINTS.delete(ctx, point)
        if into_s:
            _join(ctx, metric, old, into_s)
    firsts = [next(POINTS.scan(ctx, metric.id, step_s), None) for step_s, _ in STEPS]
    dues = [_due_ms(first.step_s, first.at_s) for first in firsts if first is not None]
    if dues:
        METRICS.put(ctx, change(metric, due_ms=min(dues)))
    else:
        METRICS.delete(ctx, metric)
    return left


def _join(ctx: Context, metric: Metric, points: Iterable[Point], step_s: int) -> None:
    grouped: dict[tuple[int, str], list[Summary]] = {}
    for point in points:
        grouped.setdefault((point.at_s - point.at_s % step_s, point.unit), []).append(point.of)
    for (at_s, unit), parts in grouped.items():
        there = POINTS.get(ctx, metric.id, step_s, at_s, unit)
        of = merged(parts if there is None else [there.of, *parts])
        POINTS.put(ctx, Point(metric=metric.id, step_s=step_s, at_s=at_s, unit=unit, of=of))
