"""Secrets as parameters: /aws/reference/secretsmanager/...

Source: "Referencing AWS Secrets Manager secrets from Parameter Store parameters" in the AWS Systems Manager User Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.ssm.names import SECRETS, Named, arn, invalid, not_found

VERSION_ID_LENGTH = 32


def read(ctx: Context, named: Named, *, decrypted: bool) -> dict[str, Any]:
    """A secret, read as the caller; the selector is a version's id or a staging label. Raises ParameterNotFound, ValidationException."""
    if not decrypted:
        raise invalid("WithDecryption flag must be True for retrieving a Secret Manager secret.")
    members = {"SecretId": named.name.removeprefix(SECRETS)}
    if named.selector:
        members["VersionId" if len(named.selector) >= VERSION_ID_LENGTH else "VersionStage"] = named.selector
    try:
        secret = ctx.call("secretsmanager", "GetSecretValue", members)
    except ServiceException as refused:
        if refused.code == "ResourceNotFoundException":
            raise ServiceException("ParameterNotFound", f"{not_found(named.given).message} {refused.message}") from None
        raise
    if "SecretString" not in secret:
        raise invalid("A secret with a binary value can't be referenced.")
    source = {name: value for name, value in secret.items() if value is not None} | {"CreatedDate": secret["CreatedDate"] / 1000}
    return {
        "Name": named.name,
        "Type": "SecureString",
        "Value": secret["SecretString"],
        "Version": 0,
        "Selector": f":{named.selector}" if named.selector else None,
        "SourceResult": msgspec.json.encode(source).decode(),
        "LastModifiedDate": secret["CreatedDate"],
        "ARN": arn(ctx.account, ctx.region, named.name),
    }
