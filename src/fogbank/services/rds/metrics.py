"""AWS/RDS in CloudWatch, each minute: only what the engines measure."""

from __future__ import annotations

from fogbank.engines.spec import Actual, NodeState
from fogbank.kernel.context import Context
from fogbank.services.rds.instance_classes import SERVERLESS
from fogbank.services.rds.state import Cluster, members


def tell(ctx: Context, row: Cluster, look: Actual) -> None:
    """Connections and lag of each instance, and by role; the size of the volume; capacity of serverless ones (0 while paused)."""
    nodes = {node.id: node for node in look.nodes}
    lags: list[float] = []
    for instance in members(ctx, row):
        node = nodes.get(instance.node)
        by = {"DBInstanceIdentifier": instance.name}
        if node is not None and node.state == "running":
            _node(ctx, row, node, by)
            if not row.plain:
                role = "WRITER" if node.id == look.writer else "READER"
                ctx.measure("AWS/RDS", "DatabaseConnections", node.connections, "Count", DBClusterIdentifier=row.name, Role=role)
            if not node.writes:
                lags.append(node.lag_ms)
        if instance.klass == SERVERLESS and row.scaling is not None and row.paused:
            ctx.measure("AWS/RDS", "ServerlessDatabaseCapacity", 0, "None", **by)
    if lags and not row.plain:
        ctx.measure("AWS/RDS", "AuroraReplicaLagMaximum", max(lags), "Milliseconds", DBClusterIdentifier=row.name)
        ctx.measure("AWS/RDS", "AuroraReplicaLagMinimum", min(lags), "Milliseconds", DBClusterIdentifier=row.name)
    if look.volume is not None and not row.plain:
        ctx.measure("AWS/RDS", "VolumeBytesUsed", look.volume.bytes, "Bytes", DBClusterIdentifier=row.name)
    if row.global_cluster and row.follows and lags:
        ctx.measure("AWS/RDS", "AuroraGlobalDBReplicationLag", min(lags), "Milliseconds", DBClusterIdentifier=row.name)


def _node(ctx: Context, row: Cluster, node: NodeState, by: dict[str, str]) -> None:
    ctx.measure("AWS/RDS", "DatabaseConnections", node.connections, "Count", **by)
    if node.writes:
        return
    if row.plain:
        ctx.measure("AWS/RDS", "ReplicaLag", node.lag_ms / 1000, "Seconds", **by)
    else:
        ctx.measure("AWS/RDS", "AuroraReplicaLag", node.lag_ms, "Milliseconds", **by)
