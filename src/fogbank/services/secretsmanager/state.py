"""The model of the data.

A secret is one record, known by its name; `suffix` are the six characters that AWS hangs on the name in the ARN. Its `id` is
its own for life: versions are filed under it, so that a secret made anew under an old name never sees them. `stages` says
which version each staging label is on: a label is on one version at most, and AWSPENDING may be on one that has no value yet.

A version holds its value only encrypted, under a data key of its own; the data key is kept encrypted under one KMS key, or
under several after the secret's key was changed (see `encryption`).

A replica is a secret of its own in another region: `primary_region` is not its region. It follows its primary in the
transaction that changes that one (see `replication`).
"""

from __future__ import annotations

import msgspec

from fogbank.store import Record, Table

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
VALUE_BYTES = 65_536
VERSIONS_LIMIT = 100
STAGES_LIMIT = 20
TAGS_LIMIT = 50
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Replica(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the primary knows of a replica."""

    region: str
    kms_key_id: str = ""
    status: str = "InSync"
    message: str = ""


class Rotation(msgspec.Struct, frozen=True, array_like=True, gc=False, kw_only=True):
    """How a secret is rotated.

    `days` (AutomaticallyAfterDays) or `schedule`, or neither. `opens_at_ms`: when the next rotation begins, 0 where none is
    planned; `next_at_ms`: when its window closes. `run`: the version that a rotation under way is making, `token` its RotationToken.
    """

    enabled: bool
    function_arn: str
    days: int = 0
    schedule: str = ""
    duration_h: int = 0
    opens_at_ms: int = 0
    next_at_ms: int = 0
    rotated_at_ms: int = 0
    run: str = ""
    token: str = ""


class Secret(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    id: int
    suffix: str
    created_at_ms: int
    changed_at_ms: int
    description: str = ""
    kms_key_id: str = ""
    tags: dict[str, str] = {}
    policy: str = ""
    stages: dict[str, str] = {}
    version_count: int = 0
    accessed_at_ms: int = 0
    deleted_at_ms: int = 0
    purge_at_ms: int = 0
    rotation: Rotation | None = None
    primary_region: str = ""
    replicas: tuple[Replica, ...] = ()

    @property
    def is_replica(self) -> bool:
        return self.primary_region not in ("", self.region)


class WrappedKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A version's data key under a KMS key; `key_arn` is empty for the account's aws/secretsmanager."""

    key_arn: str
    blob: bytes


class Version(Record, frozen=True, kw_only=True):
    secret: int
    id: str
    number: int
    created_at_ms: int
    sealed: bytes
    keys: tuple[WrappedKey, ...]
    binary: bool = False
    accessed_at_ms: int = 0


SECRETS = Table("secretsmanager.secrets", Secret, key=("account", "region", "name"))
BY_CREATION = SECRETS.index("by_creation", "account", "region", "created_at_ms", "name")
VERSIONS = Table("secretsmanager.versions", Version, key=("secret", "id"), weight=4)
BY_AGE = VERSIONS.index("by_age", "secret", "number")
