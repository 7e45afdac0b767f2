"""When a failed delivery is tried again. Arithmetic, without ctx.

A policy has four phases: retries at once, then some at the least delay, then some whose delays grow from the least to the greatest, then
some at the greatest. Source: "Amazon SNS message delivery retries" and "Creating an HTTP/S delivery policy" in the Developer Guide.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fogbank.languages import documents

BACKOFFS = ("arithmetic", "exponential", "geometric", "linear")
DELAY_LIMIT_S = 3600
RETRIES_LIMIT = 100


class Retries(NamedTuple):
    """How many retries each phase has, and between which delays in seconds."""

    immediate: int
    before: int
    growing: int
    after: int
    least_s: float
    most_s: float
    function: str = "exponential"


MANAGED = Retries(3, 2, 10, 100_000, 1, 20)
"""For SQS, Lambda and Firehose: 100,015 retries over 23 days."""
CUSTOMERS = Retries(0, 2, 10, 38, 10, 600)
"""For mail, text messages and mobile push: 50 retries over 6 hours."""

DEFAULT_RETRY: dict[str, Any] = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
DEFAULT_CONTENT_TYPE = "text/plain; charset=UTF-8"


def delay_s(retries: Retries, failed: int) -> float | None:
    """How long after the attempt number `failed` (from 1 on) the next one comes; None: not any more."""
    number = failed - 1
    for count, delay in ((retries.immediate, 0.0), (retries.before, retries.least_s)):
        if number < count:
            return delay
        number -= count
    if number < retries.growing:
        return _grown(retries, number)
    return retries.most_s if number - retries.growing < retries.after else None


def _grown(retries: Retries, number: int) -> float:
    """The delay of the growing phase's retry `number` (from 0 on): the least for the first, the greatest for the last."""
    low, high, last = retries.least_s, retries.most_s, retries.growing - 1
    if last < 1 or high <= low:
        return low
    if retries.function == "linear":
        return low + (high - low) * number / last
    if retries.function == "arithmetic":
        return low + (high - low) * number * (number + 1) / (last * (last + 1))
    if retries.function == "geometric":
        return float(low * (high / low) ** (number / last))
    return min(high, low * 2.0**number)


class HttpPolicy(NamedTuple):
    """How messages go to an HTTP endpoint. `per_second`: 0 where there is no limit."""

    retries: Retries
    per_second: int
    content_type: str


@lru_cache(1024)
def http_policy(topic_policy: str, subscription_policy: str) -> HttpPolicy:
    effective = effective_policy(topic_policy, subscription_policy)
    retry = effective["healthyRetryPolicy"]
    fixed = retry["numNoDelayRetries"], retry["numMinDelayRetries"], retry["numMaxDelayRetries"]
    return HttpPolicy(
        Retries(
            fixed[0],
            fixed[1],
            max(retry["numRetries"] - sum(fixed), 0),
            fixed[2],
            retry["minDelayTarget"],
            retry["maxDelayTarget"],
            retry["backoffFunction"],
        ),
        (effective.get("throttlePolicy") or {}).get("maxReceivesPerSecond", 0),
        effective["requestPolicy"]["headerContentType"],
    )


def effective_topic_policy(topic_policy: str) -> dict[str, Any]:
    """What a topic's DeliveryPolicy comes to: with AWS's defaults for what it does not say."""
    http = (msgspec.json.decode(topic_policy) if topic_policy else {}).get("http") or {}
    return {
        "http": {
            "defaultHealthyRetryPolicy": DEFAULT_RETRY | (http.get("defaultHealthyRetryPolicy") or {}),
            "disableSubscriptionOverrides": bool(http.get("disableSubscriptionOverrides", False)),
            **({"defaultThrottlePolicy": http["defaultThrottlePolicy"]} if http.get("defaultThrottlePolicy") else {}),
            "defaultRequestPolicy": {"headerContentType": DEFAULT_CONTENT_TYPE} | (http.get("defaultRequestPolicy") or {}),
        }
    }


