"""A key's life: made, described, listed, disabled, deleted; and what each state lets happen."""

from __future__ import annotations

import datetime
import time
from threading import Event, Thread
from typing import Any

import pytest

from fogbank.testing.cloud import boto

from .conftest import ACCOUNT, DAY_S, Make, Refused


def test_a_key_is_described(kms: Any, make: Make) -> None:
    """What CreateKey says is what DescribeKey says, by id, ARN, alias and the alias's ARN."""
    made = make(Description="mine", Tags=[{"TagKey": "a", "TagValue": "b"}])
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{made['KeyId']}"
    expected = {
        "AWSAccountId": ACCOUNT,
        "Arn": arn,
        "Description": "mine",
        "Enabled": True,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }
    assert {name: made[name] for name in expected} == expected
    kms.create_alias(AliasName="alias/x", TargetKeyId=arn)
    for name in (made["KeyId"], arn, "alias/x", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/x"):
        assert kms.describe_key(KeyId=name)["KeyMetadata"] == made


@pytest.mark.parametrize(
    ("spec", "usage", "member", "algorithms"),
    [
        ("RSA_2048", "SIGN_VERIFY", "SigningAlgorithms", 6),
        ("RSA_2048", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", 2),
        ("ECC_NIST_P256", "SIGN_VERIFY", "SigningAlgorithms", 1),
        ("ECC_NIST_P384", "KEY_AGREEMENT", "KeyAgreementAlgorithms", 1),
        ("ECC_SECG_P256K1", "SIGN_VERIFY", "SigningAlgorithms", 1),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "SigningAlgorithms", 1),
        ("HMAC_384", "GENERATE_VERIFY_MAC", "MacAlgorithms", 1),
        ("ML_DSA_44", "SIGN_VERIFY", "SigningAlgorithms", 1),
        ("ML_KEM_1024", "ENCAPSULATE_DECAPSULATE", "EncapsulationAlgorithms", 1),
    ],
)
def test_a_key_lists_its_algorithms(make: Make, spec: str, usage: str, member: str, algorithms: int) -> None:
    """A key of each kind says which algorithms it knows, and only a symmetric one names its material."""
    made = make(KeySpec=spec, KeyUsage=usage)
    assert (made["KeySpec"], made["KeyUsage"], len(made[member])) == (spec, usage, algorithms)
    assert "CurrentKeyMaterialId" not in made


def test_what_cannot_be_made_is_refused(kms: Any, refused: Refused) -> None:
    """Usages have to fit their specs; what there is not here is named."""
    assert refused(kms.create_key, KeySpec="RSA_2048") == (
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    )
    assert refused(kms.create_key, KeySpec="ECC_NIST_P256", KeyUsage="ENCRYPT_DECRYPT") == (
        "ValidationException",
        "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256",
    )
    assert refused(kms.create_key, KeySpec="RSA_2048", CustomerMasterKeySpec="RSA_2048")[0] == "ValidationException"
    for members, named in (
        ({"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}, "SM2"),
        ({"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"}, "ML_KEM_512"),
        ({"Origin": "AWS_CLOUDHSM"}, "AWS_CLOUDHSM"),
        ({"CustomKeyStoreId": "cks-1"}, "CustomKeyStoreId"),
    ):
        code, message = refused(kms.create_key, **members)
        assert code == "NotImplemented"
        assert named in message
    assert refused(kms.describe_custom_key_stores)[0] == "NotImplemented"


def test_names_of_nothing(kms: Any, refused: Refused, key: str) -> None:
    """Each way to name a key that is not there has its own sentence; where aliases are not taken, they name nothing."""
    nobody = "00000000-0000-4000-8000-000000000000"
    kms.create_alias(AliasName="alias/x", TargetKeyId=key)
    for name, message in (
        ("nope", "Invalid keyId 'nope'"),
        (nobody, f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/{nobody}' does not exist"),
        ("alias/none", f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/none is not found."),
        (key.replace("us-east-1", "eu-west-1"), "Invalid arn eu-west-1"),
    ):
        assert refused(kms.describe_key, KeyId=name) == ("NotFoundException", message)
    assert refused(kms.describe_key, KeyId="arn:aws:sqs:us-east-1:000000000000:q")[0] == "InvalidArnException"
    assert refused(kms.disable_key, KeyId="alias/x") == ("NotFoundException", "Invalid keyId 'alias/x'")


def test_keys_are_listed_in_pages(kms: Any, make: Make, refused: Refused) -> None:
    """ListKeys gives pages with a marker; one that we did not make is refused."""
    made = sorted(make()["KeyId"] for _ in range(5))
    first = kms.list_keys(Limit=3)
    assert first["Truncated"]
    rest = kms.list_keys(Limit=3, Marker=first["NextMarker"])
    assert not rest["Truncated"]
    assert [entry["KeyId"] for entry in first["Keys"] + rest["Keys"]] == made
    assert refused(kms.list_keys, Marker="?")[0] == "InvalidMarkerException"
    assert refused(kms.list_keys, Limit=1001)[0] == "ValidationException"


def test_a_disabled_key_is_not_used(kms: Any, key: str, refused: Refused) -> None:
    """A disabled key answers DisabledException to cryptography and can still be looked at and administered."""
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    disabled = ("DisabledException", f"{key} is disabled.")
    assert refused(kms.encrypt, KeyId=key, Plaintext=b"x") == disabled
    assert refused(kms.decrypt, CiphertextBlob=sealed) == disabled
    assert refused(kms.re_encrypt, CiphertextBlob=sealed, DestinationKeyId=key) == disabled
    assert refused(kms.generate_data_key, KeyId=key, KeySpec="AES_256") == disabled
    assert refused(kms.enable_key_rotation, KeyId=key) == disabled
    assert refused(kms.create_grant, KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:root", Operations=["Decrypt"]) == disabled
    assert not kms.describe_key(KeyId=key)["KeyMetadata"]["Enabled"]
    kms.update_key_description(KeyId=key, Description="d")
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_a_key_is_deleted_after_its_days(cloud: Any, kms: Any, key: str, refused: Refused) -> None:
    """ScheduleKeyDeletion waits 7 to 30 days; then the key, its material, aliases, grants and all are gone."""
    kms.create_alias(AliasName="alias/x", TargetKeyId=key)
    kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:root", Operations=["Decrypt"])
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for days in (6, 31):
        assert refused(kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=days)[0] == "ValidationException"
    answer = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert (answer["KeyId"], answer["KeyState"], answer["PendingWindowInDays"]) == (key, "PendingDeletion", 7)
    made = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert made["DeletionDate"] == answer["DeletionDate"] == made["CreationDate"] + datetime.timedelta(days=7)
    pending = ("KMSInvalidStateException", f"{key} is pending deletion.")
    assert refused(kms.encrypt, KeyId="alias/x", Plaintext=b"x") == pending
    assert refused(kms.enable_key, KeyId=key) == pending
    assert refused(kms.tag_resource, KeyId=key, Tags=[]) == pending
    assert refused(kms.schedule_key_deletion, KeyId=key) == pending
    assert refused(kms.create_alias, AliasName="alias/y", TargetKeyId=key) == pending
    cloud.advance(7 * DAY_S - 1)
    kms.describe_key(KeyId=key)
    cloud.advance(1)
    assert refused(kms.describe_key, KeyId=key)[0] == "NotFoundException"
    assert refused(kms.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
    assert kms.list_aliases()["Aliases"] == []
    assert kms.list_keys()["Keys"] == []


def test_a_deletion_is_called_off(cloud: Any, kms: Any, key: str, refused: Refused) -> None:
    """CancelKeyDeletion leaves the key disabled; the days that it waited do not count any more."""
    assert refused(kms.cancel_key_deletion, KeyId=key) == ("KMSInvalidStateException", f"{key} is not pending deletion.")
    kms.schedule_key_deletion(KeyId=key)
    cloud.advance(29 * DAY_S)
    assert kms.cancel_key_deletion(KeyId=key)["KeyId"] == key
    made = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert made["KeyState"] == "Disabled"
    assert "DeletionDate" not in made
    kms.schedule_key_deletion(KeyId=key)
    cloud.advance(29 * DAY_S)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_the_last_use_is_known(cloud: Any, kms: Any, key: str) -> None:
    """GetKeyLastUsage has the last operation and when it was; nothing for a key that was never used."""
    assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"] == {}
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] == "Encrypt"
    cloud.advance(DAY_S)
    kms.decrypt(CiphertextBlob=sealed)
    answer = kms.get_key_last_usage(KeyId=key)
    assert answer["KeyLastUsage"]["Operation"] == "Decrypt"
    assert answer["KeyLastUsage"]["Timestamp"] - answer["KeyCreationDate"] == datetime.timedelta(days=1)


def test_tags_are_kept(kms: Any, key: str, refused: Refused) -> None:
    """Tags are added, replaced, taken away and paged; at most 50, none of AWS's."""
    tags = [{"TagKey": f"k{number:02}", "TagValue": "v"} for number in range(50)]
    kms.tag_resource(KeyId=key, Tags=tags)
    first = kms.list_resource_tags(KeyId=key, Limit=30)
    rest = kms.list_resource_tags(KeyId=key, Limit=30, Marker=first["NextMarker"])
    assert first["Tags"] + rest["Tags"] == tags
    assert refused(kms.tag_resource, KeyId=key, Tags=[{"TagKey": "more", "TagValue": ""}])[0] == "LimitExceededException"
    for wrong in ([{"TagKey": "aws:x", "TagValue": ""}], [{"TagKey": "a", "TagValue": ""}] * 2, [{"TagKey": "?", "TagValue": ""}]):
        assert refused(kms.tag_resource, KeyId=key, Tags=wrong)[0] == "TagException"
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "k00", "TagValue": "w"}])
    kms.untag_resource(KeyId=key, TagKeys=[tag["TagKey"] for tag in tags[1:]] + ["none"])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "k00", "TagValue": "w"}]


def test_aliases_name_keys(cloud: Any, kms: Any, make: Make, refused: Refused) -> None:
    """An alias is made once, moved between keys of one type, listed by key, deleted."""
    one, two = make()["KeyId"], make()["KeyId"]
    signer = make(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    kms.create_alias(AliasName="alias/x/y", TargetKeyId=one)
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/x/y"
    assert refused(kms.create_alias, AliasName="alias/x/y", TargetKeyId=two) == (
        "AlreadyExistsException",
        f"An alias with the name {arn} already exists",
    )
    cloud.advance(5)
    kms.update_alias(AliasName="alias/x/y", TargetKeyId=two)
    [alias] = kms.list_aliases(KeyId=two)["Aliases"]
    assert (alias["AliasName"], alias["AliasArn"], alias["TargetKeyId"]) == ("alias/x/y", arn, two)
    assert alias["LastUpdatedDate"] - alias["CreationDate"] == datetime.timedelta(seconds=5)
    assert kms.list_aliases(KeyId=one)["Aliases"] == []
    assert refused(kms.update_alias, AliasName="alias/x/y", TargetKeyId=signer)[0] == "ValidationException"
    assert refused(kms.create_alias, AliasName="x", TargetKeyId=one)[0] == "ValidationException"
    assert refused(kms.create_alias, AliasName="alias/aws/x", TargetKeyId=one)[0] == "InvalidAliasNameException"
    kms.delete_alias(AliasName="alias/x/y")
    assert refused(kms.delete_alias, AliasName="alias/x/y") == ("NotFoundException", f"Alias {arn} is not found.")
    for number in range(50):
        kms.create_alias(AliasName=f"alias/{number:02}", TargetKeyId=one)
    assert refused(kms.create_alias, AliasName="alias/50", TargetKeyId=one)[0] == "LimitExceededException"
    first = kms.list_aliases(Limit=40)
    assert [a["AliasName"] for a in first["Aliases"]] == [f"alias/{number:02}" for number in range(40)]
    assert len(kms.list_aliases(Limit=40, Marker=first["NextMarker"])["Aliases"]) == 10


def test_nobody_waits_for_somebody_else_s_rsa(cloud: Any, kms: Any) -> None:
    """While a key pair is made, which takes long, other calls are answered."""
    maker = boto(cloud.endpoint, "kms")
    made: list[Any] = []
    enough = Event()

    def make() -> None:
        while not enough.is_set():
            made.append(maker.create_key(KeySpec="RSA_4096", KeyUsage="SIGN_VERIFY"))

    thread = Thread(target=make)
    thread.start()
    answered, end = 0, time.monotonic() + 60
    while answered <= 20 and time.monotonic() < end:  # (in a row, while one and the same pair is made)
        before = len(made)
        kms.list_aliases()
        answered = answered + 1 if len(made) == before else 0
    enough.set()
    thread.join()
    assert made
    assert answered > 20
