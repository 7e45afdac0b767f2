"""Who may: key policies, IAM policies, other accounts, condition keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.control import client as control

from .conftest import ACCOUNT, DAY_S, OTHER, ROOT, Make, Refused, policy


def put(kms: Any, key: str, *statements: dict[str, Any], **more: Any) -> None:
    kms.put_key_policy(KeyId=key, Policy=policy(*statements), **more)


def test_the_default_policy_hands_the_key_to_the_account(kms: Any, key: str, user: Any, refused: Refused) -> None:
    """With the default policy a user may what IAM allows, on this key; nothing without."""
    document = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    assert document["Statement"] == [
        {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    bob = user("bob", {"Action": "kms:Encrypt", "Resource": key})
    sealed = bob.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert refused(bob.decrypt, CiphertextBlob=sealed) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: kms:Decrypt on resource: {key}"
        " because no identity-based policy allows the kms:Decrypt action",
    )
    assert refused(user("eve").encrypt, KeyId=key, Plaintext=b"x")[0] == "AccessDeniedException"


def test_without_the_key_policy_nobody_may(kms: Any, key: str, user: Any, refused: Refused) -> None:
    """A policy that names one user lets in that user alone: no IAM policy and not even the root user gets past it."""
    bob, eve = user("bob"), user("eve", {"Action": "kms:*"})
    only = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}, "Action": "kms:*"}
    put(kms, key, only, BypassPolicyLockoutSafetyCheck=True)
    bob.encrypt(KeyId=key, Plaintext=b"x")
    denied = "because no resource-based policy allows the kms:Encrypt action"
    for somebody in (eve, kms):
        code, message = refused(somebody.encrypt, KeyId=key, Plaintext=b"x")
        assert code == "AccessDeniedException"
        assert message.endswith(denied)
    assert refused(kms.describe_key, KeyId=key)[0] == "AccessDeniedException"


def test_a_policy_must_not_lock_its_author_out(kms: Any, key: str, refused: Refused) -> None:
    """PutKeyPolicy and CreateKey refuse a policy by which the caller could not change it again, unless told otherwise."""
    away = policy({"Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Action": "kms:*"})
    locked = ("MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
    assert refused(kms.put_key_policy, KeyId=key, Policy=away) == locked
    assert refused(kms.create_key, Policy=away) == locked
    assert len(kms.list_keys()["Keys"]) == 1
    made = kms.create_key(Policy=away, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Arn"]
    assert refused(kms.describe_key, KeyId=made)[0] == "AccessDeniedException"
    denying = [ROOT, {"Effect": "Deny", "Principal": "*", "Action": "kms:PutKeyPolicy"}]
    assert refused(kms.put_key_policy, KeyId=key, Policy=policy(*denying)) == locked


def test_policies_are_checked(kms: Any, key: str, refused: Refused) -> None:
    """What is no policy, names nobody or is too long is refused."""
    for document in ("{", "{}", policy({"Action": "kms:*"}), policy({**ROOT, "Principal": {"AWS": "nobody"}})):
        assert refused(kms.put_key_policy, KeyId=key, Policy=document)[0] == "MalformedPolicyDocumentException"
    assert refused(kms.put_key_policy, KeyId=key, Policy=policy({**ROOT, "Sid": "x" * 33_000}))[0] == "LimitExceededException"
    assert refused(kms.put_key_policy, KeyId=key, Policy=policy(ROOT), PolicyName="AWS_RAM") == (
        "ValidationException",
        "The AWS_RAM policy can only be managed by the RAM service.",
    )
    assert refused(kms.get_key_policy, KeyId=key, PolicyName="other")[0] == "NotFoundException"


def test_another_account_needs_both_policies(cloud: Any, kms: Any, key: str, user: Any, refused: Refused) -> None:
    """Across accounts the key policy and the caller's IAM policy must both allow; the key goes by its ARN."""
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    bob = user("bob", {"Action": "kms:Decrypt", "Resource": key}, account=OTHER)
    eve = user("eve", account=OTHER)
    assert refused(bob.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
    put(kms, key, ROOT, {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Action": ["kms:Decrypt", "kms:DisableKey"]})
    assert bob.decrypt(CiphertextBlob=sealed, KeyId=key)["Plaintext"] == b"x"
    assert refused(eve.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
    root = cloud.client("kms", access_key=OTHER)
    assert root.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    assert refused(root.disable_key, KeyId=key)[0] == "AccessDeniedException"
    assert refused(root.describe_key, KeyId=key.rpartition("/")[2])[0] == "NotFoundException"


def test_tags_and_aliases_decide(kms: Any, key: str, user: Any, refused: Refused) -> None:
    """aws:ResourceTag, kms:ResourceAliases and kms:RequestAlias are those of the key and the request."""

    def when(name: str, operator: str, condition: str, value: str) -> Any:
        return user(name, {"Action": "kms:Encrypt", "Condition": {operator: {condition: value}}})

    tagged = when("t", "StringEquals", "aws:ResourceTag/team", "blue")
    aliased = when("a", "ForAnyValue:StringLike", "kms:ResourceAliases", "alias/x*")
    asked = when("r", "StringEquals", "kms:RequestAlias", "alias/x1")
    for client in (tagged, aliased, asked):
        assert refused(client.encrypt, KeyId=key, Plaintext=b"x")[0] == "AccessDeniedException"
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "blue"}])
    kms.create_alias(AliasName="alias/x1", TargetKeyId=key)
    tagged.encrypt(KeyId=key, Plaintext=b"x")
    aliased.encrypt(KeyId=key, Plaintext=b"x")
    assert refused(asked.encrypt, KeyId=key, Plaintext=b"x")[0] == "AccessDeniedException"
    asked.encrypt(KeyId="alias/x1", Plaintext=b"x")


def test_the_encryption_context_decides(kms: Any, key: str, user: Any, refused: Refused) -> None:
    """kms:EncryptionContext:<key> and kms:EncryptionContextKeys are the request's, also with colons and slashes in the key."""
    condition = {
        "StringEquals": {"kms:EncryptionContext:aws:app/name": "x"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "aws:app/name"},
    }
    bob = user("bob", {"Action": ["kms:Encrypt", "kms:ReEncrypt*"], "Condition": condition})
    sealed = bob.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"aws:app/name": "x"})["CiphertextBlob"]
    for context in ({}, {"aws:app/name": "y"}, {"aws:app/name": "x", "more": "z"}):
        assert refused(bob.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context)[0] == "AccessDeniedException"
    members = {"CiphertextBlob": sealed, "SourceEncryptionContext": {"aws:app/name": "x"}, "DestinationKeyId": key}
    bob.re_encrypt(DestinationEncryptionContext={"aws:app/name": "x"}, **members)
    code, message = refused(bob.re_encrypt, DestinationEncryptionContext={"other": "x"}, **members)
    assert code == "AccessDeniedException"
    assert "kms:ReEncryptTo" in message


