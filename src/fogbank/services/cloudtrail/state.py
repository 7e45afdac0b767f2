"""Events, trails and what is to be delivered of them: records and tables."""

from __future__ import annotations

from typing import Any

from fogbank.store import Record, Table

KEPT_MS = 90 * 86_400_000
"""How long LookupEvents finds an event."""
DELIVERED_EACH_MS = 300_000
DIGEST_EACH_MS = 3_600_000


class Chunk(Record, frozen=True, kw_only=True):
    """Management events of one account and region that were told of together: see `chunks`.

    `at_ms` and `until_ms` are the first's and the last's instants; `id` begins the id of each; `what` has their (service, operation).
    """

    account: str
    region: str
    at_ms: int
    number: int
    until_ms: int
    id: str
    what: tuple[tuple[str, str], ...]
    sealed: bytes


class Trail(Record, frozen=True, kw_only=True):
    """`region` is its home. Selectors are kept as they were put: basic ones or advanced ones."""

    account: str
    region: str
    name: str
    bucket: str
    prefix: str = ""
    topic: str = ""
    multi_region: bool = False
    global_events: bool = True
    validated: bool = False
    log_group: str = ""
    log_role: str = ""
    key: str = ""
    logging: bool = False
    started_at_ms: int = 0
    stopped_at_ms: int = 0
    delivered_at_ms: int = 0
    attempted_at_ms: int = 0
    notified_at_ms: int = 0
    logged_at_ms: int = 0
    digested_at_ms: int = 0
    error: str = ""
    notification_error: str = ""
    log_error: str = ""
    digest_error: str = ""
    basic: tuple[dict[str, Any], ...] = ()
    advanced: tuple[dict[str, Any], ...] = ()
    tags: dict[str, str] = {}


class Pending(Record, frozen=True, kw_only=True):
    """Events of a region that a trail has yet to deliver: (instant, JSON) of each, packed and sealed."""

    trail: str
    """The trail's ARN."""
    region: str
    at_ms: int
    number: int
    sealed: bytes


class LogFile(Record, frozen=True, kw_only=True):
    """A delivered file, until the digest that names it."""

    trail: str
    region: str
    key: str
    digest: str
    oldest_ms: int
    newest_ms: int


class Digest(Record, frozen=True, kw_only=True):
    """The last digest file of a trail in a region, which the next one names."""

    trail: str
    region: str
    bucket: str
    key: str
    end_ms: int
    digest: str
    signature: str


class Store(Record, frozen=True, kw_only=True):
    """An event data store. `id` is the last part of its ARN; `deleted_at_ms` is when it was asked to go, 0 while it stays.

    `key` is the ARN of the KMS key that its events are sealed under, `data_key` the data key that they really are, as KMS sealed it.
    """

    account: str
    region: str
    id: str
    name: str
    status: str
    selectors: tuple[dict[str, Any], ...]
    multi_region: bool = True
    retention_days: int = 366
    billing: str = "EXTENDABLE_RETENTION_PRICING"
    protected: bool = True
    key: str = ""
    data_key: bytes = b""
    policy: str = ""
    created_at_ms: int = 0
    updated_at_ms: int = 0
    deleted_at_ms: int = 0
    tags: dict[str, str] = {}


class Batch(Record, frozen=True, kw_only=True):
    """Events of a store that came together: (instant, JSON) of each, packed and sealed."""

    account: str
    region: str
    store: str
    at_ms: int
    number: int
    until_ms: int
    count: int
    sealed: bytes


class Query(Record, frozen=True, kw_only=True):
    """A query of event data stores; its result is sealed: the columns' names, and rows of texts."""

    account: str
    region: str
    store: str
    id: str
    statement: str
    status: str
    created_at_ms: int
    ended_at_ms: int = 0
    error: str = ""
    matched: int = 0
    scanned: int = 0
    scanned_bytes: int = 0
    rows: int = 0
    result: bytes = b""
    delivery: str = ""
    delivery_status: str = ""
    parameters: tuple[str, ...] = ()


class SigningKey(Record, frozen=True, kw_only=True):
    """A key that digests of a region are signed with: its halves in DER, the private one sealed."""

    region: str
    fingerprint: str
    public: bytes
    sealed: bytes
    from_ms: int
    until_ms: int


CHUNKS = Table("cloudtrail.chunks", Chunk, key=("account", "region", "at_ms", "number"), weight=lambda c: 1 + len(c.sealed) // 1024)
CHUNKS_BY_AGE = CHUNKS.index("by_age", "at_ms")
TRAILS = Table("cloudtrail.trails", Trail, key=("account", "region", "name"))
PENDING = Table("cloudtrail.pending", Pending, key=("trail", "region", "at_ms", "number"), weight=lambda p: 1 + len(p.sealed) // 1024)
FILES = Table("cloudtrail.files", LogFile, key=("trail", "region", "key"))
DIGESTS = Table("cloudtrail.digests", Digest, key=("trail", "region"))
KEYS = Table("cloudtrail.keys", SigningKey, key=("region", "fingerprint"))
STORES = Table("cloudtrail.stores", Store, key=("account", "region", "id"))
BATCHES = Table(
    "cloudtrail.batches", Batch, key=("account", "region", "store", "at_ms", "number"), weight=lambda b: 1 + len(b.sealed) // 1024
)
QUERIES = Table("cloudtrail.queries", Query, key=("account", "region", "id"), weight=lambda q: 1 + len(q.result) // 1024)
QUERIES_BY_STORE = QUERIES.index("by_store", "account", "region", "store", "created_at_ms")
INGESTING, STOPPED, PENDING_DELETION = "ENABLED", "STOPPED_INGESTION", "PENDING_DELETION"
