"""What comes into a share and leaves it, and the listings of resources and principals."""

from __future__ import annotations

from typing import Any

from fogbank.testing import Cloud

from .conftest import ACCOUNT, OTHER, PERMISSION, THIRD, accept, invitations, statuses


def test_steps(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any) -> None:
    """A resource is associating, associated, disassociating, disassociated; an account is associating until it accepts."""
    arn, one = share(), cluster()
    added = ram.associate_resource_share(resourceShareArn=arn, resourceArns=[one], principals=[OTHER])["resourceShareAssociations"]
    assert {(each["associationType"], each["status"]) for each in added} == {("RESOURCE", "ASSOCIATING"), ("PRINCIPAL", "ASSOCIATING")}
    cloud.settle()
    assert statuses(ram, "RESOURCE") == {one: "ASSOCIATED"}
    assert statuses(ram, "PRINCIPAL") == {OTHER: "ASSOCIATING"}
    accept(other)
    assert statuses(ram, "PRINCIPAL") == {OTHER: "ASSOCIATED"}
    (again,) = ram.associate_resource_share(resourceShareArn=arn, principals=[OTHER])["resourceShareAssociations"]
    assert again["status"] == "ASSOCIATED"
    ended = ram.disassociate_resource_share(resourceShareArn=arn, resourceArns=[one], principals=[OTHER])["resourceShareAssociations"]
    assert {each["status"] for each in ended} == {"DISASSOCIATING"}
    assert other.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"] == []
    cloud.settle()
    assert statuses(ram, "RESOURCE", associationStatus="DISASSOCIATED") == {one: "DISASSOCIATED"}
    cloud.advance(7_201)
    assert statuses(ram, "RESOURCE") == statuses(ram, "PRINCIPAL") == {}


def test_again(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any) -> None:
    """What was taken out can come in again: an account by a new invitation; what ended before is forgotten without harm."""
    arn = share(resourceArns=[cluster()], principals=[OTHER])
    accept(other)
    ram.disassociate_resource_share(resourceShareArn=arn, principals=[OTHER])
    cloud.advance(3600)
    ram.associate_resource_share(resourceShareArn=arn, principals=[OTHER])
    assert sorted(status for _, status in invitations(other)) == ["ACCEPTED", "PENDING"]
    accept(other)
    cloud.advance(7_200)
    assert statuses(ram, "PRINCIPAL") == {OTHER: "ASSOCIATED"}


