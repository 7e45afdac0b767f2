"""What callers may rely on at the door: each of these was wrong once."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from fogbank.testing.cloud import Cloud

from .people import People, policy
from .raw import ask

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_form_sent_to_a_queues_url_names_the_queue(cloud: Cloud, people: People) -> None:
    """SQS's query protocol takes the queue from the path, for the operation and for the policies."""
    sqs = cloud.client("sqs")
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("open", "shut")]
    bob = people.user("bob", policy({"Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:000000000000:open"}))
    form = urlencode({"Action": "SendMessage", "Version": "2012-11-05", "MessageBody": "m"}).encode()
    answers = [
        ask(cloud.endpoint, "POST", urlsplit(url).path, form, FORM, service="sqs", access_key=bob.key, secret=bob.secret) for url in urls
    ]
    assert [answer.status for answer in answers] == [200, 403]
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=urls[0])["Messages"]] == ["m"]
    assert "Messages" not in sqs.receive_message(QueueUrl=urls[1])


def test_a_forms_own_queue_url_comes_first(cloud: Cloud) -> None:
    """Where the form names a queue, the path does not matter; a form about no queue may be sent anywhere."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    form = urlencode({"Action": "SendMessage", "Version": "2012-11-05", "MessageBody": "m", "QueueUrl": url}).encode()
    assert ask(cloud.endpoint, "POST", "/000000000000/other", form, FORM, service="sqs").status == 200
    assert ask(cloud.endpoint, "POST", "/000000000000/q", b"Action=ListQueues&Version=2012-11-05", FORM, service="sqs").status == 200
    missing = ask(cloud.endpoint, "POST", "/", b"Action=SendMessage&Version=2012-11-05&MessageBody=m", FORM, service="sqs")
    assert missing.status == 400
    assert b"<Code>MissingParameter</Code>" in missing.body


@pytest.mark.parametrize("operation", ["get_object", "list_objects_v2", "put_object", "delete_bucket"])
def test_a_bucket_that_does_not_exist_is_nobodys_secret(cloud: Cloud, people: People, refused: Any, operation: str) -> None:
    """S3 looks for the bucket before it asks for rights: NoSuchBucket also for who may nothing."""
    nobody = people.user("nobody")
    key = {"Key": "k"} if "object" in operation and "list" not in operation else {}
    with refused("NoSuchBucket"):
        getattr(nobody("s3"), operation)(Bucket="nothere", **key)


def test_anybody_learns_that_a_bucket_does_not_exist(cloud: Cloud) -> None:
    """Without a signature too."""
    with_none = ask(cloud.endpoint, "GET", "/nothere/k", access_key="AKIAIOSFODNN7EXAMPLE")
    assert with_none.status == 403
    assert b"InvalidAccessKeyId" in with_none.body
    with pytest.raises(urllib.error.HTTPError) as told:
        urllib.request.urlopen(f"{cloud.endpoint}/nothere/k")
    with told.value as answer:
        assert answer.code == 404
        assert b"<Code>NoSuchBucket</Code>" in answer.read()


def test_a_new_bucket_still_needs_the_right(people: People, refused: Any) -> None:
    """CreateBucket is about a bucket that does not exist, and is authorised."""
    with refused("AccessDenied", "s3:CreateBucket"):
        people.user("nobody")("s3").create_bucket(Bucket="nothere")


def test_signature_version_2_is_not_taken_for_4(cloud: Cloud, people: People) -> None:
    """s3:signatureversion is what the request was signed with: AWS for version 2."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=b"x")
    only4 = {"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}
    bob = people.user("bob", policy({"Action": "s3:GetObject", "Condition": only4}))
    ann = people.user("ann", policy({"Action": "s3:GetObject", "Condition": {"StringEquals": {"s3:signatureversion": "AWS"}}}))
    statuses = {}
    for name, who in (("bob", bob), ("ann", ann)):
        for version in ("s3", "s3v4"):
            url = who("s3", signature_version=version).generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"}, ExpiresIn=60)
            try:
                with urllib.request.urlopen(url) as answer:
                    statuses[name, version] = answer.status
            except urllib.error.HTTPError as error:
                with error:
                    statuses[name, version] = error.code
    assert statuses == {("bob", "s3"): 403, ("bob", "s3v4"): 200, ("ann", "s3"): 200, ("ann", "s3v4"): 403}


def test_sqs_says_its_actions_in_lower_case(cloud: Cloud, people: People) -> None:
    """AWS's own sentence: `sqs:sendmessage`, in both places."""
    url = cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    bob = people.user("bob")
    form = urlencode({"Action": "SendMessage", "Version": "2012-11-05", "MessageBody": "m", "QueueUrl": url}).encode()
    answer = ask(cloud.endpoint, "POST", "/", form, FORM, service="sqs", access_key=bob.key, secret=bob.secret)
    assert answer.status == 403
    assert (
        b"User: arn:aws:iam::000000000000:user/bob is not authorized to perform: sqs:sendmessage on resource: "
        b"arn:aws:sqs:us-east-1:000000000000:q because no identity-based policy allows the sqs:sendmessage action"
    ) in answer.body


@pytest.mark.parametrize("path", ["/bucket/%ff", "/bucket/a%c3", "/bucket/%ED%A0%80"])
def test_a_key_is_utf_8_or_no_key(cloud: Cloud, path: str) -> None:
    """A path that is no UTF-8 is refused, and not stored under another name."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="bucket")
    answer = ask(cloud.endpoint, "PUT", path, b"x")
    assert answer.status == 400
    assert b"<Code>InvalidURI</Code>" in answer.body
    assert "Contents" not in s3.list_objects_v2(Bucket="bucket")


def test_a_path_of_another_service_that_is_no_utf_8(cloud: Cloud) -> None:
    """In the form of the service that it would have named."""
    answer = ask(cloud.endpoint, "GET", "/2015-03-31/functions/%ff", service="lambda")
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "SerializationException"
