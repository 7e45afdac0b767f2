"""Schedules and schedule groups as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Naming, Part, Properties, ResourceType, absent, every, not_updatable, tags, unpaired
from fogbank.wire import instants

MISSING = "ResourceNotFoundException"
_INSTANTS = ("StartDate", "EndDate")
_PLAIN = (
    "Description",
    "FlexibleTimeWindow",
    "KmsKeyArn",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "State",
    "Target",
)


def _text(at_ms: int) -> str:
    return instants.iso8601(at_ms)


def _members(properties: Properties) -> Properties:
    members = {name: properties[name] for name in ("Name", "GroupName", *_PLAIN) if properties.get(name) is not None}
    return members | {name: instants.parse(properties[name]) for name in _INSTANTS if properties.get(name)}


def _group_of(ctx: Context, name: str) -> str:
    """The group of a schedule that is known by its name alone."""
    for one in every(ctx, "scheduler", "ListSchedules", {"NamePrefix": name}, "Schedules"):
        if one["Name"] == name:
            group: str = one["GroupName"]
            return group
    raise absent("AWS::Scheduler::Schedule", name)


def _read(ctx: Context, name: str) -> Properties:
    held = ctx.call("scheduler", "GetSchedule", {"Name": name, "GroupName": _group_of(ctx, name)})
    window = {key: value for key, value in held["FlexibleTimeWindow"].items() if value is not None}
    target = {key: value for key, value in held["Target"].items() if value is not None}
    shown = {key: held[key] for key in ("Name", "GroupName", "Arn", *_PLAIN) if held.get(key) is not None}
    dates = {key: _text(held[key]) for key in _INSTANTS if held.get(key)}
    return {**shown, **dates, "FlexibleTimeWindow": window, "Target": target}


def _create(ctx: Context, properties: Properties) -> str:
    ctx.call("scheduler", "CreateSchedule", _members(properties))
    name: str = properties["Name"]
    return name


def _put(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    ctx.call("scheduler", "UpdateSchedule", {**_members(after), "Name": name, "GroupName": _group_of(ctx, name)})


SCHEDULE = ResourceType(
    "AWS::Scheduler::Schedule",
    create=_create,
    made_with=("Name", "GroupName", *_PLAIN, *_INSTANTS),
    read=_read,
    delete=lambda ctx, name, properties: ctx.call("scheduler", "DeleteSchedule", {"Name": name, "GroupName": _group_of(ctx, name)}),
    list=lambda ctx: [one["Name"] for one in every(ctx, "scheduler", "ListSchedules", {}, "Schedules")],
    parts=(Part((*_PLAIN, *_INSTANTS), _put), not_updatable("AWS::Scheduler::Schedule", "GroupName")),
    naming=Naming("Name", 64),
    absent=(MISSING, "Absent"),
    present=("ConflictException",),
)


def _read_group(ctx: Context, name: str) -> Properties:
    held = ctx.call("scheduler", "GetScheduleGroup", {"Name": name})
    dates = {key: _text(held[key]) for key in ("CreationDate", "LastModificationDate") if held.get(key)}
    return {"Name": held["Name"], "Arn": held["Arn"], "State": held["State"], **dates}


def _create_group(ctx: Context, properties: Properties) -> str:
    name: str = properties["Name"]
    ctx.call("scheduler", "CreateScheduleGroup", {"Name": name, "Tags": properties.get("Tags") or []})
    return name


def _ask(ctx: Context, operation: str, name: str, **members: Any) -> Any:
    return ctx.call("scheduler", operation, {"ResourceArn": ctx.arn(f"schedule-group/{name}", service="scheduler"), **members})


def _gone(ctx: Context, name: str) -> bool:
    return name not in [one["Name"] for one in every(ctx, "scheduler", "ListScheduleGroups", {}, "ScheduleGroups")]


GROUP = ResourceType(
    "AWS::Scheduler::ScheduleGroup",
    create=_create_group,
    made_with=("Name", "Tags"),
    read=_read_group,
    delete=lambda ctx, name, properties: ctx.call("scheduler", "DeleteScheduleGroup", {"Name": name}),
    list=lambda ctx: [one["Name"] for one in every(ctx, "scheduler", "ListScheduleGroups", {}, "ScheduleGroups")],
    parts=(
        tags(
            read=lambda ctx, name: {tag["Key"]: tag["Value"] for tag in _ask(ctx, "ListTagsForResource", name)["Tags"]},
            add=lambda ctx, name, added: _ask(ctx, "TagResource", name, Tags=unpaired(added)),
            remove=lambda ctx, name, keys: _ask(ctx, "UntagResource", name, TagKeys=keys),
        ),
    ),
    naming=Naming("Name", 64),
    absent=(MISSING,),
    present=("ConflictException",),
    gone=_gone,
)

TYPES = (SCHEDULE, GROUP)
