"""Tables under a KMS key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Made, Refused, index, wire

ALLOWED = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}


@pytest.fixture
def key(cloud: Any) -> str:
    made: str = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    return made


def bodies(cloud: Any) -> list[bytes]:
    """What is stored of all items."""
    from fogbank.services.dynamodb.state import ITEMS

    found: list[bytes] = cloud.house.on_loop(lambda: [row.body for row in ITEMS.scan(cloud.inner.reader())])
    return found


def person(cloud: Any, *statements: dict[str, Any]) -> Any:
    iam = cloud.client("iam")
    iam.create_user(UserName="user")
    document = json.dumps({"Version": "2012-10-17", "Statement": [ALLOWED, *statements]})
    iam.put_user_policy(UserName="user", PolicyName="policy", PolicyDocument=document)
    made = iam.create_access_key(UserName="user")["AccessKey"]
    return cloud.client("dynamodb", made["AccessKeyId"], made["SecretAccessKey"])


def test_bodies_are_sealed(cloud: Any, db: Any, make: Made, key: str) -> None:
    """Items of a table under a key lie sealed, and are read, changed, queried and indexed all the same."""
    make("secret", "pk", "sk", SSESpecification={"Enabled": True, "KMSMasterKeyId": key}, GlobalSecondaryIndexes=[index("by_g", "g")])
    described = db.describe_table(TableName="secret")["Table"]["SSEDescription"]
    assert described == {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}
    item = wire(pk="a", sk="b", g="g", text="hidden")
    db.put_item(TableName="secret", Item=item)
    assert not any(b"hidden" in body for body in bodies(cloud))
    assert db.get_item(TableName="secret", Key=wire(pk="a", sk="b"))["Item"] == item
    db.update_item(TableName="secret", Key=wire(pk="a", sk="b"), UpdateExpression="ADD n :n", ExpressionAttributeValues=wire(**{":n": 1}))
    asked = {"KeyConditionExpression": "g = :g", "FilterExpression": "n = :n", "ExpressionAttributeValues": wire(**{":g": "g", ":n": 1})}
    assert db.query(TableName="secret", IndexName="by_g", **asked)["Items"] == [{**item, **wire(n=1)}]


def test_the_key_is_used_as_the_caller(cloud: Any, make: Made, db: Any, key: str, refused: Refused) -> None:
    """Who may not use the key may not read the items; describing the table needs no key."""
    make("secret", SSESpecification={"Enabled": True, "KMSMasterKeyId": key})
    db.put_item(TableName="secret", Item=wire(pk="a"))
    user = person(cloud)
    code, message = refused(user.get_item, TableName="secret", Key=wire(pk="a"))
    assert code == "AccessDeniedException"
    assert message.startswith(
        "KMS key access denied error: User: arn:aws:iam::000000000000:user/user is not authorized to perform: kms:Decrypt"
    )
    assert user.describe_table(TableName="secret")["Table"]["ItemCount"] == 1
    through = {"StringEquals": {"kms:ViaService": "dynamodb.us-east-1.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": through}]}
    cloud.client("iam").put_user_policy(UserName="user", PolicyName="key", PolicyDocument=json.dumps(document))
    assert user.get_item(TableName="secret", Key=wire(pk="a"))["Item"] == wire(pk="a")


def test_a_disabled_key_closes_the_table(cloud: Any, make: Made, db: Any, key: str, refused: Refused) -> None:
    """Five minutes after its key was disabled a table can be neither read nor written, until the key is back."""
    make("secret", SSESpecification={"Enabled": True, "KMSMasterKeyId": key})
    db.put_item(TableName="secret", Item=wire(pk="a"))
    cloud.client("kms").disable_key(KeyId=key)
    db.get_item(TableName="secret", Key=wire(pk="a"))
    cloud.advance(301)
    assert refused(db.get_item, TableName="secret", Key=wire(pk="a"))[0] == "AccessDeniedException"
    assert refused(db.put_item, TableName="secret", Item=wire(pk="b"))[0] == "AccessDeniedException"
    cloud.client("kms").enable_key(KeyId=key)
    assert db.get_item(TableName="secret", Key=wire(pk="a"))["Item"] == wire(pk="a")


def test_a_key_comes_changes_and_goes(cloud: Any, make: Made, db: Any, key: str, refused: Refused) -> None:
    """A table can be put under a key, under another, and under none; what is there is turned, and stays readable throughout."""
    make("table")
    for start in range(0, 525, 25):
        db.batch_write_item(RequestItems={"table": [{"PutRequest": {"Item": wire(pk=f"{i}")}} for i in range(start, start + 25)]})

    def turn(**specification: Any) -> dict[str, Any]:
        db.update_table(TableName="table", SSESpecification=specification)
        cloud.settle()
        assert db.scan(TableName="table", Select="COUNT", FilterExpression="attribute_exists(pk)")["Count"] == 525
        found: dict[str, Any] = db.describe_table(TableName="table")["Table"].get("SSEDescription", {})
        return found

    assert turn(Enabled=True)["KMSMasterKeyArn"] != key
    assert not any(body.startswith(b"{") for body in bodies(cloud))
    assert turn(Enabled=True, KMSMasterKeyId=key) == {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}
    assert refused(turn, Enabled=True, KMSMasterKeyId=key)[0] == "ValidationException"
    assert turn(Enabled=False) == {}
    assert all(body.startswith(b"{") for body in bodies(cloud))


def test_an_index_is_filled_under_a_key(cloud: Any, make: Made, db: Any, key: str) -> None:
    """A new index of a table under a key is filled by the service itself, by its grant."""
    make("secret", SSESpecification={"Enabled": True, "KMSMasterKeyId": key})
    for i in range(5):
        db.put_item(TableName="secret", Item=wire(pk=f"{i}", g="g"))
    create = {"IndexName": "late", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    db.update_table(
        TableName="secret",
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": create}],
    )
    cloud.settle()
    assert db.scan(TableName="secret", IndexName="late")["Count"] == 5
    db.describe_table(TableName="secret")
    db.describe_table(TableName="secret")
    cloud.settle()
    assert db.describe_table(TableName="secret")["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"] in (0, 5)


def test_sessions_of_one_name_are_not_one_caller(cloud: Any, make: Made, db: Any, key: str) -> None:
    """What one session has opened stays closed to another of the same name whose session policy does not let it use the key."""
    make("secret", SSESpecification={"Enabled": True, "KMSMasterKeyId": key})
    db.put_item(TableName="secret", Item=wire(pk="a"))
    trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    everything = {"Version": "2012-10-17", "Statement": [{**ALLOWED, "Action": "*"}]}
    iam.put_role_policy(RoleName="reader", PolicyName="all", PolicyDocument=json.dumps(everything))

    def session(*statements: dict[str, Any]) -> Any:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        made = cloud.client("sts").assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="one", Policy=policy)["Credentials"]
        return cloud.client("dynamodb", made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    assert session({**ALLOWED, "Action": "*"}).get_item(TableName="secret", Key=wire(pk="a"))["Item"] == wire(pk="a")
    with pytest.raises(db.exceptions.ClientError, match="kms:Decrypt"):
        session(ALLOWED).get_item(TableName="secret", Key=wire(pk="a"))
