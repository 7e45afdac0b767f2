"""Rules: patterns and schedules, and whether they are enabled."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.languages import patterns
from fogbank.services.events import encryption, paged, scheduling, tagging
from fogbank.services.events.addresses import Address, bus_at, get_rule, invalid, over_limit, readable_bus_at, rule_arn, rule_at
from fogbank.services.events.state import DEFAULT, RULES, RULES_LIMIT, TRIGGERS, Bus, Rule, Trigger
from fogbank.store import change

DISABLED = "DISABLED"
WITH_READ_ONLY = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


def compiled(text: str) -> patterns.Pattern:
    """Raises InvalidEventPatternException."""
    try:
        return patterns.compile(text)
    except patterns.InvalidPattern as wrong:
        raise ServiceException("InvalidEventPatternException", f"Event pattern is not valid. Reason: {wrong}") from None


def put(ctx: Context, bus: Bus, before: Rule | None, after: Rule) -> None:
    """Puts a rule (whose pattern and targets are open), and the triggers that lead to it; plans its schedule."""
    wanted = _triggers(after)
    for trigger in (_triggers(before) if before is not None else set()) - wanted:
        TRIGGERS.delete(ctx, trigger)
    for trigger in wanted:
        TRIGGERS.put(ctx, trigger)
    if before is None or (before.schedule, before.state == DISABLED) != (after.schedule, after.state == DISABLED):
        after = scheduling.planned(ctx, after)
    encryption.put_rule(ctx, bus, after)


def _triggers(rule: Rule) -> set[Trigger]:
    """Where events meet an enabled rule; none where it has no pattern."""
    if not rule.pattern or rule.state == DISABLED:
        return set()
    sources = patterns.compile(rule.pattern).only("source")
    return {Trigger(rule.account, rule.region, rule.bus, source, rule.name) for source in ({""} if sources is None else sources)}


def remove(ctx: Context, rule: Rule) -> None:
    """Deletes a rule that is open, with what leads to it."""
    for trigger in _triggers(rule):
        TRIGGERS.delete(ctx, trigger)
    RULES.delete(ctx, rule)


def open_rule_at(ctx: Context, bus_name: str | None, name: str) -> tuple[Bus, Rule]:
    """A rule with its pattern and targets. Raises ResourceNotFoundException, and what KMS refuses."""
    bus, rule = rule_at(ctx, bus_name, name)
    return bus, encryption.open_rule(ctx, rule)


def manager(ctx: Context) -> str:
    """The service whose rule it is that the caller makes: it calls by itself, or as its service-linked role; "" for everybody else."""
    principal = ctx.principal
    _, linked, path = principal.issuer_arn.partition(":role/aws-service-role/")
    return principal.name if principal.kind == "service" else path.partition("/")[0] if linked else ""


def check_managed(ctx: Context, rule: Rule, *, force: bool | None = False) -> None:
    """Rules that a service made are the service's. Raises ManagedRuleException."""
    if rule.managed_by and not force and rule.managed_by != manager(ctx):
        raise ServiceException("ManagedRuleException", f"Rule {rule.name} is managed by {rule.managed_by}: it can't be changed directly.")


