"""Virtual MFA devices, by the cloud's clock."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct

import pytest

from .conftest import ACCOUNT, policy, trust


def code(seed: bytes, at_s: float) -> str:
    """RFC 6238, written a second time: SHA-1, 30 seconds, six digits."""
    digest = hmac.new(seed, struct.pack(">Q", int(at_s) // 30), hashlib.sha1).digest()
    start = digest[19] & 15
    return str((struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF) % 1000000).zfill(6)


def test_code_of_the_rfc():
    """The first test vector of RFC 6238, its last six digits."""
    from fogbank.services.iam.mfa import code_at

    assert code_at(b"12345678901234567890", 59 // 30) == "287082"


def fresh(cloud, seed):
    """The device's code of now, which is not also the one before or after it (one device in 500,000 would have that), and a wrong one."""
    around = lambda: [code(seed, cloud.now_ms / 1000 + after_s) for after_s in (-30, 0, 30)]  # noqa: E731
    while len(set(around())) < 3:
        cloud.advance(30)
    return around()[1], next(wrong for wrong in ("000000", "000001", "000002", "000003") if wrong not in around())


@pytest.fixture
def device(iam, cloud):
    """A device of bob's, and its seed."""
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Tags=[{"Key": "a", "Value": "1"}])["VirtualMFADevice"]
    return made["SerialNumber"], base64.b32decode(made["Base32StringSeed"])


def enable(iam, cloud, device, user="bob"):
    serial, seed = device
    now = cloud.now_ms / 1000
    iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1=code(seed, now - 30), AuthenticationCode2=code(seed, now))


def test_life_of_a_device(iam, cloud, device, refused):
    """Enabled with two codes in a row, listed, deactivated, deleted; a device in use cannot be deleted."""
    serial, _ = device
    assert serial == f"arn:aws:iam::{ACCOUNT}:mfa/phone"
    iam.create_user(UserName="bob")
    with refused("InvalidAuthenticationCode"):
        iam.enable_mfa_device(UserName="bob", SerialNumber=serial, AuthenticationCode1="000000", AuthenticationCode2="111111")
    assert len(iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]) == 1
    enable(iam, cloud, device)
    with refused("EntityAlreadyExists"):
        enable(iam, cloud, device)
    assert [d["SerialNumber"] for d in iam.list_mfa_devices(UserName="bob")["MFADevices"]] == [serial]
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"][0]["User"]["UserName"] == "bob"
    assert iam.get_mfa_device(SerialNumber=serial)["UserName"] == "bob"
    assert iam.list_mfa_device_tags(SerialNumber=serial)["Tags"] == [{"Key": "a", "Value": "1"}]
    with refused("DeleteConflict"):
        iam.delete_virtual_mfa_device(SerialNumber=serial)
    with refused("DeleteConflict", "MFA device"):
        iam.delete_user(UserName="bob")
    iam.deactivate_mfa_device(UserName="bob", SerialNumber=serial)
    iam.delete_virtual_mfa_device(SerialNumber=serial)
    with refused("NoSuchEntity"):
        iam.delete_virtual_mfa_device(SerialNumber=serial)


def test_role_that_asks_for_mfa(people, iam, cloud, device, refused):
    """aws:MultiFactorAuthPresent in a trust policy: a fresh code is needed, and each code works once."""
    bob = people.user("bob", policy({"Action": "sts:AssumeRole"}))
    enable(iam, cloud, device)
    serial, seed = device
    arn = people.role("r", trust(f"arn:aws:iam::{ACCOUNT}:root", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    with refused("AccessDenied"):
        bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1")
    cloud.advance(60)
    now, wrong = fresh(cloud, seed)
    with refused("AccessDenied", "invalid MFA one time pass code"):
        bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1", SerialNumber=serial, TokenCode=wrong)
    bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1", SerialNumber=serial, TokenCode=now)
    with refused("AccessDenied"):
        bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1", SerialNumber=serial, TokenCode=now)


def test_session_with_mfa(people, iam, cloud, device, refused):
    """GetSessionToken with a code gives a session that passes MFA conditions, ages, and may call IAM."""
    document = policy({"Action": "iam:ListUsers", "Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}}})
    bob = people.user("bob", document)
    enable(iam, cloud, device)
    serial, seed = device
    cloud.advance(60)
    given = bob("sts").get_session_token(SerialNumber=serial, TokenCode=code(seed, cloud.now_ms / 1000))
    session = people.session(given)
    session("iam").list_users()
    with refused("AccessDenied"):
        bob("iam").list_users()
    cloud.advance(301)
    with refused("AccessDenied"):
        session("iam").list_users()


def test_resync(iam, cloud, device):
    """A device that is minutes off is set by two codes in a row, and its codes then count."""
    iam.create_user(UserName="bob")
    enable(iam, cloud, device)
    serial, seed = device
    off = cloud.now_ms / 1000 + 300
    iam.resync_mfa_device(
        UserName="bob", SerialNumber=serial, AuthenticationCode1=code(seed, off), AuthenticationCode2=code(seed, off + 30)
    )
