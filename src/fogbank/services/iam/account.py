"""What an account has one of: its alias, and its summary."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.refusals import exists, not_found
from fogbank.services.iam.state import (
    ACCOUNTS,
    GROUPS,
    INSTANCE_PROFILES,
    KEYS_OF,
    MFA_DEVICES,
    OIDC_PROVIDERS,
    POLICIES,
    QUOTAS,
    ROLES,
    SAML_PROVIDERS,
    SERVER_CERTIFICATES,
    USERS,
    Account,
)
from fogbank.store.tables import Table, change


def account_of(ctx: Context) -> Account:
    """The account's row, or what it is before anything was set."""
    return ACCOUNTS.get(ctx, ctx.account) or Account(account=ctx.account)


@operation("CreateAccountAlias")
def create_account_alias(ctx: Context, req: Any) -> Answer:
    """Sets the account's only alias, unique in the whole cloud.

    Errors: EntityAlreadyExists (another account has it).
    """
    if any(a.alias == req.AccountAlias and a.account != ctx.account for a in ACCOUNTS.scan(ctx)):
        raise exists(f"The account alias {req.AccountAlias} already exists.")
    ACCOUNTS.put(ctx, change(account_of(ctx), alias=req.AccountAlias))
    return None


@operation("ListAccountAliases")
def list_account_aliases(ctx: Context, req: Any) -> Answer:
    """The alias, if there is one."""
    alias = account_of(ctx).alias
    return page_of(req, "AccountAliases", [alias] if alias else [], str, str)


@operation("DeleteAccountAlias")
def delete_account_alias(ctx: Context, req: Any) -> Answer:
    """Takes the alias away.

    Errors: NoSuchEntity (it is not the account's).
    """
    account = account_of(ctx)
    if account.alias != req.AccountAlias:
        raise not_found(f"The account alias {req.AccountAlias} cannot be found.")
    ACCOUNTS.put(ctx, change(account, alias=""))
    return None


@operation("GetAccountSummary")
def get_account_summary(ctx: Context, req: Any) -> Answer:
    """How many of each entity there are, and how many there may be."""
    policies = list(POLICIES.scan(ctx, ctx.account))
    devices = list(MFA_DEVICES.scan(ctx, starting=f"arn:{ctx.partition}:iam::{ctx.account}:mfa/"))
    counted: dict[str, Table[Any]] = {
        "Users": USERS,
        "Groups": GROUPS,
        "Roles": ROLES,
        "InstanceProfiles": INSTANCE_PROFILES,
        "ServerCertificates": SERVER_CERTIFICATES,
    }
    summary = {name: sum(1 for _ in table.scan(ctx, ctx.account)) for name, table in counted.items()}
    summary |= {
        "Policies": len(policies),
        "PolicyVersionsInUse": sum(len(p.versions) for p in policies),
        "Providers": sum(1 for t in (OIDC_PROVIDERS, SAML_PROVIDERS) for _ in t.scan(ctx, ctx.account)),
        "MFADevices": len(devices),
        "MFADevicesInUse": sum(bool(d.owner_id) for d in devices),
        "AccountMFAEnabled": int(any(d.owner_id == ctx.account for d in devices)),
        "AccountAccessKeysPresent": int(KEYS_OF.first(ctx, ctx.account, ctx.account) is not None),
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "GlobalEndpointTokenVersion": 1,
    }
    return {"SummaryMap": summary | QUOTAS}
