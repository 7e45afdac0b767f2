"""Rotation: by hand, by the clock, and when its function fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fogbank.delivery import outbox
from fogbank.testing import Cloud

from .rotator import FUNCTION, SERVICE, Orders

STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
TOKEN = "11111111-2222-4333-8444-555555555551"
DAY_S = 86_400


@pytest.fixture
def without_lambda(cloud: Cloud) -> Iterator[None]:
    """A cloud that has no Lambda."""
    yield from _lambda(cloud, None)


@pytest.fixture
def orders(cloud: Cloud) -> Iterator[type[Orders]]:
    """A cloud with the function, and with its role."""
    Orders.steps, Orders.failing, Orders.allowed = [], {}, True
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = cloud.client("iam")
    iam.create_role(RoleName="rotator", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    allowed = {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}
    iam.put_role_policy(RoleName="rotator", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    for _ in _lambda(cloud, SERVICE):
        yield Orders


def _lambda(cloud: Cloud, manifest: Any) -> Iterator[None]:
    gateway = cloud.house.app.gateway

    def put(value: Any) -> Any:
        before = gateway.manifest("lambda")
        gateway._manifests["lambda"] = value
        for key in [key for key in gateway._entries if key[0] == "lambda"]:
            del gateway._entries[key]
        return before

    before = cloud.house.on_loop(lambda: put(manifest))
    yield
    cloud.house.on_loop(lambda: put(before))


def at(cloud: Cloud) -> datetime:
    return datetime.fromtimestamp(cloud.now_ms / 1000, UTC)


def to_midnight(cloud: Cloud) -> None:
    """Moves the clock to the start of a day."""
    cloud.advance((DAY_S * 1000 - cloud.now_ms % (DAY_S * 1000) + 0.5) / 1000)


def test_without_lambda_nothing_rotates(sm: Any, without_lambda: None, secret: str, refused: Any) -> None:
    """Where the function cannot be invoked, RotateSecret says so and why, and leaves the secret as it is."""
    code, message = refused(sm.rotate_secret, SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 1})
    assert code == "AccessDeniedException"
    assert message == (
        "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal"
        " secretsmanager.amazonaws.com. Fogbank does not implement lambda:Invoke."
    )
    assert "RotationEnabled" not in sm.describe_secret(SecretId="db")


def test_a_function_that_may_not_be_invoked(sm: Any, orders: type[Orders], secret: str, refused: Any) -> None:
    """The function's policy must let Secrets Manager in, and the function must be there."""
    orders.allowed = False
    rotate = {"SecretId": "db", "RotationRules": {"AutomaticallyAfterDays": 1}}
    assert refused(sm.rotate_secret, RotationLambdaARN=FUNCTION, **rotate)[0] == "AccessDeniedException"
    orders.allowed = True
    assert refused(sm.rotate_secret, RotationLambdaARN=FUNCTION + "x", **rotate)[0] == "AccessDeniedException"
    assert refused(sm.rotate_secret, SecretId="db") == (
        "InvalidRequestException",
        "No Lambda rotation function ARN is associated with this secret.",
    )


def test_rotating_at_once(cloud: Cloud, sm: Any, orders: type[Orders], secret: str) -> None:
    """RotateSecret runs the four steps; the version it names is AWSCURRENT in the end, and the next date is set."""
    to_midnight(cloud)
    answer = sm.rotate_secret(
        SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 10}, ClientRequestToken=TOKEN
    )
    assert answer["VersionId"] == TOKEN
    cloud.settle()
    assert orders.steps == STEPS
    value = sm.get_secret_value(SecretId="db")
    assert (value["VersionId"], value["SecretString"]) == (TOKEN, f"rotated {cloud.now_ms}")
    assert sm.get_secret_value(SecretId="db", VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    described = sm.describe_secret(SecretId="db")
    assert described["RotationEnabled"]
    assert described["RotationLambdaARN"] == FUNCTION
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 10}
    assert described["LastRotatedDate"] == at(cloud)
    assert described["NextRotationDate"] == at(cloud) + timedelta(days=11, seconds=-1)


def test_rotating_by_the_clock(cloud: Cloud, sm: Any, orders: type[Orders], secret: str) -> None:
    """A secret is rotated when each window opens, and never before."""
    to_midnight(cloud)
    sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"ScheduleExpression": "cron(0 8 ? * * *)", "Duration": "2h"})
    cloud.settle()
    assert len(orders.steps) == 4
    described = sm.describe_secret(SecretId="db")
    assert described["NextRotationDate"] == at(cloud) + timedelta(hours=10, seconds=-1)
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 1, "ScheduleExpression": "cron(0 8 ? * * *)", "Duration": "2h"}
    cloud.advance(8 * 3600 - 1)
    assert len(orders.steps) == 4
    cloud.advance(1)
    assert len(orders.steps) == 8
    for _ in range(3):
        cloud.advance(DAY_S)
    assert len(orders.steps) == 20


def test_waiting_for_the_first_window(cloud: Cloud, sm: Any, orders: type[Orders], secret: str) -> None:
    """With RotateImmediately false only the test step runs at first, and leaves no label behind."""
    to_midnight(cloud)
    sm.rotate_secret(
        SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"ScheduleExpression": "rate(4 hours)"}, RotateImmediately=False
    )
    cloud.settle()
    assert orders.steps == ["testSecret"]
    described = sm.describe_secret(SecretId="db")
    assert list(described["VersionIdsToStages"].values()) == [["AWSCURRENT"]]
    assert "LastRotatedDate" not in described
    cloud.advance(4 * 3600)
    assert orders.steps == ["testSecret", *STEPS]


