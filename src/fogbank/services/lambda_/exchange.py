"""HTTP as a function behind a URL has it: a request as an event of payload format 2.0, and its answer as a response.

Source: "Invoking Lambda function URLs" in the Lambda Developer Guide.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.services.lambda_.state import Url

PRELUDE = "application/vnd.awslambda.http-integration-response"
SEPARATOR = bytes(8)
_TEXT = ("text/", "application/json", "application/javascript", "application/xml", "application/vnd.api+json")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OURS = frozenset({"connection", "content-length", "transfer-encoding", "date"})

Headers = list[tuple[str, str]]


class NoResponse(Exception):
    """What a function gave is no response."""


def event(ctx: Context, url: Url, request: HttpRequest, body: bytes, *, iam: bool) -> bytes:
    """The event of a request."""
    headers = dict(request.headers)
    cookies = [part.strip() for part in headers.pop("cookie", "").split(";") if part.strip()]
    prefix = headers.get("host", "").partition(".")[0]
    headers |= {"x-forwarded-for": request.client, "x-forwarded-proto": "http", "x-forwarded-port": _port(headers.get("host", ""))}
    if ctx.trace:
        headers["x-amzn-trace-id"] = ctx.trace
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    context = {
        "accountId": ctx.principal.account if iam else "anonymous",
        "apiId": url.id,
        "domainName": headers.get("host", ""),
        "domainPrefix": prefix,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.client,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": ctx.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": _common_log_time(ctx.now),
        "timeEpoch": ctx.now,
    }
    if iam:
        context["authorizer"] = {"iam": _signer(ctx)}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        **({"queryStringParameters": parameters} if parameters else {}),
        "requestContext": context,
        **_body(headers.get("content-type", ""), body),
    }
    return msgspec.json.encode(made)


def _port(host: str) -> str:
    return host.rpartition(":")[2] if ":" in host else "80"


def _signer(ctx: Context) -> dict[str, Any]:
    principal = ctx.principal
    return {
        "accessKey": principal.session or "",
        "accountId": principal.account,
        "callerId": principal.user_id,
        "cognitoIdentity": None,
        "principalOrgId": principal.org_id or None,
        "userArn": principal.arn,
        "userId": principal.user_id,
    }


def _common_log_time(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at.day:02}/{_MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S} +0000"


def _body(content_type: str, body: bytes) -> dict[str, Any]:
    if not body:
        return {"isBase64Encoded": False}
    if content_type.lower().startswith(_TEXT):
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


# the answer


def response(payload: bytes) -> HttpResponse:
    """What a function gave, as a response: what has a statusCode says it all, anything else is a body of JSON. Raises NoResponse."""
    try:
        given = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NoResponse from None
    if not isinstance(given, dict) or "statusCode" not in given:
        return HttpResponse(200, [("Content-Type", "application/json")], payload)
    status, headers = head(given)
    body = given.get("body")
    if body is None:
        content = b""
    elif not isinstance(body, str):
        content = msgspec.json.encode(body)
    elif given.get("isBase64Encoded"):
        try:
            content = base64.b64decode(body)
        except ValueError:
            raise NoResponse from None
    else:
        content = body.encode()
    return HttpResponse(status, headers, content)


def head(given: Any) -> tuple[int, Headers]:
    """Status and headers, of a response or a stream's prelude. Raises NoResponse."""
    if not isinstance(given, dict):
        raise NoResponse
    try:
        status = int(given.get("statusCode", 200))
    except (TypeError, ValueError):
        raise NoResponse from None
    named = given.get("headers") or {}
    if not 100 <= status <= 599 or not isinstance(named, dict):
        raise NoResponse
    headers = [(str(name), _value(value)) for name, value in named.items() if str(name).lower() not in _OURS]
    headers += [("Set-Cookie", _value(cookie)) for cookie in given.get("cookies") or ()]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return status, headers


def _value(value: Any) -> str:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        raise NoResponse
    return text


def prelude(content: bytes) -> tuple[int, Headers, bytes] | None:
    """Status and headers that a stream begins with, and what follows them; None where they are not all there yet. Raises NoResponse."""
    given, found, rest = content.partition(SEPARATOR)
    if not found:
        return None
    try:
        status, headers = head(msgspec.json.decode(given))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NoResponse from None
    return status, headers, rest
