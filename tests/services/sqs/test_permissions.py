"""Who may: labels in the queue's policy, other accounts, and what is only the owner's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

ARN = "arn:aws:sqs:us-east-1:000000000000:queue"
OTHER = "111111111111"


@pytest.fixture
def other(cloud: Any) -> Any:
    """A client of another account's root user."""
    return cloud.client("sqs", access_key=OTHER)


def policy_of(sqs: Any, url: str) -> Any:
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
    return json.loads(got["Policy"]) if got else None


def test_permissions_edit_the_policy(sqs: Any, url: str, refused: Any) -> None:
    """AddPermission adds a statement under its label, RemovePermission takes it out; the last one takes the policy with it."""
    sqs.add_permission(QueueUrl=url, Label="one", AWSAccountIds=[OTHER], Actions=["SendMessage"])
    sqs.add_permission(QueueUrl=url, Label="two", AWSAccountIds=[OTHER, "222222222222"], Actions=["ReceiveMessage", "*"])
    assert policy_of(sqs, url) == {
        "Version": "2008-10-17",
        "Id": f"{ARN}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
                "Action": "SQS:SendMessage",
                "Resource": ARN,
            },
            {
                "Sid": "two",
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:aws:iam::{OTHER}:root", "arn:aws:iam::222222222222:root"]},
                "Action": ["SQS:ReceiveMessage", "SQS:*"],
                "Resource": ARN,
            },
        ],
    }
    assert refused(sqs.add_permission, QueueUrl=url, Label="one", AWSAccountIds=[OTHER], Actions=["SendMessage"]) == (
        "InvalidParameterValue",
        "Value one for parameter Label is invalid. Reason: Already exists.",
    )
    sqs.remove_permission(QueueUrl=url, Label="one")
    assert [s["Sid"] for s in policy_of(sqs, url)["Statement"]] == ["two"]
    sqs.remove_permission(QueueUrl=url, Label="two")
    assert policy_of(sqs, url) is None
    assert refused(sqs.remove_permission, QueueUrl=url, Label="two") == (
        "InvalidParameterValue",
        "Value two for parameter Label is invalid. Reason: can't find label.",
    )


def test_permissions_have_limits(sqs: Any, url: str, refused: Any) -> None:
    """7 actions, 20 statements, actions that others may do, accounts of 12 digits, labels of an alphabet."""

    def add(label: str = "l", accounts: Any = (OTHER,), actions: Any = ("SendMessage",)) -> tuple[str, str]:
        code: tuple[str, str] = refused(sqs.add_permission, QueueUrl=url, Label=label, AWSAccountIds=list(accounts), Actions=list(actions))
        return code

    seven = ["SendMessage", "ReceiveMessage", "DeleteMessage", "GetQueueUrl", "PurgeQueue", "GetQueueAttributes", "ChangeMessageVisibility"]
    assert add(actions=[*seven, "*"]) == ("OverLimit", "8 Actions were found, maximum allowed is 7.")
    assert add(actions=["DeleteQueue"])[1].endswith("Reason: Only the queue owner is allowed to invoke this action.")
    assert add(actions=["Nope"])[0] == "InvalidParameterValue"
    assert add(accounts=["12"])[0] == "InvalidParameterValue"
    assert add(label="a b")[0] == "InvalidParameterValue"
    assert add(accounts=[])[0] == "MissingParameter"
    assert add(actions=[])[0] == "MissingParameter"
    assert policy_of(sqs, url) is None
    for number in range(20):
        sqs.add_permission(QueueUrl=url, Label=str(number), AWSAccountIds=[OTHER], Actions=["SendMessage"])
    assert add(label="20")[0] == "OverLimit"


def test_another_account_needs_the_queues_policy(sqs: Any, url: str, other: Any) -> None:
    """Nothing is allowed until the policy says so, then just that; batches go with their single action."""
    with pytest.raises(ClientError, match="AccessDenied"):
        other.send_message(QueueUrl=url, MessageBody="x")
    sqs.add_permission(QueueUrl=url, Label="send", AWSAccountIds=[OTHER], Actions=["SendMessage", "GetQueueUrl"])
    other.send_message(QueueUrl=url, MessageBody="x")
    other.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "y"}])
    assert other.get_queue_url(QueueName="queue", QueueOwnerAWSAccountId="000000000000")["QueueUrl"] == url
    with pytest.raises(ClientError, match="AccessDenied"):
        other.receive_message(QueueUrl=url)
    [first, _] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["SenderId"])["Messages"]
    assert first["Attributes"]["SenderId"] == OTHER
    sqs.remove_permission(QueueUrl=url, Label="send")
    with pytest.raises(ClientError, match="AccessDenied"):
        other.send_message(QueueUrl=url, MessageBody="x")


