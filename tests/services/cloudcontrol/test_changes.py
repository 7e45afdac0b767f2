"""Requests: how they are checked, who does them, how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ACCOUNT, ROLE_TRUST, Control

QUEUE = "AWS::SQS::Queue"
Refused = Callable[..., tuple[str, str]]


def state(**properties: Any) -> str:
    return json.dumps(properties)


@pytest.fixture
def user(cloud: Any) -> Callable[..., Control]:
    """Makes a user with these statements as their policy: Cloud Control as they see it."""

    def make(name: str, *statements: dict[str, Any]) -> Control:
        iam = cloud.client("iam")
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Control(cloud, key["AccessKeyId"], key["SecretAccessKey"])

    return make


def allow(*actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


CONTROL = allow("cloudformation:*Resource*")
GLOBAL = "AWS::DynamoDB::GlobalTable"
SLOW: dict[str, Any] = {
    "TableName": "slow",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    "Replicas": [{"Region": "us-east-1"}, {"Region": "eu-west-1"}],
}
"""What takes several stretches of work to make."""


# What is refused at once


def test_models(control: Control, refused: Refused) -> None:
    """A state that does not fit the type's schema is refused with every reason, each with its place."""
    wrong = state(Colour="red", DelaySeconds="5", VisibilityTimeout=100_000, Tags=[{"Key": "a"}])
    code, message = refused(control.client.create_resource, TypeName=QUEUE, DesiredState=wrong)
    assert code == "ValidationException"
    assert message.removeprefix("Model validation failed (").removesuffix(")").split("\n") == [
        "#/DelaySeconds: expected type: Integer, found: String",
        "#/Tags/0: required key [Value] not found",
        "#/VisibilityTimeout: 100000 is not less or equal to 43200",
        "#: extraneous key [Colour] is not permitted",
    ]
    role = refused(control.client.create_resource, TypeName="AWS::IAM::Role", DesiredState="{}")
    assert role[1] == "Model validation failed (#: required key [AssumeRolePolicyDocument] not found)"
    assert refused(control.client.create_resource, TypeName=QUEUE, DesiredState="[]")[0] == "ValidationException"
    read_only = refused(control.client.create_resource, TypeName=QUEUE, DesiredState=state(Arn="x"))
    assert "readOnlyProperties [/properties/Arn]" in read_only[1]


@pytest.mark.parametrize(
    ("type", "code", "words"),
    [
        ("AWS::Sqs::Queue", "TypeNotFoundException", "AWS::Sqs::Queue"),
        ("Somebody::Else::Thing", "TypeNotFoundException", "Somebody::Else::Thing"),
        ("AWS::IAM::AccessKey", "UnsupportedActionException", "does not support CREATE action"),
        ("AWS::SQS::QueuePolicy", "UnsupportedActionException", "does not support CREATE action"),
        ("AWS::EC2::VPC", "NotImplemented", "for resources of type AWS::EC2::VPC"),
        ("AWS::S3::StorageLens", "NotImplemented", "for resources of type AWS::S3::StorageLens"),
    ],
)
def test_types(control: Control, refused: Refused, type: str, code: str, words: str) -> None:
    """A type that AWS has not, one that Cloud Control does not handle, and one that is not here are told apart."""
    found, message = refused(control.client.create_resource, TypeName=type, DesiredState="{}")
    assert found == code
    assert words in message


def test_patches(control: Control, refused: Refused) -> None:
    """A patch cannot touch what is fixed when a resource is made, or what it is by itself, and has to fit what is there."""
    url = control.create(QUEUE, {"QueueName": "q"})

    def patched(*change: Any) -> tuple[str, str]:
        document = json.dumps([dict(zip(("op", "path", "value"), change, strict=False))])
        return refused(control.client.update_resource, TypeName=QUEUE, Identifier=url, PatchDocument=document)

    fixed = "Invalid patch update: createOnlyProperties [/properties/QueueName] cannot be updated"
    assert patched("replace", "/QueueName", "other") == ("NotUpdatableException", fixed)
    assert patched("replace", "/Arn", "other")[0] == "NotUpdatableException"
    assert patched("remove", "/KmsMasterKeyId")[0] == "ValidationException"
    assert patched("test", "/DelaySeconds", 7)[0] == "ValidationException"
    assert patched("add", "/Colour", "red") == (
        "ValidationException",
        "Model validation failed (#: extraneous key [Colour] is not permitted)",
    )
    bad = refused(control.client.update_resource, TypeName=QUEUE, Identifier=url, PatchDocument="{")
    assert bad[0] == "ValidationException"


