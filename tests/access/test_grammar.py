"""What a policy document may look like, and what AWS says of one that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.access.policy import Kind, parse
from fogbank.kernel.errors import ServiceException

GOOD = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def document(statement: Any = GOOD, **fields: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statement, **fields})


def without(name: str, **change: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **change}.items() if key != name}


def complaint(text: str, kind: Kind = "identity") -> str:
    """AWS's sentence about a document: there must be one."""
    with pytest.raises(ServiceException) as caught:
        parse(text, kind)
    assert (caught.value.code, caught.value.status) == ("MalformedPolicyDocument", 400)
    return caught.value.message


MALFORMED = [
    ("", "Syntax errors in policy."),
    ("{", "Syntax errors in policy."),
    ("[]", "Syntax errors in policy."),
    (document(Extra=1), "Syntax errors in policy."),
    (document(Version="2015-01-01"), "Policy document must be version 2012-10-17 or greater."),
    (document([]), "Syntax errors in policy."),
    (document("x"), "Syntax errors in policy."),
    (document(without("Effect")), "Syntax errors in policy."),
    (document({**GOOD, "Effect": "allow"}), "Syntax errors in policy."),
    (
        document({**GOOD, "Sid": "has space"}),
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
    ),
    (document([{**GOOD, "Sid": "a"}, {**GOOD, "Sid": "a"}]), "Statement IDs (SID) in a single policy must be unique."),
    (document(without("Action")), "Policy statement must contain actions."),
    (document({**GOOD, "Action": []}), "Policy statement must contain actions."),
    (document({**GOOD, "Action": "GetObject"}), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    (document({**GOOD, "Action": "s3 x:GetObject"}), "Vendor s3 x is not valid"),
    (document({**GOOD, "Action": "s3:Get:Object"}), "Actions/Condition can contain only one colon."),
    (document({**GOOD, "NotAction": "s3:*"}), "Syntax errors in policy."),
    (document({**GOOD, "Action": [1]}), "Syntax errors in policy."),
    (document(without("Resource")), "Policy statement must contain resources."),
    (document({**GOOD, "Resource": "bucket"}), 'Resource bucket must be in ARN format or "*".'),
    (document({**GOOD, "Resource": "arn:aws:s3"}), 'Resource arn:aws:s3 must be in ARN format or "*".'),
    (document({**GOOD, "Resource": "arn:amazon:s3:::b"}), 'Partition "amazon" is not valid for resource "arn:amazon:s3:::b".'),
    (document({**GOOD, "Resource": "arn:aws:s3:eu::b"}), "Resource arn:aws:s3:eu::b can not contain region information."),
    (document({**GOOD, "Resource": "arn:aws:iam:eu::user/a"}), "IAM resource arn:aws:iam:eu::user/a cannot contain region information."),
    (document({**GOOD, "Principal": "*"}), "Policy document should not specify a principal."),
    (document({**GOOD, "Condition": []}), "Syntax errors in policy."),
    (document({**GOOD, "Condition": {"Equals": {"a:b": "c"}}}), "Invalid Condition type : Equals"),
    (document({**GOOD, "Condition": {"NullIfExists": {"a:b": "c"}}}), "Invalid Condition type : NullIfExists"),
    (
        document({**GOOD, "Condition": {"StringEquals": {"nocolon": "c"}}}),
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    ),
    (document({**GOOD, "Condition": {"StringEquals": {"a:b": {}}}}), "Syntax errors in policy."),
    (document({**GOOD, "Condition": {"IpAddress": {"aws:SourceIp": "x"}}}), "The value x is not a valid IP address or CIDR block."),
    (
        document({**GOOD, "Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}),
        "The following Value in the Date Condition is not valid: soon",
    ),
]


@pytest.mark.parametrize(("text", "message"), MALFORMED)
def test_a_malformed_identity_policy_gets_awss_sentence(text: str, message: str) -> None:
    """Each mistake has its own."""
    assert complaint(text) == message


TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111111111111"}}
MALFORMED_TRUST = [
    ("{", "This policy contains invalid Json"),
    (document({**TRUST, "Resource": "*"}), "Has prohibited field Resource"),
    (document({**TRUST, "Action": "s3:GetObject"}), "AssumeRole policy may only specify STS AssumeRole actions."),
    (document({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
    (document({**TRUST, "Principal": {"AWS": "arn:aws:iam::1:user"}}), 'Invalid principal in policy: "AWS":"arn:aws:iam::1:user"'),
    (document({**TRUST, "Colour": "red"}), "Unknown field Colour"),
]


@pytest.mark.parametrize(("text", "message"), MALFORMED_TRUST)
def test_a_malformed_trust_policy_gets_awss_sentence(text: str, message: str) -> None:
    """Trust policies have rules of their own."""
    assert complaint(text, "trust") == message


def test_what_is_well_formed() -> None:
    """One statement or a list; strings or lists; numbers and booleans as condition values; any known version."""
    statement = {**GOOD, "Condition": {"NumericLessThan": {"s3:max-keys": 10}, "Bool": {"aws:SecureTransport": True}}}
    policy = parse(json.dumps({"Statement": statement}), "identity")
    assert policy.version == "2008-10-17"
    assert [(c.key, c.values) for c in policy.statements[0].conditions] == [("s3:max-keys", ["10"]), ("aws:SecureTransport", ["true"])]
    assert policy.condition_keys() == {"s3:max-keys", "aws:SecureTransport"}
    assert parse(
        document([GOOD, {**GOOD, "Action": ["s3:*", "sqs:*"], "Resource": ["arn:aws:s3:::*/${aws:username}"]}], Id="x"), "identity"
    )
    assert parse(document({**TRUST, "Principal": {"Service": "lambda.amazonaws.com"}}), "trust")
    assert list(parse(document({**GOOD, "Principal": "*"}), "resource").principals()) == [("AWS", "*")]


def test_a_policy_is_compiled_once() -> None:
    """The same text and kind give the same object."""
    assert parse(document(), "identity") is parse(document(), "identity")
    assert parse(document(), "identity") is not parse(document(), "session")


WORDS = st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Principal", "Condition", "StringEquals", "a:b", "AWS"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["identity", "trust", "resource"]))
def test_nothing_but_a_refusal_comes_of_nonsense(value: Any, kind: Kind) -> None:
    """Any JSON is a policy or gets MalformedPolicyDocument; nothing else happens."""
    for text in (json.dumps(value), document(value), document({**GOOD, "Condition": value}), document({**TRUST, "Principal": value})):
        try:
            parse(text, kind)
        except ServiceException as error:
            assert error.code == "MalformedPolicyDocument"  # noqa: PT017


def test_statements_know_where_they_stand() -> None:
    """The policy simulator points at the text of a statement."""
    text = '{"Version": "2012-10-17",\n "Statement": [\n  {"Effect":"Deny","Action":"s3:*","Resource":"*"} ,\n'
    text += ' {"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    assert [json.loads(text[a:b])["Effect"] for a, b in parse(text, "identity").positions()] == ["Deny", "Allow"]
    (span,) = parse(document(), "identity").positions()
    assert json.loads(document()[slice(*span)]) == GOOD
