"""The secrets of connections: they lie in Secrets Manager, where EventBridge reaches them as its service-linked role.

What lies there: the authorization parameters as they were given, and of OAuth the access token.
Source: "Connections for API targets in Amazon EventBridge" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.services.events.state import Connection

SERVICE = "apidestinations.events.amazonaws.com"
_ROLE = f"role/aws-service-role/{SERVICE}/AWSServiceRoleForAmazonEventBridgeApiDestinations"
TOKEN = "AccessToken"


def _role(account: str, region: str) -> Role:
    return Role(f"arn:{partition_of(region)}:iam::{account}:{_ROLE}", SERVICE, "EventBridge")


def ensure_role(ctx: Context) -> None:
    """Has the account get the role where it has none yet. Errors: those of CreateServiceLinkedRole."""
    try:
        ctx.as_role(_role(ctx.account, ctx.region))
    except ServiceException:
        ctx.call("iam", "CreateServiceLinkedRole", {"AWSServiceName": SERVICE})


def _ask(ctx: Context, connection: Connection, name: str, members: dict[str, Any]) -> Any:
    return ctx.call("secretsmanager", name, members, acting=_role(connection.account, connection.region), region=connection.region)


def make(ctx: Context, connection: Connection, parameters: dict[str, Any]) -> str:
    """Keeps parameters in a new secret: its ARN."""
    members = {
        "Name": f"events!connection/{connection.name}/{ctx.random.uuid()}",
        "Description": f"Created by EventBridge for the connection {connection.name}",
        **_value(ctx, connection, parameters),
    }
    arn: str = _ask(ctx, connection, "CreateSecret", members)["ARN"]
    return arn


def keep(ctx: Context, connection: Connection, parameters: dict[str, Any]) -> None:
    """Gives the secret of a connection a new value."""
    _ask(ctx, connection, "UpdateSecret", {"SecretId": connection.secret_arn, **_value(ctx, connection, parameters)})


def get(ctx: Context, connection: Connection) -> dict[str, Any]:
    text = _ask(ctx, connection, "GetSecretValue", {"SecretId": connection.secret_arn})["SecretString"]
    parameters: dict[str, Any] = msgspec.json.decode(text)
    return parameters


def drop(ctx: Context, connection: Connection) -> None:
    """Deletes the secret, where it is still there."""
    if not connection.secret_arn:
        return
    try:
        _ask(ctx, connection, "DeleteSecret", {"SecretId": connection.secret_arn, "ForceDeleteWithoutRecovery": True})
    except ServiceException as refused:
        if refused.code != "ResourceNotFoundException":
            raise


def _value(ctx: Context, connection: Connection, parameters: dict[str, Any]) -> dict[str, str]:
    key = {"KmsKeyId": connection.kms_key} if connection.kms_key else {}
    return {"SecretString": msgspec.json.encode(parameters).decode(), "ClientRequestToken": ctx.random.uuid(), **key}


def shown(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters without what is secret: passwords, keys, and values that are said to be."""

    def open_(value: Any) -> Any:
        if isinstance(value, list):
            return [open_(one) for one in value]
        if not isinstance(value, dict):
            return value
        hidden = {"Password", "ClientSecret", "ApiKeyValue", TOKEN} | ({"Value"} if value.get("IsValueSecret") else set())
        return {name: open_(inner) for name, inner in value.items() if name not in hidden}

    made: dict[str, Any] = open_(parameters)
    return made
