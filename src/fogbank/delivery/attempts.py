"""Trying again: how often and how long, when next, and the dead letter of what is given up.

Source: "Event retry policy" and "Using dead-letter queues" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fogbank.delivery import targets
from fogbank.kernel.chance import Chance
from fogbank.kernel.context import Acting, Context, Role
from fogbank.kernel.errors import ServiceException

LONGEST_S = 480
"""Between two attempts: with this, 185 attempts take about the 24 hours that AWS gives them."""
BY_ATTEMPTS, BY_AGE = "MaximumRetryAttempts", "MaximumEventAgeInSeconds"
_SLOW_DOWN = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "ProvisionedThroughputExceeded", "SlowDown", "LimitExceeded")


class RetryPolicy(NamedTuple):
    """How long and how often something is tried again."""

    maximum_age_s: int = 86_400
    maximum_attempts: int = 185


class Attempts(NamedTuple):
    """How far it has come: since when, and how often it was tried again. A task carries it as a list: `Attempts(*kept)`."""

    since_ms: int
    retries: int = 0


class Next(NamedTuple):
    """When to try again, and the state to do so with; or, where `exhausted` says which limit was reached, not."""

    at_ms: int
    attempts: Attempts
    exhausted: str = ""


def back_off_ms(retries: int, random: Chance) -> int:
    """1 s, 2 s, 4 s ... at most LONGEST_S; a tenth more or less, by chance."""
    jitter = 0.9 + 0.2 * int.from_bytes(random.bytes(2)) / 0xFFFF
    return int(1000 * min(2 ** min(retries, 30), LONGEST_S) * jitter)


def after_failure(attempts: Attempts, policy: RetryPolicy, due_ms: int, random: Chance) -> Next:
    """What comes after an attempt that failed. `due_ms`: when it was due: where the clock was moved further, that is earlier than now,
    and the attempts that lie between are made up for."""
    if attempts.retries >= policy.maximum_attempts:
        return Next(0, attempts, BY_ATTEMPTS)
    at_ms = due_ms + back_off_ms(attempts.retries, random)
    if at_ms > attempts.since_ms + policy.maximum_age_s * 1000:
        return Next(0, attempts, BY_AGE)
    return Next(at_ms, Attempts(attempts.since_ms, attempts.retries + 1))


def may_pass(problem: ServiceException) -> bool:
    """Whether a failure may be over the next time: throttling and trouble on the other side. Missing permissions and targets may not."""
    if any(word in problem.code for word in _SLOW_DOWN):
        return True
    return problem.status >= 500 and problem.status != 501


def bury(
    ctx: Context, queue_arn: str, message: str, about: Mapping[str, str | int], acting: Acting | Role, *, group: str = "", unique: str = ""
) -> None:
    """Sends a dead letter to a queue; `about` are its message attributes (RULE_ARN, ERROR_CODE ...), texts and numbers.

    `group` and `unique` are the MessageGroupId and MessageDeduplicationId of a FIFO queue. Errors: those of SQS's SendMessage.
    """
    attributes = {
        name: {"DataType": "Number" if isinstance(value, int) else "String", "StringValue": str(value)}
        for name, value in about.items()
        if value != ""
    }
    parameters = {"MessageAttributes": attributes, "MessageGroupId": group or None, "MessageDeduplicationId": unique or None}
    targets.send(ctx, queue_arn, message, acting, parameters=parameters)
