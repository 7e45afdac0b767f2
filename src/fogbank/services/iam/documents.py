"""Policy documents: checked when they are put, quoted when they are shown."""

from __future__ import annotations

from urllib.parse import quote

from fogbank.access.policy import parse
from fogbank.kernel.arn import Arn
from fogbank.services.iam.refusals import limit, malformed_policy
from fogbank.services.iam.state import QUOTAS, ROLES, USERS
from fogbank.store.tables import At, change


def size(document: str) -> int:
    """Characters, white space not counted."""
    return len("".join(document.split()))


def check_identity(document: str, quota: str) -> None:
    """Raises MalformedPolicyDocument, or LimitExceeded where it is longer than the quota."""
    parse(document, "identity")
    if size(document) > QUOTAS[quota]:
        raise limit(f"Cannot exceed quota for {quota.removesuffix('Quota')}: {QUOTAS[quota]}")


def check_trust(at: At, document: str) -> None:
    """A role's trust policy: its form, its size, and that the users and roles that it names exist.

    Errors: MalformedPolicyDocument, LimitExceeded (2048 characters).
    """
    parsed = parse(document, "trust")
    if size(document) > QUOTAS["AssumeRolePolicySizeQuota"]:
        raise limit(f"Cannot exceed quota for ACLSizePerRole: {QUOTAS['AssumeRolePolicySizeQuota']}")
    for kind, named in parsed.principals():
        if kind == "AWS" and not _exists(at, named):
            raise malformed_policy(f'Invalid principal in policy: "AWS":"{named}"')


def _exists(at: At, named: str) -> bool:
    """An account, a session, or a user or role that is there. (Accounts need no making: all numbers are.)"""
    if named == "*" or (len(named) == 12 and named.isdigit()):
        return True
    if named.startswith(("AIDA", "AROA")):
        return True  # what is left of a principal that was deleted after the policy named it
    arn = Arn.parse(named)
    if arn is None or arn.service not in ("iam", "sts") or not (len(arn.account) == 12 and arn.account.isdigit()):
        return False
    kind, _, path = arn.resource.partition("/")
    name = path.rpartition("/")[2].lower()
    if arn.service == "sts":
        return kind in ("assumed-role", "federated-user") and bool(path)
    if kind == "user":
        user = USERS.get(at, arn.account, name)
        return user is not None and user.arn == named
    if kind == "role":
        role = ROLES.get(at, arn.account, name)
        return role is not None and role.arn == named
    return arn.resource == "root"


def follow_principal(at: At, old: str, new: str) -> None:
    """Puts a principal's new name into every trust policy that names it: a new ARN, or the id of one that is deleted.

    AWS keeps ids behind the ARNs: a renamed user stays trusted, and a new user of an old name is not.
    """
    old, new = f'"{old}"', f'"{new}"'
    for role in list(ROLES.scan(at)):
        if old in role.trust:
            ROLES.put(at, change(role, trust=role.trust.replace(old, new)))


def shown(document: str) -> str:
    """As IAM's answers carry it: percent-encoded (RFC 3986)."""
    return quote(document, safe="-_.~")
