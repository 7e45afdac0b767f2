"""Global clusters as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Naming, Part, Properties, ResourceType, every, given
from fogbank.services.rds.resources_groups import tagged


def _call(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("rds", operation, given(**members))


def _global(ctx: Context, identifier: str) -> dict[str, Any]:
    held: dict[str, Any] = _call(ctx, "DescribeGlobalClusters", GlobalClusterIdentifier=identifier)["GlobalClusters"][0]
    return held


def _create_global(ctx: Context, properties: Properties) -> str:
    members = dict(properties)
    if members.get("SourceDBClusterIdentifier"):
        members.pop("Engine", None)
        members.pop("EngineVersion", None)
        if not members["SourceDBClusterIdentifier"].startswith("arn:"):
            members["SourceDBClusterIdentifier"] = ctx.arn(f"cluster:{members['SourceDBClusterIdentifier']}", service="rds")
    made: str = _call(ctx, "CreateGlobalCluster", **members)["GlobalCluster"]["GlobalClusterIdentifier"]
    return made


def _read_global(ctx: Context, identifier: str) -> Properties:
    held = _global(ctx, identifier)
    endpoint = held.get("Endpoint")
    return {
        name: held.get(name) for name in ("GlobalClusterIdentifier", "Engine", "EngineVersion", "DeletionProtection", "StorageEncrypted")
    } | {"GlobalEndpoint": {"Address": endpoint} if endpoint else None}


def _put_global(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    members = {name: after.get(name) for name in ("DeletionProtection", "EngineVersion")}
    _call(ctx, "ModifyGlobalCluster", GlobalClusterIdentifier=identifier, **members)


GLOBAL = ResourceType(
    "AWS::RDS::GlobalCluster",
    create=_create_global,
    made_with=(
        "GlobalClusterIdentifier",
        "SourceDBClusterIdentifier",
        "Engine",
        "EngineVersion",
        "DeletionProtection",
        "StorageEncrypted",
        "Tags",
    ),
    read=_read_global,
    delete=lambda ctx, identifier, properties: _call(ctx, "DeleteGlobalCluster", GlobalClusterIdentifier=identifier),
    list=lambda ctx: (
        one["GlobalClusterIdentifier"] for one in every(ctx, "rds", "DescribeGlobalClusters", {}, "GlobalClusters", "Marker")
    ),
    parts=(Part(("DeletionProtection", "EngineVersion"), _put_global), tagged("global-cluster", region="")),
    naming=Naming("GlobalClusterIdentifier", 63, lower=True),
    absent=("GlobalClusterNotFoundFault",),
    present=("GlobalClusterAlreadyExistsFault",),
)
