"""The model of the data.

A source is an instance that is sampled. Once a second its active sessions are looked at; a few seconds of that are a batch. Batches are
rolled up into spans of a minute, and those into spans of an hour: long periods are read from few rows. A session's SQL is kept once, by its
id.
"""

from __future__ import annotations

import msgspec

from fogbank.store import Record, Table

SECOND_MS = 1000
MINUTE_S = 60
HOUR_S = 3600
DAY_MS = 86_400_000
BATCH = 5
"""Samples of a batch."""


class Key(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of an active session; sessions of the same key are counted. `sql`: the id of its statement, "" where it has none."""

    sql: str
    user: str
    application: str
    database: str
    wait_type: str
    wait: str
    kind: str


class Source(Record, frozen=True, kw_only=True):
    """`cluster` and `node`: as `ctx.databases` calls them. `run`: which sampling of it is the present one; `on`: whether it is sampled."""

    account: str
    region: str
    identifier: str
    cluster: str
    node: str
    engine: str
    days: int
    since_ms: int
    run: int
    on: bool = True


class Batch(Record, frozen=True, kw_only=True):
    """`samples`: for each, milliseconds after `at_ms`, and which `keys` its sessions have. `counters`: a rate or a level for each."""

    account: str
    region: str
    identifier: str
    at_ms: int
    keys: tuple[Key, ...]
    samples: tuple[tuple[int, tuple[int, ...]], ...]
    counters: dict[str, float] = {}


class Span(Record, frozen=True, kw_only=True):
    """`taken`: samples in it; `counts`: sessions of each of the `keys`, added up; `counters`: number, sum, least and greatest of the
    values."""

    account: str
    region: str
    identifier: str
    unit_s: int
    at_ms: int
    taken: int
    keys: tuple[Key, ...]
    counts: tuple[int, ...]
    counters: dict[str, tuple[int, float, float, float]] = {}


class Statement(Record, frozen=True, kw_only=True):
    """`digest`: the id of its digest, `db_id` the engine's own of that."""

    account: str
    region: str
    identifier: str
    id: str
    text: str
    digest: str
    db_id: str
    tokenized: str
    seen_at_ms: int


class Stats(Record, frozen=True, kw_only=True):
    """What the statements of each digest did in `span_ms` until `at_ms`: by the digest's id, as `engines.STATS` orders them."""

    account: str
    region: str
    identifier: str
    at_ms: int
    span_ms: int
    digests: dict[str, tuple[float, ...]]


_OF = ("account", "region", "identifier")
SOURCES = Table("pi.sources", Source, key=_OF)
BATCHES = Table("pi.batches", Batch, key=(*_OF, "at_ms"))
SPANS = Table("pi.spans", Span, key=(*_OF, "unit_s", "at_ms"))
STATEMENTS = Table("pi.statements", Statement, key=(*_OF, "id"))
DIGESTS = STATEMENTS.index("digests", *_OF, "digest", "id")
STATS = Table("pi.stats", Stats, key=(*_OF, "at_ms"))
