"""What IAM's own operations are about, as IAM policies see it: resources with their tags, and IAM's condition keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource
from fogbank.services.iam import aws_managed
from fogbank.services.iam.linked_roles import role_name
from fogbank.services.iam.roles import LINKED_PATH
from fogbank.services.iam.state import (
    GROUPS,
    INSTANCE_PROFILES,
    MFA_DEVICES,
    OIDC_PROVIDERS,
    POLICIES,
    ROLES,
    SAML_PROVIDERS,
    SERVER_CERTIFICATES,
    USERS,
)
from fogbank.store.tables import Table

Named = Callable[[Context, Any], str | None]


def _arn(ctx: Context, kind: str, path: str | None, name: str) -> str:
    return ctx.arn(f"{kind}{path or '/'}{name}", service="iam", region="")


def _by_name(kind: str, table: Table[Any], member: str, creates: str) -> Named:
    """The ARN of an entity that a request names: the entity's own, or the one it would get from the request's path."""

    def named(ctx: Context, req: Any) -> str | None:
        name = getattr(req, member, None)
        if name is None:
            return _source_of_simulation(req, kind)
        entity = None if ctx.operation == creates else table.get(ctx, ctx.account, name.lower())
        return entity.arn if entity is not None else _arn(ctx, kind, getattr(req, "Path", None), name)

    return named


def _source_of_simulation(req: Any, kind: str) -> str | None:
    arn: str | None = getattr(req, "PolicySourceArn", None)
    return arn if arn is not None and arn.split(":", 5)[-1].startswith(f"{kind}/") else None


_named_user = _by_name("user", USERS, "UserName", "CreateUser")
_named_role = _by_name("role", ROLES, "RoleName", "CreateRole")


def _user(ctx: Context, req: Any) -> str | None:
    """The user that a request names, or the one who asks."""
    arn = _named_user(ctx, req)
    if arn is None and hasattr(req, "UserName") and ctx.principal.kind == "user":
        return str(ctx.principal.arn)
    return arn


def _role(ctx: Context, req: Any) -> str | None:
    service = getattr(req, "AWSServiceName", None)
    if service is not None:
        return _arn(ctx, "role", f"{LINKED_PATH}{service}/", role_name(service, req.CustomSuffix) or "*")
    deletion = getattr(req, "DeletionTaskId", None)
    if deletion is not None:
        return ctx.arn("role" + deletion.removeprefix("task").rpartition("/")[0], service="iam", region="")
    return _named_role(ctx, req)


def _policy(ctx: Context, req: Any) -> str | None:
    arn: str | None = getattr(req, "PolicyArn", None)
    if arn is not None:
        return arn
    name = getattr(req, "PolicyName", None)
    return None if name is None else _arn(ctx, "policy", getattr(req, "Path", None), name)


def _policy_owner(ctx: Context, arn: str) -> str | None:
    """AWS's own policies are every account's."""
    account = arn.split(":", 5)[4]
    return ctx.account if account == aws_managed.ACCOUNT else account


def _device(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "VirtualMFADeviceName", None)
    return _arn(ctx, "mfa", req.Path, name) if name is not None else getattr(req, "SerialNumber", None)


def _oidc_provider(ctx: Context, req: Any) -> str | None:
    url = getattr(req, "Url", None)
    if url is not None:
        return ctx.arn(f"oidc-provider/{url.partition('://')[2].rstrip('/')}", service="iam", region="")
    return getattr(req, "OpenIDConnectProviderArn", None)


def _saml_provider(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "Name", None)
    return _arn(ctx, "saml-provider", "/", name) if name is not None else getattr(req, "SAMLProviderArn", None)


def _tags(table: Table[Any], *, key: Callable[[str], str] = lambda resource: resource.rpartition("/")[2].lower()) -> Any:
    """The tags of an entity by its ARN; `key` makes its table's key from the ARN's last part."""

    def tags(ctx: Context, arn: str) -> Mapping[str, str] | None:
        parsed = Arn.parse(arn)
        found: Any = None if parsed is None else table.get(ctx, parsed.account, key(parsed.resource))
        return None if found is None else found.tags

    return tags


def _device_tags(ctx: Context, arn: str) -> Mapping[str, str] | None:
    device = MFA_DEVICES.get(ctx, arn)
    return None if device is None else device.tags


RESOURCES = (
    Resource("user", _user, _tags(USERS)),
    Resource("group", _by_name("group", GROUPS, "GroupName", "CreateGroup")),
    Resource("role", _role, _tags(ROLES)),
    Resource("policy", _policy, _tags(POLICIES), owner=_policy_owner),
    Resource(
        "instance-profile",
        _by_name("instance-profile", INSTANCE_PROFILES, "InstanceProfileName", "CreateInstanceProfile"),
        _tags(INSTANCE_PROFILES),
    ),
    Resource("mfa", _device, _device_tags),
    Resource("oidc-provider", _oidc_provider, _tags(OIDC_PROVIDERS, key=lambda resource: resource.removeprefix("oidc-provider/"))),
    Resource("saml-provider", _saml_provider, _tags(SAML_PROVIDERS)),
    Resource(
        "server-certificate",
        _by_name("server-certificate", SERVER_CERTIFICATES, "ServerCertificateName", "UploadServerCertificate"),
        _tags(SERVER_CERTIFICATES),
    ),
)


def _boundary(ctx: Context, req: Any) -> str | None:
    """The boundary that a request sets, or the one of the user or role that it changes."""
    wanted: str | None = getattr(req, "PermissionsBoundary", None)
    if wanted is not None or ctx.operation in ("CreateUser", "CreateRole"):
        return wanted
    for member, table in (("UserName", USERS), ("RoleName", ROLES)):
        name = getattr(req, member, None)
        entity: Any = None if name is None else table.get(ctx, ctx.account, name.lower())
        if entity is not None:
            return entity.boundary or None
    return None


def _member(name: str) -> Callable[[Context, Any], Any]:
    return lambda ctx, req: getattr(req, name, None)


CONDITIONS = {
    "iam:permissionsboundary": _boundary,
    "iam:policyarn": _member("PolicyArn"),
    "iam:awsservicename": _member("AWSServiceName"),
    "iam:servicespecificcredentialservicename": _member("ServiceName"),
    "iam:servicespecificcredentialagedays": _member("CredentialAgeDays"),
}
