"""Whether they may: which actions on which resources an operation is, and what every policy that applies says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fogbank.access import authorization, policy
from fogbank.access.context import Context as Conditions
from fogbank.access.context import family
from fogbank.access.evaluate import decide
from fogbank.access.policy import Named
from fogbank.access.principal import Principal
from fogbank.access.question import DENIAL_CODES, Decision, Policies, Query, denial_message
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Resource, Service
from fogbank.store import Upload

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud

DECISIONS_LIMIT = 10_000
SMALL_BYTES = 4096
_TAG_MEMBERS = ("Tags", "tags", "TagSet", "TagList", "Tagging")


class Demand:
    """What one action of an operation asks for: its name and the resource types that it may be about."""

    __slots__ = ("action", "resources")

    def __init__(self, action: str, resources: tuple[Resource, ...]) -> None:
        self.action = action
        self.resources = resources


def demands(manifest: Service, operation: str) -> tuple[Demand, ...]:
    """An operation's actions, from the service authorization definition."""
    out = []
    for name in authorization.actions(manifest.name, operation):
        definition = authorization.action(name)
        types = [use.name for use in definition.resources] if definition is not None else []
        out.append(Demand(name, tuple(manifest.resources[t] for t in types if t in manifest.resources)))
    return tuple(out)


def room(body: Any) -> int:
    """Bytes of memory that a request's body takes."""
    if isinstance(body, Upload):
        return body.size if body.path is None else 0
    return len(body or b"")


def request_tags(req: Any) -> Mapping[str, str] | None:
    """The tags that a request brings, whatever its service calls them."""
    for name in _TAG_MEMBERS:
        tags = getattr(req, name, None)
        if tags is None:
            continue
        if isinstance(tags, Mapping):
            return tags
        listed = getattr(tags, "TagSet", tags)
        if isinstance(listed, list):
            return {_either(t, "Key", "TagKey", "key"): _either(t, "Value", "TagValue", "value") for t in listed}
    return None


def _either(structure: Any, *names: str) -> str:
    return next((str(value) for name in names if (value := getattr(structure, name, None))), "")


class Decided(NamedTuple):
    """A decision, with what it was about: enough to explain it."""

    query: Query
    policies: Policies
    decision: Decision


class About(NamedTuple):
    """What a request asked that was decided before: its query, made only when somebody wants it explained."""

    ctx: Context
    manifest: Service | None
    req: Any
    resource: Resource | None
    given: dict[str, Any] | None

    def decided(self, before: Decided) -> Decided:
        """The decision with the condition keys of this request, not of the first."""
        action, arn = before.query.action, before.query.resource
        conditions = RequestConditions(self.ctx, self.manifest, self.req, self.resource, arn, self.given)
        return Decided(Query(self.ctx.principal, action, arn, conditions), before.policies, before.decision)


class RequestConditions(Conditions):
    """The condition keys of one request: the global ones, the service's own, and tags; each found when first asked for."""

    __slots__ = ("_arn", "_ctx", "_manifest", "_req", "_resource", "_settled")

    def __init__(
        self,
        ctx: Context,
        manifest: Service | None,
        req: Any,
        resource: Resource | None,
        arn: str,
        given: dict[str, Any] | None,
    ) -> None:
        if ctx.via:
            given = (given or {}) | {"aws:calledvia": [f"{name}.amazonaws.com" for name in ctx.via]}
        super().__init__(ctx.principal, ctx.request, ctx.region, ctx.now, given)
        self._ctx = ctx
        self._manifest = manifest
        self._req = req
        self._resource = resource
        self._arn = arn
        self._settled = False

    def settle(self) -> None:
        """Finds every key now, and lets go of the request: a decision is remembered for longer than a body may take room."""
        self.names()
        self.get("aws:resourceaccount")
        self._settled = True
        self._req = self._resource = self.request = None
        del self._ctx

    def _find(self, name: str) -> Any:
        if self._settled:
            return super()._find(name)
        head, slash, _ = name.partition("/")
        key = family(name) or head + slash
        if key not in self.values and name not in self.values:
            own = self._manifest.conditions.get(key) if self._manifest is not None else None
            if own is not None:
                self.values[key] = self._told(own)
            else:
                self._global(name, head, key)
        return super()._find(name)

    def _told(self, own: Callable[[Context, Any], Any]) -> Any:
        """What the service knows; nothing of what is not there (any more, when a decision is explained later)."""
        try:
            return own(self._ctx, self._req)
        except ServiceException:
            return None

    def _global(self, name: str, head: str, key: str) -> None:
        """Puts what the request and the resource tell under its name, where it is one of theirs."""
        values = self.values
        if head.endswith(":resourcetag"):
            resource = self._resource
            values[key] = (resource.tags(self._ctx, self._arn) if resource is not None and resource.tags is not None else None) or {}
        elif head == "aws:requesttag":
            values[key] = request_tags(self._req) or {}
        elif name == "aws:tagkeys":
            tags = request_tags(self._req)
            keys = list(tags) if tags else getattr(self._req, "TagKeys", None) or getattr(self._req, "tagKeys", None)
            values[name] = keys
        elif name == "aws:resourceaccount":
            values[name] = account_of(self._ctx, self._resource, self._arn) or None

    def names(self) -> list[str]:
        for name in (
            *(self._manifest.conditions if self._manifest is not None else ()),
            "aws:resourcetag/",
            "aws:requesttag/",
            "aws:tagkeys",
        ):
            self.get(name)
        return super().names()