def test_a_new_value_counts_as_a_rotation(cloud: Cloud, sm: Any, orders: type[Orders], secret: str) -> None:
    """With AutomaticallyAfterDays, a value put by hand moves the next date."""
    to_midnight(cloud)
    sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 10})
    cloud.settle()
    cloud.advance(9 * DAY_S)
    sm.put_secret_value(SecretId="db", SecretString="by hand")
    cloud.advance(9 * DAY_S)
    assert len(orders.steps) == 4
    cloud.advance(DAY_S)
    assert len(orders.steps) == 8


def test_a_step_that_fails_starts_the_rotation_anew(cloud: Cloud, sm: Any, orders: type[Orders], secret: str, refused: Any) -> None:
    """After an error of the function, all steps are done again, with the same version; meanwhile no other rotation begins."""
    orders.failing = {"testSecret": 1}
    sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 10}, ClientRequestToken=TOKEN)
    cloud.settle()
    assert orders.steps == STEPS[:3]
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "one"
    assert refused(sm.rotate_secret, SecretId="db") == (
        "InvalidRequestException",
        "A previous rotation isn't complete. That rotation will be reattempted.",
    )
    cloud.advance(60)
    assert orders.steps == STEPS[:3] + STEPS
    assert sm.get_secret_value(SecretId="db")["VersionId"] == TOKEN


def test_a_rotation_is_given_up_and_taken_up_again(cloud: Cloud, sm: Any, orders: type[Orders], secret: str) -> None:
    """After five retries AWSPENDING and NextRotationDate stay as they are; when the next window opens, that version is finished."""
    to_midnight(cloud)
    sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"ScheduleExpression": "rate(1 day)"})
    cloud.settle()
    orders.failing, orders.steps = {"setSecret": 6}, []
    cloud.advance(DAY_S)
    for retry in range(5):
        cloud.advance(60 * 2**retry)
    assert orders.steps == STEPS[:2] * 6
    cloud.advance(3600)
    assert orders.steps == STEPS[:2] * 6
    described = sm.describe_secret(SecretId="db")
    midnight = at(cloud).replace(hour=0, minute=0, second=0)
    assert described["NextRotationDate"] == midnight + timedelta(days=1, seconds=-1)
    pending = next(version for version, labels in described["VersionIdsToStages"].items() if "AWSPENDING" in labels)
    cloud.advance(DAY_S)
    assert sm.get_secret_value(SecretId="db")["VersionId"] == pending


def test_a_function_that_went_away(cloud: Cloud, sm: Any, orders: type[Orders], secret: str) -> None:
    """A scheduled rotation whose function may not be invoked any more stays in the outbox with the reason, and is tried again."""
    to_midnight(cloud)
    sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"ScheduleExpression": "rate(4 hours)"})
    cloud.settle()
    orders.allowed, orders.steps = False, []
    cloud.advance(4 * 3600)
    waiting = cloud.house.on_loop(lambda: [i for i in outbox.OUTBOX.scan(cloud.inner.reader()) if i.task == "secretsmanager.rotate"])
    assert [item.attempts for item in waiting] == [1]
    assert "not authorized to perform: lambda:InvokeFunction" in waiting[0].error
    orders.allowed = True
    cloud.advance(60)
    assert orders.steps == STEPS


def test_cancelling(cloud: Cloud, sm: Any, orders: type[Orders], secret: str, refused: Any) -> None:
    """CancelRotateSecret turns the schedule off, keeps it to be seen, and leaves a rotation under way where it is."""
    assert refused(sm.cancel_rotate_secret, SecretId="db")[0] == "InvalidRequestException"
    orders.failing = {"setSecret": 1}
    sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 1}, ClientRequestToken=TOKEN)
    cloud.settle()
    assert sm.cancel_rotate_secret(SecretId="db")["VersionId"] == TOKEN
    cloud.advance(10 * DAY_S)
    assert orders.steps == STEPS[:2]
    described = sm.describe_secret(SecretId="db")
    assert not described["RotationEnabled"]
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 1}
    assert "NextRotationDate" not in described


def test_a_secret_marked_for_deletion_does_not_rotate(cloud: Cloud, sm: Any, orders: type[Orders], secret: str) -> None:
    """Rotation rests while a secret is marked for deletion, and goes on once it is restored."""
    sm.rotate_secret(SecretId="db", RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 1})
    cloud.settle()
    sm.delete_secret(SecretId="db")
    cloud.advance(5 * DAY_S)
    assert len(orders.steps) == 4
    sm.restore_secret(SecretId="db")
    cloud.advance(DAY_S)
    cloud.advance(DAY_S)
    assert len(orders.steps) == 12


def test_a_rotation_token_is_checked(sm: Any, orders: type[Orders], secret: str, refused: Any) -> None:
    """A RotationToken that no rotation has given out is refused."""
    code, _ = refused(sm.put_secret_value, SecretId="db", SecretString="x", RotationToken=TOKEN)
    assert code == "InvalidParameterException"


@pytest.mark.parametrize(
    "rules",
    [
        {"AutomaticallyAfterDays": 1, "ScheduleExpression": "rate(1 day)"},
        {"ScheduleExpression": "rate(3 hours)"},
        {"ScheduleExpression": "cron(5 8 * * ? *)"},
        {"ScheduleExpression": "rate(4 hours)", "Duration": "5h"},
        {"ScheduleExpression": "cron(0 20 * * ? *)", "Duration": "5h"},
        {"AutomaticallyAfterDays": 1, "Duration": "25h"},
    ],
)
def test_rules_are_checked(sm: Any, orders: type[Orders], secret: str, refused: Any, rules: dict[str, Any]) -> None:
    """One kind of schedule; no oftener than every four hours; windows within their day and apart."""
    assert refused(sm.rotate_secret, SecretId="db", RotationLambdaARN=FUNCTION, RotationRules=rules)[0] == "InvalidParameterException"
