"""May this principal do this to that? Every policy that applies, and the one that decided.

Source: "Policy evaluation logic" in the IAM User Guide (single account, cross-account, and the table of how a resource policy's
principals meet boundaries and session policies).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fogbank.access.context import Context
from fogbank.access.elements import Naming
from fogbank.access.explanation import Explanation, explain_policies
from fogbank.access.policy import Named, Statement
from fogbank.access.question import Decision, Layer, Policies, Query, denial_message

__all__ = ["Decision", "Explanation", "Layer", "Named", "Policies", "Query", "decide", "denial_message", "explain"]


# Those whom no account's identity policies describe: the resource's policy alone speaks of them.
_WITHOUT_IDENTITY = frozenset({"anonymous", "service", "web-identity", "saml"})

Grant = tuple[Named, Statement]


def decide(query: Query, policies: Policies) -> Decision:
    """The decision. Pure: the same question and policies give the same answer."""
    principal = query.principal
    alone = principal.kind in _WITHOUT_IDENTITY
    refusal: Decision | None = None
    if policies.scps and not alone:
        refusal = _levels(query, policies.scps)
        if refusal is not None and refusal.explicit:
            return refusal
    resource_naming, resource_grant, denied = Naming.NOT, None, None
    if policies.resource is not None:
        resource_naming, resource_grant, denied = _resource(query, policies.resource)
        if denied is not None:
            return denied
    if alone:
        if resource_grant is not None and resource_naming == Naming.DIRECT:
            return _endpoint(query, policies) or Decision(True, Layer.RESOURCE, False, *resource_grant)
        return _endpoint(query, policies, explicit=True) or Decision(False, Layer.RESOURCE)
    limits: list[Decision] = []
    for layer, limit in _limits(query, policies):
        grant, denied = _scan(query, limit, layer)
        if denied is not None:
            return denied
        if grant is None:
            limits.append(Decision(False, layer))
    identity, denied = _scan(query, policies.identity, Layer.IDENTITY)
    if denied is not None:
        return denied
    if refusal is not None:
        return refusal
    if policies.endpoint is not None and (refusal := _endpoint(query, policies)) is not None:
        return refusal
    return _combine(query, policies, identity, resource_naming, resource_grant, limits)


def _combine(
    query: Query, policies: Policies, identity: Grant | None, naming: Naming, resource_grant: Grant | None, limits: list[Decision]
) -> Decision:
    """No statement denied: what do the grants add up to?"""
    principal = query.principal
    by_resource = Decision(True, Layer.RESOURCE, False, *resource_grant) if resource_grant else None
    if identity is not None:
        by_identity = Decision(True, Layer.IDENTITY, False, *identity)
    elif principal.kind == "root" or principal.issuer_arn.endswith(":root"):
        by_identity = Decision(True, Layer.ROOT)
    else:
        by_identity = Decision(False, Layer.IDENTITY)
    across = bool(policies.resource_account) and policies.resource_account != principal.account
    if across:
        if by_identity.allowed and limits:
            return limits[0]
        if not by_identity.allowed:
            return by_identity
        return by_resource or Decision(False, Layer.RESOURCE)
    if by_resource is not None:
        if naming == Naming.DIRECT:
            return by_resource
        if naming == Naming.ROLE:
            return limits[0] if limits else by_resource
    elif policies.resource_required:
        return Decision(False, Layer.RESOURCE)
    if by_identity.allowed and limits:
        return limits[0]
    return by_identity


def _limits(query: Query, policies: Policies) -> Sequence[tuple[Layer, Sequence[Named]]]:
    """What bounds the identity policies. A federated user's session has only what its session policies name: none, nothing."""
    if policies.boundary is None and not policies.session and query.principal.kind != "federated-user":
        return ()
    limits: list[tuple[Layer, Sequence[Named]]] = []
    if policies.boundary is not None:
        limits.append((Layer.BOUNDARY, (policies.boundary,)))
    if policies.session or query.principal.kind == "federated-user":
        limits.append((Layer.SESSION, policies.session))
    return limits


def _scan(query: Query, policies: Sequence[Named], layer: Layer) -> tuple[Grant | None, Decision | None]:
    """The first grant in these policies, and the denial if there is one."""
    action, resource, context = query.action, query.resource, query.context
    grant: Grant | None = None
    for named in policies:
        denials, allowances = named.policy.on(action)
        for statement in denials:
            applies = statement.applies
            if applies is None or applies(resource, context):
                return None, Decision(False, layer, True, named, statement)
        if grant is None:
            for statement in allowances:
                applies = statement.applies
                if applies is None or applies(resource, context):
                    grant = (named, statement)
                    break
    return grant, None


def _levels(query: Query, levels: Sequence[Sequence[Named]]) -> Decision | None:
    """The organization's refusal; None where every level allows. A denial on any level comes before a missing allowance."""
    silent: Decision | None = None
    for level in levels:
        grant, denied = _scan(query, level, Layer.SCP)
        if denied is not None:
            return denied
        if grant is None and silent is None:
            silent = Decision(False, Layer.SCP)
    return silent


def _resource(query: Query, named: Named) -> tuple[Naming, Grant | None, Decision | None]:
    """How closely the resource's policy names the caller in what it grants, the grant, and its denial if it denies."""
    principal, resource, context = query.principal, query.resource, query.context
    denials, allowances = named.policy.on(query.action)
    for statement in denials:
        if (statement.principal_test is None or statement.principal_test(principal)) and _holds(statement, resource, context):
            return Naming.NOT, None, Decision(False, Layer.RESOURCE, True, named, statement)
    best, grant = Naming.NOT, None
    for statement in allowances:
        naming = statement.principal_test(principal) if statement.principal_test is not None else Naming.DIRECT
        if naming > best and _holds(statement, resource, context):
            best, grant = naming, (named, statement)
    return best, grant, None


def _holds(statement: Statement, resource: str, context: Context) -> bool:
    return statement.applies is None or statement.applies(resource, context)


def _endpoint(query: Query, policies: Policies, explicit: bool = False) -> Decision | None:
    """The refusal of the endpoint that the call came through; `explicit`: only a statement's."""
    if policies.endpoint is None:
        return None
    _, grant, denied = _resource(query, policies.endpoint)
    if denied is not None:
        return msgspec.structs.replace(denied, layer=Layer.ENDPOINT)
    return None if grant is not None or explicit else Decision(False, Layer.ENDPOINT)


def explain(query: Query, policies: Policies) -> Explanation:
    """The decision and how it came about: every policy, statement by statement, and the element that did not fit."""
    return explain_policies(query, policies, decide(query, policies))
