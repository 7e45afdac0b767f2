"""Resource shares: made, found, changed, tagged, ended."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import ACCOUNT, OTHER, PERMISSION, accept, statuses

GONE = f"arn:aws:ram:us-east-1:{ACCOUNT}:resource-share/00000000-0000-4000-8000-000000000000"


def names(ram: Any, owner: str = "SELF", **members: Any) -> list[str]:
    return sorted(one["name"] for one in ram.get_resource_shares(resourceOwner=owner, **members)["resourceShares"])


def test_made(cloud: Cloud, ram: Any, other: Any, cluster: Any) -> None:
    """A share is active at once; its receiver sees it when they have accepted, without its tags."""
    tags = [{"key": "team", "value": "a"}]
    made = ram.create_resource_share(name="s", resourceArns=[cluster()], principals=[OTHER], tags=tags)["resourceShare"]
    assert made["resourceShareArn"].startswith(f"arn:aws:ram:us-east-1:{ACCOUNT}:resource-share/")
    assert (made["status"], made["owningAccountId"], made["allowExternalPrincipals"], made["tags"]) == ("ACTIVE", ACCOUNT, True, tags)
    assert int(made["creationTime"].timestamp()) == cloud.now_ms // 1000
    assert names(ram) == ["s"]
    assert names(other, "OTHER-ACCOUNTS") == []
    accept(other)
    (seen,) = other.get_resource_shares(resourceOwner="OTHER-ACCOUNTS")["resourceShares"]
    assert (seen["resourceShareArn"], "tags" in seen) == (made["resourceShareArn"], False)
    assert names(other) == names(ram, "OTHER-ACCOUNTS") == []


def test_found(ram: Any, share: Any, cluster: Any, refused: Any) -> None:
    """Shares are found by ARN, name, status, tags and permission."""
    one = share("a", tags=[{"key": "k", "value": "1"}, {"key": "x", "value": ""}])
    share("b", tags=[{"key": "k", "value": "2"}], resourceArns=[cluster()])
    share("b")
    assert names(ram, resourceShareArns=[one]) == ["a"]
    assert names(ram, name="b") == ["b", "b"]
    assert names(ram, resourceShareStatus="DELETED") == []
    assert names(ram, tagFilters=[{"tagKey": "k"}]) == ["a", "b"]
    assert names(ram, tagFilters=[{"tagKey": "k", "tagValues": ["1", "3"]}]) == ["a"]
    assert names(ram, permissionArn=PERMISSION) == ["b"]
    assert refused(ram.get_resource_shares, resourceOwner="SELF", resourceShareArns=[GONE])[0] == "UnknownResourceException"
    assert refused(ram.get_resource_shares, resourceOwner="SELF", resourceShareArns=["x"])[0] == "MalformedArnException"


def test_pages(ram: Any, share: Any, refused: Any) -> None:
    """Shares come in pages, each once."""
    for number in range(5):
        share(f"s{number}")
    found = []
    for page in ram.get_paginator("get_resource_shares").paginate(resourceOwner="SELF", PaginationConfig={"PageSize": 2}):
        assert len(page["resourceShares"]) <= 2
        found += [one["name"] for one in page["resourceShares"]]
    assert sorted(found) == [f"s{number}" for number in range(5)]
    assert refused(ram.get_resource_shares, resourceOwner="SELF", nextToken="%")[0] == "InvalidNextTokenException"


def test_changed(cloud: Cloud, ram: Any, share: Any, refused: Any) -> None:
    """A share's name changes, and who may be invited while nobody is."""
    arn = share(principals=[OTHER])
    cloud.advance(60)
    changed = ram.update_resource_share(resourceShareArn=arn, name="t")["resourceShare"]
    assert (changed["name"], changed["lastUpdatedTime"] > changed["creationTime"]) == ("t", True)
    closed = {"resourceShareArn": arn, "allowExternalPrincipals": False}
    assert refused(ram.update_resource_share, **closed)[0] == "OperationNotPermittedException"
    ram.disassociate_resource_share(resourceShareArn=arn, principals=[OTHER])
    cloud.settle()
    assert ram.update_resource_share(**closed)["resourceShare"]["allowExternalPrincipals"] is False
    assert refused(ram.associate_resource_share, resourceShareArn=arn, principals=[OTHER])[0] == "OperationNotPermittedException"
    assert refused(ram.update_resource_share, resourceShareArn=arn)[0] == "MissingRequiredParameterException"
    assert refused(ram.update_resource_share, resourceShareArn=GONE, name="t")[0] == "UnknownResourceException"


