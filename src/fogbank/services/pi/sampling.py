"""Sampling: once a second of the cloud's clock while an instance is watched. `services/rds` begins it and ends it.

A batch of samples is one run of one task, which is parked in between: five seconds of an instance are three small rows. What counters and
statements stood at before is kept in memory with the databases: the first reading after a start says nothing yet.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from fogbank.engines.spec import Failed, Refused
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Wait, Waiting, task
from fogbank.services.pi import engines, rolling
from fogbank.services.pi.state import (
    BATCH,
    BATCHES,
    DAY_MS,
    MINUTE_S,
    SECOND_MS,
    SOURCES,
    STATEMENTS,
    STATS,
    Batch,
    Key,
    Source,
    Statement,
    Stats,
)
from fogbank.store import change

RETRY_MS = 5000
TEXT_CHARACTERS = 16_384
STATS_MOST = 100


class Taken(NamedTuple):
    """An answer of the engine, and when it was asked for."""

    at_ms: int
    rows: list[tuple[Any, ...]]


class Reading:
    """What an instance's counters and statements stood at when they were last read."""

    def __init__(self) -> None:
        self.at_ms = 0
        self.counters: dict[str, float] = {}
        self.statements_at_ms = 0
        self.statements: dict[str, tuple[float, ...]] = {}


_READINGS: WeakKeyDictionary[Any, dict[str, Reading]] = WeakKeyDictionary()


def _reading(ctx: Context, source: Source) -> Reading:
    return _READINGS.setdefault(ctx.databases, {}).setdefault(source.identifier, Reading())


@task("sample")
def sample(ctx: Context, payload: dict[str, Any]) -> None:
    """Begins to sample an instance, or goes on with it as another node."""
    identifier = payload["identifier"]
    known = SOURCES.get(ctx, ctx.account, ctx.region, identifier)
    run = 0 if known is None else known.run + 1
    source = Source(
        account=ctx.account,
        region=ctx.region,
        identifier=identifier,
        cluster=payload["cluster"],
        node=payload["node"],
        engine=payload["engine"],
        days=payload["days"],
        since_ms=ctx.now if known is None else known.since_ms,
        run=run,
    )
    SOURCES.put(ctx, source)
    ctx.later("pi.watch", {"identifier": identifier, "run": run})


@task("stop")
def stop(ctx: Context, payload: dict[str, Any]) -> None:
    """Samples an instance no more; what there is stays until it is too old."""
    source = SOURCES.get(ctx, ctx.account, ctx.region, payload["identifier"])
    if source is not None and source.on:
        SOURCES.put(ctx, change(source, on=False, run=source.run + 1))
        ctx.later("pi.forget", {"identifier": source.identifier}, delay_s=source.days * DAY_MS / 1000)


@task("forget")
def forget(ctx: Context, payload: dict[str, Any]) -> Wait | None:
    """Removes what is too old of an instance that is sampled no more."""
    source = SOURCES.get(ctx, ctx.account, ctx.region, payload["identifier"])
    if source is None or source.on:
        return None
    if rolling.expire(ctx, source):
        return Wait((), ctx.now)
    if next(BATCHES.scan(ctx, *rolling.of(source)), None) is not None:
        return Wait((), ctx.now + DAY_MS)
    SOURCES.delete(ctx, source)
    return None


@task("watch", looks=True)
def watch(ctx: Context, payload: dict[str, Any]) -> Wait | None:
    """Takes a batch of samples, writes it, and begins again."""
    source = SOURCES.get(ctx, ctx.account, ctx.region, payload["identifier"])
    if source is None or source.run != payload["run"]:
        return None
    seen = ctx.databases.look(source.cluster)
    if seen is None or not any(node.id == source.node and node.state == "running" for node in seen.nodes):
        _READINGS.get(ctx.databases, {}).pop(source.identifier, None)
        return Wait((), ctx.now + RETRY_MS)
    try:
        taken = _batch(ctx, source)
        counters = _ask(ctx, source, "counters", engines.COUNTERS[source.engine])
        stats = _stats_of(ctx, source)
    except (Failed, Refused):  # the node is gone, or not there yet
        return Wait((), ctx.now + RETRY_MS)
    _write(ctx, source, taken, counters)
    if stats is not None:
        _write_stats(ctx, source, stats)
    rolling.roll(ctx, source)
    return Wait((), _next_ms(taken[-1].at_ms))


