"""An alarm changes its state: what that sets going.

Its history says so, an event goes to the default bus, its actions are carried out (unless they are disabled, muted or suppressed), and
the composite alarms that look at it are evaluated.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.services.cloudwatch import describing, history, muting
from fogbank.services.cloudwatch.mathematics import rules
from fogbank.services.cloudwatch.state import ALARMS, COMPOSITE, RELATIONS, Alarm
from fogbank.services.cloudwatch.wording import instant
from fogbank.store import change

ACTIONS = {"OK": "ok_actions", "ALARM": "alarm_actions", "INSUFFICIENT_DATA": "insufficient_actions"}


def to_state(
    ctx: Context, alarm: Alarm, at_ms: int, state: str, reason: str, reason_json: str | None, path: tuple[str, ...] = (), **more: Any
) -> Alarm:
    """Puts an alarm into another state, as of an instant. `path`: the alarms through which the change came here."""
    changed = change(alarm, state=state, reason=reason, reason_json=reason_json, updated_at_ms=at_ms, transitioned_at_ms=at_ms, **more)
    ALARMS.put(ctx, changed)
    told = {
        "type": "Update",
        "oldState": _state(alarm),
        "newState": _state(changed),
    }
    history.add(ctx, changed, at_ms, "StateUpdate", f"Alarm updated from {alarm.state} to {state}", told)
    event = {**describing.event(changed), "state": describing.state(changed), "previousState": describing.state(alarm)}
    tell(ctx, changed, at_ms, "CloudWatch Alarm State Change", event)
    changed = _suppress(ctx, changed, at_ms)
    changed = settle(ctx, changed, at_ms, alarm)
    _tell_parents(ctx, changed, alarm, at_ms, (*path, alarm.name))
    return changed


def tell(ctx: Context, alarm: Alarm, at_ms: int, what: str, detail: dict[str, Any]) -> None:
    """An event for the default bus."""
    arn = describing.arn_of(alarm)
    ctx.later(
        "cloudwatch.tell", {"arn": arn, "account": alarm.account, "region": alarm.region, "at_ms": at_ms, "what": what, "detail": detail}
    )


def settle(ctx: Context, alarm: Alarm, at_ms: int, before: Alarm | None = None) -> Alarm:
    """Has the actions of an alarm's state carried out, if they are not those carried out last, and nothing holds them back."""
    if alarm.state == alarm.acted or alarm.suppressed_by or muting.muted(ctx, alarm, at_ms):
        return alarm
    previous = before or change(alarm, state=alarm.acted)
    if alarm.actions_enabled:
        for action in getattr(alarm, ACTIONS[alarm.state]):
            held = {"alarm": msgspec.to_builtins(alarm), "before": msgspec.to_builtins(previous), "action": action, "at_ms": at_ms}
            ctx.later("cloudwatch.act", held)
    alarm = change(alarm, acted=alarm.state)
    ALARMS.put(ctx, alarm)
    return alarm


def _state(alarm: Alarm) -> dict[str, Any]:
    said: dict[str, Any] = {"stateValue": alarm.state, "stateReason": alarm.reason}
    if alarm.reason_json:
        said["stateReasonData"] = describing.parsed(alarm.reason_json)
    return said


# Composite alarms


def _tell_parents(ctx: Context, child: Alarm, before: Alarm, at_ms: int, path: tuple[str, ...]) -> None:
    for relation in list(RELATIONS.scan(ctx, child.account, child.region, child.name)):
        parent = ALARMS.get(ctx, child.account, child.region, relation.parent)
        if parent is None or parent.kind != COMPOSITE:
            continue
        if relation.role == "suppressor":
            _suppressor_changed(ctx, parent, child, before, at_ms)
        elif parent.name not in path:  # else the rules go round in a circle
            compose(ctx, parent, at_ms, f"{describing.arn_of(child)} transitioned to {child.state} at {_long(at_ms)}", child, path)


def compose(ctx: Context, alarm: Alarm, at_ms: int, why: str, by: Alarm | None = None, path: tuple[str, ...] = ()) -> None:
    """Evaluates a composite alarm, because of what `why` says ({} in it is the new state)."""

    def state_of(name: str) -> str | None:
        child = describing.get_alarm(ctx, alarm.account, alarm.region, name)
        return child.state if child is not None else None

    state = "ALARM" if rules.holds(rules.parse(alarm.rule), state_of) else "OK"
    if state == alarm.state:
        return
    triggering = [by] if by is not None else []
    said = {
        "triggeringAlarms": [
            {"arn": describing.arn_of(one), "state": {"value": one.state, "timestamp": instant(at_ms)}} for one in triggering
        ]
    }
    to_state(ctx, alarm, at_ms, state, why.replace("{}", state), msgspec.json.encode(said).decode(), path)


def _long(at_ms: int) -> str:
    """Friday 14 July, 2017 22:00:01 UTC"""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%A %d %B, %Y %H:%M:%S UTC")


# Suppression


def _suppress(ctx: Context, alarm: Alarm, at_ms: int) -> Alarm:
    """A composite alarm with a suppressor has changed its state: its actions wait for the suppressor, or stay suppressed."""
    if alarm.suppressor is None:
        return alarm
    suppressor = describing.get_alarm(ctx, alarm.account, alarm.region, alarm.suppressor)
    if suppressor is not None and suppressor.state == "ALARM":
        return _suppressed(ctx, alarm, "Alarm", at_ms, 0)
    if alarm.suppressed_by == "ExtensionPeriod":
        return alarm
    if alarm.state == alarm.acted:
        return _suppressed(ctx, alarm, None, at_ms, 0)
    return _suppressed(ctx, alarm, "WaitPeriod", at_ms, alarm.wait_s) if alarm.wait_s else alarm


def _suppressor_changed(ctx: Context, alarm: Alarm, suppressor: Alarm, before: Alarm, at_ms: int) -> None:
    if suppressor.state == "ALARM":
        _suppressed(ctx, alarm, "Alarm", at_ms, 0)
    elif before.state == "ALARM":
        if alarm.extension_s:
            _suppressed(ctx, alarm, "ExtensionPeriod", at_ms, alarm.extension_s)
        else:
            settle(ctx, _suppressed(ctx, alarm, None, at_ms, 0), at_ms)


_WHY = {
    "Alarm": "Actions are suppressed because the suppressor alarm {0} is in ALARM",
    "WaitPeriod": "Actions are suppressed because the alarm is waiting up to {1} seconds for the suppressor alarm {0} to go into ALARM",
    "ExtensionPeriod": "Actions are suppressed for {1} seconds after the suppressor alarm {0} went out of ALARM",
}


def _suppressed(ctx: Context, alarm: Alarm, by: str | None, at_ms: int, for_s: int) -> Alarm:
    until_ms = at_ms + for_s * 1000 if for_s else 0
    why = _WHY[by].format(alarm.suppressor, for_s) if by else None
    alarm = change(alarm, suppressed_by=by, suppressed_reason=why, suppressed_until_ms=until_ms)
    ALARMS.put(ctx, alarm)
    if until_ms:
        where = {"account": alarm.account, "region": alarm.region, "name": alarm.name, "until_ms": until_ms}
        ctx.later("cloudwatch.unsuppress", where, at_ms=until_ms)
    return alarm


def unsuppressed(ctx: Context, alarm: Alarm, at_ms: int) -> None:
    """A wait or extension period is over."""
    settle(ctx, _suppressed(ctx, alarm, None, at_ms, 0), at_ms)