def test_ended(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """A deleted share shares nothing any more; it is shown for two hours, and can't be changed."""
    arn = share(resourceArns=[cluster()], principals=[OTHER])
    accept(other)
    assert ram.delete_resource_share(resourceShareArn=arn)["returnValue"] is True
    assert other.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"] == []
    cloud.settle()
    assert names(ram, resourceShareStatus="DELETED") == ["s"]
    assert set(statuses(ram, "PRINCIPAL").values()) | set(statuses(ram, "RESOURCE").values()) == {"DISASSOCIATED"}
    for call, members in ((ram.delete_resource_share, {}), (ram.associate_resource_share, {"principals": [OTHER]})):
        assert refused(call, resourceShareArn=arn, **members)[0] == "InvalidStateTransitionException"
    cloud.advance(7_201)
    assert names(ram) == []
    assert statuses(ram, "PRINCIPAL") == {}
    assert refused(ram.delete_resource_share, resourceShareArn=arn)[0] == "UnknownResourceException"


def test_tags(ram: Any, share: Any, refused: Any) -> None:
    """A share has up to 50 tags, none of AWS's own."""
    arn = share(tags=[{"key": "a", "value": "1"}])
    ram.tag_resource(resourceShareArn=arn, tags=[{"key": "a", "value": "2"}, {"key": "b", "value": ""}])
    ram.untag_resource(resourceShareArn=arn, tagKeys=["b", "c"])
    assert ram.get_resource_shares(resourceOwner="SELF")["resourceShares"][0]["tags"] == [{"key": "a", "value": "2"}]
    many = [{"key": f"k{number}", "value": ""} for number in range(50)]
    assert refused(ram.tag_resource, resourceShareArn=arn, tags=many)[0] == "TagLimitExceededException"
    assert refused(ram.tag_resource, resourceShareArn=arn, tags=[{"key": "aws:x", "value": ""}])[0] == "TagPolicyViolationException"
    assert refused(ram.tag_resource, tags=[{"key": "x", "value": ""}])[0] == "InvalidParameterException"
    assert refused(ram.tag_resource, resourceArn=PERMISSION, tags=[{"key": "x", "value": ""}])[0] == "NotImplemented"


def test_idempotent(cloud: Cloud, ram: Any, share: Any, refused: Any) -> None:
    """The same request with the same clientToken is done once, for a day; another request with it is refused."""
    first = ram.create_resource_share(name="s", clientToken="t")
    assert ram.create_resource_share(name="s", clientToken="t")["resourceShare"] == first["resourceShare"]
    assert first["clientToken"] == "t"
    assert names(ram) == ["s"]
    assert refused(ram.create_resource_share, name="other", clientToken="t")[0] == "IdempotentParameterMismatchException"
    gone = {"resourceShareArn": first["resourceShare"]["resourceShareArn"], "clientToken": "d"}
    assert ram.delete_resource_share(**gone)["returnValue"] is ram.delete_resource_share(**gone)["returnValue"] is True
    cloud.settle()
    cloud.advance(86_401)
    ram.create_resource_share(name="s", clientToken="t")
    assert len(names(ram)) == 1
    assert share("u") != share("u")


@pytest.mark.parametrize(
    "members",
    [
        {"sources": [OTHER], "principals": ["logs.amazonaws.com"]},
        {"principals": ["arn:aws:organizations::000000000000:organization/o-1"]},
        {"principals": [f"arn:aws:iam::{OTHER}:role/r"]},
        {"resourceArns": ["arn:aws:ec2:us-east-1:000000000000:subnet/subnet-1"]},
        {"permissionArns": ["arn:aws:ram::aws:permission/AWSRAMDefaultPermissionSubnet"]},
        {"resourceShareConfiguration": {"retainSharingOnAccountLeaveOrganization": True}},
    ],
)
def test_absent(ram: Any, refused: Any, members: dict[str, Any]) -> None:
    """What is not here is refused by name, and nothing is made."""
    assert refused(ram.create_resource_share, name="s", **members)[0] == "NotImplemented"
    assert names(ram) == []
