"""Temporary credentials."""

from __future__ import annotations

import pytest

from .conftest import ACCOUNT, OTHER, policy, trust

ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def test_caller_identity_needs_no_permission(people):
    """GetCallerIdentity answers even where a policy denies it."""
    bob = people.user("bob", policy({"Effect": "Deny", "Action": "*"}))
    answer = bob("sts").get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/bob")
    assert answer["UserId"].startswith("AIDA")


def test_assume_role_in_one_account(people, refused):
    """A trust policy that names the account leaves it to the caller's policies; one that names the user is enough."""
    bob = people.user()
    arn = people.role("r", trust(ROOT), policy({"Action": "iam:ListUsers"}))
    with refused("AccessDenied", "sts:AssumeRole", arn):
        bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1")
    people.iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=policy({"Action": "sts:AssumeRole", "Resource": arn}))
    answer = bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s1"
    session = people.session(answer)
    assert session.key.startswith("ASIA")
    assert session("sts").get_caller_identity()["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    session("iam").list_users()
    with refused("AccessDenied", f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s1"):
        session("iam").list_roles()


def test_trust_that_names_the_user_is_enough(people):
    """No policy of the user is needed."""
    bob = people.user()
    arn = people.role("r", trust(f"arn:aws:iam::{ACCOUNT}:user/bob"))
    bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1")


def test_trust_in_somebody_else(people, refused):
    """Whom the trust policy does not name is denied, whatever the caller's policies."""
    bob = people.user("bob", policy({"Action": "*"}))
    people.iam.create_user(UserName="eve")
    arn = people.role("r", trust(f"arn:aws:iam::{ACCOUNT}:user/eve"))
    with refused("AccessDenied"):
        bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1")


def test_trust_follows_the_user_and_not_the_name(people, refused):
    """A renamed user stays trusted; once deleted only an id is left, and a new user of the name is not trusted."""
    bob = people.user("bob")
    arn = people.role("r", trust(f"arn:aws:iam::{ACCOUNT}:user/bob"))
    people.iam.update_user(UserName="bob", NewUserName="rob")
    bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1")
    people.iam.delete_access_key(UserName="rob", AccessKeyId=bob.key)
    id = people.iam.get_user(UserName="rob")["User"]["UserId"]
    people.iam.delete_user(UserName="rob")
    shown = people.iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"]
    assert shown["Statement"][0]["Principal"] == {"AWS": id}
    rob = people.user("rob", policy({"Action": "*"}))
    with refused("AccessDenied"):
        rob("sts").assume_role(RoleArn=arn, RoleSessionName="s1")


def test_role_that_is_not_there(people, refused):
    """An absent role is a denial that tells no more."""
    bob = people.user("bob", policy({"Action": "*"}))
    with refused("AccessDenied"):
        bob("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/none", RoleSessionName="s1")


def test_across_accounts_both_sides_must_allow(people, cloud, refused):
    """The role's account trusts, and the caller's account allows."""
    other = people.root(OTHER)("iam")
    other.create_user(UserName="eve")
    key = other.create_access_key(UserName="eve")["AccessKey"]
    eve = people.session({"Credentials": key | {"SessionToken": None}})
    arn = people.role("r", trust(f"arn:aws:iam::{OTHER}:root"), policy({"Action": "iam:ListUsers"}))
    with refused("AccessDenied"):
        eve("sts").assume_role(RoleArn=arn, RoleSessionName="s1")
    other.put_user_policy(UserName="eve", PolicyName="p", PolicyDocument=policy({"Action": "sts:AssumeRole"}))
    session = people.session(eve("sts").assume_role(RoleArn=arn, RoleSessionName="s1"))
    assert session("sts").get_caller_identity()["Account"] == ACCOUNT
    assert session("iam").list_users()["Users"] == []
    people.iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust("arn:aws:iam::444455556666:root"))
    with refused("AccessDenied"):
        eve("sts").assume_role(RoleArn=arn, RoleSessionName="s1")


def test_root_of_another_account(people):
    """The root user of a trusted account assumes the role (AWS lets no root do so; here the well-known keys are root)."""
    arn = people.role("r", trust(f"arn:aws:iam::{OTHER}:root"))
    session = people.session(people.root(OTHER)("sts").assume_role(RoleArn=arn, RoleSessionName="s1"))
    assert session("sts").get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s1"


def test_external_id(people, sts, refused):
    """sts:ExternalId must be the one that the trust policy asks for."""
    arn = people.role("r", trust(ROOT, Condition={"StringEquals": {"sts:ExternalId": "x-17"}}))
    sts.assume_role(RoleArn=arn, RoleSessionName="s1", ExternalId="x-17")
    for wrong in ({}, {"ExternalId": "x-18"}):
        with refused("AccessDenied"):
            sts.assume_role(RoleArn=arn, RoleSessionName="s1", **wrong)


def test_role_session_name_condition(people, refused):
    """sts:RoleSessionName may be made the caller's name."""
    bob = people.user("bob", policy({"Action": "sts:AssumeRole"}))
    arn = people.role("r", trust(ROOT, Condition={"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}))
    bob("sts").assume_role(RoleArn=arn, RoleSessionName="bob")
    with refused("AccessDenied"):
        bob("sts").assume_role(RoleArn=arn, RoleSessionName="eve")


def test_session_policy_narrows(people, sts, refused):
    """A session may what both the role's policies and its session policies allow; each session has its own."""
    arn = people.role("r", trust(ROOT), policy({"Action": ["iam:ListUsers", "iam:ListRoles"]}))
    narrow = policy({"Action": ["iam:ListUsers", "iam:ListGroups"]})
    session = people.session(sts.assume_role(RoleArn=arn, RoleSessionName="s1", Policy=narrow))
    session("iam").list_users()
    with refused("AccessDenied", "no session policy allows"):
        session("iam").list_roles()
    with refused("AccessDenied"):
        session("iam").list_groups()
    wide = people.session(sts.assume_role(RoleArn=arn, RoleSessionName="s1"))
    wide("iam").list_roles()
    with refused("AccessDenied"):
        session("iam").list_roles()
    managed = people.session(
        sts.assume_role(RoleArn=arn, RoleSessionName="s1", PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AmazonSQSFullAccess"}])
    )
    with refused("AccessDenied"):
        managed("iam").list_users()


def test_session_policy_sizes(people, sts, refused):
    """PackedPolicySize is a percentage; more than there is room for is PackedPolicyTooLarge."""
    arn = people.role("r", trust(ROOT))
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="s1", Policy=policy({"Action": "s3:*"}))
    assert 0 < answer["PackedPolicySize"] < 20
    assert "PackedPolicySize" not in sts.assume_role(RoleArn=arn, RoleSessionName="s1")
    with refused("PackedPolicyTooLarge"):
        sts.assume_role(RoleArn=arn, RoleSessionName="s1", Policy=policy({"Action": [f"s3:Get{n}" for n in range(200)]}))
    with refused("MalformedPolicyDocument"):
        sts.assume_role(RoleArn=arn, RoleSessionName="s1", Policy="{}")


def test_session_tags(people, refused):
    """Session tags are the session's principal tags, over the role's; they need sts:TagSession on both sides."""
    bob = people.user("bob", policy({"Action": ["sts:AssumeRole", "sts:TagSession"]}))
    document = policy({"Action": "iam:ListUsers", "Condition": {"StringEquals": {"aws:PrincipalTag/project": "dorky"}}})
    arn = people.role("r", trust(ROOT, "sts:AssumeRole"), document, Tags=[{"Key": "project", "Value": "none"}])
    tags = [{"Key": "project", "Value": "dorky"}]
    with refused("AccessDenied", "sts:TagSession"):
        bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1", Tags=tags)
    people.iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust(ROOT, "sts:AssumeRole", "sts:TagSession"))
    people.session(bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1", Tags=tags))("iam").list_users()
    plain = people.session(bob("sts").assume_role(RoleArn=arn, RoleSessionName="s1"))
    with refused("AccessDenied"):
        plain("iam").list_users()


def test_required_session_tags(people, sts, refused):
    """A trust policy may ask for tags by aws:RequestTag."""
    arn = people.role("r", trust(ROOT, "sts:AssumeRole", "sts:TagSession", Condition={"StringLike": {"aws:RequestTag/team": "*"}}))
    sts.assume_role(RoleArn=arn, RoleSessionName="s1", Tags=[{"Key": "team", "Value": "a"}])
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="s1")


def test_chaining(people, sts, refused):
    """A chained session lasts an hour at most; transitive tags and the source identity go on and cannot be changed."""
    actions = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
    first = people.role("first", trust(ROOT, *actions), policy({"Action": "sts:*"}))
    second = people.role(
        "second",
        trust(ROOT, *actions),
        policy({"Action": "iam:ListUsers", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "a", "aws:SourceIdentity": "alice"}}}),
        MaxSessionDuration=7200,
    )
    one = people.session(
        sts.assume_role(
            RoleArn=first,
            RoleSessionName="s1",
            Tags=[{"Key": "team", "Value": "a"}, {"Key": "x", "Value": "1"}],
            TransitiveTagKeys=["team"],
            SourceIdentity="alice",
        )
    )
    with refused("ValidationError", "1 hour session limit"):
        one("sts").assume_role(RoleArn=second, RoleSessionName="s2", DurationSeconds=3601)
    with refused("InvalidParameterValue"):
        one("sts").assume_role(RoleArn=second, RoleSessionName="s2", Tags=[{"Key": "Team", "Value": "b"}])
    with refused("AccessDenied"):
        one("sts").assume_role(RoleArn=second, RoleSessionName="s2", SourceIdentity="eve")
    answer = one("sts").assume_role(RoleArn=second, RoleSessionName="s2")
    assert answer["SourceIdentity"] == "alice"
    people.session(answer)("iam").list_users()


def test_expiry_by_the_clock(people, sts, cloud, refused):
    """Credentials end when the cloud's clock says so."""
    arn = people.role("r", trust(ROOT), policy({"Action": "iam:ListUsers"}))
    session = people.session(sts.assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=900))
    cloud.advance(899)
    session("iam").list_users()
    cloud.advance(2)
    with refused("ExpiredToken"):
        session("iam").list_users()


