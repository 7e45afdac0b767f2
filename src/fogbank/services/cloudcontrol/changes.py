"""What is wanted of resources: accepted, checked, and handed to `work`."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.resource_types import Properties
from fogbank.services.cloudcontrol.state import BY_CLIENT_TOKEN, CLIENT_TOKEN_MS, KEPT_MS, OF_RESOURCE, REQUESTS, Request, event, seal
from fogbank.services.cloudcontrol.types import Type, acting, check, identifier_of, read, read_object, type_at


@operation("CreateResource")
def create_resource(ctx: Context, req: Any) -> Answer:
    """Makes a resource from its desired state (JSON), as the caller or as a role that trusts CloudFormation.

    The state is checked at once; the work is done afterwards, and GetResourceRequestStatus tells of it. A ClientToken
    of the last 36 hours is answered with the request that it stands for.

    Errors: TypeNotFoundException, UnsupportedActionException, ValidationException, ClientTokenConflictException.
    Source: API reference, CreateResource.
    """
    type = type_at(ctx, req, "CREATE")
    wanted = read_object(req.DesiredState, "DesiredState")
    if (repeated := _repeated(ctx, req, "CREATE", wanted)) is not None:
        return repeated
    if unsettable := type.schema.given(wanted, type.schema.read_only):
        raise ServiceException(
            "ValidationException", f"Invalid desired state: readOnlyProperties [{_pointers(unsettable)}] cannot be specified"
        )
    check(type, wanted)
    named = type.kind.named(ctx, wanted, stem=f"{req.TypeName.rpartition('::')[2]}-")
    return _accept(ctx, req, "CREATE", "", wanted, {}, named)


@operation("UpdateResource")
def update_resource(ctx: Context, req: Any) -> Answer:
    """Changes a resource by a JSON patch (RFC 6902) of its present properties.

    Create-only and read-only properties cannot be changed. A property that is only written counts as not there.

    Errors: ResourceNotFoundException, NotUpdatableException, ValidationException, ConcurrentOperationException,
    ClientTokenConflictException. Source: API reference, UpdateResource.
    """
    type = type_at(ctx, req, "UPDATE")
    identifier = identifier_of(type, req.Identifier)
    if (repeated := _repeated(ctx, req, "UPDATE", [identifier, req.PatchDocument])) is not None:
        return repeated
    _check_free(ctx, req.TypeName, identifier)
    before = type.schema.readable(read(acting(ctx, req.RoleArn or ""), type, identifier))
    after = _patched(before, req.PatchDocument)
    _check_change(type, before, after)
    attributes = {path for path in type.schema.read_only if "/" not in path}
    before, after = ({n: v for n, v in state.items() if n not in attributes} for state in (before, after))
    check(type, after)
    return _accept(ctx, req, "UPDATE", identifier, [identifier, req.PatchDocument], before, after)


@operation("DeleteResource")
def delete_resource(ctx: Context, req: Any) -> Answer:
    """Deletes a resource. One that is not there ends as FAILED with NotFound.

    Errors: TypeNotFoundException, UnsupportedActionException, ConcurrentOperationException, ClientTokenConflictException.
    Source: API reference, DeleteResource.
    """
    type = type_at(ctx, req, "DELETE")
    identifier = identifier_of(type, req.Identifier)
    if (repeated := _repeated(ctx, req, "DELETE", identifier)) is not None:
        return repeated
    _check_free(ctx, req.TypeName, identifier)
    return _accept(ctx, req, "DELETE", identifier, identifier, {}, {})


def _digest(req: Any, operation: str, wish: Any) -> bytes:
    return hashlib.sha256(msgspec.json.encode([operation, req.TypeName, req.RoleArn, wish], order="deterministic")).digest()


def _repeated(ctx: Context, req: Any, operation: str, wish: Any) -> Answer:
    """The answer to a request that was made before with the same ClientToken. Errors: ClientTokenConflictException."""
    if req.ClientToken is None:
        return None
    for request in BY_CLIENT_TOKEN.scan(ctx, ctx.account, ctx.region, req.ClientToken):
        if request.requested_at_ms + CLIENT_TOKEN_MS > ctx.now:
            if request.wish != _digest(req, operation, wish):
                raise ServiceException(
                    "ClientTokenConflictException", f"Client token {req.ClientToken} was already used for a different request"
                )
            return {"ProgressEvent": event(request)}
    return None


def _check_free(ctx: Context, type: str, identifier: str) -> None:
    request = OF_RESOURCE.first(ctx, ctx.account, ctx.region, type, identifier)
    if request is not None:
        raise ServiceException(
            "ConcurrentOperationException",
            f"Another operation is already in progress on resource '{type}' with identifier '{identifier}' (RequestToken: {request.token})",
        )


def _patched(before: Properties, text: str) -> Properties:
    """Errors: ValidationException."""
    import jsonpatch
    import jsonpointer

    try:
        after = jsonpatch.apply_patch(before, text)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, ValueError, TypeError, KeyError) as problem:
        raise ServiceException("ValidationException", f"Invalid patch document: {problem}") from None
    if not isinstance(after, dict):
        raise ServiceException("ValidationException", "Invalid patch document: the result is not an object")
    return after


def _check_change(type: Type, before: Properties, after: Properties) -> None:
    changeable = {name for part in type.kind.parts for name in part.names}
    conditional = tuple(path for path in type.schema.conditional_create_only if path not in changeable)
    kinds = {"createOnly": type.schema.create_only, "conditionalCreateOnly": conditional, "readOnly": type.schema.read_only}
    for kind, paths in kinds.items():
        if changed := type.schema.changed(before, after, paths):
            message = f"Invalid patch update: {kind}Properties [{_pointers(changed)}] cannot be updated"
            raise ServiceException("NotUpdatableException", message)


def _pointers(paths: list[str]) -> str:
    return ", ".join(f"/properties/{path}" for path in paths)


def _accept(ctx: Context, req: Any, operation: str, identifier: str, wish: Any, before: Properties, after: Properties) -> Answer:
    """Puts a request down, to be carried out after the commit."""
    acting(ctx, req.RoleArn or "")
    token = ctx.random.uuid()
    request = Request(
        account=ctx.account,
        region=ctx.region,
        token=token,
        client_token=req.ClientToken or token,
        operation=operation,
        type=req.TypeName,
        identifier=identifier,
        wish=_digest(req, operation, wish),
        status="IN_PROGRESS",
        at_ms=ctx.now,
        requested_at_ms=ctx.now,
        caller=ctx.caller(),
        role=req.RoleArn or "",
        states=seal(ctx, msgspec.json.encode([before, after]), token),
    )
    REQUESTS.put(ctx, request)
    place = {"account": ctx.account, "region": ctx.region, "token": token}
    ctx.later("cloudcontrol.work", place)
    ctx.later("cloudcontrol.expire", place, at_ms=ctx.now + KEPT_MS)
    return {"ProgressEvent": event(request)}
