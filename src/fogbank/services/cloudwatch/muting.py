"""Alarm mute rules: times in which alarms carry out no actions."""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.languages import schedules
from fogbank.services.cloudwatch.faults import bad_token, validation
from fogbank.services.cloudwatch.state import ALARMS, DAY_MS, HOUR_MS, MINUTE_MS, MUTE_RULES, Alarm, MuteRule
from fogbank.services.cloudwatch.tagging import read_tags

PAGE_LIMIT = 50
SHORTEST_MS, LONGEST_MS = MINUTE_MS, 15 * DAY_MS
_duration = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,6})M)?)?").fullmatch
_cron = re.compile(r"cron\(\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*\)").fullmatch
_at = re.compile(r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d\)").fullmatch


def arn_of(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:cloudwatch:{region}:{account}:alarm-mute-rule:{name}"


def duration_ms(text: str) -> int:
    """An ISO 8601 duration of a minute to 15 days. Errors: ValidationError."""
    found = _duration(text)
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    length = days * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS
    if not SHORTEST_MS <= length <= LONGEST_MS:
        raise validation(f"The value {text} for parameter Rule.Schedule.Duration must be an ISO 8601 duration from PT1M to P15D.")
    return length


def schedule(expression: str, timezone: str) -> schedules.Schedule:
    """The instants at which a rule becomes active: cron of five fields, or at(yyyy-MM-ddThh:mm). Errors: ValidationError."""
    if found := _cron(expression):
        minute, hour, day, month, weekday = found.groups()
        day, weekday = ("?", _named(weekday)) if day == "*" and weekday != "*" else (day, "?")
        expression_ = f"cron({minute} {hour} {day} {month} {weekday} *)"
    elif _at(expression):
        expression_ = expression[:-1] + ":00)"
    else:
        raise validation(f"The value {expression} for parameter Rule.Schedule.Expression is not a valid cron or at expression.")
    try:
        return schedules.parse(expression_, timezone)
    except ValueError as problem:
        raise validation(f"The value {expression} for parameter Rule.Schedule.Expression is invalid: {problem}") from None


def _named(weekdays: str) -> str:
    """Days of the week that are numbers, 0 for Sunday, by their names."""
    return re.sub(r"\d", lambda found: schedules.WEEKDAYS[int(found[0]) % 7], weekdays)


def window(rule: MuteRule, at_ms: int) -> tuple[int, int] | None:
    """(begin, end) of the time around an instant in which a rule is active, or None."""
    length = duration_ms(rule.duration)
    instants = schedule(rule.expression, rule.timezone)
    begin = instants.after(at_ms - length)
    last = None
    while begin is not None and begin <= at_ms:
        last = begin
        begin = instants.after(begin)
    if last is None or last < rule.start_ms or (rule.expire_ms and at_ms >= rule.expire_ms):
        return None
    return last, min(last + length, rule.expire_ms or last + length)


def muted(ctx: Context, alarm: Alarm, at_ms: int) -> bool:
    """Whether a rule holds an alarm's actions back."""
    return any(alarm.name in rule.alarms and window(rule, at_ms) is not None for rule in MUTE_RULES.scan(ctx, alarm.account, alarm.region))


def status(rule: MuteRule, now_ms: int) -> str:
    if window(rule, now_ms) is not None:
        return "ACTIVE"
    if (rule.expire_ms and now_ms >= rule.expire_ms) or schedule(rule.expression, rule.timezone).after(now_ms) is None:
        return "EXPIRED"
    return "SCHEDULED"


@operation("PutAlarmMuteRule", authorized_here=True)
def put_alarm_mute_rule(ctx: Context, req: Any) -> Answer:
    """Has up to 100 alarms carry out no actions while a schedule is active; replaces the rule of that name.

    When a time ends, the actions of the state that an alarm is in then are carried out, if it is another than before. The caller needs
    the permission on the rule and on each alarm. Errors: ValidationError. Source: API reference, PutAlarmMuteRule.
    """
    ctx.authorize("cloudwatch:PutAlarmMuteRule", arn_of(ctx.account, ctx.region, req.Name))
    names = tuple(dict.fromkeys(req.MuteTargets.AlarmNames if req.MuteTargets is not None else ()))
    for name in names:
        ctx.authorize("cloudwatch:PutAlarmMuteRule", ctx.arn(f"alarm:{name}"))
        if ALARMS.get(ctx, ctx.account, ctx.region, name) is None:
            raise validation(f"The alarm {name} does not exist.")
    given = req.Rule.Schedule
    timezone = given.Timezone or "UTC"
    duration_ms(given.Duration)
    schedule(given.Expression, timezone)
    if req.StartDate is not None and req.ExpireDate is not None and req.StartDate >= req.ExpireDate:
        raise validation("The parameter StartDate must be before the parameter ExpireDate.")
    old = MUTE_RULES.get(ctx, ctx.account, ctx.region, req.Name)
    rule = MuteRule(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        revision=ctx.tx.unique(),
        description=req.Description,
        expression=given.Expression,
        duration=given.Duration,
        timezone=timezone,
        alarms=names,
        start_ms=req.StartDate or 0,
        expire_ms=req.ExpireDate or 0,
        updated_at_ms=ctx.now,
        tags=old.tags if old is not None else read_tags(ctx, req.Tags, arn_of(ctx.account, ctx.region, req.Name)),
    )
    MUTE_RULES.put(ctx, rule)
    if old is not None:
        ctx.later("cloudwatch.unmute", {"account": ctx.account, "region": ctx.region, "alarms": list(old.alarms)})
    come(ctx, rule)
    return None


def come(ctx: Context, rule: MuteRule) -> None:
    """Has `cloudwatch.muting` come when the rule's time that is under way, or the next, ends."""
    here = window(rule, ctx.now)
    if here is None:
        begin = schedule(rule.expression, rule.timezone).after(max(ctx.now, rule.start_ms - 1))
        here = window(rule, begin) if begin is not None else None
    if here is not None:
        where = {"account": rule.account, "region": rule.region, "name": rule.name, "revision": rule.revision}
        ctx.later("cloudwatch.muting", where, at_ms=here[1])


def rule_at(ctx: Context, name: str) -> MuteRule:
    rule = MUTE_RULES.get(ctx, ctx.account, ctx.region, name)
    if rule is None:
        raise ServiceException(
            "ResourceNotFoundException",
            f"Alarm mute rule {name} does not exist",
            status=404,
            ResourceType="AlarmMuteRule",
            ResourceId=name,
        )
    return rule


@operation("GetAlarmMuteRule")
def get_alarm_mute_rule(ctx: Context, req: Any) -> Answer:
    """A mute rule, and whether it is active. Errors: ResourceNotFoundException. Source: API reference, GetAlarmMuteRule."""
    rule = rule_at(ctx, req.AlarmMuteRuleName)
    return {
        "Name": rule.name,
        "Description": rule.description,
        "Rule": {"Schedule": {"Expression": rule.expression, "Duration": rule.duration, "Timezone": rule.timezone}},
        "MuteTargets": {"AlarmNames": list(rule.alarms)},
        "StartDate": rule.start_ms or None,
        **_summary(ctx, rule),
    }


def _summary(ctx: Context, rule: MuteRule) -> dict[str, Any]:
    return {
        "AlarmMuteRuleArn": arn_of(rule.account, rule.region, rule.name),
        "ExpireDate": rule.expire_ms or None,
        "Status": status(rule, ctx.now),
        "MuteType": "RECURRING" if rule.expression.startswith("cron") else "ONE_TIME",
        "LastUpdatedTimestamp": rule.updated_at_ms,
    }


@operation("ListAlarmMuteRules")
def list_alarm_mute_rules(ctx: Context, req: Any) -> Answer:
    """Mute rules, of one alarm or with some statuses, by name, 50 at a time.

    Errors: InvalidNextToken. Source: API reference, ListAlarmMuteRules.
    """
    after = paging.place(req.NextToken, bad_token)
    matching = (
        rule
        for rule in MUTE_RULES.scan(ctx, ctx.account, ctx.region, after=after)
        if req.AlarmName in (None, *rule.alarms) and (not req.Statuses or status(rule, ctx.now) in req.Statuses)
    )
    page, more = paging.page(matching, req.MaxRecords or PAGE_LIMIT)
    return {
        "AlarmMuteRuleSummaries": [_summary(ctx, rule) for rule in page],
        "NextToken": paging.token(page[-1].name) if more else None,
    }


@operation("DeleteAlarmMuteRule")
def delete_alarm_mute_rule(ctx: Context, req: Any) -> Answer:
    """Deletes a mute rule, if it is there; actions that it held back are carried out. Source: API reference, DeleteAlarmMuteRule."""
    rule = MUTE_RULES.get(ctx, ctx.account, ctx.region, req.AlarmMuteRuleName)
    if rule is not None:
        MUTE_RULES.delete(ctx, rule)
        ctx.later("cloudwatch.unmute", {"account": rule.account, "region": rule.region, "alarms": list(rule.alarms)})
    return None
