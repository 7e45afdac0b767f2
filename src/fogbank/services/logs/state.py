"""The model of the data.

A group is one record, which events do not touch; its `id` is what its streams are filed under, so that a deleted group is out of
sight at once, and the task `drop` clears up in portions. A stream is one record too: what it has had, and where its chunks stand.

Events lie in chunks, many to a row, sealed and (where that is worth it) compressed. Each PutLogEvents writes one; when a stream
has FAN_IN of them they are merged into one of the next level, and so on until a chunk is large: so an event is written two or
three times in all, and a stream of a million events is a few hundred rows. Chunks of a stream may overlap in time; none is
longer than the stream's `span_ms`, which bounds how far a reader has to look.

Within its stream an event is told by its `sequence`, which is the order in which events came.
"""

from __future__ import annotations

import msgspec

from fogbank.store import Record, Table

STANDARD = "STANDARD"
INFREQUENT_ACCESS = "INFREQUENT_ACCESS"
DAY_MS = 86_400_000


class Group(Record, frozen=True, kw_only=True):
    """`retention_days` and `kms_key` are 0 and "" where there is none; `protection` is a data protection policy's document.

    `metric_filters` and `subscriptions` count those of the group, so that a PutLogEvents looks for them only where there are some.
    """

    account: str
    region: str
    name: str
    id: int
    created_at_ms: int
    log_class: str = STANDARD
    retention_days: int = 0
    kms_key: str = ""
    deletion_protected: bool = False
    tags: dict[str, str] = {}
    metric_filters: int = 0
    subscriptions: int = 0
    protection: str = ""
    protected_at_ms: int = 0
    protection_status: str = ""
    policy: str = ""
    policy_name: str = ""
    policy_revision: str = ""
    policy_at_ms: int = 0


class Tally(Record, frozen=True, kw_only=True):
    """What a group's events amount to, and when the next sweep is set for (0: none is)."""

    group: int
    size: int = 0
    sweep_at_ms: int = 0


class Stream(Record, frozen=True, kw_only=True):
    """`events`: the sequence of the next event. `loose`: for each level, how many chunks wait to be merged, and from when on they are."""

    group: int
    name: str
    id: int
    created_at_ms: int
    events: int = 0
    size: int = 0
    first_event_ms: int = -1
    last_event_ms: int = -1
    last_ingestion_ms: int = -1
    span_ms: int = 0
    loose: tuple[tuple[int, int], ...] = ()


class StreamName(Record, frozen=True, kw_only=True):
    """Which stream a number stands for. (An index over streams would be followed by each PutLogEvents.)"""

    id: int
    group: int
    name: str


class Chunk(Record, frozen=True, kw_only=True):
    """Events of a stream; `number` is the least sequence among them, `key` the data key that they are sealed under (0: the vault)."""

    stream: int
    first_ms: int
    number: int
    last_ms: int
    count: int
    size: int
    level: int
    sealed: bytes
    key: int = 0


