"""How a snapshot comes and goes: a point of a volume, which the storage keeps until the last snapshot that has it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fogbank.engines.spec import Failed
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.rds import events, volumes
from fogbank.services.rds.addresses import identifier
from fogbank.services.rds.state import SNAPSHOTS, SNAPSHOTS_OF, Cluster, Instance, Snapshot
from fogbank.store import change

MANUAL_LIMIT = 100


class Kind(NamedTuple):
    """One of the two: the type in ARNs, AWS's word, and the codes that go with it."""

    type: str
    word: str
    exists: str
    state: str
    event: str


CLUSTER = Kind(
    "cluster-snapshot",
    "DBClusterSnapshot",
    "DBClusterSnapshotAlreadyExistsFault",
    "InvalidDBClusterSnapshotStateFault",
    "db-cluster-snapshot",
)
INSTANCE = Kind("snapshot", "DBSnapshot", "DBSnapshotAlreadyExistsFault", "InvalidDBSnapshotStateFault", "db-snapshot")
KINDS = {kind.type: kind for kind in (CLUSTER, INSTANCE)}


def begin(
    ctx: Context, row: Cluster, instance: Instance | None, kind: str, name: str, *, tags: dict[str, str], type: str = "manual"
) -> Snapshot:
    """Puts a snapshot that is being made. Errors: DBClusterSnapshotAlreadyExistsFault, SnapshotQuotaExceededFault and the like."""
    kept = name if type == "automated" else identifier(name, f"{KINDS[kind].word}Identifier", 255)
    snapshot = Snapshot(
        account=row.account,
        region=row.region,
        kind=kind,
        name=kept,
        type=type,
        created_at_ms=ctx.now,
        volume=row.volume,
        point=ctx.random.uuid(),
        of=row,
        instance=instance,
        tags=tags,
        storage_gib=instance.storage_gib if instance is not None else 1,
    )
    check_new(ctx, KINDS[kind], snapshot)
    SNAPSHOTS.put(ctx, snapshot)
    ctx.later("rds.snapshot", {"kind": kind, "name": kept})
    return snapshot


def check_new(ctx: Context, kind: Kind, snapshot: Snapshot) -> None:
    """Errors: DBClusterSnapshotAlreadyExistsFault, SnapshotQuotaExceededFault and the like."""
    if SNAPSHOTS.get(ctx, snapshot.account, snapshot.region, kind.type, snapshot.name) is not None:
        raise ServiceException(
            kind.exists, f"Cannot create the snapshot because a snapshot with the identifier {snapshot.name} already exists."
        )
    if snapshot.type == "manual":
        there = sum(1 for one in SNAPSHOTS.scan(ctx, snapshot.account, snapshot.region, kind.type) if one.type == "manual")
        if there >= MANUAL_LIMIT:
            raise ServiceException("SnapshotQuotaExceededFault", f"Cannot create more than {MANUAL_LIMIT} manual snapshots.")


@task("snapshot")
def snapshot(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Has the storage keep the point that a snapshot is."""
    kind = KINDS[payload["kind"]]
    row = SNAPSHOTS.get(ctx, ctx.account, ctx.region, kind.type, payload["name"])
    if row is None or row.status != "creating":
        return None
    try:
        point = ctx.outside("keep", lambda done: ctx.databases.keep(row.volume, row.point, done))
    except Failed as problem:
        SNAPSHOTS.put(ctx, change(row, status="failed"))
        events.tell(ctx, kind.event, row.name, str(problem), "notification")
        return None
    gib = max(1, -(-point.bytes // 2**30)) if row.instance is None else row.storage_gib
    SNAPSHOTS.put(ctx, change(row, status="available", created_at_ms=point.at_ms or row.created_at_ms, storage_gib=gib))
    said = "Manual" if row.type == "manual" else "Automated"
    what = "cluster snapshot" if kind is CLUSTER else "snapshot"
    events.tell(ctx, kind.event, row.name, f"{said} {what} created", "creation" if kind is INSTANCE else "backup")
    return None


def remove(ctx: Context, row: Snapshot) -> None:
    """Deletes a snapshot's row, and lets go of its point with the last one that has it."""
    SNAPSHOTS.delete(ctx, row)
    if not any(other.point == row.point for other in SNAPSHOTS_OF.scan(ctx, row.volume)):
        ctx.later("rds.release", {"volume": row.volume, "point": row.point})


@task("release")
def release(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Lets go of a point of a volume; of the volume, too, where that was all that was left of it."""
    ctx.outside("release", lambda done: ctx.databases.release(payload["volume"], payload["point"], done))
    volumes.forget_later(ctx, payload["volume"])
    return None


def automated(ctx: Context, row: Cluster) -> Iterator[Snapshot]:
    """The automated snapshots of a cluster, or of an instance that is by itself."""
    kind = INSTANCE if row.plain else CLUSTER
    return (one for one in SNAPSHOTS.scan(ctx, row.account, row.region, kind.type, starting="rds:") if one.of.id == row.id)
