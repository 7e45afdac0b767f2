"""Lines on their way into CloudWatch Logs, as a role: the group and the stream are made with the first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException


def put(ctx: Context, role: Role, group: str, stream: str, lines: Iterable[str], *, days: int = 0) -> None:
    """Puts lines into a stream. `days`: how long a group that is made keeps them. Errors: those of CloudWatch Logs, AccessDenied."""
    named = {"logGroupName": group, "logStreamName": stream}
    events = {**named, "logEvents": [{"timestamp": ctx.now, "message": line} for line in lines]}
    try:
        ctx.call("logs", "PutLogEvents", events, acting=role)
    except ServiceException as refused:
        if refused.code != "ResourceNotFoundException":
            raise
        if _made(ctx, role, "CreateLogGroup", {"logGroupName": group}) and days:
            ctx.call("logs", "PutRetentionPolicy", {"logGroupName": group, "retentionInDays": days}, acting=role)
        _made(ctx, role, "CreateLogStream", named)
        ctx.call("logs", "PutLogEvents", events, acting=role)


def _made(ctx: Context, role: Role, operation: str, members: dict[str, Any]) -> bool:
    """Whether it was not there before."""
    try:
        ctx.call("logs", operation, members, acting=role)
    except ServiceException as there:
        if there.code != "ResourceAlreadyExistsException":
            raise
        return False
    return True