def account_of(ctx: Context, resource: Resource | None, arn: str) -> str:
    """The account that owns a resource."""
    if resource is not None and resource.owner is not None:
        return resource.owner(ctx, arn) or ""
    return _account_in(arn)


@lru_cache(4096)
def _account_in(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


_Type = tuple[Resource, Callable[[str], Any] | None]
"""A declared resource type, and what tells whether an ARN is of it (None: any is)."""


def _types_of(manifest: Service, action: str) -> list[_Type]:
    """The declared resource types that an action may be about."""
    prefix = action.partition(":")[0]
    definition = authorization.action(action)
    names = [use.name for use in definition.resources] if definition is not None else list(manifest.resources)
    kinds = [(manifest.resources[name], authorization.resource_type(prefix, name)) for name in names if name in manifest.resources]
    return [(resource, None if kind is None else kind.matcher) for resource, kind in kinds]


class Authoriser:
    """The authorise hop of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._kept: dict[tuple[Any, ...], Decided] = {}
        self._types: dict[tuple[str, str], list[_Type]] = {}

    def check(self, ctx: Context, manifest: Service, demands: tuple[Demand, ...], req: Any, dialect: str) -> None:
        """Raises AccessDenied unless every action of the operation is allowed on every resource that it is about."""
        for demand in demands:
            named = False
            for resource in demand.resources:
                arn = resource.arn(ctx, req)
                if arn is not None:
                    named = True
                    self._one(ctx, manifest, demand.action, resource, arn, req, dialect)
            if not named:
                self._one(ctx, manifest, demand.action, None, "*", req, dialect)

    def _one(self, ctx: Context, manifest: Service, action: str, resource: Resource | None, arn: str, req: Any, dialect: str) -> None:
        decided = self._decided_on(ctx, manifest, action, resource, arn, None, req)
        if decided is not None and not decided.decision.allowed:
            raise denied(decided.query, decided.decision, dialect)

    def may(self, ctx: Context, manifest: Service | None, action: str, arn: str, given: Mapping[str, Any], req: Any) -> Decided | None:
        """A further check that an operation makes itself; None where it needs no policy (the account's own root)."""
        values = {name.replace("__", ":").lower(): value for name, value in given.items()} if given else None
        decided = self._decided_on(ctx, manifest, action, self._resource_of(action, arn, manifest), arn, values, req)
        if manifest is None or manifest.through is None or (decided is not None and not decided.decision.allowed):
            return decided
        gate = manifest.through(ctx, req, arn)
        if gate is None:
            return decided
        return self._decided_on(ctx, manifest, action, self._resource_of(action, gate, manifest), gate, values, req)

    def _decided_on(
        self,
        ctx: Context,
        manifest: Service | None,
        action: str,
        resource: Resource | None,
        arn: str,
        given: dict[str, Any] | None,
        req: Any,
    ) -> Decided | None:
        """The decision. One that looked at no condition key, or only at what a service says of itself (aws:SourceArn), is kept until a
        policy changes. None: nothing could deny it."""
        principal: Principal = ctx.principal
        if resource is not None and resource.standing is not None:
            document, owner = resource.standing(ctx, req, action, arn)
        else:
            document = resource.policy(ctx, arn) if resource is not None and resource.policy is not None else None
            owner = account_of(ctx, resource, arn)
        required = resource is not None and resource.policy_required
        own = not owner or owner == principal.account
        if document is None and own and not required and self._cloud.callers.unlimited(principal):
            return None
        told = principal.claims if principal.kind == "service" else {}
        key = (principal.user_id, principal.arn, principal.session, *told.values(), action, arn, document, owner)
        known = self._kept.get(key)
        large = ctx.request is not None and room(ctx.request.body) > SMALL_BYTES
        if known is not None and known.decision.allowed and not large:
            self._cloud.remember(ctx.request_id, known, About(ctx, manifest, req, resource, given))
            return known
        conditions = RequestConditions(ctx, manifest, req, resource, arn, given)
        query = Query(principal, action, arn, conditions)
        if known is not None:
            decided = Decided(query, known.policies, known.decision)
        else:
            decided = self._decide(query, document, owner, required=required)
            if not conditions.asked_beyond(told):
                if len(self._kept) > DECISIONS_LIMIT:
                    self._kept.clear()
                self._kept[key] = decided
        if not decided.decision.allowed and not decided.decision.explicit and resource is not None and resource.grants is not None:
            decided = self._granted(resource.grants(ctx, req, action, arn), decided)
        if large:
            conditions.settle()
        self._cloud.remember(ctx.request_id, decided)
        return decided

    def decide(self, ctx: Context, query: Query, policies: Policies) -> Decision:
        """A decision whose policies a service has gathered itself (a role's trust): the organization's are added."""
        principal: Principal = query.principal
        if principal.account:
            policies = msgspec.structs.replace(policies, scps=self._cloud.callers.policies_of(principal).scps)
        decision = decide(query, policies)
        self._cloud.remember(ctx.request_id, Decided(query, policies, decision))
        return decision

    def _resource_of(self, action: str, arn: str, manifest: Service | None) -> Resource | None:
        """The declared resource type of an ARN, by the action's own types where several look alike."""
        if manifest is None:
            return None
        types = self._types.get((manifest.name, action))
        if types is None:
            types = self._types[manifest.name, action] = _types_of(manifest, action)
        if len(types) == 1:
            return types[0][0]
        for resource, fits in types:
            if fits is None or fits(arn):
                return resource
        return None

    def _decide(self, query: Query, document: str | None, owner: str, *, required: bool) -> Decided:
        policies = self._cloud.callers.policies_of(query.principal)
        if document is not None or owner:
            named = None if document is None else Named(query.resource, policy.parse(document, "resource"))
            policies = Policies(
                identity=policies.identity,
                boundary=policies.boundary,
                session=policies.session,
                scps=policies.scps,
                resource=named,
                resource_account=owner,
                resource_required=required,
            )
        return Decided(query, policies, decide(query, policies))

    @staticmethod
    def _granted(document: str | None, decided: Decided) -> Decided:
        """The decision by grants, instead of one in which no policy allowed; that one again where there is no grant."""
        if document is None:
            return decided
        query = decided.query
        named = Named(f"grants of {query.resource}", policy.parse(document, "resource"))
        policies = msgspec.structs.replace(decided.policies, resource=named, resource_account="", resource_required=True)
        decision = decide(query, policies)
        return Decided(query, policies, decision) if decision.allowed else decided

    def forget(self) -> None:
        """Somebody's policies may have changed."""
        self._kept.clear()


def denied(query: Query, decision: Decision, dialect: str) -> ServiceException:
    """The refusal, in the words of the service's family."""
    message = denial_message(query, decision)
    if (own := DENIAL_CODES.get(query.action.partition(":")[0])) is not None:
        return ServiceException(own, message, status=403)
    if dialect == "ec2":
        return ServiceException("UnauthorizedOperation", message, status=403)
    if dialect in ("json", "rest-json"):
        return ServiceException("AccessDeniedException", message, status=400 if dialect == "json" else 403)
    return ServiceException("AccessDenied", message, status=403)
