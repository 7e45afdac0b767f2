"""Carrying requests out, each as its caller or as its role, in as many transactions as its resource takes to settle."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, task
from fogbank.kernel.resource_types import Properties
from fogbank.services.cloudcontrol.state import KEPT_MS, REQUESTS, UNDER_WAY, Request, unseal
from fogbank.services.cloudcontrol.types import Type, as_role, known
from fogbank.store import change

PAUSE_MS = 1000
"""Between two looks at a resource that has to settle."""


@task("work")
def work(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """Does what a request asks for, as far as it goes now. What is refused is undone, and the request has failed."""
    request = REQUESTS.get(ctx, payload["account"], payload["region"], payload["token"])
    if request is None or request.status not in UNDER_WAY:
        return None
    mark = ctx.tx.mark()
    try:
        after = _carried_on(ctx, request)
    except ServiceException as problem:
        ctx.tx.undo(mark)
        code = known(ctx, request.type).kind.fault(problem)
        after = change(request, status="FAILED", error=code, message=problem.message, at_ms=ctx.now, states=b"")
    REQUESTS.put(ctx, after)
    return Wait((), ctx.now + PAUSE_MS) if after.status in UNDER_WAY else None


def _carried_on(ctx: Context, request: Request) -> Request:
    """The request after the next stretch of work."""
    type = known(ctx, request.type)
    caller = ctx.as_caller(request.caller)
    if request.role:
        caller = as_role(ctx, request.role)
    before, after = msgspec.json.decode(unseal(ctx, request))
    begun = request if request.begun else _begun(caller, type, request, after)
    if request.operation == "DELETE":
        return _ended(ctx, begun) if type.kind.gone(caller, begun.identifier) else begun
    if request.operation == "CREATE":
        before = type.kind.made(after)
    done = type.kind.advance(caller, begun.identifier, before, after, begun.done)
    return _ended(ctx, begun) if done is None else change(begun, done=done)


def _begun(ctx: Context, type: Type, request: Request, after: Properties) -> Request:
    """The request when its resource has been created, or is to go."""
    identifier = request.identifier
    if request.operation == "CREATE":
        identifier, _ = type.kind.create(ctx, after)
    elif request.operation == "DELETE":
        type.kind.delete(ctx, identifier, {})
    return change(request, begun=True, identifier=identifier)


def _ended(ctx: Context, request: Request) -> Request:
    return change(request, status="SUCCESS", at_ms=ctx.now, states=b"")


@task("expire")
def expire(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Forgets a request after 7 days."""
    request = REQUESTS.get(ctx, payload["account"], payload["region"], payload["token"])
    if request is not None and request.requested_at_ms + KEPT_MS <= ctx.now:
        REQUESTS.delete(ctx, request)
    return None