GRANTEE = f"arn:aws:iam::{ACCOUNT}:root"
MAC = {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}
CONDITIONS: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    # condition key, its value, operation, members that have it, members that do not
    ("kms:KeySpec", "SYMMETRIC_DEFAULT", "create_key", {}, MAC),
    ("kms:KeyUsage", "ENCRYPT_DECRYPT", "create_key", {}, MAC),
    ("kms:MultiRegion", "false", "create_key", {}, {"MultiRegion": True}),
    ("kms:KeyOrigin", "AWS_KMS", "create_key", {}, {"Origin": "EXTERNAL"}),
    ("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT", "encrypt", {"Plaintext": b"x"}, {"Plaintext": b"x", "EncryptionAlgorithm": "SM2PKE"}),
    ("kms:ScheduleKeyDeletionPendingWindowInDays", "30", "schedule_key_deletion", {}, {"PendingWindowInDays": 7}),
    ("kms:RotationPeriodInDays", "365", "enable_key_rotation", {}, {"RotationPeriodInDays": 90}),
    ("kms:DataKeyPairSpec", "ECC_NIST_P256", "generate_data_key_pair", {"KeyPairSpec": "ECC_NIST_P256"}, {"KeyPairSpec": "RSA_2048"}),
    (
        "kms:GranteePrincipal",
        GRANTEE,
        "create_grant",
        {"GranteePrincipal": GRANTEE, "Operations": ["Decrypt"]},
        {"GranteePrincipal": f"arn:aws:iam::{OTHER}:root", "Operations": ["Decrypt"]},
    ),
    (
        "kms:GrantOperations",
        "Decrypt",
        "create_grant",
        {"GranteePrincipal": GRANTEE, "Operations": ["Decrypt"]},
        {"GranteePrincipal": GRANTEE, "Operations": ["Encrypt"]},
    ),
    (
        "kms:BypassPolicyLockoutSafetyCheck",
        "true",
        "put_key_policy",
        {"Policy": policy(ROOT), "BypassPolicyLockoutSafetyCheck": True},
        {"Policy": policy(ROOT)},
    ),
]


