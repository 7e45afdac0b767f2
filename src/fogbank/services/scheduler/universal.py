"""Universal targets: any operation of any service, `arn:aws:scheduler:::aws-sdk:sqs:sendMessage`, with its input as JSON.

The service is named as the SDKs name it (`eventbridge`, `sfn`), the operation with a small first letter; the input's names are those of
the operation's members, however their first letter is written. Operations that only read are no targets.

Source: "Using universal targets in EventBridge Scheduler" in the EventBridge Scheduler User Guide.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from fogbank.kernel.chance import Chance
from fogbank.languages import documents
from fogbank.services.scheduler.addresses import invalid
from fogbank.wire import instants, model

_arn = re.compile(r"arn:[\w-]+:scheduler:::aws-sdk:(?P<service>[A-Za-z0-9]+):(?P<action>[A-Za-z0-9]+)").fullmatch
READING = (
    *("get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup", "discover", "validate"),
    *("batchGet", "batchDescribe", "batchRead", "transactGet", "adminGet", "adminList", "testMigration", "retrieve", "testConnection"),
    *("translateDocument", "isAuthorized", "isAuthorizedWithToken", "invokeModel"),
)
NAMES = {
    "applicationdiscoveryservice": "discovery",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "configservice": "config",
    "costandusagereportservice": "cur",
    "costexplorer": "ce",
    "databasemigrationservice": "dms",
    "directoryservice": "ds",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticsearchservice": "es",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelbuildingservice": "lex-models",
    "lexruntimeservice": "lex-runtime",
    "migrationhub": "mgh",
    "serverlessapplicationrepository": "serverlessrepo",
    "sfn": "stepfunctions",
    "simpledb": "sdb",
}
"""The SDKs' names that are not botocore's without its dashes."""


class Target(NamedTuple):
    service: str
    operation: model.OperationModel


@cache
def _services() -> dict[str, str]:
    return {name.replace("-", ""): name for name in model.services()} | NAMES


def is_universal(arn: str) -> bool:
    return ":scheduler:::aws-sdk:" in arn


@cache
def target(arn: str) -> Target:
    """Raises ValidationException."""
    found = _arn(arn)
    name = _services().get(found["service"].lower()) if found else None
    if found is None or name is None:
        raise invalid(f"{arn} is not a supported target: there is no such service.")
    action = found["action"]
    if action[:1].lower() + action[1:] != action or action.startswith(READING):
        raise invalid(f"{arn} is not a supported target: read-only operations, and names with a large first letter, are none.")
    operations = {operation.lower(): operation for operation in model.service(name).operations}
    if action.lower() not in operations:
        raise invalid(f"{arn} is not a supported target: there is no such operation.")
    return Target(name, model.service(name).operations[operations[action.lower()]])


def check(arn: str, text: str | None) -> None:
    """Raises ValidationException where a schedule's input is not what the operation takes."""
    members(arn, text, None)


def members(arn: str, text: str | None, random: Chance | None) -> dict[str, Any]:
    """The operation's members by AWS's names; tokens of idempotency that are not given are made. Raises ValidationException."""
    operation = target(arn).operation
    if text is None:
        given: Any = {}
    else:
        try:
            given = documents.read(text)
        except documents.Malformed:
            raise invalid("Input must be well-formed JSON for this target.") from None
    if not isinstance(given, dict):
        raise invalid("Input must be a JSON object for this target.")
    if operation.input is None:
        return {}
    shapes = operation.service.shapes
    made: dict[str, Any] = _value(shapes, operation.input, given, "Input")
    if random is not None:
        for name, ref in shapes[operation.input].members.items():
            if ref.idempotency_token and name not in made:
                made[name] = random.uuid()
    return made


def _value(shapes: Any, name: str, given: Any, path: str) -> Any:
    """A JSON value as a member of a shape."""
    shape = shapes[name]
    if shape.type == "structure" and isinstance(given, dict) and not shape.document:
        names = {member.lower(): member for member in shape.members}
        made = {}
        for key, value in given.items():
            member = names.get(key.lower())
            if member is None:
                raise invalid(f"{path} has no parameter {key}.")
            made[member] = _value(shapes, shape.members[member].shape, value, f"{path}.{member}")
        return made
    if shape.type == "list" and isinstance(given, list):
        return [_value(shapes, shape.member.shape, one, path) for one in given]
    if shape.type == "map" and isinstance(given, dict):
        return {key: _value(shapes, shape.value.shape, value, path) for key, value in given.items()}
    if shape.type == "blob" and isinstance(given, str):
        return given.encode()
    if shape.type == "timestamp":
        try:
            return instants.parse(given)
        except ValueError:
            raise invalid(f"{path} is not a timestamp.") from None
    return given
