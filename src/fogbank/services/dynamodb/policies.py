"""Resource policies of tables, which also speak of their indexes, and of streams; at most 20 KB."""

from __future__ import annotations

from typing import Any, TypeVar

from fogbank.access import policy
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb.addresses import table_of_arn_at
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import TABLES, Table
from fogbank.services.dynamodb.streams import stream_at
from fogbank.services.dynamodb.timeline import STREAMS, Stream
from fogbank.store import change

POLICY_BYTES = 20 * 1024
NONE = "NO_POLICY"
"""The revision of a table without a policy."""

Holder = TypeVar("Holder", bound=Table | Stream)


def attached(ctx: Context, holder: Holder, document: str) -> Holder:
    """The table or stream with a policy. The same policy keeps its revision. Raises ValidationException."""
    if len(document.encode()) > POLICY_BYTES:
        raise invalid(f"Resource-based policy document exceeds the maximum size of {POLICY_BYTES} bytes")
    try:
        policy.parse(document, "resource")
    except ServiceException as problem:
        raise invalid(f"Invalid policy document: {problem.message}") from None
    if document == holder.policy:
        return holder
    revision = str(ctx.now * 1_000_000 + int.from_bytes(ctx.random.bytes(2), "big"))
    return change(holder, policy=document, policy_revision=revision)


def _holder_at(ctx: Context, text: str) -> Table | Stream:
    """The table or stream itself that an ARN names. Raises ValidationException, ResourceNotFoundException."""
    return stream_at(ctx, text) if "/stream/" in text else table_of_arn_at(ctx, text)


def _put(ctx: Context, holder: Table | Stream) -> None:
    if isinstance(holder, Stream):
        STREAMS.put(ctx, holder)
    else:
        TABLES.put(ctx, holder)


def _check_revision(holder: Table | Stream, expected: str | None) -> None:
    if expected is not None and expected != (holder.policy_revision or NONE):
        raise ServiceException(
            "PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: ExpectedRevisionId {expected} "
            "does not match the current policy"
        )  # fmt: skip


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Gives a table or a stream a policy in place of the one it has; the same document again keeps the revision.

    One that would not let the caller do this again must be confirmed with ConfirmRemoveSelfResourceAccess.

    Errors: ResourceNotFoundException, PolicyNotFoundException (ExpectedRevisionId), ValidationException.
    Source: API reference, PutResourcePolicy.
    """
    holder = _holder_at(ctx, req.ResourceArn)
    _check_revision(holder, req.ExpectedRevisionId)
    changed = attached(ctx, holder, req.Policy)
    _put(ctx, changed)
    if not req.ConfirmRemoveSelfResourceAccess and not ctx.may("dynamodb:PutResourcePolicy", req.ResourceArn):
        raise invalid("The new resource-based policy will not allow you to update the resource-based policy in the future.")
    return {"RevisionId": changed.policy_revision}


@operation("GetResourcePolicy")
def get_resource_policy(ctx: Context, req: Any) -> Answer:
    """A table's or a stream's policy.

    Errors: ResourceNotFoundException, PolicyNotFoundException. Source: API reference, GetResourcePolicy.
    """
    holder = _holder_at(ctx, req.ResourceArn)
    if not holder.policy:
        message = f"Resource-based policy not found for the provided ResourceArn: {req.ResourceArn}"
        raise ServiceException("PolicyNotFoundException", message)
    return {"Policy": holder.policy, "RevisionId": holder.policy_revision}


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Takes a policy away; no error where there is none, unless a revision is expected.

    Errors: ResourceNotFoundException, PolicyNotFoundException. Source: API reference, DeleteResourcePolicy.
    """
    holder = _holder_at(ctx, req.ResourceArn)
    _check_revision(holder, req.ExpectedRevisionId)
    _put(ctx, change(holder, policy="", policy_revision=""))
    return {"RevisionId": holder.policy_revision}