@pytest.mark.parametrize(("name", "value", "operation", "having", "lacking"), CONDITIONS, ids=[f"{row[0]}-{row[2]}" for row in CONDITIONS])
def test_conditions_of_the_request(
    key: str, user: Any, refused: Refused, name: str, value: str, operation: str, having: dict[str, Any], lacking: dict[str, Any]
) -> None:
    """A condition key is what the request says, or what it means where it says nothing."""
    bob = user("bob", {"Action": "kms:*", "Condition": {"StringEquals": {name: value}}})
    which = {} if operation == "create_key" else {"KeyId": key}
    code, message = refused(getattr(bob, operation), **which, **lacking)
    assert (code, "no identity-based policy allows" in message) == ("AccessDeniedException", True)
    getattr(bob, operation)(**which, **having)


def test_conditions_of_the_key(kms: Any, make: Make, user: Any, refused: Refused) -> None:
    """kms:KeySpec and its like are those of the key in the request."""
    mac, plain = make(**MAC)["Arn"], make()["Arn"]
    bob = user(
        "bob", {"Action": "kms:DescribeKey", "Condition": {"StringEquals": {"kms:KeySpec": "HMAC_256", "kms:CallerAccount": ACCOUNT}}}
    )
    bob.describe_key(KeyId=mac)
    assert refused(bob.describe_key, KeyId=plain)[0] == "AccessDeniedException"


def test_signing_conditions(kms: Any, make: Make, user: Any, refused: Refused) -> None:
    """kms:SigningAlgorithm and kms:MessageType (RAW where it is not said) hold for Sign."""
    key = make(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["Arn"]
    condition = {"StringEquals": {"kms:SigningAlgorithm": "RSASSA_PSS_SHA_256", "kms:MessageType": "RAW"}}
    bob = user("bob", {"Action": "kms:Sign", "Condition": condition})
    bob.sign(KeyId=key, Message=b"x", SigningAlgorithm="RSASSA_PSS_SHA_256")
    for members in ({"SigningAlgorithm": "RSASSA_PSS_SHA_384"}, {"SigningAlgorithm": "RSASSA_PSS_SHA_256", "MessageType": "DIGEST"}):
        assert refused(bob.sign, KeyId=key, Message=b"x" * 32, **members)[0] == "AccessDeniedException"


def test_tagging_at_creation_needs_its_own_right(user: Any, refused: Refused) -> None:
    """CreateKey with tags takes kms:TagResource, and aws:RequestTag is what it brings."""
    condition = {"StringEquals": {"aws:RequestTag/team": "blue"}}
    bob = user("bob", {"Action": "kms:CreateKey"})
    tags = [{"TagKey": "team", "TagValue": "blue"}]
    bob.create_key()
    code, message = refused(bob.create_key, Tags=tags)
    assert (code, "kms:TagResource" in message) == ("AccessDeniedException", True)
    eve = user("eve", {"Action": ["kms:CreateKey", "kms:TagResource"], "Condition": condition})
    eve.create_key(Tags=tags)
    assert refused(eve.create_key)[0] == "AccessDeniedException"


def test_aliases_need_both_rights(kms: Any, make: Make, user: Any, refused: Refused) -> None:
    """CreateAlias is asked of the alias and of the key; UpdateAlias also of the key that loses it."""
    one, two = make()["Arn"], make()["Arn"]
    alias = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/x"
    actions = ["kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"]
    only_key = user("k", {"Action": actions, "Resource": one})
    only_alias = user("a", {"Action": actions, "Resource": alias})
    for client in (only_key, only_alias):
        assert refused(client.create_alias, AliasName="alias/x", TargetKeyId=one)[0] == "AccessDeniedException"
    both = user("b", {"Action": actions, "Resource": [one, alias]})
    both.create_alias(AliasName="alias/x", TargetKeyId=one)
    assert refused(both.update_alias, AliasName="alias/x", TargetKeyId=two)[0] == "AccessDeniedException"
    to_two = user("c", {"Action": actions, "Resource": [two, alias]})
    assert refused(to_two.update_alias, AliasName="alias/x", TargetKeyId=two)[0] == "AccessDeniedException"
    kms.update_alias(AliasName="alias/x", TargetKeyId=two)
    assert refused(both.delete_alias, AliasName="alias/x")[0] == "AccessDeniedException"
    to_two.delete_alias(AliasName="alias/x")


def test_half_a_statement_has_no_effect(kms: Any, key: str, user: Any, refused: Refused) -> None:
    """A key policy's statement without a Resource is kept, and says nothing."""
    bob = user("bob")
    half = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}, "Action": "kms:Encrypt"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [json.loads(policy(ROOT))["Statement"][0], half]})
    kms.put_key_policy(KeyId=key, Policy=document)
    assert kms.get_key_policy(KeyId=key)["Policy"] == document
    assert refused(bob.encrypt, KeyId=key, Plaintext=b"x")[0] == "AccessDeniedException"
    only = json.dumps({"Version": "2012-10-17", "Statement": [half]})
    assert refused(kms.put_key_policy, KeyId=key, Policy=only)[0] == "MalformedPolicyDocumentException"


