"""Alarms: put, described, switched, deleted. Composite ones are put in `composites`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudwatch import describing, history, transitions
from fogbank.services.cloudwatch.faults import bad_token, validation
from fogbank.services.cloudwatch.state import ALARMS, BY_PARENT, COMPOSITE, METRIC, RELATIONS, Alarm
from fogbank.store import change

PAGE_LIMIT = 50
NAMES_LIMIT = 100
_REFUSED = {
    "automate": "EC2 actions",
    "swf": "EC2 actions",
    "autoscaling": "Auto Scaling actions",
    "ssm": "Systems Manager actions",
    "ssm-incidents": "Systems Manager actions",
    "aiops": "investigations",
}


def check_name(name: str) -> None:
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise validation("AlarmName must not contain ASCII control characters")


def actions_of(ctx: Context, req: Any) -> dict[str, Any]:
    """The actions of an alarm, as its record has them. Errors: ValidationError; NotImplemented for what cannot be carried out."""
    found: dict[str, Any] = {"actions_enabled": req.ActionsEnabled is not False, "description": req.AlarmDescription}
    if req.ActionConfiguration is not None:
        raise NotImplementedOperation("cloudwatch", ctx.operation, "with ActionConfiguration")
    for member, field in (
        ("OKActions", "ok_actions"),
        ("AlarmActions", "alarm_actions"),
        ("InsufficientDataActions", "insufficient_actions"),
    ):
        found[field] = tuple(dict.fromkeys(getattr(req, member) or ()))
        for action in found[field]:
            _check_action(ctx, action)
    return found


def _check_action(ctx: Context, action: str) -> None:
    target = Arn.parse(action)
    if target is None:
        raise validation(f"Invalid arn syntax: {action}")
    if target.service in _REFUSED:
        raise NotImplementedOperation("cloudwatch", ctx.operation, f"with {_REFUSED[target.service]} ({action})")
    if target.service not in ("sns", "lambda"):
        raise validation(f"Unsupported alarm action: {action}")
    if target.region != ctx.region:
        raise validation(f"Invalid region {target.region} specified. Only {ctx.region} is supported.")


def put(ctx: Context, alarm: Alarm, old: Alarm | None) -> None:
    """Writes a new alarm, or the new configuration of one that is there; says so in its history and to the default bus."""
    ALARMS.put(ctx, alarm)
    made = old is None
    kept = {k: v for k, v in describing.describe(alarm).items() if v is not None}
    key = "createdAlarm" if made else "updatedAlarm"
    history.add(
        ctx,
        alarm,
        ctx.now,
        "ConfigurationUpdate",
        f'Alarm "{alarm.name}" {"created" if made else "updated"}',
        {"type": "Create" if made else "Update", key: {k[:1].lower() + k[1:]: v for k, v in kept.items()}},
    )
    detail = {**describing.event(alarm), "operation": "create" if made else "update", "state": describing.state(alarm)}
    if old is not None:
        detail["previousConfiguration"] = describing.configuration(old)
    transitions.tell(ctx, alarm, ctx.now, "CloudWatch Alarm Configuration Change", detail)


# Describing


@operation("DescribeAlarms")
def describe_alarms(ctx: Context, req: Any) -> Answer:
    """Alarms by name, by the beginning of their names, by state or action; metric alarms only, unless AlarmTypes says otherwise.

    The children or parents of a composite alarm are given with little more than their names. 50 at a time unless MaxRecords says so.
    Errors: InvalidNextToken, ValidationError. Source: API reference, DescribeAlarms.
    """
    after = paging.place(req.NextToken, bad_token)
    if req.AlarmNames and req.AlarmNamePrefix is not None:
        raise validation("AlarmNames and AlarmNamePrefix must not be used together")
    related = req.ChildrenOfAlarmName or req.ParentsOfAlarmName
    if related is not None:
        narrow = (req.AlarmNames, req.AlarmNamePrefix, req.AlarmTypes, req.StateValue, req.ActionPrefix)
        if any(narrow) or (req.ChildrenOfAlarmName and req.ParentsOfAlarmName):
            raise validation("ChildrenOfAlarmName and ParentsOfAlarmName can only be used with MaxRecords and NextToken")
    kinds = set(req.AlarmTypes or (METRIC,))
    found = _related(ctx, req, after) if related is not None else (a for a in _alarms(ctx, req, after) if a.kind in kinds)
    page, more = paging.page(found, req.MaxRecords or (NAMES_LIMIT if req.AlarmNames else PAGE_LIMIT))
    said = [_brief(alarm, state=bool(req.ChildrenOfAlarmName)) if related is not None else describing.describe(alarm) for alarm in page]
    return {
        "MetricAlarms": [one for one, alarm in zip(said, page, strict=True) if alarm.kind == METRIC],
        "CompositeAlarms": [one for one, alarm in zip(said, page, strict=True) if alarm.kind == COMPOSITE],
        "NextToken": paging.token(page[-1].name) if more else None,
    }


def _alarms(ctx: Context, req: Any, after: str | None) -> Iterator[Alarm]:
    if req.AlarmNames:
        names = sorted({name for name in req.AlarmNames if after is None or name > after})
        found: Iterator[Alarm | None] = (ALARMS.get(ctx, ctx.account, ctx.region, name) for name in names)
    else:
        found = ALARMS.scan(ctx, ctx.account, ctx.region, starting=req.AlarmNamePrefix or "", after=after)
    for alarm in found:
        if alarm is None or req.StateValue not in (None, alarm.state):
            continue
        actions = (*alarm.ok_actions, *alarm.alarm_actions, *alarm.insufficient_actions)
        if req.ActionPrefix is None or any(action.startswith(req.ActionPrefix) for action in actions):
            yield alarm


def _related(ctx: Context, req: Any, after: str | None) -> Iterator[Alarm]:
    name = req.ChildrenOfAlarmName or req.ParentsOfAlarmName
    alarm_at(ctx, name)
    if req.ChildrenOfAlarmName:
        names = {one.child for one in BY_PARENT.scan(ctx, ctx.account, ctx.region, name) if one.role == "child"}
    else:
        names = {one.parent for one in RELATIONS.scan(ctx, ctx.account, ctx.region, name) if one.role == "child"}
    for other in sorted(names):
        alarm = ALARMS.get(ctx, ctx.account, ctx.region, other)
        if alarm is not None and (after is None or other > after):
            yield alarm


def _brief(alarm: Alarm, *, state: bool) -> dict[str, Any]:
    said = {"AlarmName": alarm.name, "AlarmArn": describing.arn_of(alarm)}
    return {**said, "StateValue": alarm.state, "StateUpdatedTimestamp": alarm.updated_at_ms} if state else said


@operation("DescribeAlarmsForMetric")
def describe_alarms_for_metric(ctx: Context, req: Any) -> Answer:
    """The alarms on one metric itself, of a statistic, period and unit if they are given; not those on expressions.

    Source: API reference, DescribeAlarmsForMetric.
    """
    dimensions = tuple(sorted((one.Name, one.Value) for one in req.Dimensions or ()))
    found = []
    for alarm in ALARMS.scan(ctx, ctx.account, ctx.region):
        if not alarm.single:
            continue
        query = alarm.queries[0]
        if (query.namespace, query.name, query.dimensions) != (req.Namespace, req.MetricName, dimensions):
            continue
        stat = req.Statistic or req.ExtendedStatistic
        if stat in (None, query.stat) and req.Period in (None, query.period_s) and req.Unit in (None, query.unit):
            found.append(describing.describe(alarm))
    return {"MetricAlarms": found}


# Switching


def alarm_at(ctx: Context, name: str) -> Alarm:
    """Errors: ResourceNotFound."""
    alarm = ALARMS.get(ctx, ctx.account, ctx.region, name)
    if alarm is None:
        raise ServiceException("ResourceNotFound", f"Unknown alarm: {name}" if name else "", status=404)
    return alarm


@operation("SetAlarmState")
def set_alarm_state(ctx: Context, req: Any) -> Answer:
    """Puts an alarm into a state, with all that follows from it; a metric alarm is evaluated again at its next period.

    Errors: ResourceNotFound, InvalidFormat (StateReasonData is not JSON). Source: API reference, SetAlarmState.
    """
    alarm = alarm_at(ctx, req.AlarmName)
    if req.StateReasonData is not None and isinstance(describing.parsed(req.StateReasonData), str):
        raise ServiceException("InvalidFormatFault", "StateReasonData must be a valid JSON object")
    if req.StateValue != alarm.state:
        transitions.to_state(ctx, alarm, ctx.now, req.StateValue, req.StateReason, req.StateReasonData)
    else:
        ALARMS.put(ctx, change(alarm, reason=req.StateReason, reason_json=req.StateReasonData, updated_at_ms=ctx.now))
    return None


def _switch(ctx: Context, req: Any, *, enabled: bool) -> None:
    if len(req.AlarmNames) > NAMES_LIMIT:
        raise validation(f"The collection AlarmNames must not have a size greater than {NAMES_LIMIT}.")
    for name in dict.fromkeys(req.AlarmNames):
        ctx.authorize(f"cloudwatch:{ctx.operation}", ctx.arn(f"alarm:{name}"))
        alarm = ALARMS.get(ctx, ctx.account, ctx.region, name)
        if alarm is not None and alarm.actions_enabled is not enabled:
            put(ctx, change(alarm, actions_enabled=enabled, configured_at_ms=ctx.now), alarm)


@operation("EnableAlarmActions", authorized_here=True)
def enable_alarm_actions(ctx: Context, req: Any) -> Answer:
    """Has alarms carry out their actions again, from their next change of state on. Source: API reference, EnableAlarmActions."""
    _switch(ctx, req, enabled=True)
    return None


@operation("DisableAlarmActions", authorized_here=True)
def disable_alarm_actions(ctx: Context, req: Any) -> Answer:
    """Has alarms carry out no actions; events are sent all the same. Source: API reference, DisableAlarmActions."""
    _switch(ctx, req, enabled=False)
    return None


@operation("DeleteAlarms", authorized_here=True)
def delete_alarms(ctx: Context, req: Any) -> Answer:
    """Deletes up to 100 alarms, at most one of them composite; names that are not there are passed over.

    Refused where a composite alarm's rule, or suppressor, names one that would be deleted and that itself stays.
    Errors: ResourceNotFound (none is there), ValidationError. Source: API reference, DeleteAlarms.
    """
    names = list(dict.fromkeys(req.AlarmNames))
    for name in names:
        ctx.authorize("cloudwatch:DeleteAlarms", ctx.arn(f"alarm:{name}"))
    found = [alarm for name in names if (alarm := ALARMS.get(ctx, ctx.account, ctx.region, name)) is not None]
    if not found and names:
        raise ServiceException("ResourceNotFound", f"Unknown alarm: {', '.join(names)}"[:255], status=404)
    if sum(alarm.kind == COMPOSITE for alarm in found) > 1:
        raise validation("Only one composite alarm can be deleted at a time")
    for alarm in found:
        parents = {one.parent for one in RELATIONS.scan(ctx, alarm.account, alarm.region, alarm.name)}
        if alarm.name in parents or parents - {one.name for one in found}:
            raise validation(f"Cannot delete alarm {alarm.name} because there are composite alarms depending on it.")
    for alarm in found:
        unrelate(ctx, alarm)
        ALARMS.delete(ctx, alarm)
        history.add(ctx, alarm, ctx.now, "ConfigurationUpdate", f'Alarm "{alarm.name}" deleted', {"type": "Delete"})
        detail = {**describing.event(alarm), "operation": "delete", "state": describing.state(alarm)}
        transitions.tell(ctx, alarm, ctx.now, "CloudWatch Alarm Configuration Change", detail)
    return None


def unrelate(ctx: Context, alarm: Alarm) -> None:
    """Forgets what a composite alarm looks at."""
    for relation in list(BY_PARENT.scan(ctx, alarm.account, alarm.region, alarm.name)):
        RELATIONS.delete(ctx, relation)
