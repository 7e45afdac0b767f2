"""Buses, rules, archives, connections, API destinations and bus policies as CloudFormation has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    every,
    exists,
    found,
    given,
    not_updatable,
    parsed,
    tags,
    unpaired,
)
from fogbank.services.events.addresses import rule_of_arn

MISSING = "ResourceNotFoundException"


def _picked(members: Any, *names: str) -> Properties:
    """Some members of an answer, those that have a value."""
    return {name: members[name] for name in names if members.get(name) is not None}


def _tags(arn: Callable[[Context, str], str]) -> Part:
    def ask(ctx: Context, operation: str, identifier: str, **members: Any) -> Any:
        return ctx.call("events", operation, {"ResourceARN": arn(ctx, identifier), **members})

    return tags(
        read=lambda ctx, id: {tag["Key"]: tag["Value"] for tag in ask(ctx, "ListTagsForResource", id)["Tags"]},
        add=lambda ctx, id, added: ask(ctx, "TagResource", id, Tags=unpaired(added)),
        remove=lambda ctx, id, keys: ask(ctx, "UntagResource", id, TagKeys=keys),
    )


# Buses

_BUS = ("Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig")


def _read_bus(ctx: Context, name: str) -> Properties:
    held = ctx.call("events", "DescribeEventBus", {"Name": name})
    policy = parsed(held["Policy"]) if held.get("Policy") else None
    return {**_picked(held, "Name", "Arn", *_BUS), **given(Policy=policy)}


def _create_bus(ctx: Context, properties: Properties) -> str:
    ctx.call("events", "CreateEventBus", _picked(properties, "Name", "EventSourceName", "Tags", *_BUS))
    name: str = properties["Name"]
    return name


def _put_bus(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    nothing: Properties = {"Description": "", "KmsKeyIdentifier": "", "DeadLetterConfig": {}, "LogConfig": {"Level": "OFF"}}
    ctx.call("events", "UpdateEventBus", {"Name": name, **{n: after.get(n, nothing[n]) for n in _BUS if before.get(n) != after.get(n)}})


def _put_policy(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    if after.get("Policy") is None:
        ctx.call("events", "RemovePermission", {"EventBusName": name, "RemoveAllPermissions": True})
    else:
        ctx.call("events", "PutPermission", {"EventBusName": name, "Policy": document(after["Policy"])})


def _delete_bus(ctx: Context, name: str, properties: Properties) -> None:
    _read_bus(ctx, name)
    ctx.call("events", "DeleteEventBus", {"Name": name})


BUS = ResourceType(
    "AWS::Events::EventBus",
    create=_create_bus,
    made_with=("Name", "EventSourceName", "Tags", *_BUS),
    read=_read_bus,
    delete=_delete_bus,
    list=lambda ctx: [bus["Name"] for bus in every(ctx, "events", "ListEventBuses", {}, "EventBuses")],
    parts=(
        Part(_BUS, _put_bus),
        Part(("Policy",), _put_policy),
        not_updatable("AWS::Events::EventBus", "EventSourceName"),
        _tags(lambda ctx, name: ctx.arn(f"event-bus/{name}", service="events")),
    ),
    absent=(MISSING,),
    present=("ResourceAlreadyExistsException",),
)


# Rules

_RULE = ("Description", "EventPattern", "RoleArn", "ScheduleExpression", "State")


def _where(arn: str) -> dict[str, str]:
    """How a rule is named."""
    named = rule_of_arn(arn)
    if named is None:
        raise absent("AWS::Events::Rule", arn)
    return {"EventBusName": named[0].name, "Name": named[1]}


def _targets_of(arn: str) -> dict[str, str]:
    where = _where(arn)
    return {"EventBusName": where["EventBusName"], "Rule": where["Name"]}


def _read_rule(ctx: Context, arn: str) -> Properties:
    held = ctx.call("events", "DescribeRule", _where(arn))
    pattern = parsed(held["EventPattern"]) if held.get("EventPattern") else None
    return {
        **_picked(held, "Name", "Arn", "EventBusName", *_RULE),
        **given(EventPattern=pattern),
        "RuleName": held["Name"],
        "Targets": [_picked(one, *one) for one in every(ctx, "events", "ListTargetsByRule", _targets_of(arn), "Targets")] or None,
    }


def _members(properties: Properties) -> Properties:
    members = _picked(properties, "Name", "EventBusName", *_RULE)
    return members | ({"EventPattern": document(members["EventPattern"])} if "EventPattern" in members else {})


def _create_rule(ctx: Context, properties: Properties) -> str:
    where = _picked(properties, "Name", "EventBusName")
    if found(lambda: ctx.call("events", "DescribeRule", where), MISSING):
        raise exists("AWS::Events::Rule", properties["Name"])
    arn: str = ctx.call("events", "PutRule", _members(properties) | _picked(properties, "Tags"))["RuleArn"]
    return arn


def _put_rule(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    ctx.call("events", "PutRule", _members(after) | _where(arn))


def _put_targets(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    old, new = before.get("Targets") or [], after.get("Targets") or []
    gone = {target["Id"] for target in old} - {target["Id"] for target in new}
    if gone:
        ctx.call("events", "RemoveTargets", {**_targets_of(arn), "Ids": sorted(gone)})
    if changed := [target for target in new if target not in old]:
        ctx.call("events", "PutTargets", {**_targets_of(arn), "Targets": changed})


def _delete_rule(ctx: Context, arn: str, properties: Properties) -> None:
    held = _read_rule(ctx, arn)
    _put_targets(ctx, arn, held, {})
    ctx.call("events", "DeleteRule", _where(arn))


def _list_rules(ctx: Context) -> Iterable[str]:
    for bus in every(ctx, "events", "ListEventBuses", {}, "EventBuses"):
        for rule in every(ctx, "events", "ListRules", {"EventBusName": bus["Name"]}, "Rules"):
            yield rule["Arn"]


RULE = ResourceType(
    "AWS::Events::Rule",
    create=_create_rule,
    made_with=("Name", "EventBusName", "Tags", *_RULE),
    read=_read_rule,
    delete=_delete_rule,
    list=_list_rules,
    parts=(
        Part(_RULE, _put_rule),
        Part(("Targets",), _put_targets),
        not_updatable("AWS::Events::Rule", "EventBusName"),
        _tags(lambda ctx, arn: arn),
    ),
    naming=Naming("Name", 64),
    absent=(MISSING, "Absent"),
    present=("Present",),
)


# Archives

_ARCHIVE = ("Description", "EventPattern", "KmsKeyIdentifier", "RetentionDays")


def _read_archive(ctx: Context, name: str) -> Properties:
    held = ctx.call("events", "DescribeArchive", {"ArchiveName": name})
    pattern = parsed(held["EventPattern"]) if held.get("EventPattern") else None
    return {
        **_picked(held, "ArchiveName", *_ARCHIVE),
        **given(EventPattern=pattern),
        "Arn": held["ArchiveArn"],
        "SourceArn": held["EventSourceArn"],
    }


def _archive(properties: Properties) -> Properties:
    nothing: Properties = {"Description": "", "EventPattern": "", "KmsKeyIdentifier": "", "RetentionDays": 0}
    members = {**nothing, **_picked(properties, *_ARCHIVE)}
    return {**members, "EventPattern": document(members["EventPattern"])}


def _create_archive(ctx: Context, properties: Properties) -> str:
    name: str = properties["ArchiveName"]
    ctx.call("events", "CreateArchive", {**_archive(properties), "ArchiveName": name, "EventSourceArn": properties["SourceArn"]})
    return name


ARCHIVE = ResourceType(
    "AWS::Events::Archive",
    create=_create_archive,
    made_with=("ArchiveName", "SourceArn", *_ARCHIVE),
    read=_read_archive,
    delete=lambda ctx, name, properties: ctx.call("events", "DeleteArchive", {"ArchiveName": name}),
    list=lambda ctx: [one["ArchiveName"] for one in every(ctx, "events", "ListArchives", {}, "Archives")],
    parts=(Part(_ARCHIVE, lambda ctx, name, old, new: ctx.call("events", "UpdateArchive", {**_archive(new), "ArchiveName": name})),),
    naming=Naming("ArchiveName", 48),
    absent=(MISSING,),
    present=("ResourceAlreadyExistsException",),
)


# Connections and API destinations

_CONNECTION = ("AuthorizationType", "AuthParameters", "Description", "KmsKeyIdentifier")
_DESTINATION = ("ConnectionArn", "Description", "HttpMethod", "InvocationEndpoint", "InvocationRateLimitPerSecond")


def _for_policy(arn: str) -> str:
    """An ARN without the id at its end, as policies name it."""
    return arn.rpartition("/")[0]


def _read_connection(ctx: Context, name: str) -> Properties:
    held = ctx.call("events", "DescribeConnection", {"Name": name})
    arn = held["ConnectionArn"]
    return {**_picked(held, "Name", "SecretArn", *_CONNECTION), "Arn": arn, "ArnForPolicy": _for_policy(arn)}


def _create_connection(ctx: Context, properties: Properties) -> str:
    ctx.call("events", "CreateConnection", _picked(properties, "Name", *_CONNECTION))
    name: str = properties["Name"]
    return name


def _put_connection(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    changed = {n: after.get(n, "") for n in _CONNECTION if before.get(n) != after.get(n)}
    ctx.call("events", "UpdateConnection", {**changed, "Name": name})


CONNECTION = ResourceType(
    "AWS::Events::Connection",
    create=_create_connection,
    made_with=("Name", *_CONNECTION),
    read=_read_connection,
    delete=lambda ctx, name, properties: ctx.call("events", "DeleteConnection", {"Name": name}),
    list=lambda ctx: [one["Name"] for one in every(ctx, "events", "ListConnections", {}, "Connections")],
    parts=(Part(_CONNECTION, _put_connection),),
    naming=Naming("Name", 64),
    absent=(MISSING,),
    present=("ResourceAlreadyExistsException",),
)


def _read_destination(ctx: Context, name: str) -> Properties:
    held = ctx.call("events", "DescribeApiDestination", {"Name": name})
    arn = held["ApiDestinationArn"]
    return {**_picked(held, "Name", *_DESTINATION), "Arn": arn, "ArnForPolicy": _for_policy(arn)}


def _create_destination(ctx: Context, properties: Properties) -> str:
    ctx.call("events", "CreateApiDestination", _picked(properties, "Name", *_DESTINATION))
    name: str = properties["Name"]
    return name


def _put_destination(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    nothing: Properties = {"Description": "", "InvocationRateLimitPerSecond": 300}
    ctx.call("events", "UpdateApiDestination", {**nothing, **_picked(after, *_DESTINATION), "Name": name})


DESTINATION = ResourceType(
    "AWS::Events::ApiDestination",
    create=_create_destination,
    made_with=("Name", *_DESTINATION),
    read=_read_destination,
    delete=lambda ctx, name, properties: ctx.call("events", "DeleteApiDestination", {"Name": name}),
    list=lambda ctx: [one["Name"] for one in every(ctx, "events", "ListApiDestinations", {}, "ApiDestinations")],
    parts=(Part(_DESTINATION, _put_destination),),
    naming=Naming("Name", 64),
    absent=(MISSING,),
    present=("ResourceAlreadyExistsException",),
)


# Policies: statements of a bus's policy

_SHORT = ("Action", "Principal", "Condition")


def _statements(ctx: Context, bus: str) -> list[Any]:
    policy = _read_bus(ctx, bus).get("Policy") or {"Statement": []}
    listed = policy["Statement"]
    return listed if isinstance(listed, list) else [listed]


def _read_statement(ctx: Context, identifier: str) -> Properties:
    bus, _, id = identifier.partition("|")
    statement = next((one for one in _statements(ctx, bus) if one.get("Sid") == id), None)
    if statement is None:
        raise absent("AWS::Events::EventBusPolicy", identifier)
    return {"EventBusName": bus, "StatementId": id, "Statement": statement}


def _put_statement(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    bus, _, id = identifier.partition("|")
    if after.get("Statement") is None:
        ctx.call("events", "PutPermission", {"EventBusName": bus, "StatementId": id, **_picked(after, *_SHORT)})
        return
    statement = {**parsed(document(after["Statement"])), "Sid": id}
    kept = [one for one in _statements(ctx, bus) if one.get("Sid") != id]
    policy = document({"Version": "2012-10-17", "Statement": [*kept, statement]})
    ctx.call("events", "PutPermission", {"EventBusName": bus, "Policy": policy})


def _create_statement(ctx: Context, properties: Properties) -> str:
    identifier = f"{properties.get('EventBusName') or 'default'}|{properties['StatementId']}"
    if found(lambda: _read_statement(ctx, identifier), "Absent"):
        raise exists("AWS::Events::EventBusPolicy", identifier)
    _put_statement(ctx, identifier, {}, properties)
    return identifier


def _delete_statement(ctx: Context, identifier: str, properties: Properties) -> None:
    _read_statement(ctx, identifier)
    bus, _, id = identifier.partition("|")
    ctx.call("events", "RemovePermission", {"EventBusName": bus, "StatementId": id})


def _list_statements(ctx: Context) -> Iterable[str]:
    for bus in every(ctx, "events", "ListEventBuses", {}, "EventBuses"):
        for statement in _statements(ctx, bus["Name"]):
            if statement.get("Sid"):
                yield f"{bus['Name']}|{statement['Sid']}"


POLICY = ResourceType(
    "AWS::Events::EventBusPolicy",
    create=_create_statement,
    made_with=("EventBusName", "StatementId", "Statement", *_SHORT),
    read=_read_statement,
    delete=_delete_statement,
    list=_list_statements,
    parts=(Part(("Statement", *_SHORT), _put_statement),),
    absent=(MISSING, "Absent"),
    present=("Present",),
)

TYPES = (BUS, RULE, ARCHIVE, CONNECTION, DESTINATION, POLICY)
