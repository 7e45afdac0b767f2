"""AWS::Lambda: functions, versions, aliases, and what belongs to them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from .conftest import ACCOUNT, Control

FUNCTION = "AWS::Lambda::Function"
SOURCE = "def handler(event, context):\n    return event\n"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"


@pytest.fixture
def role(cloud: Any) -> str:
    """A role that Lambda may assume, with what the tests need."""
    iam = cloud.client("iam")
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn: str = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(policy))
    return arn


@pytest.fixture
def function(control: Control, role: str) -> str:
    """A function `f` of inline code."""
    wanted = {"FunctionName": "f", "Role": role, "Runtime": "python3.12", "Handler": "index.handler", "Code": {"ZipFile": SOURCE}}
    return control.create(FUNCTION, wanted)


def test_function(cloud: Any, control: Control, role: str) -> None:
    """A function has what it was made with; what a patch takes away is the default again; inline code becomes an archive."""
    wanted = {
        "FunctionName": "f",
        "Role": role,
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "MemorySize": 256,
        "Environment": {"Variables": {"AA": "1"}},
        "ReservedConcurrentExecutions": 5,
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    name = control.create(FUNCTION, {**wanted, "Code": {"ZipFile": SOURCE}})
    found = control.read(FUNCTION, name)
    assert found.items() >= {**wanted, "Arn": f"{ARN}f", "Timeout": 3, "RecursiveLoop": "Terminate"}.items()
    sha256 = cloud.client("lambda").get_function_configuration(FunctionName="f")["CodeSha256"]
    found = control.update(
        FUNCTION,
        name,
        ("remove", "/MemorySize"),
        ("remove", "/Environment"),
        ("remove", "/ReservedConcurrentExecutions"),
        ("add", "/Timeout", 9),
        ("add", "/RecursiveLoop", "Allow"),
        ("replace", "/Tags", [{"Key": "b", "Value": "2"}]),
        ("add", "/Code", {"ZipFile": SOURCE + "# other"}),
    )
    assert "Environment" not in found
    assert "ReservedConcurrentExecutions" not in found
    assert (found["MemorySize"], found["Timeout"], found["RecursiveLoop"]) == (128, 9, "Allow")
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]
    assert cloud.client("lambda").get_function_configuration(FunctionName="f")["CodeSha256"] != sha256
    assert control.listed(FUNCTION) == ["f"]
    assert control.refused(FUNCTION, {**wanted, "Code": {"ZipFile": SOURCE}})[0] == "AlreadyExists"
    control.delete(FUNCTION, name)


def test_versions_and_aliases(cloud: Any, control: Control, function: str) -> None:
    """A version is made once of a state of the function; an alias moves."""
    first = control.create("AWS::Lambda::Version", {"FunctionName": "f", "Description": "one"})
    assert first == f"{ARN}f:1"
    assert control.read("AWS::Lambda::Version", first)["Description"] == "one"
    assert control.refused("AWS::Lambda::Version", {"FunctionName": "f", "Description": "one"})[0] == "AlreadyExists"
    cloud.client("lambda").update_function_configuration(FunctionName=function, MemorySize=512)
    second = control.create("AWS::Lambda::Version", {"FunctionName": "f"})
    alias = control.create("AWS::Lambda::Alias", {"FunctionName": "f", "Name": "live", "FunctionVersion": "1"})
    weights = {"AdditionalVersionWeights": [{"FunctionVersion": "2", "FunctionWeight": 0.5}]}
    found = control.update("AWS::Lambda::Alias", alias, ("add", "/RoutingConfig", weights))
    assert (found["FunctionVersion"], found["RoutingConfig"]) == ("1", weights)
    found = control.update("AWS::Lambda::Alias", alias, ("remove", "/RoutingConfig"), ("replace", "/FunctionVersion", "2"))
    assert found["FunctionVersion"] == "2"
    control.delete("AWS::Lambda::Alias", alias)
    control.delete("AWS::Lambda::Version", second)


def test_permissions_and_urls(control: Control, function: str) -> None:
    """A permission is a statement of the function's policy; a URL is the function's."""
    permission = control.create(
        "AWS::Lambda::Permission",
        {"FunctionName": "f", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceAccount": ACCOUNT},
    )
    found = control.read("AWS::Lambda::Permission", permission)
    assert (found["Principal"], found["SourceAccount"]) == ("s3.amazonaws.com", ACCOUNT)
    control.delete("AWS::Lambda::Permission", permission)
    url = control.create("AWS::Lambda::Url", {"TargetFunctionArn": f"{ARN}f", "AuthType": "NONE"})
    assert url == f"{ARN}f"
    found = control.update("AWS::Lambda::Url", url, ("replace", "/AuthType", "AWS_IAM"), ("add", "/Cors", {"AllowOrigins": ["*"]}))
    assert (found["AuthType"], found["Cors"]) == ("AWS_IAM", {"AllowOrigins": ["*"]})
    control.delete("AWS::Lambda::Url", url)


def test_layers(cloud: Any, control: Control) -> None:
    """A layer's version is made of an object, and shared by a statement."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("lib.py", "x = 1")
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="k", Body=out.getvalue())
    content = {"S3Bucket": "code", "S3Key": "k"}
    layer = control.create("AWS::Lambda::LayerVersion", {"LayerName": "l", "Content": content, "CompatibleRuntimes": ["python3.12"]})
    assert control.read("AWS::Lambda::LayerVersion", layer)["CompatibleRuntimes"] == ["python3.12"]
    assert control.listed("AWS::Lambda::LayerVersion") == [layer]
    wanted = {"LayerVersionArn": layer, "Action": "lambda:GetLayerVersion", "Principal": "111111111111"}
    share = control.create("AWS::Lambda::LayerVersionPermission", wanted)
    assert control.read("AWS::Lambda::LayerVersionPermission", share).items() >= wanted.items()
    control.delete("AWS::Lambda::LayerVersionPermission", share)
    control.delete("AWS::Lambda::LayerVersion", layer)


