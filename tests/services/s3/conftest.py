"""Fixtures of S3's tests: a client, and a bucket to put things in."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.testing.cloud import Cloud


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    s3.create_bucket(Bucket="bucket")
    return "bucket"


@pytest.fixture
def versioned(s3: Any) -> str:
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    return "versioned"
