"""Every condition operator, its qualifiers, and policy variables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.access.context import Context, tags_requested
from fogbank.access.evaluate import Policies
from fogbank.access.principal import Principal
from fogbank.kernel.http import HttpRequest

from .policies import RESOURCE, SESSION, USER, ask, granted, policy

# operator, the policy's values, values that meet it, values that do not
OPERATORS: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("StringEquals", ["a", "b*"], ["a", "b*"], ["A", "bc", "", None]),
    ("StringNotEquals", ["a", "b"], ["c", "A", None], ["a", "b"]),
    ("StringEqualsIgnoreCase", ["Ab"], ["ab", "AB"], ["abc", None]),
    ("StringNotEqualsIgnoreCase", ["Ab"], ["abc", None], ["aB"]),
    ("StringLike", ["a*c", "x?z", "lit[1]"], ["ac", "abbc", "xyz", "lit[1]"], ["abcd", "xz", "AC", "lit1", None]),
    ("StringNotLike", ["a*"], ["b", None], ["a", "abc"]),
    ("NumericEquals", 5, ["5", "5.0", 5], ["6", "x", None]),
    ("NumericNotEquals", 5, ["6", None], ["5"]),
    ("NumericLessThan", "5", ["4", "-1", "4.99"], ["5", "6", None]),
    ("NumericLessThanEquals", "5", ["5", "4"], ["5.1", None]),
    ("NumericGreaterThan", "5", ["6"], ["5", "4", None]),
    ("NumericGreaterThanEquals", "5", ["5", "6"], ["4", None]),
    ("DateEquals", "2026-01-01T00:00:00Z", ["2026-01-01", "1767225600", "2026-01-01T01:00:00+01:00"], ["2026-01-02", None]),
    ("DateNotEquals", "2026-01-01T00:00:00Z", ["2026-01-02", None], ["2026-01-01T00:00:00Z"]),
    ("DateLessThan", "2026-01-01T00:00:00Z", ["2025-12-31T23:59:59Z"], ["2026-01-01T00:00:00Z", None]),
    ("DateLessThanEquals", "2026", ["2026-01-01T00:00:00Z"], ["2026-01-01T00:00:01Z"]),
    ("DateGreaterThan", "1767225600", ["2026-01-01T00:00:01Z"], ["2026-01-01T00:00:00Z", None]),
    ("DateGreaterThanEquals", "2026-01-01", ["2026-01-01T00:00:00Z"], ["2025-12-31T23:59:59.5Z"]),
    ("Bool", "true", ["true", "TRUE", True], ["false", False, None]),
    ("Bool", False, ["false"], ["true", None]),
    ("BinaryEquals", "QmluYXJ5", ["QmluYXJ5"], ["QmluYXJ4", "not base64!", None]),
    ("IpAddress", ["10.0.0.0/8", "2001:db8::/32"], ["10.1.2.3", "2001:db8::1", "::ffff:10.0.0.1"], ["11.0.0.1", "2001:db9::1", "x", None]),
    ("NotIpAddress", "10.0.0.0/8", ["11.0.0.1", "::1", None], ["10.0.0.1"]),
    ("IpAddress", "192.0.2.7", ["192.0.2.7"], ["192.0.2.8"]),
    ("ArnEquals", "arn:aws:sns:*:1:t*", ["arn:aws:sns:eu:1:topic"], ["arn:aws:sns:eu:2:topic", "arn:aws:sqs:eu:1:t", None]),
    ("ArnLike", "arn:aws:s3:::b/*", ["arn:aws:s3:::b/a:b/c"], ["arn:aws:s3:::c/a", "b/a", None]),
    ("ArnLike", "arn:aws:iam::*:role/x", ["arn:aws:iam::1:role/x"], ["arn:aws:iam::1:user:role/x"]),
    ("ArnLike", "arn:aws:sns:eu:1", [], ["arn:aws:sns:eu:1:t"]),
    ("ArnNotEquals", "arn:aws:sns:*:1:t", ["arn:aws:sns:eu:1:u", None], ["arn:aws:sns:eu:1:t"]),
    ("ArnNotLike", "arn:aws:sns:*:1:t*", ["arn:aws:sns:eu:1:u", None], ["arn:aws:sns:eu:1:tt"]),
    ("Null", "true", [None], ["x"]),
    ("Null", "false", ["x"], [None]),
]
CASES = [
    pytest.param(operator, wanted, value, expected, id=f"{operator}-{wanted}-{value}")
    for operator, wanted, yes, no in OPERATORS
    for values, expected in ((yes, True), (no, False))
    for value in values
]


@pytest.mark.parametrize(("operator", "wanted", "value", "expected"), CASES)
def test_each_operator(operator: str, wanted: Any, value: Any, expected: bool) -> None:
    """What each operator takes and what it does not; a missing key meets only the negated ones and Null."""
    keys = {} if value is None else {"x__k": value}
    assert granted({"Condition": {operator: {"x:K": wanted}}}, **keys) is expected


@pytest.mark.parametrize("operator", sorted({operator for operator, *_ in OPERATORS} - {"Null"}))
def test_if_exists_takes_a_missing_key(operator: str) -> None:
    """...IfExists holds where the key is missing, and compares where it is there."""
    wanted, yes, no = next((wanted, yes, no) for name, wanted, yes, no in OPERATORS if name == operator)
    statement = {"Condition": {operator + "IfExists": {"x:K": wanted}}}
    assert granted(statement)
    assert granted(statement, x__k=next(value for value in yes if value is not None))
    assert not granted(statement, x__k=next(value for value in no if value is not None))


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "c"], False),
        ("ForAllValues:StringEquals", None, True),
        ("ForAllValues:StringEquals", [], True),
        ("ForAllValues:StringEquals", "a", True),
        ("ForAllValues:StringNotEquals", ["c", "d"], True),
        ("ForAllValues:StringNotEquals", ["c", "a"], False),
        ("ForAnyValue:StringEquals", ["c", "a"], True),
        ("ForAnyValue:StringEquals", ["c"], False),
        ("ForAnyValue:StringEquals", None, False),
        ("ForAnyValue:StringEquals", [], False),
        ("ForAnyValue:StringEqualsIfExists", None, True),
        ("ForAnyValue:StringNotEquals", ["c", "a"], True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], False),
        ("foranyvalue:stringlike", ["ax"], False),
        ("StringEquals", ["c", "a"], True),
        ("StringNotEquals", ["c", "a"], False),
    ],
)
def test_keys_with_several_values(operator: str, value: Any, expected: bool) -> None:
    """ForAllValues: each of the request's values, none included; ForAnyValue: at least one."""
    keys = {} if value is None else {"x__k": value}
    assert granted({"Condition": {operator: {"x:k": ["a", "b"]}}}, **keys) is expected


