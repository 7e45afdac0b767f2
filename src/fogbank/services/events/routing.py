"""Which rules an event triggers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.delivery import attempts
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.languages import patterns
from fogbank.services.events import delivering, encryption, metrics
from fogbank.services.events.addresses import bus_arn, rule_arn
from fogbank.services.events.event import Event
from fogbank.services.events.state import RULES, TRIGGERS, Bus, Rule

_BY_CLOUDTRAIL = " via CloudTrail"


def route(ctx: Context, bus: Bus, event: Event, *, only: tuple[str, ...] = (), room: int = delivering.AT_ONCE) -> int:
    """Brings an event to the targets of all rules that it matches (of those that `only` names, where it names any).

    `room`: how many targets may still be served at once; the answer is what is left of it.
    """
    try:
        if bus.kms_key:
            encryption.data_key(ctx, bus)
        matched = [rule for rule in _matching(ctx, bus, event) if not only or rule_arn(rule) in only]
    except ServiceException as refused:
        bury(ctx, bus, event, refused)
        return room
    for rule in matched:
        room = triggered(ctx, bus, rule, event, room)
    return room


def triggered(ctx: Context, bus: Bus, rule: Rule, event: Event, room: int = delivering.AT_ONCE) -> int:
    """Brings an event to the targets of a rule."""
    metrics.count(ctx, rule, "TriggeredRules")
    for target in rule.targets:
        room -= delivering.begin(ctx, bus, rule, target, event, at_once=room > 0)
    return room


def _matching(ctx: Context, bus: Bus, event: Event) -> Iterator[Rule]:
    where = (bus.account, bus.region, bus.name)
    body = event.body
    for source in (body["source"], ""):
        for trigger in TRIGGERS.scan(ctx, *where, source):
            rule = RULES.get(ctx, *where, trigger.rule)
            if rule is None:
                continue
            if rule.sealed is not None:
                rule = encryption.open_rule(ctx, rule)
            if patterns.compile(rule.pattern).matches(body) and _may(rule, body):
                metrics.count(ctx, rule, "MatchedEvents")
                yield rule


def _may(rule: Rule, body: dict[str, Any]) -> bool:
    """Management events that only read, by CloudTrail, reach just the rules that want them all."""
    if rule.state != "ENABLED" or not body["detail-type"].endswith(_BY_CLOUDTRAIL):
        return True
    detail = body["detail"]
    return not (detail.get("managementEvent") and detail.get("readOnly"))


def bury(ctx: Context, bus: Bus, event: Event, refused: ServiceException) -> None:
    """An event that could not be handled under the bus's KMS key goes to the bus's dead-letter queue, where it has one."""
    if not bus.dead_letter_arn:
        return
    about: dict[str, str | int] = {"EVENT_BUS_ARN": bus_arn(bus), "ERROR_CODE": refused.code, "ERROR_MESSAGE": refused.message}
    try:
        attempts.bury(ctx, bus.dead_letter_arn, event.text.decode(), about, Acting(encryption.PRINCIPAL, bus_arn(bus), bus.account))
    except ServiceException:
        return
