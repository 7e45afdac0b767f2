"""Which operation a request calls."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fogbank.kernel.http import HttpRequest
from fogbank.wire import index, model
from fogbank.wire.identify import identify

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def form(body: bytes) -> HttpRequest:
    return HttpRequest("POST", "/", "", FORM, body)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "operation", "labels"),
    [
        ("GET", "/", "", {}, "ListBuckets", {}),
        ("GET", "/", "x-id=ListDirectoryBuckets", {}, "ListDirectoryBuckets", {}),
        ("GET", "/b", "", {}, "ListObjects", {"Bucket": "b"}),
        ("GET", "/b/", "list-type=2&prefix=a", {}, "ListObjectsV2", {"Bucket": "b"}),
        ("GET", "/b", "versions", {}, "ListObjectVersions", {"Bucket": "b"}),
        ("GET", "/b", "uploads=", {}, "ListMultipartUploads", {"Bucket": "b"}),
        ("GET", "/b", "location", {}, "GetBucketLocation", {"Bucket": "b"}),
        ("GET", "/b", "lifecycle", {}, "GetBucketLifecycleConfiguration", {"Bucket": "b"}),
        ("GET", "/b", "analytics", {}, "ListBucketAnalyticsConfigurations", {"Bucket": "b"}),
        ("GET", "/b", "analytics&id=x", {}, "GetBucketAnalyticsConfiguration", {"Bucket": "b"}),
        ("PUT", "/b", "", {}, "CreateBucket", {"Bucket": "b"}),
        ("HEAD", "/b", "", {}, "HeadBucket", {"Bucket": "b"}),
        ("POST", "/b", "delete", {}, "DeleteObjects", {"Bucket": "b"}),
        ("GET", "/b/a%20b/c+d/", "x-id=GetObject", {}, "GetObject", {"Bucket": "b", "Key": "a b/c+d/"}),
        ("GET", "/b//k", "", {}, "GetObject", {"Bucket": "b", "Key": "/k"}),
        ("GET", "/b/k", "uploadId=u", {}, "ListParts", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k", "versionId=v", {}, "GetObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k", "", {}, "PutObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k", "", {"x-amz-copy-source": "a/b"}, "CopyObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {}, "UploadPart", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {"x-amz-copy-source": "a/b"}, "UploadPartCopy", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b/k", "uploads", {}, "CreateMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b/k", "uploadId=u", {}, "CompleteMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("DELETE", "/b/k", "", {}, "DeleteObject", {"Bucket": "b", "Key": "k"}),
        ("DELETE", "/b/k", "uploadId=u", {}, "AbortMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b/k", "select&select-type=2", {}, "SelectObjectContent", {"Bucket": "b", "Key": "k"}),
    ],
)
def test_s3_routes(method: str, path: str, query: str, headers: dict[str, str], operation: str, labels: dict[str, str]) -> None:
    """S3 tells its operations apart by path, query string and the copy source; unsigned requests fall to S3."""
    for signing_name in ("s3", "s3express", None):
        call = identify(HttpRequest(method, path, query, headers), signing_name)
        assert (call.service, call.operation, call.protocol, call.labels) == ("s3", operation, "rest-xml", labels)


def test_the_gateway_may_rewrite_the_path() -> None:
    """A path given by the gateway (virtual-hosted addressing) stands for the request's own."""
    call = identify(HttpRequest("GET", "/key", "", {}), "s3", "/bucket/key")
    assert call.labels == {"Bucket": "bucket", "Key": "key"}


@pytest.mark.parametrize(
    ("request_", "signing_name", "expected"),
    [
        (HttpRequest("POST", "/", "", {"x-amz-target": "AmazonSQS.SendMessage"}), "sqs", ("sqs", "SendMessage", "json")),
        (HttpRequest("POST", "/", "", {"x-amz-target": "AWSCognitoIdentityService.GetId"}), None, ("cognito-identity", "GetId", "json")),
        (form(b"Action=SendMessage&Version=2012-11-05"), "sqs", ("sqs", "SendMessage", "query")),
        (HttpRequest("POST", "/0/q", "", FORM, b"MessageBody=b&Action=SendMessage"), "sqs", ("sqs", "SendMessage", "query")),
        (HttpRequest("GET", "/", "Action=ListUsers&Version=2010-05-08", {}), "iam", ("iam", "ListUsers", "query")),
        (form(b"Action=AssumeRoleWithSAML&Version=2011-06-15"), None, ("sts", "AssumeRoleWithSAML", "query")),
        (form(b"Action=DescribeTags&Version=2016-11-15"), "ec2", ("ec2", "DescribeTags", "ec2")),
        (
            form(b"Action=DescribeTags&Version=2015-12-01"),
            "elasticloadbalancing",
            ("elbv2", "DescribeTags", "query"),
        ),
        (
            form(b"Action=DescribeTags&Version=2012-06-01"),
            "elasticloadbalancing",
            ("elb", "DescribeTags", "query"),
        ),
        (HttpRequest("GET", "/restapis", "", {}), "apigateway", ("apigateway", "GetRestApis", "rest-json")),
        (HttpRequest("GET", "/v2/apis", "", {}), "apigateway", ("apigatewayv2", "GetApis", "rest-json")),
        (HttpRequest("GET", "/v20180820/jobs", "", {}), "s3", ("s3control", "ListJobs", "rest-xml")),
        (
            HttpRequest("POST", "/service/GraniteServiceVersion20100801/operation/ListMetrics", "", {"smithy-protocol": "rpc-v2-cbor"}),
            "monitoring",
            ("cloudwatch", "ListMetrics", "smithy-rpc-v2-cbor"),
        ),
    ],
)
def test_services_and_protocols(request_: HttpRequest, signing_name: str | None, expected: tuple[str, str, str]) -> None:
    """A target, an action with its version, a smithy path or a route names the service, the operation and the protocol."""
    assert identify(request_, signing_name)[:3] == expected


def test_the_index_agrees_with_the_models() -> None:
    """The shipped index says of every service what its model says."""
    for name, entry in index.index().entries.items():
        head = json.loads(model.read(name))["metadata"]
        assert entry.version == head["apiVersion"]
        assert entry.target == head.get("targetPrefix", "")
        assert entry.signing == head.get("signingName", head["endpointPrefix"])


def test_a_service_the_index_does_not_know_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service newer than the index is found from its model."""
    known = index._entry("sqs")
    assert known == index.index().entries["sqs"]
    assert known.protocols == ("json", "query")


def test_botocore_is_never_imported() -> None:
    """The models are read without importing botocore, which would cost 150 ms of every start."""
    program = (
        "import sys; from fogbank.kernel.http import HttpRequest; from fogbank.wire.identify import identify; "
        "from fogbank.wire.codec import codec; identify(HttpRequest('GET', '/b/k', '', {}), 's3'); "
        "codec('s3', 'GetObject', 'rest-xml').decode(HttpRequest('GET', '/b/k', '', {}), {'Bucket': 'b', 'Key': 'k'}); "
        "print([name for name in sys.modules if name.partition('.')[0] in ('botocore', 'cbor2', 'email', 'http')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
