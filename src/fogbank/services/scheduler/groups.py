"""Schedule groups."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.scheduler import paged, tagging
from fogbank.services.scheduler.addresses import group_arn, group_at, invalid
from fogbank.services.scheduler.state import DEFAULT, GROUPS, GROUPS_LIMIT, SCHEDULES, Group
from fogbank.store import change

PORTION = 200
"""Schedules deleted in one transaction."""


@operation("CreateScheduleGroup")
def create_schedule_group(ctx: Context, req: Any) -> Answer:
    """Makes a group; the same request with the same ClientToken is the same group. Limits: 500 groups.

    Errors: ConflictException, ServiceQuotaExceededException, ValidationException. Source: API reference, CreateScheduleGroup.
    """
    before = GROUPS.get(ctx, ctx.account, ctx.region, req.Name)
    if before is not None and before.token and before.token == req.ClientToken:
        return {"ScheduleGroupArn": group_arn(before)}
    if before is not None or req.Name == DEFAULT:
        raise ServiceException("ConflictException", f"Schedule group {req.Name} already exists.")
    if sum(1 for _ in GROUPS.scan(ctx, ctx.account, ctx.region)) >= GROUPS_LIMIT:
        raise ServiceException("ServiceQuotaExceededException", "The request failed because it exceeds a service quota.")
    group = Group(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        created_at_ms=ctx.now,
        modified_at_ms=ctx.now,
        tags=tagging.read(req.Tags),
        token=req.ClientToken or "",
    )
    GROUPS.put(ctx, group)
    return {"ScheduleGroupArn": group_arn(group)}


def _shown(group: Group) -> dict[str, Any]:
    return {
        "Arn": group_arn(group),
        "Name": group.name,
        "State": "DELETING" if group.deleting else "ACTIVE",
        "CreationDate": group.created_at_ms or None,
        "LastModificationDate": group.modified_at_ms or None,
    }


@operation("GetScheduleGroup")
def get_schedule_group(ctx: Context, req: Any) -> Answer:
    """A group; the default group is always there. Errors: ResourceNotFoundException. Source: API reference, GetScheduleGroup."""
    return _shown(group_at(ctx, req.Name))


@operation("ListScheduleGroups")
def list_schedule_groups(ctx: Context, req: Any) -> Answer:
    """The groups of the account in the region, by name, the default group among them. Source: API reference, ListScheduleGroups."""
    groups = {group.name: group for group in GROUPS.scan(ctx, ctx.account, ctx.region)}
    groups.setdefault(DEFAULT, Group(account=ctx.account, region=ctx.region, name=DEFAULT))
    after, prefix = paged.after(req), req.NamePrefix or ""
    names = sorted(name for name in groups if name.startswith(prefix) and name > after)
    page, token = paged.page(req, names, str)
    return {"ScheduleGroups": [_shown(groups[name]) for name in page], "NextToken": token}


@operation("DeleteScheduleGroup")
def delete_schedule_group(ctx: Context, req: Any) -> Answer:
    """Deletes a group with its schedules: it is DELETING until they are gone.

    Errors: ResourceNotFoundException, ConflictException (it is being deleted), ValidationException (the default group).
    Source: API reference, DeleteScheduleGroup.
    """
    group = group_at(ctx, req.Name)
    if group.name == DEFAULT:
        raise invalid("Default schedule group cannot be deleted.")
    if group.deleting:
        raise ServiceException("ConflictException", f"Schedule group {group.name} is being deleted.")
    GROUPS.put(ctx, change(group, deleting=True, modified_at_ms=ctx.now))
    ctx.later("scheduler.delete_group", {"account": group.account, "region": group.region, "group": group.name})
    return None


@task("delete_group")
def delete_group(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes the schedules of a group, in portions, then the group."""
    group = GROUPS.get(ctx, payload["account"], payload["region"], payload["group"])
    if group is None or not group.deleting:
        return None
    portion = list(islice(SCHEDULES.scan(ctx, group.account, group.region, group.name), PORTION))
    for schedule in portion:
        SCHEDULES.delete(ctx, schedule)
    if len(portion) == PORTION:
        ctx.later("scheduler.delete_group", payload)
    else:
        GROUPS.delete(ctx, group)
    return None
