"""A service `lambda` for the tests of rotation: one function, which rotates secrets as AWS's template does, or fails when told to.

It is called through the same door as AWS Lambda will be, as Secrets Manager, and calls back as its role.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Resource, Service, operation

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:rotator"
ROLE = "arn:aws:iam::000000000000:role/rotator"
POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},'
    '"Action":"lambda:InvokeFunction","Resource":"*"}]}'
)


class Orders:
    """What the tests tell the function, and what it was called with."""

    steps: list[str] = []
    failing: dict[str, int] = {}
    allowed = True


@operation("Invoke")
def invoke(ctx: Context, req: Any) -> Answer:
    """Runs a step of a rotation."""
    if req.FunctionName != FUNCTION:
        raise ServiceException("ResourceNotFoundException", f"Function not found: {req.FunctionName}", status=404)
    if req.InvocationType == "DryRun":
        return {"StatusCode": 204}
    event = msgspec.json.decode(req.Payload)
    step = event["Step"]
    Orders.steps.append(step)
    if Orders.failing.get(step, 0):
        Orders.failing[step] -= 1
        return {"StatusCode": 200, "FunctionError": "Unhandled"}
    role = Role(ROLE, "lambda.amazonaws.com", "rotator")
    arn, token = event["SecretId"], event["ClientRequestToken"]
    if step == "createSecret":
        value = f"rotated {ctx.now}"
        versions = ctx.call("secretsmanager", "ListSecretVersionIds", {"SecretId": arn}, acting=role)["Versions"]
        if token not in [version["VersionId"] for version in versions]:
            members = {
                "SecretId": arn,
                "ClientRequestToken": token,
                "SecretString": value,
                "VersionStages": ["AWSPENDING"],
                "RotationToken": event["RotationToken"],
            }
            ctx.call("secretsmanager", "PutSecretValue", members, acting=role)
    if step == "finishSecret":
        stages = ctx.call("secretsmanager", "DescribeSecret", {"SecretId": arn}, acting=role)["VersionIdsToStages"]
        current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
        members = {"SecretId": arn, "VersionStage": "AWSCURRENT", "MoveToVersionId": token, "RemoveFromVersionId": current}
        ctx.call("secretsmanager", "UpdateSecretVersionStage", members, acting=role)
    return {"StatusCode": 200}


SERVICE = Service(
    "lambda",
    modules=[sys.modules[__name__]],
    resources=[Resource("function", arn=lambda ctx, req: req.FunctionName, policy=lambda ctx, arn: POLICY if Orders.allowed else None)],
)
