"""Parameter policies. An Expiration deletes its parameter at its instant.

Source: "Assigning parameter policies in Parameter Store" in the AWS Systems Manager User Guide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.ssm import removing
from fogbank.services.ssm.names import invalid
from fogbank.services.ssm.state import PARAMETERS, Parameter, Version

POLICIES_LIMIT = 10
NOTIFICATIONS = ("ExpirationNotification", "NoChangeNotification")


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
    expires = [_expiration_ms(policy) for policy in policies]
    if len(expires) > 1:
        raise ServiceException("IncompatiblePolicyException", "A parameter can have one Expiration policy only.")
    if expires and expires[0] <= now_ms:
        raise ServiceException("InvalidPolicyAttributeException", "The Timestamp of an Expiration policy must be in the future.")
    return tuple([msgspec.json.encode(policy).decode() for policy in policies]), expires[0] if expires else 0


def _expiration_ms(policy: dict[str, Any]) -> int:
    kind, attributes = policy.get("Type"), policy.get("Attributes")
    if kind in NOTIFICATIONS:
        raise NotImplementedOperation("ssm", "PutParameter", f"with a policy of type {kind}, which tells Amazon EventBridge")
    if kind != "Expiration":
        raise ServiceException("InvalidPolicyTypeException", f"The policy type {kind} is not supported.")
    if policy.get("Version") != "1.0" or not isinstance(attributes, dict) or attributes.keys() != {"Timestamp"}:
        raise ServiceException(
            "InvalidPolicyAttributeException", "An Expiration policy has the Version 1.0 and one attribute, its Timestamp."
        )
    try:
        at = datetime.fromisoformat(attributes["Timestamp"])
    except (TypeError, ValueError):
        raise ServiceException(
            "InvalidPolicyAttributeException", f"The Timestamp {attributes['Timestamp']} is not in ISO 8601 format."
        ) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def describe(version: Version) -> list[dict[str, Any]] | None:
    """The policies of a version: none has been carried out yet, or there would be no version any more."""
    if not version.policies:
        return None
    return [{"PolicyText": text, "PolicyType": msgspec.json.decode(text)["Type"], "PolicyStatus": "Pending"} for text in version.policies]


def schedule(ctx: Context, parameter: Parameter) -> None:
    """Has a parameter expire at its instant, if it has one."""
    if parameter.expires_at_ms:
        payload = {"account": parameter.account, "region": parameter.region, "name": parameter.name, "id": parameter.id}
        ctx.later("ssm.expire", payload, at_ms=parameter.expires_at_ms)


@task("expire")
def expire(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes a parameter whose time has come, unless its policy was changed."""
    parameter = PARAMETERS.get(ctx, payload["account"], payload["region"], payload["name"])
    if parameter is not None and parameter.id == payload["id"] and 0 < parameter.expires_at_ms <= ctx.now:
        removing.erase(ctx, parameter)
    return None
