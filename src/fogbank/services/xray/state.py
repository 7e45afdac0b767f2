"""Segments of traces, sampling rules, groups: records and tables."""

from __future__ import annotations

from typing import Any

from fogbank.store import Record, Table

KEPT_MS = 30 * 86_400_000
"""How long a trace can be seen."""


class Segment(Record, frozen=True, kw_only=True):
    """A segment as it was sent: `document` is its JSON. One in progress has no end (0); the one that replaces it has its id."""

    account: str
    region: str
    trace: str
    id: str
    start_ms: float
    end_ms: float = 0
    document: bytes
    key: bytes = b""
    """The data key under which the document is sealed, as KMS sealed it; b"": it is not."""


class Started(Record, frozen=True, kw_only=True):
    """A trace, by when its first segment came (`at_ms`) and when it began (`start_ms`)."""

    account: str
    region: str
    trace: str
    at_ms: int
    start_ms: int
    revision: int = 1


class Told(Record, frozen=True, kw_only=True):
    """Spans that the door has told of, packed and sealed: they become segments when somebody looks."""

    account: str
    region: str
    at_ms: int
    number: int
    sealed: bytes
    key: bytes = b""


class Encryption(Record, frozen=True, kw_only=True):
    """The KMS key under which an account's traces are sealed, and the data key that does it."""

    account: str
    region: str
    key: str
    data_key: bytes


class Minute(Record, frozen=True, kw_only=True):
    """What a group's services did in a minute: (name, type, account) -> calls that were right, and faults. "" is the client."""

    account: str
    region: str
    group: str
    at_ms: int
    tallies: tuple[tuple[tuple[str, str, str], int, int], ...]


class InsightEvent(Record, frozen=True, kw_only=True):
    """How an insight stood: faults and calls of the client and of the root cause so far."""

    at_ms: int
    summary: str
    client_faults: int
    client_total: int
    root_faults: int
    root_total: int
    top: tuple[tuple[str, str, str], ...]


class Insight(Record, frozen=True, kw_only=True):
    """A time in which a group's services failed far more than before. `ended_at_ms` is 0 while it is active."""

    account: str
    region: str
    id: str
    group: str
    group_id: str
    root: tuple[str, str, str]
    started_at_ms: int
    anomalous_at_ms: int
    ended_at_ms: int = 0
    events: tuple[InsightEvent, ...]


class Looking(Record, frozen=True, kw_only=True):
    """An account's insights will be looked for at an instant."""

    account: str
    region: str
    at_ms: int


class Rule(Record, frozen=True, kw_only=True):
    """A sampling rule. `reservoir` a second are sampled first, of the rest `rate`."""

    account: str
    region: str
    name: str
    priority: int
    rate: float
    reservoir: int
    resource_arn: str = "*"
    service_name: str = "*"
    service_type: str = "*"
    host: str = "*"
    method: str = "*"
    path: str = "*"
    attributes: dict[str, str] = {}
    boost: dict[str, Any] | None = None
    created_at_ms: int = 0
    modified_at_ms: int = 0
    tags: dict[str, str] = {}


class Statistics(Record, frozen=True, kw_only=True):
    """What one client has reported of a rule last."""

    account: str
    region: str
    rule: str
    client: str
    at_ms: int
    requests: int
    sampled: int
    borrowed: int


class Group(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    id: str
    expression: str = ""
    insights: bool = False
    notifications: bool = False
    tags: dict[str, str] = {}


SEGMENTS = Table("xray.segments", Segment, key=("account", "region", "trace", "id"), weight=2)
TOLD = Table("xray.told", Told, key=("account", "region", "at_ms", "number"), weight=lambda t: 1 + len(t.sealed) // 1024)
TOLD_BY_AGE = TOLD.index("by_age", "at_ms")
TRACES = Table("xray.traces", Started, key=("account", "region", "trace"))
TRACES_BY_START = TRACES.index("by_start", "account", "region", "start_ms")
TRACES_BY_AGE = TRACES.index("by_age", "at_ms")
RULES = Table("xray.sampling_rules", Rule, key=("account", "region", "name"))
STATISTICS = Table("xray.sampling_statistics", Statistics, key=("account", "region", "rule", "client"))
GROUPS = Table("xray.groups", Group, key=("account", "region", "name"))
ENCRYPTION = Table("xray.encryption", Encryption, key=("account", "region"))
MINUTES = Table("xray.minutes", Minute, key=("account", "region", "group", "at_ms"))
INSIGHTS = Table("xray.insights", Insight, key=("account", "region", "id"))
INSIGHTS_BY_START = INSIGHTS.index("by_start", "account", "region", "started_at_ms")
LOOKING = Table("xray.looking", Looking, key=("account", "region"))
