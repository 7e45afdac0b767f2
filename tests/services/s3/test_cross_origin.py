"""CORS rules of buckets, and how far they let pages of other origins in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.s3 import cross_origin
from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, refused
from .browsing import Page, visit

SHOP = "https://shop.example.com"
RULES = [
    {"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-amz-*", "content-type"]},
    {"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "HEAD"], "ExposeHeaders": ["ETag", "x-amz-request-id"], "MaxAgeSeconds": 600},
]


def cors(s3: Any, bucket: str, *rules: dict[str, Any]) -> None:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules)})


@pytest.fixture
def open_bucket(s3: Any, bucket: str) -> str:
    cors(s3, bucket, *RULES)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return bucket


def preflight(cloud: Cloud, target: str, origin: str, method: str, headers: str = "", host: str = "") -> Page:
    more = {"Access_Control_Request_Headers": headers} if headers else {}
    return visit(cloud.endpoint, host, target, "OPTIONS", Origin=origin, Access_Control_Request_Method=method, **more)


def presigned(s3: Any, name: str, **members: Any) -> str:
    url: str = s3.generate_presigned_url(name, members)
    return "/" + url.split("/", 3)[3]


def test_rules_are_kept(s3: Any, bucket: str) -> None:
    """Put, got, deleted; without any it is NoSuchCORSConfiguration."""
    assert code(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
    cors(s3, bucket, *RULES)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=bucket)
    assert code(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"AllowedMethods": ["PATCH"]}, "Unsupported method is PATCH"),
        ({"AllowedOrigins": ["http://*.*"]}, 'AllowedOrigin "http://*.*" can not have more than one wildcard'),
        ({"AllowedHeaders": ["*-*"]}, 'AllowedHeader "*-*" can not have more than one wildcard'),
        ({"ExposeHeaders": ["x-*"]}, "contains wildcard"),
        ({"ID": "x" * 256}, "not well-formed"),
    ],
)
def test_rules_that_are_none(s3: Any, bucket: str, rule: dict[str, Any], expected: str) -> None:
    """A rule has S3's methods, and at most one wildcard in an origin or a header."""
    wanted = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], **rule}]}
    assert expected in refused(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration=wanted)["Message"]


def test_preflights(cloud: Cloud, open_bucket: str) -> None:
    """The first rule that fits origin, method and all headers answers; none is 403 AccessForbidden."""
    for host, target in (("", "/bucket/k"), ("bucket.s3", "/k")):
        page = preflight(cloud, target, SHOP, "PUT", "Content-Type, X-Amz-Date", host)
        assert page.status == 200
        assert page.headers["access-control-allow-origin"] == SHOP
        assert page.headers["access-control-allow-methods"] == "GET, PUT"
        assert page.headers["access-control-allow-headers"] == "content-type, x-amz-date"
        assert page.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in page.headers["vary"]
    page = preflight(cloud, "/bucket/k", "https://elsewhere.org", "HEAD")
    assert (page.headers["access-control-allow-origin"], page.headers["access-control-max-age"]) == ("*", "600")
    assert "access-control-allow-credentials" not in page.headers
    for origin, method, headers in (
        ("https://elsewhere.org", "PUT", ""),
        (SHOP, "DELETE", ""),
        (SHOP, "PUT", "x-other"),
        ("http://localhost:3000", "PUT", ""),
    ):
        page = preflight(cloud, "/bucket/k", origin, method, headers)
        assert (page.status, b"<Code>AccessForbidden</Code>" in page.body, b"CORSResponse" in page.body) == (403, True, True)
        assert "access-control-allow-origin" not in page.headers


def test_pages_use_the_bucket(cloud: Cloud, s3: Any, open_bucket: str) -> None:
    """A page of an allowed origin gets and puts with presigned URLs, and may read the answers, errors too."""
    got = visit(cloud.endpoint, "", presigned(s3, "get_object", Bucket=open_bucket, Key="k"), Origin="https://elsewhere.org")
    assert (got.status, got.body, got.headers["access-control-allow-origin"]) == (200, b"x", "*")
    assert got.headers["access-control-expose-headers"] == "ETag, x-amz-request-id"
    put = visit(cloud.endpoint, "", presigned(s3, "put_object", Bucket=open_bucket, Key="new"), "PUT", b"y", Origin=SHOP)
    assert (put.status, put.headers["access-control-allow-origin"]) == (200, SHOP)
    denied = visit(cloud.endpoint, "", "/bucket/k", Origin=SHOP)
    assert (denied.status, denied.headers["access-control-allow-origin"]) == (403, SHOP)


