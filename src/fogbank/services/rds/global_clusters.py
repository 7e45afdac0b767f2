"""Global clusters: Aurora clusters in several regions, of which one writes; and how another one takes over.

A switchover loses nothing: the primary stops writing, the target begins where that one ended, and then all others, the former primary
too, repeat the target. A failover does not ask the primary: the target begins with what has reached it.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, operation, task
from fogbank.kernel.tags import pairs
from fogbank.services.rds import converging, engine_versions, events, making, masters, repeating, tagging, volumes
from fogbank.services.rds.addresses import RESOURCE_CHARACTERS, arn, cluster_arn, filters, get_cluster, identifier, page
from fogbank.services.rds.faults import check_engine, cluster_missing, combination, missing, refuse
from fogbank.services.rds.global_members import global_at, member_row, state, writer_of
from fogbank.services.rds.state import CLUSTERS, DAY_MS, GLOBALS, Cluster, GlobalCluster, Member, next_volume
from fogbank.store import change

GLOBALS_LIMIT = 20
STOPS, CATCHES_UP, GOES_ON = range(3)
"""The steps of a switchover: what is waited for in each."""
TOPIC = "global-failover"


def described(ctx: Context, row: GlobalCluster) -> dict[str, Any]:
    """GlobalCluster."""
    there = [(member, member_row(ctx, row, member)) for member in row.members]
    arns = {member.cluster: cluster_arn(found) for member, found in there if found is not None}
    writer = next((found for member, found in there if member.writer and found is not None), None)
    return {
        "GlobalClusterIdentifier": row.name,
        "GlobalClusterResourceId": row.id,
        "GlobalClusterArn": arn(row.account, ctx.region, "global-cluster", row.name),
        "Status": row.status,
        "Engine": row.engine,
        "EngineVersion": row.version,
        "DatabaseName": row.database or None,
        "StorageEncrypted": False,
        "DeletionProtection": row.deletion_protection,
        "Endpoint": ctx.databases.address(writer.writer_slot) if writer is not None else None,
        "GlobalClusterMembers": [
            {
                "DBClusterArn": arns[member.cluster],
                "IsWriter": member.writer,
                "Readers": [arns[other.cluster] for other in row.members if other is not member and other.cluster in arns]
                if member.writer
                else [],
                "SynchronizationStatus": "connected" if found is not None and (found.follows or member.writer) else "pending-resync",
            }
            for member, found in there
            if found is not None
        ],
        "FailoverState": {
            "Status": row.state,
            "FromDbClusterArn": row.state_from,
            "ToDbClusterArn": row.state_to,
            "IsDataLossAllowed": row.data_loss,
        }
        if row.state
        else None,
        "TagList": pairs(row.tags),
    }


@operation("CreateGlobalCluster")
def create_global_cluster(ctx: Context, req: Any) -> Answer:
    """Makes a global cluster: empty, or with a cluster that is there as its primary.

    Errors: GlobalClusterAlreadyExistsFault, GlobalClusterQuotaExceededFault, DBClusterNotFoundFault, InvalidDBClusterStateFault,
    InvalidParameterCombination. Source: API reference, CreateGlobalCluster.
    """
    refuse("CreateGlobalCluster", req, "StorageEncrypted")
    making.only("CreateGlobalCluster", req)
    if not req.GlobalClusterIdentifier:
        raise missing("The parameter GlobalClusterIdentifier must be provided and must not be blank.")
    name = identifier(req.GlobalClusterIdentifier, "GlobalClusterIdentifier")
    if GLOBALS.get(ctx, ctx.account, name) is not None:
        raise ServiceException("GlobalClusterAlreadyExistsFault", f"Global cluster {name} already exists.")
    if sum(1 for _ in GLOBALS.scan(ctx, ctx.account)) >= GLOBALS_LIMIT:
        raise ServiceException("GlobalClusterQuotaExceededFault", "The global cluster quota has been exceeded.")
    row = GlobalCluster(
        account=ctx.account,
        name=name,
        id="cluster-" + ctx.random.text(16, RESOURCE_CHARACTERS).lower(),
        engine="",
        version="",
        database=making.database_name(req.DatabaseName),
        deletion_protection=bool(req.DeletionProtection),
        tags=tagging.given(ctx, req.Tags, arn(ctx.account, ctx.region, "global-cluster", name)),
    )
    if req.SourceDBClusterIdentifier:
        row = _around(ctx, req, row)
    else:
        if not req.Engine:
            raise combination("Either Engine or SourceDBClusterIdentifier must be specified.")
        check_engine("CreateGlobalCluster", req.Engine, aurora=True)
        row = change(row, engine=req.Engine, version=engine_versions.chosen(ctx, req.Engine, req.EngineVersion))
    GLOBALS.put(ctx, row)
    return {"GlobalCluster": described(ctx, row)}


def _around(ctx: Context, req: Any, row: GlobalCluster) -> GlobalCluster:
    """A new global cluster with a primary."""
    for name in ("Engine", "EngineVersion", "DatabaseName"):
        if getattr(req, name):
            raise combination(f"When creating a global cluster from an existing DB cluster, value for {name} should not be specified.")
    source = get_cluster(ctx, req.SourceDBClusterIdentifier)
    if source is None or source.account != ctx.account:
        raise cluster_missing(req.SourceDBClusterIdentifier)
    masters.lacks("CreateGlobalCluster", source)
    making.check_available(source)
    if source.global_cluster or source.follows:
        raise ServiceException(
            "InvalidDBClusterStateFault", f"DbCluster {source.name} is a member of a global cluster, or replicates another one."
        )
    CLUSTERS.put(ctx, change(source, global_cluster=row.name))
    members = (Member(source.region, source.id, True),)
    return change(row, engine=source.engine, version=source.version, database=source.database, members=members)


@operation("ModifyGlobalCluster")
def modify_global_cluster(ctx: Context, req: Any) -> Answer:
    """Renames a global cluster, or protects it from deletion.

    Errors: GlobalClusterNotFoundFault, GlobalClusterAlreadyExistsFault, InvalidGlobalClusterStateFault.
    Source: API reference, ModifyGlobalCluster.
    """
    row = _available(global_at(ctx, req.GlobalClusterIdentifier or ""))
    if req.EngineVersion:
        version = engine_versions.chosen(ctx, row.engine, req.EngineVersion)
        engine_versions.check_upgrade(ctx, row.engine, row.version, version, bool(req.AllowMajorVersionUpgrade))
        row = change(row, version=version)
    if req.DeletionProtection is not None:
        row = change(row, deletion_protection=req.DeletionProtection)
    if req.NewGlobalClusterIdentifier:
        name = identifier(req.NewGlobalClusterIdentifier, "NewGlobalClusterIdentifier")
        if name != row.name and GLOBALS.get(ctx, ctx.account, name) is not None:
            raise ServiceException("GlobalClusterAlreadyExistsFault", f"Global cluster {name} already exists.")
        GLOBALS.delete(ctx, row)
        row = change(row, name=name)
        for member in row.members:
            found = member_row(ctx, row, member)
            if found is not None:
                CLUSTERS.put(ctx, change(found, global_cluster=name))
    GLOBALS.put(ctx, row)
    return {"GlobalCluster": described(ctx, row)}


def _available(row: GlobalCluster) -> GlobalCluster:
    if row.status != "available":
        raise state(f"Global cluster {row.name} is in {row.status} state, but expected available.")
    return row


@operation("DeleteGlobalCluster")
def delete_global_cluster(ctx: Context, req: Any) -> Answer:
    """Deletes a global cluster that has no members any more. Errors: GlobalClusterNotFoundFault, InvalidGlobalClusterStateFault.

    Source: API reference, DeleteGlobalCluster.
    """
    row = _available(global_at(ctx, req.GlobalClusterIdentifier))
    if row.deletion_protection:
        raise combination("Cannot delete protected Global Cluster, please disable deletion protection and try again.")
    if row.members:
        raise state(f"Global Cluster {row.name} is not empty")
    GLOBALS.delete(ctx, row)
    return {"GlobalCluster": described(ctx, change(row, status="deleting"))}


@operation("DescribeGlobalClusters")
def describe_global_clusters(ctx: Context, req: Any) -> Answer:
    """The account's global clusters by name, or one; the filter `region` leaves those with a member there.

    Errors: GlobalClusterNotFoundFault, InvalidParameterValue. Source: API reference, DescribeGlobalClusters.
    """
    wanted = filters(req, ("region", "db-cluster-id"))
    if req.GlobalClusterIdentifier:
        found = [global_at(ctx, req.GlobalClusterIdentifier)]
    else:
        found = list(GLOBALS.scan(ctx, ctx.account))
    if "region" in wanted:
        found = [row for row in found if any(member.region in wanted["region"] for member in row.members)]
    if "db-cluster-id" in wanted:
        given = set(wanted["db-cluster-id"])
        found = [row for row in found if given & {each["DBClusterArn"] for each in described(ctx, row)["GlobalClusterMembers"]}]
    rows, marker = page(req, found, lambda row: row.name)
    return {"GlobalClusters": [described(ctx, row) for row in rows], "Marker": marker}


def _member(ctx: Context, row: GlobalCluster, text: str) -> tuple[Member, Cluster]:
    """A member by its cluster's ARN or identifier. Errors: DBClusterNotFoundFault."""
    for member in row.members:
        found = member_row(ctx, row, member)
        if found is not None and text.lower() in (cluster_arn(found).lower(), found.name):
            return member, found
    raise cluster_missing(text)


