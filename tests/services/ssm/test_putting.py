"""PutParameter: names, values, tiers, versions; and deleting."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_parameter_is_made_and_overwritten(ssm: Any, put: Any, refused: Any) -> None:
    """The first version is 1; without Overwrite a parameter that is there is refused, with it the next version is made."""
    answer = put("/app/key", "one")
    assert (answer["Version"], answer["Tier"]) == (1, "Standard")
    assert refused(put, "/app/key", "two") == (
        "ParameterAlreadyExists",
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
    )
    assert ssm.put_parameter(Name="/app/key", Value="two", Overwrite=True)["Version"] == 2
    found = ssm.get_parameter(Name="/app/key")["Parameter"]
    assert found["ARN"] == "arn:aws:ssm:us-east-1:000000000000:parameter/app/key"
    assert (found["Value"], found["Version"], found["Type"], found["DataType"]) == ("two", 2, "String", "text")
    assert "Selector" not in found


NAMES: list[tuple[str, str]] = [
    ("awsTestParameter", "AccessDeniedException"),
    ("/aws/testparam1", "AccessDeniedException"),
    ("SSM-testparameter", "ValidationException"),
    ("/ssm/x", "ValidationException"),
    ("a b", "ValidationException"),
    ("/a/", "ValidationException"),
    ("//a", "ValidationException"),
    ("a/b", "ValidationException"),
    ("/a:1", "ValidationException"),
    ("/a{b}", "ValidationException"),
    ("/" + "/".join("abcdefghijklmnop"), "HierarchyLevelLimitExceededException"),
    ("x" * 1000, "ValidationException"),
]


@pytest.mark.parametrize(("name", "code"), NAMES)
def test_names_are_checked(put: Any, refused: Any, name: str, code: str) -> None:
    """Names have AWS's characters, 15 levels and 1,011 characters with the ARN, and do not begin with aws or ssm."""
    assert refused(put, name)[0] == code


def test_what_names_may_be(ssm: Any, put: Any) -> None:
    """Spaces around a name do not count; fifteen levels are allowed; the ARN has one slash."""
    deep = "/" + "/".join("abcdefghijklmno")
    put(deep)
    put("  plain.name-1_2  ")
    assert ssm.get_parameter(Name=deep)["Parameter"]["ARN"].endswith(f":parameter{deep}")
    assert ssm.get_parameter(Name="plain.name-1_2")["Parameter"]["ARN"].endswith(":parameter/plain.name-1_2")


def test_the_words_of_refusals(put: Any, refused: Any) -> None:
    """AWS's own sentences."""
    assert refused(put, "{x}")[1] == (
        'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by'
        " slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_"
    )
    assert refused(put, "a/b")[1] == "Parameter name must be a fully qualified name."
    assert refused(put, "/aws/a")[1] == "No access to reserved parameter name: /aws/a."


def test_a_type_is_needed_and_stays(ssm: Any, put: Any, refused: Any) -> None:
    """A new parameter needs a type, which never changes."""
    assert refused(ssm.put_parameter, Name="a", Value="b") == (
        "ValidationException",
        "A parameter type is required when you create a parameter.",
    )
    put("a")
    assert refused(put, "a", Type="StringList", Overwrite=True)[0] == "HierarchyTypeMismatchException"
    assert refused(put, "b", KeyId="alias/aws/ssm")[0] == "ValidationException"


def test_values_are_checked(ssm: Any, put: Any, refused: Any) -> None:
    """A value is not empty, names no other parameter, fits its pattern and its tier."""
    assert refused(put, "a", "")[0] == "ValidationException"
    assert refused(put, "a", "{{ssm:b}}")[0] == "ValidationException"
    assert refused(put, "a", "x1", AllowedPattern=r"^\d+$") == (
        "ParameterPatternMismatchException",
        r"Parameter value, cannot be validated against allowedPattern: ^\d+$",
    )
    assert refused(put, "a", "1", AllowedPattern="(")[0] == "InvalidAllowedPatternException"
    assert refused(put, "a", "a" * 40 + "!", AllowedPattern="(a|a)*$")[0] == "InvalidAllowedPatternException"
    put("a", "12", AllowedPattern=r"^\d+$")
    assert ssm.describe_parameters()["Parameters"][0]["AllowedPattern"] == r"^\d+$"
    assert refused(put, "large", "x" * 4097)[1].startswith("Standard tier parameters support a maximum parameter value of 4096 characters.")
    put("large", "x" * 4096)
    put("larger", "x" * 8192, Tier="Advanced")
    assert refused(put, "largest", "x" * 8193, Tier="Advanced")[0] == "ValidationException"


