"""How an operation reaches out: `ctx.door`. What it calls passes the same authorise hop, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from fogbank.access.principal import Principal
from fogbank.access.principal import service as service_principal
from fogbank.access.question import Decision, Policies, Query
from fogbank.delivery import outbox
from fogbank.gateway import tracing
from fogbank.gateway.authorise import Decided, denied
from fogbank.kernel.beside import Done, on_thread
from fogbank.kernel.context import Acting, Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Service, Wait
from fogbank.kernel.resource_types import ResourceType
from fogbank.kernel.telemetry import TRAIL
from fogbank.store.tables import At
from fogbank.wire import given

if TYPE_CHECKING:
    from fogbank.gateway.call import Entry
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Gateway


HOUR_MS = 3_600_000


class Passage:
    """The door, as one running operation sees it."""

    __slots__ = ("_req", "cloud", "entry", "gateway", "manifest", "watched")

    def __init__(self, gateway: Gateway, cloud: Cloud, entry: Entry | None, req: Any, manifest: Service | None = None) -> None:
        """`manifest`: of the service whose task this is, where there is no operation."""
        self.gateway = gateway
        self.cloud = cloud
        self.entry = entry
        self.watched = False
        self.manifest = manifest if entry is None else entry.manifest
        self._req = req

    def call(
        self, ctx: Context, service: str, operation: str, members: Mapping[str, Any], acting: Acting | Role | None, region: str | None
    ) -> Any:
        """See `Context.call`."""
        entry = self.gateway.inner_entry(service, operation)
        if entry.function is None or entry.manifest is None:
            raise NotImplementedOperation(service, operation)
        req = given.members(service, operation, members)
        principal, via = ctx.principal, (*ctx.via, ctx.service)
        if isinstance(acting, Role):
            principal, via = self.cloud.callers.assume(ctx, acting), ()
        elif acting is not None:
            principal, via = service_principal(acting.principal, acting.source_account, acting.source_arn), ()
        door = Passage(self.gateway, self.cloud, entry, req)
        inner = self._context(ctx, door, principal, service, operation, region or ctx.region, via)
        traced = self.cloud.tracing.follow(ctx.trace) if ctx.trace else None
        if traced is not None:
            inner.trace = traced.header
        mark = ctx.tx.mark()
        try:
            if entry.manifest.resolve is not None:
                entry.manifest.resolve(inner, req)
            if not entry.authorized_here:
                self.cloud.authoriser.check(inner, entry.manifest, entry.demands, req, entry.family)
            answer = entry.function(inner, req)
        except Exception as problem:
            ctx.tx.undo(mark)
            if isinstance(problem, ServiceException):
                self._over(inner, entry, self.cloud.tracing.trailed(entry), req, traced, None, problem)
            raise
        heard = self.cloud.tracing.trailed(entry)
        if heard or traced is not None:
            self._over(inner, entry, heard, req, traced, answer, None)
        return answer

    def _over(
        self,
        ctx: Context,
        entry: Entry,
        heard: int,
        req: Any,
        traced: tracing.Traced | None,
        answer: Any,
        problem: ServiceException | None,
        kind: str = "inner",
    ) -> None:
        """Tells of a call that is over: its span, and what a trail records."""
        if traced is not None:
            status, error, message = (200, "", "") if problem is None else (problem.status, problem.code, problem.message)
            ctx.tell(*tracing.told(traced, kind, ctx, req, status, error, message))
        if heard and not isinstance(answer, Wait):
            ctx.tell(TRAIL, tracing.recorded(ctx, entry, heard, req, answer, problem))

    def beside(self, ctx: Context, what: str, work: Callable[[], Any]) -> Any:
        """See `Context.beside`."""
        return self.outside(ctx, what, on_thread(self.gateway.pool, work))

    def outside(self, ctx: Context, what: str, begin: Callable[[Done], None]) -> Any:
        """See `Context.outside`."""
        gateway = self.gateway
        return self.cloud.beside.result(ctx.request_id, what, lambda done: gateway.soon(begin, done), ctx.now + HOUR_MS)

    def under_way(self, ctx: Context, what: str) -> bool:
        """See `Context.under_way`."""
        return self.cloud.beside.begun(ctx.request_id, what)

    def apart(self, ctx: Context, what: str, work: Callable[[Context], Any]) -> Any:
        """See `Context.apart`."""
        gateway, cloud = self.gateway, self.cloud

        def begin(done: Done) -> None:
            tx = cloud.begin()
            itself = service_principal(f"{ctx.service}.amazonaws.com", ctx.account)
            try:
                result = work(
                    gateway.context(
                        cloud, tx, self.manifest, itself, ctx.account, ctx.region, ctx.service, ctx.operation, ctx.request_id, ctx.trace
                    )
                )
                cloud.commit(tx)
            except Exception as problem:
                cloud.undo(tx)
                result = problem
            done(result)

        return self.outside(ctx, what, begin)

    def traced(self, ctx: Context, header: str) -> Context:
        """See `Context.traced`."""
        carried = self._context(ctx, self, ctx.principal, ctx.service, ctx.operation, ctx.region, ctx.via)
        carried.trace = header
        return carried

    @property
    def access_key(self) -> str:
        """The id of the key that signed the request; "" where none did."""
        return ""

    @property
    def workshop(self) -> Any:
        """See `Context.workshop`."""
        return self.cloud.workshop

    @property
    def databases(self) -> Any:
        """See `Context.databases`."""
        return self.cloud.databases

    def as_role(self, ctx: Context, role: Role) -> Context:
        """See `Context.as_role`."""
        return self._context(ctx, self, self.cloud.callers.assume(ctx, role), ctx.service, ctx.operation, ctx.region, ())

    def as_signer(self, ctx: Context) -> Context:
        """See `Context.as_signer`: nothing but a visit to a site comes unnamed."""
        return ctx

    def caller(self, ctx: Context) -> bytes:
        """See `Context.caller`."""
        return msgspec.msgpack.encode(ctx.principal)

    def as_caller(self, ctx: Context, caller: bytes) -> Context:
        """See `Context.as_caller`."""
        principal = msgspec.msgpack.decode(caller, type=Principal)
        credential = self.cloud.callers.find(principal.session) if principal.session else None
        if principal.session and (credential is None or (credential.expires_at_ms or 0) <= ctx.now):
            raise ServiceException("ExpiredToken", "The security token included in the request is expired", status=403)
        return self._context(ctx, self, principal, ctx.service, ctx.operation, ctx.region, ())

    def resource_type(self, name: str) -> ResourceType | None:
        """See `Context.resource_type`."""
        return self.gateway.resource_type(name)

    @staticmethod
    def _context(
        ctx: Context, door: Passage, principal: Principal, service: str, operation: str, region: str, via: tuple[str, ...]
    ) -> Context:
        """The same transaction, for another caller or another operation."""
        return Context(
            door,
            ctx.tx,
            ctx.blobs,
            ctx.now,
            ctx.random,
            principal,
            principal.account,
            region,
            service,
            operation,
            ctx.request_id,
            None,
            ctx.endpoint,
            via,
            ctx.trace,
        )

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
        return self.cloud.authoriser.may(ctx, self.manifest, action, resource, conditions, self._req)

    def signature_age_ms(self) -> int | None:
        """See `Context.signature_age_ms`: a call from a service has no signature."""
        return None

    def at_machine(self, machine_ms: int) -> int:
        """See `Context.at_machine`."""
        return self.cloud.clock.at_wall(machine_ms)

    def decide(self, ctx: Context, query: Query, policies: Policies) -> Decision:
        """See `Context.decide`."""
        return self.cloud.authoriser.decide(ctx, query, policies)

    def later(self, ctx: Context, task: str, payload: Any, at_ms: int) -> None:
        """See `Context.later`."""
        outbox.put(ctx, task, payload, at_ms, ctx.account, ctx.region, ctx.trace)

    def past(self, ctx: Context, at_ms: int, sequence: int | None) -> At:
        """See `Context.past`."""
        return self.cloud.past(at_ms, sequence)

    def spend(self, key: str, units: float, rate_per_s: float, burst: float, now_ms: int) -> bool:
        """See `Context.spend`."""
        return self.cloud.meters.spend(key, units, rate_per_s, burst, now_ms)

    def watch(self) -> None:
        """See `Context.watch`."""
        self.watched = True
