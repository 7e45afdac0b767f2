"""AWS managed keys, and what other services do with KMS."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from fogbank.access.principal import Principal
from fogbank.access.principal import service as service_principal
from fogbank.kernel.errors import ServiceException

from .conftest import ACCOUNT, DAY_S, ROOT, Refused, policy

DATA_KEY = {"KeyId": "alias/aws/s3", "KeySpec": "AES_256", "EncryptionContext": {"aws:s3:arn": "arn:aws:s3:::b/k"}}


def test_a_managed_key_springs_into_being(kms: Any, through: Any) -> None:
    """The first use by its service makes the key and its alias; later uses find it."""
    made = through("s3", "GenerateDataKey", DATA_KEY)
    opened = through("s3", "Decrypt", {"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": DATA_KEY["EncryptionContext"]})
    assert opened["Plaintext"] == made["Plaintext"]
    assert through("s3", "GenerateDataKey", DATA_KEY)["KeyId"] == made["KeyId"]
    [alias] = kms.list_aliases()["Aliases"]
    described = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert (alias["AliasName"], alias["TargetKeyId"]) == ("alias/aws/s3", described["KeyId"])
    assert (described["Arn"], described["KeyManager"]) == (made["KeyId"], "AWS")


def test_a_managed_key_is_used_through_its_service_only(kms: Any, through: Any, user: Any, refused: Refused) -> None:
    """Everybody in the account uses it through its service; nobody directly, nobody through another service."""
    bob = Principal(kind="user", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/bob", user_id="AIDABOB", name="bob")
    made = through("s3", "GenerateDataKey", DATA_KEY, bob)
    members = {"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": DATA_KEY["EncryptionContext"]}
    through("s3", "Decrypt", members, bob)
    with pytest.raises(ServiceException, match="not authorized"):
        through("sqs", "Decrypt", members)
    assert refused(kms.decrypt, **members)[0] == "AccessDeniedException"
    assert refused(kms.encrypt, KeyId="alias/aws/s3", Plaintext=b"x")[0] == "AccessDeniedException"
    stranger = Principal(kind="user", account="111122223333", arn="arn:aws:iam::111122223333:user/eve", user_id="AIDAEVE", name="eve")
    with pytest.raises(ServiceException):
        through("s3", "Decrypt", members, stranger)


def test_nobody_changes_a_managed_key(kms: Any, refused: Refused) -> None:
    """It cannot be disabled, scheduled for deletion, given another policy, tags or aliases, nor rotated by hand."""
    key = kms.describe_key(KeyId="alias/aws/sqs")["KeyMetadata"]["Arn"]
    tag = [{"TagKey": "a", "TagValue": "b"}]
    for call, members in (
        (kms.disable_key, {}),
        (kms.schedule_key_deletion, {}),
        (kms.put_key_policy, {"Policy": policy(ROOT)}),
        (kms.tag_resource, {"Tags": tag}),
        (kms.disable_key_rotation, {}),
        (kms.rotate_key_on_demand, {}),
        (kms.update_key_description, {"Description": "mine"}),
    ):
        assert refused(call, KeyId=key, **members)[0] == "AccessDeniedException"
    assert refused(kms.create_alias, AliasName="alias/mine", TargetKeyId=key)[0] == "AccessDeniedException"
    assert "kms:ViaService" in kms.get_key_policy(KeyId=key)["Policy"]


def test_a_managed_key_rotates_every_year(cloud: Any, kms: Any, through: Any) -> None:
    """Its rotation is on from the start; what it sealed before still opens."""
    made = through("s3", "GenerateDataKey", DATA_KEY)
    status = kms.get_key_rotation_status(KeyId=made["KeyId"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    cloud.advance(2 * 365 * DAY_S)
    rotations = kms.list_key_rotations(KeyId=made["KeyId"])["Rotations"]
    assert [rotation["RotationType"] for rotation in rotations] == ["AUTOMATIC", "AUTOMATIC"]
    assert rotations[1]["RotationDate"] - rotations[0]["RotationDate"] == datetime.timedelta(days=365)
    opened = through("s3", "Decrypt", {"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": DATA_KEY["EncryptionContext"]})
    assert opened["Plaintext"] == made["Plaintext"]


def test_only_aws_names_are_aws_names(kms: Any, through: Any, refused: Refused) -> None:
    """An alias of a service that has no managed key is not found; nor does one spring up by being used directly."""
    assert refused(kms.describe_key, KeyId="alias/aws/nothing")[0] == "NotFoundException"
    assert refused(kms.encrypt, KeyId="alias/aws/s3", Plaintext=b"x")[0] == "NotFoundException"
    with pytest.raises(ServiceException, match="not found"):
        through("sqs", "GenerateDataKey", DATA_KEY)
    assert kms.list_keys()["Keys"] == []


def test_the_service_in_between_can_be_required(kms: Any, key: str, through: Any, refused: Refused) -> None:
    """kms:ViaService of a customer's key: through that service, nobody directly."""
    via = {
        "Principal": {"AWS": "*"},
        "Action": "kms:GenerateDataKey",
        "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
    }
    own = {**ROOT, "Action": ["kms:PutKeyPolicy", "kms:DescribeKey"]}
    kms.put_key_policy(KeyId=key, Policy=policy(own, via))
    members = {"KeyId": key, "KeySpec": "AES_256"}
    through("s3", "GenerateDataKey", members)
    assert refused(kms.generate_data_key, **members)[0] == "AccessDeniedException"
    with pytest.raises(ServiceException):
        through("sqs", "GenerateDataKey", members)


def test_a_service_on_its_own_behalf_is_nobody_in_the_account(through: Any) -> None:
    """A managed key is for the account's people: what a service does for itself is not let in, as on AWS."""
    events = service_principal("events.amazonaws.com", ACCOUNT, f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r")
    with pytest.raises(ServiceException, match="not authorized"):
        through("sqs", "GenerateDataKey", {"KeyId": "alias/aws/sqs", "KeySpec": "AES_256"}, events)
