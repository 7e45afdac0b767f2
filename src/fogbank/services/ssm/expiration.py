"""Parameter policies. An Expiration deletes its parameter at its instant; notifications tell EventBridge some time before that, or some
time after the last change.

Source: "Assigning parameter policies in Parameter Store" in the AWS Systems Manager User Guide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.ssm import announcing, removing
from fogbank.services.ssm.names import invalid
from fogbank.services.ssm.state import PARAMETERS, VERSIONS, Parameter, Version

POLICIES_LIMIT = 10
EXPIRATION = "Expiration"
SPAN_LIMIT = 9999
_ATTRIBUTES = {EXPIRATION: {"Timestamp"}, "ExpirationNotification": {"Before", "Unit"}, "NoChangeNotification": {"After", "Unit"}}
_UNITS_MS = {"Days": 86_400_000, "Hours": 3_600_000}


def read(text: str, now_ms: int) -> tuple[tuple[str, ...], int]:
    """The policies of a request, each as JSON, and when they have the parameter expire; none of them and 0 for an empty list.

    Raises ValidationException, InvalidPolicyTypeException, InvalidPolicyAttributeException, IncompatiblePolicyException,
    PoliciesLimitExceededException.
    """
    try:
        policies = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        policies = None
    if not isinstance(policies, list) or not all(isinstance(policy, dict) for policy in policies):
        raise invalid(f"Invalid policies input: {text}.")
    policies = [policy for policy in policies if policy]
    if len(policies) > POLICIES_LIMIT:
        raise ServiceException("PoliciesLimitExceededException", f"A parameter can have a maximum of {POLICIES_LIMIT} policies.")
    expires = [_expiration_ms(policy) for policy in policies if _checked(policy) == EXPIRATION]
    if len(expires) > 1:
        raise ServiceException("IncompatiblePolicyException", "A parameter can have one Expiration policy only.")
    if not expires and any(policy["Type"] == "ExpirationNotification" for policy in policies):
        raise ServiceException("IncompatiblePolicyException", "An ExpirationNotification policy needs an Expiration policy.")
    if expires and expires[0] <= now_ms:
        raise _wrong("The Timestamp of an Expiration policy must be in the future.")
    return tuple([msgspec.json.encode(policy).decode() for policy in policies]), expires[0] if expires else 0


def _wrong(sentence: str) -> ServiceException:
    return ServiceException("InvalidPolicyAttributeException", sentence)


def _checked(policy: dict[str, Any]) -> str:
    """A policy's type; its version and attributes are what they must be."""
    kind, attributes = policy.get("Type"), policy.get("Attributes")
    names = _ATTRIBUTES.get(kind or "")
    if names is None:
        raise ServiceException("InvalidPolicyTypeException", f"The policy type {kind} is not supported.")
    if policy.get("Version") != "1.0" or not isinstance(attributes, dict) or attributes.keys() != names:
        raise _wrong(f"A policy of type {kind} has the Version 1.0 and the attributes {', '.join(sorted(names))}.")
    if kind != EXPIRATION:
        [count] = [attributes[name] for name in names - {"Unit"}]
        if attributes["Unit"] not in _UNITS_MS or not str(count).isdecimal() or not 1 <= int(count) <= SPAN_LIMIT:
            raise _wrong(f"A policy of type {kind} has a Unit of Days or Hours, and a number of them from 1 to {SPAN_LIMIT}.")
    return str(kind)


def _expiration_ms(policy: dict[str, Any]) -> int:
    stamp = policy["Attributes"]["Timestamp"]
    try:
        at = datetime.fromisoformat(stamp)
    except (TypeError, ValueError):
        raise _wrong(f"The Timestamp {stamp} is not in ISO 8601 format.") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _due_ms(parameter: Parameter, version: Version, text: str) -> int:
    """When a policy is carried out."""
    policy = msgspec.json.decode(text)
    attributes = policy["Attributes"]
    if policy["Type"] == EXPIRATION:
        return parameter.expires_at_ms
    span_ms = _UNITS_MS[attributes["Unit"]] * int(attributes.get("Before") or attributes.get("After"))
    return parameter.expires_at_ms - span_ms if policy["Type"] == "ExpirationNotification" else version.at_ms + span_ms


def describe(ctx: Context, parameter: Parameter, version: Version) -> list[dict[str, Any]] | None:
    """The policies of a version, and whether they have been carried out: an expiration has not, or there would be no version any more."""
    if not version.policies:
        return None
    shown = []
    for text in version.policies:
        status = "Finished" if _due_ms(parameter, version, text) <= ctx.now else "Pending"
        shown.append({"PolicyText": text, "PolicyType": msgspec.json.decode(text)["Type"], "PolicyStatus": status})
    return shown


def schedule(ctx: Context, parameter: Parameter, version: Version, expires_at_ms: int) -> None:
    """Has the policies of a new version carried out, each at its instant. `expires_at_ms`: when the parameter would expire anyway."""
    payload = {"account": parameter.account, "region": parameter.region, "name": parameter.name, "id": parameter.id}
    for text in version.policies:
        due_ms = max(_due_ms(parameter, version, text), ctx.now)
        if msgspec.json.decode(text)["Type"] == EXPIRATION:
            if parameter.expires_at_ms != expires_at_ms:
                ctx.later("ssm.expire", payload, at_ms=due_ms)
        else:
            ctx.later("ssm.remind", {**payload, "version": version.number, "policy": text}, at_ms=due_ms)


@task("remind")
def remind(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Tells EventBridge what a notification policy says, unless the parameter has another version by now: that has its own reminders."""
    parameter = PARAMETERS.get(ctx, payload["account"], payload["region"], payload["name"])
    if parameter is not None and (parameter.id, parameter.latest) == (payload["id"], payload["version"]):
        attributes = msgspec.json.decode(payload["policy"])["Attributes"]
        if "Before" in attributes:
            reason = f"The parameter will expire in {attributes['Before']} {attributes['Unit'].lower()}."
        else:
            reason = f"The parameter has not been changed for {attributes['After']} {attributes['Unit'].lower()}."
        announcing.acted(ctx, parameter, payload["policy"], reason)
    return None


@task("expire")
def expire(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes a parameter whose time has come, unless its policy was changed."""
    parameter = PARAMETERS.get(ctx, payload["account"], payload["region"], payload["name"])
    if parameter is not None and parameter.id == payload["id"] and 0 < parameter.expires_at_ms <= ctx.now:
        version = VERSIONS.get(ctx, parameter.id, parameter.latest)
        for text in version.policies if version is not None else ():
            if msgspec.json.decode(text)["Type"] == EXPIRATION:
                announcing.acted(ctx, parameter, text, "The parameter has expired and was deleted.")
        removing.erase(ctx, parameter)
    return None
