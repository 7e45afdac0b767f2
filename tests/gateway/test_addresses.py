"""Names in host names, presigned URLs, pages of other origins, and calls of what is not there."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from fogbank.gateway import address
from fogbank.testing.cloud import boto

from .raw import Answer, Raw, ask, connected, head, request

LARGE = bytes(range(256)) * 1024

# virtual-hosted buckets


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("localhost:4566", None),
        ("127.0.0.1:4566", None),
        ("s3.localhost", None),
        ("s3.us-east-1.localhost:4566", None),
        ("s3.dualstack.us-east-1.amazonaws.com", None),
        ("s3-eu-west-1.amazonaws.com", None),
        ("bucket.localhost:4566", "bucket"),
        ("BUCKET.localhost", "bucket"),
        ("bucket.s3.localhost", "bucket"),
        ("bucket.s3.us-east-1.localhost:4566", "bucket"),
        ("bucket.s3-us-west-2.localhost", "bucket"),
        ("bucket.s3.dualstack.us-east-1.localhost", "bucket"),
        ("bucket.s3.us-gov-west-1.amazonaws.com", "bucket"),
        ("my.dotted.bucket.s3.localhost", "my.dotted.bucket"),
        ("my.dotted.bucket.localhost", "my.dotted.bucket"),
        ("s3-events.localhost", "s3-events"),
        ("s3.events.localhost", "s3.events"),
        ("s3-events.s3.localhost", "s3-events"),
        ("bucket.s3.localhost.localstack.cloud:4566", "bucket"),
        ("bucket.s3-accelerate.localhost:4566", "bucket"),
        ("bucket.s3-accelerate.dualstack.amazonaws.com", "bucket"),
        ("localhost.localstack.cloud:4566", None),
        ("example.com", None),
    ],
)
def test_buckets_in_host_names(host: str, bucket: str | None) -> None:
    """A bucket stands in front of the endpoint, of `s3` or of `s3` and a region; a name that merely begins with s3 is a bucket."""
    assert address.bucket(host) == bucket


@pytest.mark.parametrize("name", ["bucket.localhost", "bucket.s3.us-east-1.localhost"])
def test_virtual_hosted_requests(cloud: Any, bucket: str, name: str) -> None:
    """Puts, lists and gets with the bucket in the Host header are those of the path; the signature covers the path as sent."""
    host = {"Host": f"{name}:{urlsplit(cloud.endpoint).port}"}
    assert ask(cloud.endpoint, "PUT", "/a/key%20with%20spaces", b"body", host).status == 200
    assert ask(cloud.endpoint, "GET", "/a/key%20with%20spaces", headers=host).body == b"body"
    assert b"<Key>a/key with spaces</Key>" in ask(cloud.endpoint, "GET", "/?list-type=2", headers=host).body
    assert b"<Key>a/key with spaces</Key>" in ask(cloud.endpoint, "GET", "/", headers=host).body
    assert cloud.client("s3").get_object(Bucket=bucket, Key="a/key with spaces")["Body"].read() == b"body"
    assert ask(cloud.endpoint, "PUT", "/large", LARGE, host).status == 200
    assert ask(cloud.endpoint, "GET", "/large", headers=host).body == LARGE
    assert ask(cloud.endpoint, "DELETE", "/large", headers=host).status == 204


def test_boto3_with_virtual_addressing(cloud: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 with `addressing_style: virtual` works, every operation of a bucket and its keys, and presigned URLs."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: real("127.0.0.1", *rest, **named))
    port = urlsplit(cloud.endpoint).port
    s3 = boto(f"http://s3.localhost:{port}", "s3", s3={"addressing_style": "virtual"})
    s3.create_bucket(Bucket="virtual")
    s3.put_object(Bucket="virtual", Key="a/b c+d", Body=b"body")
    assert s3.get_object(Bucket="virtual", Key="a/b c+d")["Body"].read() == b"body"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="virtual")["Contents"]] == ["a/b c+d"]
    url = s3.generate_presigned_url("get_object", {"Bucket": "virtual", "Key": "a/b c+d"})
    assert url.startswith(f"http://virtual.s3.localhost:{port}/")
    assert urllib.request.urlopen(url).read() == b"body"
    s3.delete_object(Bucket="virtual", Key="a/b c+d")
    s3.delete_bucket(Bucket="virtual")
    assert {b["Name"] for b in cloud.client("s3").list_buckets()["Buckets"]} == {"bucket"}


# presigned URLs


def test_presigned_urls(cloud: Any, bucket: str) -> None:
    """A presigned URL gets, puts (small and large), heads and deletes with plain urllib, and nothing else than what was signed."""
    s3 = cloud.client("s3")
    params = {"Bucket": bucket, "Key": "a key/ü"}
    for body in (b"small", LARGE):
        put = urllib.request.Request(s3.generate_presigned_url("put_object", params), data=body, method="PUT")
        put.add_header("Content-Type", "")
        assert urllib.request.urlopen(put).status == 200
        assert urllib.request.urlopen(s3.generate_presigned_url("get_object", params)).read() == body
    get = s3.generate_presigned_url("get_object", params)
    for spoilt in (get.replace("a%20key", "b%20key"), get[:-1] + ("0" if get[-1] != "0" else "1")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(spoilt)
        assert (caught.value.code, b"<Code>SignatureDoesNotMatch</Code>" in caught.value.read()) == (403, True)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(get, method="DELETE"))
    assert caught.value.code == 403
    delete = s3.generate_presigned_url("delete_object", params)
    assert urllib.request.urlopen(urllib.request.Request(delete, method="DELETE")).status == 204


def test_presigned_urls_end_by_the_cloud_s_clock(cloud: Any, bucket: str) -> None:
    """A presigned URL is good for as long as it says, by the cloud's clock."""
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="key", Body=b"body")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "key"}, ExpiresIn=60)
    cloud.advance(55)
    assert urllib.request.urlopen(url).read() == b"body"
    cloud.advance(10)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    assert (caught.value.code, b"<Message>Request has expired</Message>" in caught.value.read()) == (403, True)


