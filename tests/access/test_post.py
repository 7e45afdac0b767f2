"""S3's browser forms, as boto3's generate_presigned_post makes them."""

from __future__ import annotations

import base64
import json
from typing import Any
from unittest import mock

import pytest
from botocore.auth import S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fogbank.access.signature import PostPolicy, verify_post
from fogbank.kernel.errors import ServiceException

from .signers import CREDENTIAL, KEY, NOW_MS, SECRET, SESSION, as_datetime, find


def form(conditions: list[Any], expiration: str = "2026-01-01T01:00:00Z", token: str | None = None, **fields: str) -> dict[str, str]:
    """The fields of a signed form, by lower-case name."""
    request = AWSRequest(method="POST", url="http://b.localhost/")
    request.context["s3-presign-post-fields"] = dict(fields)
    request.context["s3-presign-post-policy"] = {"expiration": expiration, "conditions": [*conditions]}
    with mock.patch("botocore.auth.get_current_datetime", return_value=as_datetime(NOW_MS)):
        S3SigV4PostAuth(Credentials(KEY, SECRET, token), "s3", "us-east-1").add_auth(request)
    return {name.lower(): value for name, value in request.context["s3-presign-post-fields"].items()}


CONDITIONS: list[Any] = [{"bucket": "b"}, ["starts-with", "$key", "user/"], {"acl": "private"}, ["content-length-range", 1, 10]]


def check(fields: dict[str, str], now_ms: int = NOW_MS) -> PostPolicy | None:
    return verify_post(fields, now_ms, find(CREDENTIAL), bucket="b")


def test_a_form_that_keeps_its_policy_is_taken() -> None:
    """Signed by botocore, its fields within the policy's conditions; the file's size is checked when it is known."""
    policy = check(form(CONDITIONS, key="user/${filename}", acl="private"))
    assert policy is not None
    assert policy.signed.access_key_id == KEY
    policy.check_size(10)
    for size, code in ((0, "EntityTooSmall"), (11, "EntityTooLarge")):
        with pytest.raises(ServiceException) as caught:
            policy.check_size(size)
        assert caught.value.code == code


def test_a_form_without_a_policy_is_anonymous() -> None:
    """No policy and no signature: nobody in particular."""
    assert check({"key": "k"}) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": "other/k", "acl": "private"}, 'Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", "user/"]'),
        ({"key": "user/k", "acl": "public-read"}, 'Invalid according to Policy: Policy Condition failed: ["eq", "$acl", "private"]'),
        ({"key": "user/k", "acl": "private", "x-amz-meta-a": "1"}, "Invalid according to Policy: Extra input fields: x-amz-meta-a"),
    ],
)
def test_a_form_that_breaks_its_policy_is_refused(fields: dict[str, str], message: str) -> None:
    """Each condition has to hold and each field has to be named by one."""
    with pytest.raises(ServiceException) as caught:
        check(form(CONDITIONS, **fields))
    assert (caught.value.code, caught.value.status, caught.value.message) == ("AccessDenied", 403, message)


def test_a_form_expires() -> None:
    """At the instant that its policy says."""
    fields = form(CONDITIONS, key="user/k", acl="private")
    assert check(fields, NOW_MS + 3_599_999) is not None
    with pytest.raises(ServiceException, match="Policy expired"):
        check(fields, NOW_MS + 3_600_000)


def test_a_changed_policy_or_signature_is_refused() -> None:
    """The signature covers the policy as it was encoded."""
    fields = form(CONDITIONS, key="user/k", acl="private")
    wider = base64.b64encode(json.dumps({"expiration": "2030-01-01T00:00:00Z", "conditions": []}).encode()).decode()
    for change in ({"policy": wider}, {"x-amz-signature": "0" * 64}):
        with pytest.raises(ServiceException) as caught:
            check(fields | change)
        assert caught.value.code == "SignatureDoesNotMatch"


def test_a_session_signs_forms_with_its_token() -> None:
    """A temporary key's form carries the token as a field."""
    fields = form([{"bucket": "b"}, ["eq", "$key", "k"]], token="token+/=", key="k")
    assert verify_post(fields, NOW_MS, find(SESSION), bucket="b") is not None
    with pytest.raises(ServiceException) as caught:
        verify_post({name: value for name, value in fields.items() if name != "x-amz-security-token"}, NOW_MS, find(SESSION), bucket="b")
    assert caught.value.code == "InvalidAccessKeyId"


@pytest.mark.parametrize("field", ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "policy"])
def test_a_missing_field_is_named(field: str) -> None:
    """S3 says which field the form lacks."""
    fields = form(CONDITIONS, key="user/k", acl="private")
    del fields[field]
    with pytest.raises(ServiceException) as caught:
        check(fields)
    assert (caught.value.code, caught.value.members["ArgumentName"]) == ("InvalidArgument", field)


@pytest.mark.parametrize("conditions", [[["near", "$key", "x"]], [{"a": "1", "b": "2"}], ["x"], [["eq", "key", "x"]]])
def test_a_policy_that_cannot_be_read_is_refused(conditions: list[Any]) -> None:
    """Conditions of an unknown form."""
    with pytest.raises(ServiceException) as caught:
        check(form(conditions, key="k"))
    assert caught.value.code == "InvalidPolicyDocument"
