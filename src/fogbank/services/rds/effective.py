"""What an instance's engine is told: what its class gives it, under what its parameter groups say."""

from __future__ import annotations

from fogbank.engines.postgres.parameters import INSTANCE
from fogbank.kernel.context import Context
from fogbank.services.rds import families, groups, instance_classes
from fogbank.services.rds.groups_state import CLUSTER, DB
from fogbank.services.rds.instance_classes import InstanceClass
from fogbank.services.rds.state import Cluster, Instance

_IDLE_UNITS, _IDLE_CONNECTIONS = 1, 2000
"""A Serverless v2 cluster that goes down to less than one capacity unit has so many connections at most."""


def parameters(ctx: Context, cluster: Cluster, instance: Instance) -> dict[str, str]:
    """By the engine's own names; an instance's own group comes before its cluster's."""
    where, since_ms, size = (instance.account, instance.region), instance.restarted_at_ms, size_of(cluster, instance)
    told = _given(cluster, size)
    if cluster.engine == "aurora-postgresql":
        told[INSTANCE] = instance.name
    if not cluster.plain:
        told |= groups.values(ctx, *where, CLUSTER, cluster.parameter_group, size=size, restarted_at_ms=since_ms)
    return told | groups.values(ctx, *where, DB, instance.parameter_group, size=size, restarted_at_ms=since_ms)


def size_of(cluster: Cluster, instance: Instance) -> InstanceClass:
    """The class of an instance; a serverless one is as large as it can become."""
    return instance_classes.sized(instance.klass, cluster.scaling.high if cluster.scaling is not None else 0)


def _given(cluster: Cluster, size: InstanceClass) -> dict[str, str]:
    """Source: "How Aurora Serverless v2 works", on the maximum connections; parameter groups' defaults."""
    told = families.given(cluster.engine, size)
    low = cluster.scaling.low if cluster.scaling is not None and size.name == instance_classes.SERVERLESS else _IDLE_UNITS
    if low < _IDLE_UNITS:
        told["max_connections"] = str(min(int(told["max_connections"]), _IDLE_CONNECTIONS))
    return told
