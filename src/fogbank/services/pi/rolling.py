"""Rolling up: batches into minutes, minutes into hours; and what is too old goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.pi.state import BATCHES, DAY_MS, HOUR_S, MINUTE_S, SPANS, STATEMENTS, STATS, Batch, Key, Source, Span
from fogbank.store.tables import At

EXPIRED_AT_ONCE = 500


def of(source: Source) -> tuple[str, str, str]:
    return source.account, source.region, source.identifier


class Sum:
    """What batches and spans say together."""

    def __init__(self) -> None:
        self.taken = 0
        self.counts: dict[Key, int] = {}
        self.counters: dict[str, tuple[int, float, float, float]] = {}

    def add_sample(self, keys: tuple[Key, ...], found: Iterable[int]) -> None:
        self.taken += 1
        counts = self.counts
        for number in found:
            key = keys[number]
            counts[key] = counts.get(key, 0) + 1

    def add_values(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._add(name, (1, value, value, value))

    def add_span(self, span: Span) -> None:
        self.taken += span.taken
        counts = self.counts
        for key, count in zip(span.keys, span.counts, strict=True):
            counts[key] = counts.get(key, 0) + count
        for name, values in span.counters.items():
            self._add(name, values)

    def _add(self, name: str, more: tuple[int, float, float, float]) -> None:
        known = self.counters.get(name)
        self.counters[name] = (
            more if known is None else (known[0] + more[0], known[1] + more[1], min(known[2], more[2]), max(known[3], more[3]))
        )


def batches(at: At, source: Source, start_ms: int, end_ms: int) -> Iterator[Batch]:
    """The batches that may have samples of a time."""
    return BATCHES.scan(at, *of(source), at=start_ms - MINUTE_S * 1000, before=end_ms)


def sums(at: At, source: Source, start_ms: int, end_ms: int, unit_s: int) -> dict[int, Sum]:
    """Sums of the samples of a time, by units: from spans as far as they go, and from what is finer behind."""
    found: dict[int, Sum] = {}
    if unit_s > 1:
        for span in SPANS.scan(at, *of(source), unit_s, at=start_ms, before=end_ms):
            found.setdefault(span.at_ms, Sum()).add_span(span)
        last = next(SPANS.scan(at, *of(source), unit_s, reverse=True), None)
        start_ms = max(start_ms, last.at_ms + unit_s * 1000) if last is not None else start_ms
        if start_ms < end_ms:
            finer = sums(at, source, start_ms, end_ms, MINUTE_S if unit_s == HOUR_S else 1)
            for at_ms, one in finer.items():
                merge(found.setdefault(at_ms - at_ms % (unit_s * 1000), Sum()), one)
        return found
    for batch in batches(at, source, start_ms, end_ms):
        for offset_ms, keys in batch.samples:
            at_ms = batch.at_ms + offset_ms
            if start_ms <= at_ms < end_ms:
                found.setdefault(at_ms - at_ms % 1000, Sum()).add_sample(batch.keys, keys)
        at_ms = batch.at_ms + batch.samples[-1][0]
        if start_ms <= at_ms < end_ms:
            found.setdefault(at_ms - at_ms % 1000, Sum()).add_values(batch.counters)
    return found


def merge(into: Sum, more: Sum) -> None:
    """Adds what another sum says."""
    into.taken += more.taken
    for key, count in more.counts.items():
        into.counts[key] = into.counts.get(key, 0) + count
    for name, values in more.counters.items():
        into._add(name, values)


def roll(ctx: Context, source: Source) -> None:
    """Makes the spans of all minutes and hours that are over."""
    for unit_s in (MINUTE_S, HOUR_S):
        unit_ms = unit_s * 1000
        end_ms = ctx.now - ctx.now % unit_ms
        last = next(SPANS.scan(ctx, *of(source), unit_s, reverse=True), None)
        start_ms = last.at_ms + unit_ms if last is not None else source.since_ms - source.since_ms % unit_ms
        if start_ms >= end_ms:
            continue
        for at_ms, one in sorted(sums(ctx, source, start_ms, end_ms, unit_s).items()):
            _put(ctx, source, unit_s, at_ms, one)
        if unit_s == MINUTE_S:
            expire(ctx, source)


def _put(ctx: Context, source: Source, unit_s: int, at_ms: int, one: Sum) -> None:
    SPANS.put(
        ctx,
        Span(
            account=source.account,
            region=source.region,
            identifier=source.identifier,
            unit_s=unit_s,
            at_ms=at_ms,
            taken=one.taken,
            keys=tuple(one.counts),
            counts=tuple(one.counts.values()),
            counters=one.counters,
        ),
    )


def expire(ctx: Context, source: Source) -> bool:
    """Removes some of what is older than the retention. Whether there may be more."""
    before_ms = ctx.now - source.days * DAY_MS
    left = EXPIRED_AT_ONCE
    scans: list[tuple[Any, Iterator[Any]]] = [
        (BATCHES, BATCHES.scan(ctx, *of(source), before=before_ms)),
        (STATS, STATS.scan(ctx, *of(source), before=before_ms)),
        *((SPANS, SPANS.scan(ctx, *of(source), unit_s, before=before_ms)) for unit_s in (MINUTE_S, HOUR_S)),
    ]
    if not source.on:
        old = (one for one in STATEMENTS.scan(ctx, *of(source)) if one.seen_at_ms < before_ms)
        scans.append((STATEMENTS, old))
    for table, found in scans:
        for row in list(islice(found, left)):
            table.delete(ctx, row)
            left -= 1
    return left == 0
