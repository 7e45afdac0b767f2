"""Who may: actions, tables and indexes, the condition keys, tags, resource policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Made, Refused, index, wire

TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/table"
Person = Callable[..., Any]


def statement(actions: list[str], resource: str = TABLE, **condition: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": "Allow", "Action": [f"dynamodb:{action}" for action in actions], "Resource": resource}
    return {**made, "Condition": condition} if condition else made


@pytest.fixture
def person(cloud: Any) -> Person:
    """A DynamoDB client of a new user with these statements."""
    iam = cloud.client("iam")
    count = 0

    def make(*statements: dict[str, Any]) -> Any:
        nonlocal count
        count += 1
        name = f"user-{count}"
        iam.create_user(UserName=name)
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client("dynamodb", key["AccessKeyId"], key["SecretAccessKey"])

    return make


def denied(refused: Refused, operation: Any, **members: Any) -> str:
    code, message = refused(operation, **members)
    assert code == "AccessDeniedException"
    return message


def test_actions_and_tables(db: Any, table: str, make: Made, person: Person, refused: Refused) -> None:
    """A user does what a statement allows, on that table."""
    make("other")
    user = person(statement(["PutItem", "GetItem"]))
    user.put_item(TableName=table, Item=wire(pk="a", sk="b"))
    assert user.get_item(TableName=table, Key=wire(pk="a", sk="b"))["Item"]
    message = denied(refused, user.delete_item, TableName=table, Key=wire(pk="a", sk="b"))
    assert message == (
        "User: arn:aws:iam::000000000000:user/user-1 is not authorized to perform: dynamodb:DeleteItem "
        f"on resource: {TABLE} because no identity-based policy allows the dynamodb:DeleteItem action"
    )
    denied(refused, user.get_item, TableName="other", Key=wire(pk="a"))


def test_indexes_are_resources(make: Made, person: Person, refused: Refused) -> None:
    """A query of an index needs the index, not the table."""
    make("table", GlobalSecondaryIndexes=[index("one", "g"), index("two", "g")])
    asked = {"TableName": "table", "KeyConditionExpression": "g = :g", "ExpressionAttributeValues": wire(**{":g": "g"})}
    user = person(statement(["Query"], f"{TABLE}/index/one"))
    assert user.query(**asked, IndexName="one")["Count"] == 0
    denied(refused, user.query, **asked, IndexName="two")
    denied(refused, user.query, **asked)


def test_leading_keys(db: Any, table: str, person: Person, refused: Refused) -> None:
    """dynamodb:LeadingKeys are the partition keys of the request, whatever kind it is."""
    condition = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}, "Null": {"dynamodb:LeadingKeys": "false"}}
    actions = ["PutItem", "GetItem", "Query", "BatchGetItem", "BatchWriteItem", "UpdateItem"]
    user = person(statement(actions, **condition))
    mine, yours = wire(pk="mine", sk="a"), wire(pk="yours", sk="a")
    user.put_item(TableName=table, Item=mine)
    user.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": mine}}]})
    user.batch_get_item(RequestItems={table: {"Keys": [mine]}})
    user.query(TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues=wire(**{":p": "mine"}))
    user.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": mine}}])
    denied(refused, user.put_item, TableName=table, Item=yours)
    denied(refused, user.get_item, TableName=table, Key=yours)
    denied(refused, user.batch_write_item, RequestItems={table: [{"PutRequest": {"Item": mine}}, {"DeleteRequest": {"Key": yours}}]})
    denied(refused, user.batch_get_item, RequestItems={table: {"Keys": [mine, yours]}})
    asked = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": wire(**{":p": "yours"})}
    denied(refused, user.query, TableName=table, **asked)
    parts = [{"Put": {"TableName": table, "Item": item}} for item in (mine, yours)]
    denied(refused, user.transact_write_items, TransactItems=parts)
    denied(refused, user.transact_get_items, TransactItems=[{"Get": {"TableName": table, "Key": key}} for key in (mine, yours)])


def test_attributes_and_select(db: Any, table: str, person: Person, refused: Refused) -> None:
    """A user can be kept to some attributes, by dynamodb:Attributes and dynamodb:Select."""
    condition = {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "open"]},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", "dynamodb:ReturnValues": ["NONE", "UPDATED_NEW"]},
    }
    user = person(statement(["GetItem", "PutItem", "UpdateItem", "BatchWriteItem", "Query"], **condition))
    key = wire(pk="a", sk="b")
    user.get_item(TableName=table, Key=key, ProjectionExpression="#o", ExpressionAttributeNames={"#o": "open"})
    denied(refused, user.get_item, TableName=table, Key=key)
    denied(refused, user.get_item, TableName=table, Key=key, ProjectionExpression="secret")
    user.put_item(TableName=table, Item=wire(pk="a", sk="b", open=1))
    user.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": wire(pk="a", sk="b", open=1)}}]})
    denied(refused, user.put_item, TableName=table, Item=wire(pk="a", sk="b", secret=1))
    user.update_item(TableName=table, Key=key, UpdateExpression="SET #o = pk", ExpressionAttributeNames={"#o": "open"})
    for source in ("secret", "if_not_exists(secret, pk)"):
        stolen = {"UpdateExpression": f"SET #o = {source}", "ExpressionAttributeNames": {"#o": "open"}, "ReturnValues": "UPDATED_NEW"}
        denied(refused, user.update_item, TableName=table, Key=key, **stolen)
    other = person(statement(["PartiQLUpdate"], **condition))
    other.execute_statement(Statement="UPDATE \"table\" SET \"open\" = sk WHERE pk = 'a' AND sk = 'b'")
    denied(refused, other.execute_statement, Statement="UPDATE \"table\" SET \"open\" = secret WHERE pk = 'a' AND sk = 'b'")


def test_leading_keys_are_canonical(db: Any, make: Made, person: Person, refused: Refused) -> None:
    """However a number or a binary is written, dynamodb:LeadingKeys has it in one way: a Deny cannot be written around."""
    make("numbers", types={"pk": "N"})
    make("binaries", types={"pk": "B"})
    allowed = [statement(["*"], f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}") for name in ("numbers", "binaries")]
    forbidden = {**statement(["*"], "*", **{"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": ["1", "AA=="]}}), "Effect": "Deny"}
    user = person(*allowed, forbidden)
    for number in ("1", "1.0", "10e-1"):
        denied(refused, user.get_item, TableName="numbers", Key={"pk": {"N": number}})
        denied(refused, user.put_item, TableName="numbers", Item={"pk": {"N": number}})
        denied(refused, user.batch_get_item, RequestItems={"numbers": {"Keys": [{"pk": {"N": number}}]}})
        denied(refused, user.transact_get_items, TransactItems=[{"Get": {"TableName": "numbers", "Key": {"pk": {"N": number}}}}])
        query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"N": number}}}
        denied(refused, user.query, TableName="numbers", **query)
        denied(refused, user.execute_statement, Statement=f"SELECT * FROM numbers WHERE pk = {number}")
    denied(refused, user.get_item, TableName="binaries", Key={"pk": {"B": b"\0"}})
    assert "Item" not in user.get_item(TableName="numbers", Key={"pk": {"N": "2.0"}})
    assert refused(user.get_item, TableName="numbers", Key={"pk": {"N": "x"}})[0] == "ValidationException"


def test_transactions_enclose(db: Any, table: str, person: Person, refused: Refused) -> None:
    """dynamodb:EnclosingOperation tells a put in a transaction from one outside."""
    condition = {"StringEquals": {"dynamodb:EnclosingOperation": ["TransactWriteItems"]}}
    user = person(statement(["PutItem"], **condition))
    user.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": wire(pk="a", sk="b")}}])
    denied(refused, user.put_item, TableName=table, Item=wire(pk="a", sk="b"))
    check = {"TableName": table, "Key": wire(pk="a", sk="b"), "ConditionExpression": "attribute_exists(pk)"}
    message = denied(refused, user.transact_write_items, TransactItems=[{"ConditionCheck": check}])
    assert "dynamodb:ConditionCheckItem" in message


def test_tags_of_tables(cloud: Any, db: Any, table: str, person: Person, refused: Refused) -> None:
    """A table's tags decide, and those that a new table is to have."""
    user = person(
        statement(["GetItem"], StringEquals={"aws:ResourceTag/team": "a"}),
        statement(["CreateTable", "TagResource"], "*", StringEquals={"aws:RequestTag/team": "a"}),
    )
    key = wire(pk="a", sk="b")
    denied(refused, user.get_item, TableName=table, Key=key)
    db.tag_resource(ResourceArn=TABLE, Tags=[{"Key": "team", "Value": "a"}])
    user.get_item(TableName=table, Key=key)
    new: dict[str, Any] = {
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    denied(refused, user.create_table, TableName="new", **new, Tags=[{"Key": "team", "Value": "b"}])
    user.create_table(TableName="new", **new, Tags=[{"Key": "team", "Value": "a"}])


def test_resource_policies(cloud: Any, db: Any, make: Made, person: Person, refused: Refused) -> None:
    """A table's policy lets in who has no policy of their own, also another account, and also for its indexes."""
    make("table", GlobalSecondaryIndexes=[index("one", "g")])
    user = person()
    other = cloud.client("dynamodb", "111111111111", "test")
    denied(refused, other.scan, TableName=TABLE)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": ["arn:aws:iam::000000000000:user/user-1", "111111111111"]},
                "Action": ["dynamodb:Scan", "dynamodb:Query"],
                "Resource": [TABLE, f"{TABLE}/index/one"],
            }
        ],
    }
    revision = db.put_resource_policy(ResourceArn=TABLE, Policy=json.dumps(policy))["RevisionId"]
    assert user.scan(TableName="table")["Count"] == 0
    assert other.scan(TableName=TABLE, IndexName="one")["Count"] == 0
    denied(refused, user.get_item, TableName="table", Key=wire(pk="a"))
    found = db.get_resource_policy(ResourceArn=TABLE)
    assert (json.loads(found["Policy"]), found["RevisionId"]) == (policy, revision)
    assert db.put_resource_policy(ResourceArn=TABLE, Policy=json.dumps(policy))["RevisionId"] == revision
    stale = {"ResourceArn": TABLE, "Policy": json.dumps(policy, indent=1), "ExpectedRevisionId": "NO_POLICY"}
    assert refused(db.put_resource_policy, **stale)[0] == "PolicyNotFoundException"
    db.delete_resource_policy(ResourceArn=TABLE, ExpectedRevisionId=revision)
    denied(refused, user.scan, TableName="table")
    assert refused(db.get_resource_policy, ResourceArn=TABLE)[0] == "PolicyNotFoundException"
    assert refused(db.put_resource_policy, ResourceArn=TABLE, Policy="{}")[0] == "ValidationException"


def test_a_policy_that_locks_out_is_confirmed(db: Any, table: str, person: Person, refused: Refused) -> None:
    """Who would not be allowed to change the policy again must say that this is meant."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": "dynamodb:PutResourcePolicy", "Resource": TABLE}
    members = {"ResourceArn": TABLE, "Policy": json.dumps({"Version": "2012-10-17", "Statement": [deny]})}
    user = person(statement(["PutResourcePolicy"]))
    assert refused(user.put_resource_policy, **members)[0] == "ValidationException"
    assert refused(db.get_resource_policy, ResourceArn=TABLE)[0] == "PolicyNotFoundException"
    user.put_resource_policy(**members, ConfirmRemoveSelfResourceAccess=True)
    denied(refused, user.put_resource_policy, **members, ConfirmRemoveSelfResourceAccess=True)
