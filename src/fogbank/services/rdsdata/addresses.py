"""What a request is about: a cluster, as RDS describes it, and a user of its database, as a secret names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.rdsdata.faults import bad, invalid

PRINCIPAL = "rds-data.amazonaws.com"
_HELP = (
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.troubleshooting.html"
    "#data-api.troubleshooting.http-endpoint-not-enabled"
)
_STOPPED = {"stopped", "stopping", "starting"}
_DIALECTS = {"aurora-postgresql": "postgres", "postgres": "postgres"}


class Place(NamedTuple):
    """Where a statement is to run. `dialect`: of its SQL."""

    cluster: str
    arn: str
    dialect: str
    user: str
    password: str
    database: str


class _Secret(msgspec.Struct):
    username: str
    password: str


def arn_of(ctx: Context, req: Any) -> str | None:
    """The cluster's ARN, for the door."""
    arn: str | None = getattr(req, "resourceArn", None) or getattr(req, "dbClusterOrInstanceArn", None)
    return arn


def tags_of(ctx: Context, arn: str) -> Mapping[str, str]:
    """The tags of a cluster; none where there is no such cluster."""
    try:
        found = _described(ctx, arn)
    except ServiceException:
        return {}
    return {tag["Key"]: tag["Value"] for tag in found.get("TagList") or ()}


def place_of(ctx: Context, req: Any) -> Place:
    """The cluster, and who the statement runs as.

    Errors: BadRequestException, DatabaseNotFoundException, HttpEndpointNotEnabledException, InvalidResourceStateException,
    AccessDeniedException, SecretsErrorException, InvalidSecretException.
    """
    if getattr(req, "schema", None):
        raise invalid("The schema parameter isn't supported")
    cluster = _described(ctx, req.resourceArn)
    name = cluster["DBClusterIdentifier"]
    if not cluster.get("HttpEndpointEnabled"):
        message = f"HttpEndpoint is not enabled for cluster {name}. Please refer to {_HELP}"
        raise ServiceException("HttpEndpointNotEnabledException", message)
    if cluster["Status"] in _STOPPED:
        raise ServiceException("InvalidResourceStateException", f"DB cluster {name} is in the state {cluster['Status']}")
    if not cluster.get("DBClusterMembers"):
        raise ServiceException("DatabaseNotFoundException", f"DB cluster {name} doesn't have a DB instance")
    secret = _secret(ctx, req.secretArn)
    dialect = _DIALECTS.get(cluster["Engine"], "mariadb")
    database = getattr(req, "database", None) or cluster.get("DatabaseName") or ("postgres" if dialect == "postgres" else "")
    return Place(cluster["DbClusterResourceId"], req.resourceArn, dialect, secret.username, secret.password, database)


def _described(ctx: Context, arn: str) -> Any:
    """A cluster, as RDS describes it to us. Errors: BadRequestException."""
    named = Arn.parse(arn)
    if named is None or named.service != "rds" or not named.resource.startswith("cluster:"):
        raise bad(f"Invalid ARN: {arn}. An ARN of a DB cluster is needed")
    if named.region != ctx.region:
        raise bad(f"DB cluster {arn} is not in the Region {ctx.region}")
    try:
        acting = Acting(PRINCIPAL, arn, named.account)
        found = ctx.call("rds", "DescribeDBClusters", {"DBClusterIdentifier": arn}, acting=acting)
    except NotImplementedOperation:
        raise
    except ServiceException:
        raise bad(f"DB cluster {arn} is not found") from None
    return found["DBClusters"][0]


def _secret(ctx: Context, secret: str) -> _Secret:
    """User and password, from Secrets Manager, as the caller.

    Errors: AccessDeniedException, SecretsErrorException, InvalidSecretException.
    """
    try:
        found = ctx.call("secretsmanager", "GetSecretValue", {"SecretId": secret})
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        if "AccessDenied" in refused.code:
            raise ServiceException("AccessDeniedException", refused.message, status=403) from None
        raise ServiceException("SecretsErrorException", f"Error fetching secret {secret} : {refused.message}") from None
    try:
        return msgspec.json.decode(found.get("SecretString") or b"", type=_Secret)
    except msgspec.DecodeError:
        message = f"The secret {secret} isn't valid: it is to be JSON with username and password"
        raise ServiceException("InvalidSecretException", message) from None
