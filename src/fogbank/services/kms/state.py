"""The model of the data.

A key is one record of its account, region and id; the keys of a multi-Region set have one id, and a record in each
region. What a key enciphers with is its *material*: a symmetric key has as many as it was rotated, all others have one.
`Key.current` is the number of the one that encrypts; a ciphertext names the number of its own, so that it can be opened
for as long as the key lives. The keys of a multi-Region set have the same materials under the same numbers; where the
owner imports them, each region has its own copies, present or absent.

Material is in the log only as the vault sealed it, in the context of its key's id (the same in every region).

`Key.state` is AWS's KeyState. Two of them pass: Creating and Updating end by the task `settle`, as `Key.becomes`.

A grant is never changed. Uses are remembered by operation, to the minute: GetKeyLastUsage is the only one to read them,
and a row for each Encrypt would be more than the whole of the rest.
"""

from __future__ import annotations

from fogbank.store import Record, Table

DAY_MS = 86_400_000


class Key(Record, frozen=True, kw_only=True):
    """`manager` is the service that an AWS managed key belongs to, "" for a customer's. `primary`: the set's primary region."""

    account: str
    region: str
    id: str
    arn: str
    spec: str
    usage: str
    origin: str
    policy: str
    created_at_ms: int
    state: str
    description: str = ""
    manager: str = ""
    primary: str = ""
    current: int = 0
    materials: int = 0
    becomes: str = ""
    deletion_at_ms: int = 0
    window_days: int = 0
    rotation_days: int = 0
    rotates_at_ms: int = 0
    on_demand_at_ms: int = 0
    on_demand_count: int = 0
    grants: int = 0
    tags: dict[str, str] = {}

    @property
    def multi_region(self) -> bool:
        return self.primary != ""

    @property
    def is_primary(self) -> bool:
        return self.primary == self.region


class Material(Record, frozen=True, kw_only=True):
    """Key material. `sealed` is empty while imported material is away; `made_by` is "", AUTOMATIC or ON_DEMAND.

    `public` is an asymmetric key's public half (SubjectPublicKeyInfo). One with a higher number than `Key.current` waits to be
    rotated to.
    """

    account: str
    region: str
    key: str
    number: int
    id: str
    sealed: bytes
    public: bytes = b""
    rotated_at_ms: int = 0
    made_by: str = ""
    valid_to_ms: int = 0
    description: str = ""


class Alias(Record, frozen=True, kw_only=True):
    """`name` is without its `alias/`; `target` a key's id."""

    account: str
    region: str
    name: str
    target: str
    created_at_ms: int
    updated_at_ms: int


class Grant(Record, frozen=True, kw_only=True):
    """`grantee` and `retiring` are ARNs or service principals. `equals` and `subset` are its constraints, as they were given."""

    account: str
    region: str
    key: str
    id: str
    created_at_ms: int
    issuer: str
    operations: tuple[str, ...]
    grantee: str
    retiring: str = ""
    name: str = ""
    equals: dict[str, str] | None = None
    subset: dict[str, str] | None = None
    source_arn: str = ""
    to_service: bool = False
    retired_by_service: bool = False


class Use(Record, frozen=True, kw_only=True):
    account: str
    region: str
    key: str
    operation: str
    at_ms: int
    request_id: str


KEYS = Table("kms.keys", Key, key=("account", "region", "id"))
RELATED = KEYS.index("related", "account", "id", "region", where=lambda k: k.primary != "")
MATERIALS = Table("kms.materials", Material, key=("account", "region", "key", "number"))
ALIASES = Table("kms.aliases", Alias, key=("account", "region", "name"))
BY_TARGET = ALIASES.index("by_target", "account", "region", "target", "name")
GRANTS = Table("kms.grants", Grant, key=("account", "region", "key", "id"))
BY_GRANTEE = GRANTS.index("by_grantee", "account", "region", "key", "grantee", "id")
BY_RETIRING = GRANTS.index("by_retiring", "region", "retiring", "account", "key", "id", where=lambda g: g.retiring != "")
USES = Table("kms.uses", Use, key=("account", "region", "key", "operation"))
