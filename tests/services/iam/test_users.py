"""Users, groups and access keys."""

from __future__ import annotations

import pytest

from .conftest import ACCOUNT, policy


def test_user_made_and_found(iam):
    """A user has an id, an ARN with the path, tags and a date, and is found whatever the case of the name."""
    made = iam.create_user(UserName="Bob", Path="/team/", Tags=[{"Key": "project", "Value": "dorky"}])["User"]
    assert made["UserId"].startswith("AIDA")
    assert len(made["UserId"]) == 21
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/Bob"
    assert iam.get_user(UserName="bOB")["User"] == made
    assert made["Tags"] == [{"Key": "project", "Value": "dorky"}]


def test_user_names_are_unique_whatever_their_case(iam, refused):
    """A second user of the name in another case is EntityAlreadyExists."""
    iam.create_user(UserName="bob")
    with refused("EntityAlreadyExists", "User with name BOB already exists."):
        iam.create_user(UserName="BOB")


def test_user_that_is_not_there(iam, refused):
    """NoSuchEntity names the user."""
    with refused("NoSuchEntity", "The user with name X cannot be found."):
        iam.get_user(UserName="X")


def test_accounts_do_not_see_each_other(cloud, iam, refused):
    """A user of one account is not there for another."""
    iam.create_user(UserName="bob")
    other = cloud.client("iam", access_key="111122223333")
    with refused("NoSuchEntity"):
        other.get_user(UserName="bob")
    assert other.create_user(UserName="bob")["User"]["Arn"] == "arn:aws:iam::111122223333:user/bob"


def test_rename_keeps_what_belongs_to_a_user(people, iam, refused):
    """Keys, groups and policies go with the user's id: a renamed user keeps them, a new one of the old name has none."""
    bob = people.user("bob", policy({"Action": "iam:GetUser"}))
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="bob")
    iam.update_user(UserName="bob", NewUserName="rob", NewPath="/p/")
    assert bob("iam").get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/p/rob"
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="rob")["Groups"]] == ["g"]
    iam.create_user(UserName="bob")
    assert iam.list_groups_for_user(UserName="bob")["Groups"] == []
    assert iam.list_access_keys(UserName="bob")["AccessKeyMetadata"] == []
    with refused("EntityAlreadyExists"):
        iam.update_user(UserName="bob", NewUserName="ROB")


def test_rename_needs_both_names(people, iam, refused):
    """UpdateUser is checked on the old and on the new ARN."""
    bob = people.user("bob", policy({"Action": "iam:UpdateUser", "Resource": [f"arn:aws:iam::{ACCOUNT}:user/{n}" for n in ("a", "b")]}))
    iam.create_user(UserName="a")
    with refused("AccessDenied", f"arn:aws:iam::{ACCOUNT}:user/c"):
        bob("iam").update_user(UserName="a", NewUserName="c")
    bob("iam").update_user(UserName="a", NewUserName="b")


def test_delete_conflicts_in_order(iam, people, refused):
    """A user who still has something cannot be deleted; the message says what must go first."""
    people.user("bob", policy({"Action": "*"}))
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="bob")
    iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.create_login_profile(UserName="bob", Password="Secret-123")
    key = iam.list_access_keys(UserName="bob")["AccessKeyMetadata"][0]["AccessKeyId"]
    steps = [
        ("must remove users from group first", lambda: iam.remove_user_from_group(GroupName="g", UserName="bob")),
        ("must delete policies first", lambda: iam.delete_user_policy(UserName="bob", PolicyName="p")),
        (
            "must detach all policies first",
            lambda: iam.detach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ),
        ("must delete login profile first", lambda: iam.delete_login_profile(UserName="bob")),
        ("must delete access keys first", lambda: iam.delete_access_key(UserName="bob", AccessKeyId=key)),
    ]
    for must, step in steps:
        with refused("DeleteConflict", must):
            iam.delete_user(UserName="bob")
        step()
    iam.delete_user(UserName="bob")
    with refused("NoSuchEntity"):
        iam.get_user(UserName="bob")


def test_listing_in_pages_under_a_path(iam):
    """ListUsers goes on from its marker, in order of the names, and keeps to the path prefix."""
    for n in range(7):
        iam.create_user(UserName=f"u{n}", Path="/odd/" if n % 2 else "/even/")
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(p["Users"]) for p in pages] == [3, 3, 1]
    assert [u["UserName"] for p in pages for u in p["Users"]] == [f"u{n}" for n in range(7)]
    assert [u["UserName"] for u in iam.list_users(PathPrefix="/odd/")["Users"]] == ["u1", "u3", "u5"]


