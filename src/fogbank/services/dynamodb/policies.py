"""Resource policies of tables, which also speak of their indexes; at most 20 KB."""

from __future__ import annotations

from typing import Any

from fogbank.access import policy
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb.addresses import table_of_arn_at
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import TABLES, Table
from fogbank.store import change

POLICY_BYTES = 20 * 1024
NONE = "NO_POLICY"
"""The revision of a table without a policy."""


def attached(ctx: Context, table: Table, document: str) -> Table:
    """The table with a policy. The same policy keeps its revision. Raises ValidationException."""
    if len(document.encode()) > POLICY_BYTES:
        raise invalid(f"Resource-based policy document exceeds the maximum size of {POLICY_BYTES} bytes")
    try:
        policy.parse(document, "resource")
    except ServiceException as problem:
        raise invalid(f"Invalid policy document: {problem.message}") from None
    if document == table.policy:
        return table
    revision = str(ctx.now * 1_000_000 + int.from_bytes(ctx.random.bytes(2), "big"))
    return change(table, policy=document, policy_revision=revision)


def _check_revision(table: Table, expected: str | None) -> None:
    if expected is not None and expected != (table.policy_revision or NONE):
        raise ServiceException(
            "PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: ExpectedRevisionId {expected} "
            "does not match the current policy"
        )  # fmt: skip


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Gives a table a policy in place of the one it has; the same document again keeps the revision.

    Errors: ResourceNotFoundException, PolicyNotFoundException (ExpectedRevisionId), ValidationException.
    Source: API reference, PutResourcePolicy.
    """
    table = table_of_arn_at(ctx, req.ResourceArn)
    _check_revision(table, req.ExpectedRevisionId)
    changed = attached(ctx, table, req.Policy)
    TABLES.put(ctx, changed)
    return {"RevisionId": changed.policy_revision}


@operation("GetResourcePolicy")
def get_resource_policy(ctx: Context, req: Any) -> Answer:
    """A table's policy. Errors: ResourceNotFoundException, PolicyNotFoundException. Source: API reference, GetResourcePolicy."""
    table = table_of_arn_at(ctx, req.ResourceArn)
    if not table.policy:
        message = f"Resource-based policy not found for the provided ResourceArn: {req.ResourceArn}"
        raise ServiceException("PolicyNotFoundException", message)
    return {"Policy": table.policy, "RevisionId": table.policy_revision}


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Takes a table's policy away; no error where there is none, unless a revision is expected.

    Errors: ResourceNotFoundException, PolicyNotFoundException. Source: API reference, DeleteResourcePolicy.
    """
    table = table_of_arn_at(ctx, req.ResourceArn)
    _check_revision(table, req.ExpectedRevisionId)
    TABLES.put(ctx, change(table, policy="", policy_revision=""))
    return {"RevisionId": table.policy_revision}
