"""Rotation by a Lambda function: Python code that runs in the workshop, as its role, under its resource policy."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import ACCOUNT, Refused

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:rotator"
STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
DAY_S = 86_400
SOURCE = """
import boto3, os

def handler(event, context):
    step, secret, token = event["Step"], event["SecretId"], event["ClientRequestToken"]
    print("step", step)
    client = boto3.client("secretsmanager")
    stages = client.describe_secret(SecretId=secret)["VersionIdsToStages"]
    current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
    if step == "createSecret":
        try:
            client.get_secret_value(SecretId=secret, VersionId=token, VersionStage="AWSPENDING")
        except client.exceptions.ResourceNotFoundException:
            old = client.get_secret_value(SecretId=secret)["SecretString"]
            client.put_secret_value(
                SecretId=secret,
                ClientRequestToken=token,
                SecretString=old + "+",
                VersionStages=["AWSPENDING"],
                RotationToken=event["RotationToken"],
            )
    if step == "testSecret" and os.environ.get("FAILS"):
        raise ValueError("it does not work")
    if step == "finishSecret":
        client.update_secret_version_stage(
            SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
        )
"""


@pytest.fixture
def rotator(cloud: Cloud) -> Any:
    """The function, which may rotate secrets and write its log: the Lambda client. Nobody may invoke it yet."""
    iam, client = cloud.client("iam"), cloud.client("lambda")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="rotator", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": ["secretsmanager:*", "logs:*"], "Resource": "*"}
    iam.put_role_policy(RoleName="rotator", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.py", SOURCE)
    runtime = f"python3.{sys.version_info.minor}"
    code = {"ZipFile": out.getvalue()}
    client.create_function(
        FunctionName="rotator", Runtime=runtime, Role=role, Handler="index.handler", Code=code, Timeout=30, MemorySize=512
    )
    return client


def let_in(rotator: Any, secret: str) -> None:
    """Secrets Manager may invoke the function, for this secret."""
    rotator.add_permission(
        FunctionName="rotator",
        StatementId="rotation",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
        SourceAccount=ACCOUNT,
        SourceArn=secret,
    )


def steps(cloud: Cloud) -> list[str]:
    """The steps that the function has written down."""
    found = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/rotator", filterPattern="step")["events"]
    return [event["message"].split()[1] for event in found]


def test_a_function_rotates_a_secret(cloud: Cloud, sm: Any, rotator: Any, secret: str, refused: Refused) -> None:
    """Four steps, one after another, under the function's policy; then again when the schedule says so."""
    code, _ = refused(sm.rotate_secret, SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 10})
    assert code == "AccessDeniedException"
    let_in(rotator, secret)
    token = sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 10})["VersionId"]
    cloud.settle()
    assert steps(cloud) == STEPS
    value = sm.get_secret_value(SecretId="db")
    assert (value["SecretString"], value["VersionId"], value["VersionStages"]) == ("one+", token, ["AWSCURRENT", "AWSPENDING"])
    assert sm.get_secret_value(SecretId="db", VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    cloud.advance(11 * DAY_S)
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "one++"
    assert steps(cloud) == STEPS * 2


def test_a_function_that_fails_is_tried_again(cloud: Cloud, sm: Any, rotator: Any, secret: str) -> None:
    """A step that raises has the rotation begin anew later; what was made waits as AWSPENDING until it works."""
    let_in(rotator, secret)
    rotator.update_function_configuration(FunctionName="rotator", Environment={"Variables": {"FAILS": "1"}})
    sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 30})
    cloud.settle()
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "one"
    assert sm.get_secret_value(SecretId="db", VersionStage="AWSPENDING")["SecretString"] == "one+"
    assert steps(cloud) == STEPS[:3]
    rotator.update_function_configuration(FunctionName="rotator", Environment={"Variables": {}})
    cloud.advance(60)
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "one+"
    assert steps(cloud) == [*STEPS[:3], *STEPS]
