"""Requests: what somebody wants done to a resource, how far it is, and what became of it."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.store import Record, Table

KEPT_MS = 7 * 86_400_000
CLIENT_TOKEN_MS = 36 * 3_600_000
UNDER_WAY = frozenset(("PENDING", "IN_PROGRESS"))


class Request(Record, frozen=True, kw_only=True):
    """`caller` or else `role` does the work. `states` is JSON [before, after], sealed, since properties may be secret.

    `done` counts the parts of the type that were put. `wish` is a digest of what was asked for.
    """

    account: str
    region: str
    token: str
    client_token: str
    operation: str
    type: str
    identifier: str
    wish: bytes
    status: str
    at_ms: int
    requested_at_ms: int
    caller: bytes
    role: str
    states: bytes
    begun: bool = False
    done: int = 0
    error: str = ""
    message: str = ""


REQUESTS = Table("cloudcontrol.requests", Request, key=("account", "region", "token"))
BY_CLIENT_TOKEN = REQUESTS.index("by_client_token", "account", "region", "client_token")
BY_AGE = REQUESTS.index("by_age", "account", "region", "requested_at_ms", "token")
OF_RESOURCE = REQUESTS.index(
    "of_resource", "account", "region", "type", "identifier", where=lambda r: r.status in UNDER_WAY and r.identifier != ""
)


def event(request: Request) -> dict[str, Any]:
    """The progress event that answers for a request."""
    return {
        "TypeName": request.type,
        "Identifier": request.identifier or None,
        "RequestToken": request.token,
        "Operation": request.operation,
        "OperationStatus": request.status,
        "EventTime": request.at_ms,
        "StatusMessage": request.message or None,
        "ErrorCode": request.error or None,
    }


def seal(ctx: Context, states: bytes, token: str) -> bytes:
    """What a request carries, as it is kept."""
    sealed: bytes = ctx.vault.seal(states, token.encode())
    return sealed


def unseal(ctx: Context, request: Request) -> bytes:
    opened: bytes = ctx.vault.open(request.states, request.token.encode())
    return opened
