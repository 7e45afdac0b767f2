"""Who is behind an access key, and which policies speak for them: what the door asks before every call.

Both answers follow from TABLES_READ alone (and the documents of AWS's own policies, which do not change), so that the
door may keep them until one of those tables is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fogbank.access.policy import Named, parse
from fogbank.access.principal import Credential, Principal, root
from fogbank.kernel.context import Context
from fogbank.services.iam.lookups import get_policy
from fogbank.services.iam.sessions import role_session_arn
from fogbank.services.iam.state import (
    ACCESS_KEYS,
    ATTACHMENTS,
    GROUP_BY_ID,
    GROUPS,
    LAST_USES,
    MEMBERSHIPS,
    POLICIES,
    ROLE_BY_ID,
    ROLES,
    SESSIONS,
    USER_BY_ID,
    USERS,
    LastUse,
    Role,
    Session,
    User,
)
from fogbank.store.tables import At

TABLES_READ = (ACCESS_KEYS, SESSIONS, USERS, GROUPS, ROLES, MEMBERSHIPS, ATTACHMENTS, POLICIES)

_EVERYTHING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'

Identity = tuple[Named, ...]


def credential_at(at: At, access_key_id: str) -> Credential | None:
    """The secret and the owner of an access key that IAM or STS made, or None.

    A session's key is answered after its end too (`expires_at_ms` tells), and a key that is not active (`active`); not
    those whose user or role has gone.
    """
    if access_key_id.startswith("ASIA"):
        session = SESSIONS.get(at, access_key_id)
        return None if session is None else _session_credential(at, session)
    key = ACCESS_KEYS.get(at, access_key_id)
    if key is None:
        return None
    principal = _owner(at, key.account, key.owner_id)
    if principal is None:
        return None
    return Credential(access_key_id=access_key_id, secret=key.secret, principal=principal, active=key.active)


def _owner(at: At, account: str, owner_id: str) -> Principal | None:
    if owner_id == account:
        return root(account)
    user = USER_BY_ID.first(at, owner_id)
    return None if user is None else user_principal(user)


def user_principal(user: User) -> Principal:
    """A user as policies see them."""
    return Principal(
        kind="user",
        account=user.account,
        arn=user.arn,
        user_id=user.id,
        name=user.name,
        tags=user.tags,
    )


def _session_credential(at: At, session: Session) -> Credential | None:
    principal = session_principal(at, session)
    if principal is None:
        return None
    return Credential(
        access_key_id=session.access_key_id,
        secret=session.secret,
        principal=principal,
        session_token=session.token,
        expires_at_ms=session.expires_at_ms,
    )


def session_principal(at: At, session: Session) -> Principal | None:
    """A session as policies see it, or None where its role or user has gone."""
    issuer_arn, name, tags = "", session.name, session.tags
    if session.kind == "assumed-role":
        role = ROLE_BY_ID.first(at, session.owner_id)
        if role is None:
            return None
        issuer_arn, name, tags = role.arn, role.name, _overlaid(role.tags, session.tags)
    elif session.owner_id != session.account:
        user = USER_BY_ID.first(at, session.owner_id)
        if user is None:
            return None
        if session.kind == "user":
            name, tags = user.name, user.tags
        else:
            issuer_arn = user.arn
    return Principal(
        kind=session.kind,  # type: ignore[arg-type]
        account=session.account,
        arn=session.arn,
        user_id=session.user_id,
        name=name,
        issuer_arn=issuer_arn,
        session_name=session.name if session.kind == "assumed-role" else "",
        source_identity=session.source_identity,
        federated_provider=session.provider,
        tags=tags,
        transitive_tag_keys=frozenset(session.transitive),
        mfa_present=session.mfa_at_ms is not None,
        mfa_at_ms=session.mfa_at_ms,
        issued_at_ms=session.issued_at_ms,
        claims=session.claims,
        session=session.access_key_id,
    )


def _overlaid(tags: Mapping[str, str], over: Mapping[str, str]) -> dict[str, str]:
    """A role's tags with the session's over them; keys are compared whatever their case."""
    names = {k.lower() for k in over}
    return {k: v for k, v in tags.items() if k.lower() not in names} | dict(over)


def policies_of(at: At, principal: Principal) -> tuple[Identity, Named | None, Identity | None]:
    """The identity policies of a principal, its permissions boundary, and the policies that narrow its session.

    The last is None where nothing narrows it. Nothing at all for root, services and the anonymous.
    """
    session = SESSIONS.get(at, principal.session) if principal.session else None
    narrowing = _session_policies(at, session)
    if principal.kind == "assumed-role":
        role = ROLE_BY_ID.first(at, principal.unique_id)
        return ((), None, narrowing) if role is None else (role_policies(at, role), boundary_of(at, role), narrowing)
    if principal.kind == "user":
        user = USER_BY_ID.first(at, principal.user_id)
        return ((), None, narrowing) if user is None else (user_policies(at, user), boundary_of(at, user), narrowing)
    if principal.kind == "federated-user" and session is not None and narrowing is not None:
        if session.owner_id == session.account:
            return (Named("root", parse(_EVERYTHING, "identity")),), None, narrowing
        user = USER_BY_ID.first(at, session.owner_id)
        return ((), None, narrowing) if user is None else (user_policies(at, user), boundary_of(at, user), narrowing)
    return (), None, narrowing


def user_policies(at: At, user: User) -> Identity:
    """Inline, attached, and those of the user's groups."""
    found = [*_inline(user.policies), *attached(at, user.account, user.id)]
    for membership in MEMBERSHIPS.scan(at, user.account, user.id):
        group = GROUP_BY_ID.first(at, membership.group_id)
        if group is not None:
            found += [*_inline(group.policies), *attached(at, user.account, group.id)]
    return tuple(found)


