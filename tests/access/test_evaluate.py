"""The evaluation: who may, when several kinds of policies speak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.access.context import Context
from fogbank.access.evaluate import Layer, Named, Policies, Query, decide, denial_message, explain
from fogbank.access.principal import Principal, canonical_id, root, service

from .policies import ACCOUNT, ACTION, FEDERATED, NOBODY, OTHER, RESOURCE, ROOT, SERVICE, SESSION, USER, ask, policy

ALLOW, DENY, SILENT = "allow", "deny", "silent"
NAMES_USER: dict[str, Any] = {"Principal": {"AWS": USER.arn}}
NAMES_ACCOUNT: dict[str, Any] = {"Principal": {"AWS": ACCOUNT}}
NAMES_ROLE: dict[str, Any] = {"Principal": {"AWS": SESSION.issuer_arn}}
NAMES_SESSION: dict[str, Any] = {"Principal": {"AWS": SESSION.arn}}
NAMES_ALL: dict[str, Any] = {"Principal": "*"}


def says(what: str) -> list[Named]:
    """A policy that allows, denies, or speaks of something else."""
    statement = {ALLOW: {}, DENY: {"Effect": "Deny"}, SILENT: {"Action": "sns:*"}}[what]
    return [policy(statement)]


def stack(
    identity: str | None = None,
    *,
    resource: dict[str, Any] | None = None,
    boundary: str | None = None,
    session: str | None = None,
    scp: str | None = None,
    owner: str = "",
    required: bool = False,
) -> Policies:
    """Policies by what each kind says; None where there is none of that kind."""
    return Policies(
        identity=says(identity) if identity else [],
        resource=policy(resource, kind="resource") if resource else None,
        boundary=says(boundary)[0] if boundary else None,
        session=says(session) if session else [],
        scps=[says(scp)] if scp else [],
        resource_account=owner,
        resource_required=required,
    )


IDENTITY, BOUNDARY, SESSION_, SCP, RESOURCE_ = Layer.IDENTITY, Layer.BOUNDARY, Layer.SESSION, Layer.SCP, Layer.RESOURCE

# who, policies, the layer that decided, allowed
MATRIX: list[tuple[str, Principal, Policies, Layer, bool]] = [
    # one account: SCP and (identity or resource), within boundary and session policies
    ("nothing allows", USER, stack(), IDENTITY, False),
    ("identity allows", USER, stack(ALLOW), IDENTITY, True),
    ("identity speaks of other things", USER, stack(SILENT), IDENTITY, False),
    ("resource names the user", USER, stack(resource=NAMES_USER), RESOURCE_, True),
    ("resource names everybody", USER, stack(resource=NAMES_ALL), RESOURCE_, True),
    ("resource hands over to the account, which is silent", USER, stack(resource=NAMES_ACCOUNT), IDENTITY, False),
    ("resource hands over to the account, which allows", USER, stack(ALLOW, resource=NAMES_ACCOUNT), IDENTITY, True),
    ("resource names somebody else", USER, stack(resource=NAMES_SESSION), IDENTITY, False),
    ("scp allows", USER, stack(ALLOW, scp=ALLOW), IDENTITY, True),
    ("scp is silent", USER, stack(ALLOW, scp=SILENT), SCP, False),
    ("scp denies", USER, stack(ALLOW, scp=DENY), SCP, False),
    ("scp is silent, resource names the user", USER, stack(resource=NAMES_USER, scp=SILENT), SCP, False),
    ("boundary allows", USER, stack(ALLOW, boundary=ALLOW), IDENTITY, True),
    ("boundary alone allows", USER, stack(boundary=ALLOW), IDENTITY, False),
    ("boundary is silent", USER, stack(ALLOW, boundary=SILENT), BOUNDARY, False),
    ("boundary denies", USER, stack(ALLOW, boundary=DENY), BOUNDARY, False),
    ("boundary is silent, resource names the user", USER, stack(boundary=SILENT, resource=NAMES_USER), RESOURCE_, True),
    ("boundary denies, resource names the user", USER, stack(boundary=DENY, resource=NAMES_USER), BOUNDARY, False),
    ("identity denies, resource names the user", USER, stack(DENY, resource=NAMES_USER), IDENTITY, False),
    ("resource denies", USER, stack(ALLOW, resource={"Effect": "Deny", **NAMES_ALL}), RESOURCE_, False),
    # role sessions
    ("session policy allows", SESSION, stack(ALLOW, session=ALLOW), IDENTITY, True),
    ("session policy is silent", SESSION, stack(ALLOW, session=SILENT), SESSION_, False),
    ("session policy alone allows", SESSION, stack(session=ALLOW), IDENTITY, False),
    ("resource names the role", SESSION, stack(resource=NAMES_ROLE), RESOURCE_, True),
    ("resource names the role, session policy is silent", SESSION, stack(resource=NAMES_ROLE, session=SILENT), SESSION_, False),
    ("resource names the role, session policy allows", SESSION, stack(resource=NAMES_ROLE, session=ALLOW), RESOURCE_, True),
    ("resource names the role, boundary is silent", SESSION, stack(resource=NAMES_ROLE, boundary=SILENT), BOUNDARY, False),
    ("resource names the session", SESSION, stack(resource=NAMES_SESSION), RESOURCE_, True),
    (
        "resource names the session, limits are silent",
        SESSION,
        stack(resource=NAMES_SESSION, session=SILENT, boundary=SILENT),
        RESOURCE_,
        True,
    ),
    ("resource names the session, session policy denies", SESSION, stack(resource=NAMES_SESSION, session=DENY), SESSION_, False),
    # federated users: what their user has and their session policies allow
    ("federated, no session policy", FEDERATED, stack(ALLOW), SESSION_, False),
    ("federated, session policy allows", FEDERATED, stack(ALLOW, session=ALLOW), IDENTITY, True),
    ("federated, resource names the session", FEDERATED, stack(resource={"Principal": {"AWS": FEDERATED.arn}}), RESOURCE_, True),
    ("federated, resource names the user", FEDERATED, stack(resource=NAMES_USER), SESSION_, False),
    # the root user
    ("root", ROOT, stack(), Layer.ROOT, True),
    ("root, scp is silent", ROOT, stack(scp=SILENT), SCP, False),
    ("root, scp denies", ROOT, stack(scp=DENY), SCP, False),
    ("root, resource denies", ROOT, stack(resource={"Effect": "Deny", **NAMES_ALL}), RESOURCE_, False),
    # two accounts: SCP and identity and resource
    ("across, only identity", USER, stack(ALLOW, owner=OTHER), RESOURCE_, False),
    ("across, only resource", USER, stack(resource=NAMES_USER, owner=OTHER), IDENTITY, False),
    ("across, both", USER, stack(ALLOW, resource=NAMES_USER, owner=OTHER), RESOURCE_, True),
    ("across, resource trusts the account", USER, stack(ALLOW, resource=NAMES_ACCOUNT, owner=OTHER), RESOURCE_, True),
    ("across, resource trusts the account, identity is silent", USER, stack(SILENT, resource=NAMES_ACCOUNT, owner=OTHER), IDENTITY, False),
    ("across, both, scp is silent", USER, stack(ALLOW, resource=NAMES_USER, owner=OTHER, scp=SILENT), SCP, False),
    ("across, both, boundary is silent", USER, stack(ALLOW, resource=NAMES_USER, owner=OTHER, boundary=SILENT), BOUNDARY, False),
    ("across, both, session is silent", SESSION, stack(ALLOW, resource=NAMES_SESSION, owner=OTHER, session=SILENT), SESSION_, False),
    ("across, root, resource is silent", ROOT, stack(owner=OTHER), RESOURCE_, False),
    ("across, root, resource trusts the account", ROOT, stack(resource=NAMES_ACCOUNT, owner=OTHER), RESOURCE_, True),
    # key policies and trust policies: nothing without them
    ("required, only identity", USER, stack(ALLOW, resource={**NAMES_USER, "Action": "x:*"}, required=True), RESOURCE_, False),
    ("required, delegates to the account", USER, stack(ALLOW, resource=NAMES_ACCOUNT, required=True), IDENTITY, True),
    ("required, delegates, identity is silent", USER, stack(resource=NAMES_ACCOUNT, required=True), IDENTITY, False),
    ("required, names the user", USER, stack(resource=NAMES_USER, required=True), RESOURCE_, True),
    ("required, root, not delegated", ROOT, stack(resource=NAMES_USER, required=True), RESOURCE_, False),
    ("required, root, delegated", ROOT, stack(resource=NAMES_ACCOUNT, required=True), Layer.ROOT, True),
    # those whom only the resource's policy knows
    ("nobody", NOBODY, stack(ALLOW), RESOURCE_, False),
    ("nobody, resource is public", NOBODY, stack(resource=NAMES_ALL), RESOURCE_, True),
    ("nobody, resource names an account", NOBODY, stack(resource=NAMES_ACCOUNT), RESOURCE_, False),
    ("nobody, resource denies", NOBODY, stack(resource={"Effect": "Deny", **NAMES_ALL}), RESOURCE_, False),
    ("service, named", SERVICE, stack(resource={"Principal": {"Service": "events.amazonaws.com"}}), RESOURCE_, True),
    ("service, another named", SERVICE, stack(resource={"Principal": {"Service": "sns.amazonaws.com"}}), RESOURCE_, False),
    ("service, scp is silent", SERVICE, stack(resource={"Principal": {"Service": "events.amazonaws.com"}}, scp=SILENT), RESOURCE_, True),
]


@pytest.mark.parametrize(("who", "policies", "layer", "allowed"), [pytest.param(*rest, id=name) for name, *rest in MATRIX])
def test_the_matrix(who: Principal, policies: Policies, layer: Layer, allowed: bool) -> None:
    """Who decides what, by AWS's evaluation logic."""
    decision = ask(policies, who=who)
    assert (decision.layer, decision.allowed) == (layer, allowed)


