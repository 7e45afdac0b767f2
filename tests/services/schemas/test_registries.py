"""Registries, schemas, versions, search, export, tags and policies."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import EXAMPLE, ORDER, create, refused

OTHER = "111111111111"


def test_registry(schemas: Any, registry: str) -> None:
    """A registry is made once, described, changed, listed among AWS's own, and deleted when it is empty."""
    arn = f"arn:aws:schemas:us-east-1:{ACCOUNT}:registry/shop"
    held = schemas.describe_registry(RegistryName="shop")
    assert (held["RegistryArn"], held["Description"], held["Tags"]) == (arn, "ours", {"team": "a"})
    code, status, message = refused(schemas.create_registry, RegistryName="shop")
    assert (code, status, message) == ("ConflictException", 409, "Registry with name shop already exists.")
    assert schemas.update_registry(RegistryName="shop", Description="")["RegistryName"] == "shop"
    assert [one["RegistryName"] for one in schemas.list_registries()["Registries"]] == ["aws.events", "shop"]
    assert [one["RegistryName"] for one in schemas.list_registries(Scope="Local")["Registries"]] == ["shop"]
    assert [one["RegistryArn"] for one in schemas.list_registries(Scope="AWS")["Registries"]] == [
        "arn:aws:schemas:us-east-1::registry/aws.events"
    ]
    first = schemas.list_registries(Limit=1)
    assert [one["RegistryName"] for one in schemas.list_registries(Limit=1, NextToken=first["NextToken"])["Registries"]] == ["shop"]
    create(schemas)
    assert refused(schemas.delete_registry, RegistryName="shop")[0] == "BadRequestException"
    schemas.delete_schema(RegistryName="shop", SchemaName="shop@Order")
    schemas.delete_registry(RegistryName="shop")
    assert refused(schemas.describe_registry, RegistryName="shop") == (
        "NotFoundException",
        404,
        "Registry with name shop does not exist.",
    )
    assert refused(schemas.create_registry, RegistryName="aws.mine")[0] == "BadRequestException"
    assert refused(schemas.update_registry, RegistryName="aws.events", Description="x")[0] == "ForbiddenException"


def test_registries_are_limited(schemas: Any) -> None:
    """An account has at most ten registries in a region."""
    for number in range(10):
        schemas.create_registry(RegistryName=f"r{number}")
    assert refused(schemas.create_registry, RegistryName="one-more")[:2] == ("ForbiddenException", 403)


def test_versions(cloud: Cloud, schemas: Any, registry: str) -> None:
    """Other content makes a new version; the same content, and the same client token, do not; numbers are not given again."""
    made = create(schemas, Description="d", Tags={"a": "b"})
    assert made["SchemaVersion"] == "1"
    assert made["SchemaArn"] == f"arn:aws:schemas:us-east-1:{ACCOUNT}:schema/shop/shop@Order"
    where = {"RegistryName": "shop", "SchemaName": "shop@Order"}
    assert schemas.update_schema(**where, Content=json.dumps(ORDER))["SchemaVersion"] == "1"
    cloud.advance(5)
    changed = {**ORDER, "info": {"title": "Order", "version": "2"}}
    assert schemas.update_schema(**where, Content=json.dumps(changed), ClientTokenId="t")["SchemaVersion"] == "2"
    assert schemas.update_schema(**where, Content=json.dumps(ORDER), ClientTokenId="t")["SchemaVersion"] == "2"
    held = schemas.describe_schema(**where)
    assert json.loads(held["Content"]) == changed
    assert held["LastModified"] > made["LastModified"] == made["VersionCreatedDate"]
    assert json.loads(schemas.describe_schema(**where, SchemaVersion="1")["Content"]) == ORDER
    listed = schemas.list_schema_versions(**where, Limit=1)
    assert [one["SchemaVersion"] for one in listed["SchemaVersions"]] == ["2"]
    rest = schemas.list_schema_versions(**where, NextToken=listed["NextToken"])
    assert [one["SchemaVersion"] for one in rest["SchemaVersions"]] == ["1"]
    assert schemas.list_schemas(RegistryName="shop")["Schemas"][0]["VersionCount"] == 2
    schemas.delete_schema_version(**where, SchemaVersion="2")
    assert schemas.describe_schema(**where)["SchemaVersion"] == "1"
    assert schemas.update_schema(**where, Content=json.dumps(changed))["SchemaVersion"] == "3"
    schemas.delete_schema_version(**where, SchemaVersion="1")
    schemas.delete_schema_version(**where, SchemaVersion="3")
    assert refused(schemas.describe_schema, **where) == ("NotFoundException", 404, "Schema with name shop@Order does not exist.")


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("OpenApi3", "{", "not JSON"),
        ("OpenApi3", '{"openapi": "2.0", "info": {"title": "a", "version": "1"}, "paths": {}}', "#/openapi"),
        ("OpenApi3", '{"openapi": "3.0.0", "paths": {}}', "'info' is a required property"),
        ("OpenApi3", json.dumps({**ORDER, "components": {"schemas": {"A": {"type": "text"}}}}), "#/components/schemas/A"),
        ("OpenApi3", json.dumps({**ORDER, "components": {"schemas": {"A": {"$ref": "#/components/schemas/B"}}}}), "leads nowhere"),
        ("JSONSchemaDraft4", '{"type": "text"}', "#/type"),
        ("JSONSchemaDraft4", '{"$schema": "http://json-schema.org/draft-07/schema#"}', "$schema"),
        ("JSONSchemaDraft4", "[]", "not an object"),
    ],
)
def test_content_is_checked(schemas: Any, registry: str, kind: str, content: str, why: str) -> None:
    """What is not a document of its type is refused, and the refusal says where it is wrong."""
    code, _, message = refused(schemas.create_schema, RegistryName="shop", SchemaName="s", Type=kind, Content=content)
    assert code == "BadRequestException"
    assert why in message


