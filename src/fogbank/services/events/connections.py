"""Connections: how EventBridge authorises itself at an HTTP endpoint."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

from fogbank.delivery import http
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.languages import documents
from fogbank.services.events import credentials, encryption, paged
from fogbank.services.events.addresses import connection_arn, invalid, missing, there
from fogbank.services.events.state import CONNECTIONS, Connection
from fogbank.store import change
from fogbank.wire.given import plain

PARAMETERS = {
    "BASIC": "BasicAuthParameters",
    "OAUTH_CLIENT_CREDENTIALS": "OAuthParameters",
    "API_KEY": "ApiKeyAuthParameters",
}
AUTHORIZE_TIMEOUT_S = 5


@operation("CreateConnection")
def create_connection(ctx: Context, req: Any) -> Answer:
    """Makes a connection: its secrets go into Secrets Manager. With OAuth the token is fetched afterwards (AUTHORIZING, then AUTHORIZED).

    Errors: ResourceAlreadyExistsException, ValidationException (parameters of another type), AccessDeniedException.
    Source: API reference, CreateConnection.
    """
    if CONNECTIONS.get(ctx, ctx.account, ctx.region, req.Name) is not None:
        raise there(f"Connection {req.Name}")
    parameters = plain(req.AuthParameters)
    _check(ctx, req, parameters, req.AuthorizationType)
    credentials.ensure_role(ctx)
    connection = Connection(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        id=ctx.random.uuid(),
        type=req.AuthorizationType,
        state="",
        secret_arn="",
        created_at_ms=ctx.now,
        modified_at_ms=ctx.now,
        description=req.Description or "",
        kms_key=encryption.key_arn(ctx, req.KmsKeyIdentifier),
        shown=credentials.shown(parameters),
    )
    connection = change(connection, secret_arn=credentials.make(ctx, connection, parameters))
    return _answer(_begun(ctx, connection), "CreationTime", "LastModifiedTime")


def _check(ctx: Context, req: Any, parameters: dict[str, Any], kind: str) -> None:
    """The parameters must be those of the authorization type."""
    if req.InvocationConnectivityParameters is not None or "ConnectivityParameters" in parameters:
        raise NotImplementedOperation("events", ctx.operation, "with private connectivity: VPC Lattice")
    for other, name in PARAMETERS.items():
        if (name in parameters) != (other == kind):
            raise invalid(f"Authorization parameters {PARAMETERS[kind]} must be given, and no others, for the authorization type {kind}.")


def _begun(ctx: Context, connection: Connection) -> Connection:
    """The connection with the state that follows from its type; put. OAuth: a task fetches the token."""
    oauth = connection.type == "OAUTH_CLIENT_CREDENTIALS"
    begun = change(
        connection,
        state="AUTHORIZING" if oauth else "AUTHORIZED",
        reason="",
        authorized_at_ms=connection.authorized_at_ms if oauth else ctx.now,
        modified_at_ms=ctx.now,
        change=connection.change + 1,
    )
    CONNECTIONS.put(ctx, begun)
    if oauth:
        ask_for_token(ctx, begun)
    return begun


def ask_for_token(ctx: Context, connection: Connection) -> None:
    payload = {"account": connection.account, "region": connection.region, "connection": connection.name, "change": connection.change}
    ctx.later("events.authorize", payload)


@task("authorize")
def authorize(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Fetches the access token of an OAuth connection."""
    connection = CONNECTIONS.get(ctx, payload["account"], payload["region"], payload["connection"])
    if connection is None or connection.change != payload["change"]:
        return None
    try:
        fetch_token(ctx, connection)
    except ServiceException as refused:
        CONNECTIONS.put(ctx, change(connection, state="DEAUTHORIZED", reason=refused.message[:512]))
    else:
        CONNECTIONS.put(ctx, change(connection, state="AUTHORIZED", reason="", authorized_at_ms=ctx.now))
    return None


def fetch_token(ctx: Context, connection: Connection) -> dict[str, Any]:
    """Asks the authorization endpoint for a token and keeps it: the parameters with it. Raises ServiceException where there is none."""
    parameters = credentials.get(ctx, connection)
    oauth = parameters["OAuthParameters"]
    client, more = oauth["ClientParameters"], oauth.get("OAuthHttpParameters") or {}
    body = {
        "grant_type": "client_credentials",
        "client_id": client["ClientID"],
        "client_secret": client["ClientSecret"],
        **_pairs(more, "BodyParameters"),
    }
    query = _pairs(more, "QueryStringParameters")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **_pairs(more, "HeaderParameters")}
    method, url = oauth["HttpMethod"], oauth["AuthorizationEndpoint"]
    if method == "GET":
        query, sent = {**body, **query}, b""
    else:
        sent = urlencode(body).encode()
    answer = http.fetch(ctx, method, with_query(url, query), headers, sent, timeout_s=AUTHORIZE_TIMEOUT_S, what="token")
    token = _token(answer.body) if answer.status == 200 else None
    if token is None:
        raise ServiceException("CONNECTION_FAILURE", f"No access token from {url}: {answer.problem or f'status {answer.status}'}")
    parameters[credentials.TOKEN] = token
    credentials.keep(ctx, connection, parameters)
    return parameters


def _token(body: bytes) -> str | None:
    try:
        token = documents.read_object(body).get("access_token")
    except documents.Malformed:
        return None
    return token if isinstance(token, str) and token else None


def _pairs(parameters: dict[str, Any], name: str) -> dict[str, str]:
    return {one["Key"]: one.get("Value", "") for one in parameters.get(name) or ()}


