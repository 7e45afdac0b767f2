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
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from fogbank.access import refusals, signature
from fogbank.access.chunks import Chunks
from fogbank.access.dates import instant
from fogbank.access.principal import ANONYMOUS, Principal
from fogbank.access.principal import service as service_principal
from fogbank.access.signature import Signed
from fogbank.delivery import outbox
from fogbank.gateway import address, cors
from fogbank.gateway.authenticate import Identities
from fogbank.gateway.authorise import Demand, demands
from fogbank.gateway.cloud import Cloud, Parked
from fogbank.gateway.forms import FormCall, is_form
from fogbank.gateway.passage import Passage
from fogbank.gateway.turn import Turn
from fogbank.gateway.zipped import plain_form, unzipped
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.kernel.operation import Operate, Service, Wait, Waiting, Watch
from fogbank.store.blobs import Blobs, Upload
from fogbank.store.store import Store
from fogbank.store.transaction import Transaction
from fogbank.wire import identify, model, refusal
from fogbank.wire.codec import codec

DEFAULT_REGION = "us-east-1"

Reply = Callable[[HttpResponse], None]
Local = Callable[[Cloud, HttpRequest, Reply], bool]
"""What answers the cloud's own paths (/_fogbank/...): True when it has taken the request."""


class Entry:
    """An operation in a protocol: everything about it that does not change."""

    def __init__(self, gateway: Gateway, service: str, operation: str, protocol: str) -> None:
        self.service = service
        self.operation = operation
        self.protocol = protocol
        self.codec = codec(service, operation, protocol)
        self.model = self.codec.operation
        self.streams = self.model.streaming_input
        self.manifest = gateway.manifest(service)
        self.function: Operate | None = self.manifest.operations.get(operation) if self.manifest is not None else None
        self.authorized_here: bool = getattr(self.function, "authorized_here", False)
        overlay = self.model.service.overlay
        self.dialect = overlay.dialect or ("json" if protocol in ("json", "rest-json", "smithy-rpc-v2-cbor") else "query")
        if self.model.service.query_compatible:
            self.dialect = "query"  # its callers were promised the codes of old
        self.family = protocol if protocol in ("ec2", "rest-json") else self.dialect

    @cached_property
    def demands(self) -> tuple[Demand, ...]:
        assert self.manifest is not None
        return () if self.authorized_here else demands(self.manifest, self.operation)


