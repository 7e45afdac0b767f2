"""Filters and destinations as CloudFormation has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Naming, Part, Properties, ResourceType, absent, every, exists, found, given, pairs, tags

ABSENT = ("Absent", "ResourceNotFoundException")
PRESENT = ("Present", "ResourceAlreadyExistsException")


def call(ctx: Context, operation: str, /, **members: Any) -> Any:
    """An operation of Logs, without the members that have no value."""
    return ctx.call("logs", operation, given(**members)) or {}


def group_names(ctx: Context) -> Iterator[str]:
    return (one["logGroupName"] for one in every(ctx, "logs", "DescribeLogGroups", {}, "logGroups", "nextToken"))


# Filters


def _transformations(properties: Properties) -> list[dict[str, Any]]:
    return [
        given(
            metricName=one["MetricName"],
            metricNamespace=one["MetricNamespace"],
            metricValue=one["MetricValue"],
            defaultValue=one.get("DefaultValue"),
            unit=one.get("Unit"),
            dimensions=pairs(one.get("Dimensions")) or None,
        )
        for one in properties["MetricTransformations"]
    ]


def _put_metric_filter(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    group, _, name = identifier.partition("|")
    call(
        ctx,
        "PutMetricFilter",
        logGroupName=group,
        filterName=name,
        filterPattern=after["FilterPattern"],
        metricTransformations=_transformations(after),
    )


def _create_metric_filter(ctx: Context, properties: Properties) -> str:
    identifier = f"{properties['LogGroupName']}|{properties['FilterName']}"
    if found(lambda: _read_metric_filter(ctx, identifier), *ABSENT):
        raise exists("AWS::Logs::MetricFilter", identifier)
    _put_metric_filter(ctx, identifier, {}, properties)
    return identifier


def _read_metric_filter(ctx: Context, identifier: str) -> Properties:
    group, _, name = identifier.partition("|")
    members = {"logGroupName": group, "filterNamePrefix": name}
    for one in every(ctx, "logs", "DescribeMetricFilters", members, "metricFilters", "nextToken"):
        if one["filterName"] == name:
            transformations = [
                given(
                    MetricName=t["metricName"],
                    MetricNamespace=t["metricNamespace"],
                    MetricValue=t["metricValue"],
                    DefaultValue=t["defaultValue"],
                    Unit=t["unit"],
                    Dimensions=[{"Key": key, "Value": value} for key, value in (t["dimensions"] or {}).items()] or None,
                )
                for t in one["metricTransformations"]
            ]
            return {
                "LogGroupName": group,
                "FilterName": name,
                "FilterPattern": one["filterPattern"],
                "MetricTransformations": transformations,
            }
    raise absent("AWS::Logs::MetricFilter", identifier)


METRIC_FILTER = ResourceType(
    "AWS::Logs::MetricFilter",
    create=_create_metric_filter,
    made_with=("LogGroupName", "FilterName", "FilterPattern", "MetricTransformations"),
    read=_read_metric_filter,
    delete=lambda ctx, identifier, properties: call(
        ctx, "DeleteMetricFilter", logGroupName=identifier.partition("|")[0], filterName=identifier.partition("|")[2]
    ),
    list=lambda ctx: (
        f"{one['logGroupName']}|{one['filterName']}"
        for one in every(ctx, "logs", "DescribeMetricFilters", {}, "metricFilters", "nextToken")
    ),
    parts=(Part(("FilterPattern", "MetricTransformations"), _put_metric_filter),),
    naming=Naming("FilterName", 512),
    absent=ABSENT,
    present=PRESENT,
)
_SUBSCRIPTION = ("DestinationArn", "FilterPattern", "RoleArn", "Distribution")


def _put_subscription(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    name, _, group = identifier.partition("|")
    call(
        ctx,
        "PutSubscriptionFilter",
        logGroupName=group,
        filterName=name,
        filterPattern=after["FilterPattern"],
        destinationArn=after["DestinationArn"],
        roleArn=after.get("RoleArn"),
        distribution=after.get("Distribution"),
    )


def _create_subscription(ctx: Context, properties: Properties) -> str:
    identifier = f"{properties['FilterName']}|{properties['LogGroupName']}"
    if found(lambda: _read_subscription(ctx, identifier), *ABSENT):
        raise exists("AWS::Logs::SubscriptionFilter", identifier)
    _put_subscription(ctx, identifier, {}, properties)
    return identifier


def _read_subscription(ctx: Context, identifier: str) -> Properties:
    name, _, group = identifier.partition("|")
    members = {"logGroupName": group, "filterNamePrefix": name}
    for one in every(ctx, "logs", "DescribeSubscriptionFilters", members, "subscriptionFilters", "nextToken"):
        if one["filterName"] == name:
            return {
                "LogGroupName": group,
                "FilterName": name,
                "FilterPattern": one["filterPattern"],
                "DestinationArn": one["destinationArn"],
                "RoleArn": one["roleArn"],
                "Distribution": one["distribution"],
            }
    raise absent("AWS::Logs::SubscriptionFilter", identifier)


SUBSCRIPTION_FILTER = ResourceType(
    "AWS::Logs::SubscriptionFilter",
    create=_create_subscription,
    made_with=("LogGroupName", "FilterName", *_SUBSCRIPTION),
    read=_read_subscription,
    delete=lambda ctx, identifier, properties: call(
        ctx, "DeleteSubscriptionFilter", logGroupName=identifier.partition("|")[2], filterName=identifier.partition("|")[0]
    ),
    list=lambda ctx: (
        f"{one['filterName']}|{name}"
        for name in group_names(ctx)
        for one in every(ctx, "logs", "DescribeSubscriptionFilters", {"logGroupName": name}, "subscriptionFilters", "nextToken")
    ),
    parts=(Part(_SUBSCRIPTION, _put_subscription),),
    naming=Naming("FilterName", 512),
    absent=ABSENT,
    present=PRESENT,
)

# Destinations


def _destination(ctx: Context, name: str) -> Any:
    for one in every(ctx, "logs", "DescribeDestinations", {"DestinationNamePrefix": name}, "destinations", "nextToken"):
        if one["destinationName"] == name:
            return one
    raise absent("AWS::Logs::Destination", name)


def _create_destination(ctx: Context, properties: Properties) -> str:
    name: str = properties["DestinationName"]
    if found(lambda: _destination(ctx, name), *ABSENT):
        raise exists("AWS::Logs::Destination", name)
    _put_destination(ctx, name, {}, properties)
    return name


def _put_destination(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(
        ctx,
        "PutDestination",
        destinationName=name,
        targetArn=after["TargetArn"],
        roleArn=after["RoleArn"],
        tags=None if before else pairs(after.get("Tags")) or None,
    )


def _put_destination_policy(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(ctx, "PutDestinationPolicy", destinationName=name, accessPolicy=after.get("DestinationPolicy") or "")


def _read_destination(ctx: Context, name: str) -> Properties:
    one = _destination(ctx, name)
    return {
        "DestinationName": name,
        "TargetArn": one["targetArn"],
        "RoleArn": one["roleArn"],
        "DestinationPolicy": one["accessPolicy"],
        "Arn": one["arn"],
    }


DESTINATION = ResourceType(
    "AWS::Logs::Destination",
    create=_create_destination,
    made_with=("DestinationName", "TargetArn", "RoleArn", "Tags"),
    read=_read_destination,
    delete=lambda ctx, name, properties: call(ctx, "DeleteDestination", destinationName=name),
    list=lambda ctx: (one["destinationName"] for one in every(ctx, "logs", "DescribeDestinations", {}, "destinations", "nextToken")),
    parts=(
        Part(("TargetArn", "RoleArn"), _put_destination),
        Part(("DestinationPolicy",), _put_destination_policy),
        tags(
            read=lambda ctx, name: call(ctx, "ListTagsForResource", resourceArn=_destination(ctx, name)["arn"])["tags"],
            add=lambda ctx, name, added: call(ctx, "TagResource", resourceArn=_destination(ctx, name)["arn"], tags=added),
            remove=lambda ctx, name, keys: call(ctx, "UntagResource", resourceArn=_destination(ctx, name)["arn"], tagKeys=keys),
        ),
    ),
    absent=ABSENT,
    present=PRESENT,
)
