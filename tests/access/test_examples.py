"""The "IAM policy master" list: policies that people write, and what they must do."""

from __future__ import annotations

import msgspec

from fogbank.access.context import tags_requested

from .policies import ACCOUNT, USER, granted

INSTANCE = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-1"


def test_a_region_restricted_policy() -> None:
    """EC2 in one region and nowhere else."""
    statement = {"Action": "ec2:*", "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    assert granted(statement, action="ec2:StartInstances", resource=INSTANCE, aws__RequestedRegion="eu-west-1")
    assert not granted(statement, action="ec2:StartInstances", resource=INSTANCE, aws__RequestedRegion="us-east-1")


def test_create_policy_only_with_a_name_prefix() -> None:
    """Policies may be created, but only with names that begin with `dorky-`."""
    statement = {"Action": "iam:CreatePolicy", "Resource": f"arn:aws:iam::{ACCOUNT}:policy/dorky-*"}
    assert granted(statement, action="iam:CreatePolicy", resource=f"arn:aws:iam::{ACCOUNT}:policy/dorky-read")
    assert not granted(statement, action="iam:CreatePolicy", resource=f"arn:aws:iam::{ACCOUNT}:policy/read")


def test_create_role_only_with_a_boundary() -> None:
    """Roles may be created only with a given permissions boundary attached."""
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    statement = {"Action": "iam:CreateRole", "Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}}}
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    assert granted(statement, action="iam:CreateRole", resource=role, iam__PermissionsBoundary=boundary)
    assert not granted(statement, action="iam:CreateRole", resource=role, iam__PermissionsBoundary=boundary + "2")
    assert not granted(statement, action="iam:CreateRole", resource=role)


def test_run_instances_only_in_a_region() -> None:
    """`ec2:Region` on every resource that a launch touches."""
    statement = {"Action": "ec2:RunInstances", "Condition": {"StringEquals": {"ec2:Region": "eu-west-1"}}}
    assert granted(statement, action="ec2:RunInstances", resource=INSTANCE, ec2__Region="eu-west-1")
    assert not granted(statement, action="ec2:RunInstances", resource=INSTANCE, ec2__Region="us-west-2")


def test_tags_only_at_creation() -> None:
    """CreateTags is allowed while RunInstances creates the instance, and not later."""
    statement = {"Action": "ec2:CreateTags", "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances"}}}
    assert granted(statement, action="ec2:CreateTags", resource=INSTANCE, ec2__CreateAction="RunInstances")
    assert not granted(statement, action="ec2:CreateTags", resource=INSTANCE)


def test_forced_tag_keys_and_values() -> None:
    """A launch has to bring `project` with one of two values, may bring `owner`, and no other tag."""
    statement = {
        "Action": "ec2:RunInstances",
        "Condition": {
            "StringEquals": {"aws:RequestTag/project": ["dorky", "geeky"]},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["project", "owner"]},
        },
    }

    def launches(tags: dict[str, str]) -> bool:
        return granted(statement, action="ec2:RunInstances", resource=INSTANCE, **tags_requested(tags))

    assert launches({"project": "dorky"})
    assert launches({"project": "geeky", "owner": "ann"})
    assert not launches({"project": "other"})
    assert not launches({"owner": "ann"})
    assert not launches({"project": "dorky", "cost": "1"})
    assert not launches({})


def test_tag_only_what_is_tagged() -> None:
    """New tags only on resources that are tagged `project=dorky` already."""
    statement = {"Action": "ec2:CreateTags", "Condition": {"StringEquals": {"aws:ResourceTag/project": "dorky"}}}

    def tags(existing: dict[str, str]) -> bool:
        return granted(statement, action="ec2:CreateTags", resource=INSTANCE, **{"aws:ResourceTag/": lambda: existing})

    assert tags({"project": "dorky"})
    assert not tags({"project": "geeky"})
    assert not tags({})


def test_act_by_matching_tags() -> None:
    """Everybody starts and stops what bears the same `project` tag as they do."""
    statement = {
        "Action": ["ec2:StartInstances", "ec2:StopInstances"],
        "Condition": {"StringEquals": {"aws:ResourceTag/project": "${aws:PrincipalTag/project}"}},
    }

    def stops(own: dict[str, str], existing: dict[str, str]) -> bool:
        who = msgspec.structs.replace(USER, tags=own)
        return granted(statement, action="ec2:StopInstances", resource=INSTANCE, who=who, **{"aws:ResourceTag/": existing})

    assert stops({"project": "dorky"}, {"project": "dorky"})
    assert not stops({"project": "dorky"}, {"project": "geeky"})
    assert not stops({"project": "dorky"}, {})
    assert not stops({}, {"project": "dorky"})
    assert not stops({}, {})
