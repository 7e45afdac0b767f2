"""The master user and its password: given by the user, or managed in Secrets Manager, where it is another one every seven days."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.services.rds import linked
from fogbank.services.rds.addresses import cluster_arn
from fogbank.services.rds.faults import combination, invalid, missing
from fogbank.services.rds.state import DAY_MS, Cluster, Secret
from fogbank.services.rds.wanted import sealed
from fogbank.store import change

ROTATION_MS = 7 * DAY_MS
LENGTH = 32
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&()*+,-.:;<=>?[]^_{|}~"
_RESERVED = frozenset(("admin", "rdsadmin", "rds_superuser", "postgres_fdw", "root", "mysql", "all", "select", "table", "user"))
_user = re.compile(r"[A-Za-z][A-Za-z0-9_]*").fullmatch
_LONGEST = {"postgres": 128, "mysql": 41, "mariadb": 41, "aurora-mysql": 41, "aurora-postgresql": 99}


def check(password: str, engine: str) -> str:
    """Errors: InvalidParameterValue."""
    if not 8 <= len(password) <= _LONGEST[engine]:
        raise invalid(
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters."
            if len(password) < 8
            else f"The parameter MasterUserPassword is not a valid password because it is longer than {_LONGEST[engine]} characters."
        )
    if not all(" " <= letter <= "~" for letter in password) or set(password) & set('/@" '):
        raise invalid(
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters but '/', '@', '\"', ' ' may be used."
        )
    return password


def check_user(name: str, engine: str) -> str:
    """Errors: InvalidParameterValue."""
    longest = 63 if engine in ("postgres", "aurora-postgresql") else 16
    reserved = name.lower() in _RESERVED and not (name.lower() == "admin" and longest == 16)
    if not _user(name) or len(name) > longest or reserved:
        reason = f"MasterUsername {name} cannot be used as it is a reserved word used by the engine" if reserved else ""
        rule = f"it must begin with a letter and have at most {longest} letters, digits and underscores"
        raise invalid(reason or f"The parameter MasterUsername is not a valid identifier: {rule}.")
    return name


def first(ctx: Context, req: Any, cluster: Cluster) -> Cluster:
    """A new cluster with the password that the request gives, or with a managed one.

    Errors: MissingParameter, InvalidParameterValue, InvalidParameterCombination; those of Secrets Manager's CreateSecret.
    """
    if req.ManageMasterUserPassword:
        if req.MasterUserPassword:
            raise combination("You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.")
        return managed(ctx, cluster, req.MasterUserSecretKmsKeyId)
    if req.MasterUserSecretKmsKeyId:
        raise combination("You can specify MasterUserSecretKmsKeyId only when ManageMasterUserPassword is enabled.")
    if not req.MasterUserPassword:
        raise missing("The parameter MasterUserPassword must be provided and must not be blank.")
    return change(cluster, password=sealed(ctx, cluster.id, check(req.MasterUserPassword, cluster.engine)))


def managed(ctx: Context, cluster: Cluster, key: str | None) -> Cluster:
    """The cluster with a password of chance, which is in a secret of the caller's account."""
    password = ctx.random.text(LENGTH, _ALPHABET)
    name = f"rds!{'db' if cluster.plain else 'cluster'}-{ctx.random.uuid()}"
    members: dict[str, Any] = {
        "Name": name,
        "ClientRequestToken": ctx.random.uuid(),
        "SecretString": _value(cluster.user, password),
        "Description": f"The secret of the master user of the RDS DB {'instance' if cluster.plain else 'cluster'}: {cluster_arn(cluster)}",
    }
    if key:
        members["KmsKeyId"] = key
    linked.ensure(ctx)
    made = ctx.call("secretsmanager", "CreateSecret", members)
    secret = Secret(made["ARN"], key or "", "active", ctx.now + ROTATION_MS)
    plan(ctx, cluster, secret)
    return change(cluster, password=sealed(ctx, cluster.id, password), secret=secret)


def _value(user: str, password: str) -> str:
    return msgspec.json.encode({"username": user, "password": password}).decode()


def plan(ctx: Context, cluster: Cluster, secret: Secret) -> None:
    """Has the password rotated when it is time."""
    ctx.later("rds.rotate", {"cluster": cluster.id, "at_ms": secret.rotates_at_ms}, at_ms=secret.rotates_at_ms)


def rotated(ctx: Context, cluster: Cluster) -> Cluster:
    """The cluster with another password, which its secret has from now on."""
    assert cluster.secret is not None
    password = ctx.random.text(LENGTH, _ALPHABET)
    value = _value(cluster.user, password)
    members = {"SecretId": cluster.secret.arn, "SecretString": value, "ClientRequestToken": ctx.random.uuid()}
    ctx.call("secretsmanager", "PutSecretValue", members, acting=linked.role(cluster.account, cluster.region))
    secret = Secret(cluster.secret.arn, cluster.secret.key, "active", ctx.now + ROTATION_MS)
    plan(ctx, cluster, secret)
    return change(cluster, password=sealed(ctx, cluster.id, password), secret=secret)


def unmanaged(ctx: Context, cluster: Cluster) -> Cluster:
    """The cluster without a secret: that one is deleted."""
    if cluster.secret is not None:
        members = {"SecretId": cluster.secret.arn, "ForceDeleteWithoutRecovery": True}
        ctx.call("secretsmanager", "DeleteSecret", members, acting=linked.role(cluster.account, cluster.region))
    return change(cluster, secret=None)


def described(cluster: Cluster) -> dict[str, Any] | None:
    """MasterUserSecret."""
    if cluster.secret is None:
        return None
    return {"SecretArn": cluster.secret.arn, "SecretStatus": cluster.secret.status, "KmsKeyId": cluster.secret.key or None}


def modified(ctx: Context, req: Any, cluster: Cluster) -> Cluster:
    """The cluster with what a Modify operation says of the master password; another `password` than before where it says something.

    Errors: InvalidParameterValue, InvalidParameterCombination; those of Secrets Manager.
    """
    manage = req.ManageMasterUserPassword
    if req.MasterUserPassword and (manage or (cluster.secret is not None and manage is None)):
        raise combination("You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled.")
    if req.RotateMasterUserPassword and (cluster.secret is None or manage is False):
        raise combination("You can rotate the master user password only when it is managed in Secrets Manager.")
    if manage is False and cluster.secret is not None:
        if not req.MasterUserPassword:
            raise missing("You must specify MasterUserPassword when you turn off ManageMasterUserPassword.")
        cluster = unmanaged(ctx, cluster)
    if req.MasterUserPassword:
        return change(cluster, password=sealed(ctx, cluster.id, check(req.MasterUserPassword, cluster.engine)))
    if manage and cluster.secret is None:
        return managed(ctx, cluster, req.MasterUserSecretKmsKeyId)
    if req.MasterUserSecretKmsKeyId:
        raise combination("MasterUserSecretKmsKeyId can be given only when the password is not managed in Secrets Manager yet.")
    return rotated(ctx, cluster) if req.RotateMasterUserPassword else cluster
