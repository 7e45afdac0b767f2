"""AWS Secrets Manager: secrets with versions, encrypted under KMS keys, rotated by the clock, replicated to other regions.

Read in this order: `state` (the model of the data), `addresses` (names and ARNs), `rules` (tokens, values, labels),
`encryption`; `secrets`, `versions` and `values` (a secret's life); `listing`, `passwords`, `tagging`, `policies`;
`replication`; `rotation` and `windows`.

What is not here: managed external secrets, replicas in other accounts, secrets managed by other services. Quotas on calls are
not imposed.
"""

from collections.abc import Callable
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource, Service
from fogbank.services.secretsmanager import (
    addresses,
    listing,
    passwords,
    policies,
    replication,
    rotation,
    secrets,
    tagging,
    values,
    versions,
)
from fogbank.services.secretsmanager.state import CURRENT, Secret

Condition = Callable[[Context, Any], Any]


def _member(name: str) -> Condition:
    return lambda ctx, req: getattr(req, name, None)


def _of_secret(find: Callable[[Secret], Any]) -> Condition:
    """A key that the secret tells which the request is about."""

    def found(ctx: Context, req: Any) -> Any:
        secret_id = getattr(req, "SecretId", None)
        secret = addresses.get_secret(ctx, secret_id) if secret_id else None
        return None if secret is None else find(secret)

    return found


def _stages(ctx: Context, req: Any) -> Any:
    """The labels that a request names; AWSCURRENT for one that asks for a value and names no version."""
    given = getattr(req, "VersionStages", None) or getattr(req, "VersionStage", None)
    if given is None and ctx.operation == "GetSecretValue" and req.VersionId is None:
        return CURRENT
    return given


def _key_arn(ctx: Context, req: Any) -> str | None:
    """The key's ARN, where the request names it by ARN or id; an alias tells none."""
    key: str | None = getattr(req, "KmsKeyId", None)
    if not key or key.startswith("alias/"):
        return None
    if not key.startswith("arn:"):
        return ctx.arn(f"key/{key}", service="kms")
    parsed = Arn.parse(key)
    return key if parsed is not None and parsed.resource.startswith("key/") else None


def _replica_regions(ctx: Context, req: Any) -> list[str] | None:
    given = getattr(req, "AddReplicaRegions", None)
    return None if given is None else [each.Region for each in given]


SERVICE = Service(
    "secretsmanager",
    modules=[secrets, versions, values, listing, passwords, policies, tagging, replication, rotation],
    resources=[Resource("Secret", arn=addresses.arn_of_request, tags=addresses.tags_of, policy=addresses.policy_of)],
    conditions={
        "secretsmanager:addreplicaregions": _replica_regions,
        "secretsmanager:blockpublicpolicy": _member("BlockPublicPolicy"),
        "secretsmanager:description": _member("Description"),
        "secretsmanager:forcedeletewithoutrecovery": _member("ForceDeleteWithoutRecovery"),
        "secretsmanager:forceoverwritereplicasecret": _member("ForceOverwriteReplicaSecret"),
        "secretsmanager:kmskeyarn": _key_arn,
        "secretsmanager:kmskeyid": _member("KmsKeyId"),
        "secretsmanager:modifyrotationrules": lambda ctx, req: getattr(req, "RotationRules", None) is not None,
        "secretsmanager:name": _member("Name"),
        "secretsmanager:recoverywindowindays": _member("RecoveryWindowInDays"),
        "secretsmanager:resource/allowrotationlambdaarn": _of_secret(lambda s: s.rotation.function_arn if s.rotation else None),
        "secretsmanager:rotateimmediately": lambda ctx, req: getattr(req, "RotateImmediately", None) is not False,
        "secretsmanager:rotationlambdaarn": _member("RotationLambdaARN"),
        "secretsmanager:secretid": _member("SecretId"),
        "secretsmanager:secretprimaryregion": _of_secret(lambda s: s.primary_region or s.region),
        "secretsmanager:versionid": _member("VersionId"),
        "secretsmanager:versionstage": _stages,
    },
)