def test_all_conditions_have_to_hold() -> None:
    """Operators and keys are joined by AND, values by OR; key names in any case."""
    statement = {"Condition": {"StringEquals": {"x:A": ["1", "2"], "x:B": "3"}, "Bool": {"X:c": "true"}}}
    assert granted(statement, x__a="2", x__b="3", x__c="true")
    assert not granted(statement, x__a="2", x__b="3", x__c="false")
    assert not granted(statement, x__a="2", x__c="true")


USER_DIRECTORY = {"Resource": "arn:aws:s3:::b/home/${aws:username}/*"}


def test_variables_in_resources() -> None:
    """`${aws:username}` is the caller's; a caller who has none gets nothing."""
    assert granted(USER_DIRECTORY, action="s3:GetObject", resource="arn:aws:s3:::b/home/ann/x")
    assert not granted(USER_DIRECTORY, action="s3:GetObject", resource="arn:aws:s3:::b/home/bob/x")
    assert not granted(USER_DIRECTORY, action="s3:GetObject", resource="arn:aws:s3:::b/home/${aws:username}/x", who=SESSION)


def test_a_variable_value_is_no_pattern() -> None:
    """Wildcards that come in through a variable stand for themselves: a tag `*` opens nothing."""
    who = msgspec.structs.replace(USER, tags={"team": "*"})
    statement = {"Resource": "arn:aws:s3:::${aws:PrincipalTag/team}/*"}
    assert not granted(statement, action="s3:GetObject", resource="arn:aws:s3:::b/x", who=who)
    assert granted(statement, action="s3:GetObject", resource="arn:aws:s3:::*/x", who=who)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("${aws:PrincipalTag/team, 'none'}", "none", True),
        ("${aws:PrincipalTag/team,'none'}-x", "none-x", True),
        ("${aws:PrincipalTag/team}", "", False),
        ("a${*}b", "a*b", True),
        ("a${*}b", "axb", False),
        ("${?}${$}", "?$", True),
        ("*-${aws:username}", "x-ann", True),
    ],
)
def test_variables_in_conditions(pattern: str, value: str, expected: bool) -> None:
    """Defaults, and the three characters that have to be quoted."""
    assert granted({"Condition": {"StringLike": {"x:k": pattern}}}, x__k=value) is expected


