"""Who calls, and the key they call with."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Literal

import msgspec

PrincipalKind = Literal["root", "user", "assumed-role", "federated-user", "web-identity", "saml", "service", "anonymous"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The caller as policies see it.

    `arn` is what `Principal` elements and `aws:PrincipalArn` name; for a role's session it is the session's
    (`arn:aws:sts::1:assumed-role/R/s`) and `issuer_arn` is the role's, with its path. For a federated user
    `issuer_arn` is the user who asked for the token. `user_id` is `AIDA...`, or `AROA...:session`.
    `web-identity` and `saml` are the bearers of a provider's token who have no ARN yet: only a trust policy speaks of them.
    """

    kind: PrincipalKind
    account: str = ""
    arn: str = ""
    user_id: str = ""
    name: str = ""
    issuer_arn: str = ""
    session_name: str = ""
    source_identity: str = ""
    session: str = ""  # the access key of a session whose own policies narrow it
    federated_provider: str = ""
    service: str = ""
    tags: dict[str, str] = {}
    transitive_tag_keys: frozenset[str] = frozenset()
    mfa_present: bool | None = None
    mfa_at_ms: int | None = None
    issued_at_ms: int | None = None
    org_id: str = ""
    org_path: str = ""
    # Keys that only the session's own provider knows: `saml:sub`, `accounts.google.com:aud`, `sts:ExternalId`; lower-case names.
    claims: dict[str, str | list[str]] = {}

    @property
    def unique_id(self) -> str:
        """The user's or role's own id, without a session's name."""
        return self.user_id.partition(":")[0]


@lru_cache(4096)
def canonical_id(account: str) -> str:
    """The account's canonical user id: 64 hexadecimal digits."""
    return sha256(account.encode()).hexdigest()


ANONYMOUS = Principal(kind="anonymous", arn="anonymous", user_id="anonymous")


def root(account: str, partition: str = "aws") -> Principal:
    """The account's root user."""
    return Principal(kind="root", account=account, arn=f"arn:{partition}:iam::{account}:root", user_id=account, name="root")


@lru_cache(4096)
def service(name: str, account: str = "", source_arn: str = "") -> Principal:
    """An AWS service that acts for itself (`events.amazonaws.com`), on behalf of a resource of an account."""
    claims: dict[str, str | list[str]] = {"aws:sourcearn": source_arn, "aws:sourceaccount": account} if source_arn else {}
    return Principal(kind="service", account=account, arn=name, user_id=name, name=name, service=name, claims=claims)


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """An access key. `trusted` keys (`test`, a 12-digit key on loopback) are let in whatever secret signed the request."""

    access_key_id: str
    secret: str
    principal: Principal
    session_token: str | None = None
    expires_at_ms: int | None = None
    active: bool = True
    trusted: bool = False