def test_content_has_a_limit(schemas: Any, registry: str) -> None:
    """Content has at most 100,000 characters; a schema is made once; its registry must be there."""
    members = {"SchemaName": "s", "Type": "JSONSchemaDraft4", "Content": json.dumps({"description": "x" * 100_001})}
    assert refused(schemas.create_schema, RegistryName="shop", **members)[0] in ("BadRequestException", "ValidationException")
    create(schemas)
    assert refused(create, schemas=schemas)[0] == "ConflictException"
    assert refused(create, schemas=schemas, RegistryName="none")[0] == "NotFoundException"
    assert refused(create, schemas=schemas, RegistryName="aws.events")[0] == "ForbiddenException"


def test_aws_events(schemas: Any) -> None:
    """aws.events has the schemas of what this cloud's services publish, which are valid, and nobody changes them."""
    listed = schemas.list_schemas(RegistryName="aws.events")["Schemas"]
    names = [one["SchemaName"] for one in listed]
    assert {"aws.s3@ObjectCreated", "aws.ssm@ParameterStoreChange", "aws.events@ScheduledEvent"} <= set(names)
    assert listed[0]["SchemaArn"].startswith("arn:aws:schemas:us-east-1::schema/aws.events/")
    for name in names:
        from fogbank.services.schemas import contents

        contents.check("OpenApi3", schemas.describe_schema(RegistryName="aws.events", SchemaName=name)["Content"])
    assert refused(schemas.delete_schema, RegistryName="aws.events", SchemaName=names[0])[0] == "ForbiddenException"
    arn = "arn:aws:schemas:us-east-1::registry/aws.events"
    assert refused(schemas.tag_resource, ResourceArn=arn, Tags={"a": "b"})[0] == "ForbiddenException"


def test_published_schema_is_of_the_real_event(cloud: Cloud, schemas: Any, events: Any) -> None:
    """What S3, Parameter Store, Scheduled rules and alarms really publish is as aws.events says, without a field that it does not know."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_rule(Name="all", EventPattern=json.dumps({"version": ["0"]}))
    events.put_rule(Name="tick", ScheduleExpression="rate(1 minute)")
    for rule in ("all", "tick"):
        events.put_targets(Rule=rule, Targets=[{"Id": "q", "Arn": arn}])
    s3, ssm, cloudwatch = cloud.client("s3"), cloud.client("ssm"), cloud.client("cloudwatch")
    s3.create_bucket(Bucket="bucket-of-events")
    s3.put_bucket_notification_configuration(Bucket="bucket-of-events", NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.put_object(Bucket="bucket-of-events", Key="k", Body=b"1")
    s3.put_object_tagging(Bucket="bucket-of-events", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object(Bucket="bucket-of-events", Key="k")
    ssm.put_parameter(Name="p", Value="v", Type="String", Description="d")
    metric = {"MetricName": "m", "Namespace": "n", "Statistic": "Sum", "Period": 60}
    cloudwatch.put_metric_alarm(
        AlarmName="a", EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", AlarmDescription="d", **metric
    )
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="because")
    cloud.advance(61)
    cloud.settle()
    seen = set()
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            event = json.loads(message["Body"])
            name = f"{event['source']}@{''.join(event['detail-type'].title().split())}".replace("Cloudwatch", "CloudWatch").replace(
                "Acl", "ACL"
            )
            exported = schemas.export_schema(RegistryName="aws.events", SchemaName=name, Type="JSONSchemaDraft4")["Content"]
            jsonschema.Draft4Validator(_closed(json.loads(exported))).validate(event)
            seen.add(name)
    assert seen == {
        "aws.s3@ObjectCreated",
        "aws.s3@ObjectTagsAdded",
        "aws.s3@ObjectDeleted",
        "aws.ssm@ParameterStoreChange",
        "aws.cloudwatch@CloudWatchAlarmConfigurationChange",
        "aws.cloudwatch@CloudWatchAlarmStateChange",
        "aws.events@ScheduledEvent",
    }


def _closed(schema: Any) -> Any:
    """A schema whose objects have no other properties than it says (dimensions may have any)."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(one) for name, one in schema.items()}
    return {**made, "additionalProperties": False} if schema.get("properties") and isinstance(schema["properties"], dict) else made