LAYERS = st.sampled_from([None, ALLOW, DENY, SILENT])
NAMINGS = st.sampled_from([None, NAMES_USER, NAMES_ACCOUNT, NAMES_ROLE, NAMES_SESSION, NAMES_ALL])


@given(
    who=st.sampled_from([USER, SESSION, FEDERATED, ROOT]),
    said=st.tuples(LAYERS, LAYERS, LAYERS, LAYERS),
    naming=NAMINGS,
    effect=st.sampled_from(["Allow", "Deny"]),
    owner=st.sampled_from(["", ACCOUNT, OTHER]),
    required=st.booleans(),
)
def test_an_explicit_denial_always_wins(
    who: Principal, said: tuple[str | None, ...], naming: dict[str, Any] | None, effect: str, owner: str, required: bool
) -> None:
    """Whatever allows, one statement that denies is the end; and `explain` says the same as `decide`."""
    resource = {**naming, "Effect": effect} if naming else None
    identity, boundary, session, scp = said
    policies = stack(identity, resource=resource, boundary=boundary, session=session, scp=scp, owner=owner, required=required)
    decision = ask(policies, who=who)
    denies_all = resource is not None and effect == "Deny" and naming is NAMES_ALL
    if DENY in said or denies_all:
        assert not decision.allowed
        assert decision.explicit
    explanation = explain(Query(who, ACTION, RESOURCE, Context(who)), policies)
    assert (explanation.allowed, explanation.layer, explanation.decision) == (decision.allowed, decision.layer, decision.reason)
    assert ("explicitDeny" in {result.decision for result in explanation.policies}) == decision.explicit