@operation("RemoveFromGlobalCluster")
def remove_from_global_cluster(ctx: Context, req: Any) -> Answer:
    """Takes a cluster out: a secondary goes on by itself from what it has. The primary goes last.

    Errors: GlobalClusterNotFoundFault, DBClusterNotFoundFault, InvalidGlobalClusterStateFault. Source: API reference.
    """
    row = _available(global_at(ctx, req.GlobalClusterIdentifier or ""))
    if not req.DbClusterIdentifier:
        raise missing("The parameter DbClusterIdentifier must be provided and must not be blank.")
    member, found = _member(ctx, row, req.DbClusterIdentifier)
    if member.writer and len(row.members) > 1:
        raise state(f"The primary cluster {found.name} can be removed from {row.name} only when it has no secondary clusters any more.")
    row = change(row, members=tuple(other for other in row.members if other.cluster != member.cluster))
    GLOBALS.put(ctx, row)
    where = ctx.of(found.account, found.region)
    if member.writer:
        CLUSTERS.put(ctx, change(found, global_cluster=""))
    else:
        converging.ask(where, change(repeating.promoted(where, found), global_cluster="", status="promoting"))
    events.tell(where, "db-cluster", found.name, f"Removed from global cluster {row.name}{_lost(ctx, found, not member.writer)}", TOPIC)
    return {"GlobalCluster": described(ctx, row)}


