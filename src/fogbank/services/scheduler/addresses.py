"""How groups and schedules are named, and finding them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.scheduler.state import DEFAULT, GROUPS, SCHEDULES, Group, Schedule


def _arn(account: str, region: str, resource: str) -> str:
    return f"arn:{partition_of(region)}:scheduler:{region}:{account}:{resource}"


def group_arn(group: Group) -> str:
    return _arn(group.account, group.region, f"schedule-group/{group.name}")


def schedule_arn(schedule: Schedule) -> str:
    return _arn(schedule.account, schedule.region, f"schedule/{schedule.group}/{schedule.name}")


def invalid(message: str) -> ServiceException:
    return ServiceException("ValidationException", message)


def get_group(ctx: Context, account: str, region: str, name: str) -> Group | None:
    group = GROUPS.get(ctx, account, region, name)
    return Group(account=account, region=region, name=DEFAULT) if group is None and name == DEFAULT else group


def group_at(ctx: Context, name: str | None) -> Group:
    """Raises ResourceNotFoundException."""
    group = get_group(ctx, ctx.account, ctx.region, name or DEFAULT)
    if group is None:
        raise ServiceException("ResourceNotFoundException", f"Schedule group {name} does not exist.")
    return group


def schedule_at(ctx: Context, group: str | None, name: str) -> Schedule:
    """Raises ResourceNotFoundException."""
    schedule = SCHEDULES.get(ctx, ctx.account, ctx.region, group or DEFAULT, name)
    if schedule is None:
        raise ServiceException("ResourceNotFoundException", f"Schedule {name} does not exist.")
    return schedule


def group_of_arn(ctx: Context, arn: str) -> Group:
    """Raises ResourceNotFoundException."""
    parts = Arn.parse(arn)
    name = parts.resource.removeprefix("schedule-group/") if parts is not None else arn
    if parts is None or (parts.account, parts.region) != (ctx.account, ctx.region):
        raise ServiceException("ResourceNotFoundException", f"Schedule group {name} does not exist.")
    return group_at(ctx, name)


# For the door


def schedule_of_request(ctx: Context, req: Any) -> str:
    return _arn(ctx.account, ctx.region, f"schedule/{req.GroupName or DEFAULT}/{req.Name}")


def group_of_request(ctx: Context, req: Any) -> str | None:
    arn: str | None = getattr(req, "ResourceArn", None)
    return arn or _arn(ctx.account, ctx.region, f"schedule-group/{req.Name}")


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    """A group's own tags; a schedule has those of its group."""
    parts = Arn.parse(arn)
    path = parts.resource.split("/") if parts is not None else []
    group = get_group(ctx, parts.account, parts.region, path[1]) if parts is not None and len(path) > 1 else None
    return group.tags if group else None
