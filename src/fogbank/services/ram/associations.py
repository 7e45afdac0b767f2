"""Who shares what with whom: associations, and the resources and principals of shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ram import associating, tokens
from fogbank.services.ram.addresses import active_share, chosen_shares, get_share, invalid, page, share_arn
from fogbank.services.ram.kinds import KINDS, check_type
from fogbank.services.ram.permissions import asked
from fogbank.services.ram.state import ASSOCIATIONS, PRINCIPAL, RESOURCE, Association, Share

_STATUS = {"ASSOCIATING": "PENDING", "ASSOCIATED": "AVAILABLE"}


def _answer(share: Share, rows: Iterable[Association]) -> dict[str, Any]:
    return {"resourceShareAssociations": [associating.shown(share, row) for row in rows]}


@operation("AssociateResourceShare")
def associate_resource_share(ctx: Context, req: Any) -> Answer:
    """Adds resources and accounts to a share; accounts are invited. What is in it already stays as it is. Idempotent by clientToken.

    Errors: UnknownResourceException, MalformedArnException, InvalidParameterException, InvalidStateTransitionException,
    OperationNotPermittedException, ResourceShareLimitExceededException, IdempotentParameterMismatchException.
    Source: API reference, AssociateResourceShare.
    """

    def work() -> dict[str, Any]:
        share = active_share(ctx, req.resourceShareArn)
        return _answer(share, associating.add(ctx, share, req))

    return tokens.once(ctx, req, work)


@operation("DisassociateResourceShare")
def disassociate_resource_share(ctx: Context, req: Any) -> Answer:
    """Takes resources and accounts out of a share. An account that it is shared with may take itself out. Idempotent by clientToken.

    Errors: UnknownResourceException, MalformedArnException, InvalidStateTransitionException, OperationNotPermittedException,
    IdempotentParameterMismatchException. Source: API reference, DisassociateResourceShare.
    """

    def work() -> dict[str, Any]:
        share = _left(ctx, req) or active_share(ctx, req.resourceShareArn)
        return _answer(share, associating.remove(ctx, share, req))

    return tokens.once(ctx, req, work)


def _left(ctx: Context, req: Any) -> Share | None:
    """Another account's share, where the caller's account leaves it."""
    share = get_share(ctx, req.resourceShareArn)
    if share is None or share.account == ctx.account:
        return None
    row = ASSOCIATIONS.get(ctx, share.account, share.region, share.id, PRINCIPAL, ctx.account)
    if row is None or row.status != "ASSOCIATED":
        return None
    if req.resourceArns or req.principals != [ctx.account]:
        raise ServiceException("OperationNotPermittedException", "Only the owner of a resource share can change it.")
    return share


@operation("GetResourceShareAssociations")
def get_resource_share_associations(ctx: Context, req: Any) -> Answer:
    """The resources or the principals that are associated with the account's own shares, also those that were until two hours ago.

    Errors: UnknownResourceException, MalformedArnException, InvalidParameterException, InvalidNextTokenException.
    Source: API reference, GetResourceShareAssociations.
    """
    if req.resourceArn and req.associationType != RESOURCE:
        raise invalid("You can specify resourceArn only with the association type RESOURCE.")
    if req.principal and req.associationType != PRINCIPAL:
        raise invalid("You can specify principal only with the association type PRINCIPAL.")
    entity = req.resourceArn or req.principal
    found = [
        (share, row)
        for share in chosen_shares(ctx, "SELF", req.resourceShareArns)
        for row in associating.rows(ctx, share, req.associationType)
        if entity in (None, row.entity) and req.associationStatus in (None, row.status)
    ]
    pairs, token = page(req, found, lambda pair: f"{pair[0].id} {pair[1].entity}")
    return {"resourceShareAssociations": [associating.shown(share, row) for share, row in pairs], "nextToken": token}


def _resource(share: Share, row: Association) -> dict[str, Any]:
    """Resource."""
    return {
        "arn": row.entity,
        "type": row.type,
        "resourceShareArn": share_arn(share),
        "status": _STATUS[row.status],
        "creationTime": row.created_at_ms,
        "lastUpdatedTime": row.updated_at_ms,
        "resourceRegionScope": "REGIONAL",
    }


def resources(ctx: Context, req: Any, found: Iterable[tuple[Share, Association]]) -> Answer:
    """A page of resources; all of them are regional."""
    there = [] if req.resourceRegionScope == "GLOBAL" else found
    pairs, token = page(req, there, lambda pair: f"{pair[0].id} {pair[1].entity}")
    return {"resources": [_resource(share, row) for share, row in pairs], "nextToken": token}


@operation("ListResources", authorized_here=True)
def list_resources(ctx: Context, req: Any) -> Answer:
    """The resources that the account shares, or that others share with it and it has accepted: one for each share that they are in.

    Errors: UnknownResourceException, MalformedArnException, InvalidResourceTypeException, InvalidNextTokenException.
    Source: API reference, ListResources.
    """
    asked(ctx)
    type = check_type(req.resourceType, "InvalidResourceTypeException")
    found = [
        (share, row)
        for share in chosen_shares(ctx, req.resourceOwner, req.resourceShareArns)
        if _concerns(ctx, req, share)
        for row in associating.live(ctx, share, RESOURCE)
        if type in (None, row.type) and (not req.resourceArns or row.entity in req.resourceArns)
    ]
    return resources(ctx, req, found)


def _concerns(ctx: Context, req: Any, share: Share) -> bool:
    """Whether a share is with the principal that a request names, if any; where it is not the account's own, of that one."""
    if not req.principal:
        return True
    if req.resourceOwner != "SELF":
        return req.principal in (share.account, ctx.account)
    return any(row.entity == req.principal for row in associating.live(ctx, share, PRINCIPAL))


