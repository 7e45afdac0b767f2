"""Website hosting: what is configured, and what visitors meet at the website endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from fogbank.testing.cloud import Cloud

from .asking import allow, code, policy
from .browsing import Page, visit

HOST = "site.s3-website-us-east-1"
INDEX = {"IndexDocument": {"Suffix": "index.html"}}


@pytest.fixture
def site(s3: Any) -> str:
    """A public website with an index document and an error document."""
    s3.create_bucket(Bucket="site")
    s3.delete_public_access_block(Bucket="site")
    s3.put_bucket_policy(Bucket="site", Policy=policy(allow("s3:GetObject", on="arn:aws:s3:::site/*", Principal="*")))
    s3.put_bucket_website(Bucket="site", WebsiteConfiguration={**INDEX, "ErrorDocument": {"Key": "error.html"}})
    for key, body in {"index.html": b"home", "docs/index.html": b"docs", "a b.txt": b"plain", "error.html": b"sorry"}.items():
        s3.put_object(Bucket="site", Key=key, Body=body, ContentType="text/html" if key.endswith("html") else "text/plain")
    return "site"


@pytest.fixture
def get(cloud: Cloud) -> Any:
    def get(target: str, host: str = HOST, **how: Any) -> Page:
        return visit(cloud.endpoint, host, target, **how)

    return get


def configure(s3: Any, **members: Any) -> None:
    s3.put_bucket_website(Bucket="site", WebsiteConfiguration=members)


@pytest.mark.parametrize("host", [HOST, "site.s3-website.us-east-1"])
def test_pages(site: str, get: Any, host: str) -> None:
    """Folders answer with their index document; a folder without its slash redirects to the one with it."""
    for target, body in {"/": b"home", "/docs/": b"docs", "/a%20b.txt": b"plain", "/index.html?x=1": b"home"}.items():
        page = get(target, host=host)
        assert (page.status, page.body) == (200, body)
    assert get("/", host=host).headers["content-type"] == "text/html"
    assert (get("/docs", host=host).status, get("/docs", host=host).headers["location"]) == (302, "/docs/")
    head = get("/", host=host, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "4")


def test_large_pages_conditions_and_ranges(s3: Any, site: str, get: Any) -> None:
    """Large objects, ranges and conditional requests work as with GetObject."""
    large = bytes(range(256)) * 4096
    etag = s3.put_object(Bucket=site, Key="large", Body=large)["ETag"]
    assert get("/large").body == large
    part = get("/large", Range="bytes=256-511")
    assert (part.status, part.body, part.headers["content-range"]) == (206, bytes(range(256)), f"bytes 256-511/{len(large)}")
    assert get("/large", If_None_Match=etag).status == 304
    assert get("/large", If_Match='"other"').status == 412
    assert get("/large", Range="bytes=99999999-").status == 416


def test_errors(s3: Any, site: str, get: Any) -> None:
    """The error document comes with the error's own status; without one there is a page that names the error; XML never."""
    s3.put_bucket_policy(
        Bucket=site,
        Policy=policy(
            allow("s3:GetObject", on="arn:aws:s3:::site/*", Principal="*"), allow("s3:ListBucket", on="arn:aws:s3:::site", Principal="*")
        ),
    )
    page = get("/missing")
    assert (page.status, page.body) == (404, b"sorry")
    configure(s3, **INDEX)
    page = get("/missing<x>")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert b"<li>Code: NoSuchKey</li>" in page.body
    assert b"missing&lt;x&gt;" in page.body
    configure(s3, **INDEX, ErrorDocument={"Key": "gone.html"})
    page = get("/missing")
    assert page.status == 404
    assert b"An Error Occurred While Attempting to Retrieve a Custom Error Document" in page.body
    assert (get("/", method="POST", body=b"x").status, get("/", method="DELETE").status) == (405, 405)
    assert get("/", host="nosite.s3-website-us-east-1").status == 404
    assert b"IncorrectEndpoint" in get("/", host="site.s3-website-eu-west-1").body
    s3.delete_bucket_website(Bucket=site)
    assert b"NoSuchWebsiteConfiguration" in get("/").body


def test_only_what_is_public_is_shown(s3: Any, site: str, get: Any) -> None:
    """Visitors are nobody: without a policy or a list for everybody they are denied, whatever their headers say."""
    s3.delete_bucket_policy(Bucket=site)
    assert get("/").status == 403
    assert get("/", Authorization="AWS test:abc").status == 403
    ownership = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=site, OwnershipControls=ownership)
    s3.put_object_acl(Bucket=site, Key="index.html", ACL="public-read")
    assert (get("/").status, get("/docs/").status) == (200, 403)
    s3.put_bucket_request_payment(Bucket=site, RequestPaymentConfiguration={"Payer": "Requester"})
    assert get("/").status == 403


def test_policies_see_the_visitor(s3: Any, site: str, get: Any) -> None:
    """Conditions on the request (aws:Referer) hold for visitors."""
    linked = {"StringLike": {"aws:Referer": "http://example.com/*"}}
    s3.put_bucket_policy(Bucket=site, Policy=policy(allow("s3:GetObject", on="arn:aws:s3:::site/*", Principal="*", Condition=linked)))
    assert (get("/").status, get("/", Referer="http://example.com/x").status) == (403, 200)