class Call(Passage):
    """A request that has been named and authenticated, on its way."""

    __slots__ = ("_parked", "_started_ms", "labels", "principal", "region", "reply", "request", "request_id", "signed")
    entry: Entry

    def __init__(
        self,
        gateway: Gateway,
        cloud: Cloud,
        entry: Entry,
        request: HttpRequest,
        labels: Mapping[str, str] | None,
        signed: Signed | None,
        principal: Principal,
        reply: Reply,
        request_id: str,
    ) -> None:
        super().__init__(gateway, cloud, entry, None)
        self.request = request
        self.labels = labels
        self.signed = signed
        self.principal = principal
        self.region = signed.region if signed is not None else DEFAULT_REGION
        self.reply = reply
        self.request_id = request_id
        self._parked: Parked | None = None
        self._started_ms = 0

    def signature_age_ms(self) -> int | None:
        """See `Context.signature_age_ms`."""
        signed = self.signed
        signed_ms = instant(signed.date) if signed is not None else None
        if signed is None or signed_ms is None:
            return None
        return self.cloud.callers.dated_by(signed_ms if signed.method == "query" else None) - signed_ms

    def chunks(self) -> Chunks | None:
        """The decoder of an aws-chunked body, where the request has one."""
        signed = self.signed
        if signed is None or not signed.payload.startswith("STREAMING-"):
            return None
        declared = self.request.headers.get("x-amz-decoded-content-length", "")
        return Chunks(signed, int(declared) if declared.isdigit() else None)

    def perform(self, body: bytes | Upload) -> None:
        """Decodes, validates and runs the request, whose body is here."""
        entry = self.entry
        if entry.function is None:
            self.refuse(NotImplementedOperation(entry.service, entry.operation))
            return
        try:
            self._take(body)
            self._req = self.entry.codec.decode(self.request, self.labels)
        except ServiceException as problem:
            self.refuse(problem)
            return
        except Exception:
            self.fail()
            return
        self.run()

    def _take(self, body: bytes | Upload) -> None:
        """Puts the body into the form that the operation takes, and checks what the signature left to check."""
        entry, request = self.entry, self.request
        if entry.streams:
            upload = body if isinstance(body, Upload) else Upload(body, None, len(body))
            signed = self.signed
            if signed is not None and len(signed.payload) == 64 and upload.digest("sha256").hex() != signed.payload:
                upload.drop()
                raise refusals.tampered_body(signed.payload, upload.digest("sha256").hex())
            request.body = upload
            return
        if isinstance(body, Upload):
            request.body = body.read()
            body.drop()
            if self.signed is not None and len(self.signed.payload) == 64:
                self.gateway.verify_body(self)
        if request.headers.get("content-encoding", "").lower() == "gzip" and request.body:
            request.body = unzipped(request.body)

    def run(self) -> None:
        """One attempt: authorise, operate, commit; or park, to be run again."""
        self._parked = None
        entry, cloud, gateway = self.entry, self.cloud, self.gateway
        function = entry.function
        tx = cloud.begin()
        ctx = Context(
            self,
            tx,
            gateway.blobs,
            tx.at_ms,
            cloud.chance,
            self.principal,
            self.principal.account,
            self.region,
            entry.service,
            entry.operation,
            self.request_id,
            self.request,
            f"http://{self.request.headers.get('host', 'localhost')}",
        )
        if 0 < self._started_ms <= tx.at_ms:
            ctx.started_ms = self._started_ms
        else:  # the first time, or the cloud was taken back while the call waited
            self._started_ms = tx.at_ms
        try:
            assert function is not None
            if not entry.authorized_here:
                assert entry.manifest is not None
                cloud.authoriser.check(ctx, entry.manifest, entry.demands, self._req, entry.family)
            answer = function(ctx, self._req)
            if isinstance(answer, Wait):
                cloud.undo(tx)
                self._parked = cloud.park(answer, self.run)
                return
            response = self.answer(answer)
            cloud.commit(tx)
        except ServiceException as problem:
            cloud.undo(tx)
            self.refuse(problem)
            return
        except Waiting as waiting:
            cloud.undo(tx)
            self._parked = cloud.park(waiting.wait, self.run)
            return
        except Exception:
            cloud.undo(tx)
            self.fail()
            return
        self.send(response)
        signed = self.signed
        if signed is not None and cloud.callers.note_use(signed, tx.at_ms):
            gateway.loop.call_soon(gateway.note_use, self)

    def answer(self, answer: Mapping[str, Any] | None) -> HttpResponse:
        """Encodes. `@status` and `@headers` are for what a model cannot say (a 206, a delete marker's header)."""
        codec = self.entry.codec
        if answer and "@status" in answer:
            plain = {k: v for k, v in answer.items() if k[0] != "@"}
            response = codec.encode(plain, self.request_id)
            response.status = answer["@status"]
            response.headers = [*response.headers, *answer.get("@headers", {}).items()]
            return response
        return codec.encode(answer, self.request_id)

    def refuse(self, problem: ServiceException) -> None:
        """Answers with an error."""
        self._forget_body()
        headers = problem.members.pop("@headers", None)
        response = self.entry.codec.refuse(problem, self.request_id)
        if headers:
            response.headers = [*response.headers, *headers.items()]
        if response.status == 304:
            response.body = b""
        self.send(response)

    def fail(self) -> None:
        """Our fault."""
        entry = self.entry
        problem = report(f"{entry.service}:{entry.operation}", self.request_id, self.gateway.debug)
        if entry.dialect == "s3":
            problem.code = "InternalError"
        self.refuse(problem)

    def _forget_body(self) -> None:
        body = self.request.body
        if isinstance(body, Upload) and body.path is not None and body.path.parent == self.gateway.blobs.spool:
            body.drop()

    def send(self, response: HttpResponse) -> None:
        reply = self.reply
        self.gateway.turn.say(lambda: reply(response))

    def abandon(self) -> None:
        """The client is gone: a call that waits must not take what it waited for."""
        if self._parked is not None:
            self.cloud.leave(self._parked)
        self._forget_body()