def test_presigned_urls_of_other_services(cloud: Any) -> None:
    """GetCallerIdentity as a presigned URL (what EKS authenticates with) tells who signed it."""
    url = cloud.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    assert b":root</Arn>" in urllib.request.urlopen(url).read()


# other origins


def preflight(cloud: Any, origin: str) -> Answer:
    headers = {
        "Host": "localhost",
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-amz-date",
    }
    with connected(cloud.endpoint) as raw:
        return raw.send(head("OPTIONS", "/bucket/key", headers)).answer()


OURS = ["http://localhost:3000", "https://localhost", "http://127.0.0.1:8080", "http://[::1]:1", "http://app.localhost:5173"]
OTHERS = [
    "https://example.com",
    "http://localhost.example.com",
    "http://evil.com?localhost",
    "http://evil.com#.localhost",
    "http://evil.com/.localhost",
    "http://127.0.0.1.example.com",
    "null",
    "file://",
    "http://localhost:3000, https://example.com",
]


@pytest.mark.parametrize("origin", OURS)
def test_pages_of_this_machine_may_call(cloud: Any, bucket: str, origin: str) -> None:
    """A page of this machine gets its preflight, and may read answers, refusals among them."""
    answer = preflight(cloud, origin)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "x-amz-date"
    for target, status in (("/bucket/key", 404), ("/bucket", 200)):
        called = ask(cloud.endpoint, "GET", target, headers={"Origin": origin})
        assert (called.status, called.headers["access-control-allow-origin"]) == (status, origin)
        assert called.headers["vary"] == "Origin"
    unsigned = request(cloud.endpoint, "GET", "/bucket", headers={"Origin": origin}, secret="wrong")
    with connected(cloud.endpoint) as raw:
        assert raw.send(unsigned).answer().headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origin", OTHERS)