@operation("ListPrincipals")
def list_principals(ctx: Context, req: Any) -> Answer:
    """The accounts that the account shares with, or that share with it: one for each share.

    Errors: UnknownResourceException, MalformedArnException, InvalidParameterException, InvalidNextTokenException.
    Source: API reference, ListPrincipals.
    """
    type = check_type(req.resourceType)
    found = [
        _principal(share, row, req.resourceOwner)
        for share in chosen_shares(ctx, req.resourceOwner, req.resourceShareArns)
        if _holds(ctx, share, type, req.resourceArn)
        for row in associating.live(ctx, share, PRINCIPAL)
        if req.resourceOwner == "SELF" or row.entity == ctx.account
    ]
    wanted = [one for one in found if not req.principals or one["id"] in req.principals]
    principals, token = page(req, wanted, lambda one: f"{one['resourceShareArn']} {one['id']}")
    return {"principals": principals, "nextToken": token}


def _holds(ctx: Context, share: Share, type: str | None, arn: str | None) -> bool:
    """Whether there is a resource of a type, or that one, in a share; any share holds what is not asked for."""
    if type is None and arn is None:
        return True
    return any(type in (None, row.type) and arn in (None, row.entity) for row in associating.live(ctx, share, RESOURCE))


def _principal(share: Share, row: Association, owner: str) -> dict[str, Any]:
    """Principal: who is shared with, or where it is not the account's own share, who shares."""
    return {
        "id": row.entity if owner == "SELF" else share.account,
        "resourceShareArn": share_arn(share),
        "creationTime": row.created_at_ms,
        "lastUpdatedTime": row.updated_at_ms,
        "external": True,
    }


@operation("ListResourceTypes")
def list_resource_types(ctx: Context, req: Any) -> Answer:
    """What can be shared. Errors: InvalidNextTokenException. Source: API reference, ListResourceTypes."""
    kinds, token = page(req, [] if req.resourceRegionScope == "GLOBAL" else KINDS, lambda kind: kind.type)
    shown = [{"resourceType": kind.type, "serviceName": kind.service, "resourceRegionScope": "REGIONAL"} for kind in kinds]
    return {"resourceTypes": shown, "nextToken": token}
