"""What can be ordered: instance classes with each engine version, and what an instance can be changed to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, engine_versions, faults, masters
from fogbank.services.rds.engine_versions import LICENSES, Version
from fogbank.services.rds.instance_classes import CLASSES, offered
from fogbank.services.rds.network import ZONES

STORAGE = {"gp2": (20, 65_536), "gp3": (20, 65_536), "io1": (100, 65_536), "io2": (100, 65_536), "standard": (20, 3072)}
"""Storage type of an instance by itself -> the least and the most GiB. What it is makes no difference here: the machine's disk is one."""
_IOPS = {"gp3": (3000, 256_000), "io1": (1000, 256_000), "io2": (1000, 256_000)}
PAGE_LIMIT = 1000


def _options(req: Any) -> Iterator[tuple[Version, str, str]]:
    """Version, class and storage type, in the order of their names."""
    for version in engine_versions.every():
        if version.engine != req.Engine or req.EngineVersion not in (None, version.version, version.major):
            continue
        if req.LicenseModel not in (None, LICENSES.get(version.engine, "general-public-license")):
            continue
        for klass in sorted(CLASSES):
            if offered(version.engine, klass) and req.DBInstanceClass in (None, klass):
                for storage in ("aurora",) if version.aurora else sorted(STORAGE):
                    yield version, klass, storage


def _described(ctx: Context, version: Version, klass: str, storage: str) -> dict[str, Any]:
    least, most = STORAGE.get(storage, (None, None))
    iops = _IOPS.get(storage, (None, None))
    return {
        "Engine": version.engine,
        "EngineVersion": version.version,
        "DBInstanceClass": klass,
        "LicenseModel": LICENSES.get(version.engine, "general-public-license"),
        "AvailabilityZones": [{"Name": ctx.region + zone} for zone in ZONES],
        "MultiAZCapable": not version.aurora,
        "ReadReplicaCapable": not version.aurora,
        "Vpc": True,
        "SupportsStorageEncryption": False,
        "StorageType": storage,
        "SupportsIops": storage in _IOPS,
        "SupportsStorageThroughput": False,
        "SupportsEnhancedMonitoring": True,
        "SupportsIAMDatabaseAuthentication": True,
        "SupportsPerformanceInsights": True,
        "MinStorageSize": least,
        "MaxStorageSize": most,
        "MinIopsPerDbInstance": iops[0],
        "MaxIopsPerDbInstance": iops[1],
        "AvailableProcessorFeatures": [],
        "SupportedEngineModes": masters.modes(version.engine, version.version),
        "SupportsStorageAutoscaling": False,
        "SupportsKerberosAuthentication": False,
        "OutpostCapable": False,
        "SupportedActivityStreamModes": ["async"] if version.engine == "aurora-postgresql" else [],
        "SupportsGlobalDatabases": version.aurora,
        "SupportedNetworkTypes": ["IPV4"],
        "SupportsClusters": False,
        "SupportsDedicatedLogVolume": False,
        "SupportsHttpEndpoint": version.aurora,
    }


@operation("DescribeOrderableDBInstanceOptions")
def describe_orderable_db_instance_options(ctx: Context, req: Any) -> Answer:
    """The classes that an engine's instances can be of, with each version that this machine can run; from 20 to 1,000 at a time.

    Errors: InvalidParameterValue. Source: API reference, DescribeOrderableDBInstanceOptions.
    """
    addresses.filters(req, ())
    size = faults.within(req, "MaxRecords", 20, PAGE_LIMIT, 100)
    after = paging.place(req.Marker, lambda: faults.invalid("Invalid value for Marker."))
    options = _options(req) if req.Vpc is not False and req.AvailabilityZoneGroup is None else iter(())
    rest = (option for option in options if after is None or _name(option) > after)
    found, marker = paging.named(rest, size, _name)
    return {"OrderableDBInstanceOptions": [_described(ctx, *option) for option in found], "Marker": marker}


def _name(option: tuple[Version, str, str]) -> str:
    return f"{option[0].version} {option[1]} {option[2]}"


@operation("DescribeValidDBInstanceModifications")
def describe_valid_db_instance_modifications(ctx: Context, req: Any) -> Answer:
    """The storage that an instance can be given: none, where it is a cluster's. Errors: DBInstanceNotFound, InvalidDBInstanceState."""
    instance = addresses.instance_at(ctx, req.DBInstanceIdentifier)
    if instance.status in ("creating", "deleting", "failed"):
        raise faults.instance_state(f"Instance {instance.name} is not in available state.")
    storage = []
    if addresses.cluster_of(ctx, instance).plain:
        storage = [
            {
                "StorageType": kind,
                "StorageSize": [{"From": max(least, instance.storage_gib), "To": most, "Step": 1}],
                "ProvisionedIops": [{"From": _IOPS[kind][0], "To": _IOPS[kind][1], "Step": 1}] if kind in _IOPS else None,
                "SupportsStorageAutoscaling": False,
            }
            for kind, (least, most) in STORAGE.items()
        ]
    return {"ValidDBInstanceModificationsMessage": {"Storage": storage, "ValidProcessorFeatures": [], "SupportsDedicatedLogVolume": False}}
