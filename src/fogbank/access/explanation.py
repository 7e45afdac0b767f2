"""A decision, shown: every policy that was considered, statement by statement, and the first element that did not fit.

Slow and thorough where `evaluate` is fast: for people, and for IAM's policy simulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from fogbank.access.context import Value
from fogbank.access.policy import Condition, Named, Statement
from fogbank.access.question import Decision, Layer, Policies, Query, denial_message


class ConditionResult(msgspec.Struct):
    """A condition, and what it found in the request (None: the key is missing)."""

    operator: str
    key: str
    values: list[str]
    found: Value | None
    matched: bool


class StatementResult(msgspec.Struct):
    """A statement: whether it applied, and if not, its first element that did not fit (`Action`, `Principal`, `Resource`, `Condition`)."""

    index: int
    sid: str
    effect: str
    matched: bool
    failed: str | None
    conditions: list[ConditionResult]
    document: dict[str, Any]


class PolicyResult(msgspec.Struct):
    """A policy and what it says by itself: `allowed`, `explicitDeny` or `implicitDeny`."""

    name: str
    layer: str
    decision: str
    statements: list[StatementResult]


class Explanation(msgspec.Struct):
    """JSON-able (`msgspec.to_builtins`). `missing_keys` are condition keys that policies ask for and the request does not have."""

    allowed: bool
    decision: str
    layer: str
    message: str
    principal: str
    action: str
    resource: str
    policies: list[PolicyResult]
    missing_keys: list[str]
    keys: dict[str, Value]

    def matched(self) -> list[tuple[PolicyResult, StatementResult]]:
        """The statements that took part in the decision: the denials where one denied, else the allowances."""
        pairs = [(policy, statement) for policy in self.policies for statement in policy.statements if statement.matched]
        effect = "Deny" if any(statement.effect == "Deny" for _, statement in pairs) else "Allow"
        return [(policy, statement) for policy, statement in pairs if statement.effect == effect]


def explain_policies(query: Query, policies: Policies, decision: Decision) -> Explanation:
    """Every policy's part in a decision that was made."""
    results = [_policy(query, layer, named) for layer, named in _all(policies)]
    context = query.context
    asked = {key.lower(): key for _, named in _all(policies) for key in named.policy.condition_keys()}
    return Explanation(
        allowed=decision.allowed,
        decision=decision.reason,
        layer=decision.layer.value,
        message="" if decision.allowed else denial_message(query, decision),
        principal=query.principal.arn,
        action=query.action,
        resource=query.resource,
        policies=results,
        missing_keys=sorted(spelt for lower, spelt in asked.items() if context.get(lower) is None),
        keys={name: value for name in context.names() if (value := context.get(name)) is not None},
    )


def _all(policies: Policies) -> Iterator[tuple[Layer, Named]]:
    for level in policies.scps:
        yield from ((Layer.SCP, named) for named in level)
    for layer, single in ((Layer.ENDPOINT, policies.endpoint), (Layer.RESOURCE, policies.resource), (Layer.BOUNDARY, policies.boundary)):
        if single is not None:
            yield layer, single
    yield from ((Layer.SESSION, named) for named in policies.session)
    yield from ((Layer.IDENTITY, named) for named in policies.identity)


def _policy(query: Query, layer: Layer, named: Named) -> PolicyResult:
    statements = [_statement(query, statement) for statement in named.policy.statements]
    effects = {statement.effect for statement in statements if statement.matched}
    decision = "explicitDeny" if "Deny" in effects else "allowed" if effects else "implicitDeny"
    return PolicyResult(named.name, layer.value, decision, statements)


def _statement(query: Query, statement: Statement) -> StatementResult:
    conditions = [_condition(query, condition) for condition in statement.conditions]
    failed: str | None = None
    if not statement.action_test(query.action.lower()):
        failed = "NotAction" if "NotAction" in statement.document else "Action"
    elif statement.principal_test is not None and not statement.principal_test(query.principal):
        failed = "NotPrincipal" if "NotPrincipal" in statement.document else "Principal"
    elif statement.resource_test is not None and not statement.resource_test(query.resource, query.context):
        failed = "NotResource" if "NotResource" in statement.document else "Resource"
    elif not all(condition.matched for condition in conditions):
        failed = "Condition"
    return StatementResult(
        index=statement.index,
        sid=statement.sid,
        effect="Deny" if statement.deny else "Allow",
        matched=failed is None,
        failed=failed,
        conditions=conditions,
        document={name: value for name, value in statement.document.items() if name != "Sid" or value},
    )


def _condition(query: Query, condition: Condition) -> ConditionResult:
    context = query.context
    return ConditionResult(condition.operator, condition.key, condition.values, context.get(condition.key.lower()), condition.test(context))