def test_absent(control: Control, refused: Refused) -> None:
    """What is not there cannot be read or changed; a deletion is accepted, and fails."""
    code, message = refused(control.client.get_resource, TypeName=QUEUE, Identifier="http://localhost/000000000000/nothing")
    assert code == "ResourceNotFoundException"
    assert "AWS::SQS::Queue Handler returned status FAILED: The specified queue does not exist." in message
    assert "HandlerErrorCode: NotFound" in message
    members = {"TypeName": QUEUE, "Identifier": "http://localhost/000000000000/nothing"}
    assert refused(control.client.update_resource, PatchDocument="[]", **members)[0] == "ResourceNotFoundException"
    assert control.ended(control.client.delete_resource(**members))["ErrorCode"] == "NotFound"


# How requests go


def test_events(cloud: Any, control: Control) -> None:
    """A request is under way when it is answered, and tells of its end when it is asked for."""
    answer = control.client.create_resource(TypeName=QUEUE, DesiredState=state(QueueName="q"))["ProgressEvent"]
    assert (answer["Operation"], answer["OperationStatus"], answer["TypeName"]) == ("CREATE", "IN_PROGRESS", QUEUE)
    assert "Identifier" not in answer
    event = control.ended({"ProgressEvent": answer})
    assert event["OperationStatus"] == "SUCCESS"
    assert event["Identifier"].endswith(f"/{ACCOUNT}/q")


def test_failure_leaves_nothing(cloud: Any, control: Control) -> None:
    """Where one of a resource's operations is refused, what the others did is undone."""
    role = {
        "RoleName": "r",
        "AssumeRolePolicyDocument": ROLE_TRUST,
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/NoSuchPolicy"],
    }
    code, message = control.refused("AWS::IAM::Role", role)
    assert code == "NotFound"
    assert "NoSuchPolicy" in message
    assert cloud.client("iam").list_roles(PathPrefix="/")["Roles"] == []


def test_client_tokens(cloud: Any, control: Control, refused: Refused) -> None:
    """A token stands for one request for 36 hours; another request cannot use it."""
    members = {"TypeName": QUEUE, "DesiredState": state(DelaySeconds=1), "ClientToken": "t"}
    first = control.client.create_resource(**members)
    again = control.client.create_resource(**members)
    assert again["ProgressEvent"]["RequestToken"] == first["ProgressEvent"]["RequestToken"]
    control.done(first)
    assert len(control.listed(QUEUE)) == 1
    other = {**members, "DesiredState": state(DelaySeconds=2)}
    assert refused(control.client.create_resource, **other)[0] == "ClientTokenConflictException"
    cloud.advance(36 * 3600)
    control.create(QUEUE, {"DelaySeconds": 2}, ClientToken="t")
    assert len(control.listed(QUEUE)) == 2


def test_one_change_at_a_time(cloud: Any, control: Control, refused: Refused) -> None:
    """A resource that is being made or changed cannot be changed by another request."""
    answer = control.client.create_resource(TypeName=GLOBAL, DesiredState=json.dumps(SLOW))
    cloud.settle()
    event = control.client.get_resource_request_status(RequestToken=answer["ProgressEvent"]["RequestToken"])["ProgressEvent"]
    assert (event["OperationStatus"], event["Identifier"]) == ("IN_PROGRESS", "slow")
    code, message = refused(control.client.delete_resource, TypeName=GLOBAL, Identifier="slow")
    assert code == "ConcurrentOperationException"
    assert event["RequestToken"] in message
    control.done(answer)
    control.delete(GLOBAL, "slow")