def role_policies(at: At, role: Role) -> Identity:
    """Inline and attached."""
    return (*_inline(role.policies), *attached(at, role.account, role.id))


def boundary_of(at: At, entity: User | Role) -> Named | None:
    """The permissions boundary. A policy that serves as one cannot be deleted, so it is there."""
    if not entity.boundary:
        return None
    policy = get_policy(at, entity.boundary)
    return None if policy is None else Named(policy.arn, parse(policy.document, "identity"))


def _inline(policies: Mapping[str, str]) -> Iterable[Named]:
    return [Named(name, parse(document, "identity")) for name, document in policies.items()]


def attached(at: At, account: str, entity_id: str) -> list[Named]:
    """The managed policies of a user, group or role, by their ARNs."""
    found: list[Named] = []
    for attachment in ATTACHMENTS.scan(at, account, entity_id):
        policy = get_policy(at, attachment.policy_arn)
        if policy is not None:
            found.append(Named(policy.arn, parse(policy.document, "identity")))
    return found


def _session_policies(at: At, session: Session | None) -> Identity | None:
    if session is None or session.policies is None:
        return None
    return tuple(Named(name, parse(document, "session")) for name, document in session.policies)


def used(ctx: Context, access_key_id: str, service: str, region: str) -> None:
    """Notes that a key was used, for GetAccessKeyLastUsed, and its role, for RoleLastUsed."""
    id = access_key_id
    if access_key_id.startswith("ASIA"):
        session = SESSIONS.get(ctx, access_key_id)
        if session is None or session.kind != "assumed-role":
            return
        id = session.owner_id
    LAST_USES.put(ctx, LastUse(id=id, at_ms=ctx.now, service=service, region=region))


def assume(ctx: Context, role_arn: str, service: Principal, session_name: str) -> Principal:
    """A role's session for a service that it trusts, for the length of one call. Errors: AccessDenied."""
    from fogbank.services.iam import trust  # which itself asks for the policies above

    role = trust.get_role(ctx, role_arn)
    if role is None:
        raise trust.refused(service, "sts:AssumeRole", role_arn)
    trust.check(ctx, service, "sts:AssumeRole", role, {"sts:rolesessionname": session_name})
    return Principal(
        kind="assumed-role",
        account=role.account,
        arn=role_session_arn(role.arn, role.name, session_name),
        user_id=f"{role.id}:{session_name}",
        name=role.name,
        issuer_arn=role.arn,
        session_name=session_name,
        tags=role.tags,
        issued_at_ms=ctx.now,
    )
