"""Account policies: data protection and subscriptions for all groups of an account in a region.

The other types are refused by name: FIELD_INDEX_POLICY, TRANSFORMER_POLICY, METRIC_EXTRACTION_POLICY, RETENTION_POLICY.

Source: API reference, PutAccountPolicy.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs import forwarding, patterns, protection, ways
from fogbank.services.logs.faults import invalid, missing, not_here
from fogbank.services.logs.state import ACCOUNT_POLICIES, AccountPolicy

ACTIONS = {
    protection.POLICY: ("logs:PutDataProtectionPolicy", "logs:DeleteDataProtectionPolicy", "logs:GetDataProtectionPolicy"),
    ways.POLICY: ("logs:PutSubscriptionFilter", "logs:DeleteSubscriptionFilter", "logs:DescribeSubscriptionFilters"),
}
"""What else the caller needs, to put, to delete and to see a policy of each type."""


def _check_type(operation: str, kind: str, dry_run: bool | None = None) -> None:
    if kind not in ACTIONS:
        raise not_here(operation, f"with the policy type {kind}")
    if dry_run:
        raise invalid("dryRun can be specified only for a RETENTION_POLICY.")


@operation("PutAccountPolicy")
def put_account_policy(ctx: Context, req: Any) -> Answer:
    """Makes or replaces the account's policy of a type. The caller also needs the permission to put such a policy for a group.

    Errors: InvalidParameterException, LimitExceededException (there is one of another name), NotImplemented.
    Source: API reference, PutAccountPolicy.
    """
    kind = req.policyType
    _check_type("PutAccountPolicy", kind, req.dryRun)
    ctx.authorize(ACTIONS[kind][0], "*")
    old = ACCOUNT_POLICIES.get(ctx, ctx.account, ctx.region, kind)
    if old is not None and old.name != req.policyName:
        raise ServiceException("LimitExceededException", f"An account can have one {kind}.")
    policy = AccountPolicy(
        account=ctx.account,
        region=ctx.region,
        type=kind,
        name=req.policyName,
        document=req.policyDocument,
        updated_at_ms=ctx.now,
        criteria=req.selectionCriteria or "",
    )
    if kind == protection.POLICY:
        if req.selectionCriteria:
            raise invalid("selectionCriteria can't be specified for a DATA_PROTECTION_POLICY.")
        protection.read(req.policyDocument)
    else:
        found = ways.read(req.policyName, req.policyDocument, req.selectionCriteria or "")
        patterns.read(found.pattern)
        forwarding.check_way(ctx, ctx.account, "*", found.way)
    ACCOUNT_POLICIES.put(ctx, policy)
    return {"accountPolicy": _described(policy)}


@operation("DeleteAccountPolicy")
def delete_account_policy(ctx: Context, req: Any) -> Answer:
    """Takes the account's policy of a type away. Errors: ResourceNotFoundException, NotImplemented.

    Source: API reference, DeleteAccountPolicy.
    """
    _check_type("DeleteAccountPolicy", req.policyType, req.dryRun)
    ctx.authorize(ACTIONS[req.policyType][1], "*")
    policy = ACCOUNT_POLICIES.get(ctx, ctx.account, ctx.region, req.policyType)
    if policy is None or policy.name != req.policyName:
        raise missing("The specified account policy does not exist.")
    ACCOUNT_POLICIES.delete(ctx, policy)
    return None


@operation("DescribeAccountPolicies")
def describe_account_policies(ctx: Context, req: Any) -> Answer:
    """The account's policy of a type, where it has one. Errors: InvalidParameterException, NotImplemented.

    Source: API reference, DescribeAccountPolicies.
    """
    _check_type("DescribeAccountPolicies", req.policyType)
    if set(req.accountIdentifiers or ()) - {ctx.account}:
        raise not_here("DescribeAccountPolicies", "with linked accounts")
    ctx.authorize(ACTIONS[req.policyType][2], "*")
    policy = ACCOUNT_POLICIES.get(ctx, ctx.account, ctx.region, req.policyType)
    wanted = policy is not None and req.policyName in (None, policy.name)
    return {"accountPolicies": [_described(policy)] if policy is not None and wanted else []}


def _described(policy: AccountPolicy) -> dict[str, Any]:
    return {
        "policyName": policy.name,
        "policyDocument": policy.document,
        "lastUpdatedTime": policy.updated_at_ms,
        "policyType": policy.type,
        "scope": "ALL",
        "selectionCriteria": policy.criteria or None,
        "accountId": policy.account,
    }
