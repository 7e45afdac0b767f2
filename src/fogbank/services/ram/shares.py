"""Resource shares: made, changed, ended, shown, tagged."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ram import associating, permissions, tokens
from fogbank.services.ram.addresses import active_share, chosen_shares, invalid, page, share_arn, share_at
from fogbank.services.ram.state import PRINCIPAL, SHARES, Share
from fogbank.store import change

TAGS_LIMIT = 50
NAME_LIMIT = 256


def _shown(ctx: Context, share: Share) -> dict[str, Any]:
    """ResourceShare; its tags are its owner's."""
    return {
        "resourceShareArn": share_arn(share),
        "name": share.name,
        "owningAccountId": share.account,
        "allowExternalPrincipals": share.external,
        "status": share.status,
        "tags": [{"key": key, "value": value} for key, value in sorted(share.tags.items())] if share.account == ctx.account else None,
        "creationTime": share.created_at_ms,
        "lastUpdatedTime": share.updated_at_ms,
        "featureSet": "STANDARD",
    }


def _name(given: str) -> str:
    if not 1 <= len(given) <= NAME_LIMIT:
        raise invalid(f"The name of a resource share has from 1 to {NAME_LIMIT} characters.")
    return given


@operation("CreateResourceShare")
def create_resource_share(ctx: Context, req: Any) -> Answer:
    """Makes a share of resources with accounts; each account is invited, and has seven days to accept.

    Names need not be unique. Each resource and each principal is authorised by itself. Idempotent by clientToken.

    Errors: UnknownResourceException, MalformedArnException, InvalidParameterException, OperationNotPermittedException,
    ResourceShareLimitExceededException, TagPolicyViolationException, TagLimitExceededException, IdempotentParameterMismatchException.
    Source: API reference, CreateResourceShare.
    """
    return tokens.once(ctx, req, lambda: _create(ctx, req))


def _create(ctx: Context, req: Any) -> dict[str, Any]:
    configuration = req.resourceShareConfiguration
    if req.permissionTemplateParameters:
        raise NotImplementedOperation("ram", "CreateResourceShare", "with permissionTemplateParameters")
    if configuration is not None and configuration.retainSharingOnAccountLeaveOrganization:
        raise NotImplementedOperation("ram", "CreateResourceShare", "with retainSharingOnAccountLeaveOrganization")
    for arn in req.permissionArns or ():
        permissions.permission_at(arn)
    share = Share(
        account=ctx.account,
        region=ctx.region,
        id=ctx.random.uuid(),
        name=_name(req.name),
        created_at_ms=ctx.now,
        updated_at_ms=ctx.now,
        external=req.allowExternalPrincipals is not False,
        tags=_tags(req.tags),
    )
    SHARES.put(ctx, share)
    associating.add(ctx, share, req)
    return {"resourceShare": _shown(ctx, share)}


@operation("UpdateResourceShare")
def update_resource_share(ctx: Context, req: Any) -> Answer:
    """Gives a share another name, or says whether accounts outside of the organization may be invited. Idempotent by clientToken.

    Errors: UnknownResourceException, MalformedArnException, InvalidParameterException, OperationNotPermittedException (it is shared with
    such accounts), MissingRequiredParameterException, IdempotentParameterMismatchException. Source: API reference, UpdateResourceShare.
    """
    return tokens.once(ctx, req, lambda: _update(ctx, req))


def _update(ctx: Context, req: Any) -> dict[str, Any]:
    share = active_share(ctx, req.resourceShareArn)
    if req.name is None and req.allowExternalPrincipals is None:
        raise ServiceException("MissingRequiredParameterException", "Either name or allowExternalPrincipals must be specified.")
    if req.name is not None:
        share = change(share, name=_name(req.name))
    if req.allowExternalPrincipals is not None:
        if not req.allowExternalPrincipals and associating.live(ctx, share, PRINCIPAL):
            raise ServiceException(
                "OperationNotPermittedException", "The resource share is shared with accounts outside of an organization."
            )
        share = change(share, external=req.allowExternalPrincipals)
    share = change(share, updated_at_ms=ctx.now)
    SHARES.put(ctx, share)
    return {"resourceShare": _shown(ctx, share)}


@operation("DeleteResourceShare")
def delete_resource_share(ctx: Context, req: Any) -> Answer:
    """Ends a share: what was in it is not shared by it any more. It is shown for two hours more. Idempotent by clientToken.

    Errors: UnknownResourceException, MalformedArnException, InvalidStateTransitionException, IdempotentParameterMismatchException.
    Source: API reference, DeleteResourceShare.
    """

    def work() -> dict[str, Any]:
        associating.end(ctx, active_share(ctx, req.resourceShareArn))
        return {"returnValue": True}

    return tokens.once(ctx, req, work)


@operation("GetResourceShares")
def get_resource_shares(ctx: Context, req: Any) -> Answer:
    """The account's own shares, or those of others that it has accepted; by status, name, tags or permission. Pages: 100 at most.

    Errors: UnknownResourceException, MalformedArnException, InvalidNextTokenException. Source: API reference, GetResourceShares.
    """
    found = [share for share in chosen_shares(ctx, req.resourceOwner, req.resourceShareArns) if _wanted(ctx, req, share)]
    shares, token = page(req, found, lambda share: share.id)
    return {"resourceShares": [_shown(ctx, share) for share in shares], "nextToken": token}


def _wanted(ctx: Context, req: Any, share: Share) -> bool:
    if req.resourceShareStatus not in (None, share.status) or req.name not in (None, share.name):
        return False
    if req.permissionArn is not None:
        kind = permissions.permission_at(req.permissionArn, req.permissionVersion)
        if kind not in permissions.of_share(ctx, share):
            return False
    filters = req.tagFilters or ()
    return not filters or any(
        one.tagKey in share.tags and (not one.tagValues or share.tags[one.tagKey] in one.tagValues) for one in filters if one.tagKey
    )


# Tags


def _tags(given: Any, before: dict[str, str] | None = None) -> dict[str, str]:
    made = dict(before or {})
    for tag in given or ():
        if not tag.key:
            raise invalid("A tag key must not be empty.")
        if tag.key.lower().startswith("aws:"):
            raise ServiceException("TagPolicyViolationException", f"The tag key {tag.key} is reserved.")
        made[tag.key] = tag.value or ""
    if len(made) > TAGS_LIMIT:
        raise ServiceException("TagLimitExceededException", f"A resource share can have at most {TAGS_LIMIT} tags.")
    return made


def _tagged(ctx: Context, req: Any) -> Share:
    if req.resourceArn:
        raise NotImplementedOperation("ram", ctx.operation, "with resourceArn: there are no customer managed permissions")
    if not req.resourceShareArn:
        raise invalid("Either resourceShareArn or resourceArn must be specified.")
    return share_at(ctx, req.resourceShareArn)


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags to a share, or gives them new values; at most 50.

    Errors: UnknownResourceException, MalformedArnException, InvalidParameterException, TagLimitExceededException,
    TagPolicyViolationException. Source: API reference, TagResource.
    """
    share = _tagged(ctx, req)
    SHARES.put(ctx, change(share, tags=_tags(req.tags, share.tags)))
    return {}


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags of a share away; a key that is not there is no error. Errors: UnknownResourceException, MalformedArnException."""
    share = _tagged(ctx, req)
    SHARES.put(ctx, change(share, tags={key: value for key, value in share.tags.items() if key not in req.tagKeys}))
    return {}
