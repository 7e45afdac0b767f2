"""All declarations at once: what they say against what AWS's schemas say; and the types that only stacks use."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from fogbank.app import TYPES
from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import Properties, ResourceType
from fogbank.wire import registry

from .conftest import ACCOUNT

SAID_OF_CALLS = {"BypassPolicyLockoutSafetyCheck", "PendingWindowInDays", "DeleteAutomatedBackups"}
"""What does not describe a resource, but how it is to be made or deleted."""

Run = Callable[[Callable[[Context], Any]], Any]


def declared() -> list[ResourceType]:
    places = [place.partition(":") for place in TYPES.values()]
    return [kind for module, _, attribute in places for kind in getattr(import_module(module), attribute)]


@pytest.mark.parametrize("kind", declared(), ids=lambda kind: kind.name)
def test_declaration(kind: ResourceType) -> None:
    """A type carries out properties that AWS has, can be made without the others, and can change all but what AWS lets nobody change."""
    schema = registry.schema(kind.name)
    assert schema is not None
    assert kind.properties <= schema.properties
    assert set(schema.document.get("required", ())) <= kind.properties
    assert not kind.properties & set(schema.read_only)
    changeable = {name for part in kind.parts for name in part.names}
    assert not changeable & set(schema.create_only)
    settled = {*schema.create_only, *schema.conditional_create_only, *SAID_OF_CALLS}
    assert kind.properties - changeable <= settled
    assert (kind.list is not None) == ("list" in schema.handlers)
    if kind.naming is not None:
        assert kind.naming.property in kind.made_with
        assert schema.create_only


@pytest.fixture
def run(cloud: Any) -> Run:
    """Does something as the root user, in a transaction."""

    def call(work: Callable[[Context], Any]) -> Any:
        from fogbank.access.principal import root

        def inside() -> Any:
            gateway, inner = cloud.house.app.gateway, cloud.inner
            tx = inner.begin()
            manifest = gateway.manifest("cloudcontrol")
            ctx = gateway.context(inner, tx, manifest, root(ACCOUNT), ACCOUNT, "us-east-1", "cloudcontrol", "test", "test")
            answer = work(ctx)
            inner.commit(tx)
            return answer

        return cloud.house.on_loop(inside)

    return call


def made(run: Run, name: str, properties: Properties) -> tuple[ResourceType, str, Properties]:
    """The type, the identifier and the attributes of a new resource."""
    kind = next(kind for kind in declared() if kind.name == name)

    def create(ctx: Context) -> Any:
        identifier, attributes = kind.create(ctx, properties)
        assert kind.advance(ctx, identifier, kind.made(properties), properties) is None
        return identifier, attributes

    return kind, *run(create)


def test_access_key(cloud: Any, run: Run) -> None:
    """An access key's secret can be had when it is made, and never again."""
    iam = cloud.client("iam")
    iam.create_user(UserName="ann")
    given = {"UserName": "ann", "Status": "Inactive"}
    kind, id, attributes = made(run, "AWS::IAM::AccessKey", given)
    assert len(attributes["SecretAccessKey"]) == 40
    assert run(lambda ctx: kind.read(ctx, id)) == {"Id": id, **given}
    assert run(lambda ctx: kind.advance(ctx, id, given, {"UserName": "ann"})) is None
    assert iam.list_access_keys(UserName="ann")["AccessKeyMetadata"][0]["Status"] == "Active"
    run(lambda ctx: kind.delete(ctx, id, given))
    assert iam.list_access_keys(UserName="ann")["AccessKeyMetadata"] == []


def test_user_to_group_addition(cloud: Any, run: Run) -> None:
    """Users are put into a group, others instead, and taken out again."""
    iam = cloud.client("iam")
    for name in ("ann", "bob", "eve"):
        iam.create_user(UserName=name)
    for name in ("dev", "ops"):
        iam.create_group(GroupName=name)

    def members(group: str) -> list[str]:
        return sorted(user["UserName"] for user in iam.get_group(GroupName=group)["Users"])

    first = {"GroupName": "dev", "Users": ["ann", "bob"]}
    kind, id, _ = made(run, "AWS::IAM::UserToGroupAddition", first)
    assert members("dev") == ["ann", "bob"]
    second = {"GroupName": "dev", "Users": ["bob", "eve"]}
    run(lambda ctx: kind.advance(ctx, id, first, second))
    assert members("dev") == ["bob", "eve"]
    third = {"GroupName": "ops", "Users": ["bob"]}
    run(lambda ctx: kind.advance(ctx, id, second, third))
    assert (members("dev"), members("ops")) == ([], ["bob"])
    run(lambda ctx: kind.delete(ctx, id, third))
    assert members("ops") == []


def test_policy(cloud: Any, run: Run) -> None:
    """One inline policy is put into roles, users and groups, and taken out where it is not wanted any more."""
    iam = cloud.client("iam")
    for name in ("ann", "bob"):
        iam.create_user(UserName=name)
    iam.create_group(GroupName="dev")
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    first = {"PolicyName": "p", "PolicyDocument": document, "Users": ["ann", "bob"]}
    kind, id, _ = made(run, "AWS::IAM::Policy", first)
    assert iam.get_user_policy(UserName="ann", PolicyName="p")["PolicyDocument"] == document
    second = {"PolicyName": "q", "PolicyDocument": document, "Users": ["bob"], "Groups": ["dev"]}
    run(lambda ctx: kind.advance(ctx, id, first, second))
    assert iam.list_user_policies(UserName="ann")["PolicyNames"] == []
    assert iam.list_user_policies(UserName="bob")["PolicyNames"] == ["q"]
    assert iam.list_group_policies(GroupName="dev")["PolicyNames"] == ["q"]
    run(lambda ctx: kind.delete(ctx, id, second))
    assert iam.list_user_policies(UserName="bob")["PolicyNames"] == iam.list_group_policies(GroupName="dev")["PolicyNames"] == []


def test_queue_policy(cloud: Any, run: Run) -> None:
    """One policy is put on queues, and taken off those that are not named any more."""
    sqs = cloud.client("sqs")
    one, two = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("one", "two"))
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}

    def held(url: str) -> Any:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
        return json.loads(attributes["Policy"]) if attributes else None

    first = {"PolicyDocument": document, "Queues": [one]}
    kind, id, _ = made(run, "AWS::SQS::QueuePolicy", first)
    assert held(one) == document
    second = {"PolicyDocument": document, "Queues": [two]}
    run(lambda ctx: kind.advance(ctx, id, first, second))
    assert (held(one), held(two)) == (None, document)
    run(lambda ctx: kind.delete(ctx, id, second))
    assert held(two) is None
