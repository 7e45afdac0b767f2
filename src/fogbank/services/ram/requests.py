"""What a request is about, for the door: ARNs, what lets in whoever is invited, and the condition keys of RAM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.services.ram.kinds import kind_of
from fogbank.services.ram.state import ASSOCIATIONS, INVITATIONS, LIVE, PRINCIPAL, SHARES, Invitation, Share

_INVITED = ["ram:*Invitation", "ram:*InvitationResources", "ram:DisassociateResourceShare"]


def named(member: str) -> Callable[[Context, Any], str | None]:
    """The ARN that a member of a request gives."""
    return lambda ctx, req: getattr(req, member, None)


def _row(ctx: Context, arn: str) -> Share | Invitation | None:
    parts = Arn.parse(arn)
    if parts is None:
        return None
    kind, _, id = parts.resource.partition("/")
    if kind == "resource-share":
        return SHARES.get(ctx, parts.account, parts.region, id)
    return INVITATIONS.get(ctx, parts.account, parts.region, id) if kind == "resource-share-invitation" else None


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    row = _row(ctx, arn)
    return row.tags if isinstance(row, Share) else None


def invited(ctx: Context, req: Any, action: str, arn: str) -> str | None:
    """What lets an account answer its invitation, and leave a share (`Resource.grants`)."""
    row = _row(ctx, arn)
    if isinstance(row, Share):
        association = ASSOCIATIONS.get(ctx, row.account, row.region, row.id, PRINCIPAL, ctx.account)
        here = association is not None and association.status in LIVE
    else:
        here = row is not None and row.receiver == ctx.account
    if not here:
        return None
    statement = {"Effect": "Allow", "Principal": {"AWS": ctx.account}, "Action": _INVITED, "Resource": arn}
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": [statement]}).decode()


# Condition keys


def _first(member: str) -> Callable[[Context, Any], str | None]:
    """The first of a list: the others are authorised one by one (`associating`)."""
    return lambda ctx, req: next(iter(getattr(req, member, None) or ()), None)


def _type(ctx: Context, req: Any) -> str | None:
    arn = next(iter(getattr(req, "resourceArns", None) or ()), None)
    return kind_of(ctx, arn).type if arn else None


def _told(tell: Callable[[Share], Any], member: str = "resourceShareArn") -> Callable[[Context, Any], Any]:
    """A property of the share that a request is about, or that it is an invitation to."""

    def found(ctx: Context, req: Any) -> Any:
        arn = getattr(req, member, None)
        row = _row(ctx, arn) if arn else None
        if isinstance(row, Invitation):
            row = SHARES.get(ctx, row.account, row.region, row.share)
        return tell(row) if row is not None else None

    return found


_owner = _told(lambda share: share.account)
_sender = _told(lambda share: share.account, "resourceShareInvitationArn")

CONDITIONS: dict[str, Callable[[Context, Any], Any]] = {
    "ram:allowsexternalprincipals": _told(lambda share: share.external),
    "ram:permissionarn": named("permissionArn"),
    "ram:principal": _first("principals"),
    "ram:requestedallowsexternalprincipals": named("allowExternalPrincipals"),
    "ram:requestedresourcetype": _type,
    "ram:resourcearn": _first("resourceArns"),
    "ram:resourcesharename": _told(lambda share: share.name),
    "ram:shareowneraccountid": lambda ctx, req: _owner(ctx, req) or _sender(ctx, req),
}
