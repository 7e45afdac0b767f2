"""Schedules."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from fogbank.delivery import targets
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.languages import documents
from fogbank.services.scheduler import encryption, paged, planning, universal
from fogbank.services.scheduler.addresses import group_arn, group_at, invalid, schedule_arn, schedule_at
from fogbank.services.scheduler.state import SCHEDULES, Group, Schedule
from fogbank.store import change
from fogbank.wire.given import plain

PRINCIPAL = "scheduler.amazonaws.com"
LATE_START_MS = 300_000
ELSEWHERE = (
    "EcsParameters",
    "SageMakerPipelineParameters",
    "EventBridgePutEventsV2Parameters",
    "EventBridgePutRawEventsParameters",
)
"""Parameters of targets that do not exist here."""
TEMPLATED = {
    "lambda": "function:",
    "sqs": "",
    "sns": "",
    "kinesis": "stream/",
    "firehose": "deliverystream/",
    "events": "event-bus/",
    **dict.fromkeys(("codebuild", "codepipeline", "ecs", "inspector", "sagemaker", "states"), ""),
}
"""The services of templated targets -> how the ARN's resource begins."""
WITH_JSON = ("lambda", "states", "events")


@operation("CreateSchedule")
def create_schedule(ctx: Context, req: Any) -> Answer:
    """Makes a schedule: at(...), rate(...) or cron(...) in a time zone (UTC), from StartDate to EndDate, within a flexible window or not.

    The role must trust Scheduler, and needs iam:PassRole. A rate without StartDate begins at once. The same request with the same
    ClientToken is the same schedule.
    Errors: ConflictException, ResourceNotFoundException (no such group), ValidationException. Source: API reference, CreateSchedule.
    """
    group = group_at(ctx, req.GroupName)
    if group.deleting:
        raise ServiceException("ConflictException", f"Schedule group {group.name} is being deleted.")
    asked = sha256(msgspec.json.encode(req)).digest()
    before = SCHEDULES.get(ctx, group.account, group.region, group.name, req.Name)
    if before is not None:
        if before.token and before.token == req.ClientToken and before.asked == asked:
            return {"ScheduleArn": schedule_arn(before)}
        raise ServiceException("ConflictException", f"Schedule {req.Name} already exists.")
    schedule = Schedule(
        account=group.account,
        region=group.region,
        group=group.name,
        name=req.Name,
        expression="",
        zone="",
        target_arn="",
        role_arn="",
        created_at_ms=ctx.now,
        modified_at_ms=ctx.now,
        token=req.ClientToken or "",
        asked=asked,
        id=ctx.tx.unique(),
    )
    return _put(ctx, schedule, req)


@operation("UpdateSchedule")
def update_schedule(ctx: Context, req: Any) -> Answer:
    """Replaces a schedule: what is not given has its default again.

    Errors: ResourceNotFoundException, ValidationException. Source: API reference, UpdateSchedule.
    """
    before = schedule_at(ctx, req.GroupName, req.Name)
    return _put(ctx, change(before, modified_at_ms=ctx.now, version=before.version + 1, token="", asked=b""), req)


def _put(ctx: Context, schedule: Schedule, req: Any) -> Answer:
    """Puts a schedule with all that a request says, and plans it."""
    zone = req.ScheduleExpressionTimezone or "UTC"
    planning.read(req.ScheduleExpression, zone)
    settings, text = _target(ctx, req.Target), req.Target.Input
    schedule = change(
        schedule,
        expression=req.ScheduleExpression,
        zone=zone,
        target_arn=req.Target.Arn,
        role_arn=req.Target.RoleArn,
        state=req.State or "ENABLED",
        description=req.Description or "",
        start_ms=req.StartDate or 0,
        end_ms=req.EndDate or 0,
        window_minutes=_window(req.FlexibleTimeWindow),
        after=req.ActionAfterCompletion or "NONE",
        kms_key=req.KmsKeyArn or "",
        settings=settings,
    )
    _check_span(ctx, schedule)
    _check_role(ctx, schedule)
    schedule = planning.planned(ctx, encryption.sealed(ctx, schedule, text), ctx.now - 1)
    SCHEDULES.put(ctx, schedule)
    return {"ScheduleArn": schedule_arn(schedule)}


def _window(given: Any) -> int:
    minutes: int | None = given.MaximumWindowInMinutes
    if given.Mode == "FLEXIBLE" and not minutes:
        raise invalid("MaximumWindowInMinutes must be provided when flexible time window mode is set to FLEXIBLE.")
    if given.Mode == "OFF" and minutes:
        raise invalid("MaximumWindowInMinutes must not be provided when flexible time window mode is set to OFF.")
    return minutes or 0


def _check_span(ctx: Context, schedule: Schedule) -> None:
    if schedule.expression.startswith("at("):
        return
    if schedule.start_ms and schedule.start_ms < ctx.now - LATE_START_MS and schedule.version == 1:
        raise invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
    if schedule.end_ms and schedule.end_ms < ctx.now:
        raise invalid("The EndDate you specify cannot be in the past.")
    if schedule.start_ms and schedule.end_ms and schedule.end_ms <= schedule.start_ms:
        raise invalid("The EndDate you specify must come after the StartDate.")


