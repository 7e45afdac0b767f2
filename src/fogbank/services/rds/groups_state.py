"""The model of what surrounds databases: groups of parameters, options and subnets, events, proxies, activity streams.

Groups are named in lower case. Groups named `default...` have no row: they are what an engine has by itself.
"""

from __future__ import annotations

from fogbank.store import Record, Table

DB, CLUSTER = "pg", "cluster-pg"
"""The two kinds of parameter groups, as their ARNs say them: of instances, and of whole clusters."""


class Change(Record, frozen=True):
    """A parameter's value (None: the engine's default) for nodes that started at or after an instant."""

    since_ms: int
    value: str | None


class ParameterGroup(Record, frozen=True, kw_only=True):
    """`values`: what was set, by the parameter's name: its changes, the newest last. Only one with ApplyMethod pending-reboot has a
    `since_ms`: a node sees it when it is started anew."""

    account: str
    region: str
    kind: str
    name: str
    family: str
    description: str
    values: dict[str, tuple[Change, ...]] = {}
    tags: dict[str, str] = {}


class SubnetGroup(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    description: str
    subnets: tuple[str, ...]
    tags: dict[str, str] = {}


class OptionGroup(Record, frozen=True, kw_only=True):
    """`copied_at_ms`: 0 where it is no copy of another group, `source`."""

    account: str
    region: str
    name: str
    engine: str
    major: str
    description: str
    source: str = ""
    copied_at_ms: int = 0
    tags: dict[str, str] = {}


class Event(Record, frozen=True, kw_only=True):
    account: str
    region: str
    at_ms: int
    number: int
    id: str
    source_type: str
    source: str
    arn: str
    message: str
    categories: tuple[str, ...] = ()


class Subscription(Record, frozen=True, kw_only=True):
    """Who is told of events. No `source_type`: of all of them; no `sources`, no `categories`: of all of that type."""

    account: str
    region: str
    name: str
    topic: str
    created_at_ms: int
    source_type: str = ""
    sources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    enabled: bool = True
    status: str = "active"
    tags: dict[str, str] = {}


class Auth(Record, frozen=True):
    """How clients of a proxy show who they are, and the secret it goes on with. `iam`: DISABLED or REQUIRED."""

    secret: str
    iam: str = "DISABLED"
    description: str = ""
    user: str = ""
    client: str = ""


class Proxy(Record, frozen=True, kw_only=True):
    """`group`: the id of its one target group."""

    account: str
    region: str
    name: str
    id: str
    group: str
    engine_family: str
    role: str
    slot: int
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    created_at_ms: int
    updated_at_ms: int
    auth: tuple[Auth, ...] = ()
    scheme: str = "NONE"
    require_tls: bool = False
    idle_timeout_s: int = 1800
    debug: bool = False
    tags: dict[str, str] = {}


class TargetGroup(Record, frozen=True, kw_only=True):
    """A proxy's target: the resource id of a cluster, "" while it has none; and the
    pool of connections to it. `idle_percent` -1: half of `percent`."""

    account: str
    region: str
    id: str
    proxy: str
    created_at_ms: int
    updated_at_ms: int
    cluster: str = ""
    percent: int = 100
    idle_percent: int = -1
    borrow_timeout_s: int = 120
    pinning_filters: tuple[str, ...] = ()
    init_query: str = ""
    tags: dict[str, str] = {}


class ProxyEndpoint(Record, frozen=True, kw_only=True):
    """A further endpoint of a proxy (by the proxy's id). `role`: READ_WRITE or READ_ONLY."""

    account: str
    region: str
    name: str
    id: str
    proxy: str
    role: str
    slot: int
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    created_at_ms: int
    tags: dict[str, str] = {}


class Override(Record, frozen=True, kw_only=True):
    """The certificate authority that an account has chosen for new instances."""

    account: str
    region: str
    certificate: str


PARAMETER_GROUPS = Table("rds.parameter_groups", ParameterGroup, key=("account", "region", "kind", "name"))
SUBNET_GROUPS = Table("rds.subnet_groups", SubnetGroup, key=("account", "region", "name"))
OPTION_GROUPS = Table("rds.option_groups", OptionGroup, key=("account", "region", "name"))

EVENTS = Table("rds.events", Event, key=("account", "region", "at_ms", "number"))
SUBSCRIPTIONS = Table("rds.subscriptions", Subscription, key=("account", "region", "name"))

PROXIES = Table("rds.proxies", Proxy, key=("account", "region", "name"))
PROXY_BY_ID = PROXIES.index("by_id", "account", "region", "id")
TARGET_GROUPS = Table("rds.target_groups", TargetGroup, key=("account", "region", "id"))
TARGETING = TARGET_GROUPS.index("targeting", "account", "region", "cluster", where=lambda group: group.cluster != "")
PROXY_ENDPOINTS = Table("rds.proxy_endpoints", ProxyEndpoint, key=("account", "region", "name"))
ENDPOINT_BY_ID = PROXY_ENDPOINTS.index("by_id", "account", "region", "id")
ENDPOINTS_OF_PROXY = PROXY_ENDPOINTS.index("of", "account", "region", "proxy", "name")

OVERRIDES = Table("rds.certificate_overrides", Override, key=("account", "region"))


class ActivityStream(Record, frozen=True, kw_only=True):
    """Of a cluster, by its id. `key`: the data key that records are encrypted under, sealed by the root key; `encrypted_key`: by KMS."""

    account: str
    region: str
    cluster: str
    kms_key: str
    key: bytes
    encrypted_key: bytes
    started_at_ms: int
    mode: str = "async"


ACTIVITY_STREAMS = Table("rds.activity_streams", ActivityStream, key=("account", "region", "cluster"))
