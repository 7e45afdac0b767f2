"""ExecuteStatement, BatchExecuteStatement, ExecuteTransaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import index, plain, wire

Run = Callable[..., list[dict[str, Any]]]
MANDATORY = "Where clause does not contain a mandatory equality on all key attributes"


@pytest.fixture
def songs(db: Any, make: Any) -> str:
    """A table of songs by artist and number, with an index by genre."""
    name: str = make("Songs", "artist", "number", {"number": "N"}, GlobalSecondaryIndexes=[index("by-genre", "genre", "number")])
    for artist in ("A", "B"):
        for number in range(1, 4):
            genre = "rock" if number % 2 else "pop"
            db.put_item(TableName=name, Item=wire(artist=artist, number=number, genre=genre, plays=number * 10, tags={"x"}))
    return name


@pytest.fixture
def run(db: Any) -> Run:
    """Executes a statement: its items as Python's values."""

    def call(statement: str, *parameters: Any, **members: Any) -> list[dict[str, Any]]:
        given = list(wire(**{str(number): value for number, value in enumerate(parameters)}).values())
        more = {"Parameters": given} if given else {}
        return [plain(item) for item in db.execute_statement(Statement=statement, **more, **members)["Items"]]

    return call


def numbers(items: list[dict[str, Any]]) -> list[str]:
    return [f"{item['artist']}{item['number']}" for item in items]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("artist = 'A'", ["A1", "A2", "A3"]),
        ("artist = 'A' AND number = 2", ["A2"]),
        ("artist = 'A' AND number >= 2", ["A2", "A3"]),
        ("artist = 'A' AND number > 1 AND number < 3", ["A2"]),
        ("artist = 'A' AND plays > 15", ["A2", "A3"]),
        ("artist = 'A' ORDER BY number DESC", ["A3", "A2", "A1"]),
        ("artist IN ['B', 'A'] AND number = 1", ["A1", "B1"]),
        ("artist IN ['B', 'A'] AND number < 3 ORDER BY artist DESC", ["B1", "B2", "A1", "A2"]),
        ("artist = 'A' OR artist = 'A'", ["A1", "A2", "A3"]),
        ("artist = 'nobody'", []),
    ],
)
def test_a_select_by_key_is_a_query(songs: str, run: Run, where: str, found: list[str]) -> None:
    """Items come in the order of their keys, those that the conditions name."""
    assert numbers(run(f'SELECT * FROM "{songs}" WHERE {where}')) == found


def test_a_select_without_key_is_a_scan(songs: str, run: Run) -> None:
    """Without equality with the partition key every item is looked at."""
    assert len(run(f"SELECT * FROM {songs}")) == 6
    assert sorted(numbers(run(f"SELECT * FROM {songs} WHERE plays = 20"))) == ["A2", "B2"]


def test_a_select_picks_attributes(songs: str, run: Run) -> None:
    """A projection list gives the attributes that it names."""
    assert run(f"SELECT plays, tags FROM {songs} WHERE artist = ? AND number = ?", "A", 1) == [{"plays": 10, "tags": {"x"}}]


def test_a_select_reads_an_index(songs: str, run: Run, db: Any, refused: Any) -> None:
    """An index is queried by its own key; it cannot be read consistently, nor written to."""
    found = run(f'SELECT * FROM "{songs}"."by-genre" WHERE genre = \'rock\' AND number > 1')
    assert sorted(numbers(found)) == ["A3", "B3"]
    text = f'SELECT * FROM "{songs}"."by-genre" WHERE genre = \'rock\''
    assert refused(db.execute_statement, Statement=text, ConsistentRead=True)[0] == "ValidationException"
    assert refused(db.execute_statement, Statement=f'SELECT * FROM "{songs}"."no"')[0] == "ValidationException"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM Songs",
        "SELECT * FROM Songs WHERE artist IN ['A', 'B'] ORDER BY artist DESC, number DESC",
        "SELECT * FROM Songs WHERE artist = 'A' OR artist = 'B'",
        "SELECT * FROM \"Songs\".\"by-genre\" WHERE genre IN ['rock', 'pop']",
        'SELECT * FROM "Songs"."by-genre"',
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_go_on_where_they_ended(songs: str, db: Any, statement: str, limit: int) -> None:
    """With NextToken the pages of a SELECT together are what it gives at once."""
    whole = db.execute_statement(Statement=statement)["Items"]
    assert len(whole) == 6
    items: list[Any] = []
    token: dict[str, Any] = {}
    while True:
        page = db.execute_statement(Statement=statement, Limit=limit, **token)
        assert len(page["Items"]) <= limit
        items += page["Items"]
        if "NextToken" not in page:
            break
        assert page["LastEvaluatedKey"]
        token = {"NextToken": page["NextToken"]}
    assert items == whole


