from __future__ import annotations

from typing import Any

import pytest

from .asking import code


def tag_set(**tags: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}


def test_tags_of_buckets(s3: Any, bucket: str) -> None:
    """Put replaces all; none at all is NoSuchTagSet."""
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(b="2", a="1"))
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tag_set(a="1", b="2")["TagSet"]
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(c="3"))
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tag_set(c="3")["TagSet"]
    s3.delete_bucket_tagging(Bucket=bucket)
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    s3.create_bucket(Bucket="tagged", CreateBucketConfiguration={"Tags": [{"Key": "a", "Value": "1"}]})
    assert s3.get_bucket_tagging(Bucket="tagged")["TagSet"] == tag_set(a="1")["TagSet"]


def test_tags_of_objects_and_versions(s3: Any, versioned: str) -> None:
    """Each version has its own tags, which change without making a version."""
    first = s3.put_object(Bucket=versioned, Key="k", Tagging="a=1")["VersionId"]
    second = s3.put_object(Bucket=versioned, Key="k")["VersionId"]
    assert s3.put_object_tagging(Bucket=versioned, Key="k", VersionId=first, Tagging=tag_set(a="2"))["VersionId"] == first
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["TagSet"] == []
    assert s3.get_object_tagging(Bucket=versioned, Key="k", VersionId=first)["TagSet"] == tag_set(a="2")["TagSet"]
    s3.put_object_tagging(Bucket=versioned, Key="k", Tagging=tag_set(b="3"))
    s3.delete_object_tagging(Bucket=versioned, Key="k", VersionId=first)
    assert s3.get_object_tagging(Bucket=versioned, Key="k", VersionId=first)["TagSet"] == []
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["VersionId"] == second
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 2
    assert code(s3.get_object_tagging, Bucket=versioned, Key="none") == "NoSuchKey"


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({"k" * 129: "v"}, "InvalidTag"),
        ({"k": "v" * 257}, "InvalidTag"),
        ({"k!": "v"}, "InvalidTag"),
        ({"aws:k": "v"}, "InvalidTag"),
        ({f"k{i}": "v" for i in range(11)}, "BadRequest"),
    ],
)
def test_tags_have_limits(s3: Any, bucket: str, tags: dict[str, str], wanted: str) -> None:
    """10 tags of 128 and 256 characters, of letters, digits, spaces and _.:/=+-@."""
    s3.put_object(Bucket=bucket, Key="k")
    assert code(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(**tags)) == wanted


def test_tags_in_a_header(s3: Any, bucket: str) -> None:
    """x-amz-tagging is a query string without a name twice."""
    s3.put_object(Bucket=bucket, Key="k", Tagging="a=1&b=&c%20d=%2B")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tag_set(**{"a": "1", "b": "", "c d": "+"})["TagSet"]
    assert code(s3.put_object, Bucket=bucket, Key="k", Tagging="a=1&a=2") == "InvalidArgument"