def test_listing_requests(cloud: Any, control: Control, refused: Refused) -> None:
    """Requests are listed from the newest on, by operation and status, for seven days."""
    urls = []
    for name in ("a", "b", "c"):
        urls.append(control.create(QUEUE, {"QueueName": name}))
        cloud.advance(1)
    control.refused(QUEUE, {"QueueName": "a"})
    cloud.advance(1)
    control.done(control.client.delete_resource(TypeName=QUEUE, Identifier=urls[0]))
    listed = control.client.list_resource_requests
    found = listed()["ResourceRequestStatusSummaries"]
    assert [(one["Operation"], one["OperationStatus"]) for one in found] == [
        ("DELETE", "SUCCESS"),
        ("CREATE", "FAILED"),
        *[("CREATE", "SUCCESS")] * 3,
    ]
    made = {"Operations": ["CREATE"], "OperationStatuses": ["SUCCESS"]}
    first = listed(ResourceRequestStatusFilter=made, MaxResults=2)
    rest = listed(ResourceRequestStatusFilter=made, MaxResults=2, NextToken=first["NextToken"])
    shown = first["ResourceRequestStatusSummaries"] + rest["ResourceRequestStatusSummaries"]
    assert [one["Identifier"] for one in shown] == urls[::-1]
    assert "NextToken" not in rest
    token = found[0]["RequestToken"]
    cloud.advance(7 * 86_400)
    assert listed()["ResourceRequestStatusSummaries"] == []
    assert refused(control.client.get_resource_request_status, RequestToken=token)[0] == "RequestTokenNotFoundException"


def test_cancelling(cloud: Any, control: Control, refused: Refused) -> None:
    """A request that waits for its resource can be cancelled, and what is done stays; one that is over cannot."""
    made = control.client.create_resource(TypeName=GLOBAL, DesiredState=json.dumps(SLOW))
    token = made["ProgressEvent"]["RequestToken"]
    cloud.settle()
    assert control.client.cancel_resource_request(RequestToken=token)["ProgressEvent"]["OperationStatus"] == "CANCEL_COMPLETE"
    assert control.client.cancel_resource_request(RequestToken=token)["ProgressEvent"]["OperationStatus"] == "CANCEL_COMPLETE"
    cloud.advance(60)
    assert control.listed(GLOBAL) == ["slow"]
    assert "Replicas" not in cloud.client("dynamodb").describe_table(TableName="slow")["Table"]
    over = control.client.create_resource(TypeName=QUEUE, DesiredState="{}")
    control.done(over)
    code = refused(control.client.cancel_resource_request, RequestToken=over["ProgressEvent"]["RequestToken"])[0]
    assert code == "ConcurrentModificationException"


def test_pages(control: Control) -> None:
    """Resources are listed by their identifiers, page by page."""
    names = [control.create("AWS::SSM::Parameter", {"Name": f"p{n}", "Type": "String", "Value": "v"}) for n in range(5)]
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = control.client.list_resources(TypeName="AWS::SSM::Parameter", MaxResults=2, **more)
        assert len(page["ResourceDescriptions"]) <= 2
        found += [json.loads(one["Properties"])["Name"] for one in page["ResourceDescriptions"]]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert found == names


def test_json_identifiers(control: Control, refused: Refused) -> None:
    """An identifier can be given as JSON, which has to name the properties that it is made of."""
    url = control.create(QUEUE, {"QueueName": "q"})
    answer = control.client.get_resource(TypeName=QUEUE, Identifier=json.dumps({"QueueUrl": url}))
    assert answer["ResourceDescription"]["Identifier"] == url
    wrong = json.dumps({"QueueName": "q"})
    assert refused(control.client.get_resource, TypeName=QUEUE, Identifier=wrong)[0] == "ValidationException"


# Who does the work


def test_permissions_of_the_caller(user: Callable[..., Control], refused: Refused) -> None:
    """The caller needs the permissions of Cloud Control's operation, and of each operation of the type."""
    nobody = user("nobody", allow("sqs:*"))
    assert refused(nobody.client.create_resource, TypeName=QUEUE, DesiredState="{}")[0] == "AccessDeniedException"
    only_control = user("only", CONTROL, allow("sqs:GetQueueUrl"))
    code, message = only_control.refused(QUEUE, {"QueueName": "q"})
    assert code == "AccessDenied"
    assert "is not authorized to perform: sqs:createqueue on resource: arn:aws:sqs:us-east-1:000000000000:q" in message
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:mine-*"
    some = user("some", CONTROL, allow("sqs:*", resource=arn))
    url = some.create(QUEUE, {"QueueName": "mine-1"})
    assert some.read(QUEUE, url)["QueueName"] == "mine-1"
    assert some.refused(QUEUE, {"QueueName": "yours-1"})[0] == "AccessDenied"
    code, message = refused(some.client.list_resources, TypeName=QUEUE)
    assert code == "GeneralServiceException"
    assert "sqs:listqueues" in message


