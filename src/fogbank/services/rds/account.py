"""What an account has: quotas and what is used of them; regions to copy from."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, event_subscriptions, groups, option_groups, proxies, state, subnet_groups
from fogbank.services.rds.faults import invalid
from fogbank.services.rds.groups_state import CLUSTER, DB, OPTION_GROUPS, PARAMETER_GROUPS, PROXIES, SUBNET_GROUPS, SUBSCRIPTIONS
from fogbank.wire import regions

INSTANCES_LIMIT = CLUSTERS_LIMIT = 40
SNAPSHOTS_LIMIT = 100
STORAGE_LIMIT_GIB = 100_000


@operation("DescribeAccountAttributes")
def describe_account_attributes(ctx: Context, req: Any) -> Answer:
    """The quotas of this account and region, with what is used of them. Source: API reference, DescribeAccountAttributes."""
    where = ctx.account, ctx.region
    instances = list(state.INSTANCES.scan(ctx, *where))
    clusters = [cluster for cluster in state.CLUSTERS.scan(ctx, *where) if not cluster.plain]
    manual = [one for one in state.SNAPSHOTS.scan(ctx, *where) if one.type == "manual"]
    subnets = list(SUBNET_GROUPS.scan(ctx, *where))
    quotas = {
        "DBInstances": (len(instances), INSTANCES_LIMIT),
        "AllocatedStorage": (sum(instance.storage_gib for instance in instances), STORAGE_LIMIT_GIB),
        "DBParameterGroups": (sum(1 for _ in PARAMETER_GROUPS.scan(ctx, *where, DB)), groups.LIMIT),
        "ManualSnapshots": (sum(1 for one in manual if one.kind == "snapshot"), SNAPSHOTS_LIMIT),
        "EventSubscriptions": (sum(1 for _ in SUBSCRIPTIONS.scan(ctx, *where)), event_subscriptions.LIMIT),
        "DBSubnetGroups": (len(subnets), subnet_groups.GROUPS_LIMIT),
        "OptionGroups": (sum(1 for _ in OPTION_GROUPS.scan(ctx, *where)), option_groups.LIMIT),
        "SubnetsPerDBSubnetGroup": (max((len(group.subnets) for group in subnets), default=0), subnet_groups.SUBNETS_LIMIT),
        "DBClusters": (len(clusters), CLUSTERS_LIMIT),
        "DBClusterParameterGroups": (sum(1 for _ in PARAMETER_GROUPS.scan(ctx, *where, CLUSTER)), groups.LIMIT),
        "ManualClusterSnapshots": (sum(1 for one in manual if one.kind == "cluster-snapshot"), SNAPSHOTS_LIMIT),
        "DBClusterRoles": (max((len(cluster.roles) for cluster in clusters), default=0), 5),
        "DBProxies": (sum(1 for _ in PROXIES.scan(ctx, *where)), proxies.LIMIT),
    }
    return {"AccountQuotas": [{"AccountQuotaName": name, "Used": used, "Max": most} for name, (used, most) in quotas.items()]}


@operation("DescribeSourceRegions")
def describe_source_regions(ctx: Context, req: Any) -> Answer:
    """The other regions of the partition, which snapshots can be copied from. Errors: InvalidParameterValue."""
    addresses.filters(req, ())
    every = regions.regions().items()
    others = sorted(name for name, one in every if one.partition == ctx.partition and name != ctx.region)
    if req.RegionName is not None and req.RegionName not in others:
        raise invalid(f"Invalid source region: {req.RegionName}")
    found, marker = addresses.page(req, others if req.RegionName is None else [req.RegionName], str)
    listed = [
        {
            "RegionName": name,
            "Endpoint": f"https://rds.{name}.amazonaws.com",
            "Status": "available",
            "SupportsDBInstanceAutomatedBackupsReplication": False,
        }
        for name in found
    ]
    return {"SourceRegions": listed, "Marker": marker}
