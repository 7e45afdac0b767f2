"""What principals may do with what is shared with them: AWS's managed permission of each type of resource, and no other;
and what shares come to, as policies of the resources."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ram import associating
from fogbank.services.ram.addresses import page, share_at
from fogbank.services.ram.kinds import KINDS, Kind, check_type, kind_of
from fogbank.services.ram.state import RESOURCE, Share


def _shown(ctx: Context, kind: Kind) -> dict[str, Any]:
    """ResourceSharePermissionSummary."""
    return {
        "arn": f"arn:{ctx.partition}:ram::aws:permission/{kind.permission}",
        "version": "1",
        "defaultVersion": True,
        "name": kind.permission,
        "resourceType": kind.type,
        "status": "ATTACHABLE",
        "isResourceTypeDefault": True,
        "permissionType": "AWS_MANAGED",
        "featureSet": "STANDARD",
    }


def permission_at(arn: str, version: int | None = None) -> Kind:
    """The kind whose permission an ARN names. Errors: MalformedArnException, UnknownResourceException, NotImplemented (people's own)."""
    parts = Arn.parse(arn)
    if parts is None or parts.service != "ram" or not parts.resource.startswith("permission/"):
        raise ServiceException("MalformedArnException", f"The specified permission ARN {arn} is not valid. Verify the ARN and try again.")
    for kind in KINDS:
        if parts.account == "aws" and parts.resource == f"permission/{kind.permission}" and version in (None, 1):
            return kind
    if parts.account == "aws" and not parts.resource.startswith(tuple(f"permission/{kind.permission}" for kind in KINDS)):
        raise NotImplementedOperation("ram", "GetPermission", f"with the permission {arn}")
    raise ServiceException("UnknownResourceException", f"Permission {arn} could not be found.")


def of_share(ctx: Context, share: Share) -> list[Kind]:
    """The kinds of a share's resources: each has its own permission."""
    types = {row.type for row in associating.live(ctx, share, RESOURCE)}
    return [kind for kind in KINDS if kind.type in types]


@operation("ListPermissions")
def list_permissions(ctx: Context, req: Any) -> Answer:
    """The managed permissions of what can be shared, of one type or all. Errors: InvalidParameterException, InvalidNextTokenException.
    Source: API reference, ListPermissions."""
    type = check_type(req.resourceType)
    local = req.permissionType == "CUSTOMER_MANAGED" or req.resourceOwner is not None
    found = [] if local or req.permissionStatus not in (None, "ATTACHABLE") else [kind for kind in KINDS if type in (None, kind.type)]
    kinds, token = page(req, found, lambda kind: kind.permission)
    return {"permissions": [_shown(ctx, kind) for kind in kinds], "nextToken": token}


@operation("GetPermission")
def get_permission(ctx: Context, req: Any) -> Answer:
    """What a managed permission allows. Errors: MalformedArnException, UnknownResourceException. Source: API reference, GetPermission."""
    if req.permissionTemplateParameters:
        raise NotImplementedOperation("ram", "GetPermission", "with permissionTemplateParameters")
    kind = permission_at(req.permissionArn, req.permissionVersion)
    statement = msgspec.json.encode({"Effect": "Allow", "Action": list(kind.actions)}).decode()
    return {"permission": _shown(ctx, kind) | {"permission": statement}}


@operation("ListResourceSharePermissions")
def list_resource_share_permissions(ctx: Context, req: Any) -> Answer:
    """The permissions of the resources that are in a share.

    Errors: MalformedArnException, UnknownResourceException, InvalidNextTokenException. Source: API reference."""
    kinds, token = page(req, of_share(ctx, share_at(ctx, req.resourceShareArn)), lambda kind: kind.permission)
    return {"permissions": [_shown(ctx, kind) for kind in kinds], "nextToken": token}


def asked(ctx: Context) -> None:
    """Who may ask: a service, of what is its own, and whoever is allowed the action. Errors: AccessDeniedException."""
    if ctx.principal.kind != "service":
        ctx.authorize(f"ram:{ctx.operation}", "*")


@operation("GetResourcePolicies", authorized_here=True)
def get_resource_policies(ctx: Context, req: Any) -> Answer:
    """The policies that shares come to, of some of the account's own resources: of each that is shared and accepted (by a principal).

    Errors: MalformedArnException, ResourceArnNotFoundException, InvalidNextTokenException. Source: API reference, GetResourcePolicies.
    """
    asked(ctx)
    found = {}
    for arn in req.resourceArns:
        kind, parts = kind_of(ctx, arn), Arn.parse(arn)
        if parts is None or parts.account != ctx.account:
            raise ServiceException("ResourceArnNotFoundException", f"Resource {arn} could not be found.")
        accounts = associating.users(ctx, arn)
        if accounts and (not req.principal or req.principal in accounts):
            found[arn] = _policy(kind, arn, sorted(accounts))
    arns, token = page(req, found, str)
    return {"policies": [found[arn] for arn in arns], "nextToken": token}


def _policy(kind: Kind, arn: str, accounts: list[str]) -> str:
    statement = {
        "Sid": "RamStatement1",
        "Effect": "Allow",
        "Principal": {"AWS": accounts},
        "Action": list(kind.actions),
        "Resource": arn,
    }
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": [statement]}).decode()
