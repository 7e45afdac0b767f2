"""Requests to hosts of Lambda's own: function URLs, and the downloads of code.

A function URL needs lambda:InvokeFunctionUrl, and lambda:InvokeFunction as invoked via a URL. Who comes unsigned to a URL of AuthType
NONE is nobody; only a policy that lets everybody in counts for them.
Source: "Control access to Lambda function URLs" in the Lambda Developer Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.flow import Body, Flow
from fogbank.kernel.http import HttpRequest, HttpResponse, Visit
from fogbank.kernel.operation import Wait
from fogbank.services.lambda_ import exchange, metrics, packages, running
from fogbank.services.lambda_.addresses import Address, arn
from fogbank.services.lambda_.invoking import REQUEST_BYTES, taken
from fogbank.services.lambda_.state import URL_BY_ID, Cors, Url
from fogbank.store.tables import At

_JSON = [("Content-Type", "application/json")]
Headers = list[tuple[str, str]]


def site(ctx: Context, visit: Visit) -> HttpResponse:
    """Answers whatever is asked of our hosts."""
    if "url" not in visit.names:
        return packages.download(ctx, visit)
    url = URL_BY_ID.first(ctx, visit.names["url"])
    if url is None or url.region != visit.names["region"]:
        return _plain(404, {"Message": None})
    where = Address(url.account, url.region, url.function, url.qualifier)
    ctx.region = url.region
    try:
        answer = _answered(ctx, url, where, visit.request)
    except ServiceException as refused:
        answer = _refusal(refused)
    metrics.measure(ctx, where, "UrlRequestCount", 1, all_functions=False)
    if answer.status >= 400:
        metrics.measure(ctx, where, "Url4xxCount" if answer.status < 500 else "Url5xxCount", 1, all_functions=False)
    return answer


def _plain(status: int, members: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status, [*_JSON], msgspec.json.encode(members))


def _refusal(problem: ServiceException) -> HttpResponse:
    """Why a request did not reach the function."""
    if problem.code == "TooManyRequestsException":
        return _plain(429, {"Reason": problem.members.get("Reason"), "Type": "User", "message": problem.message})
    if problem.code == "RequestTooLargeException":
        return _plain(413, {"message": problem.message})
    if problem.status in (400, 401, 403, 404):
        return _plain(403, {"Message": "Forbidden"})
    return _failure()


def _failure() -> HttpResponse:
    return HttpResponse(502, [("Content-Type", "text/plain")], b"Internal Server Error")


def _answered(ctx: Context, url: Url, where: Address, request: HttpRequest) -> HttpResponse:
    """The function's answer. Raises why it was not asked."""
    size = len(request.body) if isinstance(request.body, bytes) else request.body.size
    if size > REQUEST_BYTES:
        raise ServiceException("RequestTooLargeException", f"Request must be smaller than {REQUEST_BYTES} bytes", status=413)
    iam = url.auth == "AWS_IAM"
    caller = ctx.as_signer() if iam else ctx
    resource = arn(*where)
    caller.authorize("lambda:InvokeFunctionUrl", resource, lambda__FunctionUrlAuthType=url.auth, lambda__FunctionArn=resource)
    caller.authorize("lambda:InvokeFunction", resource, lambda__InvokedViaFunctionUrl=True)
    body = request.body if isinstance(request.body, bytes) else request.body.read()
    payload = exchange.event(caller, url, request, body, iam=iam)
    if url.mode == "RESPONSE_STREAM":
        return _streamed(caller, where, payload)
    outcome = running.run(caller, where, payload, what="url", request_id=ctx.request_id).outcome
    if outcome.error:
        return _failure()
    try:
        return exchange.response(outcome.payload)
    except exchange.NoResponse:
        return _failure()


def _streamed(ctx: Context, where: Address, payload: bytes) -> HttpResponse:
    """An answer that goes on: its head is the stream's prelude, where it has one."""
    stream = running.stream(ctx, where, payload, request_id=ctx.request_id)
    status, headers = 200, [("Content-Type", stream.content_type or "application/octet-stream")]
    try:
        if stream.content_type == exchange.PRELUDE:
            found = exchange.prelude(b"".join(stream.pieces))
            if found is None and stream.end is None:
                ctx.outside(f"prelude {len(stream.pieces)}", stream.wait_for_more)
            if found is None:
                return _failure()
            status, headers, rest = found
            stream.pieces = [rest] if rest else []
        end = stream.end
        if end is not None and not stream.pieces and not end.outcome.streamed:
            running.ended(ctx, where, end)
            return _failure() if end.outcome.error else exchange.response(end.outcome.payload)
    except exchange.NoResponse:
        return _failure()

    def more(own: Context) -> tuple[bytes, Wait | None]:
        pieces, ran = taken(own, stream)
        if ran is None:
            return b"".join(pieces), Wait((), 0)
        running.ended(own, where, ran)
        return b"".join(pieces), None

    return HttpResponse(status, headers, Body(Flow(more)))


# pages of other origins


def origins(at: At, visit: Visit, path: str, ours: bool) -> Headers | None:
    """What a page of another origin is told by a URL that has Cors; see `Service.origins`."""
    url = URL_BY_ID.first(at, visit.names["url"]) if "url" in visit.names else None
    if url is None or url.cors is None:
        return None
    request, cors = visit.request, url.cors
    origin = request.headers.get("origin", "")
    if "*" not in cors.allow_origins and origin not in cors.allow_origins:
        return None
    asked = request.headers.get("access-control-request-method") if request.method == "OPTIONS" else None
    return _told(cors, origin, preflight=asked is not None)


def _told(cors: Cors, origin: str, *, preflight: bool) -> Headers:
    told: Headers = [("Access-Control-Allow-Origin", "*" if "*" in cors.allow_origins and not cors.allow_credentials else origin)]
    if cors.allow_credentials:
        told.append(("Access-Control-Allow-Credentials", "true"))
    if cors.expose_headers:
        told.append(("Access-Control-Expose-Headers", ",".join(cors.expose_headers)))
    if preflight:
        if cors.allow_methods:
            told.append(("Access-Control-Allow-Methods", ",".join(cors.allow_methods)))
        if cors.allow_headers:
            told.append(("Access-Control-Allow-Headers", ",".join(cors.allow_headers)))
        if cors.max_age_s is not None:
            told.append(("Access-Control-Max-Age", str(cors.max_age_s)))
    told.append(("Vary", "Origin"))
    return told
