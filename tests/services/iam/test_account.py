"""The account: alias, summary, reports, passwords."""

from __future__ import annotations

import csv
import io

import pytest

from .conftest import ACCOUNT, policy, trust


def test_alias(iam, cloud, refused):
    """One alias, unique in the cloud; a new one takes its place."""
    iam.create_account_alias(AccountAlias="dorky")
    with refused("EntityAlreadyExists"):
        cloud.client("iam", access_key="111122223333").create_account_alias(AccountAlias="dorky")
    iam.create_account_alias(AccountAlias="smart")
    assert iam.list_account_aliases()["AccountAliases"] == ["smart"]
    with refused("NoSuchEntity"):
        iam.delete_account_alias(AccountAlias="dorky")
    iam.delete_account_alias(AccountAlias="smart")
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_summary_counts(iam):
    """Counts are real, quotas AWS's."""
    before = iam.get_account_summary()["SummaryMap"]
    assert (before["Users"], before["UsersQuota"], before["AccessKeysPerUserQuota"]) == (0, 5000, 2)
    iam.create_user(UserName="a")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    arn = iam.create_policy(PolicyName="p", PolicyDocument=policy({"Action": "s3:*"}))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy({"Action": "s3:*"}))
    iam.create_virtual_mfa_device(VirtualMFADeviceName="d")
    after = iam.get_account_summary()["SummaryMap"]
    changed = {k: v for k, v in after.items() if v != before[k]}
    assert changed == {"Users": 1, "Groups": 1, "Roles": 1, "Policies": 1, "PolicyVersionsInUse": 2, "MFADevices": 1}


def test_credential_report(iam, people, cloud, refused):
    """The report is CSV with a row for root and one for each user; it is fresh for four hours."""
    with refused("ReportNotPresent"):
        iam.get_credential_report()
    bob = people.user("bob", policy({"Action": "*"}))
    bob("iam").list_users()
    cloud.settle()
    iam.create_login_profile(UserName="bob", Password="Secret-123")
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    rows = list(csv.DictReader(io.StringIO(iam.get_credential_report()["Content"].decode())))
    assert [r["user"] for r in rows] == ["<root_account>", "bob"]
    row = rows[1]
    assert row["arn"] == f"arn:aws:iam::{ACCOUNT}:user/bob"
    assert (row["password_enabled"], row["mfa_active"], row["access_key_1_active"], row["access_key_2_active"]) == (
        "true",
        "false",
        "true",
        "false",
    )
    assert (row["access_key_1_last_used_service"], row["access_key_1_last_used_region"]) == ("iam", "us-east-1")
    assert row["cert_1_last_rotated"] == "N/A"
    cloud.advance(4 * 3600)
    with refused("ReportExpired"):
        iam.get_credential_report()


def test_authorization_details(iam):
    """Everything that gives permissions, with AWS's policies where they are attached; filtered and in pages."""
    iam.create_user(UserName="u", Tags=[{"Key": "a", "Value": "1"}])
    iam.put_user_policy(UserName="u", PolicyName="in", PolicyDocument=policy({"Action": "s3:*"}))
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="u")
    iam.attach_group_policy(GroupName="g", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.create_policy(PolicyName="p", PolicyDocument=policy({"Action": "s3:*"}))
    answer = iam.get_account_authorization_details()
    user = answer["UserDetailList"][0]
    assert (user["GroupList"], user["UserPolicyList"][0]["PolicyName"], user["Tags"]) == (["g"], "in", [{"Key": "a", "Value": "1"}])
    assert user["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == "s3:*"
    assert answer["GroupDetailList"][0]["AttachedManagedPolicies"][0]["PolicyName"] == "ReadOnlyAccess"
    assert answer["RoleDetailList"][0]["InstanceProfileList"] == []
    assert {p["PolicyName"] for p in answer["Policies"]} == {"p", "ReadOnlyAccess"}
    only = iam.get_account_authorization_details(Filter=["Role"])
    assert (len(only["RoleDetailList"]), only["UserDetailList"]) == (1, [])
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2}))
    assert len(pages) == 3


def test_login_profile(iam, refused):
    """A password is checked, and can be taken away again."""
    iam.create_user(UserName="bob")
    with refused("NoSuchEntity", "Login Profile for User bob cannot be found."):
        iam.get_login_profile(UserName="bob")
    for weak in ("short", "alllowercase"):
        with refused("PasswordPolicyViolation"):
            iam.create_login_profile(UserName="bob", Password=weak)
    assert iam.create_login_profile(UserName="bob", Password="Secret-123", PasswordResetRequired=True)["LoginProfile"][
        "PasswordResetRequired"
    ]
    with refused("EntityAlreadyExists", "Login Profile for user bob already exists."):
        iam.create_login_profile(UserName="bob", Password="Secret-123")
    iam.update_login_profile(UserName="bob", PasswordResetRequired=False)
    assert iam.get_login_profile(UserName="bob")["LoginProfile"]["PasswordResetRequired"] is False
    iam.delete_login_profile(UserName="bob")
    with refused("NoSuchEntity"):
        iam.get_login_profile(UserName="bob")


def test_password_policy(iam, refused):
    """It is whole each time it is set, and enforced."""
    with refused("NoSuchEntity", f"The Password Policy with domain name {ACCOUNT} cannot be found."):
        iam.get_account_password_policy()
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireSymbols=True, MaxPasswordAge=90)
    found = iam.get_account_password_policy()["PasswordPolicy"]
    assert (found["MinimumPasswordLength"], found["RequireSymbols"], found["ExpirePasswords"], found["MaxPasswordAge"]) == (
        12,
        True,
        True,
        90,
    )
    iam.create_user(UserName="bob")
    with refused("PasswordPolicyViolation", "minimum length of 12"):
        iam.create_login_profile(UserName="bob", Password="short-1")
    with refused("PasswordPolicyViolation", "at least one symbol"):
        iam.create_login_profile(UserName="bob", Password="longerthantwelve1")
    iam.update_account_password_policy(RequireNumbers=True)
    assert iam.get_account_password_policy()["PasswordPolicy"]["RequireSymbols"] is False
    iam.delete_account_password_policy()
    with refused("NoSuchEntity"):
        iam.delete_account_password_policy()


def test_change_password(people, iam, refused):
    """A user changes the own password with permission, or where the policy lets users; not to one used before."""
    bob = people.user()
    iam.create_login_profile(UserName="bob", Password="Secret-123")
    with refused("AccessDenied", "iam:ChangePassword"):
        bob("iam").change_password(OldPassword="Secret-123", NewPassword="Secret-124")
    iam.update_account_password_policy(AllowUsersToChangePassword=True, PasswordReusePrevention=2)
    with refused("AccessDenied", "The old password was incorrect."):
        bob("iam").change_password(OldPassword="Secret-000", NewPassword="Secret-124")
    bob("iam").change_password(OldPassword="Secret-123", NewPassword="Secret-124")
    with refused("PasswordPolicyViolation"):
        bob("iam").change_password(OldPassword="Secret-124", NewPassword="Secret-123")
    with refused("InvalidUserType"):
        iam.change_password(OldPassword="a", NewPassword="b")


@pytest.mark.parametrize("operation", ["GenerateServiceLastAccessedDetails"])
def test_what_is_not_implemented(iam, refused, operation):
    """What IAM does not do here is said so, by name."""
    with refused("NotImplemented", operation):
        iam.generate_service_last_accessed_details(Arn=f"arn:aws:iam::{ACCOUNT}:user/x")