@pytest.mark.parametrize(("asked", "code"), [(3600, None), (3601, "ValidationError")])
def test_longest_session_of_a_role(people, sts, refused, asked, code):
    """DurationSeconds may not exceed the role's MaxSessionDuration."""
    arn = people.role("r", trust(ROOT))
    if code is None:
        sts.assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=asked)
    else:
        with refused(code, "exceeds the MaxSessionDuration set for this role"):
            sts.assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=asked)


def test_sessions_end_with_their_role(people, sts, refused):
    """Without its role a session is nobody; a policy of the role that changes counts for running sessions."""
    arn = people.role("r", trust(ROOT), policy({"Action": "iam:ListUsers"}))
    session = people.session(sts.assume_role(RoleArn=arn, RoleSessionName="s1"))
    people.iam.delete_role_policy(RoleName="r", PolicyName="p")
    with refused("AccessDenied"):
        session("iam").list_users()
    people.iam.delete_role(RoleName="r")
    with refused("InvalidClientTokenId"):
        session("sts").get_caller_identity()


def test_session_needs_its_token(people, sts, refused, cloud):
    """The key and the secret alone do not do."""
    arn = people.role("r", trust(ROOT))
    given = sts.assume_role(RoleArn=arn, RoleSessionName="s1")["Credentials"]
    for token in (None, "x" * 40):
        with refused("InvalidClientTokenId"):
            cloud.client("sts", access_key=given["AccessKeyId"], secret=given["SecretAccessKey"], token=token).get_caller_identity()


