"""Clusters with two writers, EngineMode multimaster (docs/design/multi-master.md): how one is asked for, and what cannot be had of it."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.rds.faults import absent, cluster_state, refuse
from fogbank.services.rds.state import Cluster, members
from fogbank.store import change

MODE = "multimaster"
_WRITERS = 2
_SINCE = 17
"""Of PostgreSQL's major versions."""
_UNMET = ("BacktrackWindow", "ServerlessV2ScalingConfiguration", "BackupRetentionPeriod", "PreferredBackupWindow")
"""A volume's history goes back only as far as it has been the truth: nothing can be promised of it."""


def mode(row: Cluster) -> str:
    """EngineMode."""
    return MODE if row.masters else "provisioned"


def modes(engine: str, version: str) -> list[str]:
    """SupportedEngineModes."""
    two = engine == "aurora-postgresql" and int(version.split(".")[0]) >= _SINCE
    return ["provisioned", MODE] if two else ["provisioned"]


def chosen(operation: str, req: Any, row: Cluster) -> Cluster:
    """A new cluster that is to have two writers."""
    if MODE not in modes(row.engine, row.version):
        raise absent(operation, f"EngineMode {MODE} of Engine {row.engine} {row.version}")
    for name in (*_UNMET, "GlobalClusterIdentifier", "ReplicationSourceIdentifier"):
        if getattr(req, name, None):
            raise absent(operation, f"EngineMode {MODE} and {name}")
    return change(row, masters=True, retention_days=0)


def check_changes(operation: str, req: Any, row: Cluster) -> None:
    """Refuses by name what one cannot become."""
    if row.masters:
        refuse(operation, req, *_UNMET, "EngineVersion")


def check_writers(ctx: Context, row: Cluster) -> None:
    """Errors: InvalidDBClusterStateFault, where it has both its writers already."""
    if row.masters and sum(1 for instance in members(ctx, row) if instance.status != "deleting") >= _WRITERS:
        raise cluster_state(f"DbCluster {row.name} is a multi-master cluster: it has at most {_WRITERS} DB instances.")


def lacks(operation: str, row: Cluster) -> None:
    """Refuses what is not to be had of one."""
    if row.masters:
        raise absent(operation, "a multi-master cluster")