def test_a_policy_without_effect_lets_nobody_in(make: Make, kms: Any, refused: Refused) -> None:
    """Where no statement of a key policy has an effect, not even the root user may do anything with the key."""
    half = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*"}]})
    arn = make(Policy=half, BypassPolicyLockoutSafetyCheck=True)["Arn"]
    assert refused(kms.encrypt, KeyId=arn, Plaintext=b"x")[0] == "AccessDeniedException"


@pytest.mark.parametrize("document", ["[" * 30_000, '{"Statement":' + "[" * 15_000, "[]", "null", '{"Statement":[{"Sid":"\\ud800"}]}'])
def test_odd_policies_are_malformed(kms: Any, key: str, refused: Refused, document: str) -> None:
    """What is not a policy, however deep, is refused as such."""
    assert refused(kms.put_key_policy, KeyId=key, Policy=document)[0] == "MalformedPolicyDocumentException"


def test_strangers_do_not_learn_which_keys_there_are(cloud: Any, refused: Refused) -> None:
    """A key or alias of another account that is not there is refused with AccessDenied, not with NotFound."""
    kms = cloud.client("kms", OTHER)
    for name in ("key/11111111-2222-3333-4444-555555555555", "alias/none"):
        code, message = refused(kms.encrypt, KeyId=f"arn:aws:kms:us-east-1:{ACCOUNT}:{name}", Plaintext=b"x")
        assert code == "AccessDeniedException"
        assert "the resource does not exist in this Region" in message


def test_a_name_has_one_partition(kms: Any, key: str, refused: Refused) -> None:
    """An ARN of another partition does not name the key."""
    assert refused(kms.describe_key, KeyId=key.replace("arn:aws:", "arn:aws-cn:"))[0] == "InvalidArnException"


def test_decisions_about_a_deleted_key_are_explained(cloud: Any, kms: Any, key: str, user: Any) -> None:
    """What was refused can be explained when the key is gone."""
    with pytest.raises(ClientError) as caught:
        user("bob").encrypt(KeyId=key, Plaintext=b"needle", EncryptionContext={"app": "x"})
    request_id = caught.value.response["ResponseMetadata"]["RequestId"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    cloud.advance(8 * DAY_S)
    explained = control.ask(cloud.endpoint, "GET", f"/explain/{request_id}")
    assert not explained["decisions"][0]["allowed"]
    assert "needle" not in json.dumps(explained)
