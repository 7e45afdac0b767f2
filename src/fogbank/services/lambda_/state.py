"""The model of the data.

A function is one record for what is the same in all its versions, and one record of VERSIONS for each of them: number 0 is
$LATEST, the only one that changes. A version's `revision` is new with each change, in all of the cloud: whatever is made of a
version (what the workshop runs, its variables in the clear) is remembered by it and never has to be forgotten.

What people gave into our hands (code, layers) is a Package: a blob, encrypted under the cloud's key or one of theirs. A layer's
version that was deleted stays, marked, because versions of functions may still be made with it.

Where something belongs to a function, one of its versions or an alias (policies, function URLs, provisioned concurrency, what
happens to events), `qualifier` says which: "" for the function, "1" or a name.
"""

from __future__ import annotations

from fogbank.store import Blob, Record, Table

LATEST = "$LATEST"
TOTAL_BYTES = 80_530_636_800
UNZIPPED_BYTES = 262_144_000
ZIPPED_BYTES = 52_428_800
CONCURRENCY = 1000
UNRESERVED_LEAST = 100


class Package(Record, frozen=True, kw_only=True):
    """A zip archive. `sha256` is the digest in hexadecimal; `data_key` seals the blob where `key_arn` names a KMS key."""

    blob: Blob
    sha256: str
    size: int
    unzipped: int
    key_arn: str = ""
    data_key: bytes = b""


class Environment(Record, frozen=True, kw_only=True):
    """Variables (JSON), sealed by the vault, or under a data key that a KMS key has sealed."""

    content: bytes
    key_arn: str = ""
    data_key: bytes = b""


class Function(Record, frozen=True, kw_only=True):
    """`folder`: where $LATEST has its code from instead of its package (hot code)."""

    account: str
    region: str
    name: str
    id: int
    created_at_ms: int
    last_version: int = 0
    reserved: int | None = None
    recursion: str = "Terminate"
    signing_config: str = ""
    tags: dict[str, str] = {}
    folder: str = ""


class Version(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    number: int
    function: int
    revision: str
    modified_at_ms: int
    package: Package
    runtime: str
    handler: str
    role: str
    description: str = ""
    timeout_s: int = 3
    memory_mb: int = 128
    tmp_mb: int = 512
    environment: Environment | None = None
    kms_key_arn: str = ""
    layers: tuple[str, ...] = ()
    dead_letter_arn: str = ""
    tracing: str = "PassThrough"
    architecture: str = "x86_64"
    snap_start: str = "None"
    log_format: str = "Text"
    application_log_level: str = ""
    system_log_level: str = ""
    log_group: str = ""
    update_runtime_on: str = "Auto"
    runtime_version_arn: str = ""

    @property
    def label(self) -> str:
        """The version as AWS names it."""
        return str(self.number) if self.number else LATEST


class Alias(Record, frozen=True, kw_only=True):
    """`version` 0 is $LATEST; `weights`: which part of invocations goes to another version."""

    account: str
    region: str
    function: str
    name: str
    version: int
    revision: str
    weights: dict[str, float] = {}
    description: str = ""


class Policy(Record, frozen=True, kw_only=True):
    account: str
    region: str
    function: str
    qualifier: str
    document: str
    revision: str


class Layer(Record, frozen=True, kw_only=True):
    """A layer's name: its numbers are never used again."""

    account: str
    region: str
    name: str
    last_version: int


class LayerVersion(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    number: int
    package: Package
    created_at_ms: int
    description: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    license: str = ""
    policy: str = ""
    policy_revision: str = ""
    deleted: bool = False


class EventInvoke(Record, frozen=True, kw_only=True):
    """What happens to asynchronous events."""

    account: str
    region: str
    function: str
    qualifier: str
    modified_at_ms: int
    retries: int | None = None
    age_s: int | None = None
    on_success: str = ""
    on_failure: str = ""


class Provisioned(Record, frozen=True, kw_only=True):
    account: str
    region: str
    function: str
    qualifier: str
    environments: int
    modified_at_ms: int


class Cors(Record, frozen=True, kw_only=True):
    allow_credentials: bool = False
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None


class Url(Record, frozen=True, kw_only=True):
    account: str
    region: str
    function: str
    qualifier: str
    id: str
    auth: str
    created_at_ms: int
    modified_at_ms: int
    mode: str = "BUFFERED"
    cors: Cors | None = None


class SigningConfig(Record, frozen=True, kw_only=True):
    account: str
    region: str
    id: str
    publishers: tuple[str, ...]
    modified_at_ms: int
    untrusted: str = "Warn"
    description: str = ""
    tags: dict[str, str] = {}


FUNCTIONS = Table("lambda.functions", Function, key=("account", "region", "name"))
BY_SIGNING = FUNCTIONS.index("by_signing", "signing_config", where=lambda f: f.signing_config != "")
RESERVED = FUNCTIONS.index("reserved", "account", "region", where=lambda f: f.reserved is not None)
VERSIONS = Table("lambda.versions", Version, key=("account", "region", "name", "number"))
ALIASES = Table("lambda.aliases", Alias, key=("account", "region", "function", "name"))
POLICIES = Table("lambda.policies", Policy, key=("account", "region", "function", "qualifier"))
LAYERS = Table("lambda.layers", Layer, key=("account", "region", "name"))
LAYER_VERSIONS = Table("lambda.layer_versions", LayerVersion, key=("account", "region", "name", "number"))
EVENT_INVOKES = Table("lambda.event_invokes", EventInvoke, key=("account", "region", "function", "qualifier"))
PROVISIONED = Table("lambda.provisioned", Provisioned, key=("account", "region", "function", "qualifier"))
URLS = Table("lambda.urls", Url, key=("account", "region", "function", "qualifier"))
URL_BY_ID = URLS.index("by_id", "id")
SIGNING_CONFIGS = Table("lambda.signing_configs", SigningConfig, key=("account", "region", "id"))
