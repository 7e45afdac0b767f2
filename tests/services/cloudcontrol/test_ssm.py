"""AWS::SSM::Parameter."""

from __future__ import annotations

from typing import Any

from .conftest import ACCOUNT, Control

PARAMETER = "AWS::SSM::Parameter"


def test_parameter(cloud: Any, control: Control) -> None:
    """A parameter's changes are versions; what is only written is not read."""
    wanted = {"Name": "/app/size", "Type": "String", "Value": "1", "Tags": {"a": "1"}}
    name = control.create(PARAMETER, {**wanted, "Description": "d"})
    arn = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/app/size"
    assert control.read(PARAMETER, name) == {**wanted, "DataType": "text", "Arn": arn}
    ssm = cloud.client("ssm")
    assert ssm.describe_parameters()["Parameters"][0]["Description"] == "d"
    found = control.update(PARAMETER, name, ("replace", "/Value", "2"), ("replace", "/Tags", {"b": "2"}))
    assert (found["Value"], found["Tags"]) == ("2", {"b": "2"})
    assert ssm.get_parameter(Name=name)["Parameter"]["Version"] == 2
    assert control.listed(PARAMETER) == [name]
    assert control.refused(PARAMETER, wanted)[0] == "AlreadyExists"
    control.delete(PARAMETER, name)