def test_redirecting_everything(s3: Any, site: str, get: Any) -> None:
    """RedirectAllRequestsTo sends every visitor to the same path of another host."""
    configure(s3, RedirectAllRequestsTo={"HostName": "example.com", "Protocol": "https"})
    page = get("/a%20b?q=1")
    assert (page.status, page.headers["location"]) == (301, "https://example.com/a%20b?q=1")
    configure(s3, RedirectAllRequestsTo={"HostName": "example.com"})
    assert get("/").headers["location"] == "http://example.com/"


def test_routing_rules(cloud: Cloud, s3: Any, site: str, get: Any) -> None:
    """The first rule whose prefix and error code fit redirects, with the key as it says."""
    configure(
        s3,
        **INDEX,
        RoutingRules=[
            {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/"}},
            {"Condition": {"KeyPrefixEquals": "old.html"}, "Redirect": {"ReplaceKeyWith": "new.html", "HttpRedirectCode": "307"}},
            {
                "Condition": {"HttpErrorCodeReturnedEquals": "403", "KeyPrefixEquals": "app/"},
                "Redirect": {"HostName": "other.example", "Protocol": "https", "ReplaceKeyPrefixWith": "#!/"},
            },
        ],
    )
    here = f"http://{HOST}.localhost:{urlsplit(cloud.endpoint).port}"
    for target, status, location in (
        ("/docs/x", 301, f"{here}/documents/x"),
        ("/old.html", 307, f"{here}/new.html"),
        ("/app/x/y", 301, "https://other.example/#!/x/y"),
    ):
        page = get(target)
        assert (page.status, page.headers["location"]) == (status, location)
    assert (get("/").status, get("/elsewhere").status) == (200, 403)


def test_objects_that_redirect(s3: Any, site: str, get: Any) -> None:
    """x-amz-website-redirect-location redirects visitors, is told by GetObject, and is not copied."""
    s3.put_object(Bucket=site, Key="moved", WebsiteRedirectLocation="/docs/")
    page = get("/moved")
    assert (page.status, page.headers["location"]) == (301, "/docs/")
    assert s3.get_object(Bucket=site, Key="moved")["WebsiteRedirectLocation"] == "/docs/"
    s3.copy_object(Bucket=site, Key="copy", CopySource="site/moved")
    assert "WebsiteRedirectLocation" not in s3.head_object(Bucket=site, Key="copy")
    s3.copy_object(Bucket=site, Key="copy", CopySource="site/copy", WebsiteRedirectLocation="https://example.com/")
    assert get("/copy").headers["location"] == "https://example.com/"
    upload = s3.create_multipart_upload(Bucket=site, Key="parts", WebsiteRedirectLocation="/x")["UploadId"]
    part = s3.upload_part(Bucket=site, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(Bucket=site, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    assert s3.head_object(Bucket=site, Key="parts")["WebsiteRedirectLocation"] == "/x"
    assert code(s3.put_object, Bucket=site, Key="k", WebsiteRedirectLocation="x") == "InvalidRedirectLocation"


def test_configurations_are_kept(s3: Any, bucket: str) -> None:
    """Put, got, deleted; without one it is NoSuchWebsiteConfiguration."""
    assert code(s3.get_bucket_website, Bucket=bucket) == "NoSuchWebsiteConfiguration"
    wanted = {**INDEX, "RoutingRules": [{"Condition": {"KeyPrefixEquals": "a"}, "Redirect": {"ReplaceKeyWith": "b"}}]}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=wanted)
    found = s3.get_bucket_website(Bucket=bucket)
    assert {name: found[name] for name in wanted} == wanted
    s3.delete_bucket_website(Bucket=bucket)
    assert code(s3.get_bucket_website, Bucket=bucket) == "NoSuchWebsiteConfiguration"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "a/b"}}, "InvalidArgument"),
        ({**INDEX, "ErrorDocument": {"Key": ""}}, None),
        ({**INDEX, "RedirectAllRequestsTo": {"HostName": "x"}}, "InvalidArgument"),
        ({"RedirectAllRequestsTo": {"HostName": "x", "Protocol": "ftp"}}, "InvalidRequest"),
        ({**INDEX, "RoutingRules": [{"Redirect": {"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}}]}, "InvalidRequest"),
        ({**INDEX, "RoutingRules": [{"Redirect": {"HttpRedirectCode": "200"}}]}, "InvalidRequest"),
        ({**INDEX, "RoutingRules": [{"Condition": {}, "Redirect": {"HostName": "x"}}]}, "InvalidRequest"),
        (
            {**INDEX, "RoutingRules": [{"Condition": {"HttpErrorCodeReturnedEquals": "200"}, "Redirect": {"HostName": "x"}}]},
            "InvalidRequest",
        ),
        ({**INDEX, "RoutingRules": [{"Redirect": {"HostName": "x"}}] * 51}, "InvalidRequest"),
    ],
)
def test_websites_that_are_none(s3: Any, bucket: str, wanted: dict[str, Any], expected: str | None) -> None:
    """A configuration has to say one thing, and well."""
    if expected is None:
        with pytest.raises(Exception, match=r"Invalid length|InvalidArgument"):
            s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=wanted)
        return
    assert code(s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=wanted) == expected
