"""Resources as they are, whoever made them."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudcontrol.types import Type, acting, identifier_of, json, read, refusal, type_at

PAGE = 100


@operation("GetResource")
def get_resource(ctx: Context, req: Any) -> Answer:
    """The properties of a resource, with its attributes and without what is only written, as JSON.

    Errors: ResourceNotFoundException, TypeNotFoundException, UnsupportedActionException, GeneralServiceException.
    Source: API reference, GetResource.
    """
    type = type_at(ctx, req, "READ")
    identifier = identifier_of(type, req.Identifier)
    found = read(acting(ctx, req.RoleArn or ""), type, identifier)
    return {"TypeName": req.TypeName, "ResourceDescription": {"Identifier": identifier, "Properties": json(type.schema.readable(found))}}


@operation("ListResources")
def list_resources(ctx: Context, req: Any) -> Answer:
    """The identifiers of a type's resources in the account and region, in order; pages of at most 100.

    Errors: TypeNotFoundException, UnsupportedActionException, GeneralServiceException. Source: API reference, ListResources.
    """
    type = type_at(ctx, req, "LIST")
    if req.ResourceModel is not None:
        raise NotImplementedOperation("cloudcontrol", "ListResources", "with ResourceModel")
    after = paging.place(req.NextToken, lambda: ServiceException("InvalidRequestException", "Invalid NextToken"))
    identifiers = _identifiers(acting(ctx, req.RoleArn or ""), type)
    start = 0 if after is None else bisect_right(identifiers, after)
    page, more = paging.page(identifiers[start:], req.MaxResults or PAGE)
    return {
        "TypeName": req.TypeName,
        "ResourceDescriptions": [{"Identifier": identifier, "Properties": json(_model(type, identifier))} for identifier in page],
        "NextToken": paging.token(page[-1]) if more else None,
    }


def _identifiers(ctx: Context, type: Type) -> list[str]:
    if type.kind.list is None:
        raise NotImplementedOperation("cloudcontrol", "ListResources", f"for resources of type {type.kind.name}")
    try:
        return sorted(type.kind.list(ctx))
    except ServiceException as problem:
        raise refusal(ctx, type, problem) from None


def _model(type: Type, identifier: str) -> dict[str, str]:
    names = type.schema.identifier
    return dict(zip(names, identifier.split("|") if len(names) > 1 else [identifier], strict=True))
