"""Resource policies: which services may put events into a group."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.kernel.context import Acting
from fogbank.kernel.errors import ServiceException

Refused = Callable[..., tuple[str, str]]
ARN = "arn:aws:logs:us-east-1:000000000000:"
RULE = "arn:aws:events:us-east-1:000000000000:rule/r"


def document(resource: str = ARN + "log-group:*", **more: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": resource, **more}]})


@pytest.fixture
def write(cloud: Any) -> Callable[..., str]:
    """What comes of a service's attempt to write into `group`: "" or a code."""

    def call(principal: str = "events.amazonaws.com", group: str = "group") -> str:
        def inside() -> str:
            from fogbank.access.principal import service

            gateway, inner = cloud.house.app.gateway, cloud.inner
            tx = inner.begin()
            ctx = gateway.context(
                inner, tx, gateway.manifest("sqs"), service(principal, "000000000000"), "000000000000", "us-east-1", "sqs", "test", "test"
            )
            events = [{"timestamp": inner.clock.now_ms(), "message": "from a service"}]
            members = {"logGroupName": group, "logStreamName": "stream", "logEvents": events}
            try:
                ctx.call("logs", "PutLogEvents", members, acting=Acting(principal, RULE, "000000000000"))
                inner.commit(tx)
            except ServiceException as refused:
                tx.undo()
                return refused.code
            return ""

        told: str = cloud.house.on_loop(inside)
        return told

    return call


def test_a_service_needs_a_policy(logs: Any, put: Any, write: Any) -> None:
    """Without one it is denied; with one it is let in, for the groups and the source that the policy names."""
    put("x")
    put("x", group="other")
    assert write() == "AccessDeniedException"
    logs.put_resource_policy(policyName="p", policyDocument=document(ARN + "log-group:group:*"))
    assert write() == ""
    assert write(group="other") == "AccessDeniedException"
    assert write("sns.amazonaws.com") == "AccessDeniedException"
    condition = {"ArnEquals": {"aws:SourceArn": RULE + "2"}}
    logs.put_resource_policy(policyName="p", policyDocument=document(Condition=condition))
    assert write() == "AccessDeniedException"
    logs.put_resource_policy(policyName="second", policyDocument=document())
    assert write() == ""
    logs.delete_resource_policy(policyName="second")
    assert write() == "AccessDeniedException"


def test_a_group_has_a_policy_of_its_own(logs: Any, put: Any, write: Any, refused: Refused) -> None:
    """It counts for this group; each change has to know the revision."""
    put("x")
    put("x", group="other")
    arn = ARN + "log-group:group"
    made = logs.put_resource_policy(resourceArn=arn, policyDocument=document())
    assert (write(), write(group="other")) == ("", "AccessDeniedException")
    assert made["resourcePolicy"]["policyScope"] == "RESOURCE"
    assert refused(logs.put_resource_policy, resourceArn=arn, policyDocument=document())[0] == "OperationAbortedException"
    assert logs.describe_resource_policies()["resourcePolicies"] == []
    assert len(logs.describe_resource_policies(policyScope="RESOURCE")["resourcePolicies"]) == 1
    assert logs.describe_resource_policies(resourceArn=arn)["resourcePolicies"][0]["revisionId"] == made["revisionId"]
    logs.delete_resource_policy(resourceArn=arn, expectedRevisionId=made["revisionId"])
    assert write() == "AccessDeniedException"


def test_policies_speak_of_services_only(logs: Any, put: Any, person: Any, cloud: Any, refused: Refused) -> None:
    """What a resource policy says about users counts for nothing."""
    put("x")
    anybody = document(Principal="*")
    logs.put_resource_policy(policyName="p", policyDocument=anybody)
    user = person("u", json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}))
    event = [{"timestamp": cloud.now_ms, "message": "y"}]
    assert refused(user.put_log_events, logGroupName="group", logStreamName="stream", logEvents=event)[0] == "AccessDeniedException"


def test_policies_are_checked_and_counted(logs: Any, refused: Refused) -> None:
    """Wrong documents are refused, and an eleventh policy."""
    assert refused(logs.put_resource_policy, policyName="p", policyDocument="{}")[0] == "InvalidParameterException"
    assert refused(logs.put_resource_policy, policyDocument=document())[0] == "InvalidParameterException"
    for n in range(10):
        logs.put_resource_policy(policyName=f"p{n}", policyDocument=document())
    assert refused(logs.put_resource_policy, policyName="p10", policyDocument=document())[0] == "LimitExceededException"
    assert refused(logs.delete_resource_policy, policyName="nope")[0] == "ResourceNotFoundException"
