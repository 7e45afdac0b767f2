"""Service-specific credentials: a user name and password for one service that does not take signatures."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import ids
from fogbank.services.iam.access_keys import status, wanted_status
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.lookups import caller_name, user_at
from fogbank.services.iam.refusals import invalid_value, limit, no_such
from fogbank.services.iam.state import SERVICE_CREDENTIALS, USERS, ServiceCredential, User
from fogbank.store.tables import change

MOST_CREDENTIALS = 2
BEARER = "bedrock.amazonaws.com"
"""The service whose credential is an alias with one secret, and may end by itself."""
SERVICES = ("codecommit.amazonaws.com", "cassandra.amazonaws.com", BEARER)
_DAY_MS = 24 * 3600 * 1000


def _metadata(credential: ServiceCredential, user: User) -> dict[str, Any]:
    name = "ServiceCredentialAlias" if credential.service == BEARER else "ServiceUserName"
    return {
        "UserName": user.name,
        "Status": status(credential.active),
        name: credential.name,
        "CreateDate": credential.created_at_ms,
        "ExpirationDate": credential.expires_at_ms or None,
        "ServiceSpecificCredentialId": credential.id,
        "ServiceName": credential.service,
    }


def _whole(credential: ServiceCredential, user: User) -> dict[str, Any]:
    secret = "ServiceCredentialSecret" if credential.service == BEARER else "ServicePassword"
    return {"ServiceSpecificCredential": _metadata(credential, user) | {secret: credential.secret}}


def _credential_at(ctx: Context, req: Any) -> tuple[ServiceCredential, User]:
    user = user_at(ctx, caller_name(ctx, req.UserName))
    credential = SERVICE_CREDENTIALS.get(ctx, ctx.account, user.id, req.ServiceSpecificCredentialId)
    if credential is None:
        raise no_such("service specific credential", req.ServiceSpecificCredentialId)
    return credential, user


def _check_service(name: str) -> None:
    if name not in SERVICES:
        raise ServiceException("ServiceNotSupportedException", f"No such service {name} is supported for Service Specific Credentials")


@operation("CreateServiceSpecificCredential")
def create_service_specific_credential(ctx: Context, req: Any) -> Answer:
    """Makes a credential; its secret is in this answer and in that of a reset only.

    Errors: NoSuchEntity, ServiceNotSupported, LimitExceeded (two for a user and service), ValidationError (an age where none is taken).
    """
    user = user_at(ctx, req.UserName)
    _check_service(req.ServiceName)
    if req.CredentialAgeDays is not None and req.ServiceName != BEARER:
        raise invalid_value(f"CredentialAgeDays is not supported for {req.ServiceName}.")
    there = [c for c in SERVICE_CREDENTIALS.scan(ctx, ctx.account, user.id) if c.service == req.ServiceName]
    if len(there) >= MOST_CREDENTIALS:
        raise limit(f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {MOST_CREDENTIALS}")
    name = f"{user.name}-at-{ctx.account}"
    if any(c.name == name for c in there):
        name = f"{user.name}+1-at-{ctx.account}"
    credential = ServiceCredential(
        account=ctx.account,
        owner_id=user.id,
        id=ids.unique_id(ctx.random, "ACCA"),
        service=req.ServiceName,
        name=name,
        secret=ids.secret(ctx.random),
        created_at_ms=ctx.now,
        expires_at_ms=ctx.now + req.CredentialAgeDays * _DAY_MS if req.CredentialAgeDays else 0,
    )
    SERVICE_CREDENTIALS.put(ctx, credential)
    return _whole(credential, user)


@operation("ListServiceSpecificCredentials")
def list_service_specific_credentials(ctx: Context, req: Any) -> Answer:
    """A user's credentials, or those of all users, without secrets."""
    if req.ServiceName is not None:
        _check_service(req.ServiceName)
    chosen = USERS.scan(ctx, ctx.account) if req.AllUsers else [user_at(ctx, caller_name(ctx, req.UserName))]
    found = [
        (credential, user)
        for user in chosen
        for credential in SERVICE_CREDENTIALS.scan(ctx, ctx.account, user.id)
        if req.ServiceName in (None, credential.service)
    ]
    return page_of(req, "ServiceSpecificCredentials", found, lambda c: c[0].id, lambda c: _metadata(*c))


@operation("UpdateServiceSpecificCredential")
def update_service_specific_credential(ctx: Context, req: Any) -> Answer:
    """Switches a credential on or off."""
    credential, _ = _credential_at(ctx, req)
    SERVICE_CREDENTIALS.put(ctx, change(credential, active=wanted_status(req)))
    return None


@operation("ResetServiceSpecificCredential")
def reset_service_specific_credential(ctx: Context, req: Any) -> Answer:
    """Gives a credential another secret, at once."""
    credential, user = _credential_at(ctx, req)
    credential = change(credential, secret=ids.secret(ctx.random))
    SERVICE_CREDENTIALS.put(ctx, credential)
    return _whole(credential, user)


@operation("DeleteServiceSpecificCredential")
def delete_service_specific_credential(ctx: Context, req: Any) -> Answer:
    """Deletes a credential."""
    SERVICE_CREDENTIALS.delete(ctx, _credential_at(ctx, req)[0])
    return None
