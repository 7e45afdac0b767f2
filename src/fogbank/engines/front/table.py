"""The routing table: which address leads where. It comes whole at each change."""

from __future__ import annotations

from typing import Any, NamedTuple


class Proxy(NamedTuple):
    """What makes an endpoint an RDS Proxy: it knows the users' passwords, and shares connections between clients.

    users                  name -> password, from Secrets Manager
    iam                    clients show a token instead of the password (AWS: REQUIRED)
    max_connections        to the database, at most
    max_idle               of these, kept while nobody uses them
    borrow_timeout_s       how long a client waits for one of them
    idle_client_timeout_s  after which a silent client is sent away
    init_query             runs on each new connection to the database
    pinning_filters        EXCLUDE_VARIABLE_SETS: SET does not tie a client to its connection
    require_tls            clients without TLS are refused
    """

    users: dict[str, str]
    iam: bool
    max_connections: int
    max_idle: int
    borrow_timeout_s: float
    idle_client_timeout_s: float
    init_query: str
    pinning_filters: tuple[str, ...]
    require_tls: bool

    @staticmethod
    def of(row: dict[str, Any]) -> Proxy:
        most = int(row.get("max_connections", 100))
        return Proxy(
            {name: user["password"] for name, user in row.get("users", {}).items()},
            row.get("iam", "DISABLED") == "REQUIRED",
            most,
            int(row.get("max_idle", most // 2)),
            float(row.get("borrow_timeout_s", 120)),
            float(row.get("idle_client_timeout_s", 1800)),
            row.get("init_query", ""),
            tuple(row.get("pinning_filters", ())),
            bool(row.get("require_tls", False)),
        )


class Endpoint(NamedTuple):
    """An address, and the unix sockets that it leads to, in turn. `held`: nowhere for now; clients wait. (With
    neither, they are turned away.)"""

    address: str
    port: int
    engine: str
    cluster: str
    targets: tuple[str, ...]
    held: bool
    iam: bool
    tls_only: bool
    proxy: Proxy | None

    @property
    def name(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def reachable(self) -> tuple[str, ...]:
        return () if self.held else self.targets

    @staticmethod
    def of(row: dict[str, Any]) -> Endpoint:
        return Endpoint(
            row["address"],
            int(row["port"]),
            row["engine"],
            row["cluster"],
            tuple(row.get("targets", ())),
            bool(row.get("held", False)),
            bool(row.get("iam", False)),
            bool(row.get("tls_only", False)),
            Proxy.of(row["proxy"]) if row.get("proxy") else None,
        )


class Table(NamedTuple):
    """All endpoints by (address, port); the certificate that they show; the folders of clusters whose SQL functions call us."""

    endpoints: dict[tuple[str, int], Endpoint]
    certificate: str
    key: str
    back_doors: dict[str, str]

    @staticmethod
    def of(row: dict[str, Any]) -> Table:
        endpoints = [Endpoint.of(each) for each in row.get("endpoints", ())]
        return Table(
            {(each.address, each.port): each for each in endpoints},
            row.get("certificate") or "",
            row.get("key") or "",
            row.get("back_doors") or {},
        )