def test_get_session_token(people, refused):
    """A user's own permissions for a while, but not IAM's (without MFA), and of STS only AssumeRole and GetCallerIdentity."""
    bob = people.user("bob", policy({"Action": "*"}))
    session = people.session(bob("sts").get_session_token())
    assert session("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/bob"
    session("sqs").list_queues()
    with refused("AccessDenied"):
        session("iam").list_users()
    with refused("AccessDenied"):
        session("sts").get_session_token()
    bob("iam").list_users()


def test_root_session(cloud, people, sts, refused):
    """Root's session token is root's, for an hour at most; without MFA it may not call IAM."""
    answer = sts.get_session_token(DurationSeconds=43200)
    root = people.session(answer)
    assert root("sts").get_caller_identity()["Arn"] == ROOT
    root("sqs").create_queue(QueueName="q")
    with refused("AccessDenied"):
        root("iam").create_user(UserName="x")
    assert abs(answer["Credentials"]["Expiration"].timestamp() * 1000 - cloud.now_ms - 3_600_000) < 1000


def test_get_federation_token(people, refused):
    """What the user and the session policy both allow; nothing without a session policy; no IAM."""
    bob = people.user("bob", policy({"Action": ["sts:GetFederationToken", "sqs:*", "iam:*"]}))
    answer = bob("sts").get_federation_token(Name="fred", Policy=policy({"Action": ["sqs:ListQueues", "s3:*", "iam:*"]}))
    assert answer["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:fred", "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/fred"}
    fred = people.session(answer)
    assert fred("sts").get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/fred"
    fred("sqs").list_queues()
    with refused("AccessDenied"):
        fred("sqs").create_queue(QueueName="q")
    with refused("AccessDenied"):
        fred("s3").list_buckets()
    with refused("AccessDenied"):
        fred("iam").list_users()
    nobody = people.session(bob("sts").get_federation_token(Name="nobody"))
    with refused("AccessDenied"):
        nobody("sqs").list_queues()


def test_federation_by_root(people, sts):
    """Root's federated user may what the session policy allows."""
    fred = people.session(sts.get_federation_token(Name="fred", Policy=policy({"Action": "sqs:ListQueues"})))
    fred("sqs").list_queues()


def test_service_role_is_not_for_users(people, sts, refused):
    """A role that trusts only a service cannot be assumed by a user."""
    arn = people.role("r", trust({"Service": "lambda.amazonaws.com"}))
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="s1")


def test_messages_that_are_not_ours(sts, refused):
    """DecodeAuthorizationMessage reads only what the cloud encoded."""
    from fogbank.services.iam.authorization_messages import encode

    with refused("InvalidAuthorizationMessageException"):
        sts.decode_authorization_message(EncodedMessage="aGVsbG8")
    assert sts.decode_authorization_message(EncodedMessage=encode({"allowed": False}))["DecodedMessage"] == '{"allowed":false}'


def test_minimum_token_size(people, sts):
    """A session token can be made longer; the answer tells its size."""
    arn = people.role("r", trust(ROOT))
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="s1", MinimumSessionTokenSize=2000)
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"]) == 2000