class Columns(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is sealed in a chunk, in order of time and sequence.

    `times` counts from the chunk's `first_ms`. `sequences` counts from its `number`, and is empty where they follow each other;
    `ingested` has one instant where it is the same for all. `masked` is what those see who may not see everything, by position.
    """

    times: list[int]
    messages: list[str]
    ingested: list[int]
    sequences: list[int] = []
    masked: dict[int, str] = {}


class DataKey(Record, frozen=True, kw_only=True):
    """A data key of a group, as KMS sealed it. The newest seals what comes in, where it is of the group's key."""

    group: int
    number: int
    key_arn: str
    ciphertext: bytes
    made_at_ms: int


class MetricFilter(Record, frozen=True, kw_only=True):
    group: int
    name: str
    group_name: str
    account: str
    region: str
    pattern: str
    created_at_ms: int
    metric: str
    namespace: str
    value: str
    unit: str = "None"
    default: float | None = None
    dimensions: dict[str, str] = {}


class SubscriptionFilter(Record, frozen=True, kw_only=True):
    group: int
    name: str
    pattern: str
    destination_arn: str
    created_at_ms: int
    role_arn: str = ""
    distribution: str = "ByLogStream"


class Destination(Record, frozen=True, kw_only=True):
    """Where other accounts' subscriptions lead to."""

    account: str
    region: str
    name: str
    target_arn: str
    role_arn: str
    created_at_ms: int
    policy: str = ""
    tags: dict[str, str] = {}


class ResourcePolicy(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    document: str
    updated_at_ms: int


class AccountPolicy(Record, frozen=True, kw_only=True):
    """One of each type, at most."""

    account: str
    region: str
    type: str
    name: str
    document: str
    updated_at_ms: int
    criteria: str = ""


class Query(Record, frozen=True, kw_only=True):
    """A run of Logs Insights. `data_key` is KMS's, where the account keeps its results under a key."""

    account: str
    region: str
    id: str
    number: int
    text: str
    groups: tuple[str, ...]
    from_ms: int
    to_ms: int
    limit: int
    created_at_ms: int
    status: str
    user: str
    whole: bool = False
    statistics: dict[str, float] = {}
    rows: int = 0
    ended_at_ms: int = 0
    kms_key: str = ""
    data_key: bytes = b""


class QueryRows(Record, frozen=True, kw_only=True):
    """Some of a query's results, sealed; `number` is that of the first."""

    account: str
    region: str
    query: str
    number: int
    count: int
    sealed: bytes


class QueryKey(Record, frozen=True, kw_only=True):
    """The KMS key that an account's query results are kept under."""

    account: str
    region: str
    kms_key: str


class QueryDefinition(Record, frozen=True, kw_only=True):
    account: str
    region: str
    id: str
    name: str
    text: str
    groups: tuple[str, ...]
    modified_at_ms: int
    parameters: tuple[dict[str, str], ...] = ()
    token: str = ""


class Export(Record, frozen=True, kw_only=True):
    """An export task. `after` is the last stream that has been written."""

    account: str
    region: str
    number: int
    id: str
    name: str
    group: int
    group_name: str
    stream_prefix: str
    from_ms: int
    to_ms: int
    bucket: str
    prefix: str
    status: str
    message: str
    created_at_ms: int
    completed_at_ms: int = 0
    after: str = ""


GROUPS = Table("logs.groups", Group, key=("account", "region", "name"))
BY_ID = GROUPS.index("by_id", "id")
TALLIES = Table("logs.tallies", Tally, key=("group",))
STREAMS = Table("logs.streams", Stream, key=("group", "name"))
STREAM_NAMES = Table("logs.stream_names", StreamName, key=("id",))
CHUNKS = Table("logs.chunks", Chunk, key=("stream", "first_ms", "number"), weight=lambda chunk: 1 + len(chunk.sealed) // 1024)
DATA_KEYS = Table("logs.data_keys", DataKey, key=("group", "number"))

METRIC_FILTERS = Table("logs.metric_filters", MetricFilter, key=("group", "name"))
METRIC_FILTERS_BY_ACCOUNT = METRIC_FILTERS.index("by_account", "account", "region", "name", "group_name")
SUBSCRIPTION_FILTERS = Table("logs.subscription_filters", SubscriptionFilter, key=("group", "name"))
DESTINATIONS = Table("logs.destinations", Destination, key=("account", "region", "name"))
RESOURCE_POLICIES = Table("logs.resource_policies", ResourcePolicy, key=("account", "region", "name"))
ACCOUNT_POLICIES = Table("logs.account_policies", AccountPolicy, key=("account", "region", "type"))

QUERIES = Table("logs.queries", Query, key=("account", "region", "id"))
LATEST_QUERIES = QUERIES.index("latest", "account", "region", "number")
QUERY_ROWS = Table("logs.query_rows", QueryRows, key=("account", "region", "query", "number"), weight=64)
QUERY_KEYS = Table("logs.query_keys", QueryKey, key=("account", "region"))
QUERY_DEFINITIONS = Table("logs.query_definitions", QueryDefinition, key=("account", "region", "id"))
EXPORTS = Table("logs.exports", Export, key=("account", "region", "number"))


def expired_before_ms(group: Group, now_ms: int) -> int:
    """Events before this instant are out of sight."""
    return now_ms - group.retention_days * DAY_MS if group.retention_days else 0
