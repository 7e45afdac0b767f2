"""A request on its way through the hops: the operation that it names, and what happens to it from decode to encode."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fogbank.access import refusals
from fogbank.access.chunks import Chunks
from fogbank.access.dates import instant
from fogbank.access.principal import Principal
from fogbank.access.signature import Signed
from fogbank.gateway.authorise import Demand, demands
from fogbank.gateway.cloud import Cloud, Parked
from fogbank.gateway.passage import Passage
from fogbank.gateway.tracing import Traced
from fogbank.gateway.zipped import unzipped
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.kernel.operation import Operate, Wait, Waiting
from fogbank.store.blobs import Upload
from fogbank.store.transaction import Transaction
from fogbank.wire.cbor import FLAVOURS
from fogbank.wire.codec import codec

if TYPE_CHECKING:
    from fogbank.gateway.pipeline import Gateway

DEFAULT_REGION = "us-east-1"

Reply = Callable[[HttpResponse], None]


class Entry:
    """An operation in a protocol: everything about it that does not change."""

    def __init__(self, gateway: Gateway, service: str, operation: str, protocol: str) -> None:
        self.service = service
        self.operation = operation
        self.name = service, operation
        self.protocol = protocol
        self.codec = codec(service, operation, protocol)
        self.model = self.codec.operation
        self.streams = self.model.streaming_input
        self.manifest = gateway.manifest(service)
        self.function: Operate | None = self.manifest.operations.get(operation) if self.manifest is not None else None
        self.authorized_here: bool = getattr(self.function, "authorized_here", False)
        self.fresh = self.manifest is not None and self.manifest.fresh
        self.counted_by = self.manifest.counted_by if self.manifest is not None else ""
        overlay = self.model.service.overlay
        self.dialect = overlay.dialect or ("json" if protocol in ("json", "rest-json", *FLAVOURS) else "query")
        if self.model.service.query_compatible:
            self.dialect = "query"  # its callers were promised the codes of old
        self.family = protocol if protocol in ("ec2", "rest-json") else self.dialect

    @cached_property
    def demands(self) -> tuple[Demand, ...]:
        assert self.manifest is not None
        return () if self.authorized_here else demands(self.manifest, self.operation)


class Call(Passage):
    """A request that has been named and authenticated, on its way."""

    __slots__ = (
        "_parked",
        "_started_ms",
        "_traced",
        "began",
        "error",
        "labels",
        "principal",
        "region",
        "reply",
        "request",
        "request_id",
        "signed",
        "whole",
    )
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
        self.error = ""
        self.watched = entry.manifest is not None and entry.manifest.observe is not None  # until the operation knows better
        self.began = self.whole = time.perf_counter()
        self._parked: Parked | None = None
        self._started_ms = 0
        self._traced: Traced | None = None

    def signature_age_ms(self) -> int | None:
        """See `Context.signature_age_ms`."""
        signed = self.signed
        signed_ms = instant(signed.date) if signed is not None else None
        if signed is None or signed_ms is None:
            return None
        return self.cloud.callers.dated_by(signed_ms if signed.method == "query" else None) - signed_ms

    @property
    def access_key(self) -> str:
        return self.signed.access_key_id if self.signed is not None else ""

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
        self.whole = time.perf_counter()
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

    def context(self, tx: Transaction) -> Context:
        """The request in a transaction."""
        entry, gateway = self.entry, self.gateway
        ctx = Context(
            self,
            tx,
            gateway.blobs,
            tx.at_ms,
            self.cloud.chance,
            self.principal,
            self.principal.account,
            self.region,
            entry.service,
            entry.operation,
            self.request_id,
            self.request,
            f"http://{self.request.headers.get('host', 'localhost')}",
        )
        ctx.started_ms = self._started_ms
        return ctx

    def run(self) -> None:
        """One attempt: authorise, operate, commit; or park, to be run again."""
        self.watched = False
        self._parked = None
        entry, cloud, gateway = self.entry, self.cloud, self.gateway
        function = entry.function
        if entry.fresh:
            cloud.gathering.flush()
        tx = cloud.begin()
        ctx = self.context(tx)
        if not 0 < self._started_ms <= tx.at_ms:  # the first time, or the cloud was taken back while the call waited
            ctx.started_ms = self._started_ms = tx.at_ms
            if not entry.fresh:  # who looks at traces is not followed
                self._traced = cloud.tracing.begin(self.request.headers.get("x-amzn-trace-id"), tx.at_ms)
        if self._traced is not None:
            ctx.trace = self._traced.header
        elif "x-amzn-trace-id" in self.request.headers:  # not sampled, which is to be known further on, as is what led here
            ctx.trace = self.request.headers["x-amzn-trace-id"]
        try:
            assert function is not None
            assert entry.manifest is not None
            if entry.manifest.resolve is not None:
                entry.manifest.resolve(ctx, self._req)
            if not entry.authorized_here:
                cloud.authoriser.check(ctx, entry.manifest, entry.demands, self._req, entry.family)
            answer = function(ctx, self._req)
            if isinstance(answer, Wait):
                cloud.undo(tx)
                self._parked = cloud.park(answer, self.run)
                return
            response = self.answer(answer)
            heard = cloud.tracing.trailed(entry)
            if heard or self._traced is not None:
                self._over(ctx, entry, heard, self._req, self._traced, answer, None, "call")
            cloud.commit(tx)
        except ServiceException as problem:
            cloud.undo(tx)
            self._over(ctx, entry, cloud.tracing.trailed(entry), self._req, self._traced, None, problem, "call")
            cloud.gathering.heard(tx)
            self.refuse(problem)
            return
        except Waiting as waiting:
            cloud.undo(tx)
            self._parked = cloud.park(waiting.wait, self.run)
            return
        except Exception:
            cloud.undo(tx)
            mistake = self.mistake()
            self._over(ctx, entry, cloud.tracing.trailed(entry), self._req, self._traced, None, mistake, "call")
            cloud.gathering.heard(tx)
            self.refuse(mistake)
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
        self.error = problem.code
        headers = problem.members.pop("@headers", None)
        response = self.entry.codec.refuse(problem, self.request_id)
        if headers:
            response.headers = [*response.headers, *headers.items()]
        if response.status == 304:
            response.body = b""
        self.send(response)

    def fail(self) -> None:
        """Our fault, before the operation was reached."""
        self.refuse(self.mistake())

    def mistake(self) -> ServiceException:
        """The exception being handled, as the caller learns of it."""
        entry = self.entry
        problem = report(f"{entry.service}:{entry.operation}", self.request_id, self.gateway.debug)
        if entry.dialect == "s3":
            problem.code = "InternalError"
        return problem

    def _forget_body(self) -> None:
        body = self.request.body
        if isinstance(body, Upload) and body.path is not None and body.path.parent == self.gateway.blobs.spool:
            body.drop()

    @property
    def members(self) -> Any:
        """The request's members by AWS's names; None where it was refused before it was read."""
        return self._req

    def send(self, response: HttpResponse) -> None:
        cloud, entry = self.cloud, self.entry
        cloud.beside.over(self.request_id)
        about = getattr(self._req, entry.counted_by, None) or "" if entry.counted_by else ""
        cloud.gathering.count(entry, self.principal.account, self.region, self.error, about, (time.perf_counter() - self.began) * 1000)
        if not self.watched:
            reply = self.reply
            self.gateway.turn.say(lambda: reply(response))
        else:
            self.gateway.turn.say(lambda: self._sent(response))

    def _sent(self, response: HttpResponse) -> None:
        self.reply(response)
        self.gateway.onlookers.note(self, response)

    def abandon(self) -> None:
        """The client is gone: a call that waits must not take what it waited for."""
        if self._parked is not None:
            self.cloud.leave(self._parked)
            self.cloud.beside.over(self.request_id)
        self._forget_body()


def report(what: str, request_id: str, debug: bool) -> ServiceException:
    """The exception being handled is a mistake of ours: the caller learns only that, we get one line that finds the place."""
    kind, problem, trace = sys.exc_info()
    frame = traceback.extract_tb(trace)[-1]
    where = f"{frame.filename.rpartition('fogbank/')[2]}:{frame.lineno}"
    print(f"fogbank: {what} request {request_id} failed at {where}: {kind and kind.__name__}: {problem}", file=sys.stderr)
    if debug:
        traceback.print_exc()
    return ServiceException("InternalFailure", "We encountered an internal error. Please try again.", status=500)