def effective_policy(topic_policy: str, subscription_policy: str) -> dict[str, Any]:
    """What a subscription's DeliveryPolicy comes to, with its topic's."""
    http = effective_topic_policy(topic_policy)["http"]
    own = msgspec.json.decode(subscription_policy) if subscription_policy and not http["disableSubscriptionOverrides"] else {}
    retry = DEFAULT_RETRY | own["healthyRetryPolicy"] if own.get("healthyRetryPolicy") else http["defaultHealthyRetryPolicy"]
    return {
        "healthyRetryPolicy": retry,
        "throttlePolicy": own.get("throttlePolicy") or http.get("defaultThrottlePolicy"),
        "requestPolicy": http["defaultRequestPolicy"] | (own.get("requestPolicy") or {}),
        "guaranteed": False,
    }


def problem(text: str, *, of_topic: bool) -> str:
    """What is wrong with a DeliveryPolicy, or ""."""
    try:
        policy = documents.read_object(text)
    except documents.Malformed:
        return "failed to parse JSON."
    if not of_topic:
        return _problem_of_parts(policy, "", ("healthyRetryPolicy", "throttlePolicy", "requestPolicy"), ("guaranteed", "sicklyRetryPolicy"))
    if set(policy) - {"http"}:
        return f"Unexpected JSON member: {min(set(policy) - {'http'})}"
    http = policy.get("http")
    if not isinstance(http, dict):
        return "http must be a JSON object"
    parts = ("defaultHealthyRetryPolicy", "defaultThrottlePolicy", "defaultRequestPolicy")
    if not isinstance(http.get("disableSubscriptionOverrides", False), bool):
        return "http.disableSubscriptionOverrides must be a boolean"
    return _problem_of_parts(http, "http.", parts, ("disableSubscriptionOverrides", "defaultSicklyRetryPolicy"))


def _problem_of_parts(policy: dict[str, Any], path: str, parts: tuple[str, str, str], others: tuple[str, ...]) -> str:
    if extra := set(policy) - {*parts, *others}:
        return f"Unexpected JSON member: {path}{min(extra)}"
    for name in parts:
        if policy.get(name) is not None and not isinstance(policy[name], dict):
            return f"{path}{name} must be a JSON object"
    retry, throttle, request = (policy.get(name) or {} for name in parts)
    if retry and (wrong := _problem_of_retry(retry)):
        return f"{path}{parts[0]}.{wrong}"
    rate = throttle.get("maxReceivesPerSecond")
    if rate is not None and not (_whole(rate) and rate >= 1):
        return f"{path}{parts[1]}.maxReceivesPerSecond must be greater than or equal to 1"
    kind = request.get("headerContentType")
    if kind is not None and (not isinstance(kind, str) or "/" not in kind):
        return f"{path}{parts[2]}.headerContentType is not a supported content type"
    return ""


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _problem_of_retry(given: dict[str, Any]) -> str:
    if extra := set(given) - set(DEFAULT_RETRY):
        return f"{min(extra)} is not supported"
    retry = DEFAULT_RETRY | given
    for name in ("minDelayTarget", "maxDelayTarget"):
        if not _whole(retry[name]) or not 1 <= retry[name] <= DELAY_LIMIT_S:
            return f"{name} must be greater than or equal to 1 and less than or equal to {DELAY_LIMIT_S}"
    if retry["minDelayTarget"] > retry["maxDelayTarget"]:
        return "maxDelayTarget must be greater than or equal to minDelayTarget"
    for name in ("numRetries", "numNoDelayRetries", "numMinDelayRetries", "numMaxDelayRetries"):
        if not _whole(retry[name]) or not 0 <= retry[name] <= RETRIES_LIMIT:
            return f"{name} must be greater than or equal to 0 and less than or equal to {RETRIES_LIMIT}"
    if sum(retry[name] for name in ("numNoDelayRetries", "numMinDelayRetries", "numMaxDelayRetries")) > retry["numRetries"]:
        return "numRetries must be greater than or equal to the sum of numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries"
    if retry["backoffFunction"] not in BACKOFFS:
        return f"backoffFunction must be one of {', '.join(BACKOFFS)}"
    return ""