def test_mappings_and_settings(cloud: Any, control: Control, function: str) -> None:
    """A mapping settles before it can change; event and signing settings are made and changed."""
    cloud.client("sqs").create_queue(QueueName="q")
    source = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    mapping = control.create("AWS::Lambda::EventSourceMapping", {"EventSourceArn": source, "FunctionName": "f", "BatchSize": 5})
    found = control.update("AWS::Lambda::EventSourceMapping", mapping, ("replace", "/BatchSize", 7), ("replace", "/Enabled", False))
    assert (found["BatchSize"], found["Enabled"]) == (7, False)
    control.delete("AWS::Lambda::EventSourceMapping", mapping)
    wanted = {"FunctionName": "f", "Qualifier": "$LATEST", "MaximumRetryAttempts": 1}
    events = control.create("AWS::Lambda::EventInvokeConfig", wanted)
    assert events == "f|$LATEST"
    assert control.update("AWS::Lambda::EventInvokeConfig", events, ("replace", "/MaximumRetryAttempts", 0))["MaximumRetryAttempts"] == 0
    control.delete("AWS::Lambda::EventInvokeConfig", events)
    publishers = {"SigningProfileVersionArns": [f"arn:aws:signer:us-east-1:{ACCOUNT}:/signing-profiles/p/v"]}
    signing = control.create("AWS::Lambda::CodeSigningConfig", {"AllowedPublishers": publishers})
    found = control.update("AWS::Lambda::CodeSigningConfig", signing, ("add", "/Description", "d"))
    assert (found["Description"], found["CodeSigningPolicies"]) == ("d", {"UntrustedArtifactOnDeployment": "Warn"})
    control.delete("AWS::Lambda::CodeSigningConfig", signing)
