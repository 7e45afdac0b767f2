"""AWS/RDS in CloudWatch, each minute: only what is measured.

A node has no machine of its own: memory, swap and disk that are free are the machine's. What AWS measures of devices (latencies, queues,
burst balances, network) is not here, nor is what it bills.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, NamedTuple

from fogbank.engines.spec import Actual, Done, NodeState, Result, Usage
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Wait, task
from fogbank.services.rds import counters, proxy_metrics, readings
from fogbank.services.rds.addresses import cluster_by_id
from fogbank.services.rds.faults import ENGINES
from fogbank.services.rds.instance_classes import SERVERLESS
from fogbank.services.rds.state import MINUTE_MS, Cluster, Instance, members

_NAMESPACE = "AWS/RDS"
Value = tuple[str, float, str]
"""A metric, its value, its unit."""


class Reading(NamedTuple):
    """What a node uses, and what its engine has counted."""

    usage: Usage
    amounts: counters.Amounts


@task("measure", looks=True)
def measure(ctx: Context, payload: dict[str, Any]) -> Wait | None:
    """Tells CloudWatch how a cluster does."""
    row = cluster_by_id(ctx, payload["cluster"])
    if row is None:
        return None
    look = ctx.databases.look(row.id)
    if look is not None:
        found: dict[str, Reading] = ctx.outside("reading", lambda done: _read(ctx, row, look, done))
        _tell(ctx, row, look, found)
        proxy_metrics.tell(ctx, row)
    return Wait((), ctx.now + MINUTE_MS)


def _read(ctx: Context, row: Cluster, look: Actual, done: Done) -> None:
    """Asks for all that its nodes say, at once. Whoever does not answer is not among what is found."""
    engine, databases = ENGINES[row.engine], ctx.databases
    nodes = [node.id for node in look.nodes if node.state == "running"]
    usage: dict[str, Usage] = {}
    said: dict[str, counters.Amounts] = {}
    waiting = {"", *nodes}

    def over(one: str) -> None:
        waiting.discard(one)
        if not waiting:
            done({node: Reading(used, said.get(node, {})) for node, used in usage.items()})

    def used(found: Any) -> None:
        usage.update(found if isinstance(found, dict) else {})
        over("")

    def answered(node: str, found: Any) -> None:
        if isinstance(found, Result):
            said[node] = counters.amounts(engine, [column.name for column in found.columns], found.rows)
        over(node)

    databases.usage(row.id, used)
    question = counters.question(engine, look.version)
    for node in nodes:
        databases.ask(row.id, node, question, lambda found, node=node: answered(node, found))


def _tell(ctx: Context, row: Cluster, look: Actual, found: dict[str, Reading]) -> None:
    nodes = {node.id: node for node in look.nodes}
    there = list(members(ctx, row))
    writer = next((instance for instance in there if instance.node == look.writer), None)
    lags: list[float] = []
    for instance in there:
        node = nodes.get(instance.node)
        if node is not None and node.state == "running":
            _put(ctx, row, instance, node.writes, _of_node(ctx, row, instance, node, found.get(node.id)))
            if not node.writes:
                lags.append(node.lag_ms)
        elif instance.klass == SERVERLESS and row.paused:
            _put(ctx, row, instance, True, [("ServerlessDatabaseCapacity", 0, "Count"), ("ACUUtilization", 0, "Percent")])
    if row.plain:
        return
    if lags and writer is not None:
        values = [("AuroraReplicaLagMaximum", max(lags), "Milliseconds"), ("AuroraReplicaLagMinimum", min(lags), "Milliseconds")]
        _put(ctx, row, writer, True, values)
    volume = look.volume
    if volume is not None:
        ctx.measure(_NAMESPACE, "VolumeBytesUsed", volume.bytes, "Bytes", DBClusterIdentifier=row.name)
        ctx.measure(_NAMESPACE, "VolumeBytesUsed", volume.bytes, "Bytes", DbClusterIdentifier=row.name, EngineName=row.engine)
        if row.backtrack_s and writer is not None:
            lacking_s = max(row.backtrack_s - (volume.latest_ms - volume.earliest_ms) / 1000, 0)
            _put(ctx, row, writer, True, [("BacktrackWindowActual", lacking_s / 60, "Count")])
    if row.global_cluster and row.follows and look.volume is not None:
        for name in ("AuroraGlobalDBReplicationLag", "AuroraGlobalDBRPOLag"):
            ctx.measure(_NAMESPACE, name, look.volume.lag_ms, "Milliseconds", DBClusterIdentifier=row.name)


def _put(ctx: Context, row: Cluster, instance: Instance, writes: bool, values: Iterator[Value] | list[Value]) -> None:
    """Values of an instance: by itself, with all of its class, of its engine, and of its cluster."""
    by: list[dict[str, str]] = [
        {"DBInstanceIdentifier": instance.name},
        {"DatabaseClass": instance.klass},
        {"EngineName": row.engine},
    ]
    if not row.plain:
        by += [{"DBClusterIdentifier": row.name}, {"DBClusterIdentifier": row.name, "Role": "WRITER" if writes else "READER"}]
    for metric, value, unit in values:
        for dimensions in by:
            ctx.measure(_NAMESPACE, metric, value, unit, **dimensions)


def _of_node(ctx: Context, row: Cluster, instance: Instance, node: NodeState, now: Reading | None) -> Iterator[Value]:
    yield "DatabaseConnections", node.connections, "Count"
    if not node.writes:
        yield ("ReplicaLag", node.lag_ms / 1000, "Seconds") if row.plain else ("AuroraReplicaLag", node.lag_ms, "Milliseconds")
    if now is None:
        return
    yield from _of_machine(row, now.usage)
    before: Reading | None = readings.last(ctx, "metrics", node.id, now)
    span = readings.span(before.usage if before is not None else None, now.usage)
    if span is None or before is None:
        return
    yield "CPUUtilization", span.user + span.system, "Percent"
    for metric, bytes_ in (("ReadThroughput", span.read_bytes), ("WriteThroughput", span.written_bytes)):
        if bytes_ is not None:
            yield metric, bytes_ / span.seconds, "Bytes/Second"
    if instance.klass == SERVERLESS and row.scaling is not None:
        capacity = min(max(ceil(span.capacity * 2) / 2, row.scaling.low), row.scaling.high)
        yield "ServerlessDatabaseCapacity", capacity, "Count"
        yield "ACUUtilization", capacity * 100 / row.scaling.high, "Percent"
    yield from counters.values(ENGINES[row.engine], not row.plain, before.amounts, now.amounts, span.seconds)


def _of_machine(row: Cluster, now: Usage) -> Iterator[Value]:
    memory = now.machine.memory_kb
    yield "FreeableMemory", memory["MemAvailable"] * 1024, "Bytes"
    yield "SwapUsage", (memory["SwapTotal"] - memory["SwapFree"]) * 1024, "Bytes"
    yield "FreeStorageSpace" if row.plain else "FreeLocalStorage", now.machine.disk_kb[2] * 1024, "Bytes"
    if not row.plain:
        yield "EngineUptime", now.uptime_s, "Seconds"