def test_variables_with_negated_operators() -> None:
    """Something cannot equal a variable without a value: StringNotEquals holds."""
    statement = {"Condition": {"StringNotEquals": {"x:k": "${aws:PrincipalTag/team}"}}}
    assert granted(statement, x__k="a")
    assert not granted(statement, x__k="a", who=msgspec.structs.replace(USER, tags={"team": "a"}))


def test_the_older_version_has_no_variables() -> None:
    """In a policy of 2008-10-17, or without a version, `${...}` is text."""
    old = policy(USER_DIRECTORY, version="2008-10-17")
    assert not ask(Policies(identity=[old]), action="s3:GetObject", resource="arn:aws:s3:::b/home/ann/x").allowed
    assert ask(Policies(identity=[old]), action="s3:GetObject", resource="arn:aws:s3:::b/home/${aws:username}/x").allowed


@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_a_string_is_like_itself(text: str) -> None:
    """StringEquals of any text without variables takes that text; so does StringLike, and `*` takes all."""
    if "${" in text:
        return
    for operator, wanted in (("StringEquals", text), ("StringLike", text), ("StringLike", "*")):
        assert granted({"Condition": {operator: {"x:k": wanted}}}, x__k=text)


def test_actions_and_resources_match_with_wildcards() -> None:
    """Actions in any case; resources with case; a wildcard reaches over colons and slashes."""
    for action in ("SQS:sendmessage", "sqs:Send*", "sqs:???dMessage", "sqs:*", "*", "*:*"):
        assert granted({"Action": action}), action
    for action in ("sqs:Send", "sqs:Receive*", "sqs:*x", "sns:*"):
        assert not granted({"Action": action}), action
    for resource in (RESOURCE, "*", "arn:aws:sqs:*", "arn:aws:sqs:*:*:orders", "arn:aws:sqs:eu-west-?:*:orders", "arn:*:orders"):
        assert granted({"Resource": resource}), resource
    assert not granted({"Resource": RESOURCE.upper().replace("ARN:AWS", "arn:aws")})
    assert granted({"NotAction": "iam:*"})
    assert not granted({"NotAction": ["sqs:*", "iam:*"]})
    assert granted({"NotResource": "arn:aws:sqs:*:*:other"})
    assert not granted({"NotResource": "arn:aws:sqs:*:*:ord*"})


REQUEST = HttpRequest("GET", "/", "", {"user-agent": "aws-cli", "referer": "http://x"}, b"", "192.0.2.1")


def test_the_global_keys_of_a_user() -> None:
    """What AWS documents for each key, for a user's request."""
    context = Context(msgspec.structs.replace(USER, tags={"Project": "dorky"}), REQUEST, "eu-west-1", 1_767_225_600_000, secure=True)
    expected = {
        "aws:principalarn": USER.arn,
        "aws:principalaccount": USER.account,
        "aws:principaltype": "User",
        "aws:principaltag/project": "dorky",
        "aws:principalisawsservice": "false",
        "aws:userid": USER.user_id,
        "aws:username": "ann",
        "aws:sourceip": "192.0.2.1",
        "aws:useragent": "aws-cli",
        "aws:referer": "http://x",
        "aws:securetransport": "true",
        "aws:currenttime": "2026-01-01T00:00:00Z",
        "aws:epochtime": "1767225600",
        "aws:requestedregion": "eu-west-1",
        "aws:viaawsservice": "false",
        "aws:tokenissuetime": None,
        "aws:multifactorauthpresent": None,
        "aws:sourcearn": None,
        "aws:nosuchkey": None,
    }
    assert {name: context.get(name) for name in expected} == expected
    assert set(context.names()) == {name for name, value in expected.items() if value is not None}


