"""API destinations: HTTP endpoints as targets.

A request has a timeout of five seconds. What is answered with 401, 407, 409, 429 or 5xx, and what is not answered at all, is tried again as
the target's retry policy says (401 and 407 with a new token, where the connection is OAuth's); after Retry-After, where the answer
says so. What comes faster than the destination's rate waits.

Source: "API destinations as targets in Amazon EventBridge" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from fogbank.delivery import http
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, Waiting, operation
from fogbank.languages import documents, paths
from fogbank.services.events import connections, credentials, inputs, paged
from fogbank.services.events.addresses import bad, connection_arn, destination_arn, missing, there
from fogbank.services.events.delivering import Job
from fogbank.services.events.event import Event
from fogbank.services.events.state import CONNECTIONS, DESTINATIONS, Connection, Destination
from fogbank.store import change

TIMEOUT_S = 5
AGAIN = frozenset({401, 407, 409, 429})
_FIXED = frozenset({"host", "content-length", "transfer-encoding", "connection", "via", "x-forwarded-for"})
"""Headers that nobody may set."""


@operation("CreateApiDestination")
def create_api_destination(ctx: Context, req: Any) -> Answer:
    """Makes an API destination: an address (`*` in its path stands for path parameters), a method, a connection, a rate (300 a second).

    Errors: ResourceAlreadyExistsException, ResourceNotFoundException (no such connection), ValidationException. Source: API reference.
    """
    if DESTINATIONS.get(ctx, ctx.account, ctx.region, req.Name) is not None:
        raise there(f"API destination {req.Name}")
    destination = Destination(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        id=ctx.random.uuid(),
        connection_arn="",
        endpoint="",
        method="",
        created_at_ms=ctx.now,
        modified_at_ms=ctx.now,
    )
    return _answer(ctx, _configured(ctx, destination, req))


@operation("UpdateApiDestination")
def update_api_destination(ctx: Context, req: Any) -> Answer:
    """Changes an API destination; what is not given stays. Errors: ResourceNotFoundException, ValidationException. Source: as above."""
    return _answer(ctx, _configured(ctx, destination_at(ctx, req.Name), req))


def _configured(ctx: Context, destination: Destination, req: Any) -> Destination:
    """The destination with what a request sets; put."""
    if req.ConnectionArn is not None and _connection(ctx, req.ConnectionArn) is None:
        raise missing(f"Connection {req.ConnectionArn}")
    if req.InvocationEndpoint is not None and http.address(req.InvocationEndpoint) is None:
        raise bad("InvocationEndpoint", "It must be the address of an HTTPS endpoint.")
    given = {
        "connection_arn": req.ConnectionArn,
        "endpoint": req.InvocationEndpoint,
        "method": req.HttpMethod,
        "description": req.Description,
        "rate_per_s": req.InvocationRateLimitPerSecond,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    destination = change(destination, modified_at_ms=ctx.now, **changes)
    DESTINATIONS.put(ctx, destination)
    return destination


def _connection(ctx: Context, text: str) -> Connection | None:
    parts = Arn.parse(text)
    path = parts.resource.split("/") if parts is not None else []
    if parts is None or len(path) != 3 or path[0] != "connection":
        return None
    found = CONNECTIONS.get(ctx, parts.account, parts.region, path[1])
    return found if found is not None and connection_arn(found) == text else None


def _state(ctx: Context, destination: Destination) -> str:
    connection = _connection(ctx, destination.connection_arn)
    return "ACTIVE" if connection is not None and connection.state in ("AUTHORIZED", "AUTHORIZING", "ACTIVE") else "INACTIVE"


def _answer(ctx: Context, destination: Destination) -> dict[str, Any]:
    return {
        "ApiDestinationArn": destination_arn(destination),
        "ApiDestinationState": _state(ctx, destination),
        "CreationTime": destination.created_at_ms,
        "LastModifiedTime": destination.modified_at_ms,
    }


def destination_at(ctx: Context, name: str) -> Destination:
    """Raises ResourceNotFoundException."""
    destination = DESTINATIONS.get(ctx, ctx.account, ctx.region, name)
    if destination is None:
        raise missing(f"API destination {name}")
    return destination


def _shown(ctx: Context, destination: Destination) -> dict[str, Any]:
    return {
        **_answer(ctx, destination),
        "Name": destination.name,
        "ConnectionArn": destination.connection_arn,
        "InvocationEndpoint": destination.endpoint,
        "HttpMethod": destination.method,
        "InvocationRateLimitPerSecond": destination.rate_per_s,
    }


@operation("DescribeApiDestination")
def describe_api_destination(ctx: Context, req: Any) -> Answer:
    """An API destination; inactive where its connection is not authorized. Errors: ResourceNotFoundException. Source: API reference."""
    destination = destination_at(ctx, req.Name)
    return {**_shown(ctx, destination), "Description": destination.description or None}


@operation("ListApiDestinations")
def list_api_destinations(ctx: Context, req: Any) -> Answer:
    """The API destinations of the account in the region, by name; those of a connection. Source: API reference, ListApiDestinations."""
    found = DESTINATIONS.scan(ctx, ctx.account, ctx.region, starting=req.NamePrefix or "", after=paged.after(req))
    wanted = (one for one in found if req.ConnectionArn in (None, one.connection_arn))
    page, token = paged.page(req, wanted, lambda one: one.name)
    return {"ApiDestinations": [_shown(ctx, one) for one in page], "NextToken": token}


@operation("DeleteApiDestination")
def delete_api_destination(ctx: Context, req: Any) -> Answer:
    """Deletes an API destination. Errors: ResourceNotFoundException. Source: API reference, DeleteApiDestination."""
    DESTINATIONS.delete(ctx, destination_at(ctx, req.Name))
    return None


# As a target


def _destination(ctx: Context, job: Job) -> Destination | None:
    arn = Arn.parse(job.target.arn)
    assert arn is not None
    return DESTINATIONS.get(ctx, arn.account, arn.region, arn.resource.split("/")[1])


def waits_ms(ctx: Context, job: Job) -> int:
    """How long a request must still wait for its turn at the destination's rate; 0: its turn has come."""
    destination = _destination(ctx, job)
    if destination is None or ctx.spend(f"events:{job.target.arn}", 1, destination.rate_per_s, destination.rate_per_s):
        return 0
    return max(1, 1000 // destination.rate_per_s)


def send(ctx: Context, job: Job) -> None:
    """One request. The role needs events:InvokeApiDestination.

    Errors: AccessDenied, ResourceNotFoundException, and what the endpoint answers; `@again` says that it may be tried again.
    """
    destination = _destination(ctx, job)
    connection = _connection(ctx, destination.connection_arn) if destination is not None else None
    if destination is None or connection is None or destination_arn(destination) != job.target.arn:
        raise missing(f"API destination {job.target.arn}, or its connection,")
    acting = job.acting()
    ctx.as_role(acting).authorize("events:InvokeApiDestination", job.target.arn)  # type: ignore[arg-type]
    if connection.state == "AUTHORIZING":
        raise Waiting(Wait((CONNECTIONS.watch(connection.account, connection.region, connection.name),), ctx.now + 60_000))
    if connection.state != "AUTHORIZED":
        raise ServiceException("AccessDeniedException", f"The connection {connection.name} is {connection.state}.")
    parameters = credentials.get(ctx, connection)
    url, headers, body = request(job, destination, parameters, connection.type)
    answer = http.fetch(ctx, destination.method, url, headers, body, timeout_s=TIMEOUT_S)
    if answer.problem:
        code = "TIMEOUT" if "timed out" in answer.problem else "CONNECTION_FAILURE"
        raise ServiceException(code, answer.problem, status=503)
    if answer.status in (401, 407) and connection.type == "OAUTH_CLIENT_CREDENTIALS":
        connections.fetch_token(ctx, connection)
    if not 200 <= answer.status < 300:
        how = {"@again": answer.status in AGAIN or answer.status >= 500, "@after_s": _after_s(answer.headers.get("retry-after", ""))}
        raise ServiceException("ERROR_FROM_TARGET", f"The endpoint answered with status {answer.status}.", **how)


def _after_s(header: str) -> int:
    """Retry-After in seconds; at most a day, which is as long as anything is tried."""
    return min(int(header), 86_400) if header.isdecimal() and len(header) < 9 else 0


def request(job: Job, destination: Destination, parameters: dict[str, Any], kind: str) -> tuple[str, dict[str, str], bytes]:
    """The address, the headers and the body: what the connection adds comes before what the target says."""
    extra, query, members = connections.applied(parameters, kind)
    given = job.target.settings.get("HttpParameters") or {}
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Amazon/EventBridge/ApiDestinations",
        "Range": "bytes=0-1048575",
        **{name: _value(value, job.event) for name, value in (given.get("HeaderParameters") or {}).items()},
        **extra,
    }
    query = {**{name: _value(value, job.event) for name, value in (given.get("QueryStringParameters") or {}).items()}, **query}
    url = destination.endpoint
    for value in given.get("PathParameterValues") or ():
        url = url.replace("*", quote(_value(value, job.event), safe=""), 1)
    body = inputs.message(job.rule, job.rule_arn, job.target, job.event).encode()
    if members:
        body = _with_members(body, members)
    if destination.method in ("GET", "HEAD", "OPTIONS"):
        body = b""
    return connections.with_query(url, query), {n: v for n, v in headers.items() if n.lower() not in _FIXED}, body


def _with_members(body: bytes, members: dict[str, str]) -> bytes:
    """The connection's body parameters, added to a body that is an object."""
    try:
        return msgspec.json.encode({**documents.read_object(body), **members})
    except documents.Malformed:
        return body


def _value(value: str, event: Event) -> str:
    """A parameter of the target: as it is, or what a path finds in the event."""
    if not value.startswith("$"):
        return value
    try:
        found = paths.parse(value).find(event.body)
    except paths.InvalidPath:
        return value
    if found is paths.MISSING or found is None:
        return ""
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()
