"""The policy simulator: the same evaluator that guards every call, asked what it would say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fogbank.access.context import Context as Keys
from fogbank.access.evaluate import Decision, Policies, Query, decide
from fogbank.access.policy import Named, Policy, Statement, parse
from fogbank.access.principal import Principal
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam.identities import boundary_of, user_principal
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.lookups import user_at
from fogbank.services.iam.refusals import invalid
from fogbank.services.iam.sources import Source, entity_at, sources_of
from fogbank.services.iam.state import Group, Role, User

# What follows from a real request alone: in a simulation only the caller's entries tell it.
_UNKNOWN = dict.fromkeys(("aws:securetransport", "aws:currenttime", "aws:epochtime", "aws:requestedregion", "aws:viaawsservice"))


@operation("SimulateCustomPolicy")
def simulate_custom_policy(ctx: Context, req: Any) -> Answer:
    """What policies would say to actions on resources: nothing of the account's own counts.

    Errors: InvalidInput, PolicyEvaluation (a policy that cannot be read).
    """
    principal = _caller(ctx, req.CallerArn)
    sources = _given(req.PolicyInputList)
    scps = [
        [s.named for s in _given(level.ServiceControlPolicyInputList, "ServiceControlPolicyInputList", "scp")]
        for level in req.OrderedOrganizationPolicyInputList or ()
    ]
    return _simulate(ctx, req, principal, sources, _boundary(req), scps)


@operation("SimulatePrincipalPolicy")
def simulate_principal_policy(ctx: Context, req: Any) -> Answer:
    """What a user's, group's or role's own policies would say, together with those of the request.

    Errors: NoSuchEntity, InvalidInput, PolicyEvaluation.
    """
    entity = entity_at(ctx, req.PolicySourceArn)
    sources = [s for s in sources_of(ctx, entity) if not _excluded(s, req.PolicyExclusionList or ())]
    sources += _given(req.PolicyInputList)
    boundary = _boundary(req)
    if boundary is None and not isinstance(entity, Group):
        named = boundary_of(ctx, entity)
        boundary = None if named is None else Source(named, "boundary")
    principal = _caller(ctx, req.CallerArn) if req.CallerArn else _as_principal(entity)
    return _simulate(ctx, req, principal, sources, boundary, [])


@operation("GetContextKeysForCustomPolicy")
def get_context_keys_for_custom_policy(ctx: Context, req: Any) -> Answer:
    """The condition keys that policies speak of."""
    return _context_keys(_given(req.PolicyInputList))


@operation("GetContextKeysForPrincipalPolicy")
def get_context_keys_for_principal_policy(ctx: Context, req: Any) -> Answer:
    """The condition keys that a user's, group's or role's policies speak of.

    Errors: NoSuchEntity, InvalidInput.
    """
    return _context_keys([*sources_of(ctx, entity_at(ctx, req.PolicySourceArn)), *_given(req.PolicyInputList)])


def _context_keys(sources: Iterable[Source]) -> Answer:
    found = {key.lower(): key for source in sources for key in source.named.policy.condition_keys()}
    return {"ContextKeyNames": sorted(found.values())}


def _parsed(document: str, kind: Any) -> Policy:
    try:
        return parse(document, kind)
    except ServiceException as malformed:
        raise invalid(f"Invalid policy: {malformed.message}") from None


def _given(documents: Sequence[str] | None, member: str = "PolicyInputList", kind: str = "identity") -> list[Source]:
    """The policies of a request's list, named as AWS names them."""
    return [Source(Named(f"{member}.{n}", _parsed(d, kind)), "IAM Policy") for n, d in enumerate(documents or (), 1)]


def _boundary(req: Any) -> Source | None:
    given = _given(req.PermissionsBoundaryPolicyInputList, "PermissionsBoundaryPolicyInputList", "boundary")
    if len(given) > 1:
        raise invalid("Only one permissions boundary policy can be simulated.")
    return given[0] if given else None


def _as_principal(entity: User | Group | Role) -> Principal:
    if isinstance(entity, User):
        return user_principal(entity)
    if isinstance(entity, Role):
        arn = f"arn:{entity.arn.split(':')[1]}:sts::{entity.account}:assumed-role/{entity.name}/simulation"
        return Principal(
            kind="assumed-role",
            account=entity.account,
            arn=arn,
            user_id=f"{entity.id}:simulation",
            name=entity.name,
            issuer_arn=entity.arn,
            tags=entity.tags,
        )
    return Principal(kind="user", account=entity.account)


def _caller(ctx: Context, arn: str | None) -> Principal:
    """The caller of a simulation: a user's ARN, or nobody in particular of the account."""
    if arn is None:
        return Principal(kind="user", account=ctx.account)
    parsed = Arn.parse(arn)
    if parsed is None or not parsed.resource.startswith("user/"):
        raise invalid(f"Invalid caller ARN: {arn} is not a user's.")
    if parsed.account == ctx.account:
        return user_principal(user_at(ctx, parsed.resource.rpartition("/")[2]))
    return Principal(kind="user", account=parsed.account, arn=arn, name=parsed.resource.rpartition("/")[2])


