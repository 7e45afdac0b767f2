"""Functions: made, described, changed, listed, deleted."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import platform
import re
import zipfile
from typing import Any
from urllib.parse import urlsplit

import pytest

from .conftest import ACCOUNT, ECHO, allow, arn, zipped


def test_a_function_is_what_was_asked_for(lam: Any, role: str, create: Any) -> None:
    """CreateFunction answers the whole configuration, defaults and all, and GetFunctionConfiguration the same."""
    code = zipped(index=ECHO)
    made = create("f", Description="d", Environment={"Variables": {"A1": "x"}}, Tags={"k": "v"})
    made.pop("ResponseMetadata")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", made.pop("LastModified"))
    assert made.pop("RevisionId")
    assert made.pop("RuntimeVersionConfig")["RuntimeVersionArn"].startswith("arn:aws:lambda:us-east-1::runtime:")
    assert made == {
        "FunctionName": "f",
        "FunctionArn": arn("f"),
        "Runtime": "python3.12",
        "Role": role,
        "Handler": "index.handler",
        "CodeSize": len(code),
        "CodeSha256": base64.b64encode(hashlib.sha256(code).digest()).decode(),
        "Description": "d",
        "Timeout": 3,
        "MemorySize": 128,
        "Version": "$LATEST",
        "Environment": {"Variables": {"A1": "x"}},
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
    }
    got = lam.get_function(FunctionName="f")
    assert got["Tags"] == {"k": "v"}
    assert got["Configuration"].items() >= made.items()
    assert lam.get_function_configuration(FunctionName=arn("f"))["FunctionArn"] == arn("f")
    assert lam.get_function_configuration(FunctionName=f"{ACCOUNT}:function:f", Qualifier="$LATEST")["FunctionArn"] == arn("f", "$LATEST")


def test_the_code_can_be_downloaded(cloud: Any, lam: Any, create: Any) -> None:
    """GetFunction's Location gives the archive for ten minutes, to whoever has it."""
    create("f")
    location = urlsplit(lam.get_function(FunctionName="f")["Code"]["Location"])

    def fetch() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", location.port)
        connection.request("GET", location.path, headers={"Host": location.netloc})
        answer = connection.getresponse()
        return answer.status, answer.read()

    status, body = fetch()
    assert (status, body) == (200, zipped(index=ECHO))
    cloud.advance(600)
    assert fetch()[0] == 403


def test_a_name_has_64_characters(create: Any, refused: Any) -> None:
    """Not more."""
    create("x" * 64)
    code, message = refused(create, "x" * 65)
    assert (code, message.endswith("Member must have length less than or equal to 64")) == ("ValidationException", True)