def role_of(schedule: Schedule, session_name: str) -> Role:
    """A schedule's role; Scheduler takes it on on behalf of the group."""
    group = Group(account=schedule.account, region=schedule.region, name=schedule.group)
    return Role(schedule.role_arn, PRINCIPAL, session_name[:64], group_arn(group), schedule.account)


def _check_role(ctx: Context, schedule: Schedule) -> None:
    ctx.authorize("iam:PassRole", schedule.role_arn, iam__PassedToService=PRINCIPAL)
    try:
        ctx.as_role(role_of(schedule, "scheduler"))
    except ServiceException:
        raise invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.") from None


def _target(ctx: Context, given: Any) -> dict[str, Any]:
    """The settings of a target, checked. Raises ValidationException, NotImplemented."""
    for name in ELSEWHERE:
        if getattr(given, name) is not None:
            raise NotImplementedOperation("scheduler", ctx.operation, f"with {name}")
    settings: dict[str, Any] = plain(given)
    arn, text = settings.pop("Arn"), settings.pop("Input", None)
    settings.pop("RoleArn")
    if universal.is_universal(arn):
        universal.check(arn, text)
        return settings
    parts = Arn.parse(arn)
    if parts is None or not parts.resource.startswith(TEMPLATED.get(parts.service, "\0")):
        raise invalid(f"Provided Arn is not in correct format, or is not supported: {arn}.")
    targets.check(arn)
    if parts.service in WITH_JSON and text is not None and not _is_json(text):
        raise invalid("Input must be well-formed JSON for this target.")
    needed = {"events": "EventBridgeParameters", "kinesis": "KinesisParameters"}
    for service, name in {**needed, "sqs": "SqsParameters"}.items():
        if name in settings and parts.service != service:
            raise invalid(f"{name} is not supported for target {arn}.")
    if parts.service in needed and needed[parts.service] not in settings:
        raise invalid(f"{needed[parts.service]} must be provided for target {arn}.")
    if parts.service == "sqs" and arn.endswith(".fifo") and not settings.get("SqsParameters", {}).get("MessageGroupId"):
        raise invalid("MessageGroupId must be provided for a FIFO queue.")
    return settings


def _is_json(text: str) -> bool:
    try:
        documents.read(text)
    except documents.Malformed:
        return False
    return True


@operation("GetSchedule")
def get_schedule(ctx: Context, req: Any) -> Answer:
    """A schedule with its target; with a KMS key that needs kms:Decrypt. Errors: ResourceNotFoundException, ValidationException."""
    schedule = schedule_at(ctx, req.GroupName, req.Name)
    try:
        text = encryption.opened(ctx, schedule)
    except ServiceException as refused:
        raise invalid(f"The KMS key {schedule.kms_key} cannot be used: {refused.message}") from None
    minutes = schedule.window_minutes
    return {
        "Arn": schedule_arn(schedule),
        "GroupName": schedule.group,
        "Name": schedule.name,
        "ScheduleExpression": schedule.expression,
        "ScheduleExpressionTimezone": schedule.zone,
        "StartDate": schedule.start_ms or None,
        "EndDate": schedule.end_ms or None,
        "Description": schedule.description or None,
        "State": schedule.state,
        "CreationDate": schedule.created_at_ms,
        "LastModificationDate": schedule.modified_at_ms,
        "KmsKeyArn": schedule.kms_key or None,
        "Target": {
            "Arn": schedule.target_arn,
            "RoleArn": schedule.role_arn,
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185},
            "Input": text,
            **schedule.settings,
        },
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE" if minutes else "OFF", "MaximumWindowInMinutes": minutes or None},
        "ActionAfterCompletion": schedule.after,
    }


@operation("ListSchedules")
def list_schedules(ctx: Context, req: Any) -> Answer:
    """The schedules of the account in the region, of a group, in a state or with a prefix. Errors: ResourceNotFoundException."""
    prefix, after = req.NamePrefix or "", paged.after(req)
    if req.GroupName is not None:
        group = group_at(ctx, req.GroupName).name
        found = SCHEDULES.scan(ctx, ctx.account, ctx.region, group, starting=prefix, after=after.rpartition("/")[2])
    else:
        found = SCHEDULES.scan(ctx, ctx.account, ctx.region, after=tuple(after.split("/")) if after else None)
    wanted = (one for one in found if one.name.startswith(prefix) and req.State in (None, one.state))
    page, token = paged.page(req, wanted, lambda one: f"{one.group}/{one.name}")
    shown = [
        {
            "Arn": schedule_arn(one),
            "Name": one.name,
            "GroupName": one.group,
            "State": one.state,
            "CreationDate": one.created_at_ms,
            "LastModificationDate": one.modified_at_ms,
            "Target": {"Arn": one.target_arn},
        }
        for one in page
    ]
    return {"Schedules": shown, "NextToken": token}


@operation("DeleteSchedule")
def delete_schedule(ctx: Context, req: Any) -> Answer:
    """Deletes a schedule; an invocation that is to be tried again goes with it. Errors: ResourceNotFoundException."""
    SCHEDULES.delete(ctx, schedule_at(ctx, req.GroupName, req.Name))
    return None
