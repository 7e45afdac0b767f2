"""What alarms bring about: events on the default bus, messages to topics, functions invoked; and the ends of muting and suppression."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.delivery import targets
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.cloudwatch import describing, history, muting, notices, transitions
from fogbank.services.cloudwatch.state import ALARMS, MUTE_RULES, Alarm

PRINCIPAL, LAMBDA_PRINCIPAL = "cloudwatch.amazonaws.com", "lambda.alarms.cloudwatch.amazonaws.com"
SOURCE = "aws.cloudwatch"


@task("tell")
def tell(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Sends an event of an alarm to the default bus."""
    account, region = payload["account"], payload["region"]
    entry = {
        "Source": SOURCE,
        "DetailType": payload["what"],
        "Resources": [payload["arn"]],
        "Time": payload["at_ms"],
        "Detail": msgspec.json.encode(payload["detail"]).decode(),
    }
    try:
        ctx.call("events", "PutEvents", {"Entries": [entry]}, acting=Acting(PRINCIPAL, payload["arn"], account), region=region)
    except ServiceException as problem:
        if problem.code != "NotImplemented":
            raise
    return None


@task("act")
def act(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Carries out one action of an alarm's new state, and says in its history how that went."""
    alarm, before = (msgspec.convert(payload[name], Alarm) for name in ("alarm", "before"))
    action: str = payload["action"]
    target = Arn.parse(action)
    to_function = target is not None and target.service == "lambda"
    message = notices.payload(alarm, before) if to_function else notices.message(ctx, alarm, before)
    acting = Acting(LAMBDA_PRINCIPAL if to_function else PRINCIPAL, describing.arn_of(alarm), alarm.account)
    said: dict[str, Any] = {"actionState": "Succeeded", "stateUpdateTimestamp": alarm.updated_at_ms, "notificationResource": action}
    error = None
    try:
        targets.send(ctx, action, message, acting, parameters={"Subject": notices.subject(alarm)})
    except ServiceException as problem:
        said["actionState"] = "Failed"
        error = f"{problem.code}: {problem.message}"
    said["publishedMessage"] = message
    said["error"] = error
    what = "Successfully executed" if error is None else "Failed to execute"
    history.add(ctx, alarm, payload["at_ms"], "Action", f"{what} action {action}", said)
    return None


@task("unsuppress")
def unsuppress(ctx: Context, payload: dict[str, Any]) -> Answer:
    """A wait or extension period is over, unless something came in between."""
    alarm = ALARMS.get(ctx, payload["account"], payload["region"], payload["name"])
    if alarm is not None and alarm.suppressed_until_ms == payload["until_ms"] and alarm.suppressed_by in ("WaitPeriod", "ExtensionPeriod"):
        transitions.unsuppressed(ctx, alarm, payload["until_ms"])
    return None


@task("muting")
def mute_ended(ctx: Context, payload: dict[str, Any]) -> Answer:
    """A mute rule's time is over: what it held back follows; and it comes again at the end of the next."""
    rule = MUTE_RULES.get(ctx, payload["account"], payload["region"], payload["name"])
    if rule is None or rule.revision != payload["revision"]:
        return None
    _unmute(ctx, rule.account, rule.region, rule.alarms)
    muting.come(ctx, rule)
    return None


@task("unmute")
def unmute(ctx: Context, payload: dict[str, Any]) -> Answer:
    """A mute rule is gone, or another one: what it held back follows."""
    _unmute(ctx, payload["account"], payload["region"], payload["alarms"])
    return None


def _unmute(ctx: Context, account: str, region: str, names: Any) -> None:
    for name in names:
        alarm = ALARMS.get(ctx, account, region, name)
        if alarm is not None:
            transitions.settle(ctx, alarm, ctx.now)