def test_pages_of_the_internet_may_not(cloud: Any, bucket: str, origin: str) -> None:
    """A page of the internet gets no preflight and no answer; nor does its call, which everybody could sign, change anything."""
    answer = preflight(cloud, origin)
    assert (answer.status, answer.headers.get("access-control-allow-origin")) == (403, None)
    called = ask(cloud.endpoint, "PUT", "/bucket/key", b"body", headers={"Origin": origin})
    assert (called.status, called.headers.get("access-control-allow-origin")) == (403, None)
    assert "Contents" not in cloud.client("s3").list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("origin", OTHERS)
def test_pages_of_the_internet_control_nothing(cloud: Any, bucket: str, origin: str) -> None:
    """A page of the internet cannot reset the cloud, nor read anything of its controls."""
    for method, path in (
        ("POST", "/_fogbank/reset"),
        ("POST", "/_localstack/state/reset"),
        ("POST", "/moto-api/reset"),
        ("GET", "/_fogbank/clock"),
    ):
        with connected(cloud.endpoint) as raw:
            answer = raw.send(head(method, path, {"Host": "localhost", "Origin": origin, "Content-Length": 0})).answer()
        assert (answer.status, answer.headers.get("access-control-allow-origin")) == (403, None)
    assert cloud.client("s3").list_buckets()["Buckets"]


# what is not there


def refusal(call: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


UNKNOWN = {
    "json": ("athena", lambda c: c.list_work_groups(), "athena:ListWorkGroups"),
    "query": ("autoscaling", lambda c: c.describe_tags(), "autoscaling:DescribeTags"),
    "ec2": ("ec2", lambda c: c.describe_vpcs(), "ec2:DescribeVpcs"),
    "rest-json": ("batch", lambda c: c.list_jobs(), "batch:ListJobs"),
    "rest-xml": ("route53", lambda c: c.list_hosted_zones(), "route53:ListHostedZones"),
    "of a service that is there": (
        "s3",
        lambda c: c.get_object_torrent(Bucket="bucket", Key="x"),
        "s3:GetObjectTorrent",
    ),
    "cbor": ("arc-region-switch", lambda c: c.list_plans(), "arc-region-switch:ListPlans"),
}


@pytest.mark.parametrize(("service", "call", "named"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_operations_that_are_not_there(cloud: Any, bucket: str, service: str, call: Any, named: str) -> None:
    """An operation that is not implemented gets 501 NotImplemented in its own protocol, naming service and operation."""
    status, code, message = refusal(lambda: call(cloud.client(service)))
    assert (status, code) == (501, "NotImplemented")
    assert named in message


def test_operations_that_aws_does_not_have(cloud: Any, raw: Raw) -> None:
    """An operation that no model has is refused as AWS does, in the protocol of the call."""
    headers = {"X-Amz-Target": "AmazonSQS.MakeCoffee", "Content-Type": "application/x-amz-json-1.0"}
    answer = ask(cloud.endpoint, "POST", "/", b"{}", headers, service="sqs")
    assert answer.status == 400
    assert json.loads(answer.body)["__type"].endswith("UnknownOperationException")
    headers = {"X-Amz-Target": "CoffeeMachine.MakeCoffee", "Content-Type": "application/x-amz-json-1.0"}
    assert b"UnknownOperationException" in ask(cloud.endpoint, "POST", "/", b"{}", headers, service="coffee").body
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ask(cloud.endpoint, "POST", "/", b"Action=MakeCoffee&Version=2011-06-15", form, service="sts")
    assert (answer.status, b"<Code>InvalidAction</Code>" in answer.body) == (400, True)
    assert b"MakeCoffee" in answer.body
    assert ask(cloud.endpoint, "PATCH", "/bucket/key").status == 405
    answer = ask(cloud.endpoint, "GET", "/no/such/route", service="lambda")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    cbor = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor", "Accept": "application/cbor"}
    answer = ask(cloud.endpoint, "POST", "/service/GraniteServiceVersion20100801/operation/MakeCoffee", b"\xa0", cbor, service="monitoring")
    assert (answer.status, answer.headers["smithy-protocol"]) == (404, "rpc-v2-cbor")
