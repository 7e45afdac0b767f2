"""Events, trails and what is to be delivered of them: records and tables."""

from __future__ import annotations

from typing import Any

from fogbank.store import Record, Table

KEPT_MS = 90 * 86_400_000
"""How long LookupEvents finds an event."""
DELIVERED_EACH_MS = 300_000
DIGEST_EACH_MS = 3_600_000


class Event(Record, frozen=True, kw_only=True):
    """One call, as the trail tells it: `document` is the event's JSON; the rest is what it is found by.

    `category` is Management or Data; `read` whether it changed nothing.
    """

    account: str
    region: str
    at_ms: int
    number: int
    id: str
    name: str
    source: str
    read: bool
    category: str = "Management"
    user: str = ""
    user_arn: str = ""
    access_key: str = ""
    resources: tuple[tuple[str, str], ...] = ()
    """(type, name)"""
    resource_type: str = ""
    """Of a data event: "AWS::S3::Object"."""
    document: bytes


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
    """An event that a trail has yet to deliver."""

    trail: str
    """The trail's ARN."""
    region: str
    at_ms: int
    number: int
    document: bytes


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


class SigningKey(Record, frozen=True, kw_only=True):
    """A key that digests of a region are signed with: its halves in DER, the private one sealed."""

    region: str
    fingerprint: str
    public: bytes
    sealed: bytes
    from_ms: int
    until_ms: int


EVENTS = Table("cloudtrail.events", Event, key=("account", "region", "at_ms", "number"), weight=2)
EVENTS_BY_AGE = EVENTS.index("by_age", "at_ms")
TRAILS = Table("cloudtrail.trails", Trail, key=("account", "region", "name"))
PENDING = Table("cloudtrail.pending", Pending, key=("trail", "region", "at_ms", "number"), weight=2)
FILES = Table("cloudtrail.files", LogFile, key=("trail", "region", "key"))
DIGESTS = Table("cloudtrail.digests", Digest, key=("trail", "region"))
KEYS = Table("cloudtrail.keys", SigningKey, key=("region", "fingerprint"))
