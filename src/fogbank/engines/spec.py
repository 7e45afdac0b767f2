"""What a service wants of the engines, and what it is told: the words between `services/rds` and `engines`.

A database cluster is *wanted*: the service's rows say what should be there, and `Databases.converge` makes it so, however far it is
already. The same words after a restart, a failover, a clone of the cloud or its being taken back: so nothing needs to be undone.

Everything is a volume: a log on six storage nodes in three zones, and compute nodes whose disks are caches of it. A clone, a restore to an
instant, a backtrack, a snapshot's restore, a promoted read replica, are one thing: a new volume that begins as a *fork* of another.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Done = Callable[[Any], None]
"""Called once, in the loop: with what came of it, or with an Exception (`Failed` where the caller's wish cannot be had)."""

ZONES = ("a", "b", "c")


class Failed(Exception):
    """It could not be done; the message is for people."""


class Fork(NamedTuple):
    """Where a new volume begins.

    volume  the volume that it is a fork of
    at_ms   as it was at this instant of the cloud's clock; 0: as it is now
    point   as it was at this point (`Point.name` of one that was kept: a snapshot); "" where `at_ms` says when
    """

    volume: str
    at_ms: int = 0
    point: str = ""


class Node(NamedTuple):
    """A compute node: an instance of the engine, of one cluster.

    id          stable for the life of the instance; unique in the cloud
    zone        "a", "b" or "c"
    parameters  of the engine, by its own names: a change of one that needs a restart is made at the next `restarts`
    restarts    counts up: another number than before means that it is to be started anew
    hidden      takes no readers (a Multi-AZ standby)
    """

    id: str
    zone: str
    parameters: dict[str, str] = {}
    restarts: int = 0
    hidden: bool = False


class Endpoint(NamedTuple):
    """An address that leads to one of the cluster's nodes.

    slot   the number of the address (`Databases.address`)
    kind   writer: the writer; reader: in turn those of `nodes` that are not the writer, the writer where there is no other
           (of a proxy: never); any: in turn all of `nodes`; node: the first of `nodes`, whatever it is; proxy: the writer
    nodes  ids; empty: all
    proxy  what makes it an RDS Proxy, if it is one: its users with their passwords, and its pool's settings (`engines.front.table.Proxy`)
    """

    slot: int
    port: int
    kind: str
    nodes: tuple[str, ...] = ()
    proxy: dict[str, Any] | None = None


class Cluster(NamedTuple):
    """A cluster as it should be.

    id           stable for its life; unique in the cloud
    engine       "postgres" or "mariadb"
    version      of the engine, as a user wrote it ("" : what is there)
    volume       the volume that it stands on; another one than before: it is taken there, its nodes are made anew
    fork         where that volume begins when it is new; None: empty
    user, password, database   the master user, set at every convergence; the first database, made when the volume is
    nodes        empty: it is stopped, its volume is kept; its endpoints are closed, but those of proxies
    paused       with no nodes: its endpoints hold who comes, and it is asked that it goes on
    writer       id of the node that is to write; when it is not the one that does, it is promoted. "": nobody writes (a replica)
    parameters   of all nodes; a node's own come first
    endpoints    addresses
    iam          clients may show a token signed by IAM instead of a password
    tls_only     clients without TLS are refused
    account, region, arn   whose it is
    roles        feature ("Lambda", "s3Import", ...) -> ARN of the role that SQL functions act as
    audit        what statements run in it is told: `rds.noticed` with "what": "activity", node and events (where `Databases.audits`)
    existing     its volume was there before: where it is not, that is Failed and no new one is made
    masters      all its nodes, two at most, write (`engines.masters`); `writer` says nothing then
    follows      a volume that this one repeats, as its readers would (a global database's secondary, a read replica); "" when it is its own
    """

    id: str
    engine: str
    version: str
    volume: str
    fork: Fork | None
    user: str
    password: str
    database: str
    nodes: tuple[Node, ...]
    writer: str
    parameters: dict[str, str]
    endpoints: tuple[Endpoint, ...]
    iam: bool
    tls_only: bool
    account: str
    region: str
    arn: str
    roles: dict[str, str] = {}
    follows: str = ""
    audit: bool = False
    existing: bool = False
    masters: bool = False
    paused: bool = False


class NodeState(NamedTuple):
    """A compute node as it is. `state`: starting, running, stopped, dead. Spans in ms; `pending`: parameters that wait for a restart."""

    id: str
    zone: str
    state: str
    writes: bool
    lag_ms: float = 0.0
    connections: int = 0
    pid: int = 0
    pending: tuple[str, ...] = ()


class VolumeState(NamedTuple):
    """A volume as it is.

    copies                  how many of the six hold all that is durable
    earliest_ms, latest_ms  what it can be taken to
    lag_ms                  how long ago what it does not have yet was acknowledged by the volume that it repeats
    """

    id: str
    bytes: int
    timeline: int
    durable: int
    copies: int
    earliest_ms: int
    latest_ms: int
    writable: bool
    readable: bool
    lag_ms: float = 0.0


class Actual(NamedTuple):
    """A cluster as it is. `version`: of the engine that runs."""

    id: str
    version: str
    writer: str
    nodes: tuple[NodeState, ...]
    volume: VolumeState | None


class Point(NamedTuple):
    """A point of a volume that is kept until it is let go of."""

    name: str
    at_ms: int
    bytes: int


class Since(NamedTuple):
    """How much of a volume is staged: its log up to a place, and what was committed until `at_ms`; and the place of the newest image."""

    timeline: int = 0
    position: int = 0
    at_ms: int = 0
    image: tuple[int, int] = (0, 0)


class Piece(NamedTuple):
    """A file in which a part of a volume is staged: of its log, or an image of it.

    kind        "log" or "image"
    start, end  log: what it spans of its timeline; image: from where on the log is needed after it, and its own position
    at_ms       log: it and what lies before have all that was committed until then; image: it has nothing that was committed later
    bytes, crc  of the file: its length and CRC-32
    """

    kind: str
    timeline: int
    start: int
    end: int
    at_ms: int
    bytes: int
    crc: int
    file: Path


class Statement(NamedTuple):
    """SQL for `Databases.execute`.

    sql        with the engine's own placeholders for parameters: %(name)s, or without parameters as it is
    parameters by name: None, bool, int, float, str, bytes, decimal.Decimal, datetime/date/time, uuid.UUID, or lists of these
    many       runs once for each of these instead (a batch)
    """

    sql: str
    parameters: dict[str, Any] | None = None
    many: tuple[dict[str, Any], ...] | None = None


class Column(NamedTuple):
    """A column of a result. `type`: the engine's name of its type; `code`: its number in the engine."""

    name: str
    type: str
    code: int
    nullable: bool = True
    precision: int = 0
    scale: int = 0
    table: str = ""
    schema: str = ""


class Result(NamedTuple):
    """What a statement gave: rows as Python values; `changed`: rows written; `keys`: generated keys (MariaDB)."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    changed: int
    keys: tuple[Any, ...] = ()


class Refused(Exception):
    """The engine refused a statement: `code` its SQLSTATE, the message its own."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Program(NamedTuple):
    """A process of a node, or a thread of one (`group`: of which). `state`: the kernel's letter; `spent_s`: on processors."""

    id: int
    parent: int
    group: int
    name: str
    state: str
    spent_s: float
    resident_kb: int
    virtual_kb: int


class Machine(NamedTuple):
    """What the machine has, that all nodes share.

    spent_s     what its processors have done since it was started: "user", "nice", "system", "idle", "wait", "irq", "softirq", "steal"...
    load        over one, five and fifteen minutes
    memory_kb   by the kernel's names ("MemTotal")
    swapped_kb  in and out, since it was started
    disk_kb     of the file system that the node's data is on: all, used, available
    files       that this can have, and has
    """

    processors: int
    spent_s: dict[str, float]
    load: tuple[float, float, float]
    memory_kb: dict[str, int]
    swapped_kb: tuple[int, int]
    disk_kb: tuple[int, int, int]
    files: tuple[int, int]


class Usage(NamedTuple):
    """What the processes of a node use. What only grows is told as it stands: two of these say what came between.

    at_s            of a clock of the machine that only goes forward
    uptime_s        how long the server has run
    user_s, system_s  what it has had of processors
    resident_bytes  what it has in memory; what its processes share counts once
    read_bytes, written_bytes  from and to disks; None where the machine does not say
    """

    at_s: float
    uptime_s: float
    user_s: float
    system_s: float
    resident_bytes: int
    read_bytes: int | None
    written_bytes: int | None
    programs: tuple[Program, ...]
    machine: Machine


class Databases(Protocol):
    """The databases of one cloud, as a service sees them (`ctx.databases`). All is called in the loop; nothing blocks.

    What takes its time ends with `done`, so that an operation or task says
    `ctx.outside("converge", lambda done: ctx.databases.converge(wanted, done))`.
    """

    audits: frozenset[str]
    """The engines that can tell what statements run (`Cluster.audit`)."""

    measures: bool
    """Whether it can be told what nodes use (`usage`)."""

    def address(self, slot: int) -> str:
        """The address of a slot (0 to 65,279): of this cloud's own, the same as long as its data lives."""

    def authority(self) -> str:
        """The certificate (PEM) of the authority that signs those of all endpoints."""

    def converge(self, wanted: Cluster, done: Done) -> None:
        """Makes a cluster what it should be: `done(Actual)`. A later call for the same cluster comes after it."""

    def drop(self, cluster: str, done: Done) -> None:
        """Ends a cluster's nodes and its endpoints; its volume is kept. `done(None)`; also where there is none."""

    def forget(self, volume: str, done: Done) -> None:
        """Deletes a volume, and its points. `done(None)`; also where there is none."""

    def keep(self, volume: str, point: str, done: Done) -> None:
        """Keeps a volume as it is now under a name, until it is released: `done(Point)`."""

    def release(self, volume: str, point: str, done: Done) -> None:
        """Lets go of a point. `done(None)`; also where there is none."""

    def stage(self, volume: str, since: Since, done: Done) -> None:
        """What a volume has that is not staged: `done(tuple[Piece, ...])`, images first, then the log in its order, some of it at a time.

        Whoever asked takes the files away. What is staged by `since` may go here when it is old; where it is asked for again (`Fork`),
        it is asked of the house.
        """

    def counts(self, slot: int, port: int) -> dict[str, float]:
        """What is counted at an RDS Proxy's endpoint (`engines.front.lending.Lending.counts`): empty before its first client."""

    def look(self, cluster: str) -> Actual | None:
        """A cluster as it was last seen; None where it has not converged in this cloud yet."""

    def execute(self, cluster: str, user: str, password: str, database: str, session: str, statement: Statement, done: Done) -> None:
        """Runs SQL on the writer: `done(Result)`, or `done(Refused)`.

        session  "": on its own; else statements of the same session share a connection (a transaction): its first statement opens it,
                 and gone when `end` is called, or when it was not used for 3 minutes (then a statement is Refused, code "SESSION")
        user     "": the engine's own superuser
        """

    def end(self, cluster: str, session: str, done: Done) -> None:
        """Closes a session; a transaction that is open in it is rolled back. `done(None)`."""

    def ask(self, cluster: str, node: str, sql: str, done: Done) -> None:
        """What the engine's superuser sees on one node: `done(Result)`. For statistics."""

    def usage(self, cluster: str, done: Done) -> None:
        """What each node that runs uses of the machine: `done(dict[str, Usage])`."""

    def parallel(self, cluster: str, asked: dict[str, Any], done: Done) -> None:
        """Evaluates a query beside the storage, for its SQL function `aurora_parallel.query`: `done(dict)` (`engines.parallel.answer`)."""

    def files(self, cluster: str, node: str) -> list[tuple[str, int, int]]:
        """A node's log files: name, bytes, last written (ms of the machine's clock)."""

    def read(self, cluster: str, node: str, name: str, offset: int, length: int) -> bytes:
        """A piece of a log file. LookupError where there is none."""