# Another member takes over


@operation("SwitchoverGlobalCluster")
def switchover_global_cluster(ctx: Context, req: Any) -> Answer:
    """Has a secondary write instead of the primary; nothing is lost.

    Errors: GlobalClusterNotFoundFault, InvalidGlobalClusterStateFault, DBClusterNotFoundFault, InvalidDBClusterStateFault.
    Source: API reference, SwitchoverGlobalCluster.
    """
    return _take_over(ctx, req, data_loss=False)


@operation("FailoverGlobalCluster")
def failover_global_cluster(ctx: Context, req: Any) -> Answer:
    """Has a secondary write, with AllowDataLoss from what has reached it, whatever the primary is doing; else as a switchover.

    Errors: GlobalClusterNotFoundFault, InvalidGlobalClusterStateFault, DBClusterNotFoundFault, InvalidDBClusterStateFault,
    InvalidParameterCombination. Source: API reference, FailoverGlobalCluster.
    """
    if req.AllowDataLoss and req.Switchover:
        raise combination("You can't specify both AllowDataLoss and Switchover.")
    return _take_over(ctx, req, data_loss=bool(req.AllowDataLoss))


def _take_over(ctx: Context, req: Any, *, data_loss: bool) -> Answer:
    row = _available(global_at(ctx, req.GlobalClusterIdentifier))
    member, target = _member(ctx, row, req.TargetDbClusterIdentifier)
    primary = writer_of(ctx, row)
    if member.writer or primary is None:
        raise state(f"DbCluster {target.name} is the primary cluster of {row.name} already.")
    making.check_available(target)
    if not data_loss:
        making.check_available(primary)
    status, what = ("failing-over", "failover") if data_loss else ("switching-over", "switchover")
    row = change(row, status=status, state=status, state_from=cluster_arn(primary), state_to=cluster_arn(target), data_loss=data_loss)
    GLOBALS.put(ctx, row)
    at = ctx.of(primary.account, primary.region)
    if not data_loss:
        converging.ask(at, change(primary, status=status, writer=""))
    ctx.later("rds.take_over", {"name": row.name, "from": [primary.region, primary.id], "to": [target.region, target.id], "step": STOPS})
    there = ctx.of(target.account, target.region)
    events.tell(there, "db-cluster", target.name, f"Global {what} to DB cluster started{_lost(ctx, target, data_loss)}", TOPIC)
    return {"GlobalCluster": described(ctx, row)}


