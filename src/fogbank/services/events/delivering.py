"""An event on its way to one target: the first attempt, those that follow, and the dead letter.

What AWS does in the background is done at once where one call within the cloud does it, in the transaction of the PutEvents that
brought the event: then there is nothing that could be lost, and nothing of the event lies in the outbox. What takes longer
(another bus, an HTTP endpoint), what is refused for now, and what is much at once are tasks.

Source: "Event retry policy" and "Using dead-letter queues to process undelivered events" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from fogbank.delivery import attempts, targets
from fogbank.delivery.attempts import Attempts, RetryPolicy
from fogbank.kernel.context import Acting, Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.languages import paths
from fogbank.services.events import archiving, encryption, inputs, metrics
from fogbank.services.events.addresses import Address, get_bus, get_rule, rule_arn
from fogbank.services.events.event import Event
from fogbank.services.events.state import Bus, Rule, Sealed, Target

AT_ONCE = 20
"""How many targets are served in one transaction."""

# The beginnings of the targets' codes -> what EventBridge calls it
_CODES = (
    (("AccessDenied", "KmsAccessDenied", "KMSAccessDenied", "NotAuthorized", "AuthorizationError"), "NO_PERMISSIONS"),
    (("ResourceNotFound", "QueueDoesNotExist", "NotFound", "NoSuch", "TopicNotFound"), "NO_RESOURCE"),
    (("Throttl", "TooManyRequests", "ProvisionedThroughput", "RequestLimit", "SlowDown"), "THROTTLING"),
    (("LimitExceeded",), "RESOURCE_LIMIT_EXCEEDED"),
    (("Invalid", "Validation", "Missing"), "INVALID_PARAMETER"),
    (("NotImplemented",), "SDK_CLIENT_ERROR"),
)
OWN_CODES = frozenset(
    {"THIRD_ACCOUNT_HOP_DETECTED", "THIRD_BUS_HOP_DETECTED", "THIRD_REGION_HOP_DETECTED", "CONNECTION_FAILURE", "TIMEOUT"}
)


class Job(NamedTuple):
    """One event for one target of a rule; `due_ms`: when this attempt was due."""

    bus: Bus
    rule: Rule
    rule_arn: str
    target: Target
    event: Event
    attempts: Attempts
    due_ms: int

    @property
    def retry_policy(self) -> RetryPolicy:
        given = self.target.settings.get("RetryPolicy") or {}
        return RetryPolicy(given.get("MaximumEventAgeInSeconds") or 86_400, given.get("MaximumRetryAttempts", 185))

    def acting(self) -> Acting | Role:
        """As whom EventBridge reaches the target: its role, or itself on behalf of the rule."""
        role_arn = self.target.role_arn
        if not role_arn and self.rule.role_arn and self.target.arn.split(":", 3)[2] in ("kinesis", "firehose", "events"):
            role_arn = self.rule.role_arn
        if role_arn:
            return Role(role_arn, encryption.PRINCIPAL, self.rule.name, self.rule_arn, self.rule.account)
        return self.itself()

    def itself(self) -> Acting:
        return Acting(encryption.PRINCIPAL, self.rule_arn, self.rule.account)


class Waits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A job in the outbox. `admitted`: the rate of the target lets it through. `forwarded`: the event came from another bus."""

    account: str
    region: str
    bus: str
    rule: str
    target: str
    event: Sealed
    at_ms: int
    ingested_at_ms: int
    since_ms: int
    retries: int
    due_ms: int
    admitted: bool = False
    forwarded: bool = False


def begin(ctx: Context, bus: Bus, rule: Rule, target: Target, event: Event, *, at_once: bool) -> bool:
    """The first attempt; whether it was made at once."""
    job = Job(bus, rule, rule_arn(rule), target, event, Attempts(ctx.now), ctx.now)
    if at_once and not takes_time(target):
        attempt(ctx, job, straight)
        return True
    later(ctx, job, ctx.now)
    return False


def takes_time(target: Target) -> bool:
    return ":event-bus/" in target.arn or ":api-destination/" in target.arn


def later(ctx: Context, job: Job, at_ms: int) -> None:
    bus, rule, event = job.bus, job.rule, job.event
    try:
        sealed = encryption.seal(ctx, encryption.data_key(ctx, bus), event.text)
    except ServiceException as refused:  # the key was taken away meanwhile
        give_up(ctx, job, refused, "")
        return
    whose = (rule.account, rule.region, rule.bus, rule.name, job.target.id)
    put(ctx, Waits(*whose, sealed, event.at_ms, event.ingested_at_ms, *job.attempts, at_ms, forwarded=event.forwarded), at_ms)


def read(payload: Any) -> Waits:
    return msgspec.convert(payload, Waits)


def put(ctx: Context, waits: Waits, at_ms: int) -> None:
    ctx.later("events.deliver", msgspec.to_builtins(waits, builtin_types=(bytes,)), at_ms=at_ms)


