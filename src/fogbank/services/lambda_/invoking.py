"""Invoke: now, later, or not at all."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.flow import Flow
from fogbank.kernel.operation import Answer, Wait, operation
from fogbank.services.lambda_ import events, running
from fogbank.services.lambda_.addresses import Address, address_of, version_at
from fogbank.services.lambda_.faults import invalid, refusal
from fogbank.wire import eventstream

REQUEST_BYTES = 6_291_456
EVENT_BYTES = 1_048_576
OLD_EVENT_BYTES = 262_144
TAIL_BYTES = 4096
CLIENT_CONTEXT_BYTES = 3583


def request_id(ctx: Context) -> str:
    """An invocation has its request's id; one by a service, which may make several in one request, has its own."""
    return ctx.request_id if ctx.request is not None else ctx.random.uuid()


def what(where: Address, payload: bytes) -> str:
    """Tells an invocation from the others of its request."""
    return f"invoke {where.name}:{where.qualifier} {hash(payload)}"


def check_payload(payload: bytes, most: int) -> None:
    """JSON of at most so many bytes. Errors: RequestTooLargeException, InvalidRequestContentException."""
    if len(payload) > most:
        raise refusal("RequestTooLargeException", f"Request must be smaller than {most} bytes for the InvokeFunction operation")
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise refusal("InvalidRequestContentException", f"Could not parse request body into json: {problem}") from None


def _asked(ctx: Context, req: Any) -> tuple[Address, bytes]:
    """What is to be invoked, and with what; where it is only to be looked at (DryRun), it is there."""
    _check_members(ctx, req)
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    if req.InvocationType == "DryRun":
        version_at(ctx, where)
    return where, req.Payload or b"{}"


def _check_members(ctx: Context, req: Any) -> None:
    if getattr(req, "DurableExecutionName", None) is not None:
        raise NotImplementedOperation("lambda", ctx.operation, "with DurableExecutionName (durable functions)")
    if req.TenantId is not None:
        raise invalid("The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and retry.")
    if len(req.ClientContext or "") > CLIENT_CONTEXT_BYTES:
        raise refusal("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.")


def tail(log: bytes) -> str:
    return base64.b64encode(log[-TAIL_BYTES:]).decode()


@operation("Invoke")
def invoke(ctx: Context, req: Any) -> Answer:
    """Runs a function and answers with what it gave (RequestResponse), takes an event for it (Event), or only checks (DryRun).

    Payloads are JSON of at most 6 MB, events 1 MB. What a function raises is no refusal: FunctionError tells it.

    Errors: ResourceNotFoundException, TooManyRequestsException, InvalidRequestContentException, RequestTooLargeException,
    RecursiveInvocationException, KMSAccessDeniedException. Source: API reference, Invoke.
    """
    where, payload = _asked(ctx, req)
    if req.InvocationType == "DryRun":
        return {"StatusCode": 204}
    if req.InvocationType == "Event":
        check_payload(payload, EVENT_BYTES)
        version_at(ctx, where)
        events.accept(ctx, where, payload, request_id(ctx))
        return {"StatusCode": 202, "Payload": b""}
    check_payload(payload, REQUEST_BYTES)
    ran = running.run(ctx, where, payload, what=what(where, payload), request_id=request_id(ctx), client_context=req.ClientContext or "")
    outcome = ran.outcome
    return {
        "StatusCode": 200,
        "ExecutedVersion": ran.version,
        "FunctionError": outcome.error or None,
        "LogResult": tail(outcome.log) if req.LogType == "Tail" else None,
        "Payload": outcome.payload,
    }


@operation("InvokeAsync")
def invoke_async(ctx: Context, req: Any) -> Answer:
    """As Invoke with Event, as it was in the beginning: at most 256 KB. Errors: ResourceNotFoundException, InvalidRequestContentException.

    Source: API reference, InvokeAsync.
    """
    where = address_of(ctx, req.FunctionName)
    upload = req.InvokeArgs
    payload = (upload if isinstance(upload, bytes) else upload.read()) or b"{}"
    check_payload(payload, OLD_EVENT_BYTES)
    version_at(ctx, where)
    events.accept(ctx, where, payload, request_id(ctx))
    return {"Status": 202}


@operation("InvokeWithResponseStream")
def invoke_with_response_stream(ctx: Context, req: Any) -> Answer:
    """Runs a function and answers with what it gives, piece by piece as it comes, at most 200 MB; or only checks (DryRun).

    A function that does not stream answers in one piece. InvokeComplete, the last event, tells an error and the log.

    Errors: those of Invoke. Source: API reference, InvokeWithResponseStream.
    """
    where, payload = _asked(ctx, req)
    if req.InvocationType == "DryRun":
        return {"StatusCode": 204}
    check_payload(payload, REQUEST_BYTES)
    stream = running.stream(ctx, where, payload, request_id=request_id(ctx), client_context=req.ClientContext or "")

    def next_events(own: Context) -> tuple[list[dict[str, Any]], Wait | None]:
        pieces, ran = taken(own, stream)
        events = [{"PayloadChunk": {"Payload": piece}} for piece in pieces]
        if ran is None:
            return events, Wait((), 0)
        outcome = running.ended(own, where, ran).outcome
        complete: dict[str, Any] = {"LogResult": tail(outcome.log) if req.LogType == "Tail" else None}
        if outcome.error:
            complete |= {"ErrorCode": outcome.error_type or outcome.error, "ErrorDetails": outcome.payload.decode("utf-8", "replace")}
        elif not outcome.streamed:
            events.append({"PayloadChunk": {"Payload": outcome.payload}})
        return [*events, {"InvokeComplete": complete}], None

    return {
        "StatusCode": 200,
        "ExecutedVersion": stream.version,
        "ResponseStreamContentType": eventstream.CONTENT_TYPE,
        "EventStream": Flow(next_events),
    }


def taken(ctx: Context, stream: running.Stream) -> tuple[list[bytes], running.Ran | None]:
    """The pieces that have come, and the end if it has; raises Waiting until there is either."""
    if not stream.pieces and stream.end is None:
        ctx.outside(f"piece {stream.asked}", stream.wait)
    stream.asked += 1
    pieces, stream.pieces = stream.pieces, []
    return pieces, stream.end
