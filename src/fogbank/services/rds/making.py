"""What all ways of making a cluster or an instance have in common: creation, restores, clones, replicas.

A request's members come first, then what it is made from (`base`), then AWS's defaults.
"""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.rds import certificates, groups, log_exports, monitoring, option_groups, subnet_groups, tagging, windows
from fogbank.services.rds.addresses import arn, get_cluster, get_instance, identifier, resource_id, take_slot
from fogbank.services.rds.faults import ENGINES, absent, cluster_state, combination, invalid, refuse, within
from fogbank.services.rds.groups_state import CLUSTER, DB
from fogbank.services.rds.instance_classes import SERVERLESS
from fogbank.services.rds.roles import associated
from fogbank.services.rds.state import (
    CLUSTERS_BY_NAME,
    INSTANCES,
    INSTANCES_BY_NAME,
    PORTS,
    READERS_LIMIT,
    Cluster,
    Instance,
    Origin,
    Scaling,
    members,
)
from fogbank.store import change

STORAGE_TYPES = ("gp2", "gp3", "io1", "io2", "standard")
CLUSTERS_LIMIT = INSTANCES_LIMIT = 40
_database = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}").fullmatch
BACKTRACK_LIMIT_S = 259_200
ZONES = ("a", "b", "c")
UNMET: tuple[str, ...] = (
    "CharacterSetName",
    "StorageEncrypted",
    "KmsKeyId",
    "PreSignedUrl",
    "ScalingConfiguration",
    "RdsCustomClusterConfiguration",
    "DBClusterInstanceClass",
    "Iops",
    "Domain",
    "DomainIAMRoleName",
    "EnableGlobalWriteForwarding",
    "EnableLocalWriteForwarding",
    "EnableLimitlessDatabase",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "EnablePerformanceInsights",
    "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod",
    "DBSystemId",
    "CACertificateIdentifier",
    "WithExpressConfiguration",
    "EnableVPCNetworking",
    "EnableInternetAccessGateway",
)
"""What no cluster has: encryption by a key of one's own, directories, Serverless v1, limitless databases, write forwarding."""
_ONLY = {
    "EngineMode": "provisioned",
    "StorageType": "aurora",
    "NetworkType": "IPV4",
    "DatabaseInsightsMode": "standard",
    "ClusterScalabilityType": "standard",
    "EngineLifecycleSupport": "open-source-rds-extended-support",
    "MasterUserAuthenticationType": "password",
    "BackupTarget": "region",
}
"""Members that can only say what is so anyway."""


class Asked:
    """A request, as others of its kind have it: a member that its operation lacks is not given."""

    def __init__(self, req: Any, **instead: Any) -> None:
        """`instead`: members that are something else here."""
        self._req = req
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        return self._instead[name] if name in self._instead else getattr(self._req, name, None)


def check_cluster(operation: str, req: Any) -> None:
    """Refuses by name what a cluster cannot have."""
    if getattr(req, "DBClusterInstanceClass", None):
        raise absent(operation, "DBClusterInstanceClass: Multi-AZ DB clusters")
    refuse(operation, req, *UNMET)
    if getattr(req, "AllocatedStorage", None) or getattr(req, "PubliclyAccessible", None):
        raise invalid("AllocatedStorage and PubliclyAccessible are for Multi-AZ DB clusters only.")
    only(operation, req)


def only(operation: str, req: Any) -> None:
    """Refuses by name a choice that is none."""
    for name, value in _ONLY.items():
        given = getattr(req, name, None)
        if given and given != value:
            raise absent(operation, f"{name} {given}")