def test_refused(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """Only what is there, the account's own and ready can be shared, with other accounts."""
    arn, one = share(), cluster()
    wrong = [
        ({"resourceArns": ["x"]}, "MalformedArnException"),
        ({"resourceArns": [f"{one}x"]}, "UnknownResourceException"),
        ({"resourceArns": [one.replace("us-east-1", "eu-west-1")]}, "UnknownResourceException"),
        ({"resourceArns": [one.replace(ACCOUNT, OTHER)]}, "OperationNotPermittedException"),
        ({"principals": ["12"]}, "InvalidParameterException"),
        ({"principals": [ACCOUNT]}, "InvalidParameterException"),
        ({"resourceArns": [f"{one}{number}" for number in range(101)]}, "ResourceShareLimitExceededException"),
    ]
    for members, code in wrong:
        assert refused(ram.associate_resource_share, resourceShareArn=arn, **members)[0] == code
    cloud.client("rds").stop_db_cluster(DBClusterIdentifier="c")
    assert refused(ram.associate_resource_share, resourceShareArn=arn, resourceArns=[one])[0] == "OperationNotPermittedException"
    assert statuses(ram, "RESOURCE") == statuses(ram, "PRINCIPAL") == {}
    assert refused(ram.disassociate_resource_share, resourceShareArn=arn, principals=[OTHER])[0] == "UnknownResourceException"
    assert refused(ram.get_resource_share_associations, associationType="PRINCIPAL", resourceArn=one)[0] == "InvalidParameterException"


def test_leaving(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """An account that is shared with can leave a share, and do nothing else to it."""
    one = cluster()
    arn = share(resourceArns=[one], principals=[OTHER, THIRD])
    accept(other)
    assert refused(other.associate_resource_share, resourceShareArn=arn, principals=[THIRD])[0] == "AccessDeniedException"
    for more in ({"principals": [THIRD]}, {"principals": [OTHER], "resourceArns": [one]}):
        assert refused(other.disassociate_resource_share, resourceShareArn=arn, **more)[0] == "OperationNotPermittedException"
    other.disassociate_resource_share(resourceShareArn=arn, principals=[OTHER])
    cloud.settle()
    assert statuses(ram, "PRINCIPAL") == {OTHER: "DISASSOCIATED", THIRD: "ASSOCIATING"}
    assert refused(other.disassociate_resource_share, resourceShareArn=arn, principals=[OTHER])[0] == "AccessDeniedException"


def test_listed(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """Resources and principals are listed from both sides, by share, type, resource and principal."""
    one, two = cluster("c"), cluster("d")
    first, second = share("s", resourceArns=[one], principals=[OTHER, THIRD]), share("t", resourceArns=[one, two], principals=[OTHER])
    accept(other)

    def resources(client: Any, owner: str = "SELF", **members: Any) -> list[tuple[str, str]]:
        found = client.list_resources(resourceOwner=owner, **members)["resources"]
        assert {each["type"] for each in found} <= {"rds:Cluster"}
        return sorted((each["resourceShareArn"], each["arn"]) for each in found)

    def principals(client: Any, owner: str = "SELF", **members: Any) -> list[tuple[str, str]]:
        found = client.list_principals(resourceOwner=owner, **members)["principals"]
        return sorted((each["resourceShareArn"], each["id"]) for each in found)

    everything = sorted([(first, one), (second, one), (second, two)])
    assert resources(ram) == resources(other, "OTHER-ACCOUNTS") == everything
    assert resources(ram, resourceArns=[two]) == resources(ram, resourceShareArns=[second], resourceArns=[two]) == [(second, two)]
    assert resources(ram, principal=THIRD) == [(first, one)]
    assert resources(other, "OTHER-ACCOUNTS", principal=ACCOUNT, resourceType="RDS:cluster") == everything
    assert resources(ram, resourceRegionScope="GLOBAL") == resources(cloud.client("ram", THIRD), "OTHER-ACCOUNTS") == []
    assert refused(ram.list_resources, resourceOwner="SELF", resourceType="x:y")[0] == "InvalidResourceTypeException"
    assert principals(ram) == sorted([(first, OTHER), (first, THIRD), (second, OTHER)])
    assert principals(ram, resourceArn=two) == [(second, OTHER)]
    assert principals(ram, principals=[THIRD]) == [(first, THIRD)]
    assert principals(other, "OTHER-ACCOUNTS") == sorted([(first, ACCOUNT), (second, ACCOUNT)])
    pages = ram.get_paginator("list_resources").paginate(resourceOwner="SELF", PaginationConfig={"PageSize": 1})
    assert [len(page["resources"]) for page in pages] == [1, 1, 1]


def test_types_and_permissions(ram: Any, share: Any, cluster: Any, refused: Any) -> None:
    """There is one type, with one permission, which lets describe and clone."""
    assert [one["resourceType"] for one in ram.list_resource_types()["resourceTypes"]] == ["rds:Cluster"]
    (one,) = ram.list_permissions(resourceType="rds:cluster")["permissions"]
    assert (one["arn"], one["status"], one["isResourceTypeDefault"]) == (PERMISSION, "ATTACHABLE", True)
    assert ram.list_permissions(permissionType="CUSTOMER_MANAGED")["permissions"] == []
    found = ram.get_permission(permissionArn=PERMISSION)["permission"]
    assert "rds:RestoreDBClusterToPointInTime" in found["permission"]
    assert refused(ram.get_permission, permissionArn=PERMISSION, permissionVersion=2)[0] == "UnknownResourceException"
    arn = share(permissionArns=[PERMISSION])
    assert ram.list_resource_share_permissions(resourceShareArn=arn)["permissions"] == []
    ram.associate_resource_share(resourceShareArn=arn, resourceArns=[cluster()])
    (used,) = ram.list_resource_share_permissions(resourceShareArn=arn)["permissions"]
    assert used["arn"] == PERMISSION
