"""One request, ten hops. This list is the gateway:

    listen        socket -> bytes; a large body is spooled to a blob           `listen`, `spool`
    identify      host, path, target, scope -> service, operation, protocol    `Gateway.admit`
    authenticate  signature -> principal, account, region                      `Gateway.admit`
    decode        bytes -> members by AWS's names                              `Call.perform`
    validate      members -> the same, or AWS's own sentence                   (in decode: compiled together)
    authorise     principal, action, resource, policies -> allow, or why not   `Call.run`
    transact      opens transaction and ctx; runs again on Wait                `Call.run`
    operate       the service's function                                       `Call.run`
    commit        version n, log record, outbox rows; wakes who watches        `Call.run`
    encode        members or error -> bytes                                    `Call.answer`

A call from a service to another enters at authorise (`Gateway.call`); a task that was due at transact
(`Gateway.perform_task`).
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fogbank.access import signature
from fogbank.access.principal import ANONYMOUS, Principal
from fogbank.access.principal import service as service_principal
from fogbank.access.signature import Signed
from fogbank.delivery import outbox
from fogbank.gateway import address, cors, tracing
from fogbank.gateway.authenticate import Identities
from fogbank.gateway.call import Call, Entry, Reply, report
from fogbank.gateway.cloud import Cloud
from fogbank.gateway.forms import FormCall, is_form
from fogbank.gateway.onlookers import Onlookers
from fogbank.gateway.passage import Passage
from fogbank.gateway.sites import Found, SiteCall, SiteEntry, Sites
from fogbank.gateway.turn import Turn
from fogbank.gateway.zipped import plain_form
from fogbank.kernel.beside import Done
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse, Visit
from fogbank.kernel.operation import Service, Wait, Watch
from fogbank.kernel.resource_types import ResourceType
from fogbank.kernel.seen import Seen
from fogbank.store.blobs import Blobs
from fogbank.store.store import Store
from fogbank.store.transaction import Transaction
from fogbank.wire import identify, model, refusal

Local = Callable[[Cloud, HttpRequest, Reply], bool]
"""What answers the cloud's own paths (/_fogbank/...): True when it has taken the request."""