def test_names_and_regions(lam: Any, create: Any, refused: Any) -> None:
    """A name is taken once; what is not there is named by its ARN; another region's functions are out of reach."""
    create("f")
    assert refused(create, "f") == ("ResourceConflictException", "Function already exist: f")
    assert refused(lam.get_function, FunctionName="g") == ("ResourceNotFoundException", f"Function not found: {arn('g')}")
    assert refused(lam.get_function, FunctionName="f", Qualifier="7")[1] == f"Function not found: {arn('f', '7')}"
    elsewhere = arn("f").replace("us-east-1", "eu-west-1")
    assert refused(lam.get_function, FunctionName=elsewhere)[1] == (
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    )
    assert refused(lam.get_function, FunctionName="f:1", Qualifier="2")[0] == "InvalidParameterValueException"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Runtime": "python3.7"}, "The runtime parameter of python3.7 is no longer supported"),
        ({"MemorySize": 10241}, "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240"),
        ({"Timeout": 901}, "'Timeout' value failed to satisfy constraint: Member must have value less than or equal to 900"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "Reserved keys used in this request: AWS_REGION"),
        ({"Environment": {"Variables": {"BIG": "x" * 4096}}}, "exceeded the 4KB limit"),
        ({"Code": {"ZipFile": b"not a zip"}}, "Could not unzip uploaded file."),
        ({"Code": {"S3Bucket": "none", "S3Key": "none"}}, "Error occurred while GetObject. S3 Error Code: NoSuchBucket."),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:none:1"]}, "layer:none:1 does not exist."),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}, "Runtime": "nodejs22.x"}, "nodejs22.x is not supported for SnapStart"),
        ({"Role": f"arn:aws:iam::{ACCOUNT}:role/none"}, "The role defined for the function cannot be assumed by Lambda."),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}}, "permissions to call SendMessage on SQS"),
        ({"LoggingConfig": {"SystemLogLevel": "WARN"}}, "LogFormat is JSON"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_a_function_cannot_be(create: Any, refused: Any, members: dict[str, Any], message: str) -> None:
    """Each wrong setting is refused in AWS's words."""
    code, said = refused(create, "f", **members)
    assert code == "InvalidParameterValueException"
    assert message in said


@pytest.mark.parametrize(
    "members",
    [
        {"Code": {"ImageUri": "x"}, "PackageType": "Image"},
        {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        {"SnapStart": {"ApplyOn": "PublishedVersions"}},
        {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}},
        {"DurableConfig": {"ExecutionTimeout": 60}},
        {"Architectures": ["x86_64" if platform.machine() in ("arm64", "aarch64") else "arm64"]},
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_is_not_here_is_refused_by_name(create: Any, refused: Any, members: dict[str, Any]) -> None:
    """Images, VPCs, snapshots, tenants, durable functions and machine code for other machines answer NotImplemented."""
    assert refused(create, "f", **members)[0] == "NotImplemented"


def test_a_role_must_trust_lambda_and_be_passed(make_role: Any, create: Any, user: Any, refused: Any, role: str) -> None:
    """Whoever makes a function must be allowed to pass its role, which must trust Lambda."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    trust["Statement"][0]["Principal"] = {"Service": "ec2.amazonaws.com"}  # type: ignore[index]
    assert refused(create, "f", Role=make_role("ec2", trust=trust))[1] == ("The role defined for the function cannot be assumed by Lambda.")
    anne = user("anne", allow("lambda:CreateFunction"))("lambda")
    members = {"FunctionName": "f", "Runtime": "python3.12", "Role": role, "Handler": "i.h", "Code": {"ZipFile": zipped(i=ECHO)}}
    code, message = refused(anne.create_function, **members)
    assert code == "AccessDeniedException"
    assert "is not authorized to perform: iam:PassRole on resource: " + role in message
    passing = allow("iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})
    ben = user("ben", allow("lambda:CreateFunction", arn("f")), passing)("lambda")
    assert ben.create_function(**members)["State"] == "Active"
    assert refused(ben.create_function, **{**members, "FunctionName": "g"})[0] == "AccessDeniedException"


def test_code_from_s3(cloud: Any, create: Any, lam: Any, user: Any, role: str, refused: Any) -> None:
    """Code comes from an object, of a version if wanted, read as the caller."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="code", Key="k", Body=zipped(index=ECHO))["VersionId"]
    s3.put_object(Bucket="code", Key="k", Body=zipped(index=ECHO + "# 2"))
    old = create("old", Code={"S3Bucket": "code", "S3Key": "k", "S3ObjectVersion": first})
    new = create("new", Code={"S3Bucket": "code", "S3Key": "k"})
    assert old["CodeSize"] == len(zipped(index=ECHO))
    assert new["CodeSize"] == len(zipped(index=ECHO + "# 2"))
    anne = user("anne", allow(["lambda:*", "iam:PassRole"]))("lambda")
    code, message = refused(anne.update_function_code, FunctionName="old", S3Bucket="code", S3Key="k")
    assert code == "AccessDeniedException"
    assert message.startswith("Your access has been denied by S3, please make sure your request credentials have permission to GetObject")


def test_a_large_archive_is_kept(create: Any, lam: Any, refused: Any) -> None:
    """An archive of megabytes is looked at beside the loop; what unzips to more than 250 MB is refused."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.py", ECHO)
        archive.writestr("noise", hashlib.shake_256(b"x").digest(3_000_000))
    assert create("f", Code={"ZipFile": out.getvalue()})["CodeSize"] == len(out.getvalue())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as entry:
        for _ in range(263):
            entry.write(bytes(1_000_000))
    assert refused(create, "g", Code={"ZipFile": bomb.getvalue()})[1] == "Unzipped size must be smaller than 262144000 bytes"


def test_updates_and_revisions(lam: Any, create: Any, refused: Any) -> None:
    """Each change of $LATEST makes a new RevisionId; a change on the grounds of an old one is refused; DryRun changes nothing."""
    first = create("f", Environment={"Variables": {"AA": "1"}})["RevisionId"]
    changed = lam.update_function_configuration(FunctionName="f", MemorySize=256, Timeout=10, Handler="index.other", RevisionId=first)
    assert (changed["MemorySize"], changed["Timeout"], changed["Handler"]) == (256, 10, "index.other")
    assert changed["Environment"] == {"Variables": {"AA": "1"}}
    assert changed["RevisionId"] != first
    stale = refused(lam.update_function_code, FunctionName="f", ZipFile=zipped(index="x=1"), RevisionId=first)
    assert stale[0] == "PreconditionFailedException"
    dry = lam.update_function_code(FunctionName="f", ZipFile=zipped(index="x=1"), DryRun=True)
    held = lam.get_function_configuration(FunctionName="f")
    assert held["CodeSha256"] != dry["CodeSha256"]
    assert held["RevisionId"] == changed["RevisionId"]
    after = lam.update_function_code(FunctionName="f", ZipFile=zipped(index="x=1"))
    assert after["CodeSha256"] == dry["CodeSha256"]
    assert "Environment" not in lam.update_function_configuration(FunctionName="f", Environment={"Variables": {}})


def test_versions(lam: Any, create: Any, refused: Any) -> None:
    """A version is what $LATEST was; publishing without a change gives the last one again; versions stay as they are."""
    create("f", Publish=True)
    assert lam.publish_version(FunctionName="f")["Version"] == "1"
    lam.update_function_configuration(FunctionName="f", MemorySize=512)
    second = lam.publish_version(FunctionName="f", Description="second")
    assert (second["Version"], second["FunctionArn"], second["Description"]) == ("2", arn("f", "2"), "second")
    assert refused(lam.publish_version, FunctionName="f", CodeSha256="other")[0] == "InvalidParameterValueException"
    assert lam.get_function_configuration(FunctionName="f", Qualifier="1")["MemorySize"] == 128
    listed = lam.list_versions_by_function(FunctionName="f")["Versions"]
    assert [(one["Version"], one["MemorySize"]) for one in listed] == [("$LATEST", 512), ("1", 128), ("2", 512)]
    assert [one["FunctionArn"] for one in listed] == [arn("f", "$LATEST"), arn("f", "1"), arn("f", "2")]
    lam.delete_function(FunctionName="f", Qualifier="2")
    lam.update_function_configuration(FunctionName="f", MemorySize=1024)
    assert lam.publish_version(FunctionName="f")["Version"] == "3"
    assert refused(lam.delete_function, FunctionName="f", Qualifier="$LATEST")[0] == "InvalidParameterValueException"


def test_listing(lam: Any, create: Any) -> None:
    """Functions come by name, page by page; with FunctionVersion ALL all their versions."""
    for name in ("c", "a", "b"):
        create(name, Publish=name == "a")
    pages = lam.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    assert [[one["FunctionName"] for one in page["Functions"]] for page in pages] == [["a", "b"], ["c"]]
    arns = [one["FunctionArn"] for one in lam.list_functions(FunctionVersion="ALL")["Functions"]]
    assert arns == [arn("a", "$LATEST"), arn("a", "1"), arn("b", "$LATEST"), arn("c", "$LATEST")]


def test_deleting(lam: Any, create: Any, refused: Any) -> None:
    """A function goes with its versions; its name can be used again, its versions begin at 1."""
    create("f", Publish=True)
    lam.delete_function(FunctionName="f")
    assert refused(lam.get_function, FunctionName="f", Qualifier="1")[0] == "ResourceNotFoundException"
    assert refused(lam.delete_function, FunctionName="f")[0] == "ResourceNotFoundException"
    assert create("f", Publish=True)["Version"] == "1"


def test_variables_under_a_key_of_ones_own(cloud: Any, lam: Any, create: Any, user: Any) -> None:
    """Variables under a KMS key are shown to those only who may decrypt with it."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    create("f", KMSKeyArn=key, Environment={"Variables": {"SECRET": "s"}})
    assert lam.get_function_configuration(FunctionName="f")["Environment"] == {"Variables": {"SECRET": "s"}}
    anne = user("anne", allow("lambda:*"))("lambda")
    error = anne.get_function_configuration(FunctionName="f")["Environment"]["Error"]
    assert error["ErrorCode"] == "AccessDeniedException"
    assert "unable to decrypt your environment variables" in error["Message"]
    [grant] = cloud.client("kms").list_grants(KeyId=key)["Grants"]
    assert grant["GranteePrincipal"].endswith(":role/plain")
    assert grant["Operations"] == ["Decrypt"]


def test_signing(lam: Any, create: Any, refused: Any) -> None:
    """Enforce refuses unsigned code, at creation and in updates; Warn lets it pass."""
    made = lam.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/v1"]},
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
    )["CodeSigningConfig"]
    config = made["CodeSigningConfigArn"]
    assert refused(create, "f", CodeSigningConfigArn=config)[0] == "CodeVerificationFailedException"
    lam.update_code_signing_config(CodeSigningConfigArn=config, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Warn"})
    create("f", CodeSigningConfigArn=config)
    assert lam.list_functions_by_code_signing_config(CodeSigningConfigArn=config)["FunctionArns"] == [arn("f")]
    assert refused(lam.delete_code_signing_config, CodeSigningConfigArn=config)[0] == "ResourceConflictException"
    lam.update_code_signing_config(CodeSigningConfigArn=config, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"})
    code, message = refused(lam.update_function_code, FunctionName="f", ZipFile=zipped(index="x=1"))
    assert code == "CodeVerificationFailedException"
    assert message.startswith("Lambda cannot deploy the function.")
    lam.delete_function_code_signing_config(FunctionName="f")
    lam.update_function_code(FunctionName="f", ZipFile=zipped(index="x=1"))
    lam.delete_code_signing_config(CodeSigningConfigArn=config)
    assert lam.list_code_signing_configs()["CodeSigningConfigs"] == []