def test_pages_of_the_internet_come_no_further(cloud: Cloud, s3: Any, open_bucket: str) -> None:
    """Rules of a bucket let no page into what they do not allow: methods, other buckets, the configuration, other services."""
    s3.create_bucket(Bucket="secret")
    s3.put_object(Bucket="secret", Key="k", Body=b"secret")
    stopped = b"this origin may not call the cloud\n"

    def ask(target: str, method: str = "GET", **headers: str) -> bytes:
        return visit(cloud.endpoint, "", target, method, Origin=SHOP, **headers).body

    assert ask(presigned(s3, "delete_object", Bucket=open_bucket, Key="k"), "DELETE") == stopped
    assert ask(presigned(s3, "get_object", Bucket="secret", Key="k")) == stopped
    assert ask(presigned(s3, "list_buckets")) == stopped
    assert ask(presigned(s3, "put_bucket_versioning", Bucket=open_bucket, VersioningConfiguration={"Status": "Enabled"}), "PUT") == stopped
    copy = presigned(s3, "copy_object", Bucket=open_bucket, Key="stolen", CopySource="secret/k")
    assert ask(copy, "PUT", X_Amz_Copy_Source="secret/k") == stopped
    assert ask(copy, "PUT", X_Amz_Copy_Source="%73ecret/k") == stopped
    assert ask("/?Action=ListQueues") == stopped
    assert ask("/bucket/k", "POST", X_Amz_Target="AmazonSQS.ListQueues", Content_Type="application/x-amz-json-1.0") == stopped
    assert ask("/_fogbank/clock") == stopped
    assert "Contents" in s3.list_objects_v2(Bucket=open_bucket)


def test_pages_of_this_machine(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A bucket without rules is open to pages of this machine, as the whole cloud is; with rules, those decide."""
    local = "http://localhost:3000"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = presigned(s3, "get_object", Bucket=bucket, Key="k")
    assert preflight(cloud, "/bucket/k", local, "PUT").headers["access-control-allow-origin"] == local
    assert visit(cloud.endpoint, "", url, Origin=local).headers["access-control-allow-origin"] == local
    cors(s3, bucket, {"AllowedOrigins": [SHOP], "AllowedMethods": ["GET"]})
    page = visit(cloud.endpoint, "", url, Origin=local)
    assert (page.status, page.headers.get("access-control-allow-origin")) == (200, None)
    assert preflight(cloud, "/bucket/k", local, "GET").status == 403


def test_websites_obey_the_rules_too(cloud: Cloud, s3: Any, open_bucket: str) -> None:
    """The website endpoint answers other origins by the bucket's rules."""
    s3.put_bucket_website(Bucket=open_bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    page = visit(cloud.endpoint, "bucket.s3-website-us-east-1", "/k", Origin="https://elsewhere.org")
    assert (page.status, page.headers["access-control-allow-origin"]) == (403, "*")
    assert visit(cloud.endpoint, "bucket.s3-website-us-east-1", "/_fogbank/clock", Origin=SHOP).status == 403


@given(st.text("a*", max_size=4).filter(lambda text: text.count("*") < 2), st.text("ab", max_size=6))
def test_patterns(pattern: str, text: str) -> None:
    """A wildcard stands for any text, also none; without it the texts are the same."""
    expression = re.escape(pattern).replace(re.escape("*"), ".*")
    assert cross_origin._matches(pattern, text) == bool(re.fullmatch(expression, text))


CONFIGURATIONS = {
    "PutBucketCORS": lambda s3, name: cors(s3, name, RULES[1]),
    "GetBucketCORS": lambda s3, name: s3.get_bucket_cors(Bucket=name),
    "PutBucketWebsite": lambda s3, name: s3.put_bucket_website(
        Bucket=name, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}
    ),
    "DeleteBucketWebsite": lambda s3, name: s3.delete_bucket_website(Bucket=name),
    "PutBucketLogging": lambda s3, name: s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={}),
    "PutBucketRequestPayment": lambda s3, name: s3.put_bucket_request_payment(
        Bucket=name, RequestPaymentConfiguration={"Payer": "BucketOwner"}
    ),
    "PutAccelerateConfiguration": lambda s3, name: s3.put_bucket_accelerate_configuration(
        Bucket=name, AccelerateConfiguration={"Status": "Enabled"}
    ),
    "PutBucketOwnershipControls": lambda s3, name: s3.delete_bucket_ownership_controls(Bucket=name),
    "GetBucketAcl": lambda s3, name: s3.get_bucket_acl(Bucket=name),
}


@pytest.mark.parametrize("action", CONFIGURATIONS)
def test_each_configuration_is_its_own_permission(cloud: Cloud, s3: Any, bucket: str, action: str) -> None:
    """A user with that action alone, on that bucket alone, is let in; one with all the others is not."""
    call = CONFIGURATIONS[action]
    cors(s3, bucket, RULES[1])
    others = [f"s3:{name}" for name in CONFIGURATIONS if name != action]
    narrow = as_user(cloud, "narrow", allow(f"s3:{action}", on=f"arn:aws:s3:::{bucket}"))
    wide = as_user(cloud, "wide", allow(*others))
    call(narrow, bucket)
    with pytest.raises(s3.exceptions.ClientError, match=f"is not authorized to perform: s3:{action} on resource"):
        call(wide, bucket)
    s3.create_bucket(Bucket="another")
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        call(narrow, "another")
