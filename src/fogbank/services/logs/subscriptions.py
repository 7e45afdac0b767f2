"""Subscription filters: events that a pattern matches are brought to a function, a stream, a delivery stream, or another account's
destination.

A group has two at most, and its account may have one more (a SUBSCRIPTION_FILTER_POLICY). What is to be brought is put aside when
the events come in, sealed, and brought by a task (`forwarding`).

Source: "Real-time processing of log data with subscriptions" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs import forwarding, patterns, ways
from fogbank.services.logs.chunks import Event
from fogbank.services.logs.faults import bad_token, missing
from fogbank.services.logs.metric_filters import check_pattern, filterable, refuse_unmet
from fogbank.services.logs.names import group_at
from fogbank.services.logs.state import GROUPS, SUBSCRIPTION_FILTERS, Group, Stream, SubscriptionFilter
from fogbank.services.logs.ways import Way
from fogbank.store import change

FILTERS_LIMIT = 2
PAGE_LIMIT = 50


@operation("PutSubscriptionFilter")
def put_subscription_filter(ctx: Context, req: Any) -> Answer:
    """Makes a subscription filter, or replaces the one of this name; two for a group. A test shows at once whether the destination
    can be reached.

    With a RoleArn (which a stream and a delivery stream need) the caller must be allowed to pass the role to
    logs.<region>.amazonaws.com; a function lets logs.amazonaws.com in by its own policy. Another account's destination must let this
    account subscribe.

    Errors: ResourceNotFoundException, InvalidParameterException, LimitExceededException, InvalidOperationException (the group's class).
    Source: API reference, PutSubscriptionFilter.
    """
    refuse_unmet(req, "PutSubscriptionFilter", "applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFields")
    group = filterable(ctx, req.logGroupName, "PutSubscriptionFilter")
    check_pattern(ctx, group, req.filterPattern, req.filterName)
    old = SUBSCRIPTION_FILTERS.get(ctx, group.id, req.filterName)
    if old is None and group.subscriptions >= FILTERS_LIMIT:
        raise ServiceException("LimitExceededException", "Resource limit exceeded.")
    distribution = req.distribution or "ByLogStream"
    forwarding.check_way(
        ctx, group.account, group.name, Way(req.destinationArn, req.roleArn or "", distribution), old.role_arn if old else ""
    )
    if old is None:
        GROUPS.put(ctx, change(group, subscriptions=group.subscriptions + 1))
    SUBSCRIPTION_FILTERS.put(
        ctx,
        SubscriptionFilter(
            group=group.id,
            name=req.filterName,
            pattern=req.filterPattern,
            destination_arn=req.destinationArn,
            created_at_ms=ctx.now if old is None else old.created_at_ms,
            role_arn=req.roleArn or "",
            distribution=distribution,
        ),
    )
    return None


@operation("DeleteSubscriptionFilter")
def delete_subscription_filter(ctx: Context, req: Any) -> Answer:
    """Deletes a subscription filter; what is on its way is not brought any more.

    Errors: ResourceNotFoundException. Source: API reference, DeleteSubscriptionFilter.
    """
    group = group_at(ctx, req.logGroupName)
    found = SUBSCRIPTION_FILTERS.get(ctx, group.id, req.filterName)
    if found is None:
        raise missing("The specified subscription filter does not exist.")
    SUBSCRIPTION_FILTERS.delete(ctx, found)
    GROUPS.put(ctx, change(group, subscriptions=group.subscriptions - 1))
    return None


@operation("DescribeSubscriptionFilters")
def describe_subscription_filters(ctx: Context, req: Any) -> Answer:
    """The subscription filters of a group, by name. Errors: ResourceNotFoundException.

    Source: API reference, DescribeSubscriptionFilters.
    """
    group = group_at(ctx, req.logGroupName)
    after = paging.place(req.nextToken, bad_token)
    found = SUBSCRIPTION_FILTERS.scan(ctx, group.id, starting=req.filterNamePrefix or "", after=after)
    page, more = paging.page(found, req.limit or PAGE_LIMIT)
    described = [
        {
            "filterName": one.name,
            "logGroupName": group.name,
            "filterPattern": one.pattern,
            "destinationArn": one.destination_arn,
            "roleArn": one.role_arn or None,
            "distribution": one.distribution,
            "creationTime": one.created_at_ms,
        }
        for one in page
    ]
    return {"subscriptionFilters": described, "nextToken": paging.token(page[-1].name) if more else None}


def forward(ctx: Context, group: Group, stream: Stream, events: Sequence[Event]) -> None:
    """Has new events brought to wherever they are subscribed from."""
    if group.subscriptions:
        for one in SUBSCRIPTION_FILTERS.scan(ctx, group.id):
            way = Way(one.destination_arn, one.role_arn, one.distribution)
            _forward(ctx, group, stream, events, one.pattern, one.name, way, ways.OF_GROUP)
    policy = ways.subscription_of(ctx, group)
    if policy is not None:
        _forward(ctx, group, stream, events, policy.pattern, policy.name, policy.way, ways.OF_ACCOUNT)


def _forward(ctx: Context, group: Group, stream: Stream, events: Sequence[Event], pattern: str, name: str, way: Way, level: str) -> None:
    find = patterns.read(pattern).find
    delimited = pattern.lstrip().startswith("[")
    chosen = []
    for event in events:
        match = find(event.seen)
        if match is not None:
            chosen.append((event, {key[1:]: value for key, value in match.values().items()} if delimited else None))
    if chosen:
        forwarding.begin(ctx, group, stream, chosen, name, way, level)