class Gateway:
    """The door of all clouds of a process."""

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        services: Mapping[str, str],
        identities: Callable[[], Identities],
        *,
        debug: bool = False,
    ) -> None:
        """`services`: AWS's service name -> "package:ATTRIBUTE" of its manifest, imported when first called."""
        self.store = store
        self.loop = loop
        self.blobs: Blobs = store.blobs
        self.turn = Turn(store, loop)
        self.debug = debug
        self.local: Local = lambda cloud, request, reply: False
        self.clouds: dict[str, Cloud] = {}
        self.blobs.ready = self._ready_soon
        self._services = services
        self._identities = identities
        self._manifests: dict[str, Service | None] = {}
        self._entries: dict[tuple[str, str, str], Entry] = {}

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

    def entry(self, service: str, operation: str, protocol: str) -> Entry:
        key = (service, operation, protocol)
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = Entry(self, service, operation, protocol)
        return found

    def _ready_soon(self, watch: Watch) -> None:
        self.loop.call_soon_threadsafe(self._ready, watch)

    def _ready(self, watch: Watch) -> None:
        """Work beside the loop is done: whoever waited for it goes on."""
        for cloud in self.clouds.values():
            cloud.wake(*watch)

    # identify and authenticate

    def admit(self, cloud: Cloud, request: HttpRequest, reply: Reply) -> Call | FormCall | None:
        """Names and authenticates a request; None where it was answered at once."""
        path = request.path
        if "origin" in request.headers:
            if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
                reply(cors.preflight(request))
                return None
            origin = cors.allowed(request)
            if origin is not None:
                reply = cors.readable(reply, origin)
            elif not cloud.strict:
                reply(cors.refusal())
                return None
        if (path[:2] == "/_" or path == "/moto-api/reset") and self.local(cloud, request, reply):
            return None
        request_id = cloud.chance.request_id()
        entry: Entry | None = None
        try:
            if is_form(request):
                return FormCall(self, cloud, request, reply, request_id)
            scope = signature.peek(request)
            name = scope.service if scope is not None else None
            routed = address.path(request) if name in (None, "s3") and "x-amz-target" not in request.headers else None
            found = identify.identify(plain_form(request), name, routed)
            entry = self.entry(found.service, found.operation, found.protocol)
            signed, principal = cloud.callers.authenticate(request, entry.dialect, entry.model)
            return Call(self, cloud, entry, request, found.labels, signed, principal, reply, request_id)
        except identify.Unidentified as problem:
            response = problem.response(request_id, head=request.method == "HEAD")
        except ServiceException as problem:
            response = self._refusal(request, entry, problem, request_id)
        except Exception:
            response = self._refusal(request, entry, report(f"{request.method} {path}", request_id, self.debug), request_id)
        self.turn.say(lambda: reply(response))
        return None

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
        ctx = self._context(call.cloud, tx, None, call.principal, call.principal.account, call.region, "iam", "", call.request_id)
        call.cloud.callers.identities.used(ctx, signed.access_key_id, call.entry.service, call.region)
        call.cloud.commit(tx)

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
        ctx = self._context(cloud, tx, manifest, principal, item.account, item.region, service, item.task, f"{item.number:016x}")
        answer = task(ctx, outbox.payload(item))
        return answer if isinstance(answer, Wait) else None

    def _context(
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
    ) -> Context:
        """A context that no request stands behind."""
        door = Passage(self, cloud, None, None)
        return Context(
            door, tx, self.blobs, tx.at_ms, cloud.chance, principal, account, region, service, operation, request_id, None, cloud.endpoint
        )


def report(what: str, request_id: str, debug: bool) -> ServiceException:
    """The exception being handled is a mistake of ours: the caller learns only that, we get one line that finds the place."""
    kind, problem, trace = sys.exc_info()
    frame = traceback.extract_tb(trace)[-1]
    where = f"{frame.filename.rpartition('fogbank/')[2]}:{frame.lineno}"
    print(f"fogbank: {what} request {request_id} failed at {where}: {kind and kind.__name__}: {problem}", file=sys.stderr)
    if debug:
        traceback.print_exc()
    return ServiceException("InternalFailure", "We encountered an internal error. Please try again.", status=500)