def test_a_token_belongs_to_its_statement(songs: str, db: Any, refused: Any) -> None:
    """A NextToken of another statement, or one that was not given, is refused."""
    token = db.execute_statement(Statement="SELECT * FROM Songs", Limit=1)["NextToken"]
    for statement, given in (("SELECT plays FROM Songs", token), ("SELECT * FROM Songs", "eA=="), ("SELECT * FROM Songs", "?")):
        assert refused(db.execute_statement, Statement=statement, NextToken=given)[0] == "ValidationException"


def test_capacity_is_told(songs: str, db: Any) -> None:
    """A query of three small items consumes half a unit; an update one in the table, and one in the index that shows it."""
    read = db.execute_statement(Statement="SELECT * FROM Songs WHERE artist = 'A'", ReturnConsumedCapacity="TOTAL")
    assert read["ConsumedCapacity"] == {"TableName": "Songs", "CapacityUnits": 0.5}
    text = "UPDATE Songs SET plays = 1 WHERE artist = 'A' AND number = 1"
    assert db.execute_statement(Statement=text, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 2.0


# Writes.


def test_insert(songs: str, db: Any, run: Run, refused: Any) -> None:
    """INSERT puts a new item; there must be none with its key."""
    text = "INSERT INTO Songs VALUE {'artist': ?, 'number': 9, 'm': {'l': [1, <<'a'>>]}}"
    assert run(text, "Z") == []
    assert run("SELECT * FROM Songs WHERE artist = 'Z'") == [{"artist": "Z", "number": 9, "m": {"l": [1, {"a"}]}}]
    assert refused(db.execute_statement, Statement=text, Parameters=[{"S": "Z"}]) == (
        "DuplicateItemException",
        "Duplicate primary key exists in table",
    )
    code, message = refused(db.execute_statement, Statement="INSERT INTO Songs VALUE {'artist': 'Q'}")
    assert (code, message) == ("ValidationException", "One or more parameter values were invalid: Missing the key number in the item")
    assert refused(db.execute_statement, Statement="INSERT INTO Songs VALUE [1]")[0] == "ValidationException"


ONE = "WHERE artist = 'A' AND number = 1"


@pytest.mark.parametrize(
    ("clauses", "changed"),
    [
        ("SET plays = 1", {"plays": 1}),
        ("SET plays = plays + 5 SET genre = 'jazz'", {"plays": 15, "genre": "jazz"}),
        ("SET plays = plays - 1, x = ?", {"plays": 9, "x": "p"}),
        ("SET tags = set_add(tags, <<'y'>>)", {"tags": {"x", "y"}}),
        ("SET tags = SET_DELETE(tags, <<'x'>>)", {"tags": None}),
        ("SET l = [1, 2]", {"l": [1, 2]}),
        ("REMOVE tags REMOVE gone", {"tags": None}),
        ("SET a = {'b': 1} REMOVE tags", {"a": {"b": 1}, "tags": None}),
    ],
)
def test_update(songs: str, run: Run, clauses: str, changed: dict[str, Any]) -> None:
    """UPDATE sets, adds and removes attributes of one item."""
    expected = {"artist": "A", "number": 1, "genre": "rock", "plays": 10, "tags": {"x"}} | changed
    found = run(f"UPDATE Songs {clauses} {ONE} RETURNING ALL NEW *", *(["p"] if "?" in clauses else []))
    assert found == [{name: value for name, value in expected.items() if value is not None}]
    assert run(f"SELECT * FROM Songs {ONE}") == found


def test_lists_are_appended_to(songs: str, run: Run) -> None:
    """list_append and indexes work on nested lists."""
    run(f"UPDATE Songs SET a = {{'l': [1]}} {ONE}")
    run(f"UPDATE Songs SET a.l = list_append(a.l, [2, 3]) {ONE}")
    assert run(f"UPDATE Songs REMOVE a.l[0] {ONE} RETURNING MODIFIED NEW *") == [{"a": {"l": [2]}}]
    assert run(f"SELECT a.l FROM Songs {ONE}") == [{"a": {"l": [2, 3]}}]


def test_returning(songs: str, run: Run) -> None:
    """RETURNING gives the whole item or what was modified, as it was or as it is."""
    assert run(f"UPDATE Songs SET plays = 1 {ONE}") == []
    assert run(f"UPDATE Songs SET plays = 2 {ONE} RETURNING MODIFIED OLD *") == [{"plays": 1}]
    assert run(f"UPDATE Songs SET plays = 3 {ONE} RETURNING MODIFIED NEW *") == [{"plays": 3}]
    assert run(f"UPDATE Songs SET plays = 4 {ONE} RETURNING ALL OLD *")[0]["plays"] == 3
    assert run(f"DELETE FROM Songs {ONE} RETURNING ALL OLD *")[0]["plays"] == 4
    assert run(f"DELETE FROM Songs {ONE} RETURNING ALL OLD *") == []


def test_conditions_of_writes(songs: str, db: Any, run: Run, refused: Any) -> None:
    """UPDATE needs an item that meets the conditions; DELETE needs them only of an item that is there."""
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    for text in (
        f"UPDATE Songs SET plays = 1 {ONE} AND plays = 11",
        "UPDATE Songs SET plays = 1 WHERE artist = 'nobody' AND number = 1",
        f"DELETE FROM Songs {ONE} AND plays = 11",
    ):
        assert refused(db.execute_statement, Statement=text) == failed
    assert run("DELETE FROM Songs WHERE artist = 'nobody' AND number = 1 AND plays = 11") == []
    assert run("SELECT * FROM Songs WHERE artist = 'nobody'") == []
    with pytest.raises(ClientError) as caught:
        db.execute_statement(Statement=f"DELETE FROM Songs {ONE} AND plays = 11", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert plain(caught.value.response["Item"])["plays"] == 10
    run(f"DELETE FROM Songs {ONE} AND plays = 10")
    assert numbers(run("SELECT * FROM Songs WHERE artist = 'A'")) == ["A2", "A3"]


@pytest.mark.parametrize(
    ("statement", "parameters", "code", "message"),
    [
        ("SELECT * FROM Nothing", [], "ResourceNotFoundException", "Requested resource not found"),
        ("UPDATE Songs SET plays = 1 WHERE artist = 'A'", [], "ValidationException", MANDATORY),
        (
            f"UPDATE Songs SET artist = 'B' {ONE}",
            [],
            "ValidationException",
            "One or more parameter values were invalid: Cannot update attribute artist. This attribute is part of the key",
        ),
        (f"SELECT * FROM Songs {ONE}", [{"S": "x"}], "ValidationException", "Number of parameters in request and statement don't match."),
        ("SELECT * FROM Songs WHERE artist = ?", [], "ValidationException", "Number of parameters in request and statement don't match."),
        (
            "SELECT * FROM Songs WHERE artist = 1",
            [],
            "ValidationException",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        ("SELEC * FROM Songs", [], "ValidationException", "Statement wasn't well formed, can't be processed: Unexpected SELEC"),
        (f"EXISTS(SELECT * FROM Songs {ONE})", [], "ValidationException", "EXISTS can only be used in a transaction"),
    ],
)
def test_statements_are_refused(songs: str, db: Any, refused: Any, statement: str, parameters: list[Any], code: str, message: str) -> None:
    """What cannot be carried out is refused, with what is wrong."""
    more = {"Parameters": parameters} if parameters else {}
    assert refused(db.execute_statement, Statement=statement, **more) == (code, message)


# Batches.


def test_a_batch_reads_single_items(songs: str, db: Any) -> None:
    """Each SELECT of a batch names one item; one that is not there gives none, a wrong one its error."""
    answer = db.batch_execute_statement(
        Statements=[
            {"Statement": f"SELECT plays FROM Songs {ONE}"},
            {"Statement": "SELECT * FROM Songs WHERE artist = ? AND number = ?", "Parameters": [{"S": "A"}, {"N": "9"}]},
            {"Statement": "SELECT * FROM Songs WHERE artist = 'A'"},
            {"Statement": "SELECT * FROM Nothing WHERE a = 1"},
            {"Statement": f"SELECT * FROM Songs {ONE} AND plays > 10"},
        ],
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["Responses"] == [
        {"TableName": "Songs", "Item": {"plays": {"N": "10"}}},
        {"TableName": "Songs"},
        {"TableName": "Songs", "Error": {"Code": "ValidationError", "Message": MANDATORY}},
        {"TableName": "Nothing", "Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found"}},
        {"TableName": "Songs"},
    ]
    assert [one["CapacityUnits"] for one in answer["ConsumedCapacity"]] == [0.5, 0.5, 0.5]


def test_a_batch_writes_each_by_itself(songs: str, db: Any, run: Run) -> None:
    """A statement of a batch that is refused leaves the others as they are."""
    answer = db.batch_execute_statement(
        Statements=[
            {"Statement": "INSERT INTO Songs VALUE {'artist': 'Z', 'number': 1}"},
            {"Statement": "INSERT INTO Songs VALUE {'artist': 'Z', 'number': 1}"},
            {"Statement": f"UPDATE Songs SET plays = 1 {ONE} AND plays = 11", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"},
            {"Statement": "DELETE FROM Songs WHERE artist = 'A' AND number = 2 RETURNING ALL OLD *"},
        ]
    )
    first, second, third, fourth = answer["Responses"]
    assert first == {"TableName": "Songs"}
    assert second["Error"]["Code"] == "DuplicateItem"
    assert third["Error"]["Code"] == "ConditionalCheckFailed"
    assert plain(third["Error"]["Item"])["plays"] == 10
    assert plain(fourth["Item"])["plays"] == 20
    assert len(run("SELECT * FROM Songs")) == 6


def test_a_batch_does_not_mix(songs: str, db: Any, refused: Any, run: Run) -> None:
    """Reads and writes in one batch are refused, and nothing is written."""
    statements = [{"Statement": f"DELETE FROM Songs {ONE}"}, {"Statement": f"SELECT * FROM Songs {ONE}"}]
    assert refused(db.batch_execute_statement, Statements=statements)[0] == "ValidationException"
    assert run(f"SELECT * FROM Songs {ONE}")


# Transactions.


def transact(db: Any, *statements: str, **members: Any) -> Any:
    return db.execute_transaction(TransactStatements=[{"Statement": statement} for statement in statements], **members)


def test_a_transaction_writes_all(songs: str, db: Any, run: Run) -> None:
    """The statements of a transaction are carried out together, if the conditions that EXISTS makes hold."""
    transact(
        db,
        "EXISTS(SELECT * FROM Songs WHERE artist = 'A' AND number = 3 AND gone IS MISSING)",
        "INSERT INTO Songs VALUE {'artist': 'Z', 'number': 1}",
        f"UPDATE Songs SET plays = 1 {ONE}",
        "DELETE FROM Songs WHERE artist = 'A' AND number = 2",
    )
    assert numbers(run("SELECT * FROM Songs WHERE artist IN ['A', 'Z']")) == ["A1", "A3", "Z1"]
    assert run(f"SELECT plays FROM Songs {ONE}") == [{"plays": 1}]


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        ("EXISTS(SELECT * FROM Songs WHERE artist = 'A' AND number = 3 AND gone = 1)", "ConditionalCheckFailed"),
        ("EXISTS(SELECT * FROM Songs WHERE artist = 'A' AND number = 9)", "ConditionalCheckFailed"),
        ("UPDATE Songs SET plays = 1 WHERE artist = 'A' AND number = 9", "ConditionalCheckFailed"),
        ("INSERT INTO Songs VALUE {'artist': 'B', 'number': 1}", "DuplicateItem"),
    ],
)
def test_a_transaction_writes_nothing_where_one_part_fails(songs: str, db: Any, run: Run, failing: str, code: str) -> None:
    """A part that fails cancels the transaction, with a reason for each part."""
    with pytest.raises(ClientError) as caught:
        transact(db, f"DELETE FROM Songs {ONE}", failing)
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["None", code]
    assert run(f"SELECT * FROM Songs {ONE}")


def test_a_transaction_reads_items(songs: str, db: Any) -> None:
    """SELECTs of a transaction give one item each, in their order; one that is not there is empty."""
    answer = transact(
        db, "SELECT plays FROM Songs WHERE artist = 'B' AND number = 3", "SELECT * FROM Songs WHERE artist = 'C' AND number = 1"
    )
    assert answer["Responses"] == [{"Item": {"plays": {"N": "30"}}}, {}]


def test_a_transaction_is_carried_out_once_for_a_token(songs: str, db: Any, run: Run, refused: Any) -> None:
    """The same call with the same token does nothing more; another with it is refused."""
    add = f"UPDATE Songs SET plays = plays + 1 {ONE}"
    for _ in range(2):
        transact(db, add, ClientRequestToken="token")
    assert run(f"SELECT plays FROM Songs {ONE}") == [{"plays": 11}]
    other = [{"Statement": f"DELETE FROM Songs {ONE}"}]
    code, _ = refused(db.execute_transaction, TransactStatements=other, ClientRequestToken="token")
    assert code == "IdempotentParameterMismatchException"


def test_a_transaction_does_not_mix_or_repeat(songs: str, db: Any, refused: Any) -> None:
    """Reads and writes do not mix; an item is there once."""
    delete, select = f"DELETE FROM Songs {ONE}", f"SELECT * FROM Songs {ONE}"
    for statements in ([delete, select], [delete, delete], [select, select]):
        given = [{"Statement": statement} for statement in statements]
        assert refused(db.execute_transaction, TransactStatements=given)[0] == "ValidationException"


# Who may.


@pytest.fixture
def someone(cloud: Any) -> Callable[[list[dict[str, Any]]], Any]:
    """A client of a user with these policy statements."""

    def call(statements: list[dict[str, Any]]) -> Any:
        iam = cloud.client("iam")
        iam.create_user(UserName="someone")
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="someone", PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName="someone")["AccessKey"]
        return cloud.client("dynamodb", key["AccessKeyId"], key["SecretAccessKey"])

    return call


ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Songs"


def test_each_kind_of_statement_has_its_action(songs: str, someone: Any, refused: Any) -> None:
    """Who may select may not update; a batch tells it statement by statement."""
    client = someone([{"Effect": "Allow", "Action": "dynamodb:PartiQLSelect", "Resource": ARN}])
    assert client.execute_statement(Statement=f"SELECT * FROM Songs {ONE}")["Items"]
    for statement, action in (
        ("INSERT INTO Songs VALUE {'artist': 'Z', 'number': 1}", "PartiQLInsert"),
        (f"UPDATE Songs SET plays = 1 {ONE}", "PartiQLUpdate"),
        (f"DELETE FROM Songs {ONE}", "PartiQLDelete"),
    ):
        code, message = refused(client.execute_statement, Statement=statement)
        assert code == "AccessDeniedException"
        assert f"dynamodb:{action} on resource: {ARN}" in message
    assert refused(client.execute_statement, Statement='SELECT * FROM "Songs"."by-genre"')[0] == "AccessDeniedException"
    answer = client.batch_execute_statement(Statements=[{"Statement": f"DELETE FROM Songs {ONE}"}])
    assert answer["Responses"][0]["Error"]["Code"] == "AccessDenied"


def test_full_scans_and_other_peoples_keys_can_be_forbidden(songs: str, someone: Any, refused: Any) -> None:
    """dynamodb:FullTableScan and dynamodb:LeadingKeys are known of a statement."""
    client = someone(
        [
            {
                "Effect": "Deny",
                "Action": "dynamodb:PartiQLSelect",
                "Resource": ARN,
                "Condition": {"Bool": {"dynamodb:FullTableScan": "true"}},
            },
            {
                "Effect": "Allow",
                "Action": "dynamodb:PartiQL*",
                "Resource": ARN,
                "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["A"]}},
            },
        ]
    )
    assert client.execute_statement(Statement="SELECT * FROM Songs WHERE artist = 'A'")["Items"]
    client.execute_statement(Statement="INSERT INTO Songs VALUE {'artist': 'A', 'number': 9}")
    for statement in (
        "SELECT * FROM Songs",
        "SELECT * FROM Songs WHERE artist = 'B'",
        "SELECT * FROM Songs WHERE artist IN ['A', 'B']",
        "INSERT INTO Songs VALUE {'artist': 'B', 'number': 9}",
    ):
        assert refused(client.execute_statement, Statement=statement)[0] == "AccessDeniedException"
