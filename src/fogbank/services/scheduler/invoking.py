"""A schedule whose instant has come: its target is called as its role, again where it fails for now, and what is given up is buried.

Source: "Managing targets" and "Configuring a schedule's dead-letter queue" in the EventBridge Scheduler User Guide.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from fogbank.delivery import attempts, targets
from fogbank.delivery.attempts import Attempts, RetryPolicy
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.scheduler import encryption, planning, universal
from fogbank.services.scheduler.addresses import schedule_arn
from fogbank.services.scheduler.schedules import role_of
from fogbank.services.scheduler.state import SCHEDULES, Schedule
from fogbank.wire import instants


class Invocation(NamedTuple):
    """One occurrence of a schedule; `due_ms`: when this attempt was due."""

    schedule: Schedule
    id: str
    scheduled_ms: int
    attempts: Attempts
    due_ms: int

    def acting(self) -> Role:
        return role_of(self.schedule, f"scheduler-{self.id}")


def _found(ctx: Context, payload: dict[str, Any]) -> Schedule | None:
    schedule = SCHEDULES.get(ctx, payload["account"], payload["region"], payload["group"], payload["name"])
    return schedule if schedule is not None and schedule.id == payload["id"] else None


@task("fire")
def fire(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Plans a schedule's next instant, and makes the first attempt."""
    schedule = _found(ctx, payload)
    at_ms: int = payload["at_ms"]
    if schedule is None or schedule.version != payload["version"] or schedule.next_at_ms != at_ms:
        return None
    schedule = planning.planned(ctx, schedule, at_ms)
    SCHEDULES.put(ctx, schedule)
    _attempt(ctx, Invocation(schedule, ctx.random.uuid(), at_ms, Attempts(ctx.now), ctx.now))
    return None


@task("retry")
def retry(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Another attempt. An invocation whose schedule is gone goes with it."""
    schedule = _found(ctx, payload)
    if schedule is not None:
        again = Attempts(payload["since_ms"], payload["retries"])
        _attempt(ctx, Invocation(schedule, payload["execution"], payload["scheduled_ms"], again, payload["due_ms"]))
    return None


def _attempt(ctx: Context, one: Invocation) -> None:
    _count(ctx, one, "InvocationAttemptCount")
    text: str | None = None
    try:
        text = _input(one, encryption.opened(ctx, one.schedule, one.acting()))
        _call(ctx, one, text)
    except ServiceException as refused:
        if _try_again(ctx, one, text, refused):
            return
    _completed(ctx, one.schedule)


def _call(ctx: Context, one: Invocation, text: str) -> None:
    arn, acting = one.schedule.target_arn, one.acting()
    if universal.is_universal(arn):
        target = universal.target(arn)
        members = universal.members(arn, text or None, ctx.random)
        ctx.call(target.service, target.operation.name, members, acting=acting, region=one.schedule.region)
        return
    parameters: dict[str, Any] = {}
    for name in ("SqsParameters", "KinesisParameters", "EventBridgeParameters"):
        parameters |= one.schedule.settings.get(name, {})
    targets.send(ctx, arn, text, acting, parameters=parameters)


def _input(one: Invocation, text: str | None) -> str:
    """What the target gets: the schedule's input with its context attributes, or AWS's notification."""
    schedule = one.schedule
    if text is None:
        return "" if universal.is_universal(schedule.target_arn) else _notification(one)
    known = {
        "schedule-arn": schedule_arn(schedule),
        "scheduled-time": instants.iso8601_seconds(one.scheduled_ms),
        "execution-id": one.id,
        "attempt-number": str(one.attempts.retries + 1),
    }
    for name, value in known.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _notification(one: Invocation) -> str:
    schedule = one.schedule
    event = {
        "version": "0",
        "id": one.id,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": schedule.account,
        "time": instants.iso8601_seconds(one.scheduled_ms),
        "region": schedule.region,
        "resources": [schedule_arn(schedule)],
        "detail": "{}",
    }
    return msgspec.json.encode(event).decode()


def _try_again(ctx: Context, one: Invocation, text: str | None, refused: ServiceException) -> bool:
    """Whether there will be another attempt; else the dead letter is sent, where the schedule has a queue."""
    settings = one.schedule.settings
    _count(ctx, one, "TargetErrorCount")
    exhausted = ""
    if attempts.may_pass(refused):
        if refused.status < 500:
            _count(ctx, one, "TargetErrorThrottledCount")
        given = settings.get("RetryPolicy", {})
        policy = RetryPolicy(given.get("MaximumEventAgeInSeconds", 86_400), given.get("MaximumRetryAttempts", 185))
        then = attempts.after_failure(one.attempts, policy, one.due_ms, ctx.random)
        if not then.exhausted:
            _later(ctx, one, then)
            return True
        exhausted = then.exhausted
    _count(ctx, one, "InvocationDroppedCount")
    queue_arn = settings.get("DeadLetterConfig", {}).get("Arn")
    if queue_arn:
        _bury(ctx, one, text or "{}", queue_arn, refused, exhausted)
    return False


def _later(ctx: Context, one: Invocation, then: attempts.Next) -> None:
    schedule = one.schedule
    payload = {
        "account": schedule.account,
        "region": schedule.region,
        "group": schedule.group,
        "name": schedule.name,
        "id": schedule.id,
        "execution": one.id,
        "scheduled_ms": one.scheduled_ms,
        "since_ms": then.attempts.since_ms,
        "retries": then.attempts.retries,
        "due_ms": then.at_ms,
    }
    ctx.later("scheduler.retry", payload, at_ms=then.at_ms)


def _bury(ctx: Context, one: Invocation, text: str, queue_arn: str, refused: ServiceException, exhausted: str) -> None:
    about: dict[str, str | int] = {
        "SCHEDULE_ARN": schedule_arn(one.schedule),
        "TARGET_ARN": one.schedule.target_arn,
        "SCHEDULED_TIME": instants.iso8601_seconds(one.scheduled_ms),
        "EXECUTION_ID": one.id,
        "ERROR_CODE": refused.code,
        "ERROR_MESSAGE": refused.message,
        "EXHAUSTED_RETRY_CONDITION": exhausted,
        "RETRY_ATTEMPTS": str(one.attempts.retries),
        "IS_PAYLOAD_TRUNCATED": "false",
    }
    try:
        attempts.bury(ctx, queue_arn, text, about, one.acting())
    except ServiceException:
        _count(ctx, one, "InvocationsFailedToBeSentToDeadLetterCount")
    else:
        _count(ctx, one, "InvocationsSentToDeadLetterCount")


def _completed(ctx: Context, schedule: Schedule) -> None:
    """An invocation is over: a schedule that is never due again, and is to be deleted then, goes."""
    now = SCHEDULES.get(ctx, schedule.account, schedule.region, schedule.group, schedule.name)
    if now is not None and now.version == schedule.version and not now.next_at_ms and now.state == "ENABLED" and now.after == "DELETE":
        SCHEDULES.delete(ctx, now)


def _count(ctx: Context, one: Invocation, name: str) -> None:
    schedule = one.schedule
    by = (("ScheduleGroup", schedule.group),)
    ctx.tell(MEASURES, Measure(schedule.account, schedule.region, "AWS/Scheduler", name, by, 1, "Count", ctx.now))
