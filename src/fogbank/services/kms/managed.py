"""AWS managed keys: `alias/aws/<service>` springs into being when its service first needs it in an account and region.

Nobody may change such a key, or use it but through its service: its key policy says so, and nobody may change that.
"""

from __future__ import annotations

from fogbank.access import authorization
from fogbank.kernel.context import Context
from fogbank.services.kms import documents
from fogbank.services.kms.making import make
from fogbank.services.kms.state import ALIASES, DAY_MS, Alias, Key

YEAR_DAYS = 365

SERVICES = {
    name: name
    for name in (
        "acm",
        "backup",
        "codebuild",
        "codecommit",
        "connect",
        "dms",
        "dynamodb",
        "elasticfilesystem",
        "es",
        "fsx",
        "glue",
        "kafka",
        "kinesis",
        "kinesisvideo",
        "lambda",
        "rds",
        "redshift",
        "s3",
        "secretsmanager",
        "sns",
        "sqs",
        "ssm",
        "xray",
    )
} | {"ebs": "ec2"}
"""What may follow `alias/aws/` -> the service through which that key is used."""


def via(ctx: Context) -> str | None:
    """kms:ViaService: the service that called on the caller's behalf."""
    return f"{authorization.prefix(ctx.via[-1])}.{ctx.region}.amazonaws.com" if ctx.via else None


def spring(ctx: Context, alias: str) -> Key | None:
    """Makes the key of an alias of AWS's (`aws/s3`), or answers None: for its service, and for who looks at it with DescribeKey."""
    name = alias.removeprefix("aws/")
    service = SERVICES.get(name)
    if service is None or name == alias:
        return None
    if ctx.operation != "DescribeKey" and via(ctx) != f"{service}.{ctx.region}.amazonaws.com":
        return None
    key = make(
        ctx,
        manager=service,
        description=f"Default key that protects my {name} data when no other key is defined",
        policy=documents.managed(ctx.account, ctx.region, name, service),
        rotation_days=YEAR_DAYS,
        rotates_at_ms=ctx.now + YEAR_DAYS * DAY_MS,
    )
    ALIASES.put(ctx, Alias(account=ctx.account, region=ctx.region, name=alias, target=key.id, created_at_ms=ctx.now, updated_at_ms=ctx.now))
    ctx.later("kms.rotate", {"account": key.account, "region": key.region, "key": key.id}, at_ms=key.rotates_at_ms)
    return key
