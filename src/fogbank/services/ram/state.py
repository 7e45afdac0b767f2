"""The model of the data: a share, what is associated with it (resources and principals), and the invitations to it.

An association says by itself how far it has come. What has ended stays to be seen for two hours.
"""

from __future__ import annotations

from typing import Any

from fogbank.store import Record, Table

HOUR_MS = 3_600_000
INVITATION_MS = 7 * 24 * HOUR_MS
"""How long an account may think about an invitation to share clusters."""
SEEN_MS = 2 * HOUR_MS
"""How long a share or an association that has ended is still shown."""

PRINCIPAL, RESOURCE = "PRINCIPAL", "RESOURCE"
LIVE = ("ASSOCIATING", "ASSOCIATED")


class Share(Record, frozen=True, kw_only=True):
    """`external`: whether accounts outside of the organization may be invited."""

    account: str
    region: str
    id: str
    name: str
    created_at_ms: int
    updated_at_ms: int
    external: bool = True
    status: str = "ACTIVE"
    tags: dict[str, str] = {}


class Association(Record, frozen=True, kw_only=True):
    """`kind`: PRINCIPAL or RESOURCE; `entity`: an account or an ARN; `type`: of a resource ("rds:Cluster"); `message`: why it ended."""

    account: str
    region: str
    share: str
    kind: str
    entity: str
    created_at_ms: int
    updated_at_ms: int
    type: str = ""
    status: str = "ASSOCIATING"
    message: str = ""


class Invitation(Record, frozen=True, kw_only=True):
    account: str
    region: str
    id: str
    share: str
    receiver: str
    sent_at_ms: int
    status: str = "PENDING"


class Token(Record, frozen=True, kw_only=True):
    """A request with a clientToken, and what was answered. `asked`: the digest of the request."""

    account: str
    region: str
    token: str
    asked: bytes
    answer: dict[str, Any]


SHARES = Table("ram.shares", Share, key=("account", "region", "id"))
ASSOCIATIONS = Table("ram.associations", Association, key=("account", "region", "share", "kind", "entity"))
SHARED = ASSOCIATIONS.index("by_entity", "region", "entity")
INVITATIONS = Table("ram.invitations", Invitation, key=("account", "region", "id"))
RECEIVED = INVITATIONS.index("by_receiver", "region", "receiver", "id")
SENT = INVITATIONS.index("by_share", "account", "region", "share")
TOKENS = Table("ram.tokens", Token, key=("account", "region", "token"))
