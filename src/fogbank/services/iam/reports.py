"""The credential report, and everything about the account's entities in one listing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import aws_managed, groups, instance_profiles, policies, roles, users
from fogbank.services.iam.account import account_of
from fogbank.services.iam.attachments import attached_answer
from fogbank.services.iam.boundaries import boundary_answer
from fogbank.services.iam.documents import shown
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.passwords import expires_at
from fogbank.services.iam.state import (
    ACCOUNTS,
    ATTACHMENTS,
    CERTIFICATES,
    DEVICES_OF,
    GROUPS,
    KEYS_OF,
    LAST_USES,
    POLICIES,
    PROFILE_BY_ROLE,
    ROLES,
    USERS,
    Group,
    ManagedPolicy,
    Role,
    User,
)
from fogbank.store.tables import change

_FRESH_MS = 4 * 3600 * 1000
_KEY_FIELDS = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(f"access_key_{n}_{field}" for n in (1, 2) for field in _KEY_FIELDS),
    *(f"cert_{n}_{field}" for n in (1, 2) for field in ("active", "last_rotated")),
)


@operation("GenerateCredentialReport")
def generate_credential_report(ctx: Context, req: Any) -> Answer:
    """Makes a report, at most one in four hours: one that is younger is answered as complete."""
    account = account_of(ctx)
    if account.report and ctx.now - account.report_at_ms < _FRESH_MS:
        return {"State": "COMPLETE"}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(ctx))
    ACCOUNTS.put(ctx, change(account, report=text.getvalue().rstrip("\n").encode(), report_at_ms=ctx.now))
    return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}


@operation("GetCredentialReport")
def get_credential_report(ctx: Context, req: Any) -> Answer:
    """The report as CSV, for four hours after it was made.

    Errors: CredentialReportNotPresent, CredentialReportExpired.
    """
    account = account_of(ctx)
    if not account.report:
        raise ServiceException("CredentialReportNotPresentException", "No report exists. Use GenerateCredentialReport to make one.")
    if ctx.now - account.report_at_ms >= _FRESH_MS:
        raise ServiceException(
            "CredentialReportExpiredException", "The most recent report has expired. Use GenerateCredentialReport to make a new one."
        )
    return {"Content": account.report, "ReportFormat": "text/csv", "GeneratedTime": account.report_at_ms}


def _iso(at_ms: int | None, absent: str = "N/A") -> str:
    return absent if at_ms is None else datetime.fromtimestamp(at_ms // 1000, UTC).isoformat()


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _rows(ctx: Context) -> Iterator[list[str]]:
    root = f"arn:{ctx.partition}:iam::{ctx.account}:root"
    yield [
        "<root_account>",
        root,
        _iso(0),
        "not_supported",
        "no_information",
        "not_supported",
        "not_supported",
        *_credentials(ctx, ctx.account),
    ]
    policy = account_of(ctx).password_policy
    for user in USERS.scan(ctx, ctx.account):
        password = user.password
        passwords = ["false", "N/A", "N/A", "N/A"]
        if password is not None:
            passwords = ["true", "no_information", _iso(password.changed_at_ms), _iso(expires_at(policy, password))]
        yield [user.name, user.arn, _iso(user.created_at_ms), *passwords, *_credentials(ctx, user.id)]


def _credentials(ctx: Context, owner_id: str) -> list[str]:
    """The columns from mfa_active on."""
    mine = (ctx.account, owner_id)
    row = [_flag(DEVICES_OF.first(ctx, *mine) is not None)]
    keys = list(KEYS_OF.scan(ctx, *mine))
    for key in keys:
        use = LAST_USES.get(ctx, key.access_key_id)
        used = ["N/A"] * 3 if use is None else [_iso(use.at_ms), use.region, use.service]
        row += [_flag(key.active), _iso(key.created_at_ms), *used]
    row += ["false", "N/A", "N/A", "N/A", "N/A"] * (2 - len(keys))
    certificates = list(CERTIFICATES.scan(ctx, *mine))
    for certificate in certificates:
        row += [_flag(certificate.active), _iso(certificate.uploaded_at_ms)]
    return row + ["false", "N/A"] * (2 - len(certificates))


@operation("GetAccountAuthorizationDetails")
def get_account_authorization_details(ctx: Context, req: Any) -> Answer:
    """Users, groups, roles and policies with all that gives them permissions; AWS's own policies where they are attached.

    Filter: User, Group, Role, LocalManagedPolicy, AWSManagedPolicy; without one, all but the AWS policies that nobody uses.
    """
    answer = page_of(req, "found", _entities(ctx, set(req.Filter or ())), lambda e: f"{e[0]}/{e[1].arn}", lambda e: e)
    found = answer.pop("found")
    uses = policies.Uses(ctx)
    return answer | {
        "UserDetailList": [_user(ctx, e) for _, e in found if isinstance(e, User)],
        "GroupDetailList": [_group(ctx, e) for _, e in found if isinstance(e, Group)],
        "RoleDetailList": [_role(ctx, e) for _, e in found if isinstance(e, Role)],
        "Policies": [_policy(e, uses) for _, e in found if isinstance(e, ManagedPolicy)],
    }


def _entities(ctx: Context, kinds: set[str]) -> Iterator[tuple[str, User | Group | Role | ManagedPolicy]]:
    for name, table in (("User", USERS), ("Group", GROUPS), ("Role", ROLES), ("LocalManagedPolicy", POLICIES)):
        if not kinds or name in kinds:
            yield from ((name, entity) for entity in table.scan(ctx, ctx.account))
    if not kinds or "AWSManagedPolicy" in kinds:
        used = policies.Uses(ctx)
        for arn in {*used.attached, *used.boundaries}:
            if f"::{aws_managed.ACCOUNT}:" in arn and (policy := aws_managed.policy(arn)) is not None:
                yield "AWSManagedPolicy", policy


def _attached(ctx: Context, entity: User | Group | Role) -> list[dict[str, str]]:
    return [attached_answer(a.policy_arn) for a in ATTACHMENTS.scan(ctx, ctx.account, entity.id)]


def _inline(entity: User | Group | Role) -> list[dict[str, str]]:
    return [{"PolicyName": name, "PolicyDocument": shown(document)} for name, document in sorted(entity.policies.items())]


def _user(ctx: Context, user: User) -> dict[str, Any]:
    return users.describe(user) | {
        "UserPolicyList": _inline(user),
        "GroupList": [g.name for g in groups.groups_of(ctx, user)],
        "AttachedManagedPolicies": _attached(ctx, user),
        "PermissionsBoundary": boundary_answer(user.boundary),
        "Tags": pairs(user.tags),
    }


def _group(ctx: Context, group: Group) -> dict[str, Any]:
    return groups.describe(group) | {"GroupPolicyList": _inline(group), "AttachedManagedPolicies": _attached(ctx, group)}


def _role(ctx: Context, role: Role) -> dict[str, Any]:
    whole = roles.describe(role)
    profiles = PROFILE_BY_ROLE.scan(ctx, ctx.account, role.id)
    return {k: v for k, v in whole.items() if k not in ("Description", "MaxSessionDuration")} | {
        "InstanceProfileList": [instance_profiles.describe(ctx, p) for p in profiles],
        "RolePolicyList": _inline(role),
        "AttachedManagedPolicies": _attached(ctx, role),
        "PermissionsBoundary": boundary_answer(role.boundary),
        "Tags": pairs(role.tags),
        "RoleLastUsed": roles.last_used(ctx, role),
    }


def _policy(policy: ManagedPolicy, uses: policies.Uses) -> dict[str, Any]:
    versions = [policies.describe_version(policy, v) for v in reversed(policy.versions)]
    return policies.describe(policy, uses) | {"PolicyVersionList": versions}