def test_search(schemas: Any, registry: str) -> None:
    """All keywords must be in the name or the content, in whatever case."""
    create(schemas)
    create(schemas, "other", {"type": "object", "properties": {"SKU": {}}}, Type="JSONSchemaDraft4")
    found = schemas.search_schemas(RegistryName="shop", Keywords="sku")["Schemas"]
    assert [one["SchemaName"] for one in found] == ["other", "shop@Order"]
    assert found[0]["SchemaVersions"][0]["Type"] == "JSONSchemaDraft4"
    assert [one["SchemaName"] for one in schemas.search_schemas(RegistryName="shop", Keywords="sku STREET")["Schemas"]] == ["shop@Order"]
    assert schemas.search_schemas(RegistryName="shop", Keywords="nothing")["Schemas"] == []
    assert schemas.search_schemas(RegistryName="aws.events", Keywords="deletion-type")["Schemas"][0]["SchemaName"] == "aws.s3@ObjectDeleted"


def test_export(schemas: Any, registry: str) -> None:
    """OpenAPI is exported as JSON Schema of draft 4, which accepts what the schema describes and nothing else."""
    create(schemas)
    answer = schemas.export_schema(RegistryName="shop", SchemaName="shop@Order", Type="JSONSchemaDraft4")
    exported = json.loads(answer["Content"])
    assert exported["$schema"] == "http://json-schema.org/draft-04/schema#"
    jsonschema.Draft4Validator.check_schema(exported)
    validator = jsonschema.Draft4Validator(exported)
    validator.validate(EXAMPLE)
    validator.validate({**EXAMPLE, "detail": {"id": 1, "note": None}})
    assert not validator.is_valid({**EXAMPLE, "detail": {}})
    assert not validator.is_valid({**EXAMPLE, "detail": {"id": 1, "lines": [{"parts": [{"sku": 1}]}]}})
    code, *_ = refused(schemas.export_schema, RegistryName="shop", SchemaName="shop@Order", Type="OpenApi3")
    assert code == "BadRequestException"


def test_tags(schemas: Any, registry: str) -> None:
    """Registries and schemas have tags."""
    arn = create(schemas, Tags={"a": "1"})["SchemaArn"]
    schemas.tag_resource(ResourceArn=arn, Tags={"b": "2"})
    schemas.untag_resource(ResourceArn=arn, TagKeys=["a", "none"])
    assert schemas.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"b": "2"}
    assert schemas.list_tags_for_resource(ResourceArn=f"arn:aws:schemas:us-east-1:{ACCOUNT}:registry/shop")["Tags"] == {"team": "a"}
    assert refused(schemas.list_tags_for_resource, ResourceArn=arn + "x")[0] == "NotFoundException"


def test_policy(cloud: Cloud, schemas: Any, registry: str) -> None:
    """A registry's policy lets another account read its schemas, and only that; a stale revision does not replace it."""
    create(schemas)
    arn = f"arn:aws:schemas:us-east-1:{ACCOUNT}:registry/shop"
    other = cloud.client("schemas", OTHER)
    where = {"RegistryName": arn, "SchemaName": "shop@Order"}
    assert refused(other.describe_schema, **where)[0].startswith(("AccessDenied", "Forbidden"))
    assert refused(schemas.get_resource_policy, RegistryName="shop")[0] == "NotFoundException"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": OTHER},
        "Action": ["schemas:DescribeSchema"],
        "Resource": arn.replace("registry/shop", "schema/shop/*"),
    }
    put = schemas.put_resource_policy(RegistryName="shop", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert other.describe_schema(**where)["SchemaName"] == "shop@Order"
    assert refused(other.delete_schema, **where)[0].startswith(("AccessDenied", "Forbidden"))
    held = schemas.get_resource_policy(RegistryName="shop")
    assert held["RevisionId"] == put["RevisionId"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    code, status, _ = refused(schemas.put_resource_policy, RegistryName="shop", Policy=policy, RevisionId="old")
    assert (code, status) == ("PreconditionFailedException", 412)
    assert refused(schemas.put_resource_policy, RegistryName="shop", Policy='{"a": 1}')[0] == "BadRequestException"
    schemas.delete_resource_policy(RegistryName="shop")
    assert refused(other.describe_schema, **where)[0].startswith(("AccessDenied", "Forbidden"))


def test_permissions(cloud: Cloud, schemas: Any, registry: str) -> None:
    """A user with a policy for one schema reads that one only; tags decide, too."""
    create(schemas, Tags={"open": "yes"})
    create(schemas, "closed")
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    statement = {
        "Effect": "Allow",
        "Action": "schemas:DescribeSchema",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/open": "yes"}},
    }
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("schemas", key["AccessKeyId"], key["SecretAccessKey"])
    assert user.describe_schema(RegistryName="shop", SchemaName="shop@Order")["SchemaVersion"] == "1"
    _, status, message = refused(user.describe_schema, RegistryName="shop", SchemaName="closed")
    assert status == 403
    assert "is not authorized to perform: schemas:DescribeSchema on resource" in message
    assert refused(user.list_registries)[1] == 403
