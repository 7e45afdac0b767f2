"""AWS/RDS in CloudWatch of RDS Proxies, each minute: of a proxy, of each of its endpoints, and of what lies behind them by role.

Not here is what the front does not measure (latencies of answers, a target by itself, AvailabilityPercentage), nor TLS towards the
databases, which it reaches by sockets of the machine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from fogbank.kernel.context import Context
from fogbank.services.rds import readings
from fogbank.services.rds.groups_state import Proxy, ProxyEndpoint
from fogbank.services.rds.proxy_routes import PORTS, every, targeting
from fogbank.services.rds.proxy_targets import DEFAULT
from fogbank.services.rds.state import Cluster

_NAMESPACE = "AWS/RDS"
_BORROW_LATENCY = "DatabaseConnectionsBorrowLatency"
_STANDING = {
    "ClientConnections",
    "ClientConnectionsTLS",
    "DatabaseConnections",
    "DatabaseConnectionsCurrentlyBorrowed",
    "DatabaseConnectionsCurrentlyInTransaction",
    "DatabaseConnectionsCurrentlySessionPinned",
    "MaxDatabaseConnectionsAllowed",
}
"""What is told as it stands; of all else, what came within the minute."""


def tell(ctx: Context, row: Cluster) -> None:
    """Tells CloudWatch of the proxies whose target a cluster is."""
    for proxy, _ in targeting(ctx, row):
        whole: Counter[str] = Counter()
        roles: dict[str, Counter[str]] = defaultdict(Counter)
        for place in every(ctx, proxy):
            found = _counted(ctx, proxy, place)
            whole.update(found)
            roles[place.role].update(found)
            _put(ctx, found, ProxyName=proxy.name, EndpointName=place.name)
        for role, found in roles.items():
            _put(ctx, found, ProxyName=proxy.name, TargetGroup=DEFAULT, TargetRole=role)
        _put(ctx, whole, ProxyName=proxy.name)


def _counted(ctx: Context, proxy: Proxy, place: ProxyEndpoint) -> Counter[str]:
    """What the front counts at an endpoint, as it is to be told; empty before its first client."""
    now = ctx.databases.counts(place.slot, PORTS[proxy.engine_family])
    before: Mapping[str, float] = readings.last(ctx, "proxy", place.id, now) or {}
    if any(now.get(name, 0) < value for name, value in before.items() if name not in _STANDING):  # it counts anew
        before = {}
    return Counter({name: value if name in _STANDING else value - before.get(name, 0) for name, value in now.items()})


def _put(ctx: Context, found: Counter[str], **dimensions: str) -> None:
    """The metrics that AWS has by these dimensions: by endpoint what clients do, by role what becomes of it, by proxy both."""
    requests = found["DatabaseConnectionRequests"]
    for name, value in found.items():
        client = name.startswith("Client") or name == _BORROW_LATENCY
        if name != "QueryRequests" and ("TargetRole" if client else "EndpointName") in dimensions:
            continue
        if name != _BORROW_LATENCY:
            ctx.measure(_NAMESPACE, name, value, "Count", **dimensions)
        elif requests:
            ctx.measure(_NAMESPACE, name, value / requests, "Microseconds", **dimensions)