def test_every_level_of_the_organization_has_to_allow() -> None:
    """Root, organizational unit, account: one that is silent is enough for a no."""
    for levels, allowed in (((ALLOW, ALLOW), True), ((ALLOW, SILENT), False), ((SILENT, ALLOW), False), ((SILENT, DENY), False)):
        policies = Policies(identity=says(ALLOW), scps=[says(level) for level in levels])
        decision = ask(policies)
        assert decision.allowed is allowed
        assert decision.explicit is (DENY in levels)


def test_an_endpoint_policy_limits_everybody() -> None:
    """A VPC endpoint's policy has to allow too, and denies by itself."""
    for statement, allowed in (({}, True), ({"Action": "sns:*"}, False), ({"Effect": "Deny"}, False)):
        endpoint = policy({"Principal": "*", **statement}, kind="resource")
        assert ask(msgspec.structs.replace(stack(ALLOW), endpoint=endpoint)).allowed is allowed


PRINCIPALS: list[tuple[Any, Principal, bool]] = [
    ("*", USER, True),
    ({"AWS": "*"}, SESSION, True),
    ({"AWS": ["arn:aws:iam::222222222222:user/x", USER.arn]}, USER, True),
    ({"AWS": USER.arn}, msgspec.structs.replace(USER, arn=USER.arn + "2"), False),
    ({"AWS": USER.user_id}, USER, True),
    ({"AWS": "AROAEXAMPLE00000000R"}, SESSION, True),
    ({"AWS": "AROAEXAMPLE00000000R:s"}, SESSION, True),
    ({"AWS": "AROAEXAMPLE00000000R:t"}, SESSION, False),
    ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, ROOT, True),
    ({"AWS": OTHER}, ROOT, False),
    ({"CanonicalUser": canonical_id(ROOT.account)}, ROOT, True),
    ({"Federated": "accounts.google.com"}, Principal(kind="web-identity", federated_provider="accounts.google.com"), True),
    ({"Federated": "accounts.google.com"}, Principal(kind="web-identity", federated_provider="graph.facebook.com"), False),
    ({"Service": ["a.amazonaws.com", "b.amazonaws.com"]}, service("b.amazonaws.com"), True),
    ({"Service": "b.amazonaws.com"}, USER, False),
    ({"AWS": "*", "Service": "b.amazonaws.com"}, NOBODY, True),
]


