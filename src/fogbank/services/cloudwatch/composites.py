"""Composite alarms: PutCompositeAlarm."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.cloudwatch import alarms, describing, transitions
from fogbank.services.cloudwatch.faults import validation
from fogbank.services.cloudwatch.mathematics import rules
from fogbank.services.cloudwatch.mathematics.tokens import Malformed
from fogbank.services.cloudwatch.state import ALARMS, COMPOSITE, RELATIONS, Alarm, Relation
from fogbank.services.cloudwatch.tagging import read_tags
from fogbank.store import change

PARENTS_LIMIT = 150


@operation("PutCompositeAlarm")
def put_composite_alarm(ctx: Context, req: Any) -> Answer:
    """Makes a composite alarm, or replaces the configuration of one; its state stays what it was until its rule says otherwise.

    The alarms of its rule have to be there. Errors: ValidationError; NotImplemented for actions that cannot be carried out.
    Source: API reference, PutCompositeAlarm.
    """
    alarms.check_name(req.AlarmName)
    old = ALARMS.get(ctx, ctx.account, ctx.region, req.AlarmName)
    if old is not None and old.kind != COMPOSITE:
        raise validation(f"Cannot replace alarm {req.AlarmName}: it is not a composite alarm.")
    children = _children(ctx, req.AlarmRule)
    _check_suppressor(ctx, req)
    base = old or Alarm(
        account=ctx.account,
        region=ctx.region,
        name=req.AlarmName,
        kind=COMPOSITE,
        revision=0,
        created_at_ms=ctx.now,
        updated_at_ms=ctx.now,
        transitioned_at_ms=ctx.now,
        tags=read_tags(ctx, req.Tags, ctx.arn(f"alarm:{req.AlarmName}")),
    )
    alarm = change(
        base,
        **alarms.actions_of(ctx, req),
        revision=ctx.tx.unique(),
        configured_at_ms=ctx.now,
        rule=req.AlarmRule,
        suppressor=req.ActionsSuppressor,
        wait_s=req.ActionsSuppressorWaitPeriod or 0,
        extension_s=req.ActionsSuppressorExtensionPeriod or 0,
        suppressed_by=None if req.ActionsSuppressor is None else base.suppressed_by,
    )
    alarms.unrelate(ctx, alarm)
    for child in children:
        _relate(ctx, alarm, child, "child")
    if alarm.suppressor is not None:
        _relate(ctx, alarm, describing.name_of(alarm.suppressor, ctx.account, ctx.region) or "", "suppressor")
    alarms.put(ctx, alarm, old)
    where = {"account": alarm.account, "region": alarm.region, "name": alarm.name, "made": old is None}
    ctx.later("cloudwatch.compose", where)
    return None


def _children(ctx: Context, rule: str) -> set[str]:
    """The names of the alarms that a rule refers to. Errors: ValidationError."""
    try:
        references = set(rules.alarms(rules.parse(rule)))
    except Malformed as problem:
        raise validation(f"AlarmRule syntax is invalid: {problem}") from None
    found: set[str] = set()
    missing: list[str] = []
    for reference in sorted(references):
        child = describing.get_alarm(ctx, ctx.account, ctx.region, reference)
        if child is None:
            missing.append(reference)
        else:
            found.add(child.name)
    if missing:
        raise validation(f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule do not exist")
    return found


def _check_suppressor(ctx: Context, req: Any) -> None:
    periods = (req.ActionsSuppressorWaitPeriod, req.ActionsSuppressorExtensionPeriod)
    if req.ActionsSuppressor is None:
        if any(period is not None for period in periods):
            raise validation("ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod need an ActionsSuppressor")
        return
    if None in periods or any(period < 0 for period in periods):
        raise validation("ActionsSuppressor needs ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod of at least 0 seconds")
    suppressor = describing.get_alarm(ctx, ctx.account, ctx.region, req.ActionsSuppressor)
    if suppressor is None or suppressor.name == req.AlarmName:
        raise validation(f"Could not save the composite alarm as the suppressor alarm {req.ActionsSuppressor} does not exist")


def _relate(ctx: Context, alarm: Alarm, child: str, role: str) -> None:
    parents = sum(1 for one in RELATIONS.scan(ctx, alarm.account, alarm.region, child) if one.role == role)
    if parents >= PARENTS_LIMIT:
        raise validation(f"Alarm {child} must not be used by more than {PARENTS_LIMIT} composite alarms")
    RELATIONS.put(ctx, Relation(account=alarm.account, region=alarm.region, child=child, role=role, parent=alarm.name))


@task("compose")
def compose(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Evaluates a composite alarm that was put."""
    alarm = ALARMS.get(ctx, payload["account"], payload["region"], payload["name"])
    if alarm is not None and alarm.kind == COMPOSITE:
        said = f"{describing.arn_of(alarm)} was {'created' if payload['made'] else 'updated'} and its alarm rule evaluates to {{}}"
        transitions.compose(ctx, alarm, ctx.now, said)
    return None