def test_the_global_keys_of_a_session() -> None:
    """A role's session answers with its role's ARN, and knows when and how it began."""
    who = msgspec.structs.replace(
        SESSION, issued_at_ms=1_767_225_000_000, mfa_present=True, mfa_at_ms=1_767_225_540_000, source_identity="ann"
    )
    context = Context(who, now_ms=1_767_225_600_000)
    assert context.get("aws:principalarn") == SESSION.issuer_arn
    assert context.get("aws:userid") == "AROAEXAMPLE00000000R:s"
    assert context.get("aws:username") is None
    assert context.get("aws:tokenissuetime") == "2025-12-31T23:50:00Z"
    assert context.get("aws:multifactorauthpresent") == "true"
    assert context.get("aws:multifactorauthage") == "60"
    assert context.get("aws:sourceidentity") == "ann"
    assert Context(SESSION).get("aws:multifactorauthpresent") == "false"


def test_a_service_adds_keys() -> None:
    """Plain values, tags under a name that ends with a slash, and callables that are asked once, and only if needed."""
    asked: list[str] = []

    def tags() -> dict[str, str]:
        asked.append("tags")
        return {"Project": "dorky"}

    values = {"s3:prefix": "a/", "aws:resourcetag/": tags, "aws:calledvia": ["athena.amazonaws.com", "glue.amazonaws.com"]}
    context = Context(USER, values=values | tags_requested([{"Key": "a", "Value": "1"}]))
    assert asked == []
    assert context.get("aws:resourcetag/project") == "dorky"
    assert context.get("aws:resourcetag/other") is None
    assert asked == ["tags"]
    assert (context.get("s3:prefix"), context.get("aws:requesttag/a"), context.get("aws:tagkeys")) == ("a/", "1", ["a"])
    assert (context.get("aws:viaawsservice"), context.get("aws:calledviafirst"), context.get("aws:calledvialast")) == (
        "true",
        "athena.amazonaws.com",
        "glue.amazonaws.com",
    )


def test_a_providers_claims_are_keys() -> None:
    """What a web identity's token says of its bearer, by the provider's name, which may have slashes."""
    claims: dict[str, str | list[str]] = {"accounts.google.com:aud": "app", "oidc.eks.eu-west-1.amazonaws.com/id/x:sub": "pod"}
    who = Principal(kind="web-identity", federated_provider="accounts.google.com", claims=claims)
    assert {name: Context(who).get(name) for name in claims} == claims
    assert set(claims) <= set(Context(who).names())


def test_many_wildcards_take_no_longer() -> None:
    """A pattern that a backtracking matcher would not finish in a lifetime."""
    pattern, text = "*a" * 40 + "b", "a" * 5000
    assert not granted({"Condition": {"StringLike": {"x:k": pattern}}}, x__k=text)
    assert granted({"Condition": {"StringLike": {"x:k": pattern}}}, x__k=text + "b")


SMALL = st.text("ab*?", max_size=8)


def glob(pattern: str, text: str) -> bool:
    """The plainest matcher there is."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(glob(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and glob(pattern[1:], text[1:])


@given(st.lists(SMALL, min_size=1, max_size=3), st.text("ab*?", max_size=8))
def test_patterns_match_as_a_plain_matcher_does(patterns: list[str], text: str) -> None:
    """One pattern or several, exact, with a prefix or with any wildcards."""
    expected = any(glob(pattern, text) for pattern in patterns)
    assert granted({"Condition": {"StringLike": {"x:k": patterns}}}, x__k=text) is expected