DATA_TYPES = [
    ("boolean", "true", "yes"),
    ("integer", "-12", "1.5"),
    ("float", "1.5e3", "one"),
    ("hostname", "db-1.example.com", "-x.example.com"),
    ("email", "a.b@example.com", "a@b"),
    ("ipv4-address", "10.0.0.1", "10.0.0.256"),
    ("ipv6-address", "::1", "10.0.0.1"),
    ("url", "https://example.com/x?y=1", "example.com"),
    ("json", '{"a": [1]}', "{a: 1}"),
    ("jsonc", '{"a": "//no", /* yes */ "b": [1,], // and\n}', '{"a" 1}'),
    ("aws:region", "eu-west-1", "eu-moon-1"),
    ("aws:account:id", "123456789012", "123"),
]


@pytest.mark.parametrize(("name", "good", "bad"), DATA_TYPES)
def test_data_types(ssm: Any, put: Any, refused: Any, name: str, good: str, bad: str) -> None:
    """A value is checked against its data type, and given back as it was put."""
    assert refused(put, "a", bad, DataType=name, Tier="Advanced")[0] == "ValidationException"
    put("a", good, DataType=name, Tier="Advanced")
    found = ssm.get_parameter(Name="a")["Parameter"]
    assert (found["Value"], found["DataType"]) == (good, name)


def test_data_types_that_are_not_there(put: Any, refused: Any) -> None:
    """A data type that needs another service is refused by name; one that AWS has not is invalid; url and json need the advanced tier."""
    code, message = refused(put, "a", "ami-12345678", DataType="aws:ec2:image")
    assert code == "NotImplemented"
    assert "DataType aws:ec2:image" in message
    assert refused(put, "a", "x", DataType="aws:ssm:integration")[0] == "NotImplemented"
    assert refused(put, "a", "x", DataType="nonsense")[0] == "ValidationException"
    assert refused(put, "a", "1", DataType="integer", Type="StringList")[0] == "ValidationException"
    assert refused(put, "a", "{}", DataType="json")[0] == "ValidationException"


def test_tiers(ssm: Any, put: Any, refused: Any) -> None:
    """A standard parameter can become advanced, never the other way; Intelligent-Tiering takes what is needed."""
    put("a")
    assert put("a", Tier="Advanced", Overwrite=True)["Tier"] == "Advanced"
    assert put("a", Overwrite=True)["Tier"] == "Advanced"
    code, message = refused(put, "a", Tier="Standard", Overwrite=True)
    assert code == "ValidationException"
    assert message.startswith("This parameter uses the advanced-parameter tier. You can't downgrade")
    assert put("b", Tier="Intelligent-Tiering")["Tier"] == "Standard"
    assert put("c", "x" * 5000, Tier="Intelligent-Tiering")["Tier"] == "Advanced"
    assert put("d", "{}", DataType="json", Tier="Intelligent-Tiering")["Tier"] == "Advanced"


def test_the_default_tier_is_a_setting(ssm: Any, put: Any, refused: Any) -> None:
    """default-parameter-tier says which tier a parameter gets; settings of other parts of Systems Manager are refused by name."""
    name = "/ssm/parameter-store/default-parameter-tier"
    setting = ssm.get_service_setting(SettingId=name)["ServiceSetting"]
    assert (setting["SettingValue"], setting["Status"]) == ("Standard", "Default")
    ssm.update_service_setting(SettingId=name, SettingValue="Advanced")
    assert put("a")["Tier"] == "Advanced"
    setting = ssm.get_service_setting(SettingId=setting["ARN"])["ServiceSetting"]
    assert (setting["SettingValue"], setting["Status"]) == ("Advanced", "Customized")
    assert setting["LastModifiedUser"] == "arn:aws:iam::000000000000:root"
    assert ssm.reset_service_setting(SettingId=name)["ServiceSetting"]["Status"] == "Default"
    assert put("b")["Tier"] == "Standard"
    assert refused(ssm.update_service_setting, SettingId=name, SettingValue="Gold")[0] == "ValidationException"
    assert refused(ssm.get_service_setting, SettingId="/ssm/none")[0] == "ServiceSettingNotFound"
    assert refused(ssm.get_service_setting, SettingId="/ssm/opsinsights/opscenter")[0] == "NotImplemented"
    throughput = "/ssm/parameter-store/high-throughput-enabled"
    assert refused(ssm.update_service_setting, SettingId=throughput, SettingValue="true")[0] == "NotImplemented"
    assert ssm.get_service_setting(SettingId=throughput)["ServiceSetting"]["SettingValue"] == "false"


