"""What comes into a share and leaves it, resources and principals; and whom a resource is shared with in the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.ram import kinds
from fogbank.services.ram.addresses import invalid, share_arn
from fogbank.services.ram.state import (
    ASSOCIATIONS,
    INVITATION_MS,
    INVITATIONS,
    LIVE,
    PRINCIPAL,
    RESOURCE,
    SEEN_MS,
    SENT,
    SHARED,
    SHARES,
    Association,
    Invitation,
    Share,
)
from fogbank.store import change

CALL_LIMIT = 100
_account = re.compile(r"\d{12}").fullmatch
_elsewhere = re.compile(r"arn:[\w-]+:(organizations|iam)::.+|[\w.-]+\.amazonaws\.com").fullmatch


def rows(ctx: Context, share: Share, kind: str = "") -> Iterator[Association]:
    """The associations of a share, all or of a kind."""
    return ASSOCIATIONS.scan(ctx, share.account, share.region, share.id, *([kind] if kind else []))


def live(ctx: Context, share: Share, kind: str) -> list[Association]:
    """Those of a kind that have not ended."""
    return [row for row in rows(ctx, share, kind) if row.status in LIVE]


def shown(share: Share, row: Association) -> dict[str, Any]:
    """ResourceShareAssociation."""
    return {
        "resourceShareArn": share_arn(share),
        "resourceShareName": share.name,
        "associatedEntity": row.entity,
        "associationType": row.kind,
        "status": row.status,
        "statusMessage": row.message or None,
        "creationTime": row.created_at_ms,
        "lastUpdatedTime": row.updated_at_ms,
        "external": row.kind == PRINCIPAL,
    }


def _check(ctx: Context, req: Any) -> tuple[list[str], list[str]]:
    """The resources and principals of a request, each of which the caller may name.

    Errors: ResourceShareLimitExceededException, AccessDeniedException, NotImplemented.
    """
    if req.sources:
        raise NotImplementedOperation("ram", ctx.operation, "with sources")
    arns, principals = list(dict.fromkeys(req.resourceArns or ())), list(dict.fromkeys(req.principals or ()))
    if len(arns) > CALL_LIMIT or len(principals) > CALL_LIMIT:
        raise ServiceException("ResourceShareLimitExceededException", f"A request can name at most {CALL_LIMIT} resources and principals.")
    action, on = f"ram:{ctx.operation}", getattr(req, "resourceShareArn", "*")
    for arn in arns[1:]:
        ctx.authorize(action, on, ram__ResourceArn=arn, ram__RequestedResourceType=kinds.kind_of(ctx, arn).type)
    for principal in principals[1:]:
        ctx.authorize(action, on, ram__Principal=principal)
    return arns, principals


def add(ctx: Context, share: Share, req: Any) -> list[Association]:
    """Associates what a request names; what is associated already stays as it is.

    Errors: MalformedArnException, UnknownResourceException, InvalidParameterException, OperationNotPermittedException.
    """
    arns, principals = _check(ctx, req)
    added = []
    for arn in arns:
        kind = kinds.check(ctx, arn)
        added.append(_there(ctx, share, RESOURCE, arn) or _begin(ctx, share, RESOURCE, arn, kind.type))
    for principal in principals:
        _check_principal(ctx, share, principal)
        row = _there(ctx, share, PRINCIPAL, principal)
        if row is None:
            row = _begin(ctx, share, PRINCIPAL, principal)
            _invite(ctx, share, principal)
        added.append(row)
    if arns:
        _settle_later(ctx, share)
    return added


def _check_principal(ctx: Context, share: Share, principal: str) -> None:
    if _elsewhere(principal):
        raise NotImplementedOperation("ram", ctx.operation, f"with principals other than accounts: {principal}")
    if not _account(principal):
        raise invalid(f"Principal ID {principal} is malformed. Verify the ID and try again.")
    if principal == share.account:
        raise invalid(f"Principal ID {principal} is the owner of the resource share.")
    if not share.external:
        raise ServiceException(
            "OperationNotPermittedException",
            f"Principal {principal} is not in your AWS organization. You do not have permission to add external AWS accounts to a resource"
            " share.",
        )


def _there(ctx: Context, share: Share, kind: str, entity: str) -> Association | None:
    """The association of something with a share, where it has not ended."""
    row = ASSOCIATIONS.get(ctx, share.account, share.region, share.id, kind, entity)
    return row if row is not None and row.status in LIVE else None


def _begin(ctx: Context, share: Share, kind: str, entity: str, type: str = "") -> Association:
    row = Association(
        account=share.account,
        region=share.region,
        share=share.id,
        kind=kind,
        entity=entity,
        type=type,
        created_at_ms=ctx.now,
        updated_at_ms=ctx.now,
    )
    ASSOCIATIONS.put(ctx, row)
    return row


def _invite(ctx: Context, share: Share, receiver: str) -> None:
    invitation = Invitation(
        account=share.account,
        region=share.region,
        id=ctx.random.uuid(),
        share=share.id,
        receiver=receiver,
        sent_at_ms=ctx.now,
    )
    INVITATIONS.put(ctx, invitation)
    ctx.later("ram.expire", {"account": share.account, "invitation": invitation.id}, at_ms=ctx.now + INVITATION_MS)


def remove(ctx: Context, share: Share, req: Any) -> list[Association]:
    """Ends associations. Errors: UnknownResourceException."""
    arns, principals = _check(ctx, req)
    ended = []
    for kind, entity in [(RESOURCE, arn) for arn in arns] + [(PRINCIPAL, principal) for principal in principals]:
        row = _there(ctx, share, kind, entity)
        if row is None:
            raise ServiceException("UnknownResourceException", f"{entity} is not associated with ResourceShare {share_arn(share)}.")
        ended.append(_take_out(ctx, share, row))
    _settle_later(ctx, share)
    return ended


def end(ctx: Context, share: Share) -> None:
    """Has a share end with all that is associated with it."""
    for row in (*live(ctx, share, RESOURCE), *live(ctx, share, PRINCIPAL)):
        _take_out(ctx, share, row)
    SHARES.put(ctx, change(share, status="DELETING", updated_at_ms=ctx.now))
    _settle_later(ctx, share)


def _take_out(ctx: Context, share: Share, row: Association) -> Association:
    """Has an association end. Who had not answered yet is not invited any more."""
    if row.status == "ASSOCIATING" and row.kind == PRINCIPAL:
        for invitation in list(SENT.scan(ctx, share.account, share.region, share.id)):
            if invitation.receiver == row.entity and invitation.status == "PENDING":
                INVITATIONS.delete(ctx, invitation)
    return step(ctx, row, "DISASSOCIATING")


def step(ctx: Context, row: Association, status: str, message: str = "") -> Association:
    """An association in its next state."""
    row = change(row, status=status, message=message, updated_at_ms=ctx.now)
    ASSOCIATIONS.put(ctx, row)
    return row


def _settle_later(ctx: Context, share: Share) -> None:
    ctx.later("ram.settle", {"account": share.account, "share": share.id})


@task("settle")
def settle(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Carries out what was asked of a share."""
    share = SHARES.get(ctx, payload["account"], ctx.region, payload["share"])
    if share is None:
        return None
    ended = False
    for row in list(rows(ctx, share)):
        if row.status == "DISASSOCIATING":
            ended = True
            step(ctx, row, "DISASSOCIATED")
        elif row.status == "ASSOCIATING" and row.kind == RESOURCE:
            step(ctx, row, "ASSOCIATED")
    if share.status == "DELETING":
        ended = True
        share = change(share, status="DELETED", updated_at_ms=ctx.now)
        SHARES.put(ctx, share)
    if ended:
        _forget_later(ctx, share)
    return None