@pytest.mark.parametrize(("element", "who", "named"), PRINCIPALS)
def test_principal_elements(element: Any, who: Principal, named: bool) -> None:
    """Accounts, users, roles, sessions, unique ids, services, providers, canonical users."""
    assert ask(Policies(resource=policy({"Principal": element}, kind="resource"), resource_required=True), who=who).allowed is named


@pytest.mark.parametrize(
    ("listed", "who", "denied"),
    [
        ([USER.arn, f"arn:aws:iam::{ACCOUNT}:root"], USER, False),
        ([USER.arn], USER, True),
        ([f"arn:aws:iam::{ACCOUNT}:root"], USER, True),
        ([f"arn:aws:iam::{ACCOUNT}:root"], ROOT, False),
        ([SESSION.arn, SESSION.issuer_arn, ACCOUNT], SESSION, False),
        ([SESSION.issuer_arn, ACCOUNT], SESSION, True),
        ([OTHER], USER, True),
    ],
)
def test_not_principal_denies_all_but_those_it_lists(listed: Sequence[str], who: Principal, denied: bool) -> None:
    """Deny with NotPrincipal spares a caller only where session, role or user, and account are all listed, as AWS documents."""
    resource = policy({"Effect": "Deny", "NotPrincipal": {"AWS": listed}}, {"Principal": "*"}, kind="resource")
    assert ask(Policies(identity=says(ALLOW), resource=resource), who=who).allowed is not denied


def test_not_principal_allows_all_but_those_it_lists() -> None:
    """Allow with NotPrincipal."""
    resource = policy({"NotPrincipal": {"AWS": USER.arn}}, kind="resource")
    assert not ask(Policies(resource=resource)).allowed
    assert ask(Policies(resource=resource), who=SESSION).allowed


def test_a_trust_policy_decides_alone_about_web_identities() -> None:
    """AssumeRoleWithWebIdentity: the provider, and what its token says."""
    trust = policy(
        {
            "Principal": {"Federated": "arn:aws:iam::1:oidc-provider/idp"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"idp:aud": "app"}},
        },
        kind="trust",
    )
    for audience, allowed in (("app", True), ("other", False)):
        who = Principal(kind="web-identity", federated_provider="arn:aws:iam::1:oidc-provider/idp", claims={"idp:aud": audience})
        query = Query(who, "sts:AssumeRoleWithWebIdentity", "arn:aws:iam::1:role/r", Context(who))
        assert decide(query, Policies(resource=trust, resource_required=True)).allowed is allowed