def test_some_operations_are_only_the_owners(sqs: Any, url: str, other: Any) -> None:
    """Cross-account permissions do not apply to them, whatever the policy says."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": ARN}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    other.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    calls = [
        lambda: other.delete_queue(QueueUrl=url),
        lambda: other.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"}),
        lambda: other.tag_queue(QueueUrl=url, Tags={"a": "b"}),
        lambda: other.untag_queue(QueueUrl=url, TagKeys=["a"]),
        lambda: other.list_queue_tags(QueueUrl=url),
        lambda: other.add_permission(QueueUrl=url, Label="l", AWSAccountIds=[OTHER], Actions=["*"]),
        lambda: other.remove_permission(QueueUrl=url, Label="l"),
        lambda: other.start_message_move_task(SourceArn=ARN),
        lambda: other.list_message_move_tasks(SourceArn=ARN),
    ]
    for call in calls:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_a_queues_policy_can_deny(sqs: Any, url: str) -> None:
    """An explicit Deny holds for the owner's own root, too."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": ARN}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    with pytest.raises(ClientError, match="AccessDenied"):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.receive_message(QueueUrl=url)


def test_tags_are_kept(sqs: Any, url: str, refused: Any) -> None:
    """Given at creation, added, replaced, taken away; at most 50."""
    made = sqs.create_queue(QueueName="tagged", tags={"a": "1"})["QueueUrl"]
    assert sqs.list_queue_tags(QueueUrl=made)["Tags"] == {"a": "1"}
    sqs.tag_queue(QueueUrl=made, Tags={"a": "2", "b": ""})
    assert sqs.list_queue_tags(QueueUrl=made)["Tags"] == {"a": "2", "b": ""}
    sqs.untag_queue(QueueUrl=made, TagKeys=["a", "none"])
    assert sqs.list_queue_tags(QueueUrl=made)["Tags"] == {"b": ""}
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)
    for tags in ({f"k{i}": "v" for i in range(51)}, {"": "v"}, {"x" * 129: "v"}, {"k": "v" * 257}, {"aws:k": "v"}, {}):
        assert refused(sqs.tag_queue, QueueUrl=url, Tags=tags)[0] in ("InvalidParameterValue", "MissingParameter")


def test_a_user_may_what_the_policies_allow(cloud: Any, sqs: Any, url: str) -> None:
    """Identity policies count by action, resource and tag; TagQueue is needed to tag a queue at its creation."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("sqs", access_key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def allow(*statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]}
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(document))

    with pytest.raises(ClientError, match="AccessDenied"):
        user.send_message(QueueUrl=url, MessageBody="x")
    allow({"Action": "sqs:SendMessage", "Resource": ARN}, {"Action": "sqs:CreateQueue", "Resource": "*"})
    user.send_message(QueueUrl=url, MessageBody="x")
    with pytest.raises(ClientError, match="AccessDenied"):
        user.receive_message(QueueUrl=url)
    user.create_queue(QueueName="plain")
    with pytest.raises(ClientError, match=r"(?i)sqs:TagQueue"):
        user.create_queue(QueueName="tagged", tags={"a": "b"})
    allow({"Action": "sqs:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "blue"}}})
    with pytest.raises(ClientError, match="AccessDenied"):
        user.receive_message(QueueUrl=url)
    sqs.tag_queue(QueueUrl=url, Tags={"team": "blue"})
    [got] = user.receive_message(QueueUrl=url, MessageSystemAttributeNames=["SenderId"])["Messages"]
    assert got["Attributes"]["SenderId"] == iam.get_user(UserName="u")["User"]["UserId"]


def test_moving_dead_letters_needs_the_rights_to_do_it_by_hand(cloud: Any, sqs: Any, url: str) -> None:
    """StartMessageMoveTask alone is not enough: receive and delete at the source, send to the destination."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("sqs", access_key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    dead = ARN.replace("queue", "dead")
    sqs.create_queue(QueueName="dead")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive})
    actions = ["sqs:StartMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]

    def allow(*statements: tuple[list[str], str]) -> None:
        listed = [{"Effect": "Allow", "Action": a, "Resource": r} for a, r in statements]
        document = json.dumps({"Version": "2012-10-17", "Statement": listed})
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)

    for missing in actions:
        allow(([a for a in actions if a != missing], dead), (["sqs:SendMessage"], ARN))
        with pytest.raises(ClientError, match=f"(?i){missing}"):
            user.start_message_move_task(SourceArn=dead)
    allow((actions, dead))
    with pytest.raises(ClientError, match=r"(?i)sqs:SendMessage"):
        user.start_message_move_task(SourceArn=dead)
    allow((actions, dead), (["sqs:SendMessage"], ARN))
    user.start_message_move_task(SourceArn=dead)