def new_cluster(
    ctx: Context, req: Any, name: str, engine: str, version: str, *, base: Cluster | None = None, origin: Origin | None = None
) -> Cluster:
    """A cluster that users see, with addresses of its own; not put yet, and without a password where there is no `base`.

    Errors: DBClusterAlreadyExistsFault, DBClusterQuotaExceededFault, those of groups and windows.
    """
    name = identifier(name, "DBClusterIdentifier")
    if get_cluster(ctx, name) is not None:
        raise cluster_exists()
    if sum(1 for _ in CLUSTERS_BY_NAME.scan(ctx, ctx.account, ctx.region)) >= CLUSTERS_LIMIT:
        raise ServiceException("DBClusterQuotaExceededFault", "The DB cluster quota has been exceeded.", status=403)
    row = change(_made(ctx, req, name, engine, version, base, origin, plain=False), storage_type="aurora")
    group = req.DBClusterParameterGroupName
    return change(
        row,
        writer_slot=take_slot(ctx, row.id),
        reader_slot=take_slot(ctx, row.id),
        zones=_zones(ctx, getattr(req, "AvailabilityZones", None)) or (base.zones if base is not None else ZONES),
        parameter_group=groups.chosen(ctx, CLUSTER, group, engine, version),
        deletion_protection=bool(req.DeletionProtection),
        http_endpoint=bool(getattr(req, "EnableHttpEndpoint", None)),
        backtrack_s=within(req, "BacktrackWindow", 0, BACKTRACK_LIMIT_S, 0),
        scaling=scaling(req, None if base is None else base.scaling),
        roles=associated(req),
        tags=tagging.given(ctx, req.Tags, arn(ctx.account, ctx.region, "cluster", name)),
    )


def cluster_exists() -> ServiceException:
    return ServiceException("DBClusterAlreadyExistsFault", "DB Cluster already exists")


def new_plain(
    ctx: Context, req: Any, name: str, engine: str, version: str, *, base: Cluster | None = None, origin: Origin | None = None
) -> Cluster:
    """The cluster behind an instance that is by itself; not put yet."""
    row = _made(ctx, req, name, engine, version, base, origin, plain=True)
    group = req.OptionGroupName or (base.option_group if base is not None else None)
    return change(
        row, zones=ZONES, option_group=option_groups.chosen(ctx, group, engine, version), deletion_protection=bool(req.DeletionProtection)
    )


def _made(
    ctx: Context, req: Any, name: str, engine: str, version: str, base: Cluster | None, origin: Origin | None, *, plain: bool
) -> Cluster:
    id = resource_id(ctx, "cluster-")
    given_window = getattr(req, "PreferredBackupWindow", None) or (base.backup_window if base is not None else None)
    kept = base.maintenance_window if base is not None and not getattr(req, "PreferredBackupWindow", None) else None
    backup, maintenance = windows.chosen(ctx, given_window, getattr(req, "PreferredMaintenanceWindow", None) or kept)
    least = 0 if plain else 1
    return Cluster(
        account=ctx.account,
        region=ctx.region,
        id=id,
        name=name,
        engine=engine,
        version=version,
        created_at_ms=ctx.now,
        volume=f"{id}-1",
        origin=origin,
        plain=plain,
        user=base.user if base is not None else "",
        password=b"",
        database=base.database if base is not None else "",
        port=within(req, "Port", 1150, 65535, base.port if base is not None else PORTS[ENGINES[engine]]),
        subnet_group=subnet_groups.chosen(ctx, req.DBSubnetGroupName),
        security_groups=subnet_groups.security_groups(ctx, req.VpcSecurityGroupIds),
        retention_days=within(req, "BackupRetentionPeriod", least, 35, base.retention_days if base is not None else 1),
        backup_window=backup,
        maintenance_window=maintenance,
        iam=bool(req.EnableIAMDatabaseAuthentication),
        copy_tags=bool(req.CopyTagsToSnapshot),
        auto_minor=getattr(req, "AutoMinorVersionUpgrade", None) is not False,
        backup_tags=specified(ctx, req, "auto-backup" if plain else "cluster-auto-backup"),
        log_exports=log_exports.checked(ctx, engine, getattr(req, "EnableCloudwatchLogsExports", None)),
        clone_group=base.clone_group if base is not None else "",
    )


def specified(ctx: Context, req: Any, kind: str) -> dict[str, str]:
    """The tags that TagSpecifications give to one kind of thing. Errors: InvalidParameterValue."""
    tags: dict[str, str] = {}
    for each in getattr(req, "TagSpecifications", None) or ():
        if each.ResourceType != kind:
            raise invalid(f"Invalid ResourceType {each.ResourceType} in TagSpecifications.")
        tags |= tagging.given(ctx, each.Tags)
    return tags


def _zones(ctx: Context, given: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(zone_of(ctx, zone) for zone in given or ()))


