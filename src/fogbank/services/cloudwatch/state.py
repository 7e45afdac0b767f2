"""The model of the data.

A metric is one row of METRICS: namespace, name and dimensions, in its account and region; `id` is what its data is filed under.
`seen_ms` is when data was last put, to within SEEN_MS, so that putting data does not write it again each time.

A point of POINTS is what was put for one metric and one unit in one second, minute, five minutes or hour: its `step_s`. Points
are put by the minute, or by the second where the storage resolution is 1. In time they become coarser, and then go:

    1 s      for 3 hours
    60 s     for 15 days
    300 s    for 63 days
    3600 s   for 455 days

A value is in one point only, so whatever has a period of at least its step is read by merging what is there. A metric's `due_ms`
says when its oldest point has to become coarser or go; one task for all metrics (`cloudwatch.keep`) comes at the first of them.
"""

from __future__ import annotations

from functools import lru_cache

from fogbank.services.cloudwatch.distribution import Summary
from fogbank.store import Record, Table

Dimensions = tuple[tuple[str, str], ...]

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
STEPS: tuple[tuple[int, int], ...] = ((1, 3 * HOUR_MS), (60, 15 * DAY_MS), (300, 63 * DAY_MS), (3600, 455 * DAY_MS))
"""(step in seconds, for how long there are points of it)."""
SEEN_MS = 10 * MINUTE_MS
_FIELD, _PAIR = "\x1f", "\x1e"


@lru_cache(16_384)
def packed(dimensions: Dimensions) -> str:
    """Dimensions (sorted by name) as the text that is part of a metric's key. Names and values have no control characters."""
    return _PAIR.join([f"{name}{_FIELD}{value}" for name, value in dimensions])


@lru_cache(16_384)
def unpacked(text: str) -> Dimensions:
    if not text:
        return ()
    pairs = (pair.partition(_FIELD) for pair in text.split(_PAIR))
    return tuple((name, value) for name, _, value in pairs)


class Metric(Record, frozen=True, kw_only=True):
    account: str
    region: str
    namespace: str
    name: str
    dimensions: str
    id: int
    created_at_ms: int
    seen_ms: int
    due_ms: int


class Point(Record, frozen=True, kw_only=True):
    """What was put between `at_s` and `at_s + step_s`."""

    metric: int
    step_s: int
    at_s: int
    unit: str
    of: Summary


class Keeping(Record, frozen=True, kw_only=True):
    """When the task comes that makes points coarser (one row for a cloud)."""

    name: str = "keep"
    at_ms: int = 0


METRICS = Table("cloudwatch.metrics", Metric, key=("account", "region", "namespace", "name", "dimensions"))
BY_DUE = METRICS.index("by_due", "due_ms")
POINTS = Table("cloudwatch.points", Point, key=("metric", "step_s", "at_s", "unit"))
KEEPING = Table("cloudwatch.keeping", Keeping, key=("name",))


class Query(Record, frozen=True, kw_only=True):
    """One of several queries that belong together: a statistic of a metric (`stat` is there), or an expression."""

    id: str
    expression: str = ""
    label: str | None = None
    returned: bool = True
    period_s: int = 0
    namespace: str = ""
    name: str = ""
    dimensions: Dimensions = ()
    stat: str = ""
    unit: str | None = None


class ExcludedRange(Record, frozen=True):
    start_ms: int
    end_ms: int


class Detector(Record, frozen=True, kw_only=True):
    """An anomaly detection model: of the one of `queries` that is returned. `what` tells it from others.

    `means` and `deviations` are by the hour of the week (168), of the day (24) or altogether (1), as far as there was data.
    """

    account: str
    region: str
    id: str
    what: str
    kind: str
    queries: tuple[Query, ...]
    timezone: str = "UTC"
    excluded: tuple[ExcludedRange, ...] = ()
    created_at_ms: int = 0
    trained_at_ms: int = 0
    train_at_ms: int = 0
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()


DETECTORS = Table("cloudwatch.detectors", Detector, key=("account", "region", "id"))
BY_WHAT = DETECTORS.index("by_what", "account", "region", "what")


# Alarms

METRIC, COMPOSITE = "MetricAlarm", "CompositeAlarm"
HISTORY_MS = 30 * DAY_MS
"""How long an alarm's history is kept."""


