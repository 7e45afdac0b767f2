"""Reading parameters: one by one, by path, their history; and describing them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from fogbank.testing import Cloud


def names(answer: dict[str, Any]) -> list[str]:
    return [parameter["Name"] for parameter in answer["Parameters"]]


def test_selectors(ssm: Any, put: Any, refused: Any) -> None:
    """`name:version` and `name:label` read that version, also after an ARN."""
    for value in ("one", "two"):
        put("/a", value, Overwrite=True)
    ssm.label_parameter_version(Name="/a", ParameterVersion=1, Labels=["prod"])
    for selector in ("1", "prod"):
        for name in ("/a", "arn:aws:ssm:us-east-1:000000000000:parameter/a"):
            found = ssm.get_parameter(Name=f"{name}:{selector}")["Parameter"]
            assert (found["Name"], found["Value"], found["Version"], found["Selector"]) == ("/a", "one", 1, f":{selector}")
    assert ssm.get_parameter(Name="/a")["Parameter"]["Value"] == "two"
    for selector in ("3", "0", "none", "9" * 40):
        assert refused(ssm.get_parameter, Name=f"/a:{selector}")[0] == "ParameterVersionNotFound"
    assert refused(ssm.get_parameter, Name="/none")[0] == "ParameterNotFound"
    assert refused(ssm.get_parameter, Name="/{x}")[0] == "ValidationException"


def test_an_arn_of_a_name_without_a_slash(ssm: Any, put: Any) -> None:
    """A parameter without a slash is found by its ARN, which has one."""
    put("plain")
    assert ssm.get_parameter(Name="arn:aws:ssm:us-east-1:000000000000:parameter/plain")["Parameter"]["Name"] == "plain"


def test_reading_several(ssm: Any, put: Any) -> None:
    """GetParameters answers in order of the names, and tells what is not there."""
    for name in ("c", "a", "b"):
        put(name, name)
    answer = ssm.get_parameters(Names=["c", "none", "a:1", "b:7"])
    assert [(p["Name"], p["Value"]) for p in answer["Parameters"]] == [("a", "a"), ("c", "c")]
    assert answer["InvalidParameters"] == ["none", "b:7"]


def test_labels(ssm: Any, put: Any, refused: Any) -> None:
    """A label is on one version at a time; those that break the rules are told; a version has at most ten."""
    put("a")
    put("a", Overwrite=True)
    answer = ssm.label_parameter_version(Name="a", Labels=["ok", "1st", "aws-x", "SSMy", "no space", "fine_.-"])
    assert answer["ParameterVersion"] == 2
    assert answer["InvalidLabels"] == ["1st", "aws-x", "SSMy", "no space"]
    ssm.label_parameter_version(Name="a", ParameterVersion=1, Labels=["ok"])
    assert [v["Labels"] for v in ssm.get_parameter_history(Name="a")["Parameters"]] == [["ok"], ["fine_.-"]]
    removed = ssm.unlabel_parameter_version(Name="a", ParameterVersion=1, Labels=["ok", "fine_.-"])
    assert (removed["RemovedLabels"], removed["InvalidLabels"]) == (["ok"], ["fine_.-"])
    assert refused(ssm.label_parameter_version, Name="a", ParameterVersion=3, Labels=["x"])[0] == "ParameterVersionNotFound"
    assert refused(ssm.label_parameter_version, Name="none", Labels=["x"])[0] == "ParameterNotFound"
    ssm.label_parameter_version(Name="a", Labels=[f"l{n}" for n in range(9)])
    assert refused(ssm.label_parameter_version, Name="a", Labels=["more"]) == (
        "ParameterVersionLabelLimitExceeded",
        "A parameter version can have maximum 10 labels. Move one or more labels to another version and try again.",
    )


@pytest.fixture
def tree(put: Any) -> None:
    """A hierarchy."""
    for name in ("/app", "/app/db", "/app/db/host", "/app/db/port", "/app/url", "/apple", "plain"):
        put(name)


def test_reading_by_path(ssm: Any, tree: None, refused: Any) -> None:
    """One level below the path, or with Recursive all; the path itself and what only begins like it are not part of it."""
    assert names(ssm.get_parameters_by_path(Path="/app")) == ["/app/db", "/app/url"]
    assert names(ssm.get_parameters_by_path(Path="/app/", Recursive=True)) == ["/app/db", "/app/db/host", "/app/db/port", "/app/url"]
    assert names(ssm.get_parameters_by_path(Path="/")) == ["/app", "/apple", "plain"]
    assert names(ssm.get_parameters_by_path(Path="/none")) == []
    assert refused(ssm.get_parameters_by_path, Path="app")[0] == "ValidationException"


def test_pages_of_a_path(ssm: Any, put: Any, refused: Any) -> None:
    """Ten a page, or as few as asked for; none is lost."""
    for number in range(25):
        put(f"/p/{number:02}")
    assert len(names(ssm.get_parameters_by_path(Path="/p"))) == 10
    pages = list(ssm.get_paginator("get_parameters_by_path").paginate(Path="/p", PaginationConfig={"PageSize": 4}))
    assert [name for page in pages for name in names(page)] == [f"/p/{number:02}" for number in range(25)]
    assert refused(ssm.get_parameters_by_path, Path="/p", NextToken="nonsense")[0] == "InvalidNextToken"


def test_filters_of_a_path(ssm: Any, put: Any, refused: Any) -> None:
    """By type, key and label; a label chooses the version, too."""
    put("/p/a", "1")
    put("/p/a", "2", Overwrite=True)
    put("/p/b", "x,y", Type="StringList")
    put("/p/c", "s", Type="SecureString")
    ssm.label_parameter_version(Name="/p/a", ParameterVersion=1, Labels=["old"])

    def found(**one: Any) -> list[tuple[str, str]]:
        return [(p["Name"], p["Value"]) for p in ssm.get_parameters_by_path(Path="/p", ParameterFilters=[one])["Parameters"]]

    assert found(Key="Type", Values=["StringList"]) == [("/p/b", "x,y")]
    assert [name for name, _ in found(Key="KeyId", Option="BeginsWith", Values=["alias/aws"])] == ["/p/c"]
    assert found(Key="Label", Values=["old"]) == [("/p/a", "1")]
    assert refused(found, Key="Name", Values=["x"])[0] == "InvalidFilterKey"
    assert refused(found, Key="Label", Option="BeginsWith", Values=["x"])[0] == "InvalidFilterOption"


def test_history(ssm: Any, put: Any) -> None:
    """Every version, with who made it, when and with what description."""
    put("a", "one", Description="first")
    put("a", "two", Overwrite=True)
    one, two = ssm.get_parameter_history(Name="a")["Parameters"]
    assert (one["Value"], one["Version"], one["Description"], one["Tier"]) == ("one", 1, "first", "Standard")
    assert one["LastModifiedUser"] == "arn:aws:iam::000000000000:root"
    assert two["Value"] == "two"
    assert "Description" not in two


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"Key": "Name", "Values": ["/app/url", "plain"]}, ["/app/url", "plain"]),
    ({"Key": "Name", "Option": "BeginsWith", "Values": ["/app/"]}, ["/app/db", "/app/db/host", "/app/db/port", "/app/url"]),
    ({"Key": "Name", "Option": "Contains", "Values": ["ppl"]}, ["/apple"]),
    ({"Key": "Path", "Values": ["/app"]}, ["/app/db", "/app/url"]),
    ({"Key": "Path", "Option": "Recursive", "Values": ["/app/db"]}, ["/app/db/host", "/app/db/port"]),
    ({"Key": "Type", "Values": ["SecureString"]}, ["secure"]),
    ({"Key": "KeyId", "Values": ["alias/aws/ssm"]}, ["secure"]),
    ({"Key": "Tier", "Values": ["Advanced"]}, ["advanced"]),
    ({"Key": "DataType", "Values": ["integer"]}, ["number"]),
    ({"Key": "tag:team"}, ["advanced", "number"]),
    ({"Key": "tag:team", "Values": ["red"]}, ["advanced"]),
    ({"Key": "tag:team", "Option": "BeginsWith", "Values": ["b"]}, ["number"]),
]


@pytest.mark.parametrize(("one", "expected"), FILTERS)
def test_describing_by_filters(ssm: Any, put: Any, tree: None, one: dict[str, Any], expected: list[str]) -> None:
    """Each kind of filter finds what it should, and nothing else."""
    put("secure", Type="SecureString")
    put("advanced", Tier="Advanced", Tags=[{"Key": "team", "Value": "red"}])
    put("number", "1", DataType="integer", Tags=[{"Key": "team", "Value": "blue"}])
    answer = ssm.describe_parameters(ParameterFilters=[one])
    assert names(answer) == expected
    assert not any("Value" in parameter for parameter in answer["Parameters"])


def test_wrong_filters(ssm: Any, refused: Any) -> None:
    """A key, an option or a value that a filter cannot have is refused."""

    def code(*given: dict[str, Any], **more: Any) -> str:
        found: str = refused(ssm.describe_parameters, ParameterFilters=list(given), **more)[0]
        return found

    assert code({"Key": "Label", "Values": ["x"]}) == "InvalidFilterKey"
    assert code({"Key": "Type", "Option": "Contains", "Values": ["x"]}) == "InvalidFilterOption"
    assert code({"Key": "Path", "Option": "Equals", "Values": ["/x"]}) == "InvalidFilterOption"
    assert code({"Key": "Type", "Values": ["Number"]}) == "InvalidFilterValue"
    assert code({"Key": "Name"}) == "InvalidFilterValue"
    assert code({"Key": "Name", "Values": ["a"]}, {"Key": "Name", "Values": ["b"]}) == "InvalidFilterKey"
    assert code({"Key": "Name", "Values": ["a"]}, Filters=[{"Key": "Name", "Values": ["a"]}]) == "ValidationException"
    assert refused(ssm.describe_parameters, Shared=True)[0] == "NotImplemented"


def test_filters_of_the_older_kind(ssm: Any, tree: None) -> None:
    """Filters finds names by how they begin, types as they are."""
    assert names(ssm.describe_parameters(Filters=[{"Key": "Name", "Values": ["/app/db/"]}])) == ["/app/db/host", "/app/db/port"]
    assert len(names(ssm.describe_parameters(Filters=[{"Key": "Type", "Values": ["String"]}]))) == 7


def test_pages_of_descriptions(ssm: Any, put: Any) -> None:
    """At most 50 a page."""
    for number in range(60):
        put(f"p{number:02}")
    assert len(names(ssm.describe_parameters())) == 50
    pages = ssm.get_paginator("describe_parameters").paginate(PaginationConfig={"PageSize": 7})
    assert len([name for page in pages for name in names(page)]) == 60


def test_public_parameters(ssm: Any, refused: Any) -> None:
    """The regions and services that botocore knows can be read by everybody; images cannot, there are none yet."""
    root = "/aws/service/global-infrastructure"
    found = ssm.get_parameter(Name=f"{root}/regions/eu-central-1/longName")["Parameter"]
    assert found["Value"] == "Europe (Frankfurt)"
    assert found["ARN"] == f"arn:aws:ssm:us-east-1::parameter{root}/regions/eu-central-1/longName"
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=f"{root}/regions")
    regions = [parameter["Value"] for page in pages for parameter in page["Parameters"]]
    assert {"us-east-1", "cn-north-1", "us-gov-west-1"} <= set(regions)
    services = f"{root}/regions/us-west-2/services"
    assert ssm.get_parameter(Name=f"{services}/sqs/endpoint")["Parameter"]["Value"] == "sqs.us-west-2.amazonaws.com"
    assert ssm.get_parameter(Name=f"{root}/services/s3/longName")["Parameter"]["Value"] == "Amazon Simple Storage Service"
    assert ssm.get_parameter(Name=f"{services}/iam/endpoint")["Parameter"]["Value"] == "iam.amazonaws.com"
    assert refused(ssm.get_parameter, Name="/aws/service/ami-amazon-linux-latest/al2023-ami-x86_64")[0] == "ParameterNotFound"
    assert ssm.get_parameters(Names=[f"{root}/regions/us-east-1", f"{root}/none"])["InvalidParameters"] == [f"{root}/none"]


def test_secrets_as_parameters(cloud: Cloud, ssm: Any, refused: Any) -> None:
    """/aws/reference/secretsmanager/ reads a secret of Secrets Manager, also one of its versions."""
    sm = cloud.client("secretsmanager")
    old = sm.create_secret(Name="app/db", SecretString="one")["VersionId"]
    sm.put_secret_value(SecretId="app/db", SecretString="two")
    name = "/aws/reference/secretsmanager/app/db"
    found = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (found["Name"], found["Value"], found["Type"], found["Version"]) == (name, "two", "SecureString", 0)
    assert json.loads(found["SourceResult"])["SecretString"] == "two"
    for selector in (old, "AWSPREVIOUS"):
        assert ssm.get_parameters(Names=[f"{name}:{selector}"], WithDecryption=True)["Parameters"][0]["Value"] == "one"
    assert refused(ssm.get_parameter, Name=name) == (
        "ValidationException",
        "WithDecryption flag must be True for retrieving a Secret Manager secret.",
    )
    assert refused(ssm.get_parameter, Name=name + "x", WithDecryption=True)[0] == "ParameterNotFound"


@pytest.mark.parametrize("place", ["abc", "9" * 30, "9" * 5000])
def test_tokens_are_ours(ssm: Any, put: Any, refused: Any, place: str) -> None:
    """A token that we cannot have given is refused as such."""
    put("a")
    token = base64.b64encode(place.encode()).decode()
    assert refused(ssm.get_parameter_history, Name="a", NextToken=token)[0] == "InvalidNextToken"