@task("take_over")
def take_over(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """One step: when the primary has stopped writing, and then the target has all of it, the target becomes a fork of what it has; when it
    is one, the others repeat it."""
    row = GLOBALS.get(ctx, ctx.account, payload["name"])
    primary = CLUSTERS.get(ctx, ctx.account, *payload["from"])
    target = CLUSTERS.get(ctx, ctx.account, *payload["to"])
    if row is None or target is None:
        return None
    step = payload["step"]
    if step == STOPS and row.data_loss:
        step = CATCHES_UP
    awaited = primary if step == STOPS else target
    if awaited is not None and awaited.settled != awaited.revision and not (step == CATCHES_UP and row.data_loss):
        return Wait((CLUSTERS.watch(awaited.account, awaited.region, awaited.id),), ctx.now + DAY_MS)
    if step != GOES_ON:
        at = ctx.of(target.account, target.region)
        after = target if step == STOPS else repeating.promoted(at, target)
        converging.ask(at, change(after, status="modifying"))
        ctx.later("rds.take_over", payload | {"step": step + 1})
        return None
    members = tuple(Member(member.region, member.cluster, member.cluster == target.id) for member in row.members)
    for member in members:
        other = member_row(ctx, row, member)
        if other is not None and not member.writer:
            _follow(ctx, other, target)
    GLOBALS.put(ctx, change(row, status="available", members=members, state="", state_from="", state_to="", data_loss=False))
    events.tell(ctx.of(target.account, target.region), "db-cluster", target.name, "Global failover to DB cluster finished", TOPIC)
    return None


def _lost(ctx: Context, target: Cluster, data_loss: bool) -> str:
    """What is lost where nobody waits for the primary: the last that it acknowledged, as far as it is known."""
    look = ctx.databases.look(target.id) if data_loss else None
    return f". RPO lag: {look.volume.lag_ms:.0f} ms" if look is not None and look.volume is not None else ""


def _follow(ctx: Context, other: Cluster, target: Cluster) -> None:
    """Has a member repeat the new primary, on a volume of its own that begins anew."""
    at = ctx.of(other.account, other.region)
    until_ms = ctx.now if other.follows else ctx.now + other.retention_days * DAY_MS
    volumes.leave(at, other.volume, other.id, until_ms, ctx.now)
    converging.ask(at, change(other, volume=next_volume(other), origin=None, follows=target.volume, writer="", status="modifying"))