def test_a_hundred_versions_are_kept(ssm: Any, put: Any, refused: Any) -> None:
    """The 101st version takes the place of the oldest, unless a label holds that one."""
    for number in range(101):
        put("a", str(number), Overwrite=True)
    assert refused(ssm.get_parameter, Name="a:1") == (
        "ParameterVersionNotFound",
        "Systems Manager could not find version 1 of a. Verify the version and try again.",
    )
    history = [v for page in ssm.get_paginator("get_parameter_history").paginate(Name="a") for v in page["Parameters"]]
    assert [v["Version"] for v in history] == list(range(2, 102))
    ssm.label_parameter_version(Name="a", ParameterVersion=2, Labels=["kept"])
    assert refused(put, "a", "more", Overwrite=True) == (
        "ParameterMaxVersionLimitExceeded",
        "You attempted to create a new version of a by calling the PutParameter API with the overwrite flag. Version 2, the oldest version,"
        " can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.",
    )


def test_deleting(ssm: Any, put: Any, refused: Any) -> None:
    """A deleted parameter is gone with its versions; one that is made anew begins at 1; what was not there is told."""
    put("a")
    put("a", Overwrite=True)
    put("b")
    ssm.delete_parameter(Name="a")
    assert refused(ssm.get_parameter, Name="a")[0] == "ParameterNotFound"
    assert refused(ssm.delete_parameter, Name="a")[0] == "ParameterNotFound"
    answer = ssm.delete_parameters(Names=["a", "b"])
    assert (answer["DeletedParameters"], answer["InvalidParameters"]) == (["b"], ["a"])
    assert put("a")["Version"] == 1


def test_tags(ssm: Any, put: Any, refused: Any) -> None:
    """Tags come with a new parameter, or later; not with Overwrite; other kinds of resources are refused by name."""
    put("a", Tags=[{"Key": "x", "Value": "1"}])
    tag = {"ResourceType": "Parameter", "ResourceId": "a"}
    ssm.add_tags_to_resource(**tag, Tags=[{"Key": "x", "Value": "2"}, {"Key": "y", "Value": "3"}])
    ssm.remove_tags_from_resource(**tag, TagKeys=["y", "z"])
    assert ssm.list_tags_for_resource(**tag)["TagList"] == [{"Key": "x", "Value": "2"}]
    assert refused(put, "a", Tags=[{"Key": "x", "Value": "1"}], Overwrite=True)[1].startswith(
        "Invalid request: tags and overwrite can't be used together."
    )
    many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
    assert refused(ssm.add_tags_to_resource, **tag, Tags=many)[0] == "TooManyTagsError"
    assert refused(ssm.list_tags_for_resource, ResourceType="Parameter", ResourceId="none")[0] == "InvalidResourceId"
    assert refused(ssm.list_tags_for_resource, ResourceType="Document", ResourceId="d")[0] == "NotImplemented"


def test_the_rest_of_systems_manager(ssm: Any, refused: Any) -> None:
    """What is not the Parameter Store answers 501 by its name."""
    assert refused(ssm.list_documents) == ("NotImplemented", "Fogbank does not implement ssm:ListDocuments.")


@pytest.mark.parametrize(
    "pattern", ["(((a{1000}){1000}){1000})", "(" * 400 + ")" * 400, "[" * 500, "a{99999999999999999999}", "(a+)+$|" * 30]
)
def test_monstrous_patterns(put: Any, refused: Any, pattern: str) -> None:
    """A pattern that is not one, or takes more room or time than it may, is refused at once."""
    assert refused(put, "p", "a" * 4000 + "b", AllowedPattern=pattern)[0] in (
        "InvalidAllowedPatternException",
        "ParameterPatternMismatchException",
    )


def test_counted_patterns(put: Any, refused: Any) -> None:
    """Ordinary counted repetitions work."""
    put("p", "ab" * 50, AllowedPattern=r"((ab){5}){10}")
    put("q", "{{1}", AllowedPattern=r"[{9}]{2}\d{1,3}\}")
    assert refused(put, "r", "abab", AllowedPattern="(ab){3}")[0] == "ParameterPatternMismatchException"


@pytest.mark.parametrize("data_type", ["json", "jsonc"])
def test_deep_json(put: Any, refused: Any, data_type: str) -> None:
    """JSON of any depth is checked or refused."""
    assert refused(put, "p", "[" * 8000, DataType=data_type, Tier="Advanced")[0] == "ValidationException"


def test_deep_policies(put: Any, refused: Any) -> None:
    """Parameter policies of any depth are read or refused."""
    assert refused(put, "p", Tier="Advanced", Policies="[" * 4000)[0] == "ValidationException"
