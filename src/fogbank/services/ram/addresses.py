"""How shares and invitations are named and found; pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from fogbank.kernel import paging
from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.ram.state import INVITATIONS, PRINCIPAL, SHARED, SHARES, Association, Invitation, Share

T = TypeVar("T")
_SHARE, _INVITATION = "resource-share/", "resource-share-invitation/"
PAGE = 100


def _arn(account: str, region: str, resource: str) -> str:
    return f"arn:{partition_of(region)}:ram:{region}:{account}:{resource}"


def share_arn(of: Share | Association | Invitation) -> str:
    """The ARN of a share, or of the one that something belongs to."""
    return _arn(of.account, of.region, _SHARE + (of.id if isinstance(of, Share) else of.share))


def invitation_arn(invitation: Invitation) -> str:
    return _arn(invitation.account, invitation.region, _INVITATION + invitation.id)


def invalid(message: str) -> ServiceException:
    return ServiceException("InvalidParameterException", message)


def _parse(ctx: Context, arn: str, prefix: str, what: str) -> tuple[str, str, str]:
    parts = Arn.parse(arn)
    if parts is None or parts.service != "ram" or not parts.resource.startswith(prefix):
        raise ServiceException("MalformedArnException", f"The specified {what} ARN is not valid. Verify the ARN and try again.")
    return parts.account, parts.region, parts.resource.removeprefix(prefix)


def get_share(ctx: Context, arn: str) -> Share | None:
    """Errors: MalformedArnException."""
    account, region, id = _parse(ctx, arn, _SHARE, "resource share")
    return SHARES.get(ctx, account, region, id) if region == ctx.region else None


def share_at(ctx: Context, arn: str) -> Share:
    """A share of the caller's account. Errors: MalformedArnException, UnknownResourceException."""
    share = get_share(ctx, arn)
    if share is None or share.account != ctx.account:
        raise ServiceException("UnknownResourceException", f"ResourceShare {arn} could not be found.")
    return share


def active_share(ctx: Context, arn: str) -> Share:
    """Errors: those of `share_at`, InvalidStateTransitionException."""
    return _active(share_at(ctx, arn))


def _active(share: Share) -> Share:
    if share.status != "ACTIVE":
        raise ServiceException("InvalidStateTransitionException", f"ResourceShare {share_arn(share)} is in the state {share.status}.")
    return share


def invitation_at(ctx: Context, arn: str) -> Invitation:
    """An invitation that the caller's account has received. Errors: MalformedArnException, ResourceShareInvitationArnNotFoundException."""
    invitation = INVITATIONS.get(ctx, *_parse(ctx, arn, _INVITATION, "resource share invitation"))
    if invitation is None or (invitation.receiver, invitation.region) != (ctx.account, ctx.region):
        raise ServiceException("ResourceShareInvitationArnNotFoundException", f"ResourceShareInvitation {arn} could not be found.")
    return invitation


def received(ctx: Context) -> Iterator[Share]:
    """The shares that the caller's account was invited to and has accepted."""
    for row in SHARED.scan(ctx, ctx.region, ctx.account):
        share = SHARES.get(ctx, row.account, row.region, row.share)
        if row.kind == PRINCIPAL and row.status == "ASSOCIATED" and share is not None:
            yield share


def shares_of(ctx: Context, owner: str) -> Iterator[Share]:
    """By ResourceOwner: the account's own shares (SELF), or those that others share with it."""
    return SHARES.scan(ctx, ctx.account, ctx.region) if owner == "SELF" else received(ctx)


def chosen_shares(ctx: Context, owner: str, arns: list[str] | None) -> list[Share]:
    """The shares of an owner, all or those that a request names. Errors: MalformedArnException, UnknownResourceException."""
    found = {share_arn(share): share for share in shares_of(ctx, owner)}
    for arn in arns or ():
        if get_share(ctx, arn) is None or arn not in found:
            raise ServiceException("UnknownResourceException", f"ResourceShare {arn} could not be found.")
    return [share for arn, share in found.items() if not arns or arn in arns]


def page(req: Any, items: Iterable[T], name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page in the order of names, and the token of the next. Errors: InvalidNextTokenException."""
    after = paging.place(
        req.nextToken, lambda: ServiceException("InvalidNextTokenException", "The specified value for NextToken is not valid.")
    )
    ordered = sorted((item for item in items if after is None or name(item) > after), key=name)
    return paging.named(ordered, req.maxResults or PAGE, name)
