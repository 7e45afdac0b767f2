"""Invitations to share: received, accepted, rejected; one that is not answered within seven days expires."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.ram import associating, associations, tokens
from fogbank.services.ram.addresses import get_share, invitation_arn, invitation_at, page, share_arn
from fogbank.services.ram.state import ASSOCIATIONS, INVITATIONS, PRINCIPAL, RECEIVED, RESOURCE, SHARES, Invitation, Share
from fogbank.store import change

_OVER = {"ACCEPTED": "AlreadyAccepted", "REJECTED": "AlreadyRejected", "EXPIRED": "Expired"}


def _share(ctx: Context, invitation: Invitation) -> Share:
    """Where an invitation is, there is its share."""
    share = SHARES.get(ctx, invitation.account, invitation.region, invitation.share)
    assert share is not None
    return share


def _shown(ctx: Context, invitation: Invitation) -> dict[str, Any]:
    """ResourceShareInvitation."""
    return {
        "resourceShareInvitationArn": invitation_arn(invitation),
        "resourceShareName": _share(ctx, invitation).name,
        "resourceShareArn": share_arn(invitation),
        "senderAccountId": invitation.account,
        "receiverAccountId": invitation.receiver,
        "invitationTimestamp": invitation.sent_at_ms,
        "status": invitation.status,
    }


@operation("GetResourceShareInvitations")
def get_resource_share_invitations(ctx: Context, req: Any) -> Answer:
    """The invitations that the account has received, also those that are answered or expired: all, some, or those to some shares.

    Errors: ResourceShareInvitationArnNotFoundException, MalformedArnException, InvalidNextTokenException.
    Source: API reference, GetResourceShareInvitations.
    """
    named = {invitation_at(ctx, arn).id for arn in req.resourceShareInvitationArns or ()}
    for arn in req.resourceShareArns or ():
        get_share(ctx, arn)
    found = [
        one
        for one in RECEIVED.scan(ctx, ctx.region, ctx.account)
        if (not named or one.id in named) and (not req.resourceShareArns or share_arn(one) in req.resourceShareArns)
    ]
    invitations, token = page(req, found, lambda one: one.id)
    return {"resourceShareInvitations": [_shown(ctx, one) for one in invitations], "nextToken": token}


def _pending(ctx: Context, arn: str) -> Invitation:
    """An invitation that is open. Errors: ResourceShareInvitationAlreadyAcceptedException and such, ..ArnNotFoundException."""
    invitation = invitation_at(ctx, arn)
    if invitation.status in _OVER:
        what = "has expired" if invitation.status == "EXPIRED" else f"was already {invitation.status.lower()}"
        raise ServiceException(f"ResourceShareInvitation{_OVER[invitation.status]}Exception", f"ResourceShareInvitation {arn} {what}.")
    return invitation


def _end(ctx: Context, invitation: Invitation, status: str, message: str = "") -> Invitation:
    """An invitation that is answered or expired: who was invited comes in, or leaves with a message."""
    invitation = change(invitation, status=status)
    INVITATIONS.put(ctx, invitation)
    row = ASSOCIATIONS.get(ctx, invitation.account, invitation.region, invitation.share, PRINCIPAL, invitation.receiver)
    if row is not None and row.status == "ASSOCIATING":
        if message:
            associating.leave(ctx, row, message)
        else:
            associating.step(ctx, row, "ASSOCIATED")
    return invitation


def _answered(ctx: Context, req: Any, status: str, message: str = "") -> dict[str, Any]:
    return {"resourceShareInvitation": _shown(ctx, _end(ctx, _pending(ctx, req.resourceShareInvitationArn), status, message))}


@operation("AcceptResourceShareInvitation")
def accept_resource_share_invitation(ctx: Context, req: Any) -> Answer:
    """Accepts an invitation: the account may use the share's resources from now on. Idempotent by clientToken.

    Errors: ResourceShareInvitationArnNotFoundException, ResourceShareInvitationAlreadyAcceptedException,
    ResourceShareInvitationAlreadyRejectedException, ResourceShareInvitationExpiredException, MalformedArnException,
    IdempotentParameterMismatchException. Source: API reference, AcceptResourceShareInvitation.
    """
    return tokens.once(ctx, req, lambda: _answered(ctx, req, "ACCEPTED"))


@operation("RejectResourceShareInvitation")
def reject_resource_share_invitation(ctx: Context, req: Any) -> Answer:
    """Rejects an invitation. Idempotent by clientToken. Errors: those of AcceptResourceShareInvitation.
    Source: API reference, RejectResourceShareInvitation."""
    return tokens.once(ctx, req, lambda: _answered(ctx, req, "REJECTED", "The invitation was rejected."))


@operation("ListPendingInvitationResources")
def list_pending_invitation_resources(ctx: Context, req: Any) -> Answer:
    """What an open invitation is about.

    Errors: ResourceShareInvitationArnNotFoundException, ResourceShareInvitationAlreadyAcceptedException,
    ResourceShareInvitationAlreadyRejectedException, ResourceShareInvitationExpiredException, MalformedArnException,
    InvalidNextTokenException. Source: API reference, ListPendingInvitationResources.
    """
    share = _share(ctx, _pending(ctx, req.resourceShareInvitationArn))
    found = [(share, row) for row in associating.live(ctx, share, RESOURCE)]
    return associations.resources(ctx, req, found)


@task("expire")
def expire(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Ends an invitation that was not answered in time."""
    invitation = INVITATIONS.get(ctx, payload["account"], ctx.region, payload["invitation"])
    if invitation is not None and invitation.status == "PENDING":
        _end(ctx, invitation, "EXPIRED", "The invitation has expired.")
    return None