def _excluded(source: Source, exclusions: Iterable[Any]) -> bool:
    """Whether a simulation leaves out a policy that the entity has."""
    for exclusion in exclusions:
        inline = exclusion.InlinePolicyIdentifier
        if exclusion.PolicyArn is not None and exclusion.PolicyArn == source.owner:
            return True
        if inline is not None and (inline.PolicyName, inline.AttachmentName) == (source.inline, source.owner):
            return inline.AttachmentType is None or str(inline.AttachmentType).lower() == source.kind
    return False


def _entries(req: Any) -> dict[str, Any]:
    """The condition keys that the request tells; all others of a real request are unknown."""
    values: dict[str, Any] = dict(_UNKNOWN)
    for entry in req.ContextEntries or ():
        given = list(entry.ContextKeyValues or ())
        many = (entry.ContextKeyType or "string").endswith("List")
        if not many and len(given) > 1:
            raise invalid(f"Context key {entry.ContextKeyName} has more than one value, but its type is {entry.ContextKeyType}.")
        values[(entry.ContextKeyName or "").lower()] = given if many else given[0] if given else None
    return values


def _simulate(
    ctx: Context, req: Any, principal: Principal, sources: list[Source], boundary: Source | None, scps: list[list[Named]]
) -> Answer:
    """Every action with every resource, in order of the request."""
    if req.ResourceHandlingOption is not None:
        raise NotImplementedOperation("iam", ctx.operation, "with ResourceHandlingOption")
    if req.ResourcePolicy is not None and req.CallerArn is None and not principal.arn:
        raise invalid("CallerArn is required with ResourcePolicy.")
    resource = Source(Named("ResourcePolicy", _parsed(req.ResourcePolicy, "resource")), "resource") if req.ResourcePolicy else None
    owner = Arn.parse(req.ResourceOwner) if req.ResourceOwner else None
    values = _entries(req)
    questions = [(action, arn) for action in req.ActionNames for arn in req.ResourceArns or ["*"]]

    def result(numbered: tuple[int, tuple[str, str]]) -> dict[str, Any]:
        action, arn = numbered[1]
        if ":" not in action:
            raise invalid(f"Invalid action name: {action}")
        query = Query(principal, action, arn, Keys(principal, None, "", ctx.now, dict(values)))
        parsed = Arn.parse(arn)
        account = owner.account if owner else parsed.account if parsed and parsed.account and resource else ""
        policies = Policies(
            identity=[s.named for s in sources],
            boundary=boundary.named if boundary else None,
            scps=scps,
            resource=resource.named if resource else None,
            resource_account=account if account.isdigit() else "",
        )
        everything = [*sources, *((boundary,) if boundary else ()), *((resource,) if resource else ())]
        return _result(query, decide(query, policies), everything, policies)

    return page_of(req, "EvaluationResults", enumerate(questions), lambda q: f"{q[0]:06d}", result)


def _result(query: Query, decision: Decision, sources: list[Source], policies: Policies) -> dict[str, Any]:
    asked = [(s, statement) for s in sources for statement in s.named.policy.statements if _speaks_of(statement, query)]
    taking_part = [(s, st) for s, st in asked if st.applies is None or st.applies(query.resource, query.context)]
    denials = [(s, st) for s, st in taking_part if st.deny]
    missing = {c.key for _, st in asked for c in st.conditions if query.context.get(c.key.lower()) is None}
    shared: dict[str, Any] = {
        "MatchedStatements": [_matched(s, st) for s, st in denials or taking_part if s.kind != "boundary"],
        "MissingContextValues": sorted(missing),
    }
    if policies.boundary is not None:
        allowed = decide(query, Policies(identity=[policies.boundary])).allowed
        shared["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    answer = {"EvalActionName": query.action, "EvalResourceName": query.resource, "EvalDecision": decision.reason, **shared}
    if policies.scps:
        allowed = all(decide(query, Policies(identity=level)).allowed for level in policies.scps)
        answer["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": allowed}
    if policies.resource is not None and policies.resource_account not in ("", query.principal.account):
        identity = decide(query, Policies(identity=policies.identity, boundary=policies.boundary))
        by_resource = decide(query, Policies(resource=policies.resource, resource_required=True))
        answer["EvalDecisionDetails"] = {"IAM Policy": identity.reason, "Resource Policy": by_resource.reason}
    if query.resource != "*":
        answer["ResourceSpecificResults"] = [
            {"EvalResourceName": query.resource, "EvalResourceDecision": decision.reason, **shared},
        ]
    return answer


def _speaks_of(statement: Statement, query: Query) -> bool:
    """Whether action, principal and resource fit; the conditions are another matter."""
    return (
        statement.action_test(query.action.lower())
        and (statement.principal_test is None or bool(statement.principal_test(query.principal)))
        and (statement.resource_test is None or statement.resource_test(query.resource, query.context))
    )


def _place(document: str, offset: int) -> tuple[int, int]:
    """Line and column of a character, both from 1."""
    return document.count("\n", 0, offset) + 1, offset - document.rfind("\n", 0, offset)


def _matched(source: Source, statement: Statement) -> dict[str, Any]:
    policy = source.named.policy
    first, after = policy.positions()[statement.index]
    start, end = _place(policy.document, first), _place(policy.document, after - 1)
    return {
        "SourcePolicyId": source.named.name,
        "SourcePolicyType": source.kind,
        "StartPosition": {"Line": start[0], "Column": start[1]},
        "EndPosition": {"Line": end[0], "Column": end[1]},
    }