def _next_ms(at_ms: int) -> int:
    """The next whole second."""
    return at_ms - at_ms % SECOND_MS + SECOND_MS


def _batch(ctx: Context, source: Source) -> list[Taken]:
    """Raises Waiting until all samples of a batch are there."""
    taken: list[Taken] = []
    for number in range(BATCH):
        what = f"sample {number}"
        if taken and not ctx.under_way(what):
            due_ms = _next_ms(taken[-1].at_ms)
            if ctx.now >= taken[0].at_ms + 2 * BATCH * SECOND_MS:
                break  # the clock was moved
            if ctx.now < due_ms:
                raise Waiting(Wait((), due_ms))
        taken.append(_ask(ctx, source, what, engines.SESSIONS[source.engine]))
    return taken


def _ask(ctx: Context, source: Source, what: str, sql: str) -> Taken:
    databases, at_ms = ctx.databases, ctx.now

    def begin(done: Any) -> None:
        def told(result: Any) -> None:
            done(result if isinstance(result, Exception) else Taken(at_ms, result.rows))

        databases.ask(source.cluster, source.node, sql, told)

    found: Taken = ctx.outside(what, begin)
    return found


def _stats_of(ctx: Context, source: Source) -> Taken | None:
    """What statements have done, once a minute; None where it is not asked for, or the engine does not say."""
    if source.engine != "postgres" or (
        ctx.now < _reading(ctx, source).statements_at_ms + MINUTE_S * SECOND_MS and not ctx.under_way("statements")
    ):
        return None
    try:
        return _ask(ctx, source, "statements", engines.STATEMENTS)
    except Refused:
        return None


def _write(ctx: Context, source: Source, taken: list[Taken], counters: Taken) -> None:
    """The batch, and the statements in it that are not known yet."""
    keys: dict[Key, int] = {}
    samples: list[tuple[int, tuple[int, ...]]] = []
    first_ms = taken[0].at_ms
    for one in taken:
        found = [keys.setdefault(_key(ctx, source, row), len(keys)) for row in one.rows]
        samples.append((one.at_ms - first_ms, tuple(found)))
    reading, levels = _reading(ctx, source), engines.levels(source.engine, counters.rows)
    rates = engines.rates(source.engine, reading.counters, levels, counters.at_ms - reading.at_ms) if reading.at_ms else {}
    reading.at_ms, reading.counters = counters.at_ms, levels
    BATCHES.put(
        ctx,
        Batch(
            account=source.account,
            region=source.region,
            identifier=source.identifier,
            at_ms=first_ms,
            keys=tuple(keys),
            samples=tuple(samples),
            counters=rates,
        ),
    )


def _key(ctx: Context, source: Source, row: tuple[Any, ...]) -> Key:
    """A session's key; its statement is kept, and written again once a day, so that it is known how long it is needed."""
    user, application, database, wait_type, wait, kind, query_id, text = row
    text = text[:TEXT_CHARACTERS]
    if not text:
        return Key("", user, application, database, wait_type, wait, kind)
    id_ = engines.identity(text)
    known = STATEMENTS.get(ctx, source.account, source.region, source.identifier, id_)
    if known is None or known.seen_at_ms < ctx.now - DAY_MS:
        digest = engines.digest(text, query_id, source.engine)
        STATEMENTS.put(
            ctx,
            Statement(
                account=source.account,
                region=source.region,
                identifier=source.identifier,
                id=id_,
                text=text,
                digest=digest.id,
                db_id=digest.db_id,
                tokenized=digest.text,
                seen_at_ms=ctx.now,
            ),
        )
    return Key(id_, user, application, database, wait_type, wait, kind)


def _write_stats(ctx: Context, source: Source, taken: Taken) -> None:
    reading = _reading(ctx, source)
    before_ms, before = reading.statements_at_ms, reading.statements
    reading.statements_at_ms = taken.at_ms
    reading.statements = {row[0]: tuple(float(value or 0) for value in row[1:]) for row in taken.rows if row[0]}
    span_ms = taken.at_ms - before_ms
    digests = engines.done(before, (row for row in taken.rows if row[0]), STATS_MOST) if before_ms and span_ms > 0 else {}
    if digests:
        STATS.put(
            ctx,
            Stats(
                account=source.account,
                region=source.region,
                identifier=source.identifier,
                at_ms=taken.at_ms,
                span_ms=span_ms,
                digests=digests,
            ),
        )