def with_query(url: str, query: dict[str, str]) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def applied(parameters: dict[str, Any], kind: str) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The headers, the query and the members of the body that a connection adds to every request."""
    more = parameters.get("InvocationHttpParameters") or {}
    headers = _pairs(more, "HeaderParameters")
    if kind == "BASIC":
        basic = parameters["BasicAuthParameters"]
        text = f"{basic['Username']}:{basic['Password']}".encode()
        headers["Authorization"] = "Basic " + b64encode(text).decode()
    elif kind == "API_KEY":
        key = parameters["ApiKeyAuthParameters"]
        headers[key["ApiKeyName"]] = key["ApiKeyValue"]
    else:
        headers["Authorization"] = f"Bearer {parameters.get(credentials.TOKEN, '')}"
    return headers, _pairs(more, "QueryStringParameters"), _pairs(more, "BodyParameters")


def connection_at(ctx: Context, name: str) -> Connection:
    """Raises ResourceNotFoundException."""
    connection = CONNECTIONS.get(ctx, ctx.account, ctx.region, name)
    if connection is None:
        raise missing(f"Connection {name}")
    return connection


@operation("UpdateConnection")
def update_connection(ctx: Context, req: Any) -> Answer:
    """Changes a connection: parameters that are given are laid over those that it has; another type needs its own.

    Errors: ResourceNotFoundException, ValidationException. Source: API reference, UpdateConnection.
    """
    connection = connection_at(ctx, req.Name)
    kind = req.AuthorizationType or connection.type
    before = credentials.get(ctx, connection) if connection.secret_arn else {}
    before.pop(credentials.TOKEN, None)
    if kind != connection.type:
        before = {name: value for name, value in before.items() if name not in PARAMETERS.values()}
    parameters = _laid_over(before, plain(req.AuthParameters) if req.AuthParameters is not None else {})
    _check(ctx, req, parameters, kind)
    after = change(
        connection,
        type=kind,
        description=connection.description if req.Description is None else req.Description,
        kms_key=connection.kms_key if req.KmsKeyIdentifier is None else encryption.key_arn(ctx, req.KmsKeyIdentifier),
        shown=credentials.shown(parameters),
    )
    if after.secret_arn:
        credentials.keep(ctx, after, parameters)
    else:
        after = change(after, secret_arn=credentials.make(ctx, after, parameters))
    return _answer(_begun(ctx, after), "CreationTime", "LastModifiedTime", "LastAuthorizedTime")


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    made = dict(below)
    for name, value in above.items():
        inner = made.get(name)
        made[name] = _laid_over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return made


@operation("DeauthorizeConnection")
def deauthorize_connection(ctx: Context, req: Any) -> Answer:
    """Takes the authorization parameters of a connection away, and its secret. Errors: ResourceNotFoundException. Source: API reference."""
    connection = connection_at(ctx, req.Name)
    credentials.drop(ctx, connection)
    after = change(connection, state="DEAUTHORIZED", secret_arn="", shown={}, modified_at_ms=ctx.now, change=connection.change + 1)
    CONNECTIONS.put(ctx, after)
    return _answer(after, "CreationTime", "LastModifiedTime", "LastAuthorizedTime")


@operation("DeleteConnection")
def delete_connection(ctx: Context, req: Any) -> Answer:
    """Deletes a connection with its secret; its API destinations are inactive then. Errors: ResourceNotFoundException."""
    connection = connection_at(ctx, req.Name)
    credentials.drop(ctx, connection)
    CONNECTIONS.delete(ctx, connection)
    return _answer(change(connection, state="DELETING"), "CreationTime", "LastModifiedTime", "LastAuthorizedTime")


def _times(connection: Connection) -> dict[str, Any]:
    return {
        "CreationTime": connection.created_at_ms,
        "LastModifiedTime": connection.modified_at_ms,
        "LastAuthorizedTime": connection.authorized_at_ms or None,
    }


def _answer(connection: Connection, *times: str) -> dict[str, Any]:
    known = _times(connection)
    return {"ConnectionArn": connection_arn(connection), "ConnectionState": connection.state, **{name: known[name] for name in times}}


@operation("DescribeConnection")
def describe_connection(ctx: Context, req: Any) -> Answer:
    """A connection, without what is secret. Errors: ResourceNotFoundException. Source: API reference, DescribeConnection."""
    connection = connection_at(ctx, req.Name)
    return {
        "ConnectionArn": connection_arn(connection),
        "Name": connection.name,
        "Description": connection.description or None,
        "ConnectionState": connection.state,
        "StateReason": connection.reason or None,
        "AuthorizationType": connection.type,
        "SecretArn": connection.secret_arn or None,
        "KmsKeyIdentifier": connection.kms_key or None,
        "AuthParameters": connection.shown or None,
        **_times(connection),
    }


@operation("ListConnections")
def list_connections(ctx: Context, req: Any) -> Answer:
    """The connections of the account in the region, by name; those in a state. Source: API reference, ListConnections."""
    found = CONNECTIONS.scan(ctx, ctx.account, ctx.region, starting=req.NamePrefix or "", after=paged.after(req))
    wanted = (one for one in found if req.ConnectionState in (None, one.state))
    page, token = paged.page(req, wanted, lambda one: one.name)
    shown = [
        {
            "ConnectionArn": connection_arn(one),
            "Name": one.name,
            "ConnectionState": one.state,
            "StateReason": one.reason or None,
            "AuthorizationType": one.type,
            **_times(one),
        }
        for one in page
    ]
    return {"Connections": shown, "NextToken": token}