def test_marker_that_nobody_made(iam, refused):
    """A marker that is not one of ours is a ValidationError."""
    with refused("ValidationError"):
        iam.list_users(Marker="!!")


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}], "InvalidInput"),
        ([{"Key": "aws:x", "Value": "1"}], "InvalidInput"),
    ],
)
def test_tags_that_are_refused(iam, refused, tags, code):
    """Keys that differ only by case, and AWS's own prefix."""
    with refused(code):
        iam.create_user(UserName="bob", Tags=tags)


def test_tags_change(iam, refused):
    """A key in another case replaces; untagging removes; fifty is the most."""
    iam.create_user(UserName="bob", Tags=[{"Key": "Dept", "Value": "a"}])
    iam.tag_user(UserName="bob", Tags=[{"Key": "dept", "Value": "b"}, {"Key": "x", "Value": ""}])
    assert iam.list_user_tags(UserName="bob")["Tags"] == [{"Key": "dept", "Value": "b"}, {"Key": "x", "Value": ""}]
    iam.untag_user(UserName="bob", TagKeys=["dept", "never"])
    assert iam.list_user_tags(UserName="bob")["Tags"] == [{"Key": "x", "Value": ""}]
    with refused("LimitExceeded"):
        iam.tag_user(UserName="bob", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])


def test_groups(iam, refused):
    """Members come and go; a group with members cannot be deleted; ten groups are a user's most."""
    iam.create_user(UserName="bob")
    for n in range(11):
        iam.create_group(GroupName=f"g{n:02}")
    for n in range(10):
        iam.add_user_to_group(GroupName=f"g{n:02}", UserName="bob")
    iam.add_user_to_group(GroupName="g00", UserName="bob")
    with refused("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10"):
        iam.add_user_to_group(GroupName="g10", UserName="bob")
    answer = iam.get_group(GroupName="g00")
    assert answer["Group"]["GroupId"].startswith("AGPA")
    assert [u["UserName"] for u in answer["Users"]] == ["bob"]
    with refused("DeleteConflict", "must remove users from group first"):
        iam.delete_group(GroupName="g00")
    iam.remove_user_from_group(GroupName="g00", UserName="bob")
    iam.update_group(GroupName="g00", NewGroupName="renamed")
    assert iam.get_group(GroupName="renamed")["Users"] == []
    iam.delete_group(GroupName="renamed")
    with refused("NoSuchEntity", "The group with name g00 cannot be found."):
        iam.get_group(GroupName="g00")


def test_access_keys(iam, sts, refused):
    """Two keys at most, AKIA and sixteen characters that tell the account; an unused one was used N/A."""
    iam.create_user(UserName="bob")
    made = [iam.create_access_key(UserName="bob")["AccessKey"] for _ in range(2)]
    assert all(k["AccessKeyId"].startswith("AKIA") and len(k["AccessKeyId"]) == 20 for k in made)
    assert all(len(k["SecretAccessKey"]) == 40 for k in made)
    assert sts.get_access_key_info(AccessKeyId=made[0]["AccessKeyId"])["Account"] == ACCOUNT
    with refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2"):
        iam.create_access_key(UserName="bob")
    used = iam.get_access_key_last_used(AccessKeyId=made[0]["AccessKeyId"])
    assert used["UserName"] == "bob"
    assert used["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    iam.delete_access_key(UserName="bob", AccessKeyId=made[0]["AccessKeyId"])
    assert len(iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]) == 1


def test_key_info_of_another_account(cloud, sts):
    """A key tells its account to anybody."""
    other = cloud.client("iam", access_key="111122223333")
    other.create_user(UserName="bob")
    key = other.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    assert sts.get_access_key_info(AccessKeyId=key)["Account"] == "111122223333"


def test_key_last_used_is_written(cloud, people, iam):
    """The first use of a key is noted with service and region."""
    bob = people.user()
    bob("sts", region="eu-west-1").get_caller_identity()
    cloud.settle()
    used = iam.get_access_key_last_used(AccessKeyId=bob.key)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("sts", "eu-west-1")


def test_a_users_own_key(people):
    """Without a name the caller is meant."""
    bob = people.user("bob", policy({"Action": ["iam:CreateAccessKey", "iam:ListAccessKeys"]}))
    assert bob("iam").create_access_key()["AccessKey"]["UserName"] == "bob"
    assert len(bob("iam").list_access_keys()["AccessKeyMetadata"]) == 2


def test_root_has_keys_too(people, iam, sts):
    """Root makes a key for itself; who signs with it is root."""
    made = iam.create_access_key()["AccessKey"]
    root = people.session({"Credentials": made | {"SessionToken": None}})
    assert root("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
