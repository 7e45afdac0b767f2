"""The model of the data.

Everything that runs is a *cluster*: a volume, and the compute nodes on it. An Aurora cluster is one that users see; an instance of
PostgreSQL, MySQL or MariaDB has a cluster of its own that they do not (`plain`), under its own name. Rows say what should be;
`converging` has the engines make it so, and a cluster's `revision` says which state of the rows that was.

A cluster and an instance are filed under their resource ids, which stay when they are renamed. `volume` is the name of the storage
that a cluster stands on: a restore, a clone, a backtrack and the end of replication each give it a new one, which begins as a
fork of another. A volume that no cluster stands on any more lives on while something is kept of it (`VOLUMES`).

A snapshot is a point of a volume that the storage keeps. An automated backup is what is left of a cluster that was deleted.

The *writer* and what endpoints lead to are nodes: an instance's own (`node`), and the hidden one of a Multi-AZ deployment (`standby`).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fogbank.store import Record, Table
from fogbank.store.tables import At

MINUTE_MS = 60_000
DAY_MS = 86_400_000
PORTS = {"postgres": 5432, "mariadb": 3306}
READERS_LIMIT = 15


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a volume begins: `engines.spec.Fork`."""

    volume: str
    at_ms: int = 0
    point: str = ""


class Role(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A role that a cluster may act as, for a feature ("s3Import")."""

    arn: str
    feature: str = ""


class Scaling(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Aurora Serverless v2: Aurora capacity units; `pause_s`: 0 where it never pauses."""

    low: float
    high: float
    pause_s: int = 0


class Secret(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The secret that holds a managed master password."""

    arn: str
    key: str = ""
    status: str = "active"
    rotates_at_ms: int = 0


class Cluster(Record, frozen=True, kw_only=True):
    """`version`: as described; `writer`: the node that writes, "" for a replica; `source`: the ARN of what it repeats (volume `follows`);
    `settled`: the last revision that the engines have done, `stood`: on which volume; `pending`: what waits for maintenance;
    `keep_backups`: when it is deleted; `earliest_ms`, `staged_ms`: from when to when it is staged; `masters`: all its instances write;
    `cross_account`: it began as a clone of another account's.
    """

    account: str
    region: str
    id: str
    name: str
    engine: str
    version: str
    created_at_ms: int
    volume: str
    user: str
    password: bytes
    port: int
    status: str = "creating"
    plain: bool = False
    revision: int = 0
    settled: int = 0
    stood: str = ""
    origin: Origin | None = None
    follows: str = ""
    source: str = ""
    database: str = ""
    writer: str = ""
    writer_slot: int = -1
    reader_slot: int = -1
    parameter_group: str = ""
    subnet_group: str = ""
    option_group: str = ""
    zones: tuple[str, ...] = ()
    retention_days: int = 1
    backup_window: str = ""
    maintenance_window: str = ""
    backtrack_s: int = 0
    deletion_protection: bool = False
    iam: bool = False
    http_endpoint: bool = False
    copy_tags: bool = False
    auto_minor: bool = True
    scaling: Scaling | None = None
    secret: Secret | None = None
    roles: tuple[Role, ...] = ()
    tags: dict[str, str] = {}
    restart_at_ms: int = 0
    pending: dict[str, str] = {}
    global_cluster: str = ""
    clone_group: str = ""
    storage_type: str = ""
    earliest_ms: int = 0
    backup_tags: dict[str, str] = {}
    log_exports: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    paused: bool = False
    idle_since_ms: int = 0
    keep_backups: bool = False
    staged_ms: int = 0
    masters: bool = False
    cross_account: bool = False


class Instance(Record, frozen=True, kw_only=True):
    """`cluster`: the id of its cluster; `node`: what the engines call it; `pending`: AWS's name of a setting -> what it will be;
    `monitored`: how often Enhanced Monitoring was begun or ended.

    Described and no more: `public`, as there is one network, this machine's; `storage_gib`, `storage_type` and `iops`, as there is one
    disk; `auto_minor`, as the engines' programs are the machine's (`maintenance`).
    """

    account: str
    region: str
    id: str
    name: str
    cluster: str
    klass: str
    created_at_ms: int
    node: str
    zone: str
    slot: int
    status: str = "creating"
    tier: int = 1
    restarts: int = 0
    restarted_at_ms: int = 0
    standby: str = ""
    standby_zone: str = ""
    parameter_group: str = ""
    maintenance_window: str = ""
    auto_minor: bool = True
    public: bool = False
    storage_gib: int = 0
    storage_type: str = ""
    iops: int = 0
    pending: dict[str, str] = {}
    tags: dict[str, str] = {}
    monitoring_s: int = 0
    monitoring_role: str = ""
    insights: bool = False
    insights_days: int = 0
    certificate: str = ""
    monitored: int = 0


class CustomEndpoint(Record, frozen=True, kw_only=True):
    """`kind`: READER, WRITER or ANY; `members` and `excluded`: ids of instances."""

    account: str
    region: str
    name: str
    id: str
    cluster: str
    kind: str
    slot: int
    status: str = "creating"
    members: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class Snapshot(Record, frozen=True, kw_only=True):
    """`kind`: cluster-snapshot, or snapshot (of a plain instance); `type`: manual or automated; `source`: the ARN that it was copied from;
    `cluster`: what it restores to, without its name."""

    account: str
    region: str
    kind: str
    name: str
    type: str
    created_at_ms: int
    volume: str
    point: str
    of: Cluster
    instance: Instance | None = None
    status: str = "creating"
    source: str = ""
    shared: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    storage_gib: int = 0


class Volume(Record, frozen=True, kw_only=True):
    """A volume that its cluster has left: it is kept until `until_ms`, and while a snapshot or a replica needs it."""

    name: str
    cluster: str
    left_at_ms: int
    until_ms: int


class Backtrack(Record, frozen=True, kw_only=True):
    cluster: str
    id: str
    number: int
    asked_at_ms: int
    to_ms: int
    from_ms: int
    status: str = "APPLYING"


class Backup(Record, frozen=True, kw_only=True):
    """An automated backup that was retained when its cluster was deleted: it can be restored to any second of its window."""

    account: str
    region: str
    id: str
    name: str
    of: Cluster
    earliest_ms: int
    latest_ms: int
    until_ms: int
    instance: Instance | None = None
    tags: dict[str, str] = {}


class Member(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A cluster of a global one."""

    region: str
    cluster: str
    writer: bool = False


class GlobalCluster(Record, frozen=True, kw_only=True):
    """`state`: of a failover that is under way ("" where there is none), between two members."""

    account: str
    name: str
    id: str
    engine: str
    version: str
    status: str = "available"
    database: str = ""
    deletion_protection: bool = False
    members: tuple[Member, ...] = ()
    tags: dict[str, str] = {}
    state: str = ""
    state_from: str = ""
    state_to: str = ""
    data_loss: bool = False


class Slot(Record, frozen=True, kw_only=True):
    """An address. `owner`: "" when it is free again; then it is taken only after all others."""

    number: int
    owner: str


class Export(Record, frozen=True, kw_only=True):
    """A snapshot's or cluster's tables, on their way to S3. `only`: database, schema or table names; empty: all."""

    account: str
    region: str
    name: str
    source: str
    bucket: str
    prefix: str
    role: str
    key: str
    asked_at_ms: int
    status: str = "STARTING"
    only: tuple[str, ...] = ()
    snapshot_ms: int = 0
    started_at_ms: int = 0
    ended_at_ms: int = 0
    percent: int = 0
    size_bytes: int = 0
    failure: str = ""
    warning: str = ""
    kind: str = "SNAPSHOT"
    volume: str = ""
    point: str = ""
    caller: bytes = b""


class LogPlace(Record, frozen=True, kw_only=True):
    """How far an instance's log file is in CloudWatch Logs."""

    instance: str
    file: str
    place: int


class Staged(Record, frozen=True, kw_only=True):
    """A piece of a volume (`engines.spec.Piece`) that lies in S3. `place`: where its log begins, or an image is."""

    volume: str
    kind: str
    timeline: int
    place: int
    start: int
    end: int
    at_ms: int
    bytes: int
    crc: int
    region: str


CLUSTERS = Table("rds.clusters", Cluster, key=("account", "region", "id"), weight=2)
CLUSTERS_BY_ID = CLUSTERS.index("by_id", "id")
CLUSTERS_BY_NAME = CLUSTERS.index("by_name", "account", "region", "name", where=lambda c: not c.plain)
INSTANCES = Table("rds.instances", Instance, key=("account", "region", "id"), weight=2)
INSTANCES_BY_NAME = INSTANCES.index("by_name", "account", "region", "name")
MEMBERS = INSTANCES.index("members", "account", "region", "cluster", "created_at_ms", "name")
ENDPOINTS = Table("rds.endpoints", CustomEndpoint, key=("account", "region", "name"))
ENDPOINTS_OF = ENDPOINTS.index("of", "account", "region", "cluster", "name")
SNAPSHOTS = Table("rds.snapshots", Snapshot, key=("account", "region", "kind", "name"), weight=4)
SNAPSHOTS_OF = SNAPSHOTS.index("of", "volume")
VOLUMES = Table("rds.volumes", Volume, key=("name",))
VOLUMES_OF = VOLUMES.index("of", "cluster", "left_at_ms")
BACKTRACKS = Table("rds.backtracks", Backtrack, key=("cluster", "number"))
BACKUPS = Table("rds.backups", Backup, key=("account", "region", "id"), weight=4)
GLOBALS = Table("rds.globals", GlobalCluster, key=("account", "name"))
SLOTS = Table("rds.slots", Slot, key=("number",))
LOG_PLACES = Table("rds.log_places", LogPlace, key=("instance", "file"))
EXPORTS = Table("rds.exports", Export, key=("account", "region", "name"))
STAGED = Table("rds.staged", Staged, key=("volume", "kind", "timeline", "place"))


def members(at: At, cluster: Cluster) -> Iterator[Instance]:
    """A cluster's instances, the eldest first."""
    return MEMBERS.scan(at, cluster.account, cluster.region, cluster.id)


def cluster_of_resource(at: At, id: str) -> Cluster | None:
    """A cluster by its resource id, whosever it is."""
    return CLUSTERS_BY_ID.first(at, id)


def next_volume(cluster: Cluster) -> str:
    """The name of the volume that a cluster is to stand on next."""
    stem, _, number = cluster.volume.rpartition("-")
    return f"{stem}-{int(number) + 1}"
