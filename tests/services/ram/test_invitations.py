"""Invitations: received, accepted, rejected, expired."""

from __future__ import annotations

import json
from typing import Any

from fogbank.testing import Cloud

from .conftest import ACCOUNT, OTHER, THIRD, accept, invitations, statuses

DAY_S = 86_400


def test_received(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """The one who is invited sees the invitation and what it is about; nobody else does."""
    one = cluster()
    arn = share(resourceArns=[one], principals=[OTHER])
    (seen,) = other.get_resource_share_invitations(resourceShareArns=[arn])["resourceShareInvitations"]
    assert (seen["senderAccountId"], seen["receiverAccountId"], seen["status"]) == (ACCOUNT, OTHER, "PENDING")
    assert (seen["resourceShareName"], seen["resourceShareArn"]) == ("s", arn)
    invitation = seen["resourceShareInvitationArn"]
    found = other.list_pending_invitation_resources(resourceShareInvitationArn=invitation)["resources"]
    assert [each["arn"] for each in found] == [one]
    third = cloud.client("ram", THIRD)
    assert invitations(ram) == invitations(third) == []
    for client in (ram, third):
        code = refused(client.accept_resource_share_invitation, resourceShareInvitationArn=invitation)[0]
        assert code in ("ResourceShareInvitationArnNotFoundException", "AccessDeniedException")
    west = cloud.client("ram", OTHER, region="eu-west-1")
    assert invitations(west) == []


def test_accepted(other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """An accepted invitation can't be answered again, and its resources are not pending any more."""
    share(resourceArns=[cluster()], principals=[OTHER])
    ((arn, _),) = invitations(other)
    answer = other.accept_resource_share_invitation(resourceShareInvitationArn=arn, clientToken="t")
    assert answer["resourceShareInvitation"]["status"] == "ACCEPTED"
    other.accept_resource_share_invitation(resourceShareInvitationArn=arn, clientToken="t")
    for call in (
        other.accept_resource_share_invitation,
        other.reject_resource_share_invitation,
        other.list_pending_invitation_resources,
    ):
        assert refused(call, resourceShareInvitationArn=arn)[0] == "ResourceShareInvitationAlreadyAcceptedException"
    assert len(other.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"]) == 1


def test_rejected(ram: Any, other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """A rejected invitation gives nothing, and ends the association; the account can be invited again."""
    share_arn = share(resourceArns=[cluster()], principals=[OTHER])
    ((arn, _),) = invitations(other)
    assert other.reject_resource_share_invitation(resourceShareInvitationArn=arn)["resourceShareInvitation"]["status"] == "REJECTED"
    assert statuses(ram, "PRINCIPAL") == {OTHER: "DISASSOCIATED"}
    code = refused(other.accept_resource_share_invitation, resourceShareInvitationArn=arn)[0]
    assert code == "ResourceShareInvitationAlreadyRejectedException"
    assert other.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"] == []
    ram.associate_resource_share(resourceShareArn=share_arn, principals=[OTHER])
    accept(other)
    assert statuses(ram, "PRINCIPAL") == {OTHER: "ASSOCIATED"}


def test_expired(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """An invitation that is not answered in seven days expires, and the account leaves the share."""
    share(resourceArns=[cluster()], principals=[OTHER])
    cloud.advance(7 * DAY_S - 1)
    ((arn, status),) = invitations(other)
    assert status == "PENDING"
    cloud.advance(1)
    assert invitations(other) == [(arn, "EXPIRED")]
    assert refused(other.accept_resource_share_invitation, resourceShareInvitationArn=arn)[0] == "ResourceShareInvitationExpiredException"
    assert statuses(ram, "PRINCIPAL") == {OTHER: "DISASSOCIATED"}


def test_withdrawn(cloud: Cloud, ram: Any, other: Any, share: Any, refused: Any) -> None:
    """An account that is taken out before it has answered is not invited any more; nor when the share ends."""
    arn, second = share(principals=[OTHER]), share(principals=[OTHER])
    ram.disassociate_resource_share(resourceShareArn=arn, principals=[OTHER])
    ram.delete_resource_share(resourceShareArn=second)
    cloud.settle()
    assert invitations(other) == []
    gone = f"arn:aws:ram:us-east-1:{ACCOUNT}:resource-share-invitation/x"
    members = {"resourceShareInvitationArns": [gone]}
    assert refused(other.get_resource_share_invitations, **members)[0] == "ResourceShareInvitationArnNotFoundException"
    assert refused(other.get_resource_share_invitations, resourceShareArns=["x"])[0] == "MalformedArnException"


def test_policies(cloud: Cloud, ram: Any, other: Any, share: Any, cluster: Any, refused: Any) -> None:
    """A shared resource has a policy that lets those in who have accepted; others' resources have none to show."""
    one = cluster()
    share(resourceArns=[one], principals=[OTHER])
    assert ram.get_resource_policies(resourceArns=[one])["policies"] == []
    accept(other)
    (policy,) = ram.get_resource_policies(resourceArns=[one])["policies"]
    (statement,) = json.loads(policy)["Statement"]
    assert (statement["Principal"], statement["Resource"]) == ({"AWS": [OTHER]}, one)
    assert ram.get_resource_policies(resourceArns=[one], principal=THIRD)["policies"] == []
    assert refused(other.get_resource_policies, resourceArns=[one])[0] == "ResourceArnNotFoundException"
