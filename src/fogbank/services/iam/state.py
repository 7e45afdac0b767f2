"""What IAM and STS keep.

IAM is one per account, whatever the region: keys begin with the account. Names are unique whatever their case, so a record's
`key` is its name in lower case. Everything that belongs to an entity (keys, memberships, attachments, devices) names it by
its unique id: a rename moves one row, and a new user of the old name inherits nothing.
"""

from __future__ import annotations

import msgspec

from fogbank.store.tables import Record, Table


class Password(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A login profile. `digests` are salted scrypt digests, the current password's first, then those that may not be reused."""

    created_at_ms: int
    changed_at_ms: int
    digests: list[bytes]
    reset_required: bool = False


class User(Record, frozen=True, kw_only=True):
    account: str
    key: str
    name: str
    path: str
    id: str
    arn: str
    created_at_ms: int
    tags: dict[str, str] = {}
    boundary: str = ""
    policies: dict[str, str] = {}
    password: Password | None = None


class Group(Record, frozen=True, kw_only=True):
    account: str
    key: str
    name: str
    path: str
    id: str
    arn: str
    created_at_ms: int
    policies: dict[str, str] = {}


class Role(Record, frozen=True, kw_only=True):
    account: str
    key: str
    name: str
    path: str
    id: str
    arn: str
    created_at_ms: int
    trust: str
    description: str | None = None
    max_session_s: int = 3600
    tags: dict[str, str] = {}
    boundary: str = ""
    policies: dict[str, str] = {}
    linked_service: str = ""


class Membership(Record, frozen=True, kw_only=True):
    account: str
    group_id: str
    user_id: str


class PolicyVersion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    number: int
    document: str
    created_at_ms: int

    @property
    def id(self) -> str:
        return f"v{self.number}"


class ManagedPolicy(Record, frozen=True, kw_only=True):
    """`newest` is the highest number ever given: a deleted version's number is not used again."""

    account: str
    key: str
    name: str
    path: str
    id: str
    arn: str
    created_at_ms: int
    updated_at_ms: int
    versions: list[PolicyVersion]
    default: int
    newest: int
    description: str | None = None
    tags: dict[str, str] = {}

    def version(self, id: str) -> PolicyVersion | None:
        return next((v for v in self.versions if v.id == id), None)

    @property
    def document(self) -> str:
        """The default version's."""
        return next(v.document for v in self.versions if v.number == self.default)


class Attachment(Record, frozen=True, kw_only=True):
    """A managed policy on an entity. `kind` is "user", "group" or "role"."""

    account: str
    entity_id: str
    policy_arn: str
    kind: str


class InstanceProfile(Record, frozen=True, kw_only=True):
    account: str
    key: str
    name: str
    path: str
    id: str
    arn: str
    created_at_ms: int
    role_id: str = ""
    tags: dict[str, str] = {}


class AccessKey(Record, frozen=True, kw_only=True):
    """A long-term key. `owner_id` is the user's id, or the account's number for its root user."""

    access_key_id: str
    secret: str
    account: str
    owner_id: str
    created_at_ms: int
    active: bool = True


class LastUse(Record, frozen=True, kw_only=True):
    """When an access key, or a role (by its id), was last used, and for what."""

    id: str
    at_ms: int
    service: str
    region: str


class MfaDevice(Record, frozen=True, kw_only=True):
    """A virtual device. `counter` is the last time step of which a code was taken: none is taken twice."""

    serial: str
    account: str
    path: str
    created_at_ms: int
    seed: bytes
    owner_id: str = ""
    enabled_at_ms: int = 0
    counter: int = 0
    drift: int = 0
    tags: dict[str, str] = {}


class Certificate(Record, frozen=True, kw_only=True):
    """A user's signing certificate."""

    account: str
    owner_id: str
    id: str
    body: str
    uploaded_at_ms: int
    active: bool = True


class SshKey(Record, frozen=True, kw_only=True):
    account: str
    owner_id: str
    id: str
    body: str
    fingerprint: str
    uploaded_at_ms: int
    active: bool = True


class ServiceCredential(Record, frozen=True, kw_only=True):
    """A user name and password (or a bearer token) for one service."""

    account: str
    owner_id: str
    id: str
    service: str
    name: str
    secret: str
    created_at_ms: int
    expires_at_ms: int = 0
    active: bool = True


class ServerCertificate(Record, frozen=True, kw_only=True):
    account: str
    key: str
    name: str
    path: str
    id: str
    arn: str
    body: str
    private_key: str
    uploaded_at_ms: int
    expires_at_ms: int
    chain: str | None = None
    tags: dict[str, str] = {}


class OidcProvider(Record, frozen=True, kw_only=True):
    """`url` is the issuer without its scheme, as the ARN has it; `issuer` is the whole of it."""

    account: str
    url: str
    issuer: str
    arn: str
    created_at_ms: int
    client_ids: list[str] = []
    thumbprints: list[str] = []
    tags: dict[str, str] = {}


class SamlProvider(Record, frozen=True, kw_only=True):
    account: str
    key: str
    name: str
    arn: str
    uuid: str
    metadata: str
    created_at_ms: int
    valid_until_ms: int
    encryption: str | None = None
    private_keys: list[tuple[str, int, str]] = []
    tags: dict[str, str] = {}


class PasswordPolicy(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`max_age_days` 0: passwords do not expire; `reuse_prevention` 0: any may be used again."""

    minimum_length: int = 6
    symbols: bool = False
    numbers: bool = False
    uppercase: bool = False
    lowercase: bool = False
    users_may_change: bool = False
    max_age_days: int = 0
    reuse_prevention: int = 0
    hard_expiry: bool = False


class Account(Record, frozen=True, kw_only=True):
    """What an account has one of."""

    account: str
    alias: str = ""
    password_policy: PasswordPolicy | None = None
    token_version: int = 1
    report: bytes = b""
    report_at_ms: int = 0


class RoleDeletion(Record, frozen=True, kw_only=True):
    """A service-linked role that was asked to go."""

    account: str
    id: str
    role: str
    at_ms: int
    done: bool = False


class Session(Record, frozen=True, kw_only=True):
    """Temporary credentials.

    `kind` is the principal's; `owner_id` the role's or user's id, or the account's number for root. `policies` are the
    session policies with their names, None where nothing narrows the session. `claims` are what the trust policy's
    condition keys go on to say about the session.
    """

    access_key_id: str
    secret: str
    token: str
    kind: str
    account: str
    owner_id: str
    arn: str
    user_id: str
    name: str
    issued_at_ms: int
    expires_at_ms: int
    policies: list[tuple[str, str]] | None = None
    tags: dict[str, str] = {}
    transitive: list[str] = []
    source_identity: str = ""
    provider: str = ""
    mfa_at_ms: int | None = None
    claims: dict[str, str | list[str]] = {}


USERS = Table("iam.users", User, key=("account", "key"))
USER_BY_ID = USERS.index("by_id", "id")
USER_BY_BOUNDARY = USERS.index("by_boundary", "account", "boundary", where=lambda u: u.boundary != "")
GROUPS = Table("iam.groups", Group, key=("account", "key"))
GROUP_BY_ID = GROUPS.index("by_id", "id")
ROLES = Table("iam.roles", Role, key=("account", "key"))
ROLE_BY_ID = ROLES.index("by_id", "id")
ROLE_BY_BOUNDARY = ROLES.index("by_boundary", "account", "boundary", where=lambda r: r.boundary != "")
MEMBERSHIPS = Table("iam.memberships", Membership, key=("account", "user_id", "group_id"))
MEMBERS = MEMBERSHIPS.index("by_group", "account", "group_id")
POLICIES = Table("iam.policies", ManagedPolicy, key=("account", "key"))
ATTACHMENTS = Table("iam.attachments", Attachment, key=("account", "entity_id", "policy_arn"))
ATTACHED = ATTACHMENTS.index("by_policy", "account", "policy_arn", "kind")
INSTANCE_PROFILES = Table("iam.instance_profiles", InstanceProfile, key=("account", "key"))
PROFILE_BY_ROLE = INSTANCE_PROFILES.index("by_role", "account", "role_id", where=lambda p: p.role_id != "")
ACCESS_KEYS = Table("iam.access_keys", AccessKey, key=("access_key_id",))
KEYS_OF = ACCESS_KEYS.index("by_owner", "account", "owner_id", "created_at_ms")
LAST_USES = Table("iam.last_uses", LastUse, key=("id",))
MFA_DEVICES = Table("iam.mfa_devices", MfaDevice, key=("serial",))
DEVICES_OF = MFA_DEVICES.index("by_owner", "account", "owner_id")
CERTIFICATES = Table("iam.certificates", Certificate, key=("account", "owner_id", "id"))
SSH_KEYS = Table("iam.ssh_keys", SshKey, key=("account", "owner_id", "id"))
SERVICE_CREDENTIALS = Table("iam.service_credentials", ServiceCredential, key=("account", "owner_id", "id"))
SERVER_CERTIFICATES = Table("iam.server_certificates", ServerCertificate, key=("account", "key"))
OIDC_PROVIDERS = Table("iam.oidc_providers", OidcProvider, key=("account", "url"))
SAML_PROVIDERS = Table("iam.saml_providers", SamlProvider, key=("account", "key"))
ACCOUNTS = Table("iam.accounts", Account, key=("account",))
ROLE_DELETIONS = Table("iam.role_deletions", RoleDeletion, key=("account", "id"))
SESSIONS = Table("sts.sessions", Session, key=("access_key_id",))
SESSION_BY_END = SESSIONS.index("by_end", "expires_at_ms")

QUOTAS = {
    "UsersQuota": 5000,
    "GroupsQuota": 300,
    "RolesQuota": 1000,
    "PoliciesQuota": 1500,
    "InstanceProfilesQuota": 1000,
    "ServerCertificatesQuota": 20,
    "GroupsPerUserQuota": 10,
    "AccessKeysPerUserQuota": 2,
    "SigningCertificatesPerUserQuota": 2,
    "AttachedPoliciesPerUserQuota": 10,
    "AttachedPoliciesPerGroupQuota": 10,
    "AttachedPoliciesPerRoleQuota": 10,
    "VersionsPerPolicyQuota": 5,
    "PolicyVersionsInUseQuota": 10000,
    "UserPolicySizeQuota": 2048,
    "GroupPolicySizeQuota": 5120,
    "RolePolicySizeQuota": 10240,
    "PolicySizeQuota": 6144,
    "AssumeRolePolicySizeQuota": 2048,
}
"""By their names in GetAccountSummary; sizes in characters, white space not counted. Source: IAM User Guide, "IAM and AWS STS quotas"."""
