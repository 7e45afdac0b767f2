"""Resource policies: which AWS services may put events into the groups of an account. The door enforces them.

An account has ten by name, for all of its groups, and each group one of its own (with `resourceArn`). They speak of services only:
what a policy says about users and roles counts for nothing, as in AWS.

Source: API reference, PutResourcePolicy.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from fogbank.access import grammar
from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs.faults import bad_token, invalid, missing
from fogbank.services.logs.groups import of_resource
from fogbank.services.logs.names import arn_of, group_by_arn
from fogbank.services.logs.state import GROUPS, RESOURCE_POLICIES, Group, ResourcePolicy
from fogbank.store import change

POLICIES_LIMIT = 10
DOCUMENT_LIMIT = 5120
PAGE_LIMIT = 50


def _check(document: str) -> None:
    """Errors: InvalidParameterException."""
    try:
        grammar.read(document, "resource")
    except ServiceException as refused:
        raise invalid(f"Invalid resource policy: {refused.message}") from None
    if len(document.encode()) > DOCUMENT_LIMIT:
        raise ServiceException("LimitExceededException", f"Resource policies have at most {DOCUMENT_LIMIT} bytes.")


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Makes or replaces a policy: by name for the account, or of a group, whose revision must be the expected one.

    Errors: InvalidParameterException, LimitExceededException, OperationAbortedException, ResourceNotFoundException.
    Source: API reference, PutResourcePolicy.
    """
    if req.policyDocument is None:
        raise invalid("policyDocument is required.")
    _check(req.policyDocument)
    if req.resourceArn is not None:
        group = of_resource(ctx, req.resourceArn)
        _check_revision(group, req.expectedRevisionId)
        group = change(
            group,
            policy=req.policyDocument,
            policy_name=req.policyName or group.policy_name,
            policy_revision=ctx.random.uuid(),
            policy_at_ms=ctx.now,
        )
        GROUPS.put(ctx, group)
        return {"resourcePolicy": _of_group(group), "revisionId": group.policy_revision}
    if not req.policyName:
        raise invalid("policyName is required.")
    policies = {policy.name for policy in RESOURCE_POLICIES.scan(ctx, ctx.account, ctx.region)}
    if req.policyName not in policies and len(policies) >= POLICIES_LIMIT:
        raise ServiceException("LimitExceededException", "Resource limit exceeded.")
    policy = ResourcePolicy(account=ctx.account, region=ctx.region, name=req.policyName, document=req.policyDocument, updated_at_ms=ctx.now)
    RESOURCE_POLICIES.put(ctx, policy)
    return {"resourcePolicy": _of_account(policy)}


def _check_revision(group: Group, expected: str | None) -> None:
    if (expected or "") != group.policy_revision:
        raise ServiceException("OperationAbortedException", "The revision of the resource policy is not the expected one.")


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Takes a policy away. Errors: ResourceNotFoundException, InvalidParameterException, OperationAbortedException.

    Source: API reference, DeleteResourcePolicy.
    """
    if req.resourceArn is not None:
        group = of_resource(ctx, req.resourceArn)
        if not group.policy:
            raise missing("The specified resource policy does not exist.")
        _check_revision(group, req.expectedRevisionId)
        GROUPS.put(ctx, change(group, policy="", policy_name="", policy_revision="", policy_at_ms=0))
        return None
    found = RESOURCE_POLICIES.get(ctx, ctx.account, ctx.region, req.policyName or "")
    if found is None:
        raise missing(f"Policy with name [{req.policyName}] does not exist.")
    RESOURCE_POLICIES.delete(ctx, found)
    return None


@operation("DescribeResourcePolicies")
def describe_resource_policies(ctx: Context, req: Any) -> Answer:
    """The account's policies, at most 50 a page; with policyScope RESOURCE those of groups, with resourceArn that of a group.

    Errors: InvalidParameterException, ResourceNotFoundException. Source: API reference, DescribeResourcePolicies.
    """
    after = paging.place(req.nextToken, bad_token)
    size = req.limit or PAGE_LIMIT
    if req.resourceArn is not None:
        group = of_resource(ctx, req.resourceArn)
        return {"resourcePolicies": [_of_group(group)] if group.policy else []}
    if req.policyScope == "RESOURCE":
        groups, more = paging.page((g for g in GROUPS.scan(ctx, ctx.account, ctx.region, after=after) if g.policy), size)
        return {"resourcePolicies": [_of_group(g) for g in groups], "nextToken": paging.token(groups[-1].name) if more else None}
    policies, more = paging.page(RESOURCE_POLICIES.scan(ctx, ctx.account, ctx.region, after=after), size)
    return {"resourcePolicies": [_of_account(p) for p in policies], "nextToken": paging.token(policies[-1].name) if more else None}


def _of_account(policy: ResourcePolicy) -> dict[str, Any]:
    return {
        "policyName": policy.name,
        "policyDocument": policy.document,
        "lastUpdatedTime": policy.updated_at_ms,
        "policyScope": "ACCOUNT",
    }


def _of_group(group: Group) -> dict[str, Any]:
    return {
        "policyName": group.policy_name or None,
        "policyDocument": group.policy,
        "lastUpdatedTime": group.policy_at_ms,
        "policyScope": "RESOURCE",
        "resourceArn": arn_of(group),
        "revisionId": group.policy_revision,
    }


# for the door


def policy_of(ctx: Context, arn: str) -> str | None:
    """What the policies of a group's account say about services; None for other callers."""
    if ctx.principal.kind != "service":
        return None
    parts = arn.split(":", 5)
    documents = [policy.document for policy in RESOURCE_POLICIES.scan(ctx, parts[4], parts[3])]
    group = group_by_arn(ctx, arn)
    if group is not None and group.policy:
        documents.append(group.policy)
    return _joined(tuple(documents)) if documents else None


@lru_cache(256)
def _joined(documents: tuple[str, ...]) -> str:
    """One document of the statements of several."""
    statements = [statement for document in documents for statement in grammar.read(document, "resource")["Statement"]]
    bare = [{key: value for key, value in statement.items() if key != "Sid"} for statement in statements]
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": bare}).decode()
