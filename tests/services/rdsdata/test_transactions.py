"""Transactions: they hold what they do together, and end."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import ARN


@pytest.fixture
def data(cloud: Any, run: Any, shop: Any) -> Any:
    shop.execute("create table t (a int)")
    return cloud.client("rds-data")


@pytest.fixture
def where(secret: str) -> dict[str, str]:
    return {"resourceArn": ARN, "secretArn": secret}


def test_commit(data: Any, run: Any, shop: Any, where: Any, refused: Any) -> None:
    """What a transaction did is seen by others when it is committed, and then it is over."""
    one = data.begin_transaction(**where, database="shop")["transactionId"]
    run("insert into t values (1)", transactionId=one)
    assert shop.execute("select count(*) from t").fetchone() == (0,)
    assert data.commit_transaction(**where, transactionId=one)["transactionStatus"] == "Transaction Committed"
    assert shop.execute("select count(*) from t").fetchone() == (1,)
    code, message = refused(data.commit_transaction, **where, transactionId=one)
    assert (code, message) == ("TransactionNotFoundException", f"Transaction {one} is not found")


def test_rollback(data: Any, run: Any, shop: Any, where: Any, refused: Any) -> None:
    """What a transaction did is gone when it is rolled back; a batch is part of it too."""
    one = data.begin_transaction(**where)["transactionId"]
    sets = [[{"name": "a", "value": {"longValue": n}}] for n in range(5)]
    data.batch_execute_statement(**where, sql="insert into t values (:a)", parameterSets=sets, transactionId=one)
    assert run("select count(*) from t", transactionId=one)["records"] == [[{"longValue": 5}]]
    assert data.rollback_transaction(**where, transactionId=one)["transactionStatus"] == "Rollback Complete"
    assert shop.execute("select count(*) from t").fetchone() == (0,)
    assert refused(run, "select 1", transactionId=one)[0] == "TransactionNotFoundException"


def test_failed(data: Any, run: Any, shop: Any, where: Any, refused: Any) -> None:
    """A transaction in which a statement failed cannot be committed, and does not say that it was."""
    one = data.begin_transaction(**where)["transactionId"]
    run("insert into t values (1)", transactionId=one)
    assert refused(run, "select 1/0", transactionId=one)[0] == "DatabaseErrorException"
    code, message = refused(data.commit_transaction, **where, transactionId=one)
    assert code == "DatabaseErrorException"
    assert "cannot be committed" in message
    assert shop.execute("select count(*) from t").fetchone() == (0,)


def test_idle(cloud: Any, data: Any, run: Any, where: Any, databases: Any, refused: Any) -> None:
    """A transaction is rolled back three minutes after its last call."""
    one = data.begin_transaction(**where)["transactionId"]
    for _ in range(3):
        cloud.advance(120)
        run("insert into t values (1)", transactionId=one)
    databases.ended.clear()
    cloud.advance(181)
    assert databases.ended == [one]
    assert refused(run, "select 1", transactionId=one)[0] == "TransactionNotFoundException"


def test_lost(cloud: Any, data: Any, run: Any, where: Any, refused: Any) -> None:
    """A transaction whose session is gone, because the databases were started again, is not found: nothing is done outside of it."""
    one = data.begin_transaction(**where)["transactionId"]
    cloud.house.on_loop(lambda: setattr(cloud.inner, "_databases", None))
    assert refused(run, "insert into t values (1)", transactionId=one)[0] == "TransactionNotFoundException"
    assert run("select count(*) from t")["records"] == [[{"longValue": 0}]]


def test_its_own(data: Any, run: Any, where: Any, cloud: Any, refused: Any) -> None:
    """A transaction goes on in its own database and with its own secret only."""
    one = data.begin_transaction(**where)["transactionId"]
    assert refused(run, "select 1", transactionId=one, database="postgres") == (
        "BadRequestException",
        "Database name is not the same as transaction",
    )
    other = cloud.client("secretsmanager").create_secret(Name="other", SecretString='{"username":"master","password":"x"}')["ARN"]
    members = {**where, "secretArn": other, "transactionId": one, "sql": "select 1"}
    assert refused(data.execute_statement, **members)[0] == "BadRequestException"
    assert refused(run, "select 1", transactionId="nothing")[0] == "TransactionNotFoundException"
