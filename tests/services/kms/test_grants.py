"""Grants let principals in where policies are silent, within their constraints, until they are retired or revoked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fogbank.access.principal import service as service_principal

from .conftest import ACCOUNT, OTHER, ROOT, Make, Refused, policy

BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"


@pytest.fixture
def bob(user: Any) -> Any:
    """A user whom no policy allows anything."""
    return user("bob")


def test_a_grant_lets_in(kms: Any, key: str, bob: Any, refused: Refused) -> None:
    """A grantee may do the grant's operations and no other, until the grant is revoked."""
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert refused(bob.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
    made = kms.create_grant(KeyId=key, GranteePrincipal=BOB, Operations=["Decrypt", "DescribeKey"])
    assert bob.decrypt(CiphertextBlob=sealed, GrantTokens=[made["GrantToken"]])["Plaintext"] == b"x"
    bob.describe_key(KeyId=key)
    assert refused(bob.encrypt, KeyId=key, Plaintext=b"x")[0] == "AccessDeniedException"
    assert refused(bob.decrypt, CiphertextBlob=sealed, GrantTokens=["nonsense"]) == ("InvalidGrantTokenException", "Invalid grant token.")
    kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
    assert refused(bob.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
    assert refused(kms.revoke_grant, KeyId=key, GrantId=made["GrantId"])[0] == "NotFoundException"


def test_a_denial_wins(kms: Any, key: str, user: Any, refused: Refused) -> None:
    """What a key policy or an IAM policy denies, no grant allows."""
    bob = user("bob", {"Effect": "Deny", "Action": "kms:Encrypt"})
    kms.create_grant(KeyId=key, GranteePrincipal=BOB, Operations=["Encrypt", "Decrypt"])
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    bob.decrypt(CiphertextBlob=sealed)
    assert "explicit deny" in refused(bob.encrypt, KeyId=key, Plaintext=b"x")[1]
    kms.put_key_policy(KeyId=key, Policy=policy(ROOT, {"Effect": "Deny", "Principal": {"AWS": BOB}, "Action": "kms:Decrypt"}))
    assert "explicit deny" in refused(bob.decrypt, CiphertextBlob=sealed)[1]


def test_constraints_hold_to_the_letter(kms: Any, key: str, bob: Any, refused: Refused) -> None:
    """EncryptionContextSubset wants its pairs among the request's, EncryptionContextEquals no others; case counts."""
    context = {"Department": "IT"}
    kms.create_grant(KeyId=key, GranteePrincipal=BOB, Operations=["Encrypt"], Constraints={"EncryptionContextSubset": context})
    kms.create_grant(KeyId=key, GranteePrincipal=BOB, Operations=["GenerateDataKey"], Constraints={"EncryptionContextEquals": context})

    def encrypt(**members: Any) -> Any:
        return bob.encrypt(KeyId=key, Plaintext=b"x", **members)

    def data_key(**members: Any) -> Any:
        return bob.generate_data_key(KeyId=key, KeySpec="AES_256", **members)

    more = {"Department": "IT", "Purpose": "Test"}
    encrypt(EncryptionContext=context)
    encrypt(EncryptionContext=more)
    data_key(EncryptionContext=context)
    assert refused(data_key, EncryptionContext=more)[0] == "AccessDeniedException"
    for wrong in ({}, {"department": "IT"}, {"Department": "it"}, {"Purpose": "Test"}):
        assert refused(encrypt, EncryptionContext=wrong)[0] == "AccessDeniedException"
        assert refused(data_key, EncryptionContext=wrong)[0] == "AccessDeniedException"


def test_reencryption_by_grants(kms: Any, make: Make, bob: Any, refused: Refused) -> None:
    """ReEncryptFrom and ReEncryptTo are granted by themselves, each with its own context."""
    one, two = make()["Arn"], make()["Arn"]
    sealed = kms.encrypt(KeyId=one, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    members = {"CiphertextBlob": sealed, "SourceEncryptionContext": {"a": "b"}, "DestinationKeyId": two}
    kms.create_grant(KeyId=one, GranteePrincipal=BOB, Operations=["ReEncryptFrom"], Constraints={"EncryptionContextEquals": {"a": "b"}})
    assert "kms:ReEncryptTo" in refused(bob.re_encrypt, **members)[1]
    kms.create_grant(KeyId=two, GranteePrincipal=BOB, Operations=["ReEncryptTo"], Constraints={"EncryptionContextEquals": {"c": "d"}})
    assert "kms:ReEncryptTo" in refused(bob.re_encrypt, **members)[1]
    bob.re_encrypt(**members, DestinationEncryptionContext={"c": "d"})


def test_grants_cross_accounts(cloud: Any, kms: Any, key: str, user: Any, refused: Refused) -> None:
    """A principal of another account needs nothing but the grant; an account's grant is for those whom its IAM policies allow."""
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    stranger = user("stranger", account=OTHER)
    kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:user/stranger", Operations=["Decrypt"])
    assert stranger.decrypt(CiphertextBlob=sealed)["KeyId"] == key
    other = cloud.client("kms", access_key=OTHER)
    assert refused(other.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
    kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root", Operations=["Decrypt"])
    other.decrypt(CiphertextBlob=sealed)
    allowed = user("allowed", {"Action": "kms:Decrypt"}, account=OTHER)
    allowed.decrypt(CiphertextBlob=sealed)
    assert refused(user("nobody", account=OTHER).decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"


def _session(cloud: Any) -> tuple[Any, str]:
    """A client with the session of a role that no policy allows anything, and the role's ARN."""
    iam = cloud.client("iam")
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role: str = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.create_user(UserName="u")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy({"Action": "sts:AssumeRole"}))
    made = iam.create_access_key(UserName="u")["AccessKey"]
    sts = cloud.client("sts", access_key=made["AccessKeyId"], secret=made["SecretAccessKey"])
    got = sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    return cloud.client("kms", access_key=got["AccessKeyId"], secret=got["SecretAccessKey"], token=got["SessionToken"]), role


def test_roles_and_services_are_grantees(cloud: Any, kms: Any, key: str, through: Any) -> None:
    """A role's sessions use the role's grants; a service principal its own, on behalf of the resource that SourceArn names."""
    session, role = _session(cloud)
    with pytest.raises(kms.exceptions.ClientError):
        session.encrypt(KeyId=key, Plaintext=b"x")
    kms.create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    session.encrypt(KeyId=key, Plaintext=b"x")
    source = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t"
    kms.create_grant(
        KeyId=key,
        GranteeServicePrincipal="dynamodb.us-east-1.amazonaws.com",
        RetiringServicePrincipal="dynamodb.us-east-1.amazonaws.com",
        Operations=["GenerateDataKey"],
        Constraints={"SourceArn": source},
    )
    members = {"KeyId": key, "KeySpec": "AES_256"}
    through("dynamodb", "GenerateDataKey", members, service_principal("dynamodb.amazonaws.com", ACCOUNT, source))
    with pytest.raises(Exception, match="not authorized"):
        through("dynamodb", "GenerateDataKey", members, service_principal("dynamodb.amazonaws.com", ACCOUNT, source + "2"))


def test_who_retires_a_grant(kms: Any, key: str, user: Any, refused: Refused) -> None:
    """Its retiring principal, its grantee if the grant says so, and the account; by token, or by key and id."""
    bob, amy = user("bob"), user("amy")
    amy_arn = BOB.replace("bob", "amy")
    first = kms.create_grant(KeyId=key, GranteePrincipal=BOB, RetiringPrincipal=amy_arn, Operations=["Decrypt"])
    assert refused(bob.retire_grant, KeyId=key, GrantId=first["GrantId"])[0] == "AccessDeniedException"
    assert [g["GrantId"] for g in kms.list_retirable_grants(RetiringPrincipal=amy_arn)["Grants"]] == [first["GrantId"]]
    assert refused(amy.retire_grant, GrantToken=first["GrantToken"], DryRun=True)[0] == "DryRunOperationException"
    amy.retire_grant(GrantToken=first["GrantToken"])
    second = kms.create_grant(KeyId=key, GranteePrincipal=BOB, Operations=["Decrypt", "RetireGrant"])
    assert refused(amy.retire_grant, GrantToken=second["GrantToken"])[0] == "AccessDeniedException"
    bob.retire_grant(KeyId=key, GrantId=second["GrantId"])
    third = kms.create_grant(KeyId=key, GranteePrincipal=BOB, Operations=["Decrypt"])
    kms.retire_grant(KeyId=key, GrantId=third["GrantId"])
    assert refused(kms.retire_grant, GrantToken=third["GrantToken"])[0] == "NotFoundException"
    assert refused(kms.retire_grant, GrantToken="x")[0] == "InvalidGrantTokenException"
    assert refused(kms.retire_grant, KeyId=key)[0] == "ValidationException"
    assert refused(kms.list_retirable_grants, RetiringPrincipal=f"arn:aws:iam::{OTHER}:root")[0] == "AccessDeniedException"


def test_a_grant_passes_on_no_more_than_it_has(kms: Any, key: str, bob: Any, refused: Refused) -> None:
    """Who may create grants by a grant may create only such as allow no more, in no wider context."""
    amy = BOB.replace("bob", "amy")
    kms.create_grant(
        KeyId=key,
        GranteePrincipal=BOB,
        Operations=["Decrypt", "Encrypt", "CreateGrant"],
        Constraints={"EncryptionContextSubset": {"a": "b"}},
    )

    def pass_on(operations: list[str], **constraints: Any) -> Any:
        return bob.create_grant(KeyId=key, GranteePrincipal=amy, Operations=operations, Constraints=constraints)

    pass_on(["Decrypt"], EncryptionContextSubset={"a": "b", "c": "d"})
    pass_on(["Decrypt", "CreateGrant"], EncryptionContextEquals={"a": "b"})
    assert refused(pass_on, operations=["GenerateDataKey"], EncryptionContextSubset={"a": "b"})[0] == "AccessDeniedException"
    assert refused(pass_on, operations=["Decrypt"], EncryptionContextSubset={"c": "d"})[0] == "AccessDeniedException"
    assert refused(pass_on, operations=["Decrypt"])[0] == "AccessDeniedException"


def test_grants_are_listed(kms: Any, key: str) -> None:
    """ListGrants gives all there is to know, in pages, by id or grantee; a Name makes a request repeatable."""
    ids = set()
    for number in range(5):
        members = {"KeyId": key, "GranteePrincipal": BOB, "Operations": ["Decrypt"], "Name": f"n{number}"}
        made = kms.create_grant(**members)
        again = kms.create_grant(**members)
        assert again["GrantId"] == made["GrantId"]
        assert again["GrantToken"] != made["GrantToken"]
        ids.add(made["GrantId"])
    first = kms.list_grants(KeyId=key, Limit=3)
    rest = kms.list_grants(KeyId=key, Limit=3, Marker=first["NextMarker"])
    listed = first["Grants"] + rest["Grants"]
    assert {grant["GrantId"] for grant in listed} == ids
    [grant] = kms.list_grants(KeyId=key, GrantId=listed[0]["GrantId"])["Grants"]
    assert (grant["KeyId"], grant["GranteePrincipal"], grant["Operations"]) == (key, BOB, ["Decrypt"])
    assert grant["IssuingAccount"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert len(kms.list_grants(KeyId=key, GranteePrincipal=BOB, Limit=4)["Grants"]) == 4
    assert kms.list_grants(KeyId=key, GranteePrincipal=f"arn:aws:iam::{OTHER}:root")["Grants"] == []


def test_grants_are_checked(kms: Any, key: str, make: Make, refused: Refused) -> None:
    """An operation has to suit the key, a principal has to be one, a constraint has to be short."""
    mac = make(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["Arn"]

    def create(**members: Any) -> Any:
        return kms.create_grant(**{"KeyId": key, "GranteePrincipal": BOB, "Operations": ["Decrypt"], **members})

    assert refused(create, Operations=["Sign"])[0] == "ValidationException"
    assert refused(create, KeyId=mac)[0] == "ValidationException"
    assert refused(create, GranteePrincipal="bob")[0] == "InvalidArnException"
    assert refused(create, GranteeServicePrincipal="s3.amazonaws.com")[0] == "ValidationException"
    assert refused(create, Constraints={"EncryptionContextSubset": {str(n): "x" for n in range(9)}})[0] == "ValidationException"
    assert refused(create, Constraints={"EncryptionContextSubset": {"a": "x" * 384}})[0] == "ValidationException"
    macs = {"KeyId": mac, "Operations": ["GenerateMac"], "Constraints": {"EncryptionContextSubset": {"a": "b"}}}
    assert refused(create, **macs)[0] == "ValidationException"