def users(ctx: Context, arn: str) -> set[str]:
    """The accounts that a resource is shared with by any share, and that have accepted it."""
    return {
        row.entity
        for shared in SHARED.scan(ctx, ctx.region, arn)
        if shared.status == "ASSOCIATED"
        for row in ASSOCIATIONS.scan(ctx, shared.account, shared.region, shared.share, PRINCIPAL)
        if row.status == "ASSOCIATED"
    }


def leave(ctx: Context, row: Association, message: str) -> None:
    """An association ends at once, without having been asked to."""
    step(ctx, row, "DISASSOCIATED", message)
    share = SHARES.get(ctx, row.account, row.region, row.share)
    assert share is not None
    _forget_later(ctx, share)


def _forget_later(ctx: Context, share: Share) -> None:
    ctx.later("ram.forget", {"account": share.account, "share": share.id}, at_ms=ctx.now + SEEN_MS)


@task("forget")
def forget(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Lets go of what has ended for long enough."""
    share = SHARES.get(ctx, payload["account"], ctx.region, payload["share"])
    if share is None:
        return None
    over_ms = ctx.now - SEEN_MS
    for row in list(rows(ctx, share)):
        if row.status == "DISASSOCIATED" and row.updated_at_ms <= over_ms:
            ASSOCIATIONS.delete(ctx, row)
    if share.status == "DELETED" and share.updated_at_ms <= over_ms:
        for row in list(rows(ctx, share)):
            ASSOCIATIONS.delete(ctx, row)
        for invitation in list(SENT.scan(ctx, share.account, share.region, share.id)):
            INVITATIONS.delete(ctx, invitation)
        SHARES.delete(ctx, share)
    return None


@task("gone")
def gone(ctx: Context, payload: dict[str, Any]) -> Answer:
    """A resource is no more: its service says so. It leaves all shares."""
    for row in list(SHARED.scan(ctx, ctx.region, payload["arn"])):
        if row.status in LIVE:
            leave(ctx, row, "The resource was deleted.")
    return None
