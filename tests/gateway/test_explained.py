"""Explanations, forms and refusals, as a caller meets them: each of these was wrong once."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from fogbank.access.policy import Named, parse
from fogbank.control import client as control
from fogbank.testing.cloud import Cloud

from .people import People, policy
from .raw import ask, connected, head


def _request_id(call: Any, **members: Any) -> str:
    try:
        answer = call(**members)
    except Exception as refused:
        answer = refused.response  # type: ignore[attr-defined]
    found: str = answer["ResponseMetadata"]["RequestId"]
    return found


def test_an_explanation_is_of_its_own_request(cloud: Cloud, people: People) -> None:
    """A decision that is remembered is explained with the time and caller of the request that was asked about."""
    cloud.client("sqs").create_queue(QueueName="q")
    bob = people.user("bob", policy({"Action": "sqs:GetQueueUrl"}))
    _request_id(bob("sqs").get_queue_url, QueueName="q")
    cloud.advance(3600)
    second = _request_id(bob("sqs").get_queue_url, QueueName="q")
    explained = control.ask(cloud.endpoint, "GET", f"/explain/{second}")["decisions"][0]
    assert explained["keys"]["aws:epochtime"] == str(cloud.now_ms // 1000)


TRUST = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}


def _role(people: People) -> str:
    document = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    arn: str = people.iam.create_role(RoleName="role", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return arn


def test_a_refused_assume_role_is_explained(cloud: Cloud, people: People) -> None:
    """Its decision is remembered like every other, the trust policy among what was considered."""
    refused = _request_id(people.user("bob")("sts").assume_role, RoleArn=_role(people), RoleSessionName="session")
    explained = control.ask(cloud.endpoint, "GET", f"/explain/{refused}")["decisions"][0]
    assert explained["action"] == "sts:AssumeRole"
    assert not explained["allowed"]


def test_service_control_policies_hold_for_assume_role(cloud: Cloud, people: People, refused: Any) -> None:
    """What the organization denies, STS does not do."""
    arn = _role(people)
    bob = people.user("bob", policy({"Action": "sts:AssumeRole"}))
    document = policy({"Action": "*"}, {"Effect": "Deny", "Action": "sts:AssumeRole"})
    level = (Named("ou", parse(document, "scp")),)

    def install() -> None:
        cloud.inner.callers.scps = lambda at, account: (level,)
        cloud.inner.callers.forget()

    cloud.house.on_loop(install)
    with refused("AccessDenied", "service control policy"):
        bob("sts").assume_role(RoleArn=arn, RoleSessionName="session")


def _post(cloud: Cloud, fields: dict[str, str]) -> tuple[int, bytes]:
    """A browser's form with these fields, which its policy allows."""
    cloud.client("s3").create_bucket(Bucket="bucket")
    extra = [{name: value} for name, value in fields.items()]
    made = cloud.client("s3").generate_presigned_post("bucket", "k", Fields=dict(fields), Conditions=extra)["fields"]
    part = '--B\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    text = (
        "".join(part.format(name, "", value) for name, value in made.items())
        + part.format("file", '; filename="f"', "content")
        + "--B--\r\n"
    )
    headers = {"Host": "localhost", "Content-Type": "multipart/form-data; boundary=B", "Content-Length": len(text)}
    with connected(cloud.endpoint) as raw:
        answer = raw.send(head("POST", "/bucket", headers) + text.encode()).answer()
    return answer.status, answer.body


def test_a_forms_tags_are_kept(cloud: Cloud) -> None:
    """The field `tagging` tags the object."""
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b+c=d</Value></Tag></TagSet></Tagging>"
    assert _post(cloud, {"tagging": tags})[0] == 204
    assert cloud.client("s3").get_object_tagging(Bucket="bucket", Key="k")["TagSet"] == [{"Key": "a", "Value": "b+c=d"}]


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("x-amz-checksum-crc32", "AAAAAA==", 400),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256", 403),
        ("x-amz-object-lock-mode", "GOVERNANCE", 400),
    ],
)
def test_no_field_of_a_form_is_ignored(cloud: Cloud, field: str, value: str, status: int) -> None:
    """A field does what PutObject's header of that name does, or is refused as it is."""
    assert _post(cloud, {field: value})[0] == status


def test_what_is_not_implemented_is_so_whatever_is_asked(cloud: Cloud) -> None:
    """501 names service and operation, also where members are missing."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ask(cloud.endpoint, "POST", "/", b"Action=RunInstances&Version=2016-11-15", form, service="ec2")
    assert answer.status == 501
    assert b"ec2:RunInstances" in answer.body


def test_a_coding_is_named_in_any_case(cloud: Cloud) -> None:
    """Content codings are case-insensitive (RFC 9110, 8.4.1)."""
    headers = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0", "Content-Encoding": "GZIP"}
    assert ask(cloud.endpoint, "POST", "/", gzip.compress(b"{}"), headers, service="sqs").status == 200


def test_sqs_knows_credentials_by_its_old_codes(cloud: Cloud, refused: Any) -> None:
    """A service that promises its query codes to JSON clients keeps them for credentials too, as for AccessDenied."""
    with refused("InvalidClientTokenId"):
        cloud.client("sqs", access_key="AKIAIOSFODNN7EXAMPLE").list_queues()


def test_a_signature_is_as_old_as_it_is(cloud: Cloud, people: People) -> None:
    """s3:signatureAge of a request that was signed just now is small, however far the cloud's clock was moved before."""
    cloud.advance(7200)
    young = {"NumericLessThan": {"s3:signatureAge": "600000"}}
    bob = people.user("bob", policy({"Action": "s3:ListAllMyBuckets", "Condition": young}))
    assert bob("s3").list_buckets()["Buckets"] == []


def test_decisions_with_conditions_are_small_too(cloud: Cloud, people: People) -> None:
    """A decision that looked at a condition key lets go of its request's body like one that did not."""
    url = cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    never = {"StringEquals": {"aws:UserAgent": "nobody's"}}
    bob = people.user("bob", policy({"Action": "sqs:SendMessage", "Condition": never}))
    refused = _request_id(bob("sqs").send_message, QueueUrl=url, MessageBody="x" * 100_000)
    kept = [decided.query.context.request for known, decided, _ in cloud.inner.decisions if known == refused]
    assert len(kept) == 1
    assert kept[0] is None or len(kept[0].body) < 10_000
