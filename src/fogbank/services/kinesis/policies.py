"""Resource policies of streams and of consumers: who else may read and write them, at most 20 KB."""

from __future__ import annotations

from typing import Any

from fogbank.access import policy
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis.faults import absent, invalid
from fogbank.services.kinesis.state import Consumer, Stream
from fogbank.services.kinesis.tags import put, resource_at
from fogbank.store import change

POLICY_BYTES = 20 * 1024


def _own_at(ctx: Context, text: str) -> Stream | Consumer:
    """Raises ResourceNotFoundException; AccessDeniedException for another account's."""
    found = resource_at(ctx, text)
    if found.account != ctx.account:
        raise ServiceException("AccessDeniedException", f"Operation {ctx.operation} is not supported across accounts.")
    return found


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Gives a stream or a consumer a policy in place of the one it has.

    Errors: ResourceNotFoundException, InvalidArgumentException (no policy, too long). Source: API reference, PutResourcePolicy.
    """
    found = _own_at(ctx, req.ResourceARN)
    if len(req.Policy.encode()) > POLICY_BYTES:
        raise invalid(f"Resource policy exceeds the maximum size of {POLICY_BYTES} bytes.")
    try:
        policy.parse(req.Policy, "resource")
    except ServiceException as problem:
        raise invalid(f"Invalid resource policy: {problem.message}") from None
    put(ctx, change(found, policy=req.Policy))
    return None


@operation("GetResourcePolicy")
def get_resource_policy(ctx: Context, req: Any) -> Answer:
    """A stream's or a consumer's policy; an empty one where it has none.

    Errors: ResourceNotFoundException. Source: API reference, GetResourcePolicy.
    """
    return {"Policy": _own_at(ctx, req.ResourceARN).policy or "{}"}


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Takes a policy away. Errors: ResourceNotFoundException. Source: API reference, DeleteResourcePolicy."""
    found = _own_at(ctx, req.ResourceARN)
    if not found.policy:
        raise absent(f"No resource policy found for {req.ResourceARN}.")
    put(ctx, change(found, policy=""))
    return None