class Gateway:
    """The door of all clouds of a process."""

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        services: Mapping[str, str],
        identities: Callable[[], Identities],
        *,
        sites: Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
        debug: bool = False,
    ) -> None:
        """`services`: AWS's service name -> "package:ATTRIBUTE" of its manifest, imported when first called.

        `types`: the first two words of resource types ("AWS::SQS") -> "package:ATTRIBUTE" of their declarations, imported when asked for.
        `sites`: a pattern of what stands in front of the endpoint in a Host header -> the service whose site that is.
        """
        self.store = store
        self.loop = loop
        self.blobs: Blobs = store.blobs
        self.turn = Turn(store, loop)
        self.onlookers = Onlookers(self)
        self.sites = Sites(sites or {})
        self.debug = debug
        self.local: Local = lambda cloud, request, reply: False
        self.clouds: dict[str, Cloud] = {}
        self.blobs.ready = self.ready_soon
        self.pool = ThreadPoolExecutor(32, thread_name_prefix="beside")
        self._services = services
        self._types = types or {}
        self._identities = identities
        self.make_workshop: Callable[[Cloud], Any] | None = None
        """Makes the place where a cloud's functions run, when first used."""
        self.make_databases: Callable[[Cloud], Any] | None = None
        """Likewise, where its database clusters do."""
        self._manifests: dict[str, Service | None] = {}
        self._entries: dict[tuple[str, str, str], Entry] = {}
        self._site_entries: dict[str, SiteEntry] = {}

    def open(self, name: str, *, strict: bool = False, seed: int | None = None) -> Cloud:
        """The cloud of a branch's name, made if it is not there."""
        cloud = self.clouds.get(name)
        if cloud is None:
            cloud = self.clouds[name] = Cloud(self, name, self.store, self._identities, strict=strict, seed=seed)
            self.turn.schedule()
        return cloud

    def manifest(self, service: str) -> Service | None:
        """A service's manifest; None where we have no such service."""
        if service not in self._manifests:
            place = self._services.get(service)
            if place is None:
                self._manifests[service] = None
            else:
                module, _, attribute = place.partition(":")
                self._manifests[service] = getattr(importlib.import_module(module), attribute)
        return self._manifests[service]

    def resource_type(self, name: str) -> ResourceType | None:
        """The declaration of a resource type; None where no service has one of that name."""
        place = self._types.get(name.rpartition("::")[0])
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        return next((kind for kind in getattr(importlib.import_module(module), attribute) if kind.name == name), None)

    def report(self, what: str) -> None:
        """A mistake of ours that no caller waits for."""
        report(what, "", self.debug)

    def entry(self, service: str, operation: str, protocol: str) -> Entry:
        key = (service, operation, protocol)
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = Entry(self, service, operation, protocol)
        return found

    def _site_entry(self, service: str) -> SiteEntry:
        """The entry of a service's sites."""
        found = self._site_entries.get(service)
        if found is None:
            manifest = self.manifest(service)
            assert manifest is not None, service
            assert manifest.site is not None, service
            found = self._site_entries[service] = SiteEntry(service, manifest)
        return found

    def ready_soon(self, watch: Watch) -> None:
        """May be called on any thread."""
        self.loop.call_soon_threadsafe(self._ready, watch)

    def soon(self, begin: Callable[[Done], None], done: Done) -> None:
        """Begins work outside the cloud, in the loop's next round."""

        def run() -> None:
            try:
                begin(done)
            except Exception as problem:
                done(problem)

        self.loop.call_soon(run)

    def _ready(self, watch: Watch) -> None:
        """Work beside the loop is done: whoever waited for it goes on."""
        for cloud in self.clouds.values():
            cloud.wake(*watch)

    # identify and authenticate

    def admit(self, cloud: Cloud, request: HttpRequest, reply: Reply) -> Call | FormCall | None:
        """Names and authenticates a request; None where it was answered at once."""
        path = request.path
        site = self.sites.at(request.headers.get("host", ""), path)
        if "origin" in request.headers:
            crossing = self._crossing(cloud, request, site, reply)
            if crossing is None:
                return None
            reply = crossing
        if site is not None:
            return SiteCall(self, cloud, self._site_entry(site[0]), request, site[1], reply, cloud.chance.request_id())
        if (path[:2] == "/_" or path == "/moto-api/reset") and self.local(cloud, request, reply):
            return None
        request_id = cloud.chance.request_id()
        entry: Entry | None = None
        try:
            if is_form(request):
                return FormCall(self, cloud, request, reply, request_id)
            found = _named(request)
            entry = self.entry(found.service, found.operation, found.protocol)
            signed, principal = cloud.callers.authenticate(request, entry.dialect, entry.model)
            return Call(self, cloud, entry, request, found.labels, signed, principal, reply, request_id)
        except identify.Unidentified as problem:
            response = problem.response(request_id, head=request.method == "HEAD")
        except ServiceException as problem:
            response = self._refusal(request, entry, problem, request_id)
            if entry is not None:
                self.onlookers.note_refusal(cloud, entry, request, response, request_id, problem.code)
        except Exception:
            response = self._refusal(request, entry, report(f"{request.method} {path}", request_id, self.debug), request_id)
        self.turn.say(lambda: reply(response))
        return None

    def _crossing(self, cloud: Cloud, request: HttpRequest, site: Found | None, reply: Reply) -> Reply | None:
        """How to answer a page of another origin; None where it was answered at once."""
        preflight = cors.is_preflight(request)
        service = site[0] if site is not None else "s3" if preflight or is_form(request) else self._service_of(request)
        manifest = self.manifest(service)
        origin = cors.allowed(request)
        told: list[tuple[str, str]] | None = None
        refused: ServiceException | None = None
        if manifest is not None and manifest.origins is not None:
            visit = Visit(request, {} if site is None else site[1])
            try:
                told = manifest.origins(cloud.reader(), visit, address.path(request) or request.path, origin is not None)
            except ServiceException as problem:
                refused = problem
        if preflight:
            if refused is not None:
                reply(self._refusal(request, None, refused, cloud.chance.request_id()))
            else:
                reply(cors.preflight(request) if told is None else HttpResponse(200, told))
            return None
        if told is not None:
            return cors.readable(reply, told)
        if origin is None and not cloud.strict:
            reply(cors.refusal())
            return None
        return reply if refused is not None or origin is None else cors.readable(reply, cors.headers(origin))

    def _service_of(self, request: HttpRequest) -> str:
        """The service that a request calls, or ""."""
        try:
            return _named(request).service
        except ServiceException:
            return ""

    @staticmethod
    def _refusal(request: HttpRequest, entry: Entry | None, problem: ServiceException, request_id: str) -> HttpResponse:
        """A refusal before the operation was reached; of something unnamed, in S3's form."""
        if entry is not None:
            return entry.codec.refuse(problem, request_id)
        return refusal.refuse(model.service("s3"), "rest-xml", problem, request_id, head=request.method == "HEAD")

    def form_call(
        self, cloud: Cloud, request: HttpRequest, labels: Mapping[str, str], signed: Signed | None, request_id: str, reply: Reply
    ) -> Call:
        """The PutObject that a browser's form asks for."""
        return Call(self, cloud, self.entry("s3", "PutObject", "rest-xml"), request, labels, signed, ANONYMOUS, reply, request_id)

    def verify_body(self, call: Call) -> None:
        """A body that came through a file: its signature is checked now that it is whole."""
        call.cloud.callers.authenticate(call.request, call.entry.dialect, call.entry.model)

    def note_use(self, call: Call) -> None:
        """Has IAM write down that an access key was used, in a transaction of its own."""
        signed = call.signed
        assert signed is not None
        tx = call.cloud.begin()
        ctx = self.context(call.cloud, tx, None, call.principal, call.principal.account, call.region, "iam", "", call.request_id)
        call.cloud.callers.identities.used(ctx, signed.access_key_id, call.entry.service, call.region)
        call.cloud.commit(tx)

    def tell(self, cloud: Cloud, told: list[tuple[Entry, Seen]]) -> None:
        """Tells services of calls to them, in a transaction of its own."""
        tx = cloud.begin()
        try:
            for entry, seen in told:
                manifest = entry.manifest
                if manifest is None or manifest.observe is None:
                    continue
                principal = service_principal(f"{entry.service}.amazonaws.com")
                ctx = self.context(cloud, tx, manifest, principal, "", seen.region, entry.service, "observe", seen.request_id)
                manifest.observe(ctx, seen)
            cloud.commit(tx)
        except Exception:
            cloud.undo(tx)
            report("telling of what was seen", told[0][1].request_id, self.debug)

    # calls and tasks of services

    def inner_entry(self, service: str, operation: str) -> Entry:
        """The entry of a call from a service, whatever protocol it would have outside."""
        return self.entry(service, operation, model.service(service).protocols[0])

    def perform_task(self, cloud: Cloud, tx: Transaction, item: outbox.Item) -> Wait | None:
        """Runs a task that is due, as its service, in this transaction. A Wait puts it off."""
        service = item.task.partition(".")[0]
        manifest = self.manifest(service)
        task = manifest.tasks.get(item.task) if manifest is not None else None
        if task is None:
            raise LookupError(f"there is no task {item.task}")
        principal = service_principal(f"{service}.amazonaws.com", item.account)
        ctx = self.context(cloud, tx, manifest, principal, item.account, item.region, service, item.task, f"{item.number:016x}")
        traced = cloud.tracing.follow(item.trace) if item.trace else None
        ctx.trace = traced.header if traced is not None else item.trace
        try:
            answer = task(ctx, outbox.payload(item))
        except ServiceException as problem:
            if traced is not None:
                ctx.tell(*tracing.told(traced, "task", ctx, None, problem.status, problem.code, problem.message))
            raise
        if isinstance(answer, Wait):
            return answer
        if traced is not None:
            ctx.tell(*tracing.told(traced, "task", ctx, None, 200, "", ""))
        return None

    def context(
        self,
        cloud: Cloud,
        tx: Transaction,
        manifest: Service | None,
        principal: Principal,
        account: str,
        region: str,
        service: str,
        operation: str,
        request_id: str,
        trace: str = "",
    ) -> Context:
        """A context that no request stands behind."""
        door = Passage(self, cloud, None, None, manifest)
        return Context(
            door,
            tx,
            self.blobs,
            tx.at_ms,
            cloud.chance,
            principal,
            account,
            region,
            service,
            operation,
            request_id,
            None,
            cloud.endpoint,
            (),
            trace,
        )


def _named(request: HttpRequest) -> identify.Call:
    """The operation that a request calls, by its host, path, target and the signature's scope. Errors: Unidentified."""
    scope = signature.peek(request)
    name = scope.service if scope is not None else None
    routed = address.path(request) if name in (None, "s3") and "x-amz-target" not in request.headers else None
    return identify.identify(plain_form(request), name, routed)
