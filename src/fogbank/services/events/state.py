"""The model of the data.

- A bus is one record; the default bus of an account and region is there without one, until something of it is changed.
- A rule is one record with its targets in it: what an event needs is read at once. TRIGGERS leads from what an event comes from
  to the enabled rules that may want it: one row for each source that a rule's pattern names, or one with the source "" where the
  pattern leaves it open. So an event is tried against the rules of its own source, and not against all of the bus.
- An archive is a managed rule of its bus, and its events; ARCHIVED holds them by the time that stands in them, which is the order of a
  replay, and KEPT by when they were stored, which is the order in which they go.
- A connection's secret lies in Secrets Manager; the record has what may be shown.

What lies on disk of an event (archived, or on its way to a target that did not take it at once) is sealed: under a data key of the
bus's or the archive's KMS key where it has one, else under the cloud's root key. A bus with a KMS key has the patterns and
targets of its rules sealed, too.
"""

from __future__ import annotations

from typing import Any

from fogbank.store import Record, Table

DEFAULT = "default"
BUSES_LIMIT = 100
RULES_LIMIT = 300
TARGETS_LIMIT = 5
POLICY_BYTES_LIMIT = 10_240


class DataKey(Record, frozen=True, kw_only=True):
    """A data key as KMS sealed it, on behalf of a bus or an archive (`arn`), in the encryption context of the bus."""

    arn: str
    bus_arn: str
    key_arn: str
    ciphertext: bytes
    account: str
    region: str
    made_at_ms: int


class Sealed(Record, frozen=True, kw_only=True):
    """Something sealed under a data key, or under the root key where there is none."""

    content: bytes
    key: DataKey | None = None


class Bus(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    created_at_ms: int = 0
    modified_at_ms: int = 0
    description: str = ""
    kms_key: str = ""
    dead_letter_arn: str = ""
    policy: str = ""
    log_level: str = ""
    log_detail: str = ""
    tags: dict[str, str] = {}
    source: str = ""


class Target(Record, frozen=True):
    """`settings` are the other members of AWS's Target, as they were given."""

    id: str
    arn: str
    role_arn: str = ""
    settings: dict[str, Any] = {}


class Rule(Record, frozen=True, kw_only=True):
    """`next_at_ms`: when its schedule triggers it next; 0 where it has none. `sealed`: pattern and targets, where the bus has a KMS key."""

    account: str
    region: str
    bus: str
    name: str
    created_at_ms: int
    state: str = "ENABLED"
    pattern: str = ""
    schedule: str = ""
    description: str = ""
    role_arn: str = ""
    managed_by: str = ""
    created_by: str = ""
    targets: tuple[Target, ...] = ()
    tags: dict[str, str] = {}
    next_at_ms: int = 0
    sealed: Sealed | None = None


class Trigger(Record, frozen=True):
    account: str
    region: str
    bus: str
    source: str
    rule: str


class Archive(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    id: int
    bus: str
    created_at_ms: int
    description: str = ""
    pattern: str = ""
    retention_days: int = 0
    kms_key: str = ""


class Holding(Record, frozen=True, kw_only=True):
    """How much an archive holds. `sweep_at_ms`: for when its sweep is set; 0 where none is."""

    archive: int
    count: int = 0
    size_bytes: int = 0
    sweep_at_ms: int = 0


class Archived(Record, frozen=True, kw_only=True):
    archive: int
    at_ms: int
    number: int
    kept_at_ms: int
    size_bytes: int
    event: Sealed


class Replay(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    archive: str
    bus_arn: str
    started_at_ms: int
    from_ms: int
    until_ms: int
    description: str = ""
    rules: tuple[str, ...] = ()
    state: str = "STARTING"
    reason: str = ""
    last_at_ms: int = 0
    ended_at_ms: int = 0


class Connection(Record, frozen=True, kw_only=True):
    """`shown`: AuthParameters without what is secret. `change`: counts what was asked of it, so that an authorisation knows its own."""

    account: str
    region: str
    name: str
    id: str
    type: str
    state: str
    secret_arn: str
    created_at_ms: int
    modified_at_ms: int
    authorized_at_ms: int = 0
    description: str = ""
    reason: str = ""
    kms_key: str = ""
    shown: dict[str, Any] = {}
    change: int = 0


class Destination(Record, frozen=True, kw_only=True):
    """An API destination."""

    account: str
    region: str
    name: str
    id: str
    connection_arn: str
    endpoint: str
    method: str
    created_at_ms: int
    modified_at_ms: int
    description: str = ""
    rate_per_s: int = 300


class EventSource(Record, frozen=True, kw_only=True):
    """A partner event source, offered by the account `partner` to the account `account`."""

    account: str
    region: str
    name: str
    partner: str
    created_at_ms: int
    expires_at_ms: int
    state: str = "PENDING"


BUSES = Table("events.buses", Bus, key=("account", "region", "name"))
RULES = Table("events.rules", Rule, key=("account", "region", "bus", "name"))
TRIGGERS = Table("events.triggers", Trigger, key=("account", "region", "bus", "source", "rule"))
DATA_KEYS = Table("events.data_keys", DataKey, key=("arn",))
ARCHIVES = Table("events.archives", Archive, key=("account", "region", "name"))
HOLDINGS = Table("events.holdings", Holding, key=("archive",))
ARCHIVED = Table("events.archived", Archived, key=("archive", "at_ms", "number"))
KEPT = ARCHIVED.index("kept", "archive", "kept_at_ms", "number")
REPLAYS = Table("events.replays", Replay, key=("account", "region", "name"))
CONNECTIONS = Table("events.connections", Connection, key=("account", "region", "name"))
DESTINATIONS = Table("events.destinations", Destination, key=("account", "region", "name"))
SOURCES = Table("events.sources", EventSource, key=("account", "region", "name"))
BY_PARTNER = SOURCES.index("by_partner", "partner", "region", "name")
