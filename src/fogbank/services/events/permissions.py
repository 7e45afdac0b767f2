"""PutPermission, RemovePermission: the policy of a bus, whole or by statements."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.access import grammar
from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.events.addresses import bad, bus_arn, invalid, own_bus_at
from fogbank.services.events.state import BUSES, POLICY_BYTES_LIMIT, Bus
from fogbank.store import change


@operation("PutPermission")
def put_permission(ctx: Context, req: Any) -> Answer:
    """Lets an account (or with a condition on aws:PrincipalOrgID an organisation) put events; or replaces the bus's policy with Policy.

    A statement with the StatementId of another takes its place. A policy has at most 10,240 bytes.
    Errors: ResourceNotFoundException, PolicyLengthExceededException, ValidationException. Source: API reference, PutPermission.
    """
    bus = own_bus_at(ctx, req.EventBusName)
    if req.Policy is not None:
        if req.Action or req.Principal or req.StatementId or req.Condition:
            raise invalid("Parameter Policy can't be given together with Action, Principal, StatementId or Condition.")
        _put(ctx, bus, _checked(req.Policy))
        return None
    for name in ("Action", "Principal", "StatementId"):
        if not getattr(req, name):
            raise invalid(f"Parameter(s) {name} must be specified.")
    if req.Action != "events:PutEvents":
        raise invalid("Provided value in parameter 'action' is not supported.")
    principal: Any = "*" if req.Principal == "*" else {"AWS": f"arn:{partition_of(bus.region)}:iam::{req.Principal}:root"}
    statement = {"Sid": req.StatementId, "Effect": "Allow", "Principal": principal, "Action": req.Action, "Resource": bus_arn(bus)}
    if req.Condition is not None:
        if (req.Condition.Type, req.Condition.Key) != ("StringEquals", "aws:PrincipalOrgID"):
            raise bad("Condition", "Only StringEquals of aws:PrincipalOrgID is supported.")
        if req.Principal != "*":
            raise bad("Condition", "Principal must be * where a Condition is given.")
        statement["Condition"] = {req.Condition.Type: {req.Condition.Key: req.Condition.Value}}
    policy = _policy(bus)
    policy["Statement"] = [one for one in policy["Statement"] if one.get("Sid") != req.StatementId] + [statement]
    _put(ctx, bus, msgspec.json.encode(policy).decode())
    return None


@operation("RemovePermission")
def remove_permission(ctx: Context, req: Any) -> Answer:
    """Takes a statement out of the policy of a bus, or all of them.

    Errors: ResourceNotFoundException (no bus, no policy, no such statement), ValidationException. Source: RemovePermission.
    """
    bus = own_bus_at(ctx, req.EventBusName)
    if req.RemoveAllPermissions:
        _put(ctx, bus, "")
        return None
    if not req.StatementId:
        raise invalid("Parameter StatementId is required.")
    if not bus.policy:
        raise ServiceException("ResourceNotFoundException", "EventBus does not have a policy.")
    policy = _policy(bus)
    kept = [one for one in policy["Statement"] if one.get("Sid") != req.StatementId]
    if len(kept) == len(policy["Statement"]):
        raise ServiceException("ResourceNotFoundException", "Statement with the provided id does not exist.")
    policy["Statement"] = kept
    _put(ctx, bus, msgspec.json.encode(policy).decode() if kept else "")
    return None


def _checked(text: str) -> str:
    if len(text.encode()) > POLICY_BYTES_LIMIT:
        raise ServiceException("PolicyLengthExceededException", "The policy exceeds the limit of 10240 bytes.")
    try:
        grammar.read(text, "resource")
    except ServiceException as wrong:
        raise bad("Policy", wrong.message) from None
    return text


def _policy(bus: Bus) -> dict[str, Any]:
    if not bus.policy:
        return {"Version": "2012-10-17", "Statement": []}
    policy: dict[str, Any] = msgspec.json.decode(bus.policy)
    if isinstance(policy["Statement"], dict):
        policy["Statement"] = [policy["Statement"]]
    return policy


def _put(ctx: Context, bus: Bus, policy: str) -> None:
    if len(policy.encode()) > POLICY_BYTES_LIMIT:
        raise ServiceException("PolicyLengthExceededException", "The policy exceeds the limit of 10240 bytes.")
    BUSES.put(ctx, change(bus, policy=policy, modified_at_ms=ctx.now))
