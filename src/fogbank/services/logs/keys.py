"""AssociateKmsKey and DisassociateKmsKey: of a group's events, or of the results of an account's queries.

Source: API reference, AssociateKmsKey, DisassociateKmsKey.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs import encrypting
from fogbank.services.logs.faults import invalid
from fogbank.services.logs.groups import of_resource, put_key
from fogbank.services.logs.names import group_at
from fogbank.services.logs.state import QUERY_KEYS, Group, QueryKey


@operation("AssociateKmsKey")
def associate_kms_key(ctx: Context, req: Any) -> Answer:
    """Events that come into a group from now on, or results of queries from now on, are sealed under a KMS key, which must let
    CloudWatch Logs use it.

    Errors: ResourceNotFoundException, InvalidParameterException.
    """
    group = _target(ctx, req)
    if group is not None:
        put_key(ctx, group, req.kmsKeyId)
        return None
    if not req.kmsKeyId.startswith("arn:"):
        raise invalid("The KMS key must be given by its ARN.")
    encrypting.check(ctx, req.kmsKeyId, results_arn(ctx), "query results")
    QUERY_KEYS.put(ctx, QueryKey(account=ctx.account, region=ctx.region, kms_key=req.kmsKeyId))
    return None


@operation("DisassociateKmsKey")
def disassociate_kms_key(ctx: Context, req: Any) -> Answer:
    """New events, or results, are under no KMS key any more; those that are need it for as long as they are kept.

    Errors: ResourceNotFoundException, InvalidParameterException.
    """
    group = _target(ctx, req)
    if group is not None:
        put_key(ctx, group, "")
    elif (key := QUERY_KEYS.get(ctx, ctx.account, ctx.region)) is not None:
        QUERY_KEYS.delete(ctx, key)
    return None


def results_arn(ctx: Context) -> str:
    return ctx.arn("query-result:*")


def _target(ctx: Context, req: Any) -> Group | None:
    """The group that a request is about; None where it is about query results."""
    if (req.logGroupName is None) == (req.resourceIdentifier is None):
        raise invalid("You must specify either logGroupName or resourceIdentifier, but not both.")
    if req.logGroupName is not None:
        return group_at(ctx, req.logGroupName)
    if req.resourceIdentifier == results_arn(ctx):
        return None
    return of_resource(ctx, req.resourceIdentifier)
