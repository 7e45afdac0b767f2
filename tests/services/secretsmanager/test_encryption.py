"""Values are kept only under KMS keys, and opened as whoever asks."""

from __future__ import annotations

import json
from typing import Any

from fogbank.services.secretsmanager.state import VERSIONS
from fogbank.testing import Cloud

from .conftest import ACCOUNT, OTHER

SECRETS = {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}
NO_KMS = ("AccessDeniedException", "Access to KMS is not allowed")


def key(cloud: Cloud) -> str:
    arn: str = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    return arn


def shared_with(*accounts: str, action: str) -> str:
    """A resource policy that allows accounts an action."""
    who = [f"arn:aws:iam::{account}:root" for account in accounts]
    statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_nothing_is_kept_in_the_clear(cloud: Cloud, sm: Any) -> None:
    """No row of a version holds its value."""
    arn = sm.create_secret(Name="s", SecretString="very-secret-value", KmsKeyId=key(cloud))["ARN"]
    sm.put_secret_value(SecretId=arn, SecretString="another-secret-value")
    rows = cloud.house.on_loop(lambda: list(VERSIONS.scan(cloud.inner.reader())))
    assert len(rows) == 2
    assert not any(b"secret-value" in row.sealed for row in rows)


def test_the_default_key_is_for_the_whole_account(cloud: Cloud, sm: Any, secret: str, user: Any) -> None:
    """A user without any permission of KMS reads and writes secrets under aws/secretsmanager."""
    bob = user("bob", SECRETS)("secretsmanager")
    assert bob.get_secret_value(SecretId=secret)["SecretString"] == "one"
    bob.put_secret_value(SecretId=secret, SecretString="two")
    assert sm.get_secret_value(SecretId=secret)["SecretString"] == "two"
    assert sm.list_secret_version_ids(SecretId=secret)["Versions"][0]["KmsKeyIds"] == ["DefaultEncryptionKey"]
    assert "KmsKeyId" not in sm.describe_secret(SecretId=secret)


def test_a_customer_key_needs_its_own_permission(cloud: Cloud, sm: Any, user: Any, refused: Any) -> None:
    """Who may not use the key can neither read nor write; kms:Decrypt alone is enough to read."""
    arn = key(cloud)
    sm.create_secret(Name="s", SecretString="v", KmsKeyId=arn)
    bob = user("bob", SECRETS)("secretsmanager")
    assert refused(bob.get_secret_value, SecretId="s") == NO_KMS
    assert refused(bob.put_secret_value, SecretId="s", SecretString="w") == NO_KMS
    eve = user("eve", SECRETS, {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": arn})("secretsmanager")
    assert eve.get_secret_value(SecretId="s")["SecretString"] == "v"
    assert refused(eve.put_secret_value, SecretId="s", SecretString="w") == NO_KMS


def test_permission_for_a_key_may_depend_on_the_secret(cloud: Cloud, sm: Any, user: Any, refused: Any) -> None:
    """kms:ViaService and the encryption context (the secret's ARN) narrow what a key may be used for."""
    arn = key(cloud)
    mine = sm.create_secret(Name="mine", SecretString="v", KmsKeyId=arn)["ARN"]
    sm.create_secret(Name="other", SecretString="v", KmsKeyId=arn)
    condition = {
        "StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com", "kms:EncryptionContext:SecretARN": mine},
    }
    bob = user("bob", SECRETS, {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": arn, "Condition": condition})("secretsmanager")
    assert bob.get_secret_value(SecretId="mine")["SecretString"] == "v"
    assert refused(bob.get_secret_value, SecretId="other") == NO_KMS


def test_a_disabled_key_opens_nothing(cloud: Cloud, sm: Any, refused: Any) -> None:
    """While its key is disabled, a value can be neither read nor written."""
    arn = key(cloud)
    sm.create_secret(Name="s", SecretString="v", KmsKeyId=arn)
    cloud.client("kms").disable_key(KeyId=arn)
    assert refused(sm.get_secret_value, SecretId="s")[0] == "DecryptionFailure"
    assert refused(sm.put_secret_value, SecretId="s", SecretString="w")[0] == "EncryptionFailure"
    cloud.client("kms").enable_key(KeyId=arn)
    assert sm.get_secret_value(SecretId="s")["SecretString"] == "v"


def test_a_key_that_is_not_there(sm: Any, refused: Any) -> None:
    """A secret is not made under a key that does not exist."""
    code, _ = refused(sm.create_secret, Name="s", SecretString="v", KmsKeyId="alias/none")
    assert code == "EncryptionFailure"
    assert sm.list_secrets()["SecretList"] == []


def test_changing_the_key(cloud: Cloud, sm: Any, secret: str, user: Any) -> None:
    """Under a new key labelled versions can be read by either key; versions made from then on by the new one only."""
    first, second = key(cloud), key(cloud)
    sm.update_secret(SecretId="db", KmsKeyId=first)
    sm.update_secret(SecretId="db", KmsKeyId=second)
    assert sm.describe_secret(SecretId="db")["KmsKeyId"] == second
    assert sm.list_secret_version_ids(SecretId="db")["Versions"][0]["KmsKeyIds"] == [second, first, "DefaultEncryptionKey"]
    bob = user("bob", SECRETS, {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": second})("secretsmanager")
    assert bob.get_secret_value(SecretId="db")["SecretString"] == "one"
    sm.put_secret_value(SecretId="db", SecretString="two")
    assert sm.list_secret_version_ids(SecretId="db")["Versions"][0]["KmsKeyIds"] == [second]
    sm.update_secret(SecretId="db", KmsKeyId="")
    assert "KmsKeyId" not in sm.describe_secret(SecretId="db")


def test_who_may_not_encrypt_leaves_versions_as_they_are(cloud: Cloud, sm: Any, secret: str, user: Any) -> None:
    """Without kms:Encrypt for the new key, existing versions stay under the old one."""
    arn = key(cloud)
    bob = user("bob", SECRETS, {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})("secretsmanager")
    bob.update_secret(SecretId="db", KmsKeyId=arn)
    assert sm.list_secret_version_ids(SecretId="db")["Versions"][0]["KmsKeyIds"] == ["DefaultEncryptionKey"]


def test_another_account_needs_a_customer_key(cloud: Cloud, sm: Any, secret: str, refused: Any) -> None:
    """A secret is shared by its policy and its key's; one under aws/secretsmanager cannot be."""
    arn = key(cloud)
    cloud.client("kms").put_key_policy(KeyId=arn, Policy=shared_with(ACCOUNT, OTHER, action="kms:*"))
    shared = sm.create_secret(Name="shared", SecretString="v", KmsKeyId=arn)["ARN"]
    document = shared_with(OTHER, action="secretsmanager:GetSecretValue")
    for name in (secret, shared):
        sm.put_resource_policy(SecretId=name, ResourcePolicy=document)
    other = cloud.client("secretsmanager", OTHER)
    assert other.get_secret_value(SecretId=shared)["SecretString"] == "v"
    assert refused(other.get_secret_value, SecretId=secret) == (
        "InvalidRequestException",
        "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
    )
