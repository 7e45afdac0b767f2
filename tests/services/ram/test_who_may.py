"""Permissions: which resources operations are about, tags, and the keys of conditions."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import ACCOUNT, OTHER, THIRD, accept, allow, invitations

DENIED = "AccessDeniedException"


def test_by_arn_and_tags(ram: Any, share: Any, user: Any, refused: Any) -> None:
    """A share is a resource with tags; so are a request's tags."""
    one, two = share("a", tags=[{"key": "team", "value": "a"}]), share("b")
    theirs = user("u", allow("ram:UpdateResourceShare", one))
    theirs.update_resource_share(resourceShareArn=one, name="x")
    code, message = refused(theirs.update_resource_share, resourceShareArn=two, name="x")
    assert (code, f"ram:UpdateResourceShare on resource: {two}" in message) == (DENIED, True)
    for number, key in enumerate(("aws:ResourceTag/team", "ram:ResourceTag/team")):
        theirs = user(f"t{number}", allow("ram:DeleteResourceShare", StringEquals={key: "a"}))
        assert refused(theirs.delete_resource_share, resourceShareArn=two)[0] == DENIED
    theirs.delete_resource_share(resourceShareArn=one)
    theirs = user("w", allow(["ram:CreateResourceShare", "ram:TagResource"], StringEquals={"aws:RequestTag/team": "b"}))
    assert refused(theirs.create_resource_share, name="s")[0] == DENIED
    assert refused(theirs.create_resource_share, name="s", tags=[{"key": "team", "value": "a"}])[0] == DENIED
    theirs.create_resource_share(name="s", tags=[{"key": "team", "value": "b"}])
    theirs = user("v", allow("ram:UntagResource", **{"ForAllValues:StringEquals": {"aws:TagKeys": ["mine"]}}))
    assert refused(theirs.untag_resource, resourceShareArn=two, tagKeys=["mine", "team"])[0] == DENIED
    theirs.untag_resource(resourceShareArn=two, tagKeys=["mine"])


@pytest.mark.parametrize(
    ("key", "value", "fits", "other"),
    [
        ("ram:Principal", OTHER, {"principals": [OTHER]}, {"principals": [OTHER, THIRD]}),
        ("ram:ResourceArn", "*:cluster:c", {"resourceArns": ["c"]}, {"resourceArns": ["c", "d"]}),
        ("ram:RequestedResourceType", "rds:Cluster", {"resourceArns": ["c"]}, {}),
        ("ram:RequestedAllowsExternalPrincipals", "false", {"allowExternalPrincipals": False}, {"allowExternalPrincipals": True}),
    ],
)
def test_conditions(cluster: Any, user: Any, refused: Any, key: str, value: str, fits: Any, other: Any) -> None:
    """Each resource and each principal of a request has to fit a policy's conditions."""
    arns = {name: cluster(name) for name in ("c", "d")}
    theirs = user("u", allow("ram:CreateResourceShare", StringLike={key: value}))

    def spelt(members: dict[str, Any]) -> dict[str, Any]:
        return members | ({"resourceArns": [arns[name] for name in members["resourceArns"]]} if "resourceArns" in members else {})

    assert refused(theirs.create_resource_share, name="s", **spelt(other))[0] == DENIED
    theirs.create_resource_share(name="s", **spelt(fits))


def test_of_the_receiver(other: Any, share: Any, cluster: Any, user: Any, refused: Any) -> None:
    """A user of the account that is invited needs the permission to accept, also from certain sharers only; and to leave."""
    arn = share(resourceArns=[cluster()], principals=[OTHER])
    ((invitation, _),) = invitations(other)
    answer = {"resourceShareInvitationArn": invitation}
    lacking = user("u", allow("ram:Get*"), account=OTHER)
    assert invitations(lacking) == [(invitation, "PENDING")]
    assert refused(lacking.accept_resource_share_invitation, **answer)[0] == DENIED
    careful = user("v", allow("ram:AcceptResourceShareInvitation", StringEquals={"ram:ShareOwnerAccountId": THIRD}), account=OTHER)
    assert refused(careful.accept_resource_share_invitation, **answer)[0] == DENIED
    theirs = user("w", allow("ram:*", StringEquals={"ram:ShareOwnerAccountId": ACCOUNT}), account=OTHER)
    theirs.accept_resource_share_invitation(**answer)
    leave = {"resourceShareArn": arn, "principals": [OTHER]}
    assert refused(lacking.disassociate_resource_share, **leave)[0] == DENIED
    user("x", allow("ram:DisassociateResourceShare", arn), account=OTHER).disassociate_resource_share(**leave)


def test_listings(other: Any, share: Any, cluster: Any, user: Any, refused: Any) -> None:
    """Listings are about everything: their actions are allowed on all resources or not at all."""
    one = cluster()
    share(resourceArns=[one], principals=[OTHER])
    accept(other)
    theirs = user("u", allow(["ram:ListResources", "ram:GetResourcePolicies"]))
    assert len(theirs.list_resources(resourceOwner="SELF")["resources"]) == 1
    assert len(theirs.get_resource_policies(resourceArns=[one])["policies"]) == 1
    lacking = user("v", allow("ram:ListPrincipals"))
    assert refused(lacking.list_resources, resourceOwner="SELF")[0] == DENIED
    assert refused(lacking.get_resource_policies, resourceArns=[one])[0] == DENIED
    lacking.list_principals(resourceOwner="SELF")


def test_sharer(cluster: Any, user: Any) -> None:
    """Who shares a resource needs no permission on it: RAM looks for it by itself."""
    one = cluster()
    user("u", allow("ram:CreateResourceShare")).create_resource_share(name="s", resourceArns=[one], principals=[OTHER])
