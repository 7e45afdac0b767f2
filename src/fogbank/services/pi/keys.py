"""The keys that load is greatest for, and all of a key that does not fit elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.pi import engines
from fogbank.services.pi.dimensions import Words, chosen, filters, shown
from fogbank.services.pi.faults import invalid
from fogbank.services.pi.metrics import LIMIT, LOADS, read
from fogbank.services.pi.rolling import Sum, merge, of
from fogbank.services.pi.sources import Time, page, source_at, time_of
from fogbank.services.pi.state import STATEMENTS, STATS, Source

_LISTED = 25
_STATS = "db.sql_tokenized.stats."
_Values = tuple[str, ...]


@operation("DescribeDimensionKeys")
def describe_dimension_keys(ctx: Context, req: Any) -> Answer:
    """The keys of a dimension group that load is greatest for in a time (10, at most 25), greatest first; divided further by PartitionBy.

    AdditionalMetrics are of digests (db.sql_tokenized): `db.sql_tokenized.stats.calls_per_sec.avg` and its like.

    Errors: InvalidArgumentException, NotAuthorizedException. Source: Performance Insights API reference, DescribeDimensionKeys.
    """
    source = source_at(ctx, req)
    time = time_of(ctx, req, source)
    if req.Metric not in [f"{name}.avg" for name in LOADS]:
        raise invalid(f"{req.Metric} is not a valid metric: it is to be db.load.avg or db.sampledload.avg")
    dimensions = chosen(source.engine, req.GroupBy)
    parting = chosen(source.engine, req.PartitionBy) if req.PartitionBy is not None else ()
    whole = _whole(ctx, source, time)
    loads = _loads(Words(ctx, source), whole, dimensions, parting, filters(source.engine, req.Filter))
    totals = {group: sum(parts.values()) for group, parts in loads.items()}
    groups = sorted(totals, key=lambda group: (-totals[group], group))[: req.GroupBy.Limit or LIMIT]
    partitions = _greatest(loads, groups, req.PartitionBy.Limit or LIMIT) if parting else []
    additional = _additional(ctx, source, time, req, dimensions, groups)
    taken = whole.taken or 1
    keys = [
        {
            "Dimensions": shown(dimensions, group),
            "Total": totals[group] / taken,
            "AdditionalMetrics": additional.get(group),
            "Partitions": [loads[group].get(part, 0) / taken for part in partitions] if parting else None,
        }
        for group in groups
    ]
    some, token = page(req, keys, _LISTED)
    return {
        "AlignedStartTime": time.start_ms,
        "AlignedEndTime": time.end_ms,
        "PartitionKeys": [{"Dimensions": shown(parting, part)} for part in partitions] if parting else None,
        "Keys": some,
        "NextToken": token,
    }


def _whole(ctx: Context, source: Source, time: Time) -> Sum:
    """All of a time in one sum."""
    whole = Sum()
    for period in read(ctx, source, time).periods:
        if period is not None:
            merge(whole, period)
    return whole


def _loads(words: Words, whole: Sum, dimensions: Sequence[str], parting: Sequence[str], wanted: Any) -> dict[_Values, dict[_Values, int]]:
    """Group -> partition -> sessions; without those that have none of the group's dimensions."""
    found: dict[_Values, dict[_Values, int]] = {}
    for key, count in whole.counts.items():
        group = words.values(key, dimensions)
        if any(group) and words.fits(key, wanted):
            parts = found.setdefault(group, {})
            part = words.values(key, parting)
            parts[part] = parts.get(part, 0) + count
    return found


def _greatest(loads: dict[_Values, dict[_Values, int]], groups: list[_Values], limit: int) -> list[_Values]:
    totals: dict[_Values, int] = {}
    for group in groups:
        for part, count in loads[group].items():
            totals[part] = totals.get(part, 0) + count
    return sorted(totals, key=lambda part: (-totals[part], part))[:limit]


def _additional(
    ctx: Context, source: Source, time: Time, req: Any, dimensions: Sequence[str], groups: list[_Values]
) -> dict[_Values, dict[str, float]]:
    """What the statements of each digest did. Errors: InvalidArgumentException."""
    asked = req.AdditionalMetrics or ()
    if not asked:
        return {}
    if req.GroupBy.Group != "db.sql_tokenized" or "db.sql_tokenized.id" not in dimensions:
        raise invalid("AdditionalMetrics are only supported for the dimension group db.sql_tokenized, with its id")
    made = {metric: stat_of(metric) for metric in asked}
    span_ms, totals = 0, dict[str, list[float]]()
    for row in STATS.scan(ctx, *of(source), after=time.start_ms, before=time.end_ms + 1):
        span_ms += row.span_ms
        for digest, values in row.digests.items():
            known = totals.get(digest)
            totals[digest] = list(values) if known is None else [a + b for a, b in zip(known, values, strict=True)]
    place = list(dimensions).index("db.sql_tokenized.id")
    found = {}
    for group in groups:
        did = totals.get(group[place])
        if did is not None:
            found[group] = {metric: did[n] / (did[0] if per_call else span_ms / 1000) for metric, (n, per_call) in made.items()}
    return found


def stat_of(metric: str) -> tuple[int, bool]:
    """Which of the statistics a metric is, and whether for each call instead of each second. Errors: InvalidArgumentException."""
    for number, name in enumerate(engines.STATS):
        if metric == f"{_STATS}{name}_per_sec.avg":
            return number, False
        if number and metric == f"{_STATS}{'avg_latency' if name == 'total_time' else name}_per_call.avg":
            return number, True
    raise invalid(f"{metric} is not a valid additional metric")


@operation("GetDimensionKeyDetails")
def get_dimension_key_details(ctx: Context, req: Any) -> Answer:
    """The whole text of a statement, by its id (db.sql.id); other answers have 500 bytes of it.

    Errors: InvalidArgumentException, NotAuthorizedException. Source: Performance Insights API reference, GetDimensionKeyDetails.
    """
    source = source_at(ctx, req)
    if req.Group in ("db.execution_plan", "db.lock_snapshot"):
        raise NotImplementedOperation("pi", "GetDimensionKeyDetails", f"with Group {req.Group}")
    if req.Group != "db.sql":
        raise invalid(f"{req.Group} is not a valid dimension group")
    if any(name not in ("statement", "db.sql.statement") for name in req.RequestedDimensions or ()):
        raise invalid("RequestedDimensions of db.sql is db.sql.statement")
    known = STATEMENTS.get(ctx, *of(source), req.GroupIdentifier)
    if known is None:
        return {"Dimensions": [{"Dimension": "db.sql.statement", "Status": "UNAVAILABLE"}]}
    return {"Dimensions": [{"Value": known.text, "Dimension": "db.sql.statement", "Status": "AVAILABLE"}]}
