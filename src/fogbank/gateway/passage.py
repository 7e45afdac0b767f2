"""How an operation reaches out: `ctx.door`. What it calls passes the same authorise hop, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fogbank.access.principal import service as service_principal
from fogbank.access.question import Decision, Policies, Query
from fogbank.delivery import outbox
from fogbank.gateway.authorise import Decided, denied
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.wire import given

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Entry, Gateway


class Passage:
    """The door, as one running operation sees it."""

    __slots__ = ("_req", "cloud", "entry", "gateway")

    def __init__(self, gateway: Gateway, cloud: Cloud, entry: Entry | None, req: Any) -> None:
        self.gateway = gateway
        self.cloud = cloud
        self.entry = entry
        self._req = req

    def call(
        self, ctx: Context, service: str, operation: str, members: Mapping[str, Any], acting: Acting | None, region: str | None
    ) -> Any:
        """See `Context.call`."""
        entry = self.gateway.inner_entry(service, operation)
        if entry.function is None or entry.manifest is None:
            raise NotImplementedOperation(service, operation)
        req = given.members(service, operation, members)
        inner = Context(
            Passage(self.gateway, self.cloud, entry, req),
            ctx.tx,
            ctx.blobs,
            ctx.now,
            ctx.random,
            ctx.principal if acting is None else service_principal(acting.principal, acting.source_account, acting.source_arn),
            ctx.account if acting is None else acting.source_account,
            region or ctx.region,
            service,
            operation,
            ctx.request_id,
            None,
            ctx.endpoint,
        )
        mark = ctx.tx.mark()
        try:
            if not entry.authorized_here:
                self.cloud.authoriser.check(inner, entry.manifest, entry.demands, req, entry.family)
            return entry.function(inner, req)
        except Exception:
            ctx.tx.undo(mark)
            raise

    def may(self, ctx: Context, action: str, resource: str, conditions: Mapping[str, Any]) -> bool:
        """See `Context.may`."""
        decided = self._check(ctx, action, resource, conditions)
        return decided is None or decided.decision.allowed

    def authorize(self, ctx: Context, action: str, resource: str, conditions: Mapping[str, Any]) -> None:
        """See `Context.authorize`."""
        decided = self._check(ctx, action, resource, conditions)
        if decided is not None and not decided.decision.allowed:
            raise denied(decided.query, decided.decision, self.entry.family if self.entry is not None else "query")

    def _check(self, ctx: Context, action: str, resource: str, conditions: Mapping[str, Any]) -> Decided | None:
        manifest = self.entry.manifest if self.entry is not None else None
        return self.cloud.authoriser.may(ctx, manifest, action, resource, conditions, self._req)

    def signature_age_ms(self) -> int | None:
        """See `Context.signature_age_ms`: a call from a service has no signature."""
        return None

    def decide(self, ctx: Context, query: Query, policies: Policies) -> Decision:
        """See `Context.decide`."""
        return self.cloud.authoriser.decide(ctx, query, policies)

    def later(self, ctx: Context, task: str, payload: Any, at_ms: int) -> None:
        """See `Context.later`."""
        outbox.put(ctx, task, payload, at_ms, ctx.account, ctx.region)
