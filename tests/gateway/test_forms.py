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