def taken_up(ctx: Context, waits: Waits) -> Job | None:
    """The job of a task; None where its rule or target is gone. Errors: those of KMS."""
    where = Address(waits.account, waits.region, waits.bus)
    bus, rule = get_bus(ctx, where), get_rule(ctx, where, waits.rule)
    if bus is None or rule is None:
        return None
    rule = encryption.open_rule(ctx, rule)
    target = next((one for one in rule.targets if one.id == waits.target), None)
    if target is None:
        return None
    event = Event.read(encryption.opened(ctx, waits.event), waits.at_ms, waits.ingested_at_ms)._replace(forwarded=waits.forwarded)
    return Job(bus, rule, rule_arn(rule), target, event, Attempts(waits.since_ms, waits.retries), waits.due_ms)


def not_opened(ctx: Context, waits: Waits) -> None:
    """The KMS key cannot be used now. It is tried again, for a day: nobody knows what the event says, so nothing could be buried."""
    then = attempts.after_failure(Attempts(waits.since_ms, waits.retries), RetryPolicy(), waits.due_ms, ctx.random)
    if not then.exhausted:
        put(ctx, msgspec.structs.replace(waits, retries=then.attempts.retries, due_ms=then.at_ms), then.at_ms)


def attempt(ctx: Context, job: Job, send: Callable[[Context, Job], None]) -> None:
    """Sends, and sees to it that what fails is tried again or becomes a dead letter."""
    first = job.attempts.retries == 0
    try:
        send(ctx, job)
    except ServiceException as refused:
        _failed(ctx, job, refused)
        return
    rule = job.rule
    metrics.count(ctx, rule, "Invocations", "InvocationAttempts", "SuccessfulInvocationAttempts")
    if first:
        metrics.took(ctx, rule, "IngestionToInvocationStartLatency", ctx.now - job.event.ingested_at_ms)


def _failed(ctx: Context, job: Job, refused: ServiceException) -> None:
    metrics.count(ctx, job.rule, "Invocations", "InvocationAttempts")
    exhausted = ""
    if attempts.may_pass(refused) or refused.members.get("@again"):
        then = attempts.after_failure(job.attempts, job.retry_policy, job.due_ms, ctx.random)
        if not then.exhausted:
            metrics.count(ctx, job.rule, "RetryInvocationAttempts")
            at_ms = max(then.at_ms, job.due_ms + 1000 * refused.members.get("@after_s", 0))
            later(ctx, job._replace(attempts=then.attempts), at_ms)
            return
        exhausted = then.exhausted
    give_up(ctx, job, refused, exhausted)


def give_up(ctx: Context, job: Job, refused: ServiceException, exhausted: str) -> None:
    """The dead letter, where the target has a queue for it. Without one, or where the queue does not take it, the event is dropped."""
    metrics.count(ctx, job.rule, "FailedInvocations")
    queue_arn = (job.target.settings.get("DeadLetterConfig") or {}).get("Arn")
    if not queue_arn:
        return
    about: dict[str, str | int] = {
        "RULE_ARN": job.rule_arn,
        "TARGET_ARN": job.target.arn,
        "ERROR_CODE": code_of(refused),
        "ERROR_MESSAGE": refused.message,
        "EXHAUSTED_RETRY_CONDITION": exhausted,
        "RETRY_ATTEMPTS": str(job.attempts.retries),
    }
    try:
        attempts.bury(ctx, queue_arn, job.event.text.decode(), about, job.itself())
    except ServiceException:
        metrics.count(ctx, job.rule, "InvocationsFailedToBeSentToDlq")
    else:
        metrics.count(ctx, job.rule, "InvocationsSentToDlq")


def code_of(refused: ServiceException) -> str:
    """A refusal in EventBridge's words."""
    if refused.code in OWN_CODES:
        return refused.code
    for starts, code in _CODES:
        if refused.code.startswith(starts):
            return code
    return "INTERNAL_ERROR" if refused.status >= 500 else "ERROR_FROM_TARGET"


def straight(ctx: Context, job: Job) -> None:
    """One call within the cloud."""
    target, event = job.target, job.event
    service = target.arn.split(":", 3)[2]
    if service == "events":
        archiving.keep(ctx, job.bus, target.arn, event)
        return
    message = inputs.message(job.rule, job.rule_arn, target, event)
    if service == "logs":
        targets.log(ctx, target.arn, event.id, message, job.acting())
        return
    parameters: dict[str, Any] = {}
    if service == "sqs" and "SqsParameters" in target.settings:
        parameters = target.settings["SqsParameters"]
    elif service == "kinesis":
        parameters = {"PartitionKey": _partition_key(target, event)}
    targets.send(ctx, target.arn, message, job.acting(), parameters=parameters)


def _partition_key(target: Target, event: Event) -> str:
    """The event's id, or what the path finds in the event."""
    given = target.settings.get("KinesisParameters")
    found = paths.parse(given["PartitionKeyPath"]).find(event.body) if given else event.id
    if found is paths.MISSING or found in (None, ""):
        return event.id
    return (found if isinstance(found, str) else msgspec.json.encode(found).decode())[:256]
