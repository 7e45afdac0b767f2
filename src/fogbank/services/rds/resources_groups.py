"""Parameter, subnet and option groups and event subscriptions as CloudFormation has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    each,
    every,
    exists,
    found,
    given,
    pairs,
    parsed,
    tags,
    unpaired,
)

AT_ONCE = 20
"""Parameters that one request changes."""


def tagged(kind: str, named: Callable[[Context, str], str] = lambda ctx, identifier: identifier, region: str | None = None) -> Part:
    """The tags of a resource of a kind; `named`: the last word of its ARN."""

    def arn(ctx: Context, identifier: str) -> str:
        return ctx.arn(f"{kind}:{named(ctx, identifier)}", service="rds", region=region)

    return tags(
        read=lambda ctx, identifier: pairs(ctx.call("rds", "ListTagsForResource", {"ResourceName": arn(ctx, identifier)})["TagList"]),
        add=lambda ctx, identifier, added: ctx.call(
            "rds", "AddTagsToResource", {"ResourceName": arn(ctx, identifier), "Tags": unpaired(added)}
        ),
        remove=lambda ctx, identifier, keys: ctx.call(
            "rds", "RemoveTagsFromResource", {"ResourceName": arn(ctx, identifier), "TagKeys": keys}
        ),
    )


def listed(operation: str, answer: str, name: str) -> Callable[[Context], Iterable[str]]:
    """All identifiers that a Describe operation gives, but of what is there by itself."""
    return lambda ctx: (
        one[name] for one in every(ctx, "rds", operation, {}, answer, "Marker") if not str(one[name]).startswith(("default.", "default:"))
    )


# Parameter groups: of instances and of clusters


def _parameters(properties: Properties) -> dict[str, str]:
    held = properties.get("Parameters") or {}
    values = parsed(held) if isinstance(held, str) else held
    return {name: str(int(value) if isinstance(value, bool) else value) for name, value in values.items()}


def _parameter_group(word: str, kind: str, plural: str, more: tuple[str, ...]) -> ResourceType:
    """`word`: "DBParameterGroup"; `plural`: how its parameters are described; `more`: what its description shows beside the name."""
    name = f"{word}Name"

    def create(ctx: Context, properties: Properties) -> str:
        members = given(
            **{name: properties[name]},
            DBParameterGroupFamily=properties["Family"],
            Description=properties["Description"],
            Tags=properties.get("Tags"),
        )
        made: str = ctx.call("rds", f"Create{word}", members)[word][name]
        return made

    def read(ctx: Context, identifier: str) -> Properties:
        one = ctx.call("rds", f"Describe{word}s", {name: identifier})[f"{word}s"][0]
        values = every(ctx, "rds", plural, {name: identifier, "Source": "user"}, "Parameters", "Marker")
        return {
            **{shown: one[shown] for shown in (name, *more)},
            "Family": one["DBParameterGroupFamily"],
            "Description": one["Description"],
            "Parameters": {value["ParameterName"]: value["ParameterValue"] for value in values},
        }

    def methods(ctx: Context, identifier: str, names: Iterable[str]) -> dict[str, str]:
        wanted = [{"Name": "parameter-name", "Values": sorted(names)}]
        known = every(ctx, "rds", plural, {name: identifier, "Filters": wanted}, "Parameters", "Marker")
        return {one["ParameterName"]: "immediate" if one["ApplyType"] == "dynamic" else "pending-reboot" for one in known}

    def put(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
        old, new = _parameters(before), _parameters(after)
        changed = {key: value for key, value in new.items() if old.get(key) != value}
        gone = sorted(old.keys() - new.keys())
        if not changed and not gone:
            return
        how = methods(ctx, identifier, {*changed, *gone})
        asked = [
            {"ParameterName": key, "ParameterValue": value, "ApplyMethod": how.get(key, "immediate")} for key, value in changed.items()
        ]
        for start in range(0, len(asked), AT_ONCE):
            ctx.call("rds", f"Modify{word}", {name: identifier, "Parameters": asked[start : start + AT_ONCE]})
        for start in range(0, len(gone), AT_ONCE):
            reset = [{"ParameterName": key, "ApplyMethod": how[key]} for key in gone[start : start + AT_ONCE]]
            ctx.call("rds", f"Reset{word}", {name: identifier, "Parameters": reset})

    return ResourceType(
        f"AWS::RDS::{word}",
        create=create,
        made_with=(name, "Family", "Description", "Tags"),
        read=read,
        delete=lambda ctx, identifier, properties: ctx.call("rds", f"Delete{word}", {name: identifier}),
        list=listed(f"Describe{word}s", f"{word}s", name),
        parts=(Part(("Parameters",), put), tagged(kind)),
        naming=Naming(name, 255, lower=True),
        absent=("DBParameterGroupNotFoundFault",),
        present=("DBParameterGroupAlreadyExistsFault",),
    )


PARAMETER_GROUP = _parameter_group("DBParameterGroup", "pg", "DescribeDBParameters", ("DBParameterGroupArn",))
CLUSTER_PARAMETER_GROUP = _parameter_group("DBClusterParameterGroup", "cluster-pg", "DescribeDBClusterParameters", ())


# Subnet groups


def _create_subnet_group(ctx: Context, properties: Properties) -> str:
    made: str = ctx.call("rds", "CreateDBSubnetGroup", properties)["DBSubnetGroup"]["DBSubnetGroupName"]
    return made


def _read_subnet_group(ctx: Context, identifier: str) -> Properties:
    one = ctx.call("rds", "DescribeDBSubnetGroups", {"DBSubnetGroupName": identifier})["DBSubnetGroups"][0]
    shown = {name: one[name] for name in ("DBSubnetGroupName", "DBSubnetGroupDescription", "DBSubnetGroupArn")}
    return {**shown, "SubnetIds": [subnet["SubnetIdentifier"] for subnet in one["Subnets"]]}


def _put_subnet_group(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    members = {name: after[name] for name in ("DBSubnetGroupDescription", "SubnetIds")}
    ctx.call("rds", "ModifyDBSubnetGroup", {"DBSubnetGroupName": identifier, **members})


SUBNET_GROUP = ResourceType(
    "AWS::RDS::DBSubnetGroup",
    create=_create_subnet_group,
    made_with=("DBSubnetGroupName", "DBSubnetGroupDescription", "SubnetIds", "Tags"),
    read=_read_subnet_group,
    delete=lambda ctx, identifier, properties: ctx.call("rds", "DeleteDBSubnetGroup", {"DBSubnetGroupName": identifier}),
    list=lambda ctx: (name for name in listed("DescribeDBSubnetGroups", "DBSubnetGroups", "DBSubnetGroupName")(ctx) if name != "default"),
    parts=(Part(("DBSubnetGroupDescription", "SubnetIds"), _put_subnet_group), tagged("subgrp")),
    naming=Naming("DBSubnetGroupName", 255, lower=True),
    absent=("DBSubnetGroupNotFoundFault",),
    present=("DBSubnetGroupAlreadyExistsFault",),
)


# Option groups


def _create_option_group(ctx: Context, properties: Properties) -> str:
    members = {name: value for name, value in properties.items() if name != "OptionConfigurations"}
    made: str = ctx.call("rds", "CreateOptionGroup", members)["OptionGroup"]["OptionGroupName"]
    return made


def _read_option_group(ctx: Context, identifier: str) -> Properties:
    one = ctx.call("rds", "DescribeOptionGroups", {"OptionGroupName": identifier})["OptionGroupsList"][0]
    return {name: one[name] for name in ("OptionGroupName", "EngineName", "MajorEngineVersion", "OptionGroupDescription")}


def _put_options(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    asked = after.get("OptionConfigurations")
    if asked:
        ctx.call("rds", "ModifyOptionGroup", {"OptionGroupName": identifier, "OptionsToInclude": asked})


OPTION_GROUP = ResourceType(
    "AWS::RDS::OptionGroup",
    create=_create_option_group,
    made_with=("OptionGroupName", "EngineName", "MajorEngineVersion", "OptionGroupDescription", "Tags"),
    read=_read_option_group,
    delete=lambda ctx, identifier, properties: ctx.call("rds", "DeleteOptionGroup", {"OptionGroupName": identifier}),
    list=listed("DescribeOptionGroups", "OptionGroupsList", "OptionGroupName"),
    parts=(Part(("OptionConfigurations",), _put_options), tagged("og")),
    naming=Naming("OptionGroupName", 255, lower=True),
    absent=("OptionGroupNotFoundFault",),
    present=("OptionGroupAlreadyExistsFault",),
)


# Event subscriptions


def _subscription(ctx: Context, identifier: str) -> dict[str, Any]:
    asked = {"SubscriptionName": identifier}
    one: dict[str, Any] = ctx.call("rds", "DescribeEventSubscriptions", asked)["EventSubscriptionsList"][0]
    return one


def _create_subscription(ctx: Context, properties: Properties) -> str:
    name = properties["SubscriptionName"]
    if found(lambda: _subscription(ctx, name), "SubscriptionNotFoundFault"):
        raise exists("AWS::RDS::EventSubscription", name)
    made: str = ctx.call("rds", "CreateEventSubscription", properties)["EventSubscription"]["CustSubscriptionId"]
    return made


def _read_subscription(ctx: Context, identifier: str) -> Properties:
    one = _subscription(ctx, identifier)
    return given(
        SubscriptionName=one["CustSubscriptionId"],
        SnsTopicArn=one["SnsTopicArn"],
        SourceType=one.get("SourceType"),
        EventCategories=one.get("EventCategoriesList"),
        Enabled=one["Enabled"],
    )


def _put_subscription(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    members = given(
        SourceType=after.get("SourceType"), EventCategories=after.get("EventCategories") or [], Enabled=after.get("Enabled", True)
    )
    ctx.call("rds", "ModifyEventSubscription", {"SubscriptionName": identifier, **members})


def _source(operation: str) -> Callable[[Context, str, Any], object]:
    return lambda ctx, identifier, name: ctx.call("rds", operation, {"SubscriptionName": identifier, "SourceIdentifier": name})


EVENT_SUBSCRIPTION = ResourceType(
    "AWS::RDS::EventSubscription",
    create=_create_subscription,
    made_with=("SubscriptionName", "SnsTopicArn", "SourceType", "SourceIds", "EventCategories", "Enabled", "Tags"),
    read=_read_subscription,
    delete=lambda ctx, identifier, properties: ctx.call("rds", "DeleteEventSubscription", {"SubscriptionName": identifier}),
    list=listed("DescribeEventSubscriptions", "EventSubscriptionsList", "CustSubscriptionId"),
    parts=(
        Part(("SourceType", "EventCategories", "Enabled"), _put_subscription),
        each(
            "SourceIds",
            _source("AddSourceIdentifierToSubscription"),
            _source("RemoveSourceIdentifierFromSubscription"),
            lambda ctx, identifier: list(_subscription(ctx, identifier).get("SourceIdsList") or ()),
        ),
        tagged("es"),
    ),
    naming=Naming("SubscriptionName", 255, lower=True),
    absent=("SubscriptionNotFoundFault",),
    present=("Present", "SubscriptionAlreadyExistFault"),
)


def more() -> tuple[ResourceType, ...]:
    """All types that surround databases."""
    from fogbank.services.rds import resources_proxies

    groups = (PARAMETER_GROUP, CLUSTER_PARAMETER_GROUP, SUBNET_GROUP, OPTION_GROUP, EVENT_SUBSCRIPTION)
    return (*groups, *resources_proxies.TYPES)