def test_tags_of_the_request(user: Callable[..., Control]) -> None:
    """Tags come with the request that makes a resource, so that policies can ask for them."""
    condition = {"StringEquals": {"aws:RequestTag/team": "a"}}
    tagger = user("tagger", CONTROL, allow("iam:CreateRole", "iam:TagRole", Condition=condition), allow("iam:GetRole"))
    role = {"AssumeRolePolicyDocument": ROLE_TRUST}
    assert tagger.refused("AWS::IAM::Role", role)[0] == "AccessDenied"
    tagger.create("AWS::IAM::Role", {**role, "Tags": [{"Key": "team", "Value": "a"}]})


def test_what_the_caller_may_do_later(cloud: Any, user: Callable[..., Control]) -> None:
    """The work is done with what the caller may do when it is done."""
    ann = user("ann", CONTROL, allow("dynamodb:*"))
    answer = ann.client.create_resource(TypeName=GLOBAL, DesiredState=json.dumps(SLOW))
    cloud.settle()
    document = json.dumps({"Version": "2012-10-17", "Statement": [CONTROL]})
    cloud.client("iam").put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document)
    event = ann.ended(answer)
    assert (event["OperationStatus"], event["ErrorCode"]) == ("FAILED", "AccessDenied")


def test_session_that_ends(cloud: Any) -> None:
    """Nothing is done for a session that is over."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"][
        "Arn"
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("*")]})
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document)
    iam.create_user(UserName="ann")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    sts = cloud.client("sts", key["AccessKeyId"], key["SecretAccessKey"])
    taken = sts.assume_role(RoleArn=role, RoleSessionName="session", DurationSeconds=900)["Credentials"]
    session = Control(cloud, taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])
    url = session.create(QUEUE, {"QueueName": "q"})
    assert session.read(QUEUE, url)["QueueName"] == "q"
    token = session.client.create_resource(TypeName=GLOBAL, DesiredState=json.dumps(SLOW))["ProgressEvent"]["RequestToken"]
    cloud.advance(900)
    event = Control(cloud).client.get_resource_request_status(RequestToken=token)["ProgressEvent"]
    assert (event["OperationStatus"], event["ErrorCode"]) == ("FAILED", "InvalidCredentials")


def test_role(cloud: Any, user: Callable[..., Control], refused: Refused) -> None:
    """A role that trusts CloudFormation does the work instead of the caller, who must be allowed to pass it."""
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="maker", AssumeRolePolicyDocument=json.dumps(ROLE_TRUST))["Role"]["Arn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("sqs:*")]})
    iam.put_role_policy(RoleName="maker", PolicyName="p", PolicyDocument=document)
    members = {"TypeName": QUEUE, "DesiredState": state(QueueName="q"), "RoleArn": role}
    ann = user("ann", CONTROL)
    assert "iam:PassRole" in refused(ann.client.create_resource, **members)[1]
    passed = {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
    bob = user("bob", CONTROL, allow("iam:PassRole", resource=role, Condition=passed))
    url = bob.done(bob.client.create_resource(**members))
    assert refused(bob.client.get_resource, TypeName=QUEUE, Identifier=url)[0] == "GeneralServiceException"
    found = bob.client.get_resource(TypeName=QUEUE, Identifier=url, RoleArn=role)["ResourceDescription"]
    assert json.loads(found["Properties"])["QueueName"] == "q"
    other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(ROLE_TRUST).replace("cloudformation", "ec2"))
    assert refused(cloud.client("cloudcontrol").create_resource, **{**members, "RoleArn": other["Role"]["Arn"]})[0].startswith(
        "AccessDenied"
    )
