"""Roles that a cluster or an instance acts as, each for a feature: what SQL functions reach out with."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import converging
from fogbank.services.rds.addresses import cluster_at, cluster_of, instance_at
from fogbank.services.rds.faults import combination, instance_state, invalid
from fogbank.services.rds.state import Cluster, Role
from fogbank.store import change

ROLES_LIMIT = 5
FEATURES = ("Lambda", "s3Import", "s3Export", "SageMaker", "Comprehend", "Bedrock", "")


def _role(arn: str, feature: str | None) -> Role:
    parsed = Arn.parse(arn)
    if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("role/"):
        raise invalid(f"The IAM role ARN value is invalid or does not include the required permissions for: {feature or arn}")
    if (feature or "") not in FEATURES:
        raise invalid(f"The feature-name parameter with the value {feature} is not valid.")
    return Role(arn, feature or "")


def associated(req: Any) -> tuple[Role, ...]:
    """AssociatedRoles of a new cluster."""
    return tuple(_role(each.RoleArn, each.FeatureName) for each in getattr(req, "AssociatedRoles", None) or ())


def _add(ctx: Context, row: Cluster, role: Role, kind: str) -> None:
    if any(role in (held, Role(held.arn)) or (role.feature and held.feature == role.feature) for held in row.roles):
        raise ServiceException(
            f"{kind}RoleAlreadyExistsFault", f"Cannot associate role ARN {role.arn}: it, or its feature, is associated already."
        )
    if len(row.roles) >= ROLES_LIMIT:
        raise ServiceException(f"{kind}RoleQuotaExceededFault", "You have exceeded the maximum number of IAM roles that can be associated.")
    converging.ask(ctx, change(row, roles=(*row.roles, role)))


def _remove(ctx: Context, row: Cluster, arn: str, feature: str | None, kind: str) -> None:
    kept = tuple(role for role in row.roles if role.arn != arn or (feature is not None and role.feature != feature))
    if kept == row.roles:
        raise ServiceException(f"{kind}RoleNotFoundFault", f"Role ARN {arn} cannot be found for {row.name}", status=404)
    converging.ask(ctx, change(row, roles=kept))


@operation("AddRoleToDBCluster")
def add_role_to_db_cluster(ctx: Context, req: Any) -> Answer:
    """Lets a cluster act as a role, for a feature; at most 5 roles.

    Errors: DBClusterNotFoundFault, DBClusterRoleAlreadyExistsFault, DBClusterRoleQuotaExceededFault, InvalidParameterValue.
    Source: API reference, AddRoleToDBCluster.
    """
    row = cluster_at(ctx, req.DBClusterIdentifier)
    role = _role(req.RoleArn, req.FeatureName)
    ctx.authorize("iam:PassRole", role.arn, iam__PassedToService="rds.amazonaws.com")
    _add(ctx, row, role, "DBCluster")
    return None


@operation("RemoveRoleFromDBCluster")
def remove_role_from_db_cluster(ctx: Context, req: Any) -> Answer:
    """Takes a role from a cluster; from one feature, where that is named.

    Errors: DBClusterNotFoundFault, DBClusterRoleNotFoundFault. Source: API reference, RemoveRoleFromDBCluster.
    """
    _remove(ctx, cluster_at(ctx, req.DBClusterIdentifier), req.RoleArn, req.FeatureName, "DBCluster")
    return None


def _plain(ctx: Context, req: Any) -> Cluster:
    instance = instance_at(ctx, req.DBInstanceIdentifier)
    row = cluster_of(ctx, instance)
    if not row.plain:
        raise combination("The instance belongs to a DB cluster: its roles are the cluster's.")
    if instance.status != "available":
        raise instance_state(f"Instance {instance.name} is not in available state.")
    return row


@operation("AddRoleToDBInstance")
def add_role_to_db_instance(ctx: Context, req: Any) -> Answer:
    """Lets an instance act as a role, for a feature.

    Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, DBInstanceRoleAlreadyExistsFault, DBInstanceRoleQuotaExceededFault.
    Source: API reference, AddRoleToDBInstance.
    """
    row = _plain(ctx, req)
    role = _role(req.RoleArn, req.FeatureName)
    ctx.authorize("iam:PassRole", role.arn, iam__PassedToService="rds.amazonaws.com")
    _add(ctx, row, role, "DBInstance")
    return None


@operation("RemoveRoleFromDBInstance")
def remove_role_from_db_instance(ctx: Context, req: Any) -> Answer:
    """Takes a role from an instance.

    Errors: DBInstanceNotFoundFault, InvalidDBInstanceStateFault, DBInstanceRoleNotFoundFault.
    Source: API reference, RemoveRoleFromDBInstance.
    """
    _remove(ctx, _plain(ctx, req), req.RoleArn, req.FeatureName, "DBInstance")
    return None