def zone_of(ctx: Context, zone: str) -> str:
    """The letter of an Availability Zone of this region. Errors: InvalidParameterValue."""
    letter = zone.removeprefix(ctx.region)
    if letter not in ZONES or letter == zone:
        raise invalid(f"Invalid Availability Zone: [{zone}]. Valid ones: {', '.join(ctx.region + letter for letter in ZONES)}.")
    return letter


def scaling(req: Any, before: Scaling | None) -> Scaling | None:
    """Aurora Serverless v2's bounds. Errors: InvalidParameterValue, InvalidParameterCombination."""
    given = req.ServerlessV2ScalingConfiguration
    if given is None:
        return before
    low = given.MinCapacity if given.MinCapacity is not None else (before.low if before is not None else None)
    high = given.MaxCapacity if given.MaxCapacity is not None else (before.high if before is not None else None)
    if low is None or high is None:
        raise combination("Set MinCapacity and MaxCapacity in the Serverless v2 scaling configuration.")
    if not (0 <= low <= 256 and 1 <= high <= 256) or low * 2 % 1 or high * 2 % 1:
        raise invalid("Serverless v2 capacity isn't valid: use steps of 0.5, from 0 for MinCapacity and from 1 for MaxCapacity, up to 256.")
    if low > high:
        raise combination("Serverless v2 maximum capacity must be greater than or equal to the minimum capacity.")
    pause = given.SecondsUntilAutoPause
    if pause is not None and (low or not 300 <= pause <= 86_400):
        raise combination("SecondsUntilAutoPause is from 300 to 86400, and only where MinCapacity is 0.")
    return Scaling(low, high, (pause or (before.pause_s if before is not None else 0) or 300) if not low else 0)


# Instances


def new_instance(ctx: Context, req: Any, name: str, of: Cluster, klass: str) -> Instance:
    """An instance of a cluster, in the zone where the fewest are; not put yet.

    Errors: DBInstanceAlreadyExistsFault, InstanceQuotaExceededFault, InvalidParameterValue, InvalidParameterCombination.
    """
    name = identifier(name, "DBInstanceIdentifier")
    if get_instance(ctx, name) is not None:
        raise ServiceException("DBInstanceAlreadyExistsFault", "DB instance already exists")
    if sum(1 for _ in INSTANCES_BY_NAME.scan(ctx, ctx.account, ctx.region)) >= INSTANCES_LIMIT:
        raise ServiceException("InstanceQuotaExceededFault", "The DB instance quota has been exceeded.")
    id = resource_id(ctx, "db-")
    there = list(members(ctx, of))
    zone = getattr(req, "AvailabilityZone", None)
    return Instance(
        account=ctx.account,
        region=ctx.region,
        id=id,
        name=name,
        cluster=of.id,
        klass=klass,
        created_at_ms=ctx.now,
        restarted_at_ms=ctx.now,
        node=id,
        zone=zone_of(ctx, zone) if zone else emptiest(of, there),
        slot=take_slot(ctx, id),
        tier=within(req, "PromotionTier", 0, 15, 1),
        parameter_group=groups.chosen(ctx, DB, req.DBParameterGroupName, of.engine, of.version),
        maintenance_window=_instance_window(ctx, req, of),
        auto_minor=req.AutoMinorVersionUpgrade is not False,
        public=bool(req.PubliclyAccessible),
        certificate=certificate(ctx, req) or certificates.default(ctx),
        tags=tagging.given(ctx, req.Tags, arn(ctx.account, ctx.region, "db", name)),
        **insights(req),
        **monitoring.asked(ctx, req),
    )


def flag(value: bool | None, before: bool) -> bool:
    """What a request says, or what was so before."""
    return before if value is None else value


def check_readers(ctx: Context, of: Cluster) -> None:
    """Errors: InstanceQuotaExceededFault, where a cluster has its writer and 15 readers already."""
    if sum(1 for instance in members(ctx, of) if instance.status != "deleting") > READERS_LIMIT:
        raise ServiceException(
            "InstanceQuotaExceededFault", f"DB cluster {of.name} has reached the maximum of {READERS_LIMIT} Aurora Replicas."
        )


def _instance_window(ctx: Context, req: Any, of: Cluster) -> str:
    given = getattr(req, "PreferredMaintenanceWindow", None)
    if not given:
        return of.maintenance_window if of.plain else windows.chosen(ctx, of.backup_window, None)[1]
    windows.check(of.backup_window, given)
    return str(given).lower()