def test_a_role_may_be_assumed_when_its_trust_policy_names_the_caller() -> None:
    """In one account the trust policy alone is enough where it names the user; where it names the account, the user's policy counts."""
    for principal, identity, allowed in ((USER.arn, None, True), (ACCOUNT, None, False), (ACCOUNT, ALLOW, True), (OTHER, ALLOW, False)):
        trust = policy({"Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}, kind="trust")
        policies = Policies(identity=says(identity) if identity else [], resource=trust, resource_required=True, resource_account=ACCOUNT)
        assert ask(policies, action="sts:AssumeRole", resource=f"arn:aws:iam::{ACCOUNT}:role/r").allowed is allowed


MESSAGES: list[tuple[Policies, str]] = [
    (stack(), "because no identity-based policy allows the sqs:sendmessage action"),
    (stack(DENY), "with an explicit deny in an identity-based policy"),
    (stack(ALLOW, boundary=SILENT), "because no permissions boundary allows the sqs:sendmessage action"),
    (stack(ALLOW, boundary=DENY), "with an explicit deny in a permissions boundary"),
    (stack(ALLOW, session=SILENT), "because no session policy allows the sqs:sendmessage action"),
    (stack(ALLOW, session=DENY), "with an explicit deny in a session policy"),
    (stack(ALLOW, scp=SILENT), "because no service control policy allows the sqs:sendmessage action"),
    (stack(ALLOW, scp=DENY), "with an explicit deny in a service control policy"),
    (stack(ALLOW, owner=OTHER), "because no resource-based policy allows the sqs:sendmessage action"),
    (stack(ALLOW, resource={"Effect": "Deny", **NAMES_ALL}), "with an explicit deny in a resource-based policy"),
]


@pytest.mark.parametrize(("policies", "why"), MESSAGES)
def test_a_denial_says_why(policies: Policies, why: str) -> None:
    """AWS's sentence, for each kind of policy; SQS's actions are in lower case there."""
    query = Query(USER, ACTION, RESOURCE, Context(USER))
    message = denial_message(query, decide(query, policies))
    assert message == f"User: {USER.arn} is not authorized to perform: sqs:sendmessage on resource: {RESOURCE} {why}"


def test_a_denial_in_s3_and_ec2() -> None:
    """S3 puts the resource in quotes; EC2 is silent about one that is none."""
    query = Query(USER, "s3:GetObject", "arn:aws:s3:::b/k", Context(USER))
    assert ' on resource: "arn:aws:s3:::b/k" because' in denial_message(query, decide(query, stack()))
    query = Query(USER, "ec2:DescribeInstances", "*", Context(USER))
    assert "perform: ec2:DescribeInstances because no identity" in denial_message(query, decide(query, stack()))


def test_an_explanation_names_what_failed() -> None:
    """For each statement the first element that did not fit, and what each condition found."""
    identity = policy(
        {"Sid": "A", "Action": "sns:*"},
        {"Sid": "B", "Resource": "arn:aws:sqs:*:*:other"},
        {"Sid": "C", "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}, "Bool": {"x:Missing": "true"}}},
        {"Sid": "D", "Action": "sqs:*"},
        name="arn:aws:iam::aws:policy/P",
    )
    resource = policy({"Principal": {"AWS": OTHER}}, kind="resource", name="queue policy")
    query = Query(USER, ACTION, RESOURCE, Context(USER, region="eu-west-1"))
    explanation = explain(query, Policies(identity=[identity], resource=resource))
    assert explanation.allowed
    assert [[(s.sid, s.failed) for s in p.statements] for p in explanation.policies] == [
        [("", "Principal")],
        [("A", "Action"), ("B", "Resource"), ("C", "Condition"), ("D", None)],
    ]
    found = [(c.operator, c.key, c.found, c.matched) for c in explanation.policies[1].statements[2].conditions]
    assert found == [("StringEquals", "aws:RequestedRegion", "eu-west-1", False), ("Bool", "x:Missing", None, False)]
    assert explanation.missing_keys == ["x:Missing"]
    assert [(p.name, s.sid) for p, s in explanation.matched()] == [("arn:aws:iam::aws:policy/P", "D")]
    assert msgspec.json.decode(msgspec.json.encode(explanation))["keys"]["aws:username"] == "ann"


def test_the_same_question_has_the_same_answer_again() -> None:
    """What a policy keeps about an action does not change what it says of the next resource or caller."""
    identity = policy({"Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:username}"}, {"Effect": "Deny", "Action": "s3:Put*"})
    policies = Policies(identity=[identity])
    bob = msgspec.structs.replace(USER, name="bob")
    for _ in range(2):
        for who, resource, allowed in ((USER, "b/ann", True), (bob, "b/ann", False), (bob, "b/bob", True), (root(ACCOUNT), "b/x", True)):
            assert ask(policies, who=who, action="s3:GetObject", resource=f"arn:aws:s3:::{resource}").allowed is allowed
            assert not ask(policies, who=who, action="s3:PutObject", resource=f"arn:aws:s3:::{resource}").allowed
