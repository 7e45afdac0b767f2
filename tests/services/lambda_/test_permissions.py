"""Resource policies: statements that come and go, conditions, revisions, and what they let in."""

from __future__ import annotations

import json
from typing import Any

from .conftest import ACCOUNT, arn

OTHER = "111111111111"


def test_statements(lam: Any, create: Any, refused: Any) -> None:
    """A statement names principal, action, resource and conditions; it is there once, and its revision counts."""
    create("f")
    added = lam.add_permission(
        FunctionName="f",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount=ACCOUNT,
    )
    assert json.loads(added["Statement"]) == {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn("f"),
        "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"}},
    }
    held = lam.get_policy(FunctionName="f")
    again = {"FunctionName": "f", "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": OTHER}
    assert refused(lam.add_permission, **again)[0] == "ResourceConflictException"
    assert refused(lam.add_permission, **{**again, "StatementId": "x", "RevisionId": "stale"})[0] == "PreconditionFailedException"
    lam.add_permission(**{**again, "StatementId": "x", "RevisionId": held["RevisionId"]})
    document = json.loads(lam.get_policy(FunctionName="f")["Policy"])
    assert (document["Id"], [one["Sid"] for one in document["Statement"]]) == ("default", ["s3", "x"])
    assert refused(lam.remove_permission, FunctionName="f", StatementId="y")[0] == "ResourceNotFoundException"
    lam.remove_permission(FunctionName="f", StatementId="s3")
    lam.remove_permission(FunctionName="f", StatementId="x")
    assert refused(lam.get_policy, FunctionName="f") == ("ResourceNotFoundException", "The resource you requested does not exist.")


def test_who_can_be_nobody(lam: Any, create: Any, refused: Any) -> None:
    """A principal that there cannot be is refused, and the function stays within reach."""
    create("f")
    wrong = ("InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.")
    for principal in ("arn:", "nobody", "arn:aws:s3:::bucket", "12345"):
        members = {"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": principal}
        assert refused(lam.add_permission, **members) == wrong
    assert lam.get_function_configuration(FunctionName="f")["FunctionName"] == "f"


def test_a_policy_belongs_to_what_it_names(cloud: Any, lam: Any, create: Any, refused: Any, stage: Any) -> None:
    """A version's policy lets nobody at the function, nor at other versions; $LATEST has none of its own."""
    create("f", Publish=True)
    lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    lam.add_permission(FunctionName="f", Qualifier="live", StatementId="s", Action="lambda:InvokeFunction", Principal=OTHER)
    other = cloud.client("lambda", OTHER, "test")
    assert other.invoke(FunctionName=arn("f", "live"))["StatusCode"] == 200
    for name in (arn("f"), arn("f", "1")):
        assert refused(other.invoke, FunctionName=name)[0] == "AccessDeniedException"
    wrong = {"FunctionName": "f", "Qualifier": "$LATEST", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": OTHER}
    assert refused(lam.add_permission, **wrong)[0] == "InvalidParameterValueException"
    lam.delete_alias(FunctionName="f", Name="live")
    assert refused(other.invoke, FunctionName=arn("f", "live"))[0] == "AccessDeniedException"


def test_a_service_comes_in_by_its_source(cloud: Any, lam: Any, create: Any, stage: Any) -> None:
    """S3 may say that something happened for the bucket that the policy names."""
    from fogbank.access.principal import root
    from fogbank.kernel.context import Acting
    from fogbank.kernel.errors import ServiceException

    create("f")
    lam.add_permission(
        FunctionName="f",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bucket",
    )

    def send(bucket: str) -> str:
        gateway, inner = cloud.house.app.gateway, cloud.inner
        tx = inner.begin()
        ctx = gateway.context(inner, tx, gateway.manifest("s3"), root(ACCOUNT), ACCOUNT, "us-east-1", "s3", "test", "test")
        acting = Acting("s3.amazonaws.com", f"arn:aws:s3:::{bucket}", ACCOUNT)
        try:
            ctx.call("lambda", "Invoke", {"FunctionName": arn("f"), "InvocationType": "Event", "Payload": b"{}"}, acting=acting)
        except ServiceException as refused:
            return refused.code
        finally:
            inner.commit(tx)
        return ""

    assert cloud.house.on_loop(lambda: send("bucket")) == ""
    assert cloud.house.on_loop(lambda: send("other")) == "AccessDeniedException"
    cloud.settle()
    assert len(stage.invocations) == 1


def test_whole_policies(lam: Any, create: Any, refused: Any) -> None:
    """A policy can be put, read and deleted as a whole, by the ARN of what it is for."""
    create("f")
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "lambda:GetFunction", "Resource": arn("f")}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    put = lam.put_resource_policy(ResourceArn=arn("f"), Policy=document)
    assert lam.get_resource_policy(ResourceArn=arn("f")) | {"ResponseMetadata": 0} == put | {"ResponseMetadata": 0}
    assert refused(lam.put_resource_policy, ResourceArn=arn("f"), Policy="{}")[0] == "InvalidParameterValueException"
    lam.delete_resource_policy(ResourceArn=arn("f"), RevisionId=put["RevisionId"])
    assert refused(lam.get_resource_policy, ResourceArn=arn("f"))[0] == "ResourceNotFoundException"


