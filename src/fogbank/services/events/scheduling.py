"""Rules that trigger by the clock. A rate counts from when the rule was made or enabled; cron is in UTC."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.languages import schedules
from fogbank.services.events import encryption, routing
from fogbank.services.events.addresses import Address, get_bus, get_rule, invalid, rule_arn
from fogbank.services.events.event import Event
from fogbank.services.events.state import RULES, Rule
from fogbank.store import change


def read(expression: str) -> schedules.Schedule:
    """Raises ValidationException."""
    try:
        schedule = schedules.parse(expression)
    except schedules.InvalidSchedule:
        raise invalid("Parameter ScheduleExpression is not valid.") from None
    if isinstance(schedule, schedules.Once):
        raise invalid("Parameter ScheduleExpression is not valid.")
    return schedule


def planned(ctx: Context, rule: Rule, after_ms: int | None = None) -> Rule:
    """The rule with its next instant set, and a task for it."""
    next_at_ms = None
    if rule.schedule and rule.state != "DISABLED":
        next_at_ms = read(rule.schedule).after(ctx.now if after_ms is None else after_ms)
    if next_at_ms:
        payload = {"account": rule.account, "region": rule.region, "bus": rule.bus, "rule": rule.name, "at_ms": next_at_ms}
        ctx.later("events.trigger", payload, at_ms=next_at_ms)
    return change(rule, next_at_ms=next_at_ms or 0)


@task("trigger")
def trigger(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Triggers a rule whose instant has come, and plans the next one."""
    where = Address(payload["account"], payload["region"], payload["bus"])
    rule, bus = get_rule(ctx, where, payload["rule"]), get_bus(ctx, where)
    if rule is None or bus is None or rule.next_at_ms != payload["at_ms"]:
        return None
    RULES.put(ctx, planned(ctx, rule, payload["at_ms"]))
    event = Event.made(
        id=ctx.random.uuid(),
        source="aws.events",
        detail_type="Scheduled Event",
        account=rule.account,
        region=rule.region,
        at_ms=payload["at_ms"],
        resources=[rule_arn(rule)],
        detail={},
        detail_text=b"{}",
        ingested_at_ms=ctx.now,
    )
    try:
        rule = encryption.open_rule(ctx, rule)
    except ServiceException as refused:  # the next time is planned all the same
        routing.bury(ctx, bus, event, refused)
    else:
        routing.triggered(ctx, bus, rule, event)
    return None
