"""Sensitive data is masked for those who may not unmask it; KMS keys seal events."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.services.logs import identifiers

Refused = Callable[..., tuple[str, str]]
ARN = "arn:aws:logs:us-east-1:000000000000:"
IDENTIFIER = "arn:aws:dataprotection::aws:data-identifier/"


def policy(*names: str, custom: Any = None, findings: Any = None) -> str:
    arns = [IDENTIFIER + name if name in identifiers.MANAGED or name == "Nope" else name for name in names]
    document: dict[str, Any] = {
        "Name": "p",
        "Version": "2021-06-01",
        "Statement": [
            {"Sid": "audit", "DataIdentifier": arns, "Operation": {"Audit": {"FindingsDestination": findings or {}}}},
            {"Sid": "mask", "DataIdentifier": arns, "Operation": {"Deidentify": {"MaskConfig": {}}}},
        ],
    }
    if custom:
        document["Configuration"] = {"CustomDataIdentifier": custom}
    return json.dumps(document)


@pytest.mark.parametrize(
    ("name", "message", "masked"),
    [
        ("EmailAddress", "to ann@example.com.", "to ***************."),
        ("EmailAddress", "no @ here", None),
        ("IpAddress", "from 10.0.0.1:80 and 999.1.1.1", "from ********:80 and 999.1.1.1"),
        ("IpAddress", "at 2001:db8::1 now", "at *********** now"),
        ("CreditCardNumber", "card 4111 1111 1111 1111", "card *******************"),
        ("CreditCardNumber", "card 4111 1111 1111 1112", None),
        ("CreditCardNumber", "order 4111111111111111", None),
        ("Ssn-US", "ssn: 123-45-6789", "ssn: ***********"),
        ("Ssn-US", "123-45-6789", None),
        ("PhoneNumber-US", "phone (425) 555-0100", "phone **************"),
        ("AwsSecretKey", "aws_secret_access_key=" + "aB1/" * 10, "aws_secret_access_key=" + "*" * 40),
        ("PkcsPrivateKey", "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----!", "*" * 63 + "!"),
    ],
)
def test_identifiers(name: str, message: str, masked: str | None) -> None:
    """Each identifier finds its own, with a keyword near it where AWS wants one."""
    assert identifiers.masked(message, (identifiers.MANAGED[name],)) == masked


def test_masked_events(cloud: Any, logs: Any, put: Any, person: Any, refused: Refused) -> None:
    """From the policy on, events are masked everywhere; logs:Unmask shows them whole; deleting the policy unmasks nothing."""
    put("before a@b.com")
    logs.put_data_protection_policy(
        logGroupIdentifier="group", policyDocument=policy("EmailAddress", "Id", custom=[{"Name": "Id", "Regex": "id-\\d+"}])
    )
    put("after a@b.com id-77 x")
    assert logs.describe_log_groups()["logGroups"][0]["dataProtectionStatus"] == "ACTIVATED"

    def read(client: Any = logs, **members: Any) -> list[str]:
        return [event["message"] for event in client.filter_log_events(logGroupName="group", **members)["events"]]

    assert read() == ["before a@b.com", "after ******* ***** x"]
    assert read(unmask=True) == ["before a@b.com", "after a@b.com id-77 x"]
    assert read(filterPattern='"id-77"') == []
    statement = {"Effect": "Allow", "Action": ["logs:FilterLogEvents"], "Resource": "*"}
    user = person("u", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert read(user)[1] == "after ******* ***** x"
    assert refused(read, user, unmask=True)[0] == "AccessDeniedException"
    now = cloud.now_ms // 1000
    for query, expected in (("fields @message", "after ******* ***** x"), ("fields @message | unmask @message", "after a@b.com id-77 x")):
        started = logs.start_query(
            logGroupName="group", startTime=now - 60, endTime=now, queryString=query + " | filter @message like 'after'"
        )
        cloud.settle()
        assert logs.get_query_results(queryId=started["queryId"])["results"][0][0]["value"] == expected
    logs.delete_data_protection_policy(logGroupIdentifier="group")
    put("then a@b.com")
    assert read() == ["before a@b.com", "after ******* ***** x", "then a@b.com"]
    assert "policyDocument" not in logs.get_data_protection_policy(logGroupIdentifier="group")


def test_an_account_policy_masks_all_groups(logs: Any, put: Any, refused: Refused) -> None:
    """An account's policy and a group's add up."""
    put("x")
    logs.put_data_protection_policy(logGroupIdentifier="group", policyDocument=policy("EmailAddress"))
    put_policy = {"policyName": "all", "policyType": "DATA_PROTECTION_POLICY"}
    logs.put_account_policy(**put_policy, policyDocument=policy("IpAddress"))
    put("a@b.com 10.0.0.1")
    assert logs.filter_log_events(logGroupName="group")["events"][1]["message"] == "******* ********"
    described = logs.describe_account_policies(policyType="DATA_PROTECTION_POLICY")["accountPolicies"]
    assert [one["policyName"] for one in described] == ["all"]
    assert refused(logs.put_account_policy, **{**put_policy, "policyName": "more"}, policyDocument=policy("IpAddress"))[0] == (
        "LimitExceededException"
    )
    logs.delete_account_policy(**put_policy)
    assert refused(logs.delete_account_policy, **put_policy)[0] == "ResourceNotFoundException"
    assert refused(logs.put_account_policy, policyName="t", policyType="TRANSFORMER_POLICY", policyDocument="{}")[0] == "NotImplemented"


@pytest.mark.parametrize("document", ["x", "{}", '{"Name": "n", "Statement": [{}, {}]}', policy("unknown")])
def test_wrong_policies(logs: Any, put: Any, refused: Refused, document: str) -> None:
    """What is no policy is an invalid parameter."""
    put("x")
    assert refused(logs.put_data_protection_policy, logGroupIdentifier="group", policyDocument=document)[0] == "InvalidParameterException"


def test_what_is_not_here_is_named(logs: Any, put: Any, refused: Refused) -> None:
    """An identifier that cannot be told by its form, and places for findings."""
    put("x")
    code, message = refused(logs.put_data_protection_policy, logGroupIdentifier="group", policyDocument=policy("Nope"))
    assert (code, "the data identifier Nope" in message) == ("NotImplemented", True)
    findings = policy("EmailAddress", findings={"S3": {"Bucket": "b"}})
    assert refused(logs.put_data_protection_policy, logGroupIdentifier="group", policyDocument=findings)[0] == "NotImplemented"


# KMS


@pytest.fixture
def key(cloud: Any) -> str:
    """A key that lets CloudWatch Logs use it for groups of the account."""
    arn: str = cloud.client("kms").create_key(Policy=json.dumps(key_policy()))["KeyMetadata"]["Arn"]
    return arn


def key_policy(*, open_: bool = True) -> dict[str, Any]:
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"}
    service = {
        "Effect": "Allow",
        "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
        "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": ARN + "*"}},
    }
    return {"Version": "2012-10-17", "Statement": [root, service] if open_ else [root]}


def test_events_under_a_key(cloud: Any, logs: Any, put: Any, key: str, refused: Refused) -> None:
    """With the key events come in and are read; without it, five minutes later, neither; those from before are read all along."""
    put("plain")
    logs.associate_kms_key(logGroupName="group", kmsKeyId=key)
    assert logs.describe_log_groups()["logGroups"][0]["kmsKeyId"] == key
    put("sealed")
    assert len(logs.filter_log_events(logGroupName="group")["events"]) == 2
    cloud.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(key_policy(open_=False)))
    cloud.advance(301)
    assert refused(logs.filter_log_events, logGroupName="group")[0] == "AccessDeniedException"
    assert refused(put, "more")[0] == "AccessDeniedException"
    logs.disassociate_kms_key(logGroupName="group")
    put("plain again")
    cloud.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(key_policy()))
    messages = [event["message"] for event in logs.filter_log_events(logGroupName="group")["events"]]
    assert messages == ["plain", "sealed", "plain again"]


def test_a_key_that_is_not_open_is_refused(cloud: Any, logs: Any, refused: Refused) -> None:
    """A key whose policy does not let CloudWatch Logs in, and one that is not there."""
    closed = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    code, message = refused(logs.create_log_group, logGroupName="g", kmsKeyId=closed)
    assert code == "InvalidParameterException"
    assert message == f"The specified KMS key does not exist or is not allowed to be used with LogGroup '{ARN}log-group:g'"
    logs.create_log_group(logGroupName="g")
    assert refused(logs.associate_kms_key, logGroupName="g", kmsKeyId=f"{closed[:-36]}{uuid.uuid4()}")[0] == "InvalidParameterException"
    assert refused(logs.associate_kms_key, kmsKeyId=closed)[0] == "InvalidParameterException"


def test_query_results_under_a_key(cloud: Any, logs: Any, put: Any, key: str, refused: Refused) -> None:
    """Results are told with the key that they are under, and cannot be had without it."""
    put("x", at_ms=cloud.now_ms - 1000)
    logs.associate_kms_key(resourceIdentifier=ARN + "query-result:*", kmsKeyId=key)
    started = logs.start_query(logGroupName="group", startTime=0, endTime=cloud.now_ms // 1000, queryString="limit 1")["queryId"]
    cloud.settle()
    answer = logs.get_query_results(queryId=started)
    assert (answer["encryptionKey"], len(answer["results"])) == (key, 1)
    cloud.client("kms").disable_key(KeyId=key)
    assert refused(logs.get_query_results, queryId=started)[0] == "DisabledException"
    logs.disassociate_kms_key(resourceIdentifier=ARN + "query-result:*")
