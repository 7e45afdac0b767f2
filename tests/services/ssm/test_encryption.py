"""SecureStrings."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.services.ssm.state import VERSIONS
from fogbank.testing import Cloud

from .conftest import allow


@pytest.mark.parametrize("tier", ["Standard", "Advanced"])
def test_a_secure_string_is_kept_enciphered(cloud: Cloud, ssm: Any, put: Any, tier: str) -> None:
    """Only WithDecryption gives the value; without it, and on disk, there is only what KMS made of it."""
    put("/s", "very-secret-value", Type="SecureString", Tier=tier)
    assert ssm.get_parameter(Name="/s", WithDecryption=True)["Parameter"]["Value"] == "very-secret-value"
    assert "secret" not in ssm.get_parameter(Name="/s")["Parameter"]["Value"]
    assert ssm.get_parameters_by_path(Path="/", WithDecryption=True)["Parameters"][0]["Value"] == "very-secret-value"
    assert ssm.get_parameter_history(Name="/s", WithDecryption=True)["Parameters"][0]["Value"] == "very-secret-value"
    assert ssm.describe_parameters()["Parameters"][0]["KeyId"] == "alias/aws/ssm"
    rows = cloud.house.on_loop(lambda: list(VERSIONS.scan(cloud.inner.reader())))
    assert [b"secret-value" in row.sealed for row in rows] == [False]
    assert rows[0].value == ""


def test_versions_of_both_tiers(ssm: Any, put: Any) -> None:
    """A version stays readable when a later one is of another tier."""
    put("/s", "one", Type="SecureString")
    put("/s", "two", Type="SecureString", Tier="Advanced", Overwrite=True)
    values = [v["Value"] for v in ssm.get_parameter_history(Name="/s", WithDecryption=True)["Parameters"]]
    assert values == ["one", "two"]


def test_the_default_key_is_for_the_whole_account(put: Any, user: Any) -> None:
    """A user without any permission of KMS reads and writes under alias/aws/ssm."""
    put("/s", "one", Type="SecureString")
    bob = user("bob", allow("*"))
    assert bob.get_parameter(Name="/s", WithDecryption=True)["Parameter"]["Value"] == "one"
    bob.put_parameter(Name="/t", Value="x", Type="SecureString")


@pytest.mark.parametrize("tier", ["Standard", "Advanced"])
def test_a_customer_key_needs_its_own_permission(cloud: Cloud, put: Any, user: Any, refused: Any, tier: str) -> None:
    """Who may not use the key reads only what is enciphered; the encryption context is the parameter's ARN."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    for name in ("/s", "/t"):
        put(name, "v", Type="SecureString", KeyId=key, Tier=tier)
    context = {"kms:EncryptionContext:PARAMETER_ARN": "arn:aws:ssm:us-east-1:000000000000:parameter/s"}
    decrypt = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": {"StringEquals": context}}
    bob = user("bob", allow("*"), decrypt)
    assert bob.get_parameter(Name="/s", WithDecryption=True)["Parameter"]["Value"] == "v"
    assert refused(bob.get_parameter, Name="/t", WithDecryption=True)[0] == "AccessDeniedException"
    assert bob.get_parameter(Name="/t")["Parameter"]["Name"] == "/t"
    assert refused(bob.put_parameter, Name="/u", Value="x", Type="SecureString", KeyId=key)[0] == "AccessDeniedException"


def test_keys_that_do_not_serve(cloud: Cloud, ssm: Any, put: Any, refused: Any) -> None:
    """A key that is not there, or disabled, is told as InvalidKeyId."""
    assert refused(put, "/s", Type="SecureString", KeyId="alias/none") == ("InvalidKeyId", "Invalid keyId alias/none")
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    put("/s", Type="SecureString", KeyId=key)
    kms.disable_key(KeyId=key)
    assert refused(ssm.get_parameter, Name="/s", WithDecryption=True)[0] == "InvalidKeyId"
