"""Metric filters: events that a pattern matches become values of a metric.

`applyOnTransformedLogs`, `fieldSelectionCriteria` and `emitSystemFieldDimensions` are for transformers and centralised logs, which
are not here: they are refused by name.

Source: API reference, PutMetricFilter; "Creating metrics from log events using filters" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.telemetry import MEASURES
from fogbank.services.logs import patterns
from fogbank.services.logs.chunks import Event
from fogbank.services.logs.faults import bad_token, invalid, missing, not_here
from fogbank.services.logs.measuring import measure
from fogbank.services.logs.names import group_at
from fogbank.services.logs.patterns.literals import as_number, text_of
from fogbank.services.logs.state import (
    GROUPS,
    METRIC_FILTERS,
    METRIC_FILTERS_BY_ACCOUNT,
    STANDARD,
    SUBSCRIPTION_FILTERS,
    Group,
    MetricFilter,
)
from fogbank.store import change

FILTERS_LIMIT = 100
REGEXES_LIMIT = 5
"""Filters of a group whose patterns have regular expressions."""
DIMENSIONS_LIMIT = 3
PAGE_LIMIT = 50


def refuse_unmet(req: Any, operation: str, *members: str) -> None:
    """Errors: NotImplemented, for settings that nothing here acts on."""
    for member in members:
        if getattr(req, member):
            raise not_here(operation, f"with {member}")


def filterable(ctx: Context, name: str, operation: str) -> Group:
    """A group that can have filters. Errors: ResourceNotFoundException, InvalidOperationException."""
    group = group_at(ctx, name)
    if group.log_class != STANDARD:
        raise ServiceException("InvalidOperationException", f"{operation} is not supported for log groups of the class {group.log_class}.")
    return group


def check_pattern(ctx: Context, group: Group, text: str, name: str) -> patterns.Pattern:
    """Errors: InvalidParameterException; LimitExceededException (five filters of a group may have regular expressions)."""
    pattern = patterns.read(text)
    if pattern.regexes:
        others = {one.name: one.pattern for one in METRIC_FILTERS.scan(ctx, group.id)}
        others |= {f"{one.name}*": one.pattern for one in SUBSCRIPTION_FILTERS.scan(ctx, group.id)}
        if sum(1 for other, text in others.items() if other.rstrip("*") != name and patterns.read(text).regexes) >= REGEXES_LIMIT:
            raise ServiceException("LimitExceededException", "Resource limit exceeded.")
    return pattern


@operation("PutMetricFilter")
def put_metric_filter(ctx: Context, req: Any) -> Answer:
    """Makes a metric filter, or replaces the one of this name. It sees events that come in from now on; 100 for a group.

    The value is a number, or a field that the pattern names; dimensions are fields, 3 at most, and not together with a default.

    Errors: ResourceNotFoundException, InvalidParameterException, LimitExceededException, InvalidOperationException (the group's class).
    Source: API reference, PutMetricFilter.
    """
    refuse_unmet(req, "PutMetricFilter", "applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions")
    group = filterable(ctx, req.logGroupName, "PutMetricFilter")
    pattern = check_pattern(ctx, group, req.filterPattern, req.filterName)
    transformation = req.metricTransformations[0]
    dimensions = dict(transformation.dimensions or {})
    _check(transformation, dimensions, pattern)
    old = METRIC_FILTERS.get(ctx, group.id, req.filterName)
    if old is None:
        if group.metric_filters >= FILTERS_LIMIT:
            raise ServiceException("LimitExceededException", "Resource limit exceeded.")
        GROUPS.put(ctx, change(group, metric_filters=group.metric_filters + 1))
    METRIC_FILTERS.put(
        ctx,
        MetricFilter(
            group=group.id,
            name=req.filterName,
            group_name=group.name,
            account=group.account,
            region=group.region,
            pattern=req.filterPattern,
            created_at_ms=ctx.now if old is None else old.created_at_ms,
            metric=transformation.metricName,
            namespace=transformation.metricNamespace,
            value=transformation.metricValue,
            unit=transformation.unit or "None",
            default=transformation.defaultValue,
            dimensions=dimensions,
        ),
    )
    return None


def _check(transformation: Any, dimensions: dict[str, str], pattern: patterns.Pattern) -> None:
    if transformation.metricNamespace.startswith("AWS/"):
        raise invalid("Invalid metric transformation: metricNamespace must not start with AWS/")
    if dimensions and transformation.defaultValue is not None:
        raise invalid("Invalid metric transformation: dimensions and default value are mutually exclusive properties.")
    if len(dimensions) > DIMENSIONS_LIMIT:
        raise invalid(f"Invalid metric transformation: a metric filter can have {DIMENSIONS_LIMIT} dimensions at most.")
    value = transformation.metricValue
    if not value.startswith("$"):
        if as_number(value) is None:
            raise invalid("Invalid metric transformation: metricValue must be a number or a field of the filter pattern")
    elif not _known(value, pattern):
        raise invalid(f"Invalid metric transformation: the filter pattern has no field {value}")
    for name, selector in dimensions.items():
        if not selector.startswith("$") or not _known(selector, pattern):
            raise invalid(f"Invalid metric transformation: the dimension {name} must be a field of the filter pattern")


def _known(selector: str, pattern: patterns.Pattern) -> bool:
    if pattern.selectors is None:
        return patterns.structured.steps(selector) is not None
    return selector in pattern.selectors


@operation("DeleteMetricFilter")
def delete_metric_filter(ctx: Context, req: Any) -> Answer:
    """Deletes a metric filter. Errors: ResourceNotFoundException. Source: API reference, DeleteMetricFilter."""
    group = group_at(ctx, req.logGroupName)
    found = METRIC_FILTERS.get(ctx, group.id, req.filterName)
    if found is None:
        raise missing("The specified metric filter does not exist.")
    METRIC_FILTERS.delete(ctx, found)
    GROUPS.put(ctx, change(group, metric_filters=group.metric_filters - 1))
    return None


@operation("DescribeMetricFilters")
def describe_metric_filters(ctx: Context, req: Any) -> Answer:
    """Metric filters by name, at most 50 a page: of a group, or all; or those of a metric (its name and its namespace).

    Errors: ResourceNotFoundException, InvalidParameterException. Source: API reference, DescribeMetricFilters.
    """
    if (req.metricName is None) != (req.metricNamespace is None):
        raise invalid("Both metricName and metricNamespace must be specified.")
    after = paging.place(req.nextToken, bad_token)
    if req.logGroupName is not None:
        group = group_at(ctx, req.logGroupName)
        found = METRIC_FILTERS.scan(ctx, group.id, starting=req.filterNamePrefix or "", after=after)
    else:
        bound: Any = tuple(after.split("\0", 1)) if after is not None else None
        if bound is not None and len(bound) != 2:
            raise bad_token()
        found = METRIC_FILTERS_BY_ACCOUNT.scan(ctx, ctx.account, ctx.region, after=bound)
    if req.metricName is not None:
        found = (one for one in found if (one.metric, one.namespace) == (req.metricName, req.metricNamespace))
    page, more = paging.page(found, req.limit or PAGE_LIMIT)
    place = "" if not more else page[-1].name if req.logGroupName is not None else f"{page[-1].name}\0{page[-1].group_name}"
    return {"metricFilters": [_described(one) for one in page], "nextToken": paging.token(place) if more else None}


def _described(one: MetricFilter) -> dict[str, Any]:
    transformation = {
        "metricName": one.metric,
        "metricNamespace": one.namespace,
        "metricValue": one.value,
        "defaultValue": one.default,
        "dimensions": one.dimensions or None,
        "unit": one.unit if one.unit != "None" else None,
    }
    return {
        "filterName": one.name,
        "filterPattern": one.pattern,
        "metricTransformations": [transformation],
        "creationTime": one.created_at_ms,
        "logGroupName": one.group_name,
    }


@operation("TestMetricFilter")
def test_metric_filter(ctx: Context, req: Any) -> Answer:
    """Which of at most 50 messages a pattern matches, and what its fields have in them.

    Errors: InvalidParameterException. Source: API reference, TestMetricFilter.
    """
    pattern = patterns.read(req.filterPattern)
    matches = []
    for number, message in enumerate(req.logEventMessages, 1):
        if (match := pattern.find(message)) is not None:
            matches.append({"eventNumber": number, "eventMessage": message, "extractedValues": match.values()})
    return {"matches": matches}


def emit(ctx: Context, group: Group, events: Sequence[Event]) -> None:
    """Tells CloudWatch what a group's filters make of new events.

    A default value is told once for each minute of the batch in which no event matched.
    """
    for one in METRIC_FILTERS.scan(ctx, group.id):
        pattern = patterns.read(one.pattern)
        matched: set[int] = set()
        for event in events:
            match = pattern.find(event.seen)
            if match is None:
                continue
            matched.add(event.at_ms // 60_000)
            value = as_number(match.value(one.value) if one.value.startswith("$") else one.value)
            by = {name: match.value(selector) for name, selector in one.dimensions.items()}
            if value is not None and None not in by.values():
                _tell(ctx, one, tuple(sorted((name, text_of(found)) for name, found in by.items())), value, event.at_ms)
        if one.default is not None:
            for minute in sorted({event.at_ms // 60_000 for event in events} - matched):
                _tell(ctx, one, (), one.default, minute * 60_000)


def _tell(ctx: Context, one: MetricFilter, by: tuple[tuple[str, str], ...], value: float, at_ms: int) -> None:
    found = measure(one.account, one.region, one.namespace, one.metric, by, value, one.unit, at_ms)
    if found is not None:
        ctx.tell(MEASURES, found)