def test_tags(lam: Any, create: Any, refused: Any) -> None:
    """Functions, mappings and signing configurations have tags; versions do not."""
    create("f", Tags={"a": "1"}, Publish=True)
    lam.tag_resource(Resource=arn("f"), Tags={"b": "2"})
    lam.untag_resource(Resource=arn("f"), TagKeys=["a", "none"])
    assert lam.list_tags(Resource=arn("f"))["Tags"] == {"b": "2"}
    assert refused(lam.tag_resource, Resource=arn("f"), Tags={str(n): "" for n in range(51)})[0] == "InvalidParameterValueException"
    assert refused(lam.list_tags, Resource=arn("none"))[0] == "ResourceNotFoundException"


def test_settings(lam: Any, create: Any, refused: Any) -> None:
    """When a runtime is updated, and what happens in a loop, can be said and read."""
    made = create("f")
    assert lam.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "Auto"
    version = made["RuntimeVersionConfig"]["RuntimeVersionArn"]
    lam.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="Manual", RuntimeVersionArn=version)
    assert lam.get_runtime_management_config(FunctionName="f")["RuntimeVersionArn"] == version
    assert refused(lam.put_runtime_management_config, FunctionName="f", UpdateRuntimeOn="Manual")[0] == "InvalidParameterValueException"
    assert lam.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Terminate"
    lam.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")
    assert lam.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Allow"


def test_aliases(lam: Any, create: Any, refused: Any) -> None:
    """An alias names a version, moves, and gives a part to one other; the version that it names cannot go."""
    create("f", Publish=True)
    lam.update_function_configuration(FunctionName="f", MemorySize=256)
    lam.publish_version(FunctionName="f")
    made = lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1", Description="d")
    assert (made["AliasArn"], made["FunctionVersion"], made["Description"]) == (arn("f", "live"), "1", "d")
    assert refused(lam.create_alias, FunctionName="f", Name="live", FunctionVersion="1")[0] == "ResourceConflictException"
    assert refused(lam.create_alias, FunctionName="f", Name="other", FunctionVersion="9")[0] == "ResourceNotFoundException"
    for weights in ({"1": 0.5}, {"9": 0.5}, {"2": 1.5}, {"1": 0.1, "2": 0.1}):
        members = {"FunctionName": "f", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": weights}}
        assert refused(lam.update_alias, **members)[0].startswith(("Invalid", "ResourceNotFound", "Validation"))
    assert refused(lam.update_alias, FunctionName="f", Name="live", RevisionId="stale")[0] == "PreconditionFailedException"
    moved = lam.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RevisionId=made["RevisionId"])
    assert moved["RevisionId"] != made["RevisionId"]
    assert refused(lam.delete_function, FunctionName="f", Qualifier="2")[0] == "ResourceConflictException"
    got = lam.get_function_configuration(FunctionName="f", Qualifier="live")
    assert (got["FunctionArn"], got["Version"], got["MemorySize"]) == (arn("f", "live"), "2", 256)
    assert [one["Name"] for one in lam.list_aliases(FunctionName="f", FunctionVersion="2")["Aliases"]] == ["live"]
    lam.delete_alias(FunctionName="f", Name="live")
    lam.delete_alias(FunctionName="f", Name="live")
    assert refused(lam.get_alias, FunctionName="f", Name="live") == (
        "ResourceNotFoundException",
        f"Cannot find alias arn: {arn('f', 'live')}",
    )
