"""Browser uploads: forms that carry their own policy."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest

from fogbank.testing import Cloud


def form(fields: dict[str, str], content: bytes, filename: str = "photo.jpg") -> tuple[bytes, str]:
    """A multipart/form-data body and its Content-Type."""
    parts = [f'--XX\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    head = f'--XX\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: image/jpeg\r\n\r\n'
    return b"".join(parts) + head.encode() + content + b"\r\n--XX--\r\n", "multipart/form-data; boundary=XX"


class Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def post(url: str, fields: dict[str, str], content: bytes) -> tuple[int, dict[str, str], bytes]:
    body, content_type = form(fields, content)
    request = urllib.request.Request(url, body, {"Content-Type": content_type}, method="POST")
    try:
        with urllib.request.build_opener(Unfollowed).open(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, dict(refused.headers), refused.read()


@pytest.fixture(params=["s3v4", "s3"])
def s3(cloud: Cloud, request: pytest.FixtureRequest) -> Any:
    """Signature version 4 and 2."""
    made = cloud.client("s3", signature_version=request.param)
    made.create_bucket(Bucket="album")
    return made


@pytest.mark.parametrize("size", [1000, 300_000])
def test_upload(s3: Any, size: int) -> None:
    """A signed form puts its file under its key, small or large, with the metadata of its fields."""
    signed = s3.generate_presigned_post("album", "up/${filename}", {"x-amz-meta-who": "ada"}, [{"x-amz-meta-who": "ada"}])
    content = b"\r\n--X" + bytes(range(256)) * (size // 256)
    status, headers, _ = post(signed["url"], signed["fields"], content)
    assert status == 204
    found = s3.get_object(Bucket="album", Key="up/photo.jpg")
    assert found["Body"].read() == content
    assert found["Metadata"] == {"who": "ada"}
    assert headers["ETag"] == found["ETag"]


def test_answers(s3: Any) -> None:
    """A form chooses what it is answered: 201 with a document, or a redirect that tells where the object is."""
    for field, value, expected in (("success_action_status", "201", 201), ("success_action_redirect", "http://localhost/done", 303)):
        signed = s3.generate_presigned_post("album", "a b", {field: value}, [{field: value}])
        status, headers, body = post(signed["url"], signed["fields"], b"x")
        assert status == expected
        if expected == 201:
            assert b"<Key>a b</Key>" in body
        else:
            assert headers["Location"].startswith("http://localhost/done?bucket=album&key=a+b&etag=")


def test_refusals(cloud: Cloud, s3: Any) -> None:
    """A changed field, a file of the wrong size, an expired policy and a missing signature are refused, and nothing is kept."""
    signed = s3.generate_presigned_post("album", "k", Conditions=[["content-length-range", 10, 20]], ExpiresIn=60)
    assert post(signed["url"], {**signed["fields"], "key": "other"}, b"x" * 15)[0] == 403
    status, _, body = post(signed["url"], signed["fields"], b"x" * 21)
    assert (status, b"EntityTooLarge" in body) == (400, True)
    assert b"EntityTooSmall" in post(signed["url"], signed["fields"], b"x")[2]
    assert post(signed["url"], {"key": "k"}, b"x" * 15)[0] == 403
    assert post(signed["url"], {}, b"x" * 15)[0] == 400
    cloud.advance(61)
    status, _, body = post(signed["url"], signed["fields"], b"x" * 15)
    assert (status, b"Policy expired" in body) == (403, True)
    assert "Contents" not in s3.list_objects_v2(Bucket="album")


def test_fields_of_the_object(cloud: Cloud) -> None:
    """The fields acl, tagging and x-amz-website-redirect-location are the object's; success_action_status may be 200 too."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="album", ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket="album")
    tags = "<Tagging><TagSet><Tag><Key>kind</Key><Value>photo</Value></Tag></TagSet></Tagging>"
    fields = {"acl": "public-read", "tagging": tags, "x-amz-website-redirect-location": "/elsewhere", "success_action_status": "200"}
    signed = s3.generate_presigned_post("album", "k", dict(fields), [{name: value} for name, value in fields.items()])
    status, headers, body = post(signed["url"], signed["fields"], b"x")
    assert (status, body, headers["Location"].rpartition("/")[2]) == (200, b"", "k")
    assert urllib.request.urlopen(f"{cloud.endpoint}/album/k").read() == b"x"
    assert s3.get_object_tagging(Bucket="album", Key="k")["TagSet"] == [{"Key": "kind", "Value": "photo"}]
    assert s3.head_object(Bucket="album", Key="k")["WebsiteRedirectLocation"] == "/elsewhere"
    changed = {**signed["fields"], "acl": "private"}
    assert post(signed["url"], changed, b"x")[0] == 403


def test_strangers_forms(cloud: Cloud) -> None:
    """A form without a policy is nobody's: it puts where the bucket's list lets everybody write."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="album", ObjectOwnership="ObjectWriter")
    assert post(f"{cloud.endpoint}/album", {"key": "k"}, b"x")[0] == 403
    s3.delete_public_access_block(Bucket="album")
    s3.put_bucket_acl(Bucket="album", ACL="public-read-write")
    assert post(f"{cloud.endpoint}/album", {"key": "k", "acl": "public-read"}, b"x")[0] == 204
    assert urllib.request.urlopen(f"{cloud.endpoint}/album/k").read() == b"x"