def emptiest(of: Cluster, there: list[Instance], *besides: str) -> str:
    """The zone with the fewest of a cluster's instances."""
    zones = [zone for zone in of.zones if zone not in besides] or [zone for zone in ZONES if zone not in besides]
    return min(zones, key=lambda zone: (sum(1 for instance in there if instance.zone == zone), zones.index(zone)))


def certificate(ctx: Context, req: Any) -> str:
    """The certificate authority that a request names. Errors: CertificateNotFound."""
    return certificates.check(ctx, req.CACertificateIdentifier) if req.CACertificateIdentifier else ""


def insights(req: Any) -> dict[str, Any]:
    """What a request says of Performance Insights. Errors: InvalidParameterValue, InvalidParameterCombination."""
    days = req.PerformanceInsightsRetentionPeriod
    if not req.EnablePerformanceInsights:
        if days is not None:
            raise combination("PerformanceInsightsRetentionPeriod can be set only when Performance Insights is enabled.")
        return {"insights": False, "insights_days": 0}
    if days not in (None, 7, 731) and (days % 31 or not 1 <= days // 31 <= 23):
        raise invalid(f"Invalid Performance Insights retention period: {days}. Valid values are 7, month * 31 for 1 to 23 months, and 731.")
    return {"insights": True, "insights_days": days or 7}


def with_standby(ctx: Context, of: Cluster, instance: Instance) -> Instance:
    """A Multi-AZ instance: with a hidden node in another zone."""
    return change(instance, standby=resource_id(ctx, "db-"), standby_zone=emptiest(of, [], instance.zone))


def put_instance(ctx: Context, of: Cluster, instance: Instance) -> Cluster:
    """Puts a new instance; the first one of a cluster that repeats nothing writes."""
    INSTANCES.put(ctx, instance)
    if not of.writer and not of.follows:
        of = change(of, writer=instance.node)
    if instance.klass == SERVERLESS and of.scaling is None:
        raise combination(
            "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a Serverless v2 DB instance."
        )
    return of


def storage(req: Any, before: Instance | None) -> dict[str, Any]:
    """The storage that an instance is described with. It is the machine's: it grows as it must, is as fast as that is, and has no quota.

    Errors: InvalidParameterValue, InvalidParameterCombination.
    """
    size = req.AllocatedStorage if req.AllocatedStorage is not None else (before.storage_gib if before is not None else 20)
    iops = req.Iops if req.Iops is not None else (before.iops if before is not None else 0)
    kind = req.StorageType or (before.storage_type if before is not None and before.storage_type else "io1" if req.Iops else "gp2")
    if kind not in STORAGE_TYPES:
        raise invalid(f"Invalid storage type: {kind}")
    if not 20 <= size <= 65_536 and not (kind == "standard" and size >= 5):
        raise invalid(f"Invalid storage size for storage type {kind}: {size}")
    if before is not None and size < before.storage_gib:
        raise invalid(f"Invalid max storage size: {size} GiB is less than the {before.storage_gib} GiB that are allocated.")
    if iops and kind in ("gp2", "standard"):
        raise combination(f"You can't specify IOPS for storage type {kind}.")
    return {"storage_gib": size, "storage_type": kind, "iops": iops}


# Checks that many operations make


def check_available(row: Cluster, *also: str) -> None:
    """Errors: InvalidDBClusterStateFault."""
    if row.status not in ("available", *also):
        raise cluster_state(f"DbCluster {row.name} is in {row.status} state, but expected available.")


def check_final(req: Any) -> None:
    """Errors: InvalidParameterCombination, where a last snapshot is neither named nor refused, or both."""
    if req.SkipFinalSnapshot and req.FinalDBSnapshotIdentifier:
        raise combination("FinalDBSnapshotIdentifier can not be specified when deleting a cluster with SkipFinalSnapshot enabled")
    if not req.SkipFinalSnapshot and not req.FinalDBSnapshotIdentifier:
        raise combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")


def database_name(name: str | None) -> str:
    """The first database's name. Errors: InvalidParameterValue."""
    if name and not _database(name):
        raise invalid("DatabaseName must begin with a letter and contain only alphanumeric characters.")
    return name or ""
