"""Layers: published, used, shared, deleted."""

from __future__ import annotations

from typing import Any

from .conftest import ACCOUNT, zipped

LAYER = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:l"


def publish(lam: Any, name: str = "l", **more: Any) -> Any:
    return lam.publish_layer_version(LayerName=name, Content={"ZipFile": zipped(lib="x = 1")}, **more)


def test_versions_of_a_layer(lam: Any, refused: Any) -> None:
    """Versions count up and never come again; listings give the newest first, and what fits a runtime."""
    first = publish(lam, Description="one", CompatibleRuntimes=["python3.12"], LicenseInfo="MIT")
    assert (first["Version"], first["LayerVersionArn"], first["LayerArn"]) == (1, f"{LAYER}:1", LAYER)
    publish(lam, CompatibleRuntimes=["python3.13"])
    lam.delete_layer_version(LayerName="l", VersionNumber=2)
    assert publish(lam, CompatibleArchitectures=["arm64"])["Version"] == 3
    assert [one["Version"] for one in lam.list_layer_versions(LayerName="l")["LayerVersions"]] == [3, 1]
    assert [one["Version"] for one in lam.list_layer_versions(LayerName="l", CompatibleRuntime="python3.12")["LayerVersions"]] == [1]
    [listed] = lam.list_layers()["Layers"]
    assert (listed["LayerName"], listed["LatestMatchingVersion"]["Version"]) == ("l", 3)
    got = lam.get_layer_version_by_arn(Arn=f"{LAYER}:1")
    assert (got["LicenseInfo"], got["Content"]["CodeSha256"]) == ("MIT", first["Content"]["CodeSha256"])
    assert refused(lam.get_layer_version, LayerName="l", VersionNumber=2)[0] == "ResourceNotFoundException"


def test_layers_of_a_function(lam: Any, create: Any, refused: Any) -> None:
    """A function names its layers by version: at most five, one version of each; a deleted one stays with those that have it."""
    publish(lam)
    publish(lam)
    made = create("f", Layers=[f"{LAYER}:1"])
    assert made["Layers"] == [{"Arn": f"{LAYER}:1", "CodeSize": len(zipped(lib="x = 1"))}]
    code, message = refused(lam.update_function_configuration, FunctionName="f", Layers=[f"{LAYER}:1", f"{LAYER}:2"])
    assert code == "InvalidParameterValueException"
    assert message.startswith("Two different versions of the same layer are not allowed")
    assert "more than 5 layers" in refused(lam.update_function_configuration, FunctionName="f", Layers=[f"{LAYER}:1"] * 6)[1]
    lam.delete_layer_version(LayerName="l", VersionNumber=1)
    lam.update_function_configuration(FunctionName="f", MemorySize=256)
    assert refused(create, "g", Layers=[f"{LAYER}:1"])[1] == f"Layer version {LAYER}:1 does not exist."


def test_a_layer_of_another_account(cloud: Any, refused: Any, create: Any) -> None:
    """Another account's layer can be used when its policy says so."""
    other = cloud.client("lambda", "111111111111", "test")
    theirs = publish(other)["LayerVersionArn"]
    assert refused(create, "f", Layers=[theirs])[0] == "AccessDeniedException"
    added = other.add_layer_version_permission(
        LayerName="l", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal=ACCOUNT
    )
    assert '"Sid":"s"' in added["Statement"]
    create("f", Layers=[theirs])
    again = refused(
        other.add_layer_version_permission,
        LayerName="l",
        VersionNumber=1,
        StatementId="s",
        Action="lambda:GetLayerVersion",
        Principal="*",
    )
    assert again[0] == "ResourceConflictException"
    stale = refused(other.remove_layer_version_permission, LayerName="l", VersionNumber=1, StatementId="s", RevisionId="x")
    assert stale[0] == "PreconditionFailedException"
    other.remove_layer_version_permission(LayerName="l", VersionNumber=1, StatementId="s")
    assert refused(other.get_layer_version_policy, LayerName="l", VersionNumber=1)[0] == "ResourceNotFoundException"
    assert refused(create, "g", Layers=[theirs])[0] == "AccessDeniedException"


def test_arns_that_lead_nowhere(lam: Any, refused: Any) -> None:
    """A number that no version can have, and another region, are not found."""
    lam.publish_layer_version(LayerName="l", Content={"ZipFile": zipped(index="")})
    version = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:l:{'9' * 30}"
    assert refused(lam.get_layer_version_by_arn, Arn=version)[0] == "ResourceNotFoundException"
    elsewhere = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:layer:l"
    code, message = refused(lam.publish_layer_version, LayerName=elsewhere, Content={"ZipFile": zipped(index="")})
    assert (code, "eu-west-1" in message) == ("ResourceNotFoundException", True)