class Alarm(Record, frozen=True, kw_only=True):
    """A metric alarm, or a composite one (`kind`).

    `revision` is another after each PutMetricAlarm: a task of an earlier one does nothing. `acted` is the state whose actions were
    carried out last, or would have been had they been enabled: when muting or suppression ends in another state, its actions follow.
    A metric alarm on one metric has `single`, and that metric as its only query.
    """

    account: str
    region: str
    name: str
    kind: str
    revision: int
    description: str | None = None
    actions_enabled: bool = True
    ok_actions: tuple[str, ...] = ()
    alarm_actions: tuple[str, ...] = ()
    insufficient_actions: tuple[str, ...] = ()
    created_at_ms: int = 0
    configured_at_ms: int = 0
    state: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_json: str | None = None
    updated_at_ms: int = 0
    transitioned_at_ms: int = 0
    acted: str = "INSUFFICIENT_DATA"
    evaluation_state: str | None = None
    tags: dict[str, str] = {}
    # of a metric alarm
    queries: tuple[Query, ...] = ()
    single: bool = False
    period_s: int = 60
    evaluation_periods: int = 1
    datapoints: int | None = None
    threshold: float | None = None
    threshold_id: str | None = None
    comparison: str = ""
    missing: str | None = None
    low_sample: str | None = None
    warm_up_m: int = 0
    warm_up_whole: bool = False
    # of a composite alarm
    rule: str = ""
    suppressor: str | None = None
    wait_s: int = 0
    extension_s: int = 0
    suppressed_by: str | None = None
    suppressed_reason: str | None = None
    suppressed_until_ms: int = 0


class Relation(Record, frozen=True, kw_only=True):
    """A composite alarm (`parent`) looks at another: because its rule names it (`role` "child"), or as its "suppressor"."""

    account: str
    region: str
    child: str
    role: str
    parent: str


class History(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    at_ms: int
    number: int
    alarm_kind: str
    kind: str
    summary: str
    content: str


class MuteRule(Record, frozen=True, kw_only=True):
    """While it is active, its alarms carry out no actions. `revision` as of an alarm."""

    account: str
    region: str
    name: str
    revision: int
    description: str | None
    expression: str
    duration: str
    timezone: str
    alarms: tuple[str, ...]
    start_ms: int
    expire_ms: int
    updated_at_ms: int
    tags: dict[str, str] = {}


class Dashboard(Record, frozen=True, kw_only=True):
    account: str
    name: str
    body: str
    modified_at_ms: int
    tags: dict[str, str] = {}


class Filter(Record, frozen=True):
    """Metrics of a namespace: those of some names, or all."""

    namespace: str
    names: tuple[str, ...] = ()


class MoreStatistics(Record, frozen=True):
    """Statistics that a stream sends of some metrics, (namespace, name), beside the usual ones."""

    metrics: tuple[tuple[str, str], ...]
    statistics: tuple[str, ...]


class MetricStream(Record, frozen=True, kw_only=True):
    """`next_ms`: when it sends next; 0 where it is stopped."""

    account: str
    region: str
    name: str
    created_at_ms: int
    state: str
    updated_at_ms: int = 0
    include: tuple[Filter, ...] = ()
    exclude: tuple[Filter, ...] = ()
    more: tuple[MoreStatistics, ...] = ()
    firehose_arn: str = ""
    role_arn: str = ""
    next_ms: int = 0
    tags: dict[str, str] = {}


ALARMS = Table("cloudwatch.alarms", Alarm, key=("account", "region", "name"))
RELATIONS = Table("cloudwatch.relations", Relation, key=("account", "region", "child", "role", "parent"))
BY_PARENT = RELATIONS.index("by_parent", "account", "region", "parent")
HISTORIES = Table("cloudwatch.histories", History, key=("account", "region", "name", "at_ms", "number"))
HISTORY_BY_TIME = HISTORIES.index("by_time", "account", "region", "at_ms", "number")
HISTORY_BY_AGE = HISTORIES.index("by_age", "at_ms")
MUTE_RULES = Table("cloudwatch.mute_rules", MuteRule, key=("account", "region", "name"))
DASHBOARDS = Table("cloudwatch.dashboards", Dashboard, key=("account", "name"))
STREAMS = Table("cloudwatch.streams", MetricStream, key=("account", "region", "name"))