@operation("PutRule")
def put_rule(ctx: Context, req: Any) -> Answer:
    """Makes a rule, or replaces one; its targets and tags stay. What is not given is taken away. Schedules only on the default bus.

    Limits: 300 rules of a bus. RoleArn needs iam:PassRole.
    Errors: InvalidEventPatternException, LimitExceededException, ManagedRuleException, ResourceNotFoundException (no bus),
    ValidationException. Source: API reference, PutRule.
    """
    bus = bus_at(ctx, req.EventBusName)
    if not req.EventPattern and not req.ScheduleExpression:
        raise invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if req.ScheduleExpression:
        if bus.name != DEFAULT:
            raise invalid("ScheduleExpression is supported only on the default event bus.")
        scheduling.read(req.ScheduleExpression)
    if req.EventPattern:
        compiled(req.EventPattern)
    if req.RoleArn:
        ctx.authorize("iam:PassRole", req.RoleArn, iam__PassedToService=encryption.PRINCIPAL)
    if req.State == WITH_READ_ONLY and bus.source:
        raise invalid(f"Parameter State is not valid. Reason: {WITH_READ_ONLY} does not apply to partner event buses.")
    before = get_rule(ctx, Address(bus.account, bus.region, bus.name), req.Name)
    if before is not None:
        check_managed(ctx, before)
        before = encryption.open_rule(ctx, before)
    elif sum(1 for _ in RULES.scan(ctx, bus.account, bus.region, bus.name)) >= RULES_LIMIT:
        raise over_limit()
    rule = before or Rule(
        account=bus.account,
        region=bus.region,
        bus=bus.name,
        name=req.Name,
        created_at_ms=ctx.now,
        created_by=ctx.account,
        managed_by=manager(ctx),
        tags=tagging.read(req.Tags),
    )
    after = change(
        rule,
        pattern=req.EventPattern or "",
        schedule=req.ScheduleExpression or "",
        state=req.State or "ENABLED",
        description=req.Description or "",
        role_arn=req.RoleArn or "",
    )
    put(ctx, bus, before, after)
    return {"RuleArn": rule_arn(after)}


def _switch(ctx: Context, req: Any, state: str) -> None:
    bus, rule = open_rule_at(ctx, req.EventBusName, req.Name)
    check_managed(ctx, rule)
    put(ctx, bus, rule, change(rule, state=state))


@operation("EnableRule")
def enable_rule(ctx: Context, req: Any) -> Answer:
    """Lets a rule trigger. Errors: ResourceNotFoundException, ManagedRuleException. Source: API reference, EnableRule."""
    _switch(ctx, req, "ENABLED")
    return None


@operation("DisableRule")
def disable_rule(ctx: Context, req: Any) -> Answer:
    """Keeps a rule from triggering, by events or its schedule. Errors: as EnableRule. Source: API reference, DisableRule."""
    _switch(ctx, req, DISABLED)
    return None


@operation("DeleteRule")
def delete_rule(ctx: Context, req: Any) -> Answer:
    """Deletes a rule that has no targets; one that is not there is no error. A managed rule only with Force.

    Errors: ManagedRuleException, ResourceNotFoundException (no bus), ValidationException (it has targets). Source: DeleteRule.
    """
    bus = bus_at(ctx, req.EventBusName)
    rule = get_rule(ctx, Address(bus.account, bus.region, bus.name), req.Name)
    if rule is None:
        return None
    check_managed(ctx, rule, force=req.Force)
    rule = encryption.open_rule(ctx, rule)
    if rule.targets:
        raise invalid("Rule can't be deleted since it has targets.")
    remove(ctx, rule)
    return None


def _shown(rule: Rule) -> dict[str, Any]:
    return {
        "Name": rule.name,
        "Arn": rule_arn(rule),
        "EventPattern": rule.pattern or None,
        "ScheduleExpression": rule.schedule or None,
        "State": rule.state,
        "Description": rule.description or None,
        "RoleArn": rule.role_arn or None,
        "ManagedBy": rule.managed_by or None,
        "EventBusName": rule.bus,
    }


@operation("DescribeRule")
def describe_rule(ctx: Context, req: Any) -> Answer:
    """A rule without its targets. Errors: ResourceNotFoundException. Source: API reference, DescribeRule."""
    _, rule = open_rule_at(ctx, req.EventBusName, req.Name)
    return {**_shown(rule), "CreatedBy": rule.created_by or None}


@operation("ListRules")
def list_rules(ctx: Context, req: Any) -> Answer:
    """The rules of a bus, by name. Errors: ResourceNotFoundException (no bus). Source: API reference, ListRules."""
    bus = readable_bus_at(ctx, req.EventBusName)
    found = RULES.scan(ctx, bus.account, bus.region, bus.name, starting=req.NamePrefix or "", after=paged.after(req))
    page, token = paged.page(req, found, lambda rule: rule.name)
    shown = [_shown(encryption.open_rule(ctx, rule)) for rule in page]
    return {"Rules": shown, "NextToken": token}
